//! Nested blocks: which declaration a name means, and what may not be declared twice.

use proptest::prelude::*;

use super::{assert_unsupported, body, body_fault, fault, instructions, module, name};
use crate::simt::fault::FaultKind;
use crate::simt::ptx::ast::{Operand, Statement};

/// The names of all operands, which must be names.
fn used(statements: &str) -> Vec<String> {
    let body = body(statements);
    let operands = instructions(&body).into_iter().flat_map(|instruction| instruction.operands.clone());
    let names = operands.map(|operand| match operand {
        Operand::Name { name, .. } => name,
        other => panic!("{other:?}"),
    });
    names.collect()
}

#[test]
fn inner_names_hide_outer_ones_until_their_block_ends() {
    let statements = ".reg .b32 %r<4>, x; o x, %r3;
        { o x, %r1; .reg .b32 x, %r<2>; o x, %r1, %r2, %r3; { .reg .b32 x; o x, %r0; } o x; }
        { .reg .b32 %r3; o %r3, x, %r2; } o x, %r1;";
    assert_eq!(
        used(statements),
        [
            "x", "%r3", "x", "%r1", "x@1", "%r@1_1", "%r2", "%r3", "x@2", "%r@1_0", "x@1", "%r3@3", "x",
            "%r2", "x", "%r1"
        ]
    );
    let body = body(statements);
    let declared = body.registers.iter().map(|register| (register.name.as_str(), register.count));
    assert_eq!(
        declared.collect::<Vec<_>>(),
        [("%r", Some(4)), ("x", None), ("x@1", None), ("%r@1_", Some(2)), ("x@2", None), ("%r3@3", None)]
    );
}

#[test]
fn every_kind_of_operand_is_resolved() {
    let body = body(
        "{ .reg .pred p; .reg .b32 a; .param .b32 v[4]; .reg .v2 .b32 w;
           @p o !p, p|p, {a, _}, [v+4], [v], [v, {a}], v+4, v[1], w.x; call (a), f, (v); brx.idx a, t; t: .branchtargets L; L: }",
    );
    let all = instructions(&body);
    let debug = format!("{all:?}{:?}", body.statements);
    for plain in ["\"p\"", "\"a\"", "\"v\"", "\"w\"", "\"t\"", "\"L\""] {
        assert!(!debug.contains(plain), "{plain} in {debug}");
    }
    assert_eq!(all[0].guard.as_ref().map(|guard| guard.register.as_str()), Some("p@1"));
    assert_eq!(body.variables[0].name, "v@1");
    assert_eq!(all[1].operands[1], name("f"));
    assert!(
        matches!(&body.statements[3], Statement::Targets { name, targets, .. } if name == "t@1" && targets == &["L@1"])
    );
}

#[test]
fn labels_may_be_used_before_they_are_declared() {
    let statements = "bra L; { bra L; { bra L; bra M; L: bra L; } bra M; M: } { L: bra L; } L: bra M;";
    assert_eq!(used(statements), ["L", "L", "L@2", "M@1", "L@2", "M@1", "L@3", "M"]);
    let body = body(statements);
    let labels = body.statements.iter().filter_map(|statement| match statement {
        Statement::Label(label, _) => Some(label.as_str()),
        _ => None,
    });
    assert_eq!(labels.collect::<Vec<_>>(), ["L@2", "M@1", "L@3", "L"]);
}

#[test]
fn names_of_functions_hide_those_of_the_module() {
    let module = module(
        ".global .u32 x, y; .entry k() { o x, y; .reg .b32 x; o x, y; } .entry l(.param .b32 y) { o x, y; { o y; } }",
    );
    let used = |index: usize| {
        let body = module.functions[index].body.as_ref().unwrap();
        let operands = instructions(body).into_iter().flat_map(|one| one.operands.clone());
        operands.collect::<Vec<_>>()
    };
    assert_eq!(used(0), ["x", "y", "x@0", "y"].map(name));
    assert_eq!(used(1), ["x", "y@0", "y@0"].map(name));
}

#[test]
fn duplicates_are_refused() {
    for (statements, what) in [
        (".reg .b32 p;", "a second declaration of `p`"),
        (".reg .b32 %r<10>; .reg .b64 %r<3>;", "a second declaration of `%r`"),
        (".reg .b32 %r<10>; .reg .b32 %r3;", "a second declaration of `%r3`"),
        (".reg .b32 %r3; .reg .b32 %r<10>;", "a second declaration of `%r`"),
        (".reg .b32 %r<20>; .reg .b32 %r1<5>;", "a second declaration of `%r1`"),
        (".reg .b32 %r1<5>; .reg .b32 %r<20>;", "a second declaration of `%r`"),
        ("{ .reg .b32 x; .shared .b32 x; }", "a second declaration of `x`"),
        ("L: L:", "the label `L` is declared already"),
        (".reg .b32 x; x:", "the label `x` is declared already"),
        ("x: .reg .b32 x;", "a second declaration of `x`"),
        (".reg .b32 L<4>; L3: ", "the label `L3` is declared already"),
        ("L3: .reg .b32 L<4>;", "a second declaration of `L`"),
    ] {
        let fault = body_fault(statements);
        assert_eq!((fault.kind, fault.what.as_str()), (FaultKind::Syntax, what), "{statements}");
    }
    assert_unsupported(
        &body_fault(".reg .b32 x; { x: }"),
        "the label `x` in a block that sees a variable of that name",
    );
    for statements in [
        ".reg .b32 %r<3>; .reg .b32 %r3;",
        ".reg .b32 %r3; .reg .b32 %r<3>;",
        ".reg .b32 %r<10>; .reg .b32 %r1<5>;",
        ".reg .b32 %r03; .reg .b32 %r<10>;",
        ".reg .b32 %r<0>; .reg .b32 %r0;",
        ".reg .b32 %r0; .reg .b32 %r<0>;",
        ".reg .b32 %r<4>; .reg .b32 %r0<4>;",
        "{ .reg .b32 x; L: } { .reg .b32 x; L: } L: .reg .b32 x;",
    ] {
        assert!(!body(statements).registers.is_empty(), "{statements}");
    }
    for (text, what) in [
        (".global .u32 x; .global .u32 x;", "a second declaration of `x`"),
        (".extern .global .u32 x; .global .u64 x;", "a second declaration of `x`"),
        (".entry k() {} .entry k() {}", "a second definition of `k`"),
        (".func k(); .entry k() {}", "a second definition of `k`"),
        (".global .u32 k; .func k() {}", "a second definition of `k`"),
        (".func k() {} .global .u32 k;", "a second declaration of `k`"),
        (".entry k(.param .b32 a, .param .b32 a) {}", "a second declaration of `a`"),
    ] {
        let fault = fault(text);
        assert_eq!((fault.kind, fault.what.as_str()), (FaultKind::Syntax, what), "{text}");
    }
    assert_eq!(module(".func k(); .func k(); .func k() {} .func k();").functions.len(), 4);
}

proptest! {
    /// Two declarations of a block are refused exactly if they declare a common name: told by writing the
    /// names out.
    #[test]
    fn overlapping_ranges(
        first in ("[ab]0?[12]?0?", prop::option::of(0..120_u32)),
        second in ("[ab]0?[12]?0?", prop::option::of(0..120_u32)),
    ) {
        let written = |(name, count): &(String, Option<u32>)| match count {
            Some(count) => format!(".reg .b32 {name}<{count}>;"),
            None => format!(".reg .b32 {name};"),
        };
        let names = |(name, count): &(String, Option<u32>)| -> Vec<String> {
            match count {
                Some(count) => (0..*count).map(|index| format!("{name}{index}")).collect(),
                None => vec![name.clone()],
            }
        };
        let common = names(&first).iter().any(|name| names(&second).contains(name));
        let same_prefix = first.0 == second.0 && first.1.is_some() && second.1.is_some();
        let text = format!("{}.entry k() {{ {} {} }}", super::HEAD, written(&first), written(&second));
        prop_assert_eq!(super::parse(&text).is_err(), common || same_prefix, "{}", text);
    }
}
