//! Launching a kernel: its arguments are checked, then its blocks run to their end.

mod access;
mod atomics;
mod barrier;
mod copies;
mod exchange;
mod grid;
mod matrix;
pub mod observe;
mod step;
mod warp;
mod watch;

pub use access::{MOST_BYTES, locate, window, window_start};
pub use exchange::shuffle_source;
pub use warp::{Copy, LANES, Registers, lanes};

use crate::simt::execute::grid::Grid;
use crate::simt::execute::observe::Observer;
use crate::simt::execute::step::Shared;
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::memory::Memory;
use crate::simt::program::Kernel;
use crate::simt::schedule::{Choices, Schedule};

/// The most threads of a block (CUDA C++ Programming Guide, Technical Specifications per Compute Capability).
const MOST_THREADS: u128 = 1024;
/// The most bytes of a block's shared memory, as compute capability 9.0 has them.
const MOST_SHARED: u64 = 227 << 10;
/// The largest extents of a block.
const LARGEST_BLOCK: [u32; 3] = [1024, 1024, 64];
/// The largest extents of a grid.
const LARGEST_GRID: [u32; 3] = [i32::MAX as u32, 65535, 65535];

/// The most bytes of a thread's local memory (the same table).
const MOST_LOCAL: u32 = 512 << 10;
/// The most blocks of a grid that is simulated: their order is kept in memory.
const MOST_BLOCKS: u64 = 1 << 24;

/// What is launched, and how.
#[derive(Debug, Clone)]
pub struct Launch<'a> {
    /// The entry's name.
    pub entry: &'a str,
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared_bytes: u32,
    /// A value for each parameter.
    pub arguments: &'a [Argument],
}

/// A value for a kernel's parameter.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the types' own names")]
pub enum Argument {
    U8(u8),
    U16(u16),
    U32(u32),
    /// A number, or an address.
    U64(u64),
    F32(f32),
    F64(f64),
    /// A structure.
    Bytes(Vec<u8>),
}

impl Argument {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::U8(value) => vec![*value],
            Self::U16(value) => value.to_le_bytes().to_vec(),
            Self::U32(value) => value.to_le_bytes().to_vec(),
            Self::U64(value) => value.to_le_bytes().to_vec(),
            Self::F32(value) => value.to_le_bytes().to_vec(),
            Self::F64(value) => value.to_le_bytes().to_vec(),
            Self::Bytes(bytes) => bytes.clone(),
        }
    }
}

/// How a launch is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// In which order.
    pub schedule: Schedule,
    /// Thread instructions after which the launch is given up.
    pub fuel: u64,
    /// Executes only these blocks, by their linear index (x fastest); `None` for all.
    pub blocks: Option<Vec<u64>>,
}

impl Default for Options {
    /// Round-robin, and fuel for some minutes.
    fn default() -> Self {
        Self { schedule: Schedule::RoundRobin, fuel: 1 << 36, blocks: None }
    }
}

/// What a launch came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Executed {
    /// Instructions, once for each thread that reached them.
    pub thread_instructions: u64,
    /// Instructions, once for each group of threads of a warp that executed them together.
    pub warp_instructions: u64,
}

/// A launch as the grid needs it.
pub(crate) struct LaunchFacts<'a> {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    /// All of a block's shared memory.
    pub shared_bytes: u32,
    pub dynamic_shared: u32,
    /// Addresses of the module's variables.
    pub variables: &'a [u64],
}

/// Checks a launch and executes it.
///
/// # Errors
/// If it does not fit the kernel, or the kernel does what is wrong, undefined or endless.
pub(crate) fn launch<O: Observer>(
    kernel: &Kernel,
    variables: &[u64],
    launch: &Launch,
    memory: &mut Memory,
    options: &Options,
    observer: &mut O,
) -> Result<Executed> {
    let refuse = |what: String| Fault::new(FaultKind::Launch, format!("{}: {what}", kernel.name));
    check_shape(kernel, launch).map_err(refuse)?;
    let parameters = parameters(kernel, launch.arguments).map_err(refuse)?;
    let shared_bytes = kernel.dynamic_shared.max(kernel.static_shared).saturating_add(launch.shared_bytes);
    if u64::from(shared_bytes) > MOST_SHARED {
        return Err(refuse(format!(
            "{shared_bytes} bytes of shared memory; a block has at most {MOST_SHARED}"
        )));
    }
    if kernel.local_bytes > MOST_LOCAL {
        let bytes = kernel.local_bytes;
        return Err(refuse(format!("{bytes} bytes of local memory; a thread has at most {MOST_LOCAL}")));
    }
    let [x, y, z] = launch.grid.map(u64::from);
    let count = x * y * z;
    if options.blocks.is_none() && count > MOST_BLOCKS {
        return Err(refuse(format!("a grid of {count} blocks; at most {MOST_BLOCKS} are simulated")));
    }
    let order = match &options.blocks {
        Some(blocks) => blocks.clone(),
        None => (0..count).collect(),
    };
    if let Some(block) = order.iter().find(|block| **block >= count) {
        return Err(refuse(format!("there is no block {block} in a grid of {count}")));
    }
    let facts = LaunchFacts {
        grid: launch.grid,
        block: launch.block,
        shared_bytes,
        dynamic_shared: launch.shared_bytes,
        variables,
    };
    let shared = Shared {
        kernel,
        memory,
        parameters: &parameters,
        choices: Choices::new(options.schedule),
        executed: 0,
        warp_instructions: 0,
        fuel: options.fuel,
        block_threads: launch.block,
        observer,
    };
    let mut grid = Grid { shared, facts };
    grid.run(order)?;
    let Shared { executed, warp_instructions, .. } = grid.shared;
    Ok(Executed { thread_instructions: executed, warp_instructions })
}

fn check_shape(kernel: &Kernel, launch: &Launch) -> std::result::Result<(), String> {
    let shape = |[x, y, z]: [u32; 3]| format!("{x},{y},{z}");
    let within = |extents: [u32; 3], most: [u32; 3]| extents.iter().zip(most).all(|(a, b)| *a <= b);
    if launch.grid.contains(&0) || !within(launch.grid, LARGEST_GRID) {
        let most = shape(LARGEST_GRID);
        return Err(format!("a grid of {} blocks; at least 1,1,1 and at most {most}", shape(launch.grid)));
    }
    let volume = |extents: [u32; 3]| extents.iter().fold(1, |all, extent| all * u128::from(*extent));
    let threads = volume(launch.block);
    if threads == 0 || threads > MOST_THREADS || !within(launch.block, LARGEST_BLOCK) {
        let block = shape(launch.block);
        return Err(format!("a block of {block} threads; at least 1 and at most {MOST_THREADS} in all"));
    }
    if let Some(required) = kernel.required_block
        && required != launch.block
    {
        let (block, required) = (shape(launch.block), shape(required));
        return Err(format!("a block of {block} threads; its .reqntid asks for {required}"));
    }
    if let Some(largest) = kernel.largest_block
        && threads > volume(largest)
    {
        let (block, largest) = (shape(launch.block), shape(largest));
        return Err(format!("a block of {block} threads; its .maxntid allows {largest}"));
    }
    Ok(())
}

fn parameters(kernel: &Kernel, arguments: &[Argument]) -> std::result::Result<Vec<u8>, String> {
    if arguments.len() != kernel.parameters.len() {
        let names: Vec<_> = kernel.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        return Err(format!(
            "{} argument{}; it takes {}: {}",
            arguments.len(),
            if arguments.len() == 1 { "" } else { "s" },
            kernel.parameters.len(),
            names.join(", ")
        ));
    }
    let mut bytes = vec![0; kernel.parameter_bytes as usize];
    for (argument, parameter) in arguments.iter().zip(&kernel.parameters) {
        let given = argument.bytes();
        if given.len() != parameter.bytes as usize {
            return Err(format!(
                "argument {} has {} bytes; the parameter has {}: {} of {}",
                parameter.name,
                given.len(),
                parameter.bytes,
                parameter.elements,
                parameter.ty
            ));
        }
        bytes[parameter.offset as usize..][..given.len()].copy_from_slice(&given);
    }
    Ok(bytes)
}
