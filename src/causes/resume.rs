//! Going on in a new process, by what the file alone says; and the answer's way back, as bits.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::causes::measure::Watched;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::train::checkpoint;
use crate::train::digits::Digits;
use crate::train::math::Algorithms;
use crate::train::network::Evaluated;
use crate::train::trainer::{Settings, Trainer};
use crate::worker::process;

/// Far longer than the steps take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(600);

/// How a run looked. Floats are their bits: no text rounds them.
#[derive(Serialize, Deserialize)]
struct Answer {
    evaluated: Vec<Moment>,
    digests: Vec<[u64; 2]>,
}

/// An evaluation.
#[derive(Serialize, Deserialize)]
struct Moment {
    loss: u32,
    logits: Vec<u32>,
}

/// What the new process does: goes on from `path` for `steps`, and writes to `answer` how the run looked.
///
/// # Errors
/// If the checkpoint is refused, a step fails, or the answer cannot be written.
pub fn answer(device: &dyn Device, path: &Path, steps: u64, answer: &Path) -> Result<()> {
    let digits = Digits::load();
    let (state, about) = checkpoint::load(path, digits.training.len())?;
    let choices: Vec<String> = about.algorithms.split(',').map(str::to_owned).collect();
    let settings = Settings { algorithms: Algorithms::choose(&choices)?, ..Settings::new(about.optimizer) };
    let watched = Watched::of(&mut Trainer { device, digits: &digits, settings, state }, steps)?;
    let moment = |evaluated: &Evaluated| Moment {
        loss: evaluated.loss.to_bits(),
        logits: evaluated.logits.iter().map(|logit| logit.to_bits()).collect(),
    };
    let looked = Answer {
        evaluated: watched.evaluated.iter().map(moment).collect(),
        digests: watched.digests.iter().map(|digest| [(digest >> 64) as u64, *digest as u64]).collect(),
    };
    let text = serde_json::to_string(&looked).map_err(|error| Error::device(error.to_string()))?;
    std::fs::write(answer, text).map_err(Error::file(answer, "cannot write the answer"))
}

/// Reads what [`answer`] wrote.
///
/// # Errors
/// If it is not there, or not whole.
pub fn read(answer: &Path) -> Result<Watched> {
    let text = std::fs::read_to_string(answer).map_err(Error::file(answer, "cannot read the answer"))?;
    let looked: Answer = serde_json::from_str(&text)
        .map_err(|error| Error::device(format!("the new process's answer is not whole: {error}")))?;
    let evaluated = |Moment { loss, logits }| Evaluated {
        loss: f32::from_bits(loss),
        logits: logits.into_iter().map(f32::from_bits).collect(),
    };
    Ok(Watched {
        evaluated: looked.evaluated.into_iter().map(evaluated).collect(),
        digests: looked
            .digests
            .into_iter()
            .map(|[high, low]| u128::from(high) << 64 | u128::from(low))
            .collect(),
    })
}

/// Starts `program`, another process of this one, to go on with `device`, and waits for its answer, or until `stop` says
/// otherwise.
///
/// # Errors
/// If it does not start or end well, or what `stop` says.
pub fn in_new_process(
    program: &Path,
    device: &str,
    path: &Path,
    steps: u64,
    stop: &dyn Fn() -> Result<()>,
) -> Result<Watched> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let answer = folder.join("answer.json");
    let mut command = Command::new(program);
    command.arg("resume").arg(path).arg(steps.to_string()).arg(&answer).arg("--device").arg(device);
    process::run(command, folder, TIMEOUT, stop).map_err(|error| match error {
        Error::Interrupted => error,
        error => Error::device(format!(
            "going on in a new process failed: {error}; see whether {} is full (TMPDIR names another folder)",
            folder.display()
        )),
    })?;
    read(&answer)
}
