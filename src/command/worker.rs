//! `samebits worker`: the other side of a perturbation that starts processes. A run starts it; people have
//! no use for it.

use crate::cli::WorkerFlags;
use crate::command::End;
use crate::command::run::stop_flag;
use crate::error::Result;
use crate::worker::serve;

/// Does what lies in the folder, and leaves the answer there.
///
/// # Errors
/// If no order lies there, or it cannot be carried out.
pub fn worker(flags: &WorkerFlags) -> Result<End> {
    // A terminal's Ctrl-C reaches this process too: as in the run that started it, the first one waits for
    // the end of this execution.
    stop_flag()?;
    serve(&flags.folder)?;
    Ok(End::Done)
}
