//! What malformed text is told.

use super::{HEAD, fault, parse};
use crate::simt::fault::FaultKind;
use crate::simt::ptx::parse_bytes;

#[test]
fn heads() {
    for (text, message) in [
        ("", "PTX line 1: expected `.version`, with which PTX begins, found the end of the text"),
        ("int main() {}", "PTX line 1: expected `.version`, with which PTX begins, found `int`"),
        ("\n.version 8\n", "PTX line 2: expected a version such as `8.0`, found `8`"),
        (".version 8.0", "PTX line 1: expected `.target`, found the end of the text"),
        (".version 8.0 .target 80", "PTX line 1: expected a target such as `sm_80`, found `80`"),
        (
            ".version 8.0 .target debug\n",
            "PTX line 2: expected `,` and a target such as `sm_80`, found the end of the text",
        ),
        (".version 8.0 .target sm_80, foo", "PTX line 1: `.target` with `foo`"),
        (".version 8.0 .target sm_10, map_f64_to_f32", "PTX line 1: `.target` with `map_f64_to_f32`"),
        (
            ".version 8.0 .target sm_80 .address_size 32",
            "PTX line 1: `.address_size 32`: only 64-bit addresses are executed",
        ),
        (".version 8.0 .target sm_80 .address_size 16", "PTX line 1: `.address_size` is neither 32 nor 64"),
        (".version 8.0 .target sm_80 .target sm_80", "PTX line 1: a second or misplaced `.target`"),
        ("\u{feff}.version 8.0", "PTX line 1: a character that PTX does not know: '\\u{feff}'"),
        (".version 8.0 /* \n\n", "PTX line 1: a comment `/*` without its `*/`"),
    ] {
        assert_eq!(parse(text).expect_err(text).to_string(), message);
    }
}

#[test]
fn modules_and_functions() {
    for (text, message) in [
        ("\n\nld.u32 a, b;", "PTX line 6: expected a directive, found `ld`"),
        (
            ".visible .weak .global .u32 x;",
            "PTX line 4: expected one linkage, or what it applies to, found `.weak`",
        ),
        (".visible .file 1 \"x\"", "PTX line 4: expected a variable or function, found `.file`"),
        (".file 1 \"a\n\"", "PTX line 4: a string without its closing quote"),
        (".file 1 \"a\" .file 1 \"b\"", "PTX line 4: a second name of file 1"),
        (
            ".section .debug_str {\n.b8 1",
            "PTX line 5: expected `}` of the section of line 4, found the end of the text",
        ),
        (".global .u32", "PTX line 4: expected the name of a variable, found the end of the text"),
        (".global .u32 x\n.global .u32 y;", "PTX line 5: expected `;`, found `.global`"),
        (".global .align 3 .u32 x;", "PTX line 4: expected an alignment, which is a power of two, found `3`"),
        (".global .v4 .f64 x;", "PTX line 4: no vector of 4 times `.f64` exists: 128 bits are the most"),
        (".global .pred x;", "PTX line 4: a predicate in memory: `.pred` is for registers alone"),
        (
            ".global .u32 x[];",
            "PTX line 4: an array without a size, which neither `.extern` nor initial values give",
        ),
        (".global .u32 x[1+1];", "PTX line 4: expected `]`, found `+`"),
        (".global .u32 x[2][];", "PTX line 4: expected the length of an array, found `]`"),
        (".global .u64 x[0xFFFFFFFF][0xFFFFFFFF];", "PTX line 4: an array of 2^63 bytes or more"),
        (".global .u32 x[2] = {1,2,3};", "PTX line 4: more initial values than the variable has room for"),
        (".global .u32 x[2] = 5;", "PTX line 4: expected `{`, found `5`"),
        (".global .u32 x[2][2] = {1,2};", "PTX line 4: expected `{`, found `1`"),
        (".global .u32 x = {5};", "PTX line 4: expected a number, found `{`"),
        (".global .u32 x[3] = {1,2,};", "PTX line 4: expected a number, found `}`"),
        (".global .u64 x = y-4;", "PTX line 4: expected `;`, found `-`"),
        (
            ".shared .u32 x = 5;",
            "PTX line 4: initial values, which only `.global` and `.const` definitions have",
        ),
        (
            ".extern .global .u32 x = 5;",
            "PTX line 4: initial values, which only `.global` and `.const` definitions have",
        ),
        (".entry (", "PTX line 4: expected the name of a function, found `(`"),
        (".entry k(.u32 a)", "PTX line 4: expected `.param` or `.reg`, found `.u32`"),
        (".entry k(.param .u32)", "PTX line 4: expected the name of a parameter, found `)`"),
        (".entry k(.param .u32 _)", "PTX line 4: expected the name of a parameter, found `_`"),
        (".entry k() .maxntid 0 {}", "PTX line 4: expected a number of threads or blocks, found `0`"),
        (
            ".entry k() .maxntid 99999999999 {}",
            "PTX line 4: expected a number of threads or blocks, found `99999999999`, which is too large",
        ),
        (".entry k() .reqntid 1,1,1,1 {}", "PTX line 4: expected `{`, found `,`"),
        (".entry k()\n{\nret;", "PTX line 6: expected `}` of the body of line 5, found the end of the text"),
        (".func f()\n.visible .func f();", "PTX line 5: expected `{` or `;`, found `.visible`"),
        (".entry k() {} }", "PTX line 4: expected a directive, found `}`"),
    ] {
        assert_eq!(fault(text).to_string(), message, "{text}");
    }
}

#[test]
fn statements() {
    for (statements, message) in [
        ("ret", "PTX line 6: expected an operand, found `}`"),
        ("mov.u32 %r1, 1", "PTX line 6: expected `,` or `;`, found `}`"),
        ("add.s32 %r1, %r2 %r3;", "PTX line 5: expected `,` or `;`, found `%r3`"),
        ("add.s32 %r1,, %r3;", "PTX line 5: expected an operand, found `,`"),
        ("add.s32 %r1, ;", "PTX line 5: expected an operand, found `;`"),
        ("mov.u64 %rd1, x-4;", "PTX line 5: expected `,` or `;`, found `-`"),
        ("ld.u32 %r1, [%rd1-4];", "PTX line 5: expected `,` or `]`, found `-`"),
        ("ld.u32 %r1, [];", "PTX line 5: expected an address, found `[]`"),
        ("ld.u32 %r1, [1.5];", "PTX line 5: an address is a register, variable or number, plus a number"),
        (
            "ld.u32 %r1, [%rd1+1.5];",
            "PTX line 5: expected an integer, found a number with a fraction or exponent",
        ),
        ("ld.u32 %r1, [%rd1+%rd2];", "PTX line 5: expected a number, found `%rd2`"),
        ("ld.u32 %r1, [x[1]];", "PTX line 5: an address is a register, variable or number, plus a number"),
        ("ld.u32 %r1, [%rd1;", "PTX line 5: expected `,` or `]`, found `;`"),
        ("mov.b64 {}, %rd1;", "PTX line 5: expected an operand, found `{}`"),
        ("mov.b64 {{a}}, b;", "PTX line 5: expected an operand, found `{`"),
        ("setp p|3, a, b;", "PTX line 5: expected a name or `_` behind `|`"),
        ("selp a, b, !p.x[1];", "PTX line 5: expected `,` or `;`, found `[`"),
        ("selp a, b, !_;", "PTX line 5: `!` goes with a predicate or a number"),
        ("@3 bra L;", "PTX line 5: expected a predicate, found `3`"),
        ("@p { ret; }", "PTX line 5: expected an instruction, found `{`"),
        ("@p L: ret;", "PTX line 5: expected an instruction, found `L`"),
        ("@p l: ret;", "PTX line 5: expected an operand, found `:`"),
        ("%r1 = 3;", "PTX line 5: expected an instruction, found `%r1`"),
        ("mov . u32 %r1, 1;", "PTX line 5: a character that PTX does not know: '.'"),
        ("3;", "PTX line 5: expected a statement or `}`, found `3`"),
        (".branchtargets a;", "PTX line 5: `.branchtargets` without a label in front"),
        ("q: .callprototype f;", "PTX line 5: expected `_` in place of a function's name, found `f`"),
        (".extern .reg .b32 x;", "PTX line 5: expected a state space, found `.reg`"),
        (".reg .b32 %r<-1>;", "PTX line 5: expected how many registers, found `-`"),
        (
            ".reg .b32 %r<4294967296>;",
            "PTX line 5: expected how many registers, found `4294967296`, which is too large",
        ),
        (".reg .v2 .pred p;", "PTX line 5: no vector of 2 times `.pred` exists: 128 bits are the most"),
        (".reg .b32 _;", "PTX line 5: expected the name of a register, found `_`"),
        (".loc 1 2", "PTX line 6: expected a column, found `}`"),
        (
            ".loc 1 2 3, foo 3",
            "PTX line 5: expected a `.loc` of `function_name` and `inlined_at` alone, found `3`",
        ),
        ("ret;\u{e9}", "PTX line 5: a character that PTX does not know: 'é'"),
    ] {
        let fault = super::body_fault(statements);
        assert_eq!(fault.to_string(), message, "{statements}");
        assert_eq!(fault.kind, FaultKind::Syntax);
    }
}

#[test]
fn long_tokens_are_cut() {
    let message = fault(&"x".repeat(1_000_000)).to_string();
    assert_eq!(message, format!("PTX line 4: expected a directive, found `{}…`", "x".repeat(60)));
}

#[test]
fn depth_of_blocks_is_bounded() {
    let blocks = |depth: usize| format!(".entry k() {{ {} ret; {} }}", "{".repeat(depth), "}".repeat(depth));
    assert!(parse(&format!("{HEAD}{}", blocks(64))).is_ok());
    assert_eq!(fault(&blocks(65)).to_string(), "PTX line 4: more than 64 blocks inside each other");
    assert_eq!(fault(&blocks(1_000_000)).to_string(), "PTX line 4: more than 64 blocks inside each other");
}

#[test]
fn what_is_no_text() {
    let remedy = "; `cuobjdump -ptx FILE` prints the PTX that a program, cubin or fatbin carries";
    for (bytes, what) in [
        (&b"\x7fELF\x02\x01"[..], "an ELF file (a cubin or a program)"),
        (b"\x50\xed\x55\xba\x01\x00", "a fatbin"),
        (b"BC\xc0\xde\x35", "LLVM bitcode"),
        (b"!<arch>\nfoo", "an archive"),
        (b".version\x00 8.0", "byte 8 is zero"),
        (b".version 8.0\xff", "byte 12 is no UTF-8"),
    ] {
        let fault = parse_bytes(bytes).expect_err(what);
        assert_eq!(fault.to_string(), format!("this is no PTX text: {what}{remedy}"));
        assert_eq!(fault.kind, FaultKind::Syntax);
    }
    assert_eq!(parse_bytes(format!("{HEAD}\0").as_bytes()), parse(HEAD));
    assert_eq!(parse_bytes(b"\0\0").expect_err("zeros"), parse("").expect_err("nothing"));
}
