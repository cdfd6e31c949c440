//! Peers, played by small programs that need nothing but Python itself.

mod fake;
mod settings;

use std::time::Instant;

use super::*;
use crate::device::Cache;
use crate::input::Distribution;
use crate::operation::{Form, Operation, reduce::Reduce};
use crate::poison::Poison;
use crate::tensor::{Data, Dtype, Tensor};

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
        file = open(ask["inputs"]["x"], "rb").read()
        assert file[:8] == b"\x93NUMPY\x01\x00" and b"'<f4'" in file[:128] and b"(100,)" in file[:128]
        x.frombytes(file[128:])
        known[ask["id"]] = x
    elif ask["do"] == "execute":
        array.array("f", [sum(known[ask["id"]])]).tofile(open(ask["outputs"]["sum"], "wb"))
    elif ask["do"] == "time":
        answer = {"ns": 1000 * ask["iterations"] + (ask["cache"] == "hot")}
    print(json.dumps(answer), flush=True)
"#;

const PLACE: Place = Place::Cpu { threads: 3 };

fn peer(program: &str) -> Peer {
    let setting = PeerSetting::all(PeerName::Numpy, &PLACE).remove(0);
    let program = Cow::Owned(program.to_owned());
    Peer::new(PeerName::Numpy, program, Path::new("python3"), PLACE, setting).unwrap()
}

fn start(program: &str) -> Result<Peer> {
    let peer = peer(program);
    peer.be_ready()?;
    Ok(peer)
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
    let form = Form::Foreign(way(), Precision::F32);
    peer.prepare(way(), problem, Reduce.outputs(form, &problem.workload))
}

fn files(peer: &Peer) -> usize {
    std::fs::read_dir(peer.folder.path()).unwrap().count()
}

#[test]
fn arrays_go_over_and_come_back_and_times_are_its_own() {
    let peer = start(HONEST).unwrap();
    let problem = problem();
    let mut prepared = prepare(&peer, &problem).unwrap();
    prepared.execute(Poison::of_execution(1)).unwrap();
    assert_eq!(prepared.outputs().unwrap(), [Tensor::f32("sum", vec![4950.0])]);
    assert_eq!(prepared.time(7, Cache::Cold).unwrap(), Duration::from_nanos(7000));
    assert_eq!(prepared.time(7, Cache::Hot).unwrap(), Duration::from_nanos(7001));
    assert_eq!((peer.setting(way()), peer.version()), ("threads=1".to_owned(), "numpy 1.0".to_owned()));
    assert_eq!(files(&peer), 1, "stderr alone: inputs and outputs are gone");
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
    let bytes =
        refusal(start("import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\n'); sys.stdout.flush(); input()"));
    assert!(bytes.contains("which is no answer"), "{bytes}");
    let lacks = refusal(start("print('{\"error\": \"there is no\\\\n numpy\"}'); input()"));
    assert_eq!(lacks, "numpy: there is no numpy");
    let missing = refusal(Peer::start(PeerName::Numpy, Path::new("/nowhere/python"), &PLACE));
    assert!(missing.contains("/nowhere/python is not there") && missing.contains("--python"), "{missing}");
}

#[test]
fn a_flood_without_an_end_is_cut_off() {
    let flood = refusal(start("import sys\nwhile True: sys.stdout.write('x' * 65536)"));
    assert!(flood.len() < 200 && flood.contains("which is no answer"), "{flood}");
}

#[test]
fn a_peer_that_hangs_is_given_up() {
    let peer = Peer { patience: Duration::from_millis(200), ..peer("import time\ntime.sleep(600)") };
    let start = Instant::now();
    let hangs = refusal(peer.be_ready());
    assert_eq!(hangs, "the peer numpy gave no answer within 200ms");
    assert!(start.elapsed() < Duration::from_secs(60) && peer.process.borrow().is_none());
}

#[test]
fn what_it_will_not_do_is_a_refusal_in_its_words() {
    let refuses = HONEST.replace(
        "array.array(\"f\", [sum",
        "answer = {\"refused\": \"not\\n \\x1b today\"}; array.array(\"f\", [sum",
    );
    let peer = start(&refuses).unwrap();
    let problem = problem();
    let mut prepared = prepare(&peer, &problem).unwrap();
    let error = prepared.execute(Poison::of_execution(0)).unwrap_err();
    assert!(matches!(&error, Error::Refused(words) if words == "refused by numpy: not   today"), "{error:?}");
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
fn an_output_that_it_wrote_once_is_not_taken_twice() {
    let once = HONEST.replace(
        "elif ask[\"do\"] == \"execute\":",
        "elif ask[\"do\"] == \"execute\" and not known.get(\"done\"):\n        known[\"done\"] = True",
    );
    let peer = start(&once).unwrap();
    let problem = problem();
    let mut prepared = prepare(&peer, &problem).unwrap();
    prepared.execute(Poison::of_execution(0)).unwrap();
    assert!(refusal(prepared.execute(Poison::of_execution(1))).contains("the peer left no output"));
}

#[test]
fn a_peer_that_dies_fails_what_it_was_asked_and_starts_again_for_the_next() {
    let dies = HONEST.replace("elif ask[\"do\"] == \"time\":", "elif ask[\"do\"] == \"time\":\n        1/0");
    let peer = start(&dies).unwrap();
    let problem = problem();
    let mut prepared = prepare(&peer, &problem).unwrap();
    prepared.execute(Poison::of_execution(0)).unwrap();
    let error = refusal(prepared.time(1, Cache::Cold));
    assert!(error.starts_with("the peer numpy ended") && error.contains("ZeroDivisionError"), "{error}");
    assert_eq!(refusal(prepared.execute(Poison::of_execution(1))), "the peer numpy ended before");
    let mut next = prepare(&peer, &problem).unwrap();
    next.execute(Poison::of_execution(0)).unwrap();
    assert_eq!(next.outputs().unwrap(), [Tensor::f32("sum", vec![4950.0])]);
    // What lay in the process that died does not lie in its successor.
    assert_eq!(refusal(prepared.execute(Poison::of_execution(1))), "the peer numpy ended before");
}

#[test]
fn the_same_peer_in_another_process_gives_the_same() {
    let peer = start(HONEST).unwrap();
    let problem = problem();
    let again = peer.restarted().unwrap();
    let mut prepared = prepare(&again, &problem).unwrap();
    prepared.execute(Poison::of_execution(0)).unwrap();
    assert_eq!(prepared.outputs().unwrap(), [Tensor::f32("sum", vec![4950.0])]);
    assert_eq!(again.setting(way()), peer.setting(way()));
}
