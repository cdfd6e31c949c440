//! Instruction sets of the CPU: with which of them a thread executes the twins' loops.
//!
//! A twin's operations and their order are the same under each, and so must its bits be; which one a processor
//! has is what tells one machine from another. Threads use the best there is, unless they were started for
//! another.

use std::cell::Cell;
use std::fmt;

use pulp::{Arch, WithSimd};

/// What a loop is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instructions {
    /// What every processor of the kind has: without AVX and FMA on x86-64, where a library computes what is
    /// rounded once.
    Baseline,
    /// AVX2 and FMA, the level x86-64-v3.
    Avx2,
    /// AVX-512, the level x86-64-v4.
    Avx512,
}

impl Instructions {
    /// All of them, from the least.
    const ALL: [Self; 3] = [Self::Baseline, Self::Avx2, Self::Avx512];

    /// Those of this processor that threads do not use by themselves.
    pub fn others() -> impl Iterator<Item = Self> {
        let best = std::mem::discriminant(&Arch::new());
        let is_other = move |arch: Arch| std::mem::discriminant(&arch) != best;
        Self::ALL.into_iter().filter(move |instructions| instructions.arch().is_some_and(is_other))
    }

    /// The way to it, if this processor has it.
    fn arch(self) -> Option<Arch> {
        match self {
            Self::Baseline => Some(Arch::Scalar),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().map(Arch::V3),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().map(Arch::V4),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => None,
        }
    }

    /// Lets this thread use these from now on. A processor that lacks them goes on with its best.
    pub fn use_here(self) {
        HERE.set(self.arch());
    }
}

/// As in the column `setting`.
impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline => "isa=baseline",
            Self::Avx2 => "isa=avx2+fma",
            Self::Avx512 => "isa=avx512",
        })
    }
}

thread_local! {
    /// What this thread was started for; `None` for the best.
    static HERE: Cell<Option<Arch>> = const { Cell::new(None) };
}

/// Executes `loops`, compiled for this thread's instruction set. What is to be compiled for it must be inlined
/// into `loops`.
#[inline(always)]
pub fn dispatch<Loops: WithSimd>(loops: Loops) -> Loops::Output {
    // The default is the best that the processor has.
    HERE.get().unwrap_or_default().dispatch(loops)
}

/// A function whose body is compiled for every instruction set, and executed with that of the calling thread.
/// References among the arguments live for `'a`. What the body calls must be inlined into it.
macro_rules! dispatched {
    ($(#[$attribute:meta])* fn $name:ident($($argument:ident: $kind:ty),*) $body:block) => {
        $crate::operation::instructions::dispatched! {
            $(#[$attribute])* fn $name($($argument: $kind),*) -> () $body
        }
    };
    ($(#[$attribute:meta])* fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty $body:block) => {
        $(#[$attribute])*
        fn $name<'a>($($argument: $kind),*) -> $result {
            struct Loops<'a> {
                $($argument: $kind),*
            }
            impl<'a> pulp::WithSimd for Loops<'a> {
                type Output = $result;

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, _: S) -> $result {
                    let Self { $($argument),* } = self;
                    $body
                }
            }
            $crate::operation::instructions::dispatch(Loops { $($argument),* })
        }
    };
}
pub(super) use dispatched;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_uses_what_it_was_started_for() {
        struct Lanes;
        impl WithSimd for Lanes {
            type Output = usize;
            fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        let best = dispatch(Lanes);
        let under = |instructions: Instructions| {
            std::thread::spawn(move || {
                instructions.use_here();
                dispatch(Lanes)
            })
            .join()
            .unwrap()
        };
        assert_eq!(under(Instructions::Baseline), 1);
        for other in Instructions::others() {
            assert!(under(other) < best, "{other}");
        }
        assert_eq!(dispatch(Lanes), best, "other threads are left alone");
    }
}
