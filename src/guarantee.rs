//! What an algorithm claims about its bits, in the terms of NVIDIA's CCCL, and which perturbations
//! each claim covers.

use serde::{Deserialize, Serialize};

use crate::condition::SAME_COMPILER;
use crate::perturbation::Perturbation;

/// A claim about output bits; each implies the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Bits may change with every execution.
    NotGuaranteed,
    /// Same bits on the same device with the same program.
    RunToRun,
    /// Same bits on every device, launch and compiler version.
    GpuToGpu,
}

impl Guarantee {
    /// The name in files and on the screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotGuaranteed => "not_guaranteed",
            Self::RunToRun => "run_to_run",
            Self::GpuToGpu => "gpu_to_gpu",
        }
    }

    /// Whether outputs must keep their bits under `perturbation`, of which `variant` is the value tried. What a row
    /// has to do with the rows beside it is the matter of another claim,
    /// [`Algorithm::batch_invariant`](crate::operation::Algorithm).
    pub fn covers(self, perturbation: Perturbation, variant: &str) -> bool {
        match perturbation {
            Perturbation::Batch => false,
            Perturbation::ReloadRecompile if variant.ends_with(SAME_COMPILER) => self >= Self::RunToRun,
            Perturbation::Launch | Perturbation::ReloadRecompile => self >= Self::GpuToGpu,
            _ => self >= Self::RunToRun,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Condition;

    #[test]
    fn each_guarantee_implies_the_one_before() {
        assert!(Guarantee::NotGuaranteed < Guarantee::RunToRun);
        assert!(Guarantee::RunToRun < Guarantee::GpuToGpu);
        for perturbation in Perturbation::ALL {
            assert!(!Guarantee::NotGuaranteed.covers(perturbation, ""));
            assert!(
                Guarantee::GpuToGpu.covers(perturbation, "") >= Guarantee::RunToRun.covers(perturbation, "")
            );
        }
    }

    #[test]
    fn the_same_compiler_is_within_a_run_to_run_claim_and_another_is_not() {
        let covers = |guarantee: Guarantee, same| {
            let variant = Condition::Recompiled { nvrtc: (12, 0), same }.to_string();
            guarantee.covers(Perturbation::ReloadRecompile, &variant)
        };
        assert!(covers(Guarantee::RunToRun, true) && !covers(Guarantee::RunToRun, false));
        assert!(covers(Guarantee::GpuToGpu, true) && covers(Guarantee::GpuToGpu, false));
        assert!(!covers(Guarantee::NotGuaranteed, true));
    }
}
