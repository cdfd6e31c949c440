//! Loads and stores: from addresses to bytes of a state space, checked for bounds, alignment and, when
//! reading, for having been written.

use crate::simt::execute::observe::Observer;
use crate::simt::execute::step::{BlockSide, Shared};
use crate::simt::execute::warp::{LANES, Registers, Warp, lanes};
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::memory::Memory;
use crate::simt::program::{Access, Address, Base, Slot};
use crate::simt::ptx::ast::Space;
use crate::simt::segment::Segment;

/// Where shared memory begins among generic addresses.
pub const SHARED_WINDOW: u64 = 0x1_0000_0000;
/// Where a thread's local memory begins.
pub const LOCAL_WINDOW: u64 = 0x2_0000_0000;
/// Where a kernel's parameters begin.
pub const PARAM_WINDOW: u64 = 0x3_0000_0000;
/// Where nothing of that sort is any more.
const WINDOWS_END: u64 = 0x4_0000_0000;
/// The most bytes of one access: eight values of 32 bits.
pub const MOST_BYTES: usize = 32;

/// The state space that a generic address lies in.
pub fn window(address: u64) -> Space {
    match address {
        SHARED_WINDOW..LOCAL_WINDOW => Space::Shared,
        LOCAL_WINDOW..PARAM_WINDOW => Space::Local,
        PARAM_WINDOW..WINDOWS_END => Space::Param,
        _ => Space::Global,
    }
}

/// What is added to an address within a space to make it generic.
pub fn window_start(space: Space) -> u64 {
    match space {
        Space::Shared => SHARED_WINDOW,
        Space::Local => LOCAL_WINDOW,
        Space::Param => PARAM_WINDOW,
        Space::Global | Space::Const => 0,
    }
}

/// The space of an address, which is generic if none is given, and the address within it.
#[inline(always)]
pub fn locate(space: Option<Space>, address: u64) -> (Space, u64) {
    match space {
        Some(space) => (space, address),
        None => {
            let space = window(address);
            (space, address - window_start(space))
        }
    }
}

/// Everything that an address can lie in, as one lane sees it.
pub struct Spaces<'a> {
    pub memory: &'a mut Memory,
    pub shared: &'a mut Segment,
    pub local: &'a mut Segment,
    /// Bytes of a lane's local memory.
    pub local_bytes: u64,
    pub parameters: &'a [u8],
    /// The allocation that was met last.
    pub nearby: usize,
}

impl Spaces<'_> {
    #[inline(always)]
    fn local_offset(&self, lane: usize, address: u64, len: usize) -> std::result::Result<u64, FaultKind> {
        let end = address.checked_add(len as u64).ok_or(FaultKind::OutOfBounds)?;
        if end > self.local_bytes {
            return Err(FaultKind::OutOfBounds);
        }
        Ok(lane as u64 * self.local_bytes + address)
    }

    /// `len` bytes that a lane reads.
    #[inline(always)]
    pub fn read(
        &mut self,
        space: Option<Space>,
        lane: usize,
        address: u64,
        len: usize,
    ) -> std::result::Result<&[u8], FaultKind> {
        let (space, address) = locate(space, address);
        match space {
            Space::Global | Space::Const => {
                if !self.memory.holds(self.nearby, address, len) {
                    self.nearby = self.memory.find(address, len)?;
                }
                self.memory.load(self.nearby, address, len)
            }
            Space::Shared => self.shared.read(address, len),
            Space::Local => {
                let offset = self.local_offset(lane, address, len)?;
                self.local.read(offset, len)
            }
            Space::Param => {
                let start = usize::try_from(address).map_err(|_| FaultKind::OutOfBounds)?;
                let end = start.checked_add(len).ok_or(FaultKind::OutOfBounds)?;
                self.parameters.get(start..end).ok_or(FaultKind::OutOfBounds)
            }
        }
    }

    /// `len` bytes that a lane overwrites.
    #[inline(always)]
    pub fn write(
        &mut self,
        space: Option<Space>,
        lane: usize,
        address: u64,
        len: usize,
    ) -> std::result::Result<&mut [u8], FaultKind> {
        let (space, address) = locate(space, address);
        match space {
            Space::Global => {
                if !self.memory.holds(self.nearby, address, len) {
                    self.nearby = self.memory.find(address, len)?;
                }
                self.memory.store(self.nearby, address, len)
            }
            Space::Shared => self.shared.write(address, len),
            Space::Local => {
                let offset = self.local_offset(lane, address, len)?;
                self.local.write(offset, len)
            }
            Space::Const | Space::Param => Err(FaultKind::ReadOnly),
        }
    }

    /// Says what is wrong with an access.
    #[cold]
    pub fn fault(
        &self,
        kind: FaultKind,
        access: &str,
        space: Option<Space>,
        address: u64,
        len: usize,
    ) -> Fault {
        let (space, within) = locate(space, address);
        let (name, holds) = match space {
            Space::Global | Space::Const => ("global", self.memory.nearest(within)),
            Space::Shared => ("shared", format!("the block has {} bytes", self.shared.len())),
            Space::Local => ("local", format!("the thread has {} bytes", self.local_bytes)),
            Space::Param => ("parameter", format!("the parameters have {} bytes", self.parameters.len())),
        };
        let access = format!("{access} of {len} bytes at {name} address {within:#x}");
        let what = match kind {
            FaultKind::Misaligned => format!("{access}: the address is no multiple of {len}"),
            FaultKind::Uninitialised => format!("{access}: nothing was written there ({holds})"),
            FaultKind::ReadOnly => format!("{access}: this memory is read-only ({holds})"),
            _ => format!("{access} is out of bounds: {holds}"),
        };
        Fault::new(kind, what)
    }
}

/// The addresses of all lanes.
#[inline(always)]
pub fn addresses(registers: &Registers, address: &Address) -> [u64; LANES] {
    let offset = address.offset as u64;
    match address.base {
        Base::Zero => [offset; LANES],
        Base::Register(slot) => {
            let narrow = matches!(slot, Slot::Narrow(_));
            let keep = if narrow { u64::from(u32::MAX) } else { u64::MAX };
            registers.all(slot).map(|base| base.wrapping_add(offset) & keep)
        }
    }
}

/// Whether the lanes of a full warp lie one after the other.
#[inline(always)]
fn in_a_row(addresses: &[u64; LANES], len: u64) -> bool {
    let first = addresses[0];
    addresses
        .iter()
        .zip(0u64..)
        .fold(true, |all, (address, lane)| all & (*address == first.wrapping_add(lane * len)))
}

impl<O: Observer> Shared<'_, O> {
    /// The memory that a warp of `block` can reach.
    pub fn spaces<'s>(&'s mut self, local: &'s mut Segment, block: &'s mut BlockSide) -> Spaces<'s> {
        Spaces {
            memory: self.memory,
            shared: block.memory,
            local,
            local_bytes: u64::from(self.kernel.local_bytes),
            parameters: self.parameters,
            nearby: usize::MAX,
        }
    }

    /// Reads what the lanes of `active` ask for.
    #[inline]
    pub fn load(
        &mut self,
        warp: &mut Warp,
        block: &mut BlockSide,
        access: &Access,
        pc: u32,
        active: u32,
    ) -> Result<()> {
        if active == 0 {
            return Ok(());
        }
        let addresses = addresses(&warp.registers, &access.address);
        let (size, space) = (access.ty.bytes() as usize, access.address.space);
        let len = size * access.registers.len();
        if O::ACTIVE {
            let at = self.at(warp, block, pc);
            self.observer.load(&at, active, access, &addresses);
        }
        let mut spaces = self.spaces(&mut warp.local, block);
        let private = matches!(space, Some(Space::Local) | None);
        let aligned = |address: u64| address & (len as u64 - 1) == 0;
        let whole = active == u32::MAX && !private && aligned(addresses[0]);
        if whole && in_a_row(&addresses, len as u64) {
            if let Ok(bytes) = spaces.read(space, 0, addresses[0], len * LANES) {
                scatter(&mut warp.registers, access, active, |lane| &bytes[lane * len..][..len]);
                return Ok(());
            }
        } else if whole
            && addresses.iter().fold(true, |all, address| all & (*address == addresses[0]))
            && let Ok(bytes) = spaces.read(space, 0, addresses[0], len)
        {
            scatter(&mut warp.registers, access, active, |_| bytes);
            return Ok(());
        }
        let mut staged = [[0u8; MOST_BYTES]; LANES];
        for lane in lanes(active) {
            let address = addresses[lane];
            let read = if aligned(address) {
                spaces.read(space, lane, address, len)
            } else {
                Err(FaultKind::Misaligned)
            };
            match read {
                Ok(bytes) => match len {
                    4 => staged[lane][..4].copy_from_slice(&bytes[..4]),
                    16 => staged[lane][..16].copy_from_slice(&bytes[..16]),
                    _ => staged[lane][..len].copy_from_slice(bytes),
                },
                Err(kind) => {
                    let fault = spaces.fault(kind, "a read", space, address, len);
                    return Err(self.blame(fault, pc, block.index, warp.index, lane));
                }
            }
        }
        scatter(&mut warp.registers, access, active, |lane| &staged[lane][..len]);
        Ok(())
    }

    /// Writes what the lanes of `active` have.
    #[inline]
    pub fn store(
        &mut self,
        warp: &mut Warp,
        block: &mut BlockSide,
        access: &Access,
        pc: u32,
        active: u32,
    ) -> Result<()> {
        if active == 0 {
            return Ok(());
        }
        let addresses = addresses(&warp.registers, &access.address);
        let (size, space) = (access.ty.bytes() as usize, access.address.space);
        let len = size * access.registers.len();
        let mut staged = [[0u8; MOST_BYTES]; LANES];
        for (index, register) in access.registers.iter().enumerate() {
            let Some(register) = register else { continue };
            let values = warp.registers.all(*register);
            for (bytes, value) in staged.iter_mut().zip(values) {
                bytes[index * size..][..size].copy_from_slice(&value.to_le_bytes()[..size]);
            }
        }
        if O::ACTIVE {
            let at = self.at(warp, block, pc);
            self.observer.store(&at, active, access, &addresses, &staged);
        }
        // Which of two lanes that write to one place comes last is left open by PTX.
        let backwards = self.choices.coin();
        let mut spaces = self.spaces(&mut warp.local, block);
        let aligned = |address: u64| address & (len as u64 - 1) == 0;
        let private = matches!(space, Some(Space::Local) | None);
        if active == u32::MAX
            && !private
            && aligned(addresses[0])
            && in_a_row(&addresses, len as u64)
            && let Ok(bytes) = spaces.write(space, 0, addresses[0], len * LANES)
        {
            for (place, staged) in bytes.chunks_exact_mut(len).zip(&staged) {
                place.copy_from_slice(&staged[..len]);
            }
            return Ok(());
        }
        let mut store = |lane: usize| {
            let address = addresses[lane];
            let place = if aligned(address) {
                spaces.write(space, lane, address, len)
            } else {
                Err(FaultKind::Misaligned)
            };
            match place {
                Ok(place) => {
                    place.copy_from_slice(&staged[lane][..len]);
                    Ok(())
                }
                Err(kind) => Err((spaces.fault(kind, "a write", space, address, len), lane)),
            }
        };
        let result = if backwards {
            (0..LANES).rev().filter(|lane| active >> lane & 1 == 1).try_for_each(&mut store)
        } else {
            lanes(active).try_for_each(&mut store)
        };
        result.map_err(|(fault, lane)| self.blame(fault, pc, block.index, warp.index, lane))
    }
}

/// Puts the bytes that each lane read into its registers.
#[inline(always)]
fn scatter<'b>(registers: &mut Registers, access: &Access, active: u32, bytes: impl Fn(usize) -> &'b [u8]) {
    let size = access.ty.bytes() as usize;
    for (index, register) in access.registers.iter().enumerate() {
        let Some(register) = register else { continue };
        if let (Slot::Narrow(narrow), 4) = (register, size) {
            let register = &mut registers.narrow[*narrow as usize];
            let value = |lane: usize| {
                let bytes = &bytes(lane)[index * 4..][..4];
                u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
            };
            if active == u32::MAX {
                *register = std::array::from_fn(value);
            } else {
                for lane in lanes(active) {
                    register[lane] = value(lane);
                }
            }
            continue;
        }
        let mut values = [0u64; LANES];
        for lane in lanes(active) {
            let mut word = [0u8; 8];
            word[..size].copy_from_slice(&bytes(lane)[index * size..][..size]);
            values[lane] = u64::from_le_bytes(word);
        }
        if let Some(width) = access.extend_to {
            for value in &mut values {
                let shift = 64 - 8 * size as u32;
                *value = ((*value << shift) as i64 >> shift) as u64 & (u64::MAX >> (64 - width));
            }
        }
        registers.set_all(*register, &values, active);
    }
}
