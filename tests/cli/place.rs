//! A folder of its own for each test, and the program in it.

use std::fs::File;
use std::io::pipe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use samebits::measurement::{self, Measurement, Writer};
use tempfile::TempDir;

/// The program.
const SAMEBITS: &str = env!("CARGO_BIN_EXE_samebits");

/// Longer than anything here takes on a busy machine: what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Flags of a run that takes milliseconds.
pub const SMALL: &str = "--device cpu --executions 3 --no-timing";

/// A folder that only one test uses.
pub struct Place(TempDir);

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
}

impl Place {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("cli").tempdir().unwrap())
    }

    /// The path of `name` in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names of all that lies in the folder `name`, sorted; nothing if it is not there.
    pub fn names(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(name)).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The rows of a results folder, which must be whole.
    pub fn rows(&self, results: &str) -> Vec<Measurement> {
        measurement::read_whole(&self.path(results).join("measurements.csv")).unwrap()
    }

    /// Writes `rows` as a results folder.
    pub fn write_rows(&self, results: &str, rows: &[Measurement]) {
        std::fs::create_dir_all(self.path(results)).unwrap();
        let mut text = Vec::new();
        let mut writer = Writer::new(&mut text);
        rows.iter().for_each(|row| writer.write(row).unwrap());
        drop(writer);
        self.write(&format!("{results}/measurements.csv"), text);
    }

    /// Runs a command line, split at spaces.
    pub fn run(&self, line: &str) -> Ended {
        self.run_in(self.0.path(), line, &[])
    }

    /// As [`Place::run`], in another folder and with more environment variables.
    pub fn run_in(&self, folder: &Path, line: &str, variables: &[(&str, &str)]) -> Ended {
        let output = assert_cmd::Command::from_std(self.command(line))
            .current_dir(folder)
            .envs(variables.iter().copied())
            .timeout(PATIENCE)
            .output()
            .unwrap();
        let ended = Ended {
            code: output.status.code().unwrap_or_else(|| panic!("`samebits {line}`: {}", output.status)),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!ended.stderr.contains("panicked"), "`samebits {line}`: {ended:?}");
        ended
    }

    /// Runs what must end with exit code 0.
    pub fn done(&self, line: &str) -> Ended {
        let ended = self.run(line);
        assert_eq!(ended.code, 0, "`samebits {line}`: {ended:?}");
        ended
    }

    /// Runs what must be refused before anything is printed: exit code 2 and one line that holds all of
    /// `said`.
    pub fn refuses(&self, line: &str, said: &[&str]) {
        let ended = self.run(line);
        let what = format!("`samebits {line}`: {ended:?}");
        assert_eq!(ended.code, 2, "{what}");
        assert_eq!(ended.stdout, "", "{what}");
        assert!(ended.stderr.starts_with("samebits: ") && ended.stderr.lines().count() == 1, "{what}");
        for said in said {
            assert!(ended.stderr.contains(said), "{said:?} is not in {what}");
        }
    }

    /// Starts a command line, its stdout into the file `stdout` and its stderr into `stderr`.
    pub fn start(&self, line: &str) -> Running {
        let file = |name| File::create(self.path(name)).unwrap();
        Running(self.command(line).stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap())
    }

    /// Runs a command line whose stdout nobody reads; its stderr.
    pub fn unread(&self, line: &str) -> (Option<i32>, String) {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let child = self.command(line).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// As [`Place::start`], but nobody reads its stdout.
    pub fn start_unread(&self, line: &str) -> Running {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let stderr = File::create(self.path("stderr")).unwrap();
        Running(self.command(line).stdout(writer).stderr(stderr).spawn().unwrap())
    }

    /// Runs a command line whose stderr nobody reads; its exit code.
    pub fn unheard(&self, line: &str) -> Option<i32> {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        self.command(line).stdout(Stdio::null()).stderr(writer).status().unwrap().code()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(SAMEBITS);
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        // What would change the layout of what is compared.
        command.env_remove("COLUMNS").env_remove("NO_COLOR").env_remove("RUST_BACKTRACE");
        command
    }
}

/// A command that was started; it does not outlive its test.
pub struct Running(Child);

impl Running {
    /// Waits until it, which must still run then, has brought about what `is_so` looks for.
    pub fn wait_for(&mut self, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert_eq!(self.0.try_wait().unwrap(), None, "it ended too early");
            assert!(start.elapsed() < PATIENCE, "nothing came of it in {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal, `-INT`; it may have ended already.
    pub fn send(&self, signal: &str) {
        let id = self.0.id().to_string();
        Command::new("kill").args([signal, &id]).stderr(Stdio::null()).status().unwrap();
    }

    /// Kills it, if it still runs: nothing that it could do about it.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
    }

    /// How it ended.
    pub fn ended(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended already, there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The TOML of one workload.
pub fn workload(name: &str, shape: &str) -> String {
    format!(
        "[[workload]]\nname = \"{name}\"\noperation = \"reduce\"\nshape = \"{shape}\"\ndtype = \"f32\"\n\
         input = \"wide\"\nseed = 7\nabout = \"of a test\"\n\n"
    )
}
