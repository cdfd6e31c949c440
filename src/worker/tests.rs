//! Workers, played by shell scripts: each leaves what was made ready for it, or fails in its own way.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use super::message::Outcome;
use super::*;
use crate::device::Series;
use crate::input::Distribution;
use crate::operation::{Operation, reduce::Reduce};
use crate::tensor::{Data, Dtype};
use crate::workload::Workload;

/// A program that is a shell script, and the folder that it takes its files from.
struct Stage(tempfile::TempDir);

impl Stage {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Workers that do what `script` says in the worker's folder; `$HERE` is the stage's.
    fn workers(&self, script: &str) -> Workers {
        let program = self.path("program");
        let text = format!(
            "#!/bin/sh\nHERE='{}'\n[ \"$1\" = worker ] || exit 9\ncd \"$2\" && pwd >\"$HERE/where\"\n{script}\n",
            self.0.path().display()
        );
        // Written by a process of its own: a child that another test starts meanwhile would inherit this
        // one's open file, and a program that is open for writing cannot be started.
        let write = "printf %s \"$1\" >\"$2\" && chmod +x \"$2\"";
        let status = Command::new("sh").args(["-c", write, "sh", &text]).arg(&program).status();
        assert!(status.unwrap().success());
        Workers { program, timeout: Duration::from_secs(60) }
    }

    /// Makes an answer ready: an output per algorithm.
    fn answers(&self, outputs: &[Tensor]) {
        let named: Vec<_> =
            outputs.iter().enumerate().map(|(index, output)| (output_name(index, output), output)).collect();
        tensors::write(self.0.path(), OUTPUTS, &named).unwrap();
        let outcome = |output| Outcome { error: None, checksums: vec![tensors::checksum(output)] };
        let algorithms = outputs.iter().map(outcome).collect();
        message::write(self.0.path(), ANSWER, &Answer { algorithms }).unwrap();
    }

    /// What becomes of the order when a worker does what `script` says; nothing of it may be left.
    fn execute(&self, script: &str) -> Result<Vec<Result<Vec<Tensor>>>> {
        self.execute_with(&self.workers(script))
    }

    fn execute_with(&self, workers: &Workers) -> Result<Vec<Result<Vec<Tensor>>>> {
        self.execute_until(workers, &|| Ok(()))
    }

    fn execute_until(
        &self,
        workers: &Workers,
        stop: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<Result<Vec<Tensor>>>> {
        let shape = Reduce.shape("n=100").unwrap();
        let workload = Workload::new("test", &Reduce, shape, Dtype::F32, Distribution::Uniform);
        let x = Tensor { name: "x", data: Data::F32((0..100).map(|value| value as f32).collect()) };
        let order = Order {
            device: "cpu",
            most_instructions: 1,
            problem: &Problem { workload, inputs: vec![x] },
            inputs: Inputs::Read,
            algorithms: &[&Reduce.algorithms()[0], &Reduce.algorithms()[1]],
            coming: Series::default().execution(3),
        };
        let result = workers.execute(&order, stop);
        if let Ok(folder) = std::fs::read_to_string(self.path("where")) {
            assert!(folder.contains("samebits-worker-"), "{folder}");
            assert!(!Path::new(folder.trim_end()).exists(), "{folder} is left");
        }
        result
    }

    /// One line that says what is wrong.
    fn refusal(&self, script: &str) -> String {
        let error = self.execute(script).expect_err("it must fail").to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }
}

const HONEST: &str = "cp \"$HERE/answer.json\" \"$HERE/outputs.safetensors\" .";

fn sums(values: [f32; 2]) -> [Tensor; 2] {
    values.map(|value| Tensor::f32("sum", vec![value]))
}

#[test]
fn outputs_are_taken_over_as_they_are() {
    let stage = Stage::new();
    // A bit further than what these algorithms give here: whether it differs is not for this module to say.
    let further = f32::from_bits(4950f32.to_bits() + 1);
    stage.answers(&sums([4950.0, further]));
    let all = stage.execute(HONEST).unwrap();
    let values: Vec<_> = all.into_iter().map(|outputs| outputs.unwrap()).collect();
    assert_eq!(values, sums([4950.0, further]).map(|sum| vec![sum]));
}

#[test]
fn an_error_of_one_algorithm_is_its_own() {
    let stage = Stage::new();
    stage.answers(&sums([1.0, 2.0]));
    let error = Some("the device\nrefuses".to_owned());
    let second = Outcome { error: None, checksums: vec![tensors::checksum(&sums([1.0, 2.0])[1])] };
    let answer = Answer { algorithms: vec![Outcome { error, checksums: Vec::new() }, second] };
    message::write(stage.0.path(), ANSWER, &answer).unwrap();
    let all = stage.execute(HONEST).unwrap();
    assert_eq!(all[0].as_ref().unwrap_err().to_string(), "the device | refuses");
    assert_eq!(all[1].as_ref().unwrap(), &[Tensor::f32("sum", vec![2.0])]);
}

#[test]
fn a_crash_is_told_with_its_last_words() {
    let stage = Stage::new();
    let crashed = stage.refusal("echo one >&2; echo two; printf 'no\\033 luck\\n\\n today\\n' >&2; exit 3");
    assert_eq!(crashed, "the worker ended (exit status: 3): two | no  luck | today");
    assert_eq!(stage.refusal("exit 4"), "the worker ended (exit status: 4)");
    assert!(stage.refusal("kill -KILL $$").starts_with("the worker ended (signal: 9"));
    let long = stage.refusal("yes 'on and on' | head -c 100000 | tr '\\n' ' ' >&2; exit 1");
    assert!(long.contains(": …") && long.chars().count() < 400, "{long}");
    let nowhere = Workers { program: "/nowhere/samebits".into(), ..stage.workers("") };
    let error = stage.execute_with(&nowhere).unwrap_err().to_string();
    assert!(error.starts_with("cannot start a worker, /nowhere/samebits: "), "{error}");
}

#[test]
fn a_wish_to_stop_ends_a_worker_at_once() {
    let stage = Stage::new();
    let workers = stage.workers("echo $$ >\"$HERE/id\"; exec sleep 600");
    let id = || std::fs::read_to_string(stage.path("id")).ok().filter(|id| id.ends_with('\n'));
    let stop = || if id().is_some() { Err(Error::Interrupted) } else { Ok(()) };
    let start = Instant::now();
    let error = stage.execute_until(&workers, &stop).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let ended = Command::new("kill").args(["-0", id().unwrap().trim()]).stderr(Stdio::null()).status();
    assert!(!ended.unwrap().success(), "it still runs");
}

#[test]
fn what_hangs_is_ended() {
    let stage = Stage::new();
    let workers = Workers {
        timeout: Duration::from_millis(200),
        ..stage.workers("echo $$ >\"$HERE/id\"; echo waiting; exec sleep 600")
    };
    let start = Instant::now();
    let error = stage.execute_with(&workers).unwrap_err().to_string();
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(error.starts_with("the worker was ended after 200ms without an answer"), "{error}");
    // On a machine that is very busy it may not have come so far.
    if let Ok(id) = std::fs::read_to_string(stage.path("id")) {
        let status = Command::new("kill").args(["-0", id.trim()]).stderr(Stdio::null()).status();
        assert!(!status.unwrap().success(), "process {id} still runs");
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    let stage = Stage::new();
    assert!(stage.refusal("exit 0").starts_with("the worker's answer.json: cannot read: "));
    assert!(stage.refusal("echo hello >answer.json").contains("answer.json: expected value at line 1"));
    let other = stage.refusal("echo '{\"algorithms\": [], \"more\": 1}' >answer.json");
    assert!(other.contains("unknown field `more`"), "{other}");
    stage.answers(&sums([1.0, 2.0])[..1]);
    assert_eq!(stage.refusal(HONEST), "the worker's answer.json: it tells of 1 algorithms in place of 2");
    let checksums =
        "{\"algorithms\": [{\"error\": null, \"checksums\": []}, {\"error\": \"x\", \"checksums\": []}]}";
    let none = stage.refusal(&format!("{HONEST}; echo '{checksums}' >answer.json"));
    assert_eq!(none, "the worker's answer.json: fixed_tree has 0 checksums in place of 1");
}

#[test]
fn damaged_outputs_are_refused() {
    let stage = Stage::new();
    stage.answers(&sums([1.0, 2.0]));
    let whole = std::fs::read(stage.path(OUTPUTS)).unwrap();
    let damaged = |bytes: &[u8]| {
        std::fs::write(stage.path(OUTPUTS), bytes).unwrap();
        let error = stage.refusal(HONEST);
        assert!(error.starts_with("the worker's outputs.safetensors: "), "{error}");
        error
    };
    let length = whole.len();
    for end in [0, 7, 8, 40, length - 8, length - 1] {
        damaged(&whole[..end]);
    }
    assert!(damaged(&whole[..length - 1]).ends_with(&format!("and the file has {}", length - 1)));
    assert!(damaged(&[&whole[..], b" "].concat()).contains("its tensors end at byte"));
    assert!(damaged(&[[255; 8].as_slice(), &whole[8..]].concat()).contains("its header ends at byte"));
    let mut altered = whole.clone();
    altered[length - 1] ^= 1;
    assert!(damaged(&altered).contains("1/sum has the checksum "), "{}", damaged(&altered));
    // Right by itself, and not what was asked for.
    stage.answers(&[Tensor::f32("sum", vec![1.0]), Tensor::f32("total", vec![2.0])]);
    assert!(stage.refusal(HONEST).ends_with("there is no 1/sum in it"));
    stage.answers(&[Tensor::f32("sum", vec![1.0]), Tensor::f32("sum", vec![2.0, 3.0])]);
    assert!(stage.refusal(HONEST).ends_with("1/sum is F32 [2] in place of F32 [1]"));
    stage.answers(&[Tensor::zeros("sum", Dtype::F16, 1), Tensor::f32("sum", vec![2.0])]);
    assert!(stage.refusal(HONEST).ends_with("0/sum is F16 [1] in place of F32 [1]"));
    std::fs::remove_file(stage.path(OUTPUTS)).unwrap();
    assert!(stage.refusal("cp \"$HERE/answer.json\" .").contains("outputs.safetensors: cannot read: "));
}

#[test]
fn an_order_says_all_that_the_bits_depend_on() {
    let stage = Stage::new();
    stage.answers(&sums([1.0, 2.0]));
    stage.execute(&format!("{HONEST}; cp order.json inputs.safetensors \"$HERE\"")).unwrap();
    let task: Task = message::read(stage.0.path(), ORDER).unwrap();
    let workload = task.workload().unwrap();
    assert_eq!((workload.seed, workload.input, workload.dtype), (0, Distribution::Uniform, Dtype::F32));
    assert_eq!((task.execution, task.seed), (3, 0));
    let inputs = task.inputs(&workload, stage.0.path()).unwrap();
    assert_eq!(inputs[0].data, Data::F32((0..100).map(|value| value as f32).collect()));
    let names: Vec<_> = task.algorithms(&workload).unwrap().iter().map(|algorithm| algorithm.name).collect();
    assert_eq!(names, Reduce.algorithms()[..2].iter().map(|algorithm| algorithm.name).collect::<Vec<_>>());
}
