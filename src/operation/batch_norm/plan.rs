//! How a channel's statistics are laid out: the trees' geometry, which twins follow too, and the launch
//! plans.
//!
//! A channel is one sequence of N·H·W elements, image by image. It is cut into tiles of G groups, a
//! group being one 16-byte load; lane *l* of a block adds the *l*-th element of each of the block's
//! tiles, in ascending order, and then neighbouring lanes are added in pairs until one is left. That
//! width is logical: it does not depend on how many threads execute, nor on how elements are loaded.

use crate::device::plan::{Argument, Buffer, Launch, Legal, Plan, Step, Workspace};
use crate::operation::Target;
use crate::operation::batch_norm::{Factors, Scheme, extents, first_statistic};
use crate::tensor::Dtype;
use crate::workload::Workload;

/// Groups of a tile, but for `channel_tree`.
const GROUPS: u64 = 256;
/// Elements of a chunk of `split_tree`: what a block of 256 threads holds in registers.
pub const CHUNK: u64 = 4096;
/// Threads of a block, but for `channel_tree`: one per group.
const BLOCK: u32 = 256;
/// Blocks that a multiprocessor is given at once.
const BLOCKS_PER_SM: u64 = 8;
/// Parts that `atomic` cuts a channel into where it has as many tiles, so that there are arrivals to
/// be ordered even where channels alone would fill the device.
const FEWEST_PARTS: u64 = 8;
/// Elements that a block of the elementwise step goes through at a time: groups of a span.
const SPAN_GROUPS: u64 = 1024;

/// A workload's extents and widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// N.
    pub images: u64,
    /// C.
    pub channels: u64,
    /// H·W: elements that lie next to each other.
    pub plane: u64,
    /// Elements of a 16-byte load.
    pub vector: u64,
}

impl Geometry {
    /// The geometry of a workload.
    pub fn of(workload: &Workload) -> Self {
        let [images, channels, height, width] = extents(&workload.shape);
        let vector = match workload.dtype {
            Dtype::F16 => 8,
            Dtype::F32 => 4,
        };
        Self { images, channels, plane: height * width, vector }
    }

    /// Elements of a channel.
    pub fn count(&self) -> u64 {
        self.images * self.plane
    }

    /// Elements of the tensor.
    pub fn total(&self) -> u64 {
        self.count() * self.channels
    }

    /// Elements of a tile of `atomic` and `split_tree`.
    pub fn width(&self) -> u64 {
        GROUPS * self.vector
    }

    /// Chunks of a channel in `split_tree`, at least 1: a function of N·H·W alone.
    pub fn chunks(&self) -> u64 {
        self.count().div_ceil(CHUNK).max(1)
    }

    /// Groups of a tile of `channel_tree`, and threads of its block: the fewer channels a
    /// multiprocessor has, the more threads work on one.
    pub fn groups(&self, target: &Target) -> u64 {
        match self.channels.div_ceil(u64::from(target.sm_count).max(1)) {
            0 | 1 => 1024,
            2 => 512,
            _ => GROUPS,
        }
    }

    /// Parts of a channel in `atomic`, at least 1; part *p* adds tiles *p*, *p* + parts, ….
    pub fn parts(&self, target: &Target) -> u64 {
        let resident = u64::from(target.sm_count) * BLOCKS_PER_SM;
        let wanted = resident.div_ceil(self.channels.max(1)).max(FEWEST_PARTS);
        self.count().div_ceil(self.width()).clamp(1, wanted)
    }
}

/// Longest chains of additions on the way from an element to its channel's sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Within a block.
    pub block: u64,
    /// Between blocks.
    pub between: u64,
}

/// The depth of a way's sums.
pub fn depth(scheme: Scheme, workload: &Workload, target: &Target) -> Depth {
    let geometry = Geometry::of(workload);
    let within = |elements: u64, width: u64| elements.div_ceil(width) + u64::from(width.ilog2());
    match scheme {
        Scheme::Atomic => {
            let parts = geometry.parts(target);
            let elements = geometry.count().div_ceil(parts * geometry.width()) * geometry.width();
            Depth { block: within(elements, geometry.width()), between: parts }
        }
        Scheme::ChannelTree => {
            let width = geometry.groups(target) * geometry.vector;
            Depth { block: within(geometry.count(), width), between: 0 }
        }
        Scheme::SplitTree => {
            let block = within(geometry.count().min(CHUNK), geometry.width());
            let chunks = geometry.chunks();
            Depth { block, between: if chunks > 1 { within(chunks, GROUPS) } else { 0 } }
        }
        // One chain through all elements is the longest there is.
        Scheme::AnyOrder => Depth { block: geometry.count(), between: 0 },
        Scheme::Inference | Scheme::AnyInference => Depth { block: 0, between: 0 },
    }
}

fn total(depth: Depth) -> u64 {
    depth.block + depth.between
}

/// Depth of `atomic`: in the worst order every block's sum waits for all others.
pub fn atomic_depth(workload: &Workload, target: &Target) -> u64 {
    total(depth(Scheme::Atomic, workload, target))
}

/// Depth of `channel_tree`.
pub fn channel_tree_depth(workload: &Workload, target: &Target) -> u64 {
    total(depth(Scheme::ChannelTree, workload, target))
}

/// Depth of `split_tree`.
pub fn split_tree_depth(workload: &Workload, target: &Target) -> u64 {
    total(depth(Scheme::SplitTree, workload, target))
}

/// Depth of `inference`: it adds nothing up.
pub fn inference_depth(_: &Workload, _: &Target) -> u64 {
    0
}

const X: Argument = Argument::Buffer(Buffer::Input(0));
const WEIGHT: Argument = Argument::Buffer(Buffer::Input(1));
const BIAS: Argument = Argument::Buffer(Buffer::Input(2));
const RUNNING_MEAN: Argument = Argument::Buffer(Buffer::Input(3));
const RUNNING_VAR: Argument = Argument::Buffer(Buffer::Input(4));
const SUMS: Argument = Argument::Buffer(Buffer::Workspace(0));
const SQUARES: Argument = Argument::Buffer(Buffer::Workspace(1));

/// Plan of `atomic`: zeroing; blocks' sums; blocks' squared distances from the mean; what follows from
/// them; every element.
pub fn atomic(workload: &Workload, target: &Target) -> Plan {
    let geometry = Geometry::of(workload);
    let parts = geometry.parts(target);
    let items = geometry.channels * parts;
    let sizes = [extent_arguments(&geometry).as_slice(), &[Argument::U32(parts as u32)]].concat();
    let sums = launch(entry("atomic_sums", workload), items, BLOCK, [&[X, SUMS], &sizes[..]].concat());
    let squares =
        launch(entry("atomic_squares", workload), items, BLOCK, [&[X, SUMS, SQUARES], &sizes[..]].concat());
    let finish = launch(
        "batch_norm_atomic_finish".to_owned(),
        geometry.channels.div_ceil(u64::from(BLOCK)),
        BLOCK,
        [
            &[SUMS, SQUARES],
            &statistics(workload)[..],
            &[Argument::U64(geometry.channels), Argument::U64(geometry.count())],
            &factors(workload),
        ]
        .concat(),
    );
    let per_channel = Workspace { bytes: geometry.channels * 4, counters: false };
    let zeroes = [Step::Zero(Buffer::Workspace(0)), Step::Zero(Buffer::Workspace(1))];
    let launches = [sums, squares, finish, normalise(workload, &geometry)];
    let steps = zeroes.into_iter().chain(launches.into_iter().flatten()).collect();
    Plan { workspaces: vec![per_channel; 2], steps }
}

/// Plan of `channel_tree`: a block per channel, then every element.
pub fn channel_tree(workload: &Workload, target: &Target) -> Plan {
    let geometry = Geometry::of(workload);
    let groups = geometry.groups(target) as u32;
    let arguments = [
        &[X],
        &statistics(workload)[..],
        &extent_arguments(&geometry),
        &[Argument::U32(groups)],
        &factors(workload),
    ]
    .concat();
    let tree = launch(entry("channel_tree", workload), geometry.channels, groups, arguments);
    let steps = [tree, normalise(workload, &geometry)].into_iter().flatten().collect();
    Plan { workspaces: Vec::new(), steps }
}

/// Plan of `split_tree`: a block per chunk; a block per channel that combines its chunks, if there are
/// several; every element.
pub fn split_tree(workload: &Workload, _: &Target) -> Plan {
    let geometry = Geometry::of(workload);
    let chunks = geometry.chunks();
    let items = geometry.channels * chunks;
    let arguments = [
        &[X, SUMS, SQUARES],
        &statistics(workload)[..],
        &extent_arguments(&geometry),
        &[Argument::U32(chunks as u32)],
        &factors(workload),
    ]
    .concat();
    let tree = launch(entry("split_tree", workload), items, BLOCK, arguments);
    let arguments = [
        &[SUMS, SQUARES],
        &statistics(workload)[..],
        &[Argument::U64(geometry.channels), Argument::U64(geometry.count()), Argument::U32(chunks as u32)],
        &factors(workload),
    ]
    .concat();
    let finish = launch("batch_norm_split_tree_finish".to_owned(), geometry.channels, BLOCK, arguments);
    let finish = finish.filter(|_| chunks > 1);
    let partials = Workspace { bytes: if chunks > 1 { items * 4 } else { 0 }, counters: false };
    let steps = [tree, finish, normalise(workload, &geometry)].into_iter().flatten().collect();
    Plan { workspaces: vec![partials; 2], steps }
}

/// Plan of `inference`: one launch over all elements.
pub fn inference(workload: &Workload, _: &Target) -> Plan {
    let geometry = Geometry::of(workload);
    let [epsilon, ..] = factors(workload);
    let arguments = [
        &[X],
        &results(workload)[..],
        &[RUNNING_MEAN, RUNNING_VAR, WEIGHT, BIAS],
        &extent_arguments(&geometry),
        &[epsilon],
    ]
    .concat();
    let step = launch(entry("inference", workload), spans(&geometry), BLOCK, arguments);
    Plan { workspaces: Vec::new(), steps: step.into_iter().collect() }
}

/// The elementwise step from the statistics that the steps before it stored.
fn normalise(workload: &Workload, geometry: &Geometry) -> Option<Step> {
    let [saved_mean, saved_invstd, ..] = statistics(workload);
    let arguments = [
        &[X],
        &results(workload)[..],
        &[saved_mean, saved_invstd, WEIGHT, BIAS],
        &extent_arguments(geometry),
    ]
    .concat();
    launch(entry("normalise", workload), spans(geometry), BLOCK, arguments)
}

fn spans(geometry: &Geometry) -> u64 {
    geometry.total().div_ceil(SPAN_GROUPS * geometry.vector)
}

/// y, and beside a narrow one its f32 store.
fn results(workload: &Workload) -> Vec<Argument> {
    (0..first_statistic(workload.dtype)).map(|index| Argument::Buffer(Buffer::Output(index))).collect()
}

/// Saved mean, saved inverse deviation, running mean, running variance.
fn statistics(workload: &Workload) -> [Argument; 4] {
    let first = first_statistic(workload.dtype);
    std::array::from_fn(|index| Argument::Buffer(Buffer::Output(first + index)))
}

fn extent_arguments(geometry: &Geometry) -> [Argument; 3] {
    [geometry.images, geometry.channels, geometry.plane].map(Argument::U64)
}

fn factors(workload: &Workload) -> [Argument; 3] {
    let Factors { epsilon, momentum, keep } = Factors::of(workload);
    [epsilon, momentum, keep].map(Argument::F32)
}

fn entry(name: &str, workload: &Workload) -> String {
    format!("batch_norm_{name}_{}", workload.dtype)
}

/// A launch with a block per item, as far as a grid reaches: kernels loop over what is left. No
/// items, no launch.
fn launch(entry: String, items: u64, threads: u32, arguments: Vec<Argument>) -> Option<Step> {
    let blocks = items.min(i32::MAX as u64) as u32;
    // Its registers leave no room for more.
    let most_threads = if entry == "batch_norm_split_tree_f16" { 768 } else { 1024 };
    (blocks > 0).then_some(Step::Launch(Launch {
        legal: Legal::Any { most_threads },
        entry,
        grid: [blocks, 1, 1],
        block: [threads, 1, 1],
        shared_bytes: 0,
        arguments,
    }))
}
