//! Checkpoints: they restore everything, refuse everything else by name, and a writer that is killed leaves the one before.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::causes::damage::Parts;
use crate::checkpoint::Element;
use crate::checkpoint::fixture::raw;
use crate::device::cpu::Cpu;
use crate::train::checkpoint::{Stored, load, save, save_as};
use crate::train::digits::Digits;
use crate::train::optimizer::Optimizer;
use crate::train::state::{Part, State};
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
    trainer.batch().unwrap();
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
        // In the middle of a step.
        uninterrupted.batch().unwrap();
        let path = folder.path().join("run.safetensors");
        save(&path, &uninterrupted.state, &uninterrupted.settings, "cpu").unwrap();
        // Over an epoch's end, so that shuffling goes on too.
        uninterrupted.steps(11).unwrap();
        let (state, about) = load(&path, digits.training.len()).unwrap();
        assert_eq!((state.step, state.batches, about.optimizer), (7, 1, optimizer));
        let mut resumed = Trainer::new(&cpu, &digits, Settings::new(optimizer), 0);
        resumed.state = state;
        resumed.steps(11).unwrap();
        assert!(resumed.state.parts() == uninterrupted.state.parts(), "{optimizer:?}: other bits");
        assert_eq!(resumed.evaluate().unwrap(), uninterrupted.evaluate().unwrap());
    }
}

/// As half precision has them: read with f32 parameters, and nothing else narrowed.
#[test]
fn parameters_of_16_bits_are_rounded_in_the_file_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = saved(folder.path());
    let whole = std::fs::metadata(&path).unwrap().len();
    type Round = fn(f32) -> f32;
    let cases: [(Stored, Round); 2] = [
        (Stored::F16, |v| half::f16::from_f32(v).to_f32()),
        (Stored::Bf16, |v| half::bf16::from_f32(v).to_f32()),
    ];
    for (stored, round) in cases {
        save_as(&path, &state, &settings(), "cpu", stored).unwrap();
        let (loaded, about) = load(&path, IMAGES).unwrap();
        let mut wanted = state.clone();
        wanted.parameters.0.iter_mut().flatten().for_each(|value| *value = round(*value));
        assert!(loaded == wanted && loaded != state && about.parameters == stored);
        // Two bytes of each of 9,738 parameters.
        assert!((19_000..21_000).contains(&(whole - std::fs::metadata(&path).unwrap().len())));
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

fn extra() -> Part {
    Part { name: "extra".to_owned(), element: Element::F32, shape: vec![1], bytes: vec![0; 4] }
}

#[test]
fn whatever_does_not_fit_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = saved(folder.path());
    type Change = fn(&mut Parts);
    let cases: [(Change, &str); 12] = [
        (|p| p.tensors.retain(|t| t.name != "norm.running_var"), "tensor \"norm.running_var\" is missing"),
        (|p| p.tensors.push(extra()), "tensor \"extra\" is none"),
        (
            |p| p.tensor("parameters.output.weight", |t| t.shape = vec![128, 10]),
            "F32 [128, 10], and the network needs F32 [10, 128]",
        ),
        (
            |p| p.tensor("step", |t| t.element = Element::F64),
            "tensor \"step\" is F64 [], and the network needs U64 []",
        ),
        (
            |p| p.tensor("parameters.norm.bias", |t| t.bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes())),
            "tensor \"parameters.norm.bias\" is not finite at element 2",
        ),
        (|p| p.tensor("order", |t| t.bytes.copy_within(0..4, 4)), "twice"),
        (|p| p.tensor("order.cursor", |t| t.bytes[7] = 255), "are taken"),
        (|p| p.tensor("gradients.batches", |t| t.bytes[0] = 2), "gradients of 2 batches"),
        (|p| p.tensor("normalisation", |t| t.bytes[4..8].fill(0)), "divides by nothing"),
        (|p| p.about["network"] = "linear(2,1)".into(), "of another network, linear(2,1)"),
        (
            |p| p.about = serde_json::json!({"format": 3, "layers": []}),
            "of format version 3, and this program reads 2",
        ),
        (|p| p.about["optimizer"] = "none".into(), "is corrupt"),
    ];
    let original = std::fs::read(&path).unwrap();
    for (change, said) in cases {
        std::fs::write(&path, &original).unwrap();
        let mut parts = Parts::of(&path).unwrap();
        change(&mut parts);
        parts.write(&path).unwrap();
        let error = refused(&path);
        assert!(error.contains(said), "{said}: {error}");
    }
    // The helper itself writes what is accepted.
    std::fs::write(&path, &original).unwrap();
    Parts::of(&path).unwrap().write(&path).unwrap();
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

/// Not a test by itself: what the next test starts where no file may grow large.
#[test]
#[ignore = "started by a_full_disk_leaves_the_checkpoint_before"]
fn writer_without_room() {
    let Some(path) = std::env::var_os(TARGET) else { return };
    let (mut state, _) = load(Path::new(&path), IMAGES).unwrap();
    state.step += 1;
    println!("{}", save(Path::new(&path), &state, &settings(), "cpu").unwrap_err());
}

/// A limit on the size of files stands for the full disk: writing fails in the middle of the file.
#[test]
fn a_full_disk_leaves_the_checkpoint_before() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = saved(folder.path());
    let writer = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "train::tests::checkpoint::writer_without_room"])
        .env(TARGET, &path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&writer.stdout);
    assert!(said.contains("run.safetensors: cannot write; the checkpoint before is kept"), "{said}");
    assert!(load(&path, IMAGES).unwrap().0 == state);
    // Nor is what was written of it left.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
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
