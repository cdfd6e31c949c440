//! `samebits run`: executes, compares, times; keeps every finished row; prints the results table last.

use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use regex::RegexBuilder;

use crate::cli::{Format, RunFlags};
use crate::command::{End, colour, print, say, width};
use crate::device::select::{Selected, select};
use crate::device::{Device, Strength};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::measurement::{Measurement, Writer};
use crate::peer::Peer;
use crate::perturbation::Perturbation;
use crate::report::{markdown, terminal};
use crate::results::{self, Folder};
use crate::statistics::comparisons_for;
use crate::suite::processes::NewProcesses;
use crate::suite::{Finished, Listener, Options, RunIdentity, Suite, check_filter};
use crate::timing::Budget;
use crate::verdict::Verdict;
use crate::worker::Workers;
use crate::workload::{self, Profile, Workload};

/// Processes that a row counts unless told otherwise.
const PROCESSES: u64 = 8;

/// Runs the suite as `flags` say.
///
/// # Errors
/// Wrong flags, a device that is not there, a folder that cannot be used.
pub fn run(flags: &RunFlags) -> Result<End> {
    let workloads = workloads(flags)?;
    let Selected { devices, remark } = select(&flags.device, flags.shared, flags.max_instructions)?;
    let mut options = options(flags, &devices)?;
    options.peers = peers(flags, &devices)?;
    // Before a folder is made: a filter that matches nothing leaves none behind.
    check_filter(&workloads, &options)?;
    let environment = Environment::collect(&devices);
    let names: Vec<String> = devices.iter().map(|device| device.name()).collect();
    let (store, earlier) = Store::open(flags, &names.join("-"), &environment, &workloads)?;
    let identity = RunIdentity { run_id: store.name.clone(), environment: environment.hash() };
    let suites = devices
        .iter()
        .map(|device| Suite::new(&**device, &workloads, &options, identity.clone(), &earlier))
        .collect::<Result<Vec<_>>>()?;
    let kinds: Vec<String> = devices.iter().map(|device| device.kind()).collect();
    let header = header(flags, &names, &kinds, remark.as_deref(), &suites, &options, &store);
    if flags.format == Format::Table {
        print(&header)?;
    } else if !flags.quiet {
        say(&header);
    }
    let mut keeper = Keeper::new(store, earlier, stop_flag()?, flags.quiet);
    let mut interrupted = false;
    for suite in suites {
        match suite.run(&mut keeper) {
            Ok(()) => {}
            Err(Error::Interrupted) => {
                interrupted = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    keeper.bar.finish_and_clear();
    print_rows(flags, &keeper)?;
    if interrupted {
        say(&format!("samebits: interrupted; finished rows are kept{}\n", keeper.store.resume_hint()));
        return Ok(End::Interrupted);
    }
    let unmet = keeper.rows.iter().any(|row| row.breaks_claim() || row.verdict == Verdict::Failed);
    Ok(if unmet { End::NotMet } else { End::Done })
}

fn options(flags: &RunFlags, devices: &[Box<dyn Device>]) -> Result<Options> {
    let perturbations = match &flags.perturb {
        Some(list) => Perturbation::parse_list(list)?,
        // Devices that are measured together are of one kind.
        None => {
            let mut all = devices.first().map(|device| device.perturbations().to_vec()).unwrap_or_default();
            if flags.profile == Profile::Quick {
                all.retain(|perturbation| perturbation.is_quick());
            }
            all
        }
    };
    let by_profile = match flags.profile {
        Profile::Quick => 32,
        Profile::Full => 300,
    };
    let executions = match (&flags.max_p, flags.executions) {
        (Some(p), _) => comparisons_for(probability(p)?) + 1,
        (None, Some(executions)) => executions,
        (None, None) => by_profile,
    };
    if executions < 2 {
        return Err(Error::input(
            "--executions must be at least 2: the first is what others are compared with",
        ));
    }
    let filter = flags.filter.as_ref().map(|filter| {
        RegexBuilder::new(filter).size_limit(1 << 20).build().map_err(|error| {
            let problem = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
            Error::input(format!("--filter \"{filter}\" is not a regular expression: {problem}"))
        })
    });
    let cap = match flags.profile {
        Profile::Quick => Duration::from_millis(100),
        Profile::Full => Duration::from_secs(2),
    };
    Ok(Options {
        profile: flags.profile,
        perturbations,
        executions,
        timing: (!flags.no_timing).then_some(Budget { cap, precision: 0.01 }),
        filter: filter.transpose()?,
        remark: flags.shared.then(|| "shared".to_owned()),
        peers: Vec::new(),
        processes: Workers::of_this_program().ok().map(|workers| Box::new(workers) as Box<dyn NewProcesses>),
        strengths: match flags.profile {
            Profile::Quick => vec![Strength::USUAL],
            Profile::Full => [Strength::USUAL].into_iter().chain(Strength::OTHERS).collect(),
        },
        max_p: flags.max_p.as_deref().map(probability).transpose()?,
        row_time: row_time(flags),
        process_count: match (&flags.max_p, flags.executions) {
            (None, None) => PROCESSES,
            _ => executions - 1,
        },
    })
}

/// How long a row may take: as long as it needs where the user said how much is to be done, and otherwise what
/// leaves time for all rows. Each row tells how many executions it had.
fn row_time(flags: &RunFlags) -> Duration {
    match (&flags.max_p, flags.executions, flags.profile) {
        (None, Some(_), _) => Duration::MAX,
        (Some(_), ..) => Duration::from_secs(60),
        (None, None, Profile::Quick) => Duration::from_secs(20),
        (None, None, Profile::Full) => Duration::from_millis(600),
    }
}

/// Starts the peer that `--peer` names, with as many threads as the twins have.
fn peers(flags: &RunFlags, devices: &[Box<dyn Device>]) -> Result<Vec<Peer>> {
    let Some(name) = flags.peer else { return Ok(Vec::new()) };
    let on_cpu = |device: &dyn Device| device.facts().threads.filter(|_| device.simulation().is_none());
    let threads: Option<Vec<u32>> = devices.iter().map(|device| on_cpu(&**device)).collect();
    match threads.as_deref() {
        Some(&[threads]) => Ok(vec![Peer::start(name, &flags.python, threads as usize)?]),
        _ => Err(Error::input(format!(
            "--peer {} computes on the CPU: give --device cpu with it",
            name.engine()
        ))),
    }
}

/// `1%` or `0.01`.
fn probability(text: &str) -> Result<f64> {
    let parsed = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|value| value / 100.0),
        None => text.trim().parse(),
    };
    // Below a millionth a run would take days, and the number of executions leave its type.
    parsed.ok().filter(|p| (1e-6..1.0).contains(p)).ok_or_else(|| {
        Error::input(format!(
            "--max-p \"{text}\" is not a probability from 0.0001% to below 100%, such as 1%"
        ))
    })
}

fn workloads(flags: &RunFlags) -> Result<Vec<Workload>> {
    let mut workloads = match (&flags.workloads, &flags.weights) {
        (Some(path), _) => workload::read(path)?,
        (None, Some(argument)) => workload::weights::read(argument)?,
        (None, None) => workload::built_in()?,
    };
    workloads.retain(|workload| workload.profiles.contains(&flags.profile));
    if workloads.is_empty() {
        let file = flags.workloads.as_ref().map_or("built in".into(), |path| path.to_string_lossy());
        return Err(Error::input(format!(
            "no workload ({file}) is in profile {}; give another --profile, or put it into their `profiles`",
            flags.profile.name()
        )));
    }
    if let Some(seed) = flags.seed {
        workloads.iter_mut().for_each(|workload| workload.seed = seed);
    }
    Ok(workloads)
}

fn header(
    flags: &RunFlags,
    names: &[String],
    kinds: &[String],
    remark: Option<&str>,
    suites: &[Suite],
    options: &Options,
    store: &Store,
) -> String {
    let first: Vec<&str> = [concat!("samebits ", env!("CARGO_PKG_VERSION"))]
        .into_iter()
        .chain(names.iter().zip(kinds).flat_map(|(name, kind)| [name.as_str(), kind.as_str()]))
        .chain(remark)
        .collect();
    let (workloads, algorithms) = suites.iter().map(Suite::size).max().unwrap_or_default();
    format!(
        "{}\n{} profile · {} · {} executions each · {}\n\n",
        first.join(" · "),
        flags.profile.name(),
        match workloads {
            0 => "nothing is left to measure".to_owned(),
            _ => format!("{} · {}", counted(workloads, "workload"), counted(algorithms, "algorithm")),
        },
        options.executions,
        store.place()
    )
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn print_rows(flags: &RunFlags, keeper: &Keeper) -> Result<()> {
    let rows = &keeper.rows;
    match flags.format {
        Format::Table => {
            let options = terminal::Options {
                all: flags.all,
                width: width(),
                colour: colour(),
                results: keeper.store.folder.as_ref().map(|folder| folder.path().display().to_string()),
            };
            print(&terminal::render(rows, &options))
        }
        Format::Md => print(&markdown::render(rows, flags.all)),
        Format::Csv => {
            let mut text = Vec::new();
            let mut writer = Writer::new(&mut text);
            rows.iter().try_for_each(|row| writer.write(row))?;
            drop(writer);
            print(&String::from_utf8_lossy(&text))
        }
        Format::Json => {
            let json = serde_json::to_string_pretty(rows).map_err(|error| Error::input(error.to_string()))?;
            print(&(json + "\n"))
        }
    }
}

/// The folder's own name, also of `.`.
fn name_of(path: &Path) -> String {
    let whole = path.canonicalize();
    let path = whole.as_deref().unwrap_or(path);
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where rows are kept: a folder, or nowhere if none could be made.
struct Store {
    name: String,
    folder: Option<Folder>,
}

impl Store {
    fn open(
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

    fn place(&self) -> String {
        self.folder.as_ref().map_or("not kept".to_owned(), |folder| folder.path().display().to_string())
    }

    fn resume_hint(&self) -> String {
        self.folder.as_ref().map_or(String::new(), |folder| {
            format!("; go on with the same flags and --resume {}", folder.path().display())
        })
    }
}

/// Keeps finished rows and shows progress.
struct Keeper {
    store: Store,
    rows: Vec<Measurement>,
    ids: HashSet<String>,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
}

impl Keeper {
    fn new(store: Store, earlier: Vec<Measurement>, stop: Arc<AtomicBool>, quiet: bool) -> Self {
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
pub(super) fn stop_flag() -> Result<Arc<AtomicBool>> {
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
