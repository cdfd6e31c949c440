//! What the parser makes of small texts, of the committed kernels and of broken ones.

mod committed;
mod constants;
mod declarations;
mod faults;
mod mutations;
mod operands;
mod scopes;

use super::parse;
use crate::simt::fault::{Fault, FaultKind};
use crate::simt::ptx::ast::{Body, Instruction, Module, Operand, Statement, Variable};

/// How every module here begins: three lines.
const HEAD: &str = ".version 8.0\n.target sm_80\n.address_size 64\n";

/// The module of this text behind the head; its first line is line 4.
fn module(text: &str) -> Module {
    parse(&format!("{HEAD}{text}")).unwrap()
}

/// The body of an entry that holds these statements; the first is on line 5.
fn body(statements: &str) -> Body {
    module(&format!(".entry k(.param .u64 p)\n{{{statements}\n}}")).functions.remove(0).body.unwrap()
}

fn instructions(body: &Body) -> Vec<&Instruction> {
    let statements = body.statements.iter();
    statements
        .filter_map(|statement| match statement {
            Statement::Instruction(instruction) => Some(instruction),
            _ => None,
        })
        .collect()
}

/// The operands of the only instruction.
fn operands(instruction: &str) -> Vec<Operand> {
    let body = body(instruction);
    let all = instructions(&body);
    assert_eq!(all.len(), 1, "{instruction}");
    all[0].operands.clone()
}

/// The only variable of a module.
fn variable(declaration: &str) -> Variable {
    let mut module = module(declaration);
    assert_eq!(module.variables.len(), 1, "{declaration}");
    module.variables.remove(0)
}

fn name(name: &str) -> Operand {
    Operand::Name { name: name.to_owned(), component: None }
}

fn fault(text: &str) -> Fault {
    parse(&format!("{HEAD}{text}")).expect_err(text)
}

fn body_fault(statements: &str) -> Fault {
    fault(&format!(".entry k(.param .u64 p)\n{{{statements}\n}}"))
}

/// That PTX of this text is refused by a name.
fn assert_unsupported(fault: &Fault, what: &str) {
    assert_eq!((fault.kind, fault.what.as_str()), (FaultKind::Unsupported, what));
}

#[test]
fn head() {
    let module = parse("// c\n.version 7.8 /* a\n b */ .target sm_90a, debug, texmode_unified").unwrap();
    assert_eq!((module.version, module.target.as_str()), ((7, 8), "sm_90a"));
    assert_eq!((module.variables.len(), module.functions.len()), (0, 0));
}

#[test]
fn guards_modifiers_and_places() {
    let body = body(
        "/* a\n*/@%p1 bra L;\n@ ! p2 ld.global.L1::no_allocate.L2::cache_hint.v2.f32 {%f1, %f2}, [%rd1], %rd2;\n\
         L: ret; cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [a], [b], 16, [c];\n\
         tex.2d.v4.f32.f32 {a, b, c, d}, [t, {x, y}]; mma.m16n8k16; bar .sync 0;;",
    );
    let all = instructions(&body);
    let guard =
        |index: usize| all[index].guard.as_ref().map(|guard| (guard.register.as_str(), guard.negated));
    assert_eq!(all.len(), 7);
    assert_eq!((guard(0), guard(1), guard(2)), (Some(("%p1", false)), Some(("p2", true)), None));
    assert_eq!(all[1].full_name(), "ld.global.L1::no_allocate.L2::cache_hint.v2.f32");
    assert_eq!(all[1].modifiers, ["global", "L1::no_allocate", "L2::cache_hint", "v2", "f32"]);
    assert_eq!(all[3].full_name(), "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes");
    assert_eq!(all[4].full_name(), "tex.2d.v4.f32.f32");
    assert_eq!(all[5].full_name(), "mma.m16n8k16");
    assert_eq!(all[6].full_name(), "bar.sync");
    assert_eq!(all.iter().map(|one| one.place.line).collect::<Vec<_>>(), [6, 7, 8, 8, 9, 9, 9]);
    assert_eq!(body.statements[2], Statement::Label("L".to_owned(), 8));
}

#[test]
fn source_lines_with_files_named_behind() {
    let text = "
.entry k() {
\tret;
\t.loc 2 7 1
\tret; ret;
\t.loc\t1 92 37, function_name $L__info_string2, inlined_at 1 311 5
\tret;
\t.loc 1 93 1, function_name .debug_str+16, inlined_at 1 2 3
\tret;
\t.loc 1 0 5
\tret;
\t.loc 9 1 1
\tret;
\t.loc 1 5 1
\tret;
}
.entry next() { ret; }
.file 1 \"kernels/a.cu\"
.file 2 \"b \\\"quoted\\\" .cuh\", 1234, 56
.file 1 \"kernels/a.cu\"
.section .debug_str { $L: .b8 1,2 .b32 $L-$M, .b64 .debug_abbrev }
.section\t.debug_macinfo\t{\t}";
    let module = module(text);
    let place = |function: usize, index: usize| {
        let place = &instructions(module.functions[function].body.as_ref().unwrap())[index].place;
        place.source.as_ref().map(|(file, line)| (file.to_string(), *line))
    };
    let source = |file: &str, line: u32| Some((file.to_owned(), line));
    let quoted = "b \\\"quoted\\\" .cuh";
    let expected = [
        None,
        source(quoted, 7),
        source(quoted, 7),
        source("kernels/a.cu", 92),
        source("kernels/a.cu", 93),
        None,
        None,
        source("kernels/a.cu", 5),
    ];
    for (index, expected) in expected.into_iter().enumerate() {
        assert_eq!(place(0, index), expected, "{index}");
    }
    assert_eq!(place(1, 0), None);
    assert_eq!(module.files, [(1, "kernels/a.cu".into()), (2, quoted.into())]);
}
