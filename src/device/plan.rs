//! What a GPU is asked to do: buffers, and steps over them. Operations make plans; `gpu.rs` carries
//! them out over any GPU, so that plans and argument packing are tested without one.

use crate::condition::Condition;
use crate::digest::short_hash;

/// A CUDA source or header that the program carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its file in `kernels/`, which is what others include it by.
    pub name: &'static str,
    /// What stands in it.
    pub text: &'static str,
}

/// Compiled kernels that the program carries.
#[derive(Debug)]
pub struct Module {
    /// The PTX's name without ending, which begins the names of its entries: `reduce` of
    /// `kernels/ptx/reduce.ptx`.
    pub name: &'static str,
    /// What the PTX was made of, apart from [`HEADERS`].
    pub source: Source,
    /// The PTX that `scripts/build-ptx` made.
    pub ptx: &'static str,
}

impl Module {
    /// Short hash of the PTX.
    pub fn hash(&self) -> String {
        short_hash(self.ptx.as_bytes())
    }

    /// The options that the PTX was compiled with: its head tells them, and they are written nowhere else in
    /// the program.
    pub fn options(&self) -> Option<impl Iterator<Item = &'static str>> {
        Some(self.head("// options: ")?.split(' '))
    }

    /// The version of NVRTC that made the PTX, as its head tells it: `12.0.140`.
    pub fn nvrtc(&self) -> Option<&'static str> {
        self.head("// nvrtc: ")
    }

    /// What stands behind `key` in the head.
    fn head(&self, key: &str) -> Option<&'static str> {
        let mut head = self.ptx.lines().take_while(|line| line.starts_with("//"));
        head.find_map(|line| line.strip_prefix(key))
    }
}

/// What a source may include: all of `kernels/*.cuh`.
pub static HEADERS: [Source; 2] = [
    Source { name: "batch_norm.cuh", text: include_str!("../../kernels/batch_norm.cuh") },
    Source { name: "reduce.cuh", text: include_str!("../../kernels/reduce.cuh") },
];

/// `kernels/reduce.cu`.
pub static REDUCE: Module = Module {
    name: "reduce",
    source: Source { name: "reduce.cu", text: include_str!("../../kernels/reduce.cu") },
    ptx: include_str!("../../kernels/ptx/reduce.ptx"),
};

/// `kernels/batch_norm.cu`.
pub static BATCH_NORM: Module = Module {
    name: "batch_norm",
    source: Source { name: "batch_norm.cu", text: include_str!("../../kernels/batch_norm.cu") },
    ptx: include_str!("../../kernels/ptx/batch_norm.ptx"),
};

/// `kernels/matmul.cu`.
pub static MATMUL: Module = Module {
    name: "matmul",
    source: Source { name: "matmul.cu", text: include_str!("../../kernels/matmul.cu") },
    ptx: include_str!("../../kernels/ptx/matmul.ptx"),
};

const CONTRACTIBLE: Source =
    Source { name: "contractible.cu", text: include_str!("../../kernels/contractible.cu") };

/// `kernels/contractible.cu`, compiled without contraction.
pub static CONTRACTIBLE_FMAD0: Module = Module {
    name: "contractible_fmad0",
    source: CONTRACTIBLE,
    ptx: include_str!("../../kernels/ptx/contractible_fmad0.ptx"),
};

/// `kernels/contractible.cu`, compiled with contraction.
pub static CONTRACTIBLE_FMAD1: Module = Module {
    name: "contractible_fmad1",
    source: CONTRACTIBLE,
    ptx: include_str!("../../kernels/ptx/contractible_fmad1.ptx"),
};

/// `kernels/elementwise.cu`: the steps of a training run between products and sums.
pub static ELEMENTWISE: Module = Module {
    name: "elementwise",
    source: Source { name: "elementwise.cu", text: include_str!("../../kernels/elementwise.cu") },
    ptx: include_str!("../../kernels/ptx/elementwise.ptx"),
};

/// `kernels/support.cu`: the read probe, delays and background load.
pub static SUPPORT: Module = Module {
    name: "support",
    source: Source { name: "support.cu", text: include_str!("../../kernels/support.cu") },
    ptx: include_str!("../../kernels/ptx/support.ptx"),
};

/// All compiled kernels that the program carries.
pub static MODULES: [&Module; 7] =
    [&REDUCE, &MATMUL, &CONTRACTIBLE_FMAD0, &CONTRACTIBLE_FMAD1, &BATCH_NORM, &ELEMENTWISE, &SUPPORT];

/// Scratch memory of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workspace {
    /// Bytes, a multiple of 4; 0 is allowed.
    pub bytes: u64,
    /// Whether it holds counters that must be zero before an execution (and are so after it);
    /// otherwise it is poisoned.
    pub counters: bool,
}

/// Memory that a step refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffer {
    /// The n-th input of the operation.
    Input(usize),
    /// The n-th output of the algorithm.
    Output(usize),
    /// The n-th entry of [`Plan::workspaces`].
    Workspace(usize),
}

/// An argument of a kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument {
    /// A device pointer. That of an accumulator output is null when timing, and the kernel must leave
    /// it then.
    Buffer(Buffer),
    /// `unsigned long long`.
    U64(u64),
    /// `unsigned int`.
    U32(u32),
    /// `float`.
    F32(f32),
}

/// One kernel launch.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// The entry's name in the module.
    pub entry: String,
    /// Blocks in x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared_bytes: u32,
    /// The arguments in their order.
    pub arguments: Vec<Argument>,
    /// Which other shapes compute the same.
    pub legal: Legal,
}

/// The shapes under which a kernel computes the same as under its plan's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Legal {
    /// Any grid, and any block of whole warps up to so many threads: it loops over what is left.
    Any {
        /// Threads of the largest block.
        most_threads: u32,
    },
    /// A block per piece of work; further blocks are idle.
    MoreBlocks,
}

impl Launch {
    /// Grid and block under `condition`.
    pub fn shape_under(&self, condition: Condition) -> ([u32; 3], [u32; 3]) {
        match (condition, self.legal) {
            (Condition::Shape { blocks, threads }, Legal::Any { most_threads }) => {
                ([blocks, 1, 1], [threads.min(most_threads), 1, 1])
            }
            (Condition::Shape { blocks, .. }, Legal::MoreBlocks) => {
                let [x, y, z] = self.grid;
                ([x.saturating_add(blocks).min(i32::MAX as u32), y, z], self.block)
            }
            _ => (self.grid, self.block),
        }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Sets a buffer to zero bytes: part of the algorithm, and of its time.
    Zero(Buffer),
    /// Launches a kernel.
    Launch(Launch),
}

/// Everything that one execution asks of a GPU, in order. No steps: there is nothing to compute.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Scratch memory.
    pub workspaces: Vec<Workspace>,
    /// The steps.
    pub steps: Vec<Step>,
}
