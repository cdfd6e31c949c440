//! The values of a perturbation: what differs in how one and the same algorithm is made ready and launched.

mod compile;

use std::fmt;

pub use compile::CompileSetting;

use crate::operation::instructions::Instructions;

/// What a variant ends with where kernels were compiled again by the compiler of those that the program carries.
pub const SAME_COMPILER: &str = ";compiler=same";

/// What differs from the usual. Its text is a row's `variant`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    Usual,
    /// The plan is that for a GPU with so many multiprocessors: what another GPU would be asked for.
    Multiprocessors(u32),
    /// So many threads of the CPU execute it.
    Threads(u32),
    /// Every launch of the plan has another legal grid and block.
    Shape {
        /// Blocks; added to the plan's own where it needs these.
        blocks: u32,
        /// Threads of a block, where the kernel takes any.
        threads: u32,
    },
    /// Launches go to another stream.
    OtherStream,
    /// Launches are recorded as a graph, and that is launched.
    Graph,
    /// Inputs and outputs lie so many bytes behind an address that is a multiple of 256, or the next multiple of
    /// their elements' size.
    Offset(u32),
    /// Inputs and outputs lie in other memory: the copy of that number.
    Copy(u32),
    /// The compiled kernels are loaded anew.
    FreshModule,
    /// The kernels are compiled again, by NVRTC.
    Recompiled {
        /// Its version: major, minor.
        nvrtc: (i32, i32),
        /// Whether the kernels that the program carries are of that version, too.
        same: bool,
    },
    /// The code is made, or chosen, under another setting.
    Code(CodeSetting),
}

/// A setting of the code that carries an algorithm out. No claim covers those that change arithmetic; the
/// others are tried beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeSetting {
    /// The kernels are compiled again, under other options.
    Compile(CompileSetting),
    /// The driver makes machine code of PTX at another level of optimisation, 0 to 4.
    JitLevel(u32),
    /// The twin's loops are executed with other instructions.
    Instructions(Instructions),
}

impl CodeSetting {
    /// The kind of the rows that compare with the usual code.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Compile(_) | Self::JitLevel(_) => "compile",
            Self::Instructions(_) => "dispatch",
        }
    }
}

/// As in the column `setting`.
impl fmt::Display for CodeSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compile(setting) => setting.fmt(f),
            Self::JitLevel(level) => write!(f, "jit-level={level}"),
            Self::Instructions(instructions) => instructions.fmt(f),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual | Self::FreshModule => Ok(()),
            Self::Multiprocessors(count) => write!(f, "sm={count}"),
            Self::Threads(count) => write!(f, "threads={count}"),
            Self::Shape { blocks, threads } => write!(f, "grid={blocks};block={threads}"),
            Self::OtherStream => f.write_str("stream=other"),
            Self::Graph => f.write_str("graph=1"),
            Self::Offset(bytes) => write!(f, "offset={bytes}"),
            Self::Copy(number) => write!(f, "copy={number}"),
            Self::Recompiled { nvrtc: (major, minor), same } => {
                write!(f, "nvrtc={major}.{minor}{}", if *same { SAME_COMPILER } else { "" })
            }
            Self::Code(setting) => setting.fmt(f),
        }
    }
}

impl Condition {
    /// The multiprocessors that a plan is made for, of a device that has `usual`.
    pub fn multiprocessors(self, usual: u32) -> u32 {
        match self {
            Self::Multiprocessors(count) => count,
            _ => usual,
        }
    }

    /// Launches for other GPUs, on a device of `usual` multiprocessors: one of the smallest GPUs, an odd one, and
    /// an H100.
    pub fn other_gpus(usual: u32) -> impl Iterator<Item = Self> {
        [1, 7, 132].into_iter().filter(move |count| *count != usual).map(Self::Multiprocessors)
    }

    /// Grids and blocks from one large block to many small ones.
    pub fn shapes() -> impl Iterator<Item = Self> {
        let shapes = [(1, 1024), (3, 64), (37, 32), (500, 512)];
        shapes.into_iter().map(|(blocks, threads)| Self::Shape { blocks, threads })
    }

    /// Alignments around those of vector loads, for elements of `size` bytes: in steps of an element up to 16
    /// bytes, and at the end of 256.
    pub fn offsets(size: u32) -> impl Iterator<Item = Self> {
        let steps = (1..16 / size).map(move |step| step * size);
        steps.chain([16, 128 + size, 256 - size]).map(Self::Offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_cover_every_alignment_of_a_vector() {
        let texts = |size| Condition::offsets(size).map(|offset| offset.to_string()).collect::<Vec<_>>();
        assert_eq!(texts(4), ["offset=4", "offset=8", "offset=12", "offset=16", "offset=132", "offset=252"]);
        assert_eq!(texts(2).len(), 10);
        assert!(Condition::other_gpus(7).all(|condition| condition.multiprocessors(7) != 7));
        assert_eq!(Condition::Usual.multiprocessors(7), 7);
    }
}
