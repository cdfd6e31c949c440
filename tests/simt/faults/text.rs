//! Text that is no PTX, or asks for what is not executed.

use std::sync::Arc;

use samebits::simt::{FaultKind, Module};

use super::{HEAD, assert_fault, kernel, refused};

#[test]
fn instructions_and_modifiers_that_are_unknown() {
    let is = FaultKind::Unsupported;
    refused("frobnicate.u32 %r2, %r0; // here", is, &["frobnicate.u32"]);
    refused("add.sideways.u32 %r2, %r0, 1; // here", is, &["add.sideways.u32"]);
    refused("ld.global.weird.u32 %r2, [%d0]; // here", is, &["ld.global.weird.u32", "weird"]);
    refused("atom.global.mul.u32 %r2, [%d0], 3; // here", is, &["atom.global.mul.u32", "mul"]);
    refused("shfl.sync.left.b32 %r2, %r0, 1, 31, 0xffffffff; // here", is, &["shfl.sync.left.b32"]);
    refused("cvt.rx.f32.f64 %r2, %d0; // here", is, &["cvt.rx.f32.f64"]);
    refused("mov.u32 %r2, %frequency; // here", is, &["%frequency"]);
}

#[test]
fn instructions_of_later_hardware_are_refused_by_name() {
    for instruction in [
        "wgmma.fence.sync.aligned;",
        "wgmma.commit_group.sync.aligned;",
        "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%r2, %r3, %r4, %r5}, %d1, %d2, 1, 1, 1, 0, 0;",
        "tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [pool], 32;",
        "tcgen05.wait::ld.sync.aligned;",
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [pool], [%d1, {%r2, %r3}], [pool];",
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [pool], [%d0], 16, [pool];",
        "mbarrier.init.shared.b64 [pool], 1;",
        "tensormap.replace.tile.global_address.global.b1024.b64 [%d0], %d1;",
        "setmaxnreg.inc.sync.aligned.u32 64;",
        "tex.2d.v4.f32.f32 {%r2, %r3, %r4, %r5}, [%d1, {%r2, %r3}];",
        "suld.b.1d.b32.trap {%r2}, [%d1, {%r3}];",
        "clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::complete_tx::bytes.b128 [pool], [pool];",
    ] {
        let name = instruction.split([' ', ';']).next().unwrap();
        refused(&format!("{instruction} // here"), FaultKind::Unsupported, &[name]);
    }
}

#[test]
fn names_that_are_not_declared() {
    let text = kernel("add.u32 %x, %r0, 1; // here");
    let fault = Module::new(&text).unwrap_err();
    assert_fault(&fault, &text, fault.kind, &["%x"]);
    for body in [
        "add.u32 %r2, %r99, 1; // here",
        "add.u32 %r2, nothing, 1; // here",
        "ld.shared.u32 %r2, [nothing]; // here",
        "@%q bra L; // here\nL:",
        "bra NOWHERE; // here",
        "@%p0 bra NOWHERE; // here",
        "mov.u32 %r2, 0;\nbrx.idx %r2, nothing; // here",
        "call nothing; // here",
    ] {
        let text = kernel(body);
        let fault = Module::new(&text).expect_err(body);
        assert!(matches!(fault.kind, FaultKind::Syntax | FaultKind::Unsupported), "{fault}");
        assert_fault(&fault, &text, fault.kind, &[]);
    }
}

#[test]
fn registers_that_do_not_fit_the_instruction() {
    let is = FaultKind::Unsupported;
    refused("add.u64 %d1, %r0, 1; // here", is, &["%r0"]);
    refused("add.u32 %d1, %r0, 1; // here", is, &["%d1"]);
    refused("add.u16 %h1, %r0, 1; // here", is, &["%r0"]);
    refused("setp.eq.u32 %r2, %r0, 1; // here", is, &["%r2"]);
    refused("@%r0 bra L; // here\nL:", is, &["%r0"]);
    refused("selp.u32 %r2, 1, 0, %r0; // here", is, &["%r0"]);
    refused("mov.u64 %d1, %r0; // here", is, &["%r0"]);
    refused("st.global.u64 [%d0], %r0; // here", is, &["%r0"]);
    refused("ld.global.u32 %h0, [%d0]; // here", is, &["%h0"]);
    refused("ld.global.u32 %r2, [%h0]; // here", is, &["%h0"]);
    refused("ld.global.v2.u32 %r2, [%d0]; // here", is, &["ld.global.v2.u32"]);
    refused("add.u32 %r2, %r0; // here", is, &["add.u32"]);
    refused("add.u32 %r2, %r0, 1, 2; // here", is, &["add.u32"]);
    refused("add.f32 %r2, %r0, 1; // here", is, &["f32"]);
    refused("ld.shared.u32 %r2, [cell]; // here", is, &["cell", "Shared"]);
}

#[test]
fn numbers_that_do_not_fit_the_instruction() {
    let is = FaultKind::Unsupported;
    refused("add.u32 %r2, %r0, 0f3f800000; // here", is, &["u32"]);
    refused("shl.b64 %d1, %d0, 0d3ff0000000000000; // here", is, &["u32"]);
    refused("mov.u16 %h0, 0f3f800000; // here", is, &["u16"]);
    refused("fma.rn.f64 %d1, %d0, 1, %d0; // here", is, &["f64"]);
}

#[test]
fn functions_that_are_not_executed() {
    let text = "\
.version 8.0
.target sm_80
.address_size 64
.func loop();
.func loop()
{
    call loop; // here
    ret;
}
.visible .entry k() { call loop; ret; }
";
    assert_fault(&Module::new(text).unwrap_err(), text, FaultKind::Unsupported, &["loop", "recursion"]);
    let text = "\
.version 8.0
.target sm_80
.address_size 64
.extern .func outside();
.visible .entry k()
{
    call outside; // here
    ret;
}
";
    assert_fault(&Module::new(text).unwrap_err(), text, FaultKind::Unsupported, &["outside"]);
    let text = "\
.version 8.0
.target sm_80
.address_size 64
.extern .global .u32 outside; // here
.visible .entry k() { ret; }
";
    assert_fault(&Module::new(text).unwrap_err(), text, FaultKind::Unsupported, &["outside"]);
    let text = "\
.version 8.0
.target sm_80
.address_size 64
.func f() { ret; }
.visible .entry k()
{
    .reg .b64 %d<2>;
    mov.u64 %d1, f; // here
    ret;
}
";
    assert_fault(&Module::new(text).unwrap_err(), text, FaultKind::Unsupported, &["f"]);
}

#[test]
fn a_fault_names_the_source_line() {
    let body = "    .loc 1 42 7\n    frobnicate.u32 %r2, %r0; // here";
    let text = format!("{}.file 1 \"kernels/some.cu\"\n", kernel(body));
    let fault = Module::new(&text).unwrap_err();
    assert_fault(&fault, &text, FaultKind::Unsupported, &["PTX line 18", "kernels/some.cu:42"]);
    assert_eq!(fault.place.unwrap().source.unwrap(), ("kernels/some.cu".into(), 42));
    // When it is executed, too.
    let text = text.replace("frobnicate.u32 %r2, %r0;", "ld.global.u32 %r2, [%d0+64];");
    let module = Arc::new(Module::new(&text).unwrap());
    let (mut device, arguments) = super::device(&module, samebits::simt::Schedule::RoundRobin);
    let fault = device.try_launch("k", [1; 3], [1; 3], &arguments).unwrap_err();
    assert_fault(&fault, &text, FaultKind::OutOfBounds, &["kernels/some.cu:42"]);
}

#[test]
fn text_that_is_cut_off() {
    let texts = [
        include_str!("../kernels/hand.ptx"),
        include_str!("../kernels/spaces.ptx"),
        include_str!("../../../kernels/ptx/reduce.ptx"),
    ];
    for text in texts {
        let whole = Module::new(text).unwrap().entries().count();
        let end = text.rfind('}').unwrap();
        for cut in (0..end).step_by((text.len() / 150) | 1).filter(|cut| text.is_char_boundary(*cut)) {
            let part = &text[..cut];
            let open = part.matches('{').count() > part.matches('}').count();
            match Module::new(part) {
                Ok(module) => {
                    assert!(!open && module.entries().count() < whole, "cut at byte {cut} and accepted");
                }
                Err(fault) => {
                    assert!(matches!(fault.kind, FaultKind::Syntax | FaultKind::Unsupported), "{fault}");
                    let lines = part.lines().count().max(1) as u32;
                    assert!(fault.place.as_ref().is_none_or(|place| place.line <= lines + 1), "{fault}");
                }
            }
        }
    }
}

#[test]
fn text_that_is_none() {
    for text in [
        "",
        " ",
        "\n\n",
        "\0",
        "// only a comment",
        "/* open",
        "hello, world",
        "\u{feff}",
        "{",
        "}",
        ";",
        "\"",
        ".version",
    ] {
        let fault = Module::new(text).expect_err(text);
        assert_eq!(fault.kind, FaultKind::Syntax, "{text:?}: {fault}");
        assert!(!fault.what.is_empty());
    }
    let noise: String =
        (0..4000).map(|index| char::from_u32(crate::device::noise(index) % 0xd800).unwrap()).collect();
    assert_eq!(Module::new(&noise).unwrap_err().kind, FaultKind::Syntax);
    assert_eq!(Module::new("\x7fELF\x02\x01\x01").unwrap_err().kind, FaultKind::Syntax);
    // LLVM's and C's languages.
    assert_eq!(Module::new("define void @k() { ret void }").unwrap_err().kind, FaultKind::Syntax);
    assert_eq!(Module::new("__global__ void k() {}").unwrap_err().kind, FaultKind::Syntax);
}

#[test]
fn bytes_that_are_no_text() {
    use samebits::simt::ptx::parse_bytes;
    for (bytes, word) in [
        (&b"\x7fELF\x02\x01\x01\x33"[..], "ELF"),
        (b"\x50\xed\x55\xba\x01\x00\x10\x00", "fatbin"),
        (b"BC\xc0\xde", "bitcode"),
        (b".version 8.0\n\x00\x01\x02", "zero"),
        (b".version 8.0\n\xff\xfe", "UTF-8"),
    ] {
        let fault = parse_bytes(bytes).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Syntax);
        assert!(fault.what.contains(word), "{fault}");
    }
    assert!(parse_bytes(format!("{}\0", kernel("")).as_bytes()).is_ok());
    assert!(HEAD.is_ascii());
}
