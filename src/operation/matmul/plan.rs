//! How products are laid out: where K is split, which twins follow too, and the launch plans.

use std::ops::Range;

use crate::device::plan::{Argument, Buffer, Launch, Legal, Plan, Step, Workspace};
use crate::operation::Target;
use crate::operation::matmul::shape::Extents;
use crate::tensor::Dtype;
use crate::workload::Workload;

/// Threads of a block, in every launch.
const BLOCK: u32 = 256;
/// Rows of C in a tile.
const ROWS: u64 = 128;
/// Columns of C in a tile, where there are enough tiles to fill the device; and otherwise.
const COLUMNS: (u64, u64) = (256, 128);
/// What chunks of K are a multiple of: a tile's depth, so that only the last chunk ends inside of one.
const DEPTH: u64 = 8;
/// The shortest chunk that `split_k_ordered` sums by itself: shorter ones cost more in partial sums than
/// they bring.
const SHORTEST_ORDERED: u64 = 512;
/// The most parts that `split_k_ordered` cuts K into: with four tiles of C, more than there are
/// multiprocessors on a large GPU.
const MOST_ORDERED: u64 = 32;
/// The same of `split_k_atomic`, whose partial sums lie nowhere.
const SHORTEST_ATOMIC: u64 = 32;
/// With fewer than three parts no order could differ, since addition is commutative.
const PARTS_ATOMIC: Range<u64> = 4..64;
/// Bytes of partial sums at a time: `split_k_ordered` works on as many rows as fit.
const PARTIALS: u64 = 256 << 20;

/// How K is cut into chunks, each summed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Splits {
    /// Steps of a chunk; the last may have fewer.
    pub chunk: u64,
    /// Chunks, at least one.
    pub count: u64,
    k: u64,
}

impl Splits {
    fn new(k: u64, parts: u64, shortest: u64) -> Self {
        let chunk = k.div_ceil(parts).max(shortest).next_multiple_of(DEPTH);
        Self { chunk, count: k.div_ceil(chunk).max(1), k }
    }

    /// All of K at once.
    pub fn none(extents: &Extents) -> Self {
        Self { chunk: extents.k, count: 1, k: extents.k }
    }

    /// Those of `split_k_ordered`: a function of K alone.
    pub fn ordered(extents: &Extents) -> Self {
        Self::new(extents.k, MOST_ORDERED, SHORTEST_ORDERED)
    }

    /// Those of `split_k_atomic`: as many as keep the device busy.
    pub fn atomic(extents: &Extents, target: &Target) -> Self {
        let wanted = (2 * u64::from(target.sm_count)).div_ceil(tiles(extents.m, extents.n, COLUMNS.1).max(1));
        Self::new(extents.k, wanted.clamp(PARTS_ATOMIC.start, PARTS_ATOMIC.end), SHORTEST_ATOMIC)
    }

    /// The steps of chunk `split`.
    pub fn range(&self, split: u64) -> Range<usize> {
        let start = (split * self.chunk).min(self.k);
        start as usize..(start + self.chunk).min(self.k) as usize
    }

    /// The longest chain of additions within a chunk.
    fn longest(&self) -> u64 {
        self.chunk.min(self.k)
    }
}

/// Depth of `tiled` and `contractible`: one chain. Where product and addition are rounded apart, the first
/// addition is to 0 and exact, so that there are no more roundings.
pub fn chain_depth(workload: &Workload, _: &Target) -> u64 {
    Extents::of(&workload.shape).k
}

/// Depth of `split_k_ordered`.
pub fn ordered_depth(workload: &Workload, _: &Target) -> u64 {
    let splits = Splits::ordered(&Extents::of(&workload.shape));
    splits.longest() + splits.count - 1
}

/// Depth of `split_k_atomic`: in the worst order, one sum waits for all others.
pub fn atomic_depth(workload: &Workload, target: &Target) -> u64 {
    let splits = Splits::atomic(&Extents::of(&workload.shape), target);
    splits.longest() + splits.count
}

const A: Argument = Argument::Buffer(Buffer::Input(0));
const B: Argument = Argument::Buffer(Buffer::Input(1));
const C: Argument = Argument::Buffer(Buffer::Output(0));
const C32: Argument = Argument::Buffer(Buffer::Output(1));
const PARTS: Argument = Argument::Buffer(Buffer::Workspace(0));

/// Plan of `tiled`: one launch. How wide its tiles are does not reach the bits.
pub fn tiled(workload: &Workload, target: &Target) -> Plan {
    let extents = Extents::of(&workload.shape);
    let (wide, narrow) = COLUMNS;
    let fills = tiles(extents.m, extents.n, wide) >= u64::from(target.sm_count);
    let columns = if fills { wide } else { narrow };
    let entry = format!("matmul_tiled_{ROWS}x{columns}_{}", workload.dtype);
    let arguments = [&[A, B], outputs(workload), &sizes(&extents)].concat();
    let blocks = tiles(extents.m, extents.n, columns);
    Plan { workspaces: Vec::new(), steps: launch(entry, blocks, arguments).into_iter().collect() }
}

/// Plan of `split_k_ordered`: for as many rows at a time as 256 MiB of partial sums hold, a launch for the chunks'
/// sums and one that adds them. A single chunk is what `tiled` does.
pub fn split_k_ordered(workload: &Workload, target: &Target) -> Plan {
    let extents = Extents::of(&workload.shape);
    let splits = Splits::ordered(&extents);
    if splits.count == 1 {
        return tiled(workload, target);
    }
    let padded = extents.n.next_multiple_of(4);
    let row = splits.count * padded * Dtype::F32.size() as u64;
    let at_once = (PARTIALS / row.max(1) / ROWS * ROWS).clamp(ROWS, extents.m.max(ROWS));
    let mut steps = Vec::new();
    for first in (0..extents.m).step_by(at_once as usize) {
        let rows = at_once.min(extents.m - first);
        let span = [Argument::U32(first as u32), Argument::U32(rows as u32)];
        let count = Argument::U32(splits.count as u32);
        let chunk = Argument::U32(splits.chunk as u32);
        steps.extend(launch(
            format!("matmul_split_k_ordered_{}", workload.dtype),
            tiles(rows, extents.n, COLUMNS.1) * splits.count,
            [&[A, B, PARTS], &span[..], &sizes(&extents), &[chunk, count]].concat(),
        ));
        steps.extend(launch(
            format!("matmul_split_k_ordered_finish_{}", workload.dtype),
            (rows * padded / 4).div_ceil(u64::from(BLOCK)),
            [&[PARTS], outputs(workload), &span, &[Argument::U32(extents.n as u32), count]].concat(),
        ));
    }
    let bytes = if steps.is_empty() { 0 } else { row * at_once.min(extents.m) };
    Plan { workspaces: vec![Workspace { bytes, counters: false }], steps }
}

/// Plan of `split_k_atomic`: zeroing, the chunks' sums added as they come, and for f16 a launch that
/// rounds what came together in f32.
pub fn split_k_atomic(workload: &Workload, target: &Target) -> Plan {
    let extents = Extents::of(&workload.shape);
    let splits = Splits::atomic(&extents, target);
    let narrow = workload.dtype == Dtype::F16;
    let sums = if narrow { Buffer::Workspace(0) } else { Buffer::Output(0) };
    let parts = [Argument::U32(splits.chunk as u32), Argument::U32(splits.count as u32)];
    let products = launch(
        format!("matmul_split_k_atomic_{}", workload.dtype),
        tiles(extents.m, extents.n, COLUMNS.1) * splits.count,
        [&[A, B, Argument::Buffer(sums)], &sizes(&extents)[..], &parts].concat(),
    );
    let elements = extents.m * extents.n;
    let finish = launch(
        "matmul_split_k_atomic_finish_f16".to_owned(),
        elements.div_ceil(u64::from(BLOCK)),
        vec![PARTS, C, C32, Argument::U64(elements)],
    );
    let steps = std::iter::once(Step::Zero(sums)).chain(products).chain(finish.filter(|_| narrow));
    let bytes = if narrow { elements * Dtype::F32.size() as u64 } else { 0 };
    Plan { workspaces: vec![Workspace { bytes, counters: false }], steps: steps.collect() }
}

/// Plan of `contractible` as compiled with contraction.
pub fn contracted(workload: &Workload, _: &Target) -> Plan {
    contractible(workload, 1)
}

/// Plan of `contractible` as compiled without.
pub fn uncontracted(workload: &Workload, _: &Target) -> Plan {
    contractible(workload, 0)
}

fn contractible(workload: &Workload, fmad: u8) -> Plan {
    let extents = Extents::of(&workload.shape);
    let entry = format!("contractible_fmad{fmad}_{}", workload.dtype);
    let blocks = (extents.m * extents.n).div_ceil(u64::from(BLOCK));
    let arguments = [&[A, B], outputs(workload), &sizes(&extents)].concat();
    Plan { workspaces: Vec::new(), steps: launch(entry, blocks, arguments).into_iter().collect() }
}

/// The output, and the f32 sum beside one of f16.
fn outputs(workload: &Workload) -> &'static [Argument] {
    match workload.dtype {
        Dtype::F16 => &[C, C32],
        Dtype::F32 => &[C],
    }
}

fn sizes(extents: &Extents) -> [Argument; 5] {
    let Extents { m, n, k, ta, tb } = *extents;
    [m, n, k, u64::from(ta), u64::from(tb)].map(|size| Argument::U32(size as u32))
}

fn tiles(rows: u64, columns: u64, width: u64) -> u64 {
    rows.div_ceil(ROWS) * columns.div_ceil(width)
}

/// A launch of `blocks`; none, no launch. More than a grid can have are tiles of more outputs than any
/// memory holds.
fn launch(entry: String, blocks: u64, arguments: Vec<Argument>) -> Option<Step> {
    let blocks = blocks.min(i32::MAX as u64) as u32;
    (blocks > 0).then_some(Step::Launch(Launch {
        entry,
        grid: [blocks, 1, 1],
        block: [BLOCK, 1, 1],
        shared_bytes: 0,
        arguments,
        legal: Legal::MoreBlocks,
    }))
}
