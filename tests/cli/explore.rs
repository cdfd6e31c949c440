//! `explore`: from PTX and arguments to a verdict and the exit code.

use crate::place::Place;

/// Every thread adds its element to one place, in any order.
const ATOMIC: &str = "\
.version 8.0
.target sm_80
.address_size 64
.file 1 \"sum.cu\"
.visible .entry sum(.param .u64 x, .param .u64 out)
{
    .reg .b64 %rd<5>;
    .reg .b32 %r<5>;
    .reg .f32 %f<2>;
    ld.param.u64 %rd1, [x];
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.s32 %r4, %r1, %r2, %r3;
    mul.wide.u32 %rd3, %r4, 4;
    add.s64 %rd4, %rd1, %rd3;
    ld.global.f32 %f1, [%rd4];
    .loc 1 7 5
    red.global.add.f32 [%rd2], %f1;
    ret;
}
";

const ARGUMENTS: &str = "--grid 4 --block 64 --arg in:f32:256 --arg both:f32:1";

fn place() -> Place {
    let place = Place::new();
    place.write("sum.ptx", ATOMIC);
    place
}

#[test]
fn help_says_what_explore_takes() {
    insta::assert_snapshot!("explore_help", Place::new().done("explore --help").stdout);
}

#[test]
fn float_atomics_depend_and_a_seed_replays() {
    let place = place();
    let line = format!("explore sum.ptx {ARGUMENTS} --json");
    let ended = place.run(&line);
    assert_eq!((ended.code, &ended.stderr[..]), (1, ""), "{ended:?}");
    let found: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found["verdict"], "depends");
    for seen in found["differ"].as_array().unwrap() {
        let replay = seen["replay"].as_str().unwrap();
        let replayed = place.run(&format!("{line} {replay}"));
        let replayed: serde_json::Value = serde_json::from_str(&replayed.stdout).unwrap();
        assert_eq!(replayed["first"], seen["result"]);
    }
    let text = place.run(&format!("explore sum.ptx {ARGUMENTS}")).stdout;
    assert!(text.starts_with("DEPENDS on the schedule: "), "{text}");
    assert!(text.contains("seeds 0 to 31"), "{text}");
    let text = place.run(&format!("explore sum.ptx {ARGUMENTS} --seed 5 --choices 1")).stdout;
    assert!(text.contains("1 choice of seed 5, then in turn, gives "), "{text}");
    place.refuses(&format!("explore sum.ptx {ARGUMENTS} --choices 1 --schedules 2"), &["--choices"]);
}

#[test]
fn without_arguments_it_says_what_is_needed_and_writes_it_once() {
    let place = place();
    let ended = place.done("explore sum.ptx");
    assert!(ended.stdout.contains("sum takes 2 arguments"), "{ended:?}");
    place.refuses("explore sum.ptx", &["sum.toml is there already", "--arguments sum.toml"]);
    let written = place.read("sum.toml");
    place.write("sum.toml", written.replace("length = 1024", "length = 128"));
    let ended = place.run("explore sum.ptx --arguments sum.toml");
    assert_eq!(ended.code, 1, "{ended:?}");
}

#[test]
fn what_does_not_fit_is_named_in_one_line() {
    let place = place();
    place.refuses("explore nothing.ptx", &["nothing.ptx", "cannot read"]);
    place.refuses("explore sum.ptx --entry other", &["sum.ptx", "no entry other; there are: sum"]);
    place.refuses("explore sum.ptx --grid 0 --block 32 --arg in:f32:1 --arg out:f32:1", &["grid"]);
    place.refuses(
        "explore sum.ptx --grid 9999999 --block 32 --arg in:f32:1 --arg both:f32:1",
        &["threads", "smaller grid"],
    );
    place.refuses("explore sum.ptx --grid 1,1,1,1", &["1,1,1,1", "X,Y,Z"]);
    place.refuses(
        "explore sum.ptx --grid 1 --block 32 --arg in:f32:32",
        &["1 argument; it takes 2", "x, out"],
    );
    place.refuses(
        "explore sum.ptx --grid 1 --block 32 --arg in:f32:32 --arg u32=1",
        &["out has 4 bytes", "8"],
    );
    place.refuses(
        "explore sum.ptx --grid 1 --block 32 --arg in:f32:8 --arg both:f32:1",
        &["out of bounds", "PTX line 18"],
    );
    place.refuses("explore sum.ptx --grid 1 --arg in:f32:32 --arg both:f32:1", &["no block", "--block"]);
    place.refuses("explore sum.ptx --grid 1 --block 32 --arg in:f33:1", &["f33", "known: f16"]);
    place.write("bad.toml", "[[argument]]\nkind = 1\n");
    place.refuses("explore sum.ptx --arguments bad.toml", &["bad.toml, line 2", "kind"]);
    place.write("odd.ptx", ATOMIC.replace("red.global.add.f32 [%rd2], %f1;", "mbarrier.init.b64 [%rd2], 1;"));
    place.refuses("explore odd.ptx", &["odd.ptx", "PTX line 20 (sum.cu:7)", "mbarrier.init.b64"]);
}

/// An `.npy` file of that header's entries and so many zero bytes.
fn npy(entries: &str, bytes: usize) -> Vec<u8> {
    let header = format!("{{{entries}}}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(vec![0; bytes]);
    file
}

#[test]
fn ptx_that_is_not_executed_is_named_in_one_line() {
    let place = place();
    place.write("empty.ptx", "");
    place.refuses("explore empty.ptx", &["empty.ptx", "expected"]);
    place.write("bytes.ptx", [0xff, 0xfe, 0x00]);
    place.refuses("explore bytes.ptx", &["bytes.ptx", "cannot read"]);
    place.refuses("explore .", &["cannot read"]);
    place.write("none.ptx", ".version 8.0\n.target sm_80\n.address_size 64\n");
    place.refuses("explore none.ptx", &["none.ptx", "no entry in it"]);
    let (_, entry) = ATOMIC.split_once(".visible").unwrap();
    place.write("two.ptx", format!("{ATOMIC}.visible{}", entry.replace("sum(", "other(")));
    place.refuses(&format!("explore two.ptx {ARGUMENTS}"), &["give --entry; there are: sum, other"]);
    assert_eq!(place.run(&format!("explore two.ptx --entry other {ARGUMENTS}")).code, 1);
    let hopper = ATOMIC.replace("red.global.add.f32 [%rd2], %f1;", "wgmma.fence.sync.aligned;");
    place.write("hopper.ptx", hopper);
    place
        .refuses("explore hopper.ptx", &["hopper.ptx", "PTX line 20 (sum.cu:7)", "wgmma.fence.sync.aligned"]);
    place.write("triton.ptx", include_str!("../simt/triton/matmul_wgmma.ptx"));
    place.refuses("explore triton.ptx", &["triton.ptx", "PTX line 278", "not executed"]);
}

#[test]
fn launches_that_fit_no_device_or_no_memory_are_refused_before_they_begin() {
    let place = place();
    let arguments = "--arg in:f32:256 --arg both:f32:1";
    for (shape, said) in [
        ("--grid 1 --block 1025", "a block of 1025,1,1 threads; at least 1 and at most 1024"),
        ("--grid 1 --block 1,1,65", "a block of 1,1,65 threads"),
        ("--grid 1,65536 --block 1", "a grid of 1,65536,1 blocks"),
        ("--grid 4294967295,4294967295,4294967295 --block 1", "smaller grid"),
        ("--grid 1 --block 32 --shared 4294967295", "bytes of shared memory; a block has at most"),
        ("--grid 4 --block 64 --max-instructions 255", "256 threads"),
        ("--grid 4 --block 64 --max-instructions 300", "300"),
        ("--grid 4 --block 64 --max-memory 1e4", "--max-memory allows 10000"),
        ("--grid 4 --block 64 --max-memory 0", "--max-memory"),
    ] {
        place.refuses(&format!("explore sum.ptx {shape} {arguments}"), &[said]);
    }
    let shape = "--grid 1 --block 32 --max-memory 1e6";
    place.refuses(
        &format!("explore sum.ptx {shape} --arg in:f32:200000:zero --arg both:f32:60000"),
        &["argument 1: 60000 elements of f32", "left of --max-memory"],
    );
    place.refuses(
        "explore sum.ptx --grid 1 --block 32 --arg in:f32:1e3 --arg both:f32:1",
        &["in:f32:1e3", "is no argument"],
    );
}

#[test]
fn buffers_that_their_files_do_not_hold_are_named_in_one_line() {
    let place = place();
    let refuses = |buffer: &str, said: &[&str]| {
        place.refuses(
            &format!("explore sum.ptx --grid 1 --block 32 --arg in:f32:{buffer} --arg both:f32:1"),
            said,
        );
    };
    let (order, shape) = ("'fortran_order': False", "'shape': (8,)");
    place.write("short.npy", npy(&format!("'descr': '<f4', {order}, {shape}"), 31));
    place.write("half.npy", npy(&format!("'descr': '<f2', {order}, {shape}"), 16));
    place.write("fortran.npy", npy("'descr': '<f4', 'fortran_order': True, 'shape': (2, 4)", 32));
    place.write("large.npy", npy(&format!("'descr': '<f4', {order}, 'shape': (20000,)"), 80_000));
    refuses("@short.npy", &["short.npy", "8 elements, and 31 bytes follow"]);
    refuses("@half.npy", &["half.npy", "\"<f2\"; of f32"]);
    refuses("@fortran.npy", &["fortran.npy", "Fortran"]);
    refuses("@short.npy#x", &["short.npy", "none that is named \"x\""]);
    refuses("@nothing.npy", &["nothing.npy", "cannot read the buffer"]);
    refuses("@.", &["."]);
    refuses(
        "@large.npy --max-memory 5000",
        &["large.npy", "bytes are more than the", "left of --max-memory"],
    );
    place.write("fits.npy", npy(&format!("'descr': '<f4', {order}, {shape}"), 32));
    place.write(
        "long.toml",
        "grid = [1]\nblock = [32]\n[[argument]]\nbuffer = \"f32\"\nfile = \"fits.npy\"\nlength = 9\nrole = \"in\"\n\
         [[argument]]\nbuffer = \"f32\"\nlength = 1\nrole = \"both\"\n",
    );
    place.refuses("explore sum.ptx --arguments long.toml", &["fits.npy has 8 elements; length asks for 9"]);
    let header = r#"{"w":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend([0; 32]);
    place.write("w.safetensors", file);
    refuses("@w.safetensors#v", &["w.safetensors", "no tensor \"v\" in it; there are w"]);
}

#[test]
fn a_file_of_arguments_that_is_wrong_is_named_in_one_line() {
    let place = place();
    place.refuses("explore sum.ptx --arguments nothing.toml", &["nothing.toml", "cannot read the arguments"]);
    place.refuses("explore sum.ptx --arguments .", &["cannot read the arguments"]);
    for (text, said) in [
        ("grids = [1]", "wrong.toml, line 1: unknown field `grids`"),
        ("\n\"a\\u001b\" = 1", "wrong.toml, line 2: unknown field"),
        ("entry = \"s\\num\"", "holds a control character"),
        ("[[argument]]\nbuffer = \"f32\"\nlength = 4e9", "wrong.toml, line 3"),
        ("[[argument]]\nbuffer = \"f32\"\nlength = -1", "wrong.toml, line 3"),
        ("grid = [1, 1, 1, 1]\nblock = [1]\n[[argument]]\nbytes = [1]", "one to three numbers"),
    ] {
        place.write("wrong.toml", text);
        place.refuses("explore sum.ptx --arguments wrong.toml", &[said]);
    }
}
