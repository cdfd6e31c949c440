//! The reader of checkpoints, and [`explore`], against files that are wrong in every way. The reader must refuse
//! them in one line or open them, never panic, and never take memory because a header says so. What opens must be
//! equal to itself.
//!
//! Starts from `corpus/`, small files both right and wrong, and mutates them: bytes, the header with regard
//! to its JSON, truncation, and parts of two files put together. A few seconds by default;
//! `SAMEBITS_FUZZ_SECONDS=60` goes on longer, `SAMEBITS_FUZZ_SEED` from another seed. What fails is written
//! into `target/tmp/`, and said. cargo-fuzz and bolero's engines need a nightly compiler to see coverage;
//! this runs with the stable one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

#[cfg(target_os = "linux")]
#[path = "../simt/damage.rs"]
mod damage;
#[cfg(target_os = "linux")]
mod explore;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use samebits::checkpoint::Checkpoint;
use samebits::diff::diff;

/// Memory that all of it may take beyond what it had at first.
const MOST_MEMORY: u64 = 256 << 20;

/// The committed files, by name.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Whether it opens; panics if a promise is broken.
fn check(path: &Path) -> bool {
    match Checkpoint::open(path) {
        Err(error) => {
            check_refusal(&error.to_string());
            false
        }
        Ok(opened) if opened.is_empty() => true,
        Ok(opened) => {
            let found = match diff(&opened, &opened, &|_| ()) {
                // Whether it is a capture is known by one key; what else a capture says is read here.
                Err(error) if opened.is_capture() => {
                    check_refusal(&error.to_string());
                    return true;
                }
                found => found.unwrap(),
            };
            assert_eq!((found.summary.different, found.summary.equal), (0, opened.len()));
            serde_json::to_string(&found).unwrap();
            true
        }
    }
}

fn check_refusal(error: &str) {
    assert!(error.lines().count() == 1 && !error.chars().any(char::is_control), "{error:?}");
    assert!(error.chars().count() < 1000, "{} characters", error.chars().count());
}

/// A number from the environment.
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// The most memory that this process had, in bytes; 0 where the system does not tell.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) << 10
}

#[test]
fn the_corpus_opens_or_is_refused_as_its_names_say() {
    let folder = tempfile::tempdir().unwrap();
    let files = corpus();
    assert!(files.iter().filter(|(name, _)| name.starts_with("right-")).count() >= 8);
    assert!(files.iter().filter(|(name, _)| name.starts_with("wrong-")).count() >= 20);
    for (name, bytes) in files {
        let extension = if name.ends_with(mutate::INDEX) { mutate::INDEX } else { ".safetensors" };
        let path = folder.path().join(format!("file{extension}"));
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(check(&path), name.starts_with("right-"), "{name}");
    }
}

#[test]
fn mutated_files_open_or_are_refused() {
    let (seconds, seed) = (number("SAMEBITS_FUZZ_SECONDS", 4), number("SAMEBITS_FUZZ_SEED", 1));
    let files = corpus();
    let folder = tempfile::tempdir().unwrap();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (start, before) = (Instant::now(), peak());
    let (mut tried, mut opened) = (0u64, 0u64);
    while start.elapsed() < Duration::from_secs(seconds) {
        let (extension, bytes) = mutate::mutated(&files, &mut random);
        let path = folder.path().join(format!("file{extension}"));
        std::fs::write(&path, &bytes).unwrap();
        match catch_unwind(AssertUnwindSafe(|| check(&path))) {
            Ok(opens) => opened += u64::from(opens),
            Err(_) => {
                let kept: PathBuf =
                    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{seed}-{tried}{extension}"));
                std::fs::write(&kept, &bytes).unwrap();
                panic!("seed {seed}, file {tried}: kept as {}", kept.display());
            }
        }
        tried += 1;
    }
    println!("{tried} files, {opened} of which open");
    assert!(tried > 100 && opened > 0 && opened < tried, "{tried} files, {opened} of which open");
    assert!(peak() - before < MOST_MEMORY, "{} MiB", (peak() - before) >> 20);
}
