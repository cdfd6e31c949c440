//! Where finished rows go, how progress is shown, and who is asked whether the run is to stop.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::RunFlags;
use crate::command::say;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::measurement::Measurement;
use crate::results::{self, Folder};
use crate::suite::{Finished, Listener};
use crate::workload::Workload;

/// The folder's own name, also of `.`.
fn name_of(path: &Path) -> String {
    let whole = path.canonicalize();
    let path = whole.as_deref().unwrap_or(path);
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where rows are kept: a folder, or nowhere if none could be made.
pub(super) struct Store {
    pub(super) name: String,
    pub(super) folder: Option<Folder>,
}

impl Store {
    pub(super) fn open(
        flags: &RunFlags,
        devices: &str,
        environment: &Environment,
        workloads: &[Workload],
    ) -> Result<(Self, Vec<Measurement>)> {
        if let Some(path) = &flags.resume {
            let (folder, earlier) = Folder::resume(path, environment, workloads)?;
            // Rows of one folder have one run_id, whatever path the folder was given by.
            let name = earlier.first().map_or_else(|| name_of(path), |row| row.run_id.clone());
            return Ok((Self { name, folder: Some(folder) }, earlier));
        }
        let path = match &flags.out {
            Some(path) => path.clone(),
            None => PathBuf::from("results").join(results::default_name(devices, environment)),
        };
        let name = name_of(&path);
        match Folder::create(&path, environment) {
            Ok(folder) => Ok((Self { name, folder: Some(folder) }, Vec::new())),
            Err(error) if flags.out.is_some() => Err(error),
            Err(error) => {
                say(&format!(
                    "samebits: warning: {error}; the rows are printed and not kept, unless you give --out\n"
                ));
                Ok((Self { name, folder: None }, Vec::new()))
            }
        }
    }

    pub(super) fn place(&self) -> String {
        self.folder.as_ref().map_or("not kept".to_owned(), |folder| folder.path().display().to_string())
    }

    pub(super) fn resume_hint(&self) -> String {
        self.folder.as_ref().map_or(String::new(), |folder| {
            format!("; go on with the same flags and --resume {}", folder.path().display())
        })
    }
}

/// Keeps finished rows and shows progress.
pub(super) struct Keeper {
    pub(super) store: Store,
    pub(super) rows: Vec<Measurement>,
    ids: HashSet<String>,
    stop: Arc<AtomicBool>,
    pub(super) bar: ProgressBar,
}

impl Keeper {
    pub(super) fn new(store: Store, earlier: Vec<Measurement>, stop: Arc<AtomicBool>, quiet: bool) -> Self {
        let target = if quiet || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(1), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}") {
            bar.set_style(style);
        }
        let ids = earlier.iter().map(|row| row.row_id.clone()).collect();
        Self { store, rows: earlier, ids, stop, bar }
    }
}

impl Listener for Keeper {
    fn progress(&mut self, done: usize, total: usize, what: &str) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(what.to_owned());
    }

    fn finished(&mut self, finished: Finished) -> Result<()> {
        // A resumed run measures an algorithm again if only some of its rows were there.
        if !self.ids.insert(finished.row.row_id.clone()) {
            return Ok(());
        }
        if let Some(folder) = &mut self.store.folder {
            folder.write(&finished)?;
        }
        self.rows.push(finished.row);
        Ok(())
    }

    fn check_stop(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Signals that follow this fast are one: `timeout` sends its own beside the terminal's.
const ONE_SIGNAL: Duration = Duration::from_millis(500);

/// Set by the first Ctrl-C or kill; a second one ends the program at once.
pub(in crate::command) fn stop_flag() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let mut first: Option<Instant> = None;
    let handler = move || {
        flag.store(true, Ordering::Relaxed);
        match first {
            Some(first) if first.elapsed() > ONE_SIGNAL => std::process::exit(130),
            Some(_) => return,
            None => first = Some(Instant::now()),
        }
        say("samebits: stopping after this execution; press again to stop at once\n");
    };
    match ctrlc::set_handler(handler) {
        // A second run within one process keeps the first one's handler.
        Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(stop),
        Err(error) => Err(Error::input(format!("cannot listen for Ctrl-C: {error}"))),
    }
}
