//! What an instruction may not be in a kernel that claims its bits (METHODOLOGY.md, Kernels).

use crate::ptx::Instruction;

/// Types whose arithmetic rounds.
const FLOATS: [&str; 6] = ["f16", "f16x2", "bf16", "bf16x2", "f32", "f64"];
/// Operations that round; without `rn` the compiler or another modifier decides how.
const ROUNDED: [&str; 8] = ["add", "sub", "mul", "fma", "mad", "div", "sqrt", "rcp"];
/// Operations of tensor cores, whose arithmetic differs between architectures.
const TENSOR: [&str; 4] = ["mma", "wmma", "wgmma", "tcgen05"];

/// Why `instruction` must not stand in a kernel that claims `gpu_to_gpu`.
pub fn violation(instruction: &Instruction) -> Option<String> {
    let parts = instruction.parts();
    let base = *parts.first()?;
    let has = |modifier: &str| parts.contains(&modifier);
    let reason = if has("approx") || has("full") {
        "approximates"
    } else if has("ftz") {
        "flushes subnormals"
    } else if is_float_atomic(instruction) {
        "adds in order of arrival"
    } else if TENSOR.contains(&base) {
        "is tensor-core arithmetic"
    } else if ROUNDED.contains(&base) && parts.iter().any(|part| FLOATS.contains(part)) && !has("rn") {
        "does not say how it rounds"
    } else {
        return None;
    };
    Some(format!("{} {reason}", instruction.opcode))
}

/// Whether it adds floats in memory, in the order in which threads arrive.
pub fn is_float_atomic(instruction: &Instruction) -> bool {
    let parts = instruction.parts();
    let is_atomic = matches!(parts.first(), Some(&("atom" | "red" | "multimem")));
    is_atomic && parts.contains(&"add") && parts.iter().any(|part| FLOATS.contains(part))
}
