//! Peers, played by small programs that need nothing but Python itself.

use super::*;
use crate::input::Distribution;
use crate::operation::{Operation, reduce::Reduce};
use crate::tensor::{Data, Dtype};
use crate::workload::Workload;

/// Sums f32 in Python; its answers to `time` are what they must not be measured as.
const HONEST: &str = r#"
import array, json, sys
known = {}
for line in sys.stdin:
    ask = json.loads(line)
    answer = {}
    if ask["do"] == "hello":
        answer = {"version": "1.0"}
    elif ask["do"] == "prepare":
        assert ask["operation"] == "reduce" and ask["shape"] == "n=100" and ask["setting"] == ""
        x = array.array("f")
        x.frombytes(open(ask["inputs"]["x"][0], "rb").read())
        known[ask["id"]] = x
    elif ask["do"] == "execute":
        array.array("f", [sum(known[ask["id"]])]).tofile(open(ask["outputs"]["sum"], "wb"))
    elif ask["do"] == "time":
        answer = {"ns": 1000 * ask["iterations"]}
    print(json.dumps(answer), flush=True)
"#;

fn start(program: &str) -> Result<Peer> {
    Peer::start_program(
        PeerName::Numpy,
        program,
        Path::new("python3"),
        PeerSetting { threads: 3, deterministic: None },
    )
}

fn way() -> &'static PeerWay {
    &Reduce.peers()[0]
}

fn problem() -> Problem {
    let shape = Reduce.shape("n=100").unwrap();
    let workload = Workload::new("test", &Reduce, shape, Dtype::F32, Distribution::Uniform);
    let x = Tensor { name: "x", data: Data::F32((0..100).map(|value| value as f32).collect()) };
    Problem { workload, inputs: vec![x] }
}

fn prepare<'a>(peer: &'a Peer, problem: &Problem) -> Result<Box<dyn Prepared + 'a>> {
    peer.prepare(way(), problem, Reduce.outputs(way().like, &problem.workload))
}

#[test]
fn arrays_go_over_and_come_back_and_times_are_its_own() {
    let peer = start(HONEST).unwrap();
    let problem = problem();
    let mut prepared = prepare(&peer, &problem).unwrap();
    prepared.execute(Poison::of_execution(1)).unwrap();
    assert_eq!(prepared.outputs().unwrap(), [Tensor::f32("sum", vec![4950.0])]);
    assert_eq!(prepared.time(7, Cache::Cold).unwrap(), Duration::from_nanos(7000));
    assert_eq!(peer.setting(way()), "threads=1");
    let left: Vec<_> = std::fs::read_dir(peer.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "the output and stderr; the input is gone: {left:?}");
    drop(prepared);
    assert_eq!(std::fs::read_dir(peer.folder.path()).unwrap().count(), 1);
}

#[test]
fn each_setting_of_pytorch_is_told_to_a_process_of_its_own() {
    let echo = "import json\nprint(json.dumps({'version': input()}), flush=True)\ninput()";
    let told = |setting| {
        let peer = Peer::start_program(PeerName::Torch, echo, Path::new("python3"), setting).unwrap();
        let torch = Reduce.peers().iter().find(|way| way.engine == "torch").unwrap();
        (serde_json::from_str::<serde_json::Value>(&peer.version).unwrap(), peer.setting(torch))
    };
    let all: Vec<_> = PeerName::Torch.settings(2).into_iter().map(told).collect();
    let asked = |threads: u64, deterministic: bool| json!({"do": "hello", "threads": threads, "deterministic": deterministic});
    assert_eq!(
        all,
        [
            (asked(2, false), "deterministic=0;threads=2".to_owned()),
            (asked(2, true), "deterministic=1;threads=2".to_owned()),
            (asked(1, false), "deterministic=0;threads=1".to_owned()),
        ]
    );
    assert_eq!(PeerName::Torch.settings(1).len(), 2);
    assert_eq!(PeerName::Numpy.settings(8), [PeerSetting { threads: 8, deterministic: None }]);
}

/// One line that says what is wrong.
fn refusal(result: Result<impl Sized>) -> String {
    let error = result.err().expect("it must fail").to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn a_peer_that_crashes_or_talks_nonsense_is_told_in_one_line() {
    let crashed = refusal(start("import sys; sys.exit('no luck\\ntoday')"));
    assert_eq!(crashed, "the peer numpy ended: today");
    let talks = refusal(start("print('\\x1b[31mhello'); input()"));
    assert_eq!(talks, "the peer numpy answered \"\\u{1b}[31mhello\", which is no answer");
    let lacks = refusal(start("print('{\"error\": \"there is no numpy\"}'); input()"));
    assert_eq!(lacks, "numpy: there is no numpy");
    let missing = refusal(Peer::start(PeerName::Numpy, Path::new("/nowhere/python"), 1));
    assert!(missing.contains("/nowhere/python is not there") && missing.contains("--python"), "{missing}");
}

#[test]
fn an_output_of_another_size_is_an_error() {
    let peer = start(&HONEST.replace("[sum(known[ask[\"id\"]])]", "[1.0, 2.0]")).unwrap();
    let problem = problem();
    let mut prepared = prepare(&peer, &problem).unwrap();
    let error = refusal(prepared.execute(Poison::of_execution(0)));
    assert_eq!(error, "numpy: sum has 8 bytes in place of 4");
}

#[test]
fn a_peer_that_dies_later_fails_the_execution_only() {
    let peer =
        start(&HONEST.replace("elif ask[\"do\"] == \"time\":", "elif ask[\"do\"] == \"time\":\n        1/0"))
            .unwrap();
    let problem = problem();
    let mut prepared = prepare(&peer, &problem).unwrap();
    prepared.execute(Poison::of_execution(0)).unwrap();
    let error = refusal(prepared.time(1, Cache::Cold));
    assert!(error.starts_with("the peer numpy ended") && error.contains("ZeroDivisionError"), "{error}");
}
