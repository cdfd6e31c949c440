//! The rounding rule on what claims its bits, and proof that the rule would notice.

use samebits::device::plan::{ELEMENTWISE, REDUCE};
use samebits::guarantee::Guarantee;

use crate::algorithms;
use crate::ptx::{Function, Instruction, functions, with_callees};
use crate::rules::{is_float_atomic, violation};

/// What is wrong with the entry called `name` of `ptx` and with all that it calls.
fn violations(ptx: &str, name: &str) -> Vec<String> {
    match with_callees(&functions(ptx), name) {
        Ok(found) => found.iter().flat_map(|function| &function.instructions).filter_map(violation).collect(),
        Err(problem) => vec![problem],
    }
}

fn has_float_atomic(function: &Function) -> bool {
    function.instructions.iter().any(is_float_atomic)
}

#[test]
fn gpu_to_gpu_kernels_round_explicitly_and_never_approximate() {
    let mut checked = Vec::new();
    for (_, algorithm, entries) in algorithms() {
        if algorithm.guarantee != Guarantee::GpuToGpu {
            continue;
        }
        for entry in entries {
            assert_eq!(violations(algorithm.module.ptx, &entry), [""; 0], "{entry}");
            let adds = |instruction: &Instruction| {
                ["add.rn.f32", "fma.rn.f32"].contains(&instruction.opcode.as_str())
            };
            let functions = functions(algorithm.module.ptx);
            let found = with_callees(&functions, &entry).unwrap();
            let any = found.iter().any(|function| function.instructions.iter().any(adds));
            // Some steps of training only choose, move or multiply.
            let is_step = entry.starts_with("elementwise_");
            assert!(any || is_step, "{entry} adds nothing: its text was cut out wrongly");
            checked.push(entry);
        }
    }
    for wanted in [
        "reduce_fixed_tree_f16",
        "reduce_fixed_tree_f32",
        "matmul_tiled_128x256_f32",
        "matmul_split_k_ordered_finish_f16",
        "batch_norm_split_tree_f16",
        "batch_norm_split_tree_finish",
        "batch_norm_normalise_f32",
        "batch_norm_inference_f16",
        "elementwise_dropout",
        "elementwise_shifted_exponentials",
        "elementwise_adam",
    ] {
        assert!(checked.iter().any(|entry| entry == wanted), "{wanted} is not among {checked:?}");
    }
}

/// Their twins round each product and each sum: none may have become one operation.
#[test]
fn steps_of_training_have_no_fused_operation() {
    let functions = functions(ELEMENTWISE.ptx);
    let opcodes = || functions.iter().flat_map(|function| &function.instructions).map(Instruction::parts);
    let counted = |base: &str| opcodes().filter(|parts| parts[0] == base && parts.contains(&"f32")).count();
    assert_eq!((counted("fma"), counted("mad")), (0, 0));
    for (base, least) in [("mul", 30), ("add", 20), ("sub", 10), ("div", 5), ("sqrt", 1)] {
        assert!(counted(base) >= least, "{} of {base}: the text was cut out wrongly", counted(base));
    }
}

#[test]
fn only_what_guarantees_nothing_adds_in_order_of_arrival() {
    for (_, algorithm, entries) in algorithms() {
        let functions = functions(algorithm.module.ptx);
        // One entry of several is enough.
        let adds =
            |entry: &String| with_callees(&functions, entry).unwrap().into_iter().any(has_float_atomic);
        let expected = algorithm.guarantee == Guarantee::NotGuaranteed;
        assert_eq!(entries.iter().any(adds), expected, "{}: {entries:?}", algorithm.name);
    }
}

/// A module whose entry calls a helper with `instruction` in it.
fn planted(instruction: &str) -> String {
    format!(
        ".version 8.0\n.target sm_75\n.func helper(\n\t.param .b64 p\n)\n{{\n\t.loc\t1 2 3\n$L__BB0_1:\n\t{{\n\t\
         @%p1 {instruction}\n\t}}\n\tret;\n}}\n\
         .visible .entry reduce_fixed_tree_f32(\n\t.param .u64 x\n)\n{{\n\t.reg .f32 \t%f<9>;\n\t\
         // nothing here is rsqrt.approx.ftz.f32\n\tadd.rn.f32 \t%f1, %f2, %f3;\n\t\
         call.uni \n\thelper, \n\t(\n\tparam0\n\t);\n\tret;\n}}\n"
    )
}

#[test]
fn planted_instructions_are_refused() {
    let bad = [
        ("add.f32 \t%f1, %f2, %f3;", "does not say how it rounds"),
        ("sub.f32 \t%f1, %f2, %f3;", "does not say how it rounds"),
        ("mul.f32 \t%f1, %f2, %f3;", "does not say how it rounds"),
        ("add.f64 \t%fd1, %fd2, %fd3;", "does not say how it rounds"),
        ("add.sat.f32 \t%f1, %f2, %f3;", "does not say how it rounds"),
        ("add.rz.f32 \t%f1, %f2, %f3;", "does not say how it rounds"),
        ("add.f16x2 \t%r1, %r2, %r3;", "does not say how it rounds"),
        ("fma.rz.f32 \t%f1, %f2, %f3, %f4;", "does not say how it rounds"),
        ("mad.f32 \t%f1, %f2, %f3, %f4;", "does not say how it rounds"),
        ("add.ftz.f32 \t%f1, %f2, %f3;", "flushes subnormals"),
        ("add.rn.ftz.f32 \t%f1, %f2, %f3;", "flushes subnormals"),
        ("fma.rn.ftz.f32 \t%f1, %f2, %f3, %f4;", "flushes subnormals"),
        ("cvt.ftz.f32.f32 \t%f1, %f2;", "flushes subnormals"),
        ("div.full.f32 \t%f1, %f2, %f3;", "approximates"),
        ("div.approx.f32 \t%f1, %f2, %f3;", "approximates"),
        ("rsqrt.approx.f32 \t%f1, %f2;", "approximates"),
        ("ex2.approx.ftz.f32 \t%f1, %f2;", "approximates"),
        ("atom.global.add.f32 \t%f1, [%rd1], %f2;", "adds in order of arrival"),
        ("atom.add.noftz.f16x2 \t%r1, [%rd1], %r2;", "adds in order of arrival"),
        ("red.global.add.f32 \t[%rd1], %f2;", "adds in order of arrival"),
        ("red.relaxed.gpu.global.add.f64 \t[%rd1], %fd2;", "adds in order of arrival"),
        ("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 \t{%f1}, {%r1}, {%r2}, {%f1};", "tensor-core"),
        ("call.uni \n\tvprintf, \n\t(\n\tparam0\n\t);", "calls what is not in the module"),
    ];
    for (instruction, said) in bad {
        let found = violations(&planted(instruction), "reduce_fixed_tree_f32");
        assert!(found.len() == 1 && found[0].contains(said), "{instruction} gives {found:?}");
    }
}

#[test]
fn rounded_arithmetic_and_integers_are_accepted() {
    let good = [
        "add.rn.f32 \t%f1, %f2, %f3;",
        "fma.rn.f32 \t%f1, %f2, %f3, %f4;",
        "div.rn.f32 \t%f1, %f2, %f3;",
        "sqrt.rn.f64 \t%fd1, %fd2;",
        "cvt.f32.f16 \t%f1, %rs1;",
        "cvt.rn.f16.f32 \t%rs1, %f1;",
        "add.s64 \t%rd1, %rd2, %rd3;",
        "mad.lo.s32 \t%r1, %r2, %r3, %r4;",
        "mov.f32 \t%f1, 0f00000000;",
        "ld.shared.f32 \t%f1, [%r1];",
        "atom.global.inc.u32 \t%r1, [%rd1], %r2;",
        "atom.global.add.u32 \t%r1, [%rd1], %r2;",
    ];
    for instruction in good {
        assert_eq!(violations(&planted(instruction), "reduce_fixed_tree_f32"), [""; 0], "{instruction}");
    }
}

#[test]
fn one_addition_that_is_not_rounded_in_the_real_kernel_is_found() {
    for entry in ["reduce_fixed_tree_f32", "reduce_fixed_tree_f16"] {
        let (head, body) = REDUCE.ptx.split_once(&format!(".entry {entry}(")).unwrap();
        for worse in ["add.f32", "add.rn.ftz.f32"] {
            let ptx = format!("{head}.entry {entry}({}", body.replacen("add.rn.f32", worse, 1));
            assert_eq!(violations(&ptx, entry).len(), 1, "{entry} with {worse}");
        }
    }
}
