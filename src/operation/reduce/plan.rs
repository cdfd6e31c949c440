//! How sums are laid out: the tree's geometry, which twins follow too, and the launch plans.
//!
//! A row is cut into tiles of 256 groups, a group being one 16-byte load. Lane *l* of a block
//! adds the *l*-th element of each of the block's tiles, in ascending order; then adjacent lanes are
//! combined in a binary tree. That width is logical: it does not depend on how many threads execute.
//! The blocks' sums are combined by the same procedure, as a row of f32 in index order.

use crate::device::plan::{Argument, Buffer, Launch, Legal, Plan, Step, Workspace};
use crate::operation::Target;
use crate::operation::reduce::extents;
use crate::tensor::Dtype;
use crate::workload::Workload;

/// Groups of a tile.
const GROUPS: u64 = 256;
/// Elements of an f32 tile: four per group.
pub const WIDTH_F32: u64 = GROUPS * 4;
/// Elements of an f16 tile: eight per group.
pub const WIDTH_F16: u64 = GROUPS * 8;
/// Threads of a block: one per group.
const BLOCK: u32 = 256;
/// Blocks that a multiprocessor holds at once with 256 threads each.
const BLOCKS_PER_SM: u64 = 8;
/// More chunks than this per row would make the last block's combination long; a chunk grows
/// instead.
const MOST_CHUNKS: u64 = 8192;
/// Tiles of a chunk at the least, so that a thread has several loads in flight.
const FEWEST_TILES: u64 = 4;

/// Which tiles a logical block adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiles {
    /// The first tile.
    pub first: u64,
    /// The distance between tiles.
    pub step: u64,
    /// How many tiles; 0 is allowed.
    pub count: u64,
}

/// How a workload's rows are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Rows.
    pub rows: u64,
    /// Elements of a row.
    pub columns: u64,
    /// Elements of a tile: the tree's logical width.
    pub width: u64,
    /// Logical blocks of a row, at least 1.
    pub blocks: u64,
    /// Tiles of a contiguous chunk, or `None` where block *b* adds tiles *b*, *b* + blocks, ….
    pub tiles_per_chunk: Option<u64>,
}

impl Geometry {
    /// The geometry of `fixed_tree`: a function of the row's length and type alone.
    pub fn fixed(workload: &Workload) -> Self {
        let (rows, columns, width) = sizes(workload);
        let tiles = columns.div_ceil(width);
        let tiles_per_chunk = tiles.div_ceil(MOST_CHUNKS).next_power_of_two().max(FEWEST_TILES);
        let blocks = tiles.div_ceil(tiles_per_chunk).max(1);
        Self { rows, columns, width, blocks, tiles_per_chunk: Some(tiles_per_chunk) }
    }

    /// The geometry of the algorithms whose grid follows the multiprocessor count.
    pub fn grid(workload: &Workload, target: &Target) -> Self {
        let (rows, columns, width) = sizes(workload);
        let tiles = columns.div_ceil(width);
        let resident = u64::from(target.sm_count) * BLOCKS_PER_SM;
        let blocks = tiles.min(resident.div_ceil(rows.max(1))).max(1);
        Self { rows, columns, width, blocks, tiles_per_chunk: None }
    }

    /// The tiles of logical block `block`.
    pub fn tiles(&self, block: u64) -> Tiles {
        let tiles = self.columns.div_ceil(self.width);
        match self.tiles_per_chunk {
            Some(chunk) => {
                let first = block * chunk;
                Tiles { first, step: 1, count: chunk.min(tiles.saturating_sub(first)) }
            }
            None => Tiles {
                first: block,
                step: self.blocks,
                count: tiles.saturating_sub(block).div_ceil(self.blocks),
            },
        }
    }

    /// The geometry of combining the blocks' sums of every row: one block, all tiles.
    pub fn combine(&self) -> Self {
        let width = width(Dtype::F32);
        let tiles = self.blocks.div_ceil(width);
        Self { rows: self.rows, columns: self.blocks, width, blocks: 1, tiles_per_chunk: Some(tiles) }
    }

    /// The longest chain of additions within one block, its tree included.
    fn block_depth(&self) -> u64 {
        self.tiles(0).count + u64::from(self.width.ilog2())
    }

    fn items(&self) -> u64 {
        self.rows * self.blocks
    }
}

fn width(dtype: Dtype) -> u64 {
    match dtype {
        Dtype::F16 => WIDTH_F16,
        Dtype::F32 => WIDTH_F32,
    }
}

fn sizes(workload: &Workload) -> (u64, u64, u64) {
    let (rows, columns) = extents(&workload.shape);
    (rows, columns, width(workload.dtype))
}

/// Depth of `fixed_tree`.
pub fn fixed_tree_depth(workload: &Workload, _: &Target) -> u64 {
    tree_depth(&Geometry::fixed(workload))
}

/// Depth of `two_pass` and `ticket`.
pub fn grid_depth(workload: &Workload, target: &Target) -> u64 {
    tree_depth(&Geometry::grid(workload, target))
}

fn tree_depth(geometry: &Geometry) -> u64 {
    let combine = if geometry.blocks > 1 { geometry.combine().block_depth() } else { 0 };
    geometry.block_depth() + combine
}

/// Depth of `atomic_block`: in the worst order every block's sum waits for all others.
pub fn atomic_block_depth(workload: &Workload, target: &Target) -> u64 {
    let geometry = Geometry::grid(workload, target);
    geometry.block_depth() + geometry.blocks
}

/// Depth of `atomic_element`: one chain through all elements of a row.
pub fn atomic_element_depth(workload: &Workload, _: &Target) -> u64 {
    extents(&workload.shape).1
}

const X: Argument = Argument::Buffer(Buffer::Input(0));
const OUT: Argument = Argument::Buffer(Buffer::Output(0));
const PARTIALS: Argument = Argument::Buffer(Buffer::Workspace(0));
const TICKETS: Argument = Argument::Buffer(Buffer::Workspace(1));

/// Plan of `fixed_tree`: one launch; the last block of a row combines it.
pub fn fixed_tree(workload: &Workload, _: &Target) -> Plan {
    let geometry = Geometry::fixed(workload);
    let tiles = geometry.tiles_per_chunk.unwrap_or(1);
    let sizes = [Argument::U32(geometry.blocks as u32), Argument::U32(tiles as u32)];
    one_launch("fixed_tree", workload, &geometry, &sizes)
}

/// Plan of `ticket`: one launch; the last block of a row combines it.
pub fn ticket(workload: &Workload, target: &Target) -> Plan {
    let geometry = Geometry::grid(workload, target);
    one_launch("ticket", workload, &geometry, &[Argument::U32(geometry.blocks as u32)])
}

/// Plan of `two_pass`: blocks' sums, then a launch that combines them.
pub fn two_pass(workload: &Workload, target: &Target) -> Plan {
    let geometry = Geometry::grid(workload, target);
    let (rows, columns) = (Argument::U64(geometry.rows), Argument::U64(geometry.columns));
    let blocks = Argument::U32(geometry.blocks as u32);
    let first =
        launch(entry("two_pass", workload), geometry.items(), vec![X, PARTIALS, rows, columns, blocks]);
    let second =
        launch("reduce_two_pass_finish".to_owned(), geometry.rows, vec![PARTIALS, OUT, rows, blocks]);
    Plan { workspaces: vec![partials(&geometry)], steps: first.into_iter().chain(second).collect() }
}

/// Plan of `atomic_block`: zeroing, then every block adds its sum to its row's output.
pub fn atomic_block(workload: &Workload, target: &Target) -> Plan {
    let geometry = Geometry::grid(workload, target);
    let blocks = Argument::U32(geometry.blocks as u32);
    atomic("atomic_block", workload, &geometry, geometry.items(), Some(blocks))
}

/// Plan of `atomic_element`: zeroing, then every element is added to its row's output.
pub fn atomic_element(workload: &Workload, target: &Target) -> Plan {
    let geometry = Geometry::grid(workload, target);
    let elements = geometry.rows * geometry.columns;
    let resident = u64::from(target.sm_count) * BLOCKS_PER_SM;
    let blocks = elements.div_ceil(u64::from(BLOCK)).min(resident).max(1);
    atomic("atomic_element", workload, &geometry, blocks, None)
}

fn one_launch(name: &str, workload: &Workload, geometry: &Geometry, sizes: &[Argument]) -> Plan {
    let mut arguments =
        vec![X, OUT, PARTIALS, TICKETS, Argument::U64(geometry.rows), Argument::U64(geometry.columns)];
    arguments.extend_from_slice(sizes);
    let tickets = Workspace { bytes: geometry.rows * 4, counters: true };
    Plan {
        workspaces: vec![partials(geometry), tickets],
        steps: launch(entry(name, workload), geometry.items(), arguments).into_iter().collect(),
    }
}

fn atomic(name: &str, workload: &Workload, geometry: &Geometry, blocks: u64, last: Option<Argument>) -> Plan {
    let mut arguments = vec![X, OUT, Argument::U64(geometry.rows), Argument::U64(geometry.columns)];
    arguments.extend(last);
    let blocks = if geometry.rows == 0 { 0 } else { blocks };
    let launch = launch(entry(name, workload), blocks, arguments);
    let steps = std::iter::once(Step::Zero(Buffer::Output(0))).chain(launch).collect();
    Plan { workspaces: Vec::new(), steps }
}

fn partials(geometry: &Geometry) -> Workspace {
    Workspace { bytes: geometry.items() * 4, counters: false }
}

fn entry(name: &str, workload: &Workload) -> String {
    format!("reduce_{name}_{}", workload.dtype)
}

/// A launch with a block per item, as far as a grid reaches: kernels loop over what is left. No
/// items, no launch.
fn launch(entry: String, items: u64, arguments: Vec<Argument>) -> Option<Step> {
    let blocks = items.min(i32::MAX as u64) as u32;
    (blocks > 0).then_some(Step::Launch(Launch {
        entry,
        grid: [blocks, 1, 1],
        block: [BLOCK, 1, 1],
        shared_bytes: 0,
        arguments,
        legal: Legal::Any { most_threads: 1024 },
    }))
}
