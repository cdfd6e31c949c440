//! `samebits run`: executes, compares, times; keeps every finished row; prints the results table last.

mod keeper;
mod options;

use crate::cli::{Format, RunFlags};
use crate::command::{End, colour, print, say, width};
use crate::device::select::{Selected, select};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::golden::{carried, judge};
use crate::measurement::Writer;
use crate::report::{golden, markdown, terminal};
use crate::suite::{Options, RunIdentity, Suite, check_filter};
use crate::verdict::Verdict;
use keeper::{Keeper, Store};
use options::{options, peers, workloads};

pub(super) use keeper::stop_flag;

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
    let judgement = flags.golden.then(|| Ok::<_, Error>(judge(&keeper.rows, &carried()?))).transpose()?;
    match &judgement {
        Some(judgement) if flags.format == Format::Table => print(&golden::render(judgement, &carried()?))?,
        _ => print_rows(flags, &keeper)?,
    }
    if interrupted {
        say(&format!("samebits: interrupted; finished rows are kept{}\n", keeper.store.resume_hint()));
        return Ok(End::Interrupted);
    }
    // Nothing to judge is no confirmation.
    let is_golden = judgement.is_none_or(|judged| judged.agreeing > 0 && judged.differing.is_empty());
    let unmet =
        !is_golden || keeper.rows.iter().any(|row| row.breaks_claim() || row.verdict == Verdict::Failed);
    Ok(if unmet { End::NotMet } else { End::Done })
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
