//! Channels of an NCHW tensor as sequences of f32, and sums over them in lanes: what the kernels'
//! blocks do, in vectors of whatever width the processor has.

use half::f16;

use crate::operation::batch_norm::plan::Geometry;
use crate::operation::instructions::dispatched;

/// The widest tile: `channel_tree`'s of f16 with 1024 threads.
pub const MOST_LANES: usize = 8192;

/// An element type.
pub trait Element: Copy + Default + Send + Sync {
    /// The value, widened exactly.
    fn widen(self) -> f32;

    /// The value rounded once.
    fn narrow(value: f32) -> Self;

    /// The elements themselves, if they are f32.
    fn as_f32(slice: &[Self]) -> Option<&[f32]>;

    /// Fills `buffer` with a channel's elements, widened. One function per type, which a profile tells
    /// apart.
    fn gather(x: &[Self], walk: Walk, buffer: &mut [f32]);
}

dispatched! {
    fn gather_f32(x: &'a [f32], walk: Walk, buffer: &'a mut [f32]) {
        gather(x, walk, buffer);
    }
}

dispatched! {
    fn gather_f16(x: &'a [f16], walk: Walk, buffer: &'a mut [f32]) {
        gather(x, walk, buffer);
    }
}

impl Element for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    #[inline(always)]
    fn narrow(value: f32) -> Self {
        value
    }

    fn as_f32(slice: &[Self]) -> Option<&[f32]> {
        Some(slice)
    }

    fn gather(x: &[Self], walk: Walk, buffer: &mut [f32]) {
        gather_f32(x, walk, buffer);
    }
}

/// In integer operations that vectorise everywhere: faster here than conversions that are called, most
/// of all on short planes.
impl Element for f16 {
    /// The multiplication by 2^112 moves the exponent from one bias to the other, of subnormal values
    /// too.
    #[inline(always)]
    fn widen(self) -> f32 {
        let bits = u32::from(self.to_bits());
        let finite = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
        let not_finite = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
        f32::from_bits(finite.to_bits() | not_finite | (bits & 0x8000) << 16)
    }

    /// To the nearest, ties to even; NaN becomes the one that PTX makes.
    #[inline(always)]
    fn narrow(value: f32) -> Self {
        let sign = value.to_bits() >> 16 & 0x8000;
        let magnitude = value.to_bits() & 0x7fff_ffff;
        // Half of the 13 bits that go, and one more if the last that stays is odd.
        let rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
        let normal = (rounded.wrapping_sub(0x3800_0000) >> 13).min(0x7c00);
        // 0.5 has units of 2^-24, as f16 has below 2^-14: the addition rounds.
        let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
        let number = if magnitude < 0x3880_0000 { subnormal } else { normal };
        let bits = if magnitude > 0x7f80_0000 { 0x7fff } else { sign | number };
        f16::from_bits(bits as u16)
    }

    fn as_f32(_: &[Self]) -> Option<&[f32]> {
        None
    }

    fn gather(x: &[Self], walk: Walk, buffer: &mut [f32]) {
        gather_f16(x, walk, buffer);
    }
}

/// A tensor whose channels can be read as sequences.
#[derive(Debug, Clone, Copy)]
pub struct Channels<'a, T> {
    x: &'a [T],
    channels: usize,
    plane: usize,
    count: usize,
}

impl<'a, T: Element> Channels<'a, T> {
    /// The channels of `x`.
    pub fn new(x: &'a [T], geometry: &Geometry) -> Self {
        Self {
            x,
            channels: geometry.channels as usize,
            plane: geometry.plane as usize,
            count: geometry.count() as usize,
        }
    }

    /// Elements of a channel.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Elements `start..end` of a channel's sequence: a part of `x` where that is possible, else
    /// gathered in `buffer`.
    pub fn part<'b>(&self, channel: usize, start: usize, end: usize, buffer: &'b mut [f32]) -> &'b [f32]
    where
        'a: 'b,
    {
        let at = |element: usize| {
            (element / self.plane * self.channels + channel) * self.plane + element % self.plane
        };
        let within_plane = start / self.plane == end.saturating_sub(1) / self.plane;
        if within_plane && let Some(part) = T::as_f32(&self.x[at(start)..at(start) + (end - start)]) {
            return part;
        }
        let buffer = &mut buffer[..end - start];
        let Self { channels, plane, .. } = *self;
        T::gather(self.x, Walk { at: at(start), inside: start % plane, channels, plane }, buffer);
        buffer
    }
}

/// Where a channel's sequence goes on in memory.
#[derive(Debug, Clone, Copy)]
pub struct Walk {
    /// The first element's place.
    at: usize,
    /// Its place in its plane.
    inside: usize,
    channels: usize,
    plane: usize,
}

/// Fills `buffer` with a channel's elements.
#[inline(always)]
fn gather<T: Element>(x: &[T], walk: Walk, buffer: &mut [f32]) {
    let Walk { at, inside, channels, plane } = walk;
    if plane == 1 {
        for (to, from) in buffer.iter_mut().zip(x[at..].iter().step_by(channels)) {
            *to = from.widen();
        }
        return;
    }
    let (mut at, mut left, mut rest) = (at, plane - inside, buffer);
    while !rest.is_empty() {
        let length = left.min(rest.len());
        let (to, after) = rest.split_at_mut(length);
        for (to, from) in to.iter_mut().zip(&x[at..at + length]) {
            *to = from.widen();
        }
        (at, left, rest) = (at + length + (channels - 1) * plane, plane, after);
    }
}

/// What is added up of an element.
#[derive(Debug, Clone, Copy)]
pub enum Term {
    /// Itself.
    Itself,
    /// Its squared distance from a mean.
    Square(f32),
}

/// Lanes, aligned so that no vector of them lies in two cache lines.
#[repr(align(64))]
struct Aligned<const N: usize>([f32; N]);

/// What a task needs to add up sequences; made once per task.
pub struct Scratch {
    lanes: Aligned<MOST_LANES>,
    halves: Aligned<{ MOST_LANES / 2 }>,
    part: Aligned<MOST_LANES>,
}

impl Scratch {
    /// Scratch memory.
    pub fn new() -> Box<Self> {
        Box::new(Self {
            lanes: Aligned([0.0; MOST_LANES]),
            halves: Aligned([0.0; MOST_LANES / 2]),
            part: Aligned([0.0; MOST_LANES]),
        })
    }

    /// The sum of tiles `first`, `first` + `step`, … of a channel, each of `width` elements: lane by
    /// lane, then neighbouring lanes in pairs. Tiles end where the channel, or `end`, does.
    pub fn tiles<T: Element>(
        &mut self,
        channels: &Channels<T>,
        channel: usize,
        (first, step, end): (usize, usize, usize),
        width: usize,
        term: Term,
    ) -> f32 {
        let lanes = &mut self.lanes.0[..width];
        lanes.fill(0.0);
        // Neighbouring tiles are gathered together.
        let together = if step == 1 { MOST_LANES / width } else { 1 };
        let mut tile = first;
        while tile * width < end {
            let start = tile * width;
            let part = channels.part(channel, start, end.min(start + together * width), &mut self.part.0);
            for tile in part.chunks(width) {
                match term {
                    Term::Itself => add(lanes, tile),
                    Term::Square(mean) => add_squares(lanes, tile, mean),
                }
            }
            tile += if step == 1 { together } else { step };
        }
        // Lanes beyond the elements hold +0, and adding that changes nothing: no lane ever holds −0.
        let used = end.saturating_sub(first * width).next_power_of_two().min(width);
        pairs(&mut lanes[..used], &mut self.halves.0)
    }

    /// The sum of `values` in 256 lanes: how chunks are combined.
    pub fn combine(&mut self, values: impl Iterator<Item = f32>) -> f32 {
        let lanes = &mut self.lanes.0[..256];
        lanes.fill(0.0);
        for (index, value) in values.enumerate() {
            lanes[index % 256] += value;
        }
        pairs(lanes, &mut self.halves.0)
    }
}

/// Lanes of which a group is handled at once, so that the compiler knows how many.
const AT_ONCE: usize = 64;

dispatched! {
    fn add(lanes: &'a mut [f32], tile: &'a [f32]) {
        let lanes = &mut lanes[..tile.len()];
        let (groups, rest) = lanes.as_chunks_mut::<AT_ONCE>();
        let (elements, last) = tile.as_chunks::<AT_ONCE>();
        for (group, elements) in groups.iter_mut().zip(elements) {
            for (lane, value) in group.iter_mut().zip(elements) {
                *lane += value;
            }
        }
        for (lane, value) in rest.iter_mut().zip(last) {
            *lane += value;
        }
    }
}

dispatched! {
    fn add_squares(lanes: &'a mut [f32], tile: &'a [f32], mean: f32) {
        let lanes = &mut lanes[..tile.len()];
        let (groups, rest) = lanes.as_chunks_mut::<AT_ONCE>();
        let (elements, last) = tile.as_chunks::<AT_ONCE>();
        for (group, elements) in groups.iter_mut().zip(elements) {
            for (lane, value) in group.iter_mut().zip(elements) {
                *lane += (value - mean) * (value - mean);
            }
        }
        for (lane, value) in rest.iter_mut().zip(last) {
            *lane += (value - mean) * (value - mean);
        }
    }
}

dispatched! {
    /// Neighbours in pairs until one is left; between two buffers, since sums written over their own
    /// summands do not vectorise.
    fn pairs(lanes: &'a mut [f32], other: &'a mut [f32]) -> f32 {
        let mut width = lanes.len();
        while width >= 4 {
            for (sum, pair) in other.iter_mut().zip(lanes[..width].as_chunks::<2>().0) {
                *sum = pair[0] + pair[1];
            }
            for (sum, pair) in lanes.iter_mut().zip(other[..width / 2].as_chunks::<2>().0) {
                *sum = pair[0] + pair[1];
            }
            width /= 4;
        }
        if width == 2 { lanes[0] + lanes[1] } else { lanes[0] }
    }
}
