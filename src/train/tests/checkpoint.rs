//! Checkpoints: they restore everything, refuse everything else by name, and a writer that is killed leaves the one before.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::checkpoint::fixture::{Given, raw, write};
use crate::checkpoint::{Checkpoint, Element};
use crate::device::cpu::Cpu;
use crate::train::checkpoint::{load, save};
use crate::train::digits::Digits;
use crate::train::optimizer::Optimizer;
use crate::train::state::State;
use crate::train::trainer::{Settings, Trainer};

const IMAGES: usize = 1438;

fn settings() -> Settings {
    Settings::new(Optimizer::Adam)
}

/// A checkpoint in the middle of an epoch.
fn saved(folder: &Path) -> (PathBuf, State) {
    let (cpu, digits) = (Cpu::with_threads(2).unwrap(), Digits::load());
    let mut trainer = Trainer::new(&cpu, &digits, settings(), 1);
    trainer.steps(14).unwrap();
    let path = folder.join("run.safetensors");
    save(&path, &trainer.state, &settings(), "cpu").unwrap();
    (path, trainer.state)
}

#[test]
fn resumed_is_uninterrupted_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (cpu, digits) = (Cpu::with_threads(2).unwrap(), Digits::load());
    for optimizer in [Optimizer::Momentum, Optimizer::Adam] {
        let mut uninterrupted = Trainer::new(&cpu, &digits, Settings::new(optimizer), 9);
        uninterrupted.steps(7).unwrap();
        let path = folder.path().join("run.safetensors");
        save(&path, &uninterrupted.state, &uninterrupted.settings, "cpu").unwrap();
        // Over an epoch's end, so that shuffling goes on too.
        uninterrupted.steps(11).unwrap();
        let (state, about) = load(&path, digits.training.len()).unwrap();
        assert_eq!((state.step, about.optimizer), (7, optimizer));
        let mut resumed = Trainer::new(&cpu, &digits, Settings::new(optimizer), 0);
        resumed.state = state;
        resumed.steps(11).unwrap();
        assert!(resumed.state.parts() == uninterrupted.state.parts(), "{optimizer:?}: other bits");
        assert_eq!(resumed.evaluate().unwrap(), uninterrupted.evaluate().unwrap());
    }
}

#[test]
fn the_same_state_gives_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = saved(folder.path());
    let first = std::fs::read(&path).unwrap();
    save(&path, &state, &settings(), "cpu").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first);
    // Nothing lies beside it.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

fn refused(path: &Path) -> String {
    let error = load(path, IMAGES).map(|(state, _)| state.step).unwrap_err().to_string();
    assert!(error.starts_with(&path.display().to_string()) && error.lines().count() == 1, "{error}");
    error
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = saved(folder.path());
    let bytes = std::fs::read(&path).unwrap();
    let lengths = (0..64).chain((64..bytes.len()).step_by(997)).chain([bytes.len() - 1]);
    for length in lengths {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = refused(&path);
        assert!(error.contains("truncated") || error.contains("empty"), "{length}: {error}");
    }
}

#[test]
fn a_flipped_bit_is_refused_wherever_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = saved(folder.path());
    let bytes = std::fs::read(&path).unwrap();
    // The header byte by byte, the tensors here and there, and the last byte.
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let places = (0..header).chain((header..bytes.len()).step_by(499)).chain([bytes.len() - 1]);
    for place in places {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1 << (place % 8);
        std::fs::write(&path, &bytes).unwrap();
        // A space in the header's padding is no content.
        if place < header && String::from_utf8_lossy(&bytes[place..header]).trim_end().is_empty() {
            continue;
        }
        let error = refused(&path);
        assert!(place < header || error.contains("a bit flipped"), "{place}: {error}");
    }
}

/// A file's tensors and what it says of itself, to be changed and written again with right checksums.
struct Parts {
    tensors: Vec<Given>,
    about: Value,
}

impl Parts {
    fn of(path: &Path) -> Self {
        let file = Checkpoint::open(path).unwrap();
        let given = |view: crate::checkpoint::View| {
            let shape: Vec<usize> = view.shape.iter().map(|extent| *extent as usize).collect();
            raw(view.name, view.element, &shape, view.bytes.to_vec())
        };
        let about = serde_json::from_str(&file.metadata()["samebits_training"]).unwrap();
        Self { tensors: file.tensors().map(given).collect(), about }
    }

    fn tensor(&mut self, name: &str) -> &mut Given {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
    }

    fn write(mut self, path: &Path) {
        let hash = |bytes: &[u8]| format!("{:032x}", twox_hash::XxHash3_128::oneshot(bytes));
        self.about["checksums"] =
            self.tensors.iter().map(|t| (t.name.clone(), Value::from(hash(&t.bytes)))).collect();
        self.about["checksum"] = "".into();
        // Through the type, whose order of members the checksum is of.
        let text = serde_json::from_value::<crate::train::checkpoint::About>(self.about.clone())
            .map_or_else(|_| self.about.to_string(), |about| serde_json::to_string(&about).unwrap());
        let own = hash(text.as_bytes());
        let text = text.replace("\"checksum\":\"\"", &format!("\"checksum\":\"{own}\""));
        write(path, &self.tensors, Some(HashMap::from([("samebits_training".to_owned(), text)])));
    }
}

#[test]
fn whatever_does_not_fit_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = saved(folder.path());
    type Change = fn(&mut Parts);
    let cases: [(Change, &str); 11] = [
        (|p| p.tensors.retain(|t| t.name != "norm.running_var"), "tensor \"norm.running_var\" is missing"),
        (|p| p.tensors.push(raw("extra", Element::F32, &[1], vec![0; 4])), "tensor \"extra\" is none"),
        (
            |p| p.tensor("parameters.output.weight").shape = vec![128, 10],
            "F32 [128, 10], and the network needs F32 [10, 128]",
        ),
        (
            |p| p.tensor("step").element = Element::F64,
            "tensor \"step\" is F64 [], and the network needs U64 []",
        ),
        (
            |p| p.tensor("parameters.norm.bias").bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes()),
            "tensor \"parameters.norm.bias\" is not finite at element 2",
        ),
        (|p| p.tensor("order").bytes.copy_within(0..4, 4), "twice"),
        (|p| p.tensor("order.cursor").bytes[7] = 255, "are taken"),
        (|p| p.tensor("normalisation").bytes[4..8].fill(0), "divides by nothing"),
        (|p| p.about["network"] = "linear(2,1)".into(), "of another network, linear(2,1)"),
        (
            |p| p.about = serde_json::json!({"format": 2, "layers": []}),
            "of format version 2, and this program reads 1",
        ),
        (|p| p.about["optimizer"] = "none".into(), "is corrupt"),
    ];
    let original = std::fs::read(&path).unwrap();
    for (change, said) in cases {
        std::fs::write(&path, &original).unwrap();
        let mut parts = Parts::of(&path);
        change(&mut parts);
        parts.write(&path);
        let error = refused(&path);
        assert!(error.contains(said), "{said}: {error}");
    }
    // The helper itself writes what is accepted.
    std::fs::write(&path, &original).unwrap();
    Parts::of(&path).write(&path);
    assert!(load(&path, IMAGES).unwrap().0 == state);
    crate::checkpoint::fixture::write(&path, &[raw("a", Element::F32, &[1], vec![0; 4])], None);
    assert!(refused(&path).contains("no checkpoint of a training run"));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_, state) = saved(folder.path());
    let error = save(&folder.path().join("none/run.safetensors"), &state, &settings(), "cpu")
        .unwrap_err()
        .to_string();
    assert!(error.contains("none/run.safetensors: cannot write"), "{error}");
}

/// Names the file for [`writer_until_killed`].
const TARGET: &str = "SAMEBITS_TEST_CHECKPOINT";

/// Not a test by itself: what the next test starts and kills.
#[test]
#[ignore = "started by a_writer_that_is_killed_leaves_a_whole_checkpoint"]
fn writer_until_killed() {
    let Some(path) = std::env::var_os(TARGET) else { return };
    let (mut state, _) = load(Path::new(&path), IMAGES).unwrap();
    loop {
        state.step += 1;
        save(Path::new(&path), &state, &settings(), "cpu").unwrap();
    }
}

#[test]
fn a_writer_that_is_killed_leaves_a_whole_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = saved(folder.path());
    let mut last = state.step;
    for round in 0..12 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "train::tests::checkpoint::writer_until_killed"])
            .env(TARGET, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Until it writes, and then for a time that is another one in every round.
        for _ in 0..2000 {
            if load(&path, IMAGES).unwrap().0.step > last {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_micros(700 * round));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let (left, _) = load(&path, IMAGES).unwrap();
        assert!(left.step > last, "round {round}: nothing was written");
        last = left.step;
        assert!(State { step: state.step, ..left } == state, "round {round}: not the state that was written");
    }
}
