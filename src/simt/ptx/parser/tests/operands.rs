//! Operands in all their shapes.

use super::{assert_unsupported, body, body_fault, name, operands};
use crate::simt::ptx::ast::{Literal, Operand, Statement};

fn integer(value: i64) -> Operand {
    Operand::Literal(Literal::Integer(value))
}

fn address(base: Option<&str>, offset: i64) -> Operand {
    Operand::Address { base: base.map(str::to_owned), offset }
}

#[test]
fn names_and_components() {
    let component = |register: &str, component: char| Operand::Name {
        name: register.to_owned(),
        component: Some(component),
    };
    assert_eq!(operands("mov.u32 %r1, %tid.x;"), [name("%r1"), component("%tid", 'x')]);
    assert_eq!(operands("mov.b32 a$b_1, %v.a;"), [name("a$b_1"), component("%v", 'a')]);
    assert_eq!(operands("bra $L__BB0_1;"), [name("$L__BB0_1")]);
    assert_eq!(operands("ret;"), []);
    assert_eq!(operands("x _, p;"), [Operand::Nothing, name("p")]);
}

#[test]
fn numbers() {
    assert_eq!(operands("x -1, 0x1F, 0f3F800000;")[..2], [integer(-1), integer(31)]);
    assert_eq!(operands("x 0F3f800000;"), [Operand::Literal(Literal::Float(0x3f80_0000))]);
    assert_eq!(operands("x 0d4000000000000000;"), [Operand::Literal(Literal::Double(2.0))]);
    assert_eq!(operands("x -1.5, .5;")[1], Operand::Literal(Literal::Double(0.5)));
    assert_eq!(operands("x WARP_SZ, (1+2)*3;"), [integer(32), integer(9)]);
    assert_eq!(operands("x !0, 1|2;"), [integer(1), integer(3)]);
}

#[test]
fn predicates() {
    let pair = |a: Operand, b: Operand| Operand::Pair(Box::new(a), Box::new(b));
    assert_eq!(operands("setp.eq.and.s32 p|q, a, b, !c;")[0], pair(name("p"), name("q")));
    assert_eq!(operands("setp.eq.and.s32 p|q, a, b, !c;")[3], Operand::Not(Box::new(name("c"))));
    assert_eq!(operands("shfl.sync.idx.b32 _|p, a;")[0], pair(Operand::Nothing, name("p")));
    assert_eq!(operands("shfl.sync.idx.b32 %r1 | _, a;")[0], pair(name("%r1"), Operand::Nothing));
}

#[test]
fn addresses() {
    assert_eq!(operands("x [%rd1+16], [%rd1+-16];"), [address(Some("%rd1"), 16), address(Some("%rd1"), -16)]);
    assert_eq!(operands("x [var+4], [ %rd1 + 4 ];"), [address(Some("var"), 4), address(Some("%rd1"), 4)]);
    assert_eq!(operands("x [16], [%rd1];"), [address(None, 16), address(Some("%rd1"), 0)]);
    assert_eq!(operands("x [v+2*(3+1)];"), [address(Some("v"), 8)]);
    let offset = |offset: i64, indexed: bool| Operand::Offset { name: "v".to_owned(), offset, indexed };
    assert_eq!(operands("x v+8, v[3];"), [offset(8, false), offset(3, true)]);
    assert_eq!(
        operands("x [t, {a, 2}], [v+8, m];"),
        [
            Operand::Bracket(vec![name("t"), Operand::Vector(vec![name("a"), integer(2)])]),
            Operand::Bracket(vec![offset(8, false), name("m")]),
        ]
    );
}

#[test]
fn vectors() {
    assert_eq!(
        operands("x {%r1,%r2}, {_, %r1}, {-1, 1+1};"),
        [
            Operand::Vector(vec![name("%r1"), name("%r2")]),
            Operand::Vector(vec![Operand::Nothing, name("%r1")]),
            Operand::Vector(vec![integer(-1), integer(2)]),
        ]
    );
}

#[test]
fn calls() {
    let list = |names: &[&str]| Operand::List(names.iter().map(|one| name(one)).collect());
    assert_eq!(
        operands("call.uni (r),\n f,\n (\n a, \n b\n );"),
        [list(&["r"]), name("f"), list(&["a", "b"])]
    );
    assert_eq!(
        operands("call (r), %fp, (a), proto;"),
        [list(&["r"]), name("%fp"), list(&["a"]), name("proto")]
    );
    assert_eq!(operands("call f;"), [name("f")]);
    assert_eq!(operands("call f, ();"), [name("f"), list(&[])]);
    assert_eq!(
        operands("call (_), f, (4);"),
        [Operand::List(vec![Operand::Nothing]), name("f"), Operand::List(vec![integer(4)])]
    );
}

#[test]
fn tables_of_targets_and_prototypes() {
    let body = body(
        "t: .branchtargets a, b;\nc: .calltargets f;\n\
         q : .callprototype (.param .b32 _) _ (.param .align 8 .b8 _[16], .reg .b64 _) .noreturn;\n\
         v: .callprototype _ ();\nbrx.idx %r1, t; a: b: ret;",
    );
    let targets = |label: &str, targets: &[&str], line: u32| Statement::Targets {
        name: label.to_owned(),
        targets: targets.iter().map(|&target| target.to_owned()).collect(),
        line,
    };
    assert_eq!(
        body.statements[..4],
        [
            targets("t", &["a", "b"], 5),
            targets("c", &["f"], 6),
            Statement::Prototype { name: "q".to_owned(), line: 7 },
            Statement::Prototype { name: "v".to_owned(), line: 8 },
        ]
    );
    assert_eq!(
        body.statements[5..7],
        [Statement::Label("a".to_owned(), 9), Statement::Label("b".to_owned(), 9)]
    );
}

#[test]
fn refused() {
    assert_unsupported(&body_fault("mov.b32 %r1, -%r2;"), "the operand `-%r2`");
    assert_unsupported(&body_fault("vadd.u32 d, a.b0, c;"), "the operand `a.b0`");
    assert_unsupported(&body_fault("ld.u32 d, [a].unified;"), "`.unified` behind an operand");
}
