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
    place.refuses("explore sum.ptx --grid 1 --block 32 --arg in:f32:32", &["1 arguments", "x, out"]);
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
