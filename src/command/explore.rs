//! `samebits explore`: whether what a kernel gives depends on the schedule.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::cli::ExploreFlags;
use crate::command::{End, print, width};
use crate::error::{Error, Result};
use crate::explore::plan::Written;
use crate::explore::schedules::Subject;
use crate::explore::verdict::{Explored, Verdict};
use crate::explore::{self, budget, signature};
use crate::report::explore as report;
use crate::simt::Module;

/// What is answered.
pub enum Answer {
    /// The launch was explored.
    Explored(Box<Explored>),
    /// No arguments were given: what the entry takes, in words and as a file to fill in.
    Takes {
        /// The entry's name.
        entry: String,
        /// For people.
        explained: String,
        /// The file.
        template: String,
    },
}

/// Executes the kernel that `flags` name, or says what it takes.
///
/// # Errors
/// As of [`answer`]; a file to fill in that is there already or cannot be written.
pub(super) fn explore(flags: &ExploreFlags) -> Result<End> {
    let explored = match answer(flags)? {
        Answer::Explored(explored) => explored,
        Answer::Takes { entry, explained, template } => {
            return explain(&PathBuf::from(format!("{entry}.toml")), &explained, &template);
        }
    };
    if flags.json {
        print(&report::json(&explored).map_err(|error| Error::input(error.to_string()))?)?;
    } else {
        print(&report::terminal(&explored, width()))?;
    }
    Ok(match explored.verdict {
        Verdict::Independent => End::Done,
        Verdict::Depends => End::NotMet,
        Verdict::MayDepend => End::Open,
    })
}

/// What `flags` ask for; nothing is printed or written.
///
/// # Errors
/// A file that cannot be read, PTX that is not executed, arguments that do not fit, a kernel that fails.
pub fn answer(flags: &ExploreFlags) -> Result<Answer> {
    let start = Instant::now();
    let text = std::fs::read_to_string(&flags.ptx).map_err(Error::file(&flags.ptx, "cannot read the PTX"))?;
    // What a file holds may stand in the message, control characters and all.
    let plain = |what: String| what.replace(char::is_control, "\u{fffd}");
    let about = |what: String| Error::input(format!("{}: {}", flags.ptx.display(), plain(what)));
    let module = Arc::new(Module::new(&text).map_err(|fault| about(fault.to_string()))?);
    let mut written = flags.arguments.as_deref().map(Written::read).transpose()?.unwrap_or_default();
    let given_at_all = flags.arguments.is_some() || !flags.arg.is_empty() || flags.grid.is_some();
    if !flags.arg.is_empty() {
        if !written.arguments.is_empty() {
            return Err(Error::input("--arg and arguments in the file of --arguments exclude each other"));
        }
        written.arguments.clone_from(&flags.arg);
    }
    let entry = entry(&module, flags.entry.as_ref().or(written.entry.as_ref())).map_err(about)?;
    let takes = module.parameters(&entry).map_or(0, |parameters| parameters.len());
    if !given_at_all || takes > 0 && written.arguments.is_empty() {
        let (Some(explained), Some(template)) =
            (signature::explain(&module, &entry), signature::template(&module, &entry))
        else {
            return Err(Error::input(format!("no entry {entry}")));
        };
        return Ok(Answer::Takes { entry, explained, template });
    }
    let shape = |name, flag: Option<[u32; 3]>, written: &Option<Vec<u32>>| match (flag, written) {
        (Some(extents), _) => Ok(extents),
        (None, Some(extents)) => Written::shape(name, extents),
        (None, None) => Err(Error::input(format!("no {name}; give --{name} X[,Y,Z]"))),
    };
    let grid = shape("grid", flags.grid, &written.grid)?;
    let block = shape("block", flags.block, &written.block)?;
    let left = budget::left(&module, &entry, grid, block, flags.max_memory).map_err(about)?;
    let arguments = written.ready(left)?;
    let subject = Subject {
        module: &module,
        entry: &entry,
        grid,
        block,
        shared: flags.shared.or(written.shared).unwrap_or(0),
        arguments: &arguments,
        fuel: flags.max_instructions,
    };
    let settings = explore::Settings {
        seed: flags.seed,
        choices: flags.choices,
        last_block: flags.last_block,
        most_for_lasts: flags.max_instructions.saturating_mul(explore::LASTS_PER_EXECUTION),
        ..explore::Settings::of(flags.schedules)
    };
    let found = explore::explore(&subject, &text, &settings).map_err(about)?;
    let ptx = flags.ptx.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Answer::Explored(Box::new(Explored { ptx, seconds: start.elapsed().as_secs_f64(), ..found })))
}

/// The entry that is asked for, or the only one.
fn entry(module: &Module, asked: Option<&String>) -> std::result::Result<String, String> {
    let all: Vec<&str> = module.entries().collect();
    match (asked, &all[..]) {
        (Some(name), _) if module.has_entry(name) => Ok(name.clone()),
        (Some(name), _) => Err(format!("no entry {name}; there are: {}", all.join(", "))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err("no entry in it: nothing can be launched".to_owned()),
        (None, all) => Err(format!("give --entry; there are: {}", all.join(", "))),
    }
}

/// Says what an entry takes, and writes a file to be filled in.
fn explain(path: &Path, explained: &str, template: &str) -> Result<End> {
    write_new(path, template)?;
    print(&format!(
        "{explained}Wrote {}: fill it in, then: samebits explore KERNEL.ptx --arguments {}\n",
        path.display(),
        path.display()
    ))?;
    Ok(End::Done)
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let path = path.display();
            return Err(Error::input(format!(
                "no arguments are given, and {path} is there already; give --arguments {path}, or move it away to have \
                 a new one written"
            )));
        }
        opened => opened.map_err(Error::file(path, "cannot write; start in a folder that can be written"))?,
    };
    file.write_all(text.as_bytes()).map_err(Error::file(path, "cannot write"))
}
