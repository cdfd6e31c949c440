//! What can be set for a peer, and which of it is measured of what: one thing at a time is set otherwise than usual, so
//! that two rows that differ in one key say what that key does.

use std::collections::BTreeMap;
use std::fmt;

use crate::operation::Precision;
use crate::peer::PeerName;
use crate::tensor::Dtype;
use crate::workload::Workload;

/// Where a peer computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On the CPU, on at most so many threads.
    Cpu {
        /// Threads: as many as the twins have.
        threads: usize,
    },
    /// On one GPU.
    Cuda {
        /// The GPU, as `CUDA_VISIBLE_DEVICES` names it.
        visible: String,
        /// Bytes of its second-level cache, which timing flushes.
        l2_bytes: u64,
    },
}

/// The variable that must stand in the environment before cuBLAS is used first.
pub const CUBLAS_WORKSPACE: &str = "CUBLAS_WORKSPACE_CONFIG";
/// No value: the variable is not in the environment.
const UNSET: &str = "unset";
/// What cuBLAS's documentation gives for the same bits in every run.
const FIXED: &str = ":4096:8";
/// Streams that compute side by side, where there are several.
const STREAMS: &str = "4";

/// Whether it can matter for an operation of that name on inputs of that type.
type Matters = fn(&str, Dtype) -> bool;

/// Something that can be set.
struct Key {
    name: &'static str,
    /// As PyTorch has it unless told otherwise.
    usual: &'static str,
    other: &'static str,
    matters: Matters,
}

const EVERYTHING: Matters = |_, _| true;
const PRODUCTS: Matters = |operation, _| operation == "matmul";
const CONVOLUTIONS: Matters = |operation, _| operation.starts_with("conv2d");

/// PyTorch's on a GPU, with the defaults of its documentation ("CUDA semantics", "Reproducibility").
const ON_CUDA: [Key; 8] = [
    Key { name: "cublas_workspace", usual: UNSET, other: FIXED, matters: PRODUCTS },
    Key { name: "cudnn_benchmark", usual: "0", other: "1", matters: CONVOLUTIONS },
    Key { name: "cudnn_deterministic", usual: "0", other: "1", matters: CONVOLUTIONS },
    Key {
        name: "cudnn_tf32",
        usual: "1",
        other: "0",
        matters: |operation, dtype| CONVOLUTIONS(operation, dtype) && dtype == Dtype::F32,
    },
    Key { name: "deterministic", usual: "0", other: "1", matters: EVERYTHING },
    Key {
        name: "matmul_tf32",
        usual: "0",
        other: "1",
        matters: |operation, dtype| PRODUCTS(operation, dtype) && dtype == Dtype::F32,
    },
    Key {
        name: "reduced_precision",
        usual: "1",
        other: "0",
        matters: |operation, dtype| PRODUCTS(operation, dtype) && dtype == Dtype::F16,
    },
    Key { name: "streams", usual: "1", other: STREAMS, matters: EVERYTHING },
];

/// What is set for a peer before it computes anything: a value of every key that applies where it computes.
#[derive(Clone)]
pub struct PeerSetting {
    values: BTreeMap<&'static str, String>,
    matters: Matters,
}

impl PeerSetting {
    /// The settings under which a peer is measured, each in a process of its own. The first has everything as usual,
    /// and each other one departs from an earlier one in one key.
    pub fn all(name: PeerName, place: &Place) -> Vec<Self> {
        match (name, place) {
            (PeerName::Numpy, Place::Cpu { threads }) => vec![Self::new([("threads", threads.to_string())])],
            // numpy knows no GPU.
            (PeerName::Numpy, Place::Cuda { .. }) => Vec::new(),
            (PeerName::Torch, Place::Cpu { threads }) => {
                let usual = Self::new([("deterministic", "0".to_owned()), ("threads", threads.to_string())]);
                let mut all = vec![usual.clone(), usual.with("deterministic", "1", EVERYTHING)];
                if *threads > 1 {
                    all.push(usual.with("threads", "1", EVERYTHING));
                }
                all
            }
            (PeerName::Torch, Place::Cuda { .. }) => {
                let usual = Self::new(ON_CUDA.iter().map(|key| (key.name, key.usual.to_owned())));
                let others = ON_CUDA.iter().map(|key| usual.with(key.name, key.other, key.matters));
                let mut all: Vec<_> = [usual.clone()].into_iter().chain(others).collect();
                // Without the workspace, PyTorch refuses cuBLAS where it is to be deterministic.
                let workspace = usual.with("cublas_workspace", FIXED, PRODUCTS);
                all.push(workspace.with("deterministic", "1", PRODUCTS));
                all
            }
        }
    }

    fn new(values: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { values: values.into_iter().collect(), matters: EVERYTHING }
    }

    fn with(&self, key: &'static str, value: &str, matters: Matters) -> Self {
        let mut values = self.values.clone();
        values.insert(key, value.to_owned());
        Self { values, matters }
    }

    /// The values, by key.
    pub fn values(&self) -> &BTreeMap<&'static str, String> {
        &self.values
    }

    /// Whether what is set otherwise than usual can matter for a workload.
    pub fn matters(&self, workload: &Workload) -> bool {
        (self.matters)(workload.operation.name(), workload.dtype)
    }

    /// The same on one thread, for what never uses more.
    pub fn on_one_thread(&self) -> Self {
        if self.is("threads", "1") { self.clone() } else { self.with("threads", "1", self.matters) }
    }

    /// Threads that libraries are told to use, where that is set.
    pub fn threads(&self) -> Option<&str> {
        self.values.get("threads").map(String::as_str)
    }

    /// The value of [`CUBLAS_WORKSPACE`]; `None` where it must not be in the environment.
    pub fn cublas_workspace(&self) -> Option<&str> {
        self.values.get("cublas_workspace").map(String::as_str).filter(|value| *value != UNSET)
    }

    /// How exactly products and sums of `operation` are computed there, as far as anything is promised.
    ///
    /// Tensor cores cut the sum of a few products off where they could round it, after they have shifted all of them
    /// to the largest exponent (Fasi, Higham, Mikaitis and Pranesh 2021): less than four roundings of f32 per step. To
    /// TF32 a factor is cut off at worst, which loses less than 2^-10 of it. Partial sums of f16 products may be
    /// rounded to f16 where PyTorch allows "reduced-precision reduction". cuDNN may choose Winograd's algorithm or a
    /// Fourier transform, whose errors follow the largest terms around: in two dimensions F(4×4, 3×3) makes them up to
    /// 16² times as large.
    pub fn precision(&self, place: &Place, workload: &Workload) -> Precision {
        let (product, convolution) = (PRODUCTS, CONVOLUTIONS);
        let (name, dtype) = (workload.operation.name(), workload.dtype);
        let halves = Precision { rounding: Dtype::F16.unit_roundoff(), ..Precision::F32 };
        if matches!(place, Place::Cpu { .. }) || !(product(name, dtype) || convolution(name, dtype)) {
            // There the gradient of f16 images is added up in f16, tap by tap.
            let folds = name == "conv2d_backward" && dtype == Dtype::F16;
            return if folds { halves } else { Precision::F32 };
        }
        let spread = if convolution(name, dtype) { 256.0 } else { 0.0 };
        let tensor_cores = 4.0 * Precision::F32.rounding;
        let tf32 = if product(name, dtype) { "matmul_tf32" } else { "cudnn_tf32" };
        match dtype {
            Dtype::F32 if self.is(tf32, "1") => {
                Precision { factor: 2f64.powi(-10), rounding: tensor_cores, spread }
            }
            Dtype::F32 => Precision { spread, ..Precision::F32 },
            Dtype::F16 if product(name, dtype) && self.is("reduced_precision", "1") => {
                Precision { spread, ..halves }
            }
            Dtype::F16 => Precision { factor: 0.0, rounding: tensor_cores, spread },
        }
    }

    fn is(&self, key: &str, value: &str) -> bool {
        self.values.get(key).is_some_and(|set| set == value)
    }
}

impl fmt::Display for PeerSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<_> = self.values.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.write_str(&pairs.join(";"))
    }
}
