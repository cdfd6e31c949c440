//! Matrix instructions on the executor: tiles of memory, rows of shared memory, and what is refused or faulted.

use std::sync::Arc;

use half::f16;
use samebits::simt::{Argument, Fault, FaultKind, Launch, Memory, Module, Options, Result, Schedule};

/// Executes `body`, whose parameters are the addresses of an input and of an output, on one block.
fn run(body: &str, threads: u32, input: &[u8], output: usize) -> Result<Vec<u8>> {
    let text = format!(
        ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 x, .param .u64 y)\n{{\n\
         .reg .b32 %r<40>;\n.reg .b64 %rd<10>;\n.reg .f32 %f<20>;\n.reg .pred %p<2>;\n\
         .shared .align 16 .b8 tile[1024];\n\
         ld.param.u64 %rd1, [x];\nld.param.u64 %rd2, [y];\nmov.u32 %r1, %tid.x;\n{body}\nret;\n}}\n"
    );
    let module = Arc::new(Module::new(&text)?);
    let mut memory = Memory::new();
    let x = memory.allocate(input.len() as u64);
    memory.write(x, input)?;
    let y = memory.allocate(output as u64);
    let loaded = module.load(&mut memory)?;
    let arguments = [Argument::U64(x), Argument::U64(y)];
    let launch = Launch {
        entry: "k",
        grid: [1, 1, 1],
        block: [threads, 1, 1],
        shared_bytes: 0,
        arguments: &arguments,
    };
    loaded.launch(
        &launch,
        &mut memory,
        &Options { schedule: Schedule::Random { seed: 5 }, ..Options::default() },
    )?;
    let mut bytes = vec![0; output];
    memory.read(y, &mut bytes)?;
    Ok(bytes)
}

fn fault(body: &str, threads: u32) -> Fault {
    run(body, threads, &[0; 2048], 2048).unwrap_err()
}

const PRODUCT: &str = "
    mov.u32 %r2, 24;
    wmma.load.a.sync.aligned.row.m16n16k16.global.f16 {%r10,%r11,%r12,%r13,%r14,%r15,%r16,%r17}, [%rd1], %r2;
    wmma.load.b.sync.aligned.row.m16n16k16.global.f16 {%r20,%r21,%r22,%r23,%r24,%r25,%r26,%r27}, [%rd1+768], %r2;
    mov.f32 %f1, 0f3F800000;
    wmma.mma.sync.aligned.row.row.m16n16k16.f32.f32 {%f10,%f11,%f12,%f13,%f14,%f15,%f16,%f17},
        {%r10,%r11,%r12,%r13,%r14,%r15,%r16,%r17}, {%r20,%r21,%r22,%r23,%r24,%r25,%r26,%r27},
        {%f1,%f1,%f1,%f1,%f1,%f1,%f1,%f1};
    wmma.store.d.sync.aligned.col.m16n16k16.global.f32 [%rd2], {%f10,%f11,%f12,%f13,%f14,%f15,%f16,%f17};";

/// A and B lie in lines of 24, of which 16 count; D + 1 is stored column-major in lines of 16.
#[test]
fn a_tile_is_loaded_multiplied_and_stored() {
    let element = |i: usize| (i * 7 % 11) as f64 - 5.0;
    let input: Vec<u8> = (0..2 * 16 * 24).flat_map(|i| f16::from_f64(element(i)).to_le_bytes()).collect();
    let output = run(PRODUCT, 32, &input, 1024).unwrap();
    for (i, bytes) in output.chunks(4).enumerate() {
        let (column, row) = (i / 16, i % 16);
        let sum: f64 = (0..16).map(|k| element(row * 24 + k) * element(384 + k * 24 + column)).sum();
        assert_eq!(f64::from(f32::from_le_bytes(bytes.try_into().unwrap())), sum + 1.0);
    }
}

/// Lane addresses of 16 bytes each, of the first 8, 16 or 32 rows.
const ROWS: &str = "
    mov.u32 %r2, tile;
    shl.b32 %r3, %r1, 4;
    add.u32 %r3, %r2, %r3;";

/// A word a lane goes through `stmatrix`, `ldmatrix.trans` and `movmatrix`, and is itself again.
#[test]
fn rows_go_to_shared_memory_and_back() {
    let body = format!(
        "{ROWS}
        mul.wide.u32 %rd3, %r1, 4;
        add.u64 %rd4, %rd1, %rd3;
        ld.global.u32 %r10, [%rd4];
        stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r3], {{%r10}};
        bar.sync 0;
        ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {{%r11}}, [%r3];
        movmatrix.sync.aligned.m8n8.trans.b16 %r12, %r11;
        xor.b32 %r13, %r10, %r11;
        add.u64 %rd5, %rd2, %rd3;
        st.global.u32 [%rd5], %r12;
        st.global.u32 [%rd5+128], %r13;"
    );
    let input: Vec<u8> = (0..128u32).map(|i| i as u8).collect();
    let output = run(&body, 32, &input, 256).unwrap();
    assert_eq!(output[..128], input);
    assert!(output[128..].iter().any(|byte| *byte != 0), "transposed, it is another matrix");
}

#[test]
fn what_is_undefined_or_out_of_bounds_is_a_fault() {
    // Not all lanes live, in the second warp of 48 threads.
    let some = fault(PRODUCT, 48);
    assert_eq!((some.kind, some.thread.unwrap().thread[0]), (FaultKind::Undefined, 32));
    // Lanes that never come.
    let zeros: String = (10..18).map(|f| format!("mov.f32 %f{f}, 0f00000000;\n")).collect();
    let guarded = PRODUCT.replacen("wmma.mma", "@%p1 wmma.mma", 1);
    let guarded = format!("{zeros}setp.lt.u32 %p1, %r1, 16;\n{guarded}");
    assert!(matches!(fault(&guarded, 32).kind, FaultKind::Deadlock | FaultKind::Undefined));
    // An address that differs between lanes.
    let uneven = format!("cvt.u64.u32 %rd3, %r1;\nadd.u64 %rd1, %rd1, %rd3;\n{PRODUCT}");
    assert_eq!(fault(&uneven, 32).kind, FaultKind::Undefined);
    // A stride shorter than a line.
    assert_eq!(fault(&PRODUCT.replace("%r2, 24", "%r2, 8"), 32).kind, FaultKind::Undefined);
    // A tile that leaves its buffer.
    assert_eq!(fault(&PRODUCT.replace("%r2, 24", "%r2, 80"), 32).kind, FaultKind::OutOfBounds);
    // Rows of shared memory: unwritten, misaligned.
    let load = "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r10,%r11}, [%r3];";
    assert_eq!(fault(&format!("{ROWS}{load}"), 32).kind, FaultKind::Uninitialised);
    let beside = load.replace("[%r3]", "[%r3+8]");
    assert_eq!(fault(&format!("{ROWS}{beside}"), 32).kind, FaultKind::Misaligned);
}

#[test]
fn registers_that_do_not_fit_the_fragment_are_refused() {
    for (found, replaced) in [
        ("{%r10,%r11,%r12,%r13,%r14,%r15,%r16,%r17}, [%rd1]", "{%r10,%r11}, [%rd1]"),
        ("{%f1,%f1,%f1,%f1,%f1,%f1,%f1,%f1}", "{%rd3,%f1,%f1,%f1,%f1,%f1,%f1,%f1}"),
        ("global.f16 {%r10", "local.f16 {%r10"),
    ] {
        let changed = PRODUCT.replacen(found, replaced, 1);
        assert_ne!(changed, PRODUCT);
        let fault = fault(&changed, 32);
        assert_eq!(fault.kind, FaultKind::Unsupported, "{fault}");
        assert!(fault.place.is_some());
    }
}
