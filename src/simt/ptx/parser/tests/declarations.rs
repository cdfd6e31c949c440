//! Variables, registers, parameters, and the heads of functions.

use super::{assert_unsupported, body, body_fault, fault, module, variable};
use crate::simt::fault::FaultKind;
use crate::simt::ptx::ast::{Initial, Literal, Parameter, Register, Space, Type, Variable};

fn numbers(values: &[i64]) -> Vec<Initial> {
    values.iter().map(|value| Initial::Number(Literal::Integer(*value))).collect()
}

fn address(name: &str, offset: i64, generic: bool) -> Initial {
    Initial::Address { name: name.to_owned(), offset, generic }
}

#[test]
fn variables() {
    let plain = Variable {
        space: Space::Global,
        align: 4,
        ty: Type::U32,
        name: "x".to_owned(),
        elements: Some(1),
        initial: Vec::new(),
        external: false,
        line: 4,
    };
    assert_eq!(variable(".global .u32 x;"), plain);
    assert_eq!(variable(".visible .global .attribute(.managed) .u32 x;"), plain);
    assert_eq!(
        variable(".weak .global .align 8 .align 4 .u32 x = 7;"),
        Variable { initial: numbers(&[7]), ..plain.clone() }
    );
    assert_eq!(
        variable(".extern .shared .align 16 .b8 x[];"),
        Variable {
            space: Space::Shared,
            align: 16,
            ty: Type::B8,
            elements: None,
            external: true,
            ..plain.clone()
        }
    );
    assert_eq!(
        variable(".const .v4 .f32 x[3][2];"),
        Variable { space: Space::Const, align: 16, ty: Type::F32, elements: Some(24), ..plain.clone() }
    );
    let several = module(".common .global .u32 a,\n b[2] = {1, 2}, c;").variables;
    let names = several.iter().map(|one| (one.name.as_str(), one.elements, one.initial.len(), one.line));
    assert_eq!(names.collect::<Vec<_>>(), [("a", Some(1), 0, 4), ("b", Some(2), 2, 5), ("c", Some(1), 0, 5)]);
}

#[test]
fn an_external_declaration_gives_way_to_its_definition() {
    for text in [
        ".extern .global .u32 x; .visible .global .u32 x = 1;",
        ".global .u32 x = 1; .extern .global .u32 x;",
    ] {
        let variable = variable(text);
        assert_eq!((variable.external, variable.initial), (false, numbers(&[1])), "{text}");
    }
    let twice = variable(".extern .shared .b8 x[]; .extern .shared .b8 x[];");
    assert!(twice.external);
}

#[test]
fn initial_values() {
    let initial = |declaration: &str| variable(declaration).initial;
    let both = |declaration: &str| {
        let variable = variable(declaration);
        (variable.elements, variable.initial)
    };
    assert_eq!(initial(".global .s32 x = -(1<<3);"), numbers(&[-8]));
    assert_eq!(initial(".global .b8 x[4] = {0x10, 010, 0b10};"), numbers(&[16, 8, 2]));
    assert_eq!(initial(".global .b8 x[2] = {};"), []);
    assert_eq!(both(".global .u32 x[] = {1,2,3};"), (Some(3), numbers(&[1, 2, 3])));
    assert_eq!(both(".global .u32 x[][2] = {{1,2},{3}};"), (Some(4), numbers(&[1, 2, 3])));
    assert_eq!(both(".global .u32 x[2][2] = {{1},{2}};"), (Some(4), numbers(&[1, 0, 2])));
    assert_eq!(both(".global .v2 .u32 x = {5,6};"), (Some(2), numbers(&[5, 6])));
    assert_eq!(both(".global .v2 .u32 x[3] = {{5},{},{7,8}};"), (Some(6), numbers(&[5, 0, 0, 0, 7, 8])));
    assert_eq!(
        initial(".global .f32 x[2][2] = {{0f3F800000}, {1.5, -2e1}};"),
        [Literal::Float(0x3f80_0000), Literal::Double(0.0), Literal::Double(1.5), Literal::Double(-20.0)]
            .map(Initial::Number)
    );
    assert_eq!(
        initial(".global .u64 x[4] = {generic(y), generic(y)+4*2, f, y+-8};"),
        [address("y", 0, true), address("y", 8, true), address("f", 0, false), address("y", -8, false)]
    );
    assert_eq!(initial(".global .u64 x = generic;"), [address("generic", 0, false)]);
}

#[test]
fn registers() {
    let body = body(
        ".reg .b32 %r<10>, x;\n.reg .pred %p, q; .reg .v4 .f32 v; .reg .b64 %big<4294967295>, %none<0>;",
    );
    let register =
        |ty, vector, name: &str, count, line| Register { ty, vector, name: name.to_owned(), count, line };
    assert_eq!(
        body.registers,
        [
            register(Type::B32, 1, "%r", Some(10), 5),
            register(Type::B32, 1, "x", None, 5),
            register(Type::Pred, 1, "%p", None, 6),
            register(Type::Pred, 1, "q", None, 6),
            register(Type::F32, 4, "v", None, 6),
            register(Type::B64, 1, "%big", Some(u32::MAX), 6),
            register(Type::B64, 1, "%none", Some(0), 6),
        ]
    );
}

#[test]
fn variables_of_bodies() {
    let body = body(
        ".shared .align 8 .b8 tile[16]; .local .b64 depot[2]; .param .b32 a; .extern .shared .f32 s[]; .global .u8 g = 3;",
    );
    let found = body.variables.iter().map(|one| (one.space, one.name.as_str(), one.align, one.elements));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            (Space::Shared, "tile", 8, Some(16)),
            (Space::Local, "depot", 8, Some(2)),
            (Space::Param, "a", 4, Some(1)),
            (Space::Shared, "s", 4, None),
            (Space::Global, "g", 1, Some(1)),
        ]
    );
    assert_eq!(body.variables[4].initial, numbers(&[3]));
}

#[test]
fn functions() {
    let functions = module(
        ".visible .entry k(\n.param .u64 .ptr .global .align 16 a,\n.param .align 8 .b8 b[24], .param .u64 .ptr c)\n\
         .maxntid 256, 2\n.reqntid 128 .minnctapersm 1 .maxnctapersm 2 .maxnreg 64 .maxclusterrank 8 .explicitcluster\n\
         .reqnctapercluster 2, 1, 3 .pragma \"x\"; .pragma \"a\", \"b\";\n{ .pragma \"nounroll\"; ret; }\n\
         .func (.param .b32 r) f(.param .b32 a, .reg .pred p) .noreturn;\n\
         .visible .func (.reg .b32 r) f(.param .b32 a, .reg .pred p) { ret; }\n.entry bare { }\n.extern .func g;",
    )
    .functions;
    let [k, declared, f, bare, g] = &functions[..] else { panic!("{functions:?}") };
    assert_eq!((k.entry, k.name.as_str(), k.line), (true, "k", 4));
    assert_eq!(
        (k.largest_block, k.required_block, k.cluster),
        (Some([256, 2, 1]), Some([128, 1, 1]), Some([2, 1, 3]))
    );
    let memory = k.parameters.iter().map(|parameter| match parameter {
        Parameter::Memory(one) => (one.space, one.name.as_str(), one.ty, one.align, one.elements, one.line),
        Parameter::Register(_) => panic!("{parameter:?}"),
    });
    assert_eq!(
        memory.collect::<Vec<_>>(),
        [
            (Space::Param, "a", Type::U64, 8, Some(1), 5),
            (Space::Param, "b", Type::B8, 8, Some(24), 6),
            (Space::Param, "c", Type::U64, 8, Some(1), 6),
        ]
    );
    assert_eq!((declared.entry, declared.body.is_some(), declared.returns.len()), (false, false, 1));
    assert_eq!((f.entry, f.body.is_some(), f.parameters.len()), (false, true, 2));
    let predicate = Register { ty: Type::Pred, vector: 1, name: "p".to_owned(), count: None, line: 12 };
    assert_eq!(f.parameters[1], Parameter::Register(predicate));
    assert!(matches!(&f.returns[0], Parameter::Register(Register { ty: Type::B32, .. })));
    assert_eq!((bare.parameters.len(), bare.body.as_ref().map(|body| body.statements.len())), (0, Some(0)));
    assert_eq!((g.name.as_str(), g.body.is_none(), g.entry), ("g", true, false));
}

#[test]
fn refused_by_name() {
    for (text, what) in [
        (".global .texref t;", "the type or qualifier `.texref` in a declaration"),
        (".global .samplerref t;", "the type or qualifier `.samplerref` in a declaration"),
        (".global .surfref t;", "the type or qualifier `.surfref` in a declaration"),
        (".const .tensormap t;", "the type or qualifier `.tensormap` in a declaration"),
        (".tex .u32 t;", "the directive `.tex`"),
        (".alias a, b;", "the directive `.alias`"),
        (".local .u32 x;", "`.local` outside of functions, which has no place with the ABI"),
        (".section .data {}", "the section `.data`"),
        (".global .attribute(.unified(1,2)) .u32 x;", "the attribute `.unified`"),
        (".global .u32 x<3>;", "`<n>` names of variables; registers may have them"),
        (".global .u64 x = 0xFF(y);", "the mask operator `0xFF(…)` on an address"),
        (".global .u64 x = mask(y);", "the operator `mask(…)` on an address"),
        (".global .u8 x[1][1][1][1][1][1][1][1][1];", "an array of more than 8 dimensions"),
        (".entry k() .blocksareclusters {}", "the directive `.blocksareclusters` of a function"),
        (".address_size_of 3", "the directive `.address_size_of`"),
        ("#line 3", "a line of the preprocessor (`#`), which is not executed"),
        (
            ".global .u8 x[2][1000000000] = {{1},{2}};",
            "initial values with more than 1048576 implied zeros between them",
        ),
    ] {
        assert_unsupported(&fault(text), what);
    }
    assert_unsupported(&body_fault(".sreg .u32 x;"), "the directive `.sreg` in a function");
}

/// Implied zeros are bounded over all initialisers, not for each.
#[test]
fn implied_zeros_are_bounded_together() {
    let one = |index: usize| format!(".global .u8 x{index}[2][500000] = {{{{}},{{1}}}};\n");
    let two: String = (0..2).map(one).collect();
    assert_eq!(module(&two).variables[1].initial.len(), 500_001);
    let three: String = (0..3).map(one).collect();
    assert_eq!(fault(&three).kind, FaultKind::Unsupported);
}
