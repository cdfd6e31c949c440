//! `samebits explore` with damaged PTX and damaged arguments: it gives a verdict or refuses in one line, never panics,
//! ends soon, and takes no more memory than it may.
//!
//! All of it happens in a process of its own, whose memory the system limits: what goes over it, overflows the stack or
//! does not end is found by whoever started it, and the input is left in `target/tmp/`. Starts from the committed PTX of
//! `tests/simt/` with the arguments that the verb itself proposes, and from `explore/`: inputs that broke something
//! once, and such as might.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use samebits::cli::{Cli, ExploreFlags, Verb};
use samebits::command::explore::{Answer, answer};
use samebits::explore::signature;
use samebits::report::explore as report;
use samebits::simt::Module;

use crate::damage::{SORTS, WORDS, change, one_entry};
use crate::{check_refusal, number, peak};

/// Set in the process whose memory is limited.
const INSIDE: &str = "SAMEBITS_FUZZ_INSIDE";
/// Addresses that this process may have, in KiB: code, stacks, and all that is allocated, touched or not.
const MOST_ADDRESSES: u64 = 1 << 20;
/// Resident memory that it may come to need.
const MOST_MEMORY: u64 = 256 << 20;
/// How long one input may take.
const MOST_TIME: Duration = Duration::from_secs(5);
/// How long a process may take beyond its own time.
const PATIENCE: Duration = Duration::from_secs(60);
/// What replaces words of TOML.
const TOML_WORDS: [&str; 28] = [
    "f16", "bf16", "f64", "u8", "i8", "i16", "u64", "in", "out", "both", "zero", "index", "wide", "normal",
    "below", "buffer", "scalar", "bytes", "value", "values", "length", "file", "tensor", "grid", "block",
    "shared", "nan", "1e9",
];

/// PTX and the arguments of a launch.
#[derive(Clone)]
struct Input {
    name: String,
    ptx: String,
    toml: String,
}

/// The committed inputs. Where one has only PTX or only arguments, the other half is `right-sum`'s.
fn corpus() -> Vec<Input> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/explore");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> =
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names.dedup();
    let half = |name: &str, ending: &str| {
        let path = folder.join(format!("{name}.{ending}"));
        let path = if path.exists() { path } else { folder.join(format!("right-sum.{ending}")) };
        std::fs::read_to_string(path).unwrap()
    };
    names.into_iter().map(|name| Input { ptx: half(&name, "ptx"), toml: half(&name, "toml"), name }).collect()
}

/// Each kernel of the committed PTX with the arguments that are proposed for it.
fn kernels() -> Vec<Input> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simt");
    let folders = ["explore", "triton"].map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    let mut paths: Vec<_> = folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ptx"));
    paths.sort();
    let mut inputs = Vec::new();
    for path in paths {
        let whole = std::fs::read_to_string(&path).unwrap();
        for choice in 0..whole.matches(".visible .entry").count() {
            let ptx = one_entry(&whole, choice);
            // What is refused whole is no beginning.
            let Ok(module) = Module::new(&ptx) else { continue };
            let Some(name) = module.entries().next().map(str::to_owned) else { continue };
            let toml = signature::template(&module, &name).unwrap();
            let toml = toml.replace(
                "[64, 1, 1]",
                if ptx.contains(".reqntid 128") { "[128, 1, 1]" } else { "[64, 1, 1]" },
            );
            inputs.push(Input { name, ptx, toml });
        }
    }
    inputs
}

/// Flags with which an input takes milliseconds.
fn flags(ptx: &Path, arguments: &Path) -> ExploreFlags {
    let mut line = vec!["samebits".into(), "explore".into(), ptx.as_os_str().to_owned()];
    line.extend(["--arguments".into(), arguments.as_os_str().to_owned()]);
    line.extend(["--schedules=4", "--max-instructions=20000", "--max-memory=4194304"].map(Into::into));
    match Cli::try_parse_from(line).unwrap().verb {
        Verb::Explore(flags) => *flags,
        other => panic!("{other:?}"),
    }
}

/// What became of inputs so far.
#[derive(Default)]
struct Seen {
    tried: u64,
    explored: u64,
    slowest: Duration,
}

impl Seen {
    /// Whether `input` is explored; panics if a promise is broken. Both files are in `folder` meanwhile.
    fn check(&mut self, folder: &Path, input: &Input) -> bool {
        let (ptx, toml) = (folder.join("input.ptx"), folder.join("input.toml"));
        std::fs::write(&ptx, &input.ptx).unwrap();
        std::fs::write(&toml, &input.toml).unwrap();
        let start = Instant::now();
        let is_explored = match answer(&flags(&ptx, &toml)) {
            Err(error) => {
                check_refusal(&error.to_string());
                false
            }
            Ok(Answer::Takes { template, .. }) => {
                assert!(!template.is_empty());
                false
            }
            Ok(Answer::Explored(explored)) => {
                serde_json::from_str::<serde_json::Value>(&report::json(&explored).unwrap()).unwrap();
                assert!(!report::terminal(&explored, 80).is_empty());
                true
            }
        };
        let took = start.elapsed();
        assert!(took < MOST_TIME, "{took:?} for what came of {}", input.name);
        assert!(peak() < MOST_MEMORY, "{} MiB for what came of {}", peak() >> 20, input.name);
        self.tried += 1;
        self.explored += u64::from(is_explored);
        self.slowest = self.slowest.max(took);
        is_explored
    }
}

/// Runs `inside` in a process with limited memory, which executes the test of that name only.
fn limited(name: &str, seconds: u64, inside: impl FnOnce(&Path)) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("explore-{name}"));
    if std::env::var_os(INSIDE).is_some() {
        return inside(&folder);
    }
    std::fs::create_dir_all(&folder).unwrap();
    let mut process = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MOST_ADDRESSES} && exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args([&format!("explore::{name}"), "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .env("RAYON_NUM_THREADS", "2")
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(seconds) + PATIENCE;
    let ended = loop {
        match process.try_wait().unwrap() {
            None if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            None => {
                process.kill().unwrap();
                break None;
            }
            ended => break ended,
        }
    };
    let input = folder.display();
    let ended = ended.unwrap_or_else(|| panic!("it does not end with the input in {input}"));
    assert!(ended.success(), "{ended} with the input in {input}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_corpus_is_explored_or_refused_as_its_names_say() {
    limited("the_corpus_is_explored_or_refused_as_its_names_say", 0, |folder| {
        let (mut seen, files) = (Seen::default(), corpus());
        for input in &files {
            assert_eq!(seen.check(folder, input), input.name.starts_with("right-"), "{}", input.name);
        }
        assert!(
            seen.explored >= 3 && seen.tried - seen.explored >= 15,
            "{} of {}",
            seen.explored,
            seen.tried
        );
    });
}

#[test]
fn damaged_kernels_and_arguments_are_explored_or_refused() {
    let seconds = number("SAMEBITS_FUZZ_SECONDS", 1);
    limited("damaged_kernels_and_arguments_are_explored_or_refused", seconds, |folder| {
        let seed = number("SAMEBITS_FUZZ_SEED", 1);
        let (kernels, files) = (kernels(), corpus());
        assert!(kernels.len() > 80, "{} kernels", kernels.len());
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (start, mut seen) = (Instant::now(), Seen::default());
        while start.elapsed() < Duration::from_secs(seconds) {
            let from = if random.random_ratio(1, 4) { &files } else { &kernels };
            let mut input = from[random.random_range(0..from.len())].clone();
            for _ in 0..random.random_range(0..4) {
                input.ptx = change(&input.ptx, drawn(&mut random), &WORDS);
            }
            for _ in 0..random.random_range(0..3) {
                input.toml = change(&input.toml, drawn(&mut random), &TOML_WORDS);
            }
            seen.check(folder, &input);
        }
        let Seen { tried, explored, slowest } = seen;
        let said =
            format!("{tried} launches, {explored} of which are explored; the slowest took {slowest:?}");
        println!("{said}; {} MiB at most", peak() >> 20);
        assert!(tried > 20 && explored > 0 && explored < tried, "{said}");
    });
}

fn drawn(random: &mut Xoshiro256PlusPlus) -> (u8, usize, usize) {
    (random.random_range(0..SORTS), random.random::<u64>() as usize, random.random::<u64>() as usize)
}
