//! `samebits verify`: every algorithm × dtype on ordinary and odd shapes, against the reference, and
//! against its twin's bits where it is deterministic. `scripts/measure-on-gpu` runs it first: rows of
//! wrong kernels are worth nothing.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::cli::VerifyFlags;
use crate::command::{End, print};
use crate::device::select::select;
use crate::error::{Error, Result};
use crate::suite::verify::checks;

/// More than any check takes on a simulation; what takes many times as much is endless.
const MOST_INSTRUCTIONS: u64 = 1 << 30;

/// Runs the checks that are not in the file yet, until the budget is used up.
///
/// # Errors
/// Wrong flags, a device that is not there, a file that cannot be written.
pub fn verify(flags: &VerifyFlags) -> Result<End> {
    let budget = duration(&flags.budget)?;
    let (part, parts) = part(&flags.part)?;
    let selected = select(&flags.device, flags.shared, MOST_INSTRUCTIONS)?;
    let [device] = &selected.devices[..] else {
        return Err(Error::input(format!(
            "--device {} names {} devices; verify one after the other, each with its own --out",
            flags.device,
            selected.devices.len()
        )));
    };
    let known = match std::fs::read_to_string(&flags.out) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::file(&flags.out, "cannot read")(error)),
    };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&flags.out)
        .map_err(Error::file(&flags.out, "cannot write; give a file in a folder that exists"))?;
    // A kill may have cut off the last line: that check is done again.
    let known = &known[..known.rfind('\n').map_or(0, |last| last + 1)];
    file.set_len(known.len() as u64)
        .map_err(Error::file(&flags.out, "cannot take off a line that was cut off"))?;
    let done: HashSet<&str> = known.lines().filter_map(|line| line.split('\t').next()).collect();
    let failed_before: Vec<&str> =
        known.split_inclusive('\n').filter(|line| line.contains("\tFAILED\t")).collect();
    let (start, mut passed, mut failed, mut left) = (Instant::now(), 0, Vec::new(), 0);
    for (index, check) in checks()?.into_iter().enumerate() {
        // Shifted from round to round, so that no part has the same algorithms in all of them.
        if (index + index / parts) % parts != part || done.contains(check.id().as_str()) {
            continue;
        }
        if start.elapsed() >= budget {
            left += 1;
            continue;
        }
        let finding = check.run(&**device);
        let line = match &finding {
            Ok(finding) => format!("{}\tok\t{finding}\n", check.id()),
            Err(problem) => format!("{}\tFAILED\t{}\n", check.id(), problem.replace(['\n', '\t'], " ")),
        };
        file.write_all(line.as_bytes()).map_err(Error::file(&flags.out, "cannot write"))?;
        match finding {
            Ok(_) => passed += 1,
            Err(_) => failed.push(line),
        }
        // A GPU that failed once may refuse everything from then on: that is no finding about what
        // was not tried.
        if let Err(error) = device.free_bytes() {
            print(&format!(
                "the device stopped answering ({error}); start again for the checks that are left\n"
            ))?;
            break;
        }
    }
    let mut text = format!(
        "verified on {} ({}): {passed} checks passed, {} failed, {} known from before ({} failed), \
         {left} not reached in {}\n",
        device.name(),
        device.kind(),
        failed.len(),
        done.len(),
        failed_before.len(),
        flags.budget
    );
    failed_before
        .iter()
        .copied()
        .chain(failed.iter().map(String::as_str))
        .take(20)
        .for_each(|line| text.push_str(line));
    print(&text)?;
    Ok(if failed.is_empty() && failed_before.is_empty() { End::Done } else { End::NotMet })
}

fn duration(text: &str) -> Result<Duration> {
    let parsed = match (text.strip_suffix('m'), text.strip_suffix('s')) {
        (Some(minutes), _) => minutes.parse::<u64>().ok().and_then(|minutes| minutes.checked_mul(60)),
        (_, Some(seconds)) => seconds.parse().ok(),
        _ => None,
    };
    let wrong = || Error::input(format!("--budget \"{text}\" is not a time such as 90s or 8m"));
    parsed.map(Duration::from_secs).ok_or_else(wrong)
}

/// `i/n` as zero-based part and number of parts.
fn part(text: &str) -> Result<(usize, usize)> {
    let parsed =
        text.split_once('/').and_then(|(i, n)| Some((i.parse::<usize>().ok()?, n.parse::<usize>().ok()?)));
    match parsed {
        Some((i, n)) if (1..=n).contains(&i) => Ok((i - 1, n)),
        _ => Err(Error::input(format!("--part \"{text}\" is not of the form i/n with i from 1 to n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_and_parts_are_parsed_or_refused() {
        assert_eq!(duration("8m").unwrap(), Duration::from_secs(480));
        assert_eq!(duration("90s").unwrap(), Duration::from_secs(90));
        assert!(duration("8h").is_err() && duration("m").is_err());
        assert_eq!(part("2/3").unwrap(), (1, 3));
        assert!(part("0/3").is_err() && part("4/3").is_err() && part("x").is_err());
    }
}
