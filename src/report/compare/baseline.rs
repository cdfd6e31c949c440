//! What times are compared with: a device, or one way to compute an operation. One name, refused where it could
//! mean several.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::report::compare::collect::Collected;
use crate::report::compare::devices::Device;
use crate::report::group::Way;
use crate::report::words;

/// Candidates that a refusal names before it only counts them.
const NAMED: usize = 5;

/// What times are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Baseline<'a> {
    /// The same way on the same workload in this column.
    Device(usize),
    /// This way on the same workload and device.
    Way(&'a str, Way<'a>),
}

impl<'a> Baseline<'a> {
    /// What `text` names: a device by its label, name, kind, environment or a part of the label that no other has; a
    /// way as `algorithm` or `operation/algorithm`, with `engine:` before it and `[setting]` behind it where that is
    /// needed to tell it from others.
    ///
    /// # Errors
    /// If nothing that was measured has that name, or several things have.
    pub fn find(text: &str, devices: &[Device<'a>], problems: &[Collected<'a>]) -> Result<Self> {
        let wanted = text.trim().to_lowercase();
        let ways: BTreeSet<(&str, Way)> = problems
            .iter()
            .flat_map(|problem| problem.ways.keys().map(|way| (problem.operation, *way)))
            .collect();
        let is_wanted = |name: &str| name.to_lowercase() == wanted;
        let of_devices = devices.iter().enumerate().filter(|(_, device)| {
            [&device.label, device.name, device.kind, device.environment].into_iter().any(is_wanted)
        });
        let of_ways =
            ways.iter().filter(|(operation, way)| names(operation, way).iter().any(|name| is_wanted(name)));
        let mut found: Vec<Self> = of_devices.map(|(column, _)| Self::Device(column)).collect();
        found.extend(of_ways.map(|(operation, way)| Self::Way(operation, *way)));
        if found.is_empty() && !wanted.is_empty() {
            let has_it = |device: &Device| device.label.to_lowercase().contains(&wanted);
            let columns = devices.iter().enumerate().filter(|(_, device)| has_it(device));
            found.extend(columns.map(|(column, _)| Self::Device(column)));
        }
        let named = |all: &[Self]| {
            let names: Vec<String> =
                all.iter().take(NAMED).map(|one| format!("\"{}\"", one.name(devices))).collect();
            let more = all.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("{}{more}", names.join(", "))
        };
        match found.as_slice() {
            [one] => Ok(*one),
            [] => {
                let all: Vec<Self> = (0..devices.len())
                    .map(Self::Device)
                    .chain(ways.iter().map(|(operation, way)| Self::Way(operation, *way)))
                    .collect();
                let remedy = if all.is_empty() { "there are no rows".to_owned() } else { named(&all) };
                Err(Error::input(format!(
                    "--baseline {:?} names no device and no algorithm of the rows that are compared: {remedy}",
                    text
                )))
            }
            several => Err(Error::input(format!(
                "--baseline {text:?} names {} things; give one of {}",
                several.len(),
                named(several)
            ))),
        }
    }

    /// Its unambiguous name, safe to print.
    pub fn name(&self, devices: &[Device]) -> String {
        match self {
            Self::Device(column) => {
                devices.get(*column).map(|device| device.label.clone()).unwrap_or_default()
            }
            Self::Way(operation, way) => words::visible(&full_name(operation, way)),
        }
    }
}

/// Its name that no other way has.
fn full_name(operation: &str, way: &Way) -> String {
    let engine = if way.is_own() { String::new() } else { format!("{}:", way.engine) };
    format!("{engine}{operation}/{}{}", way.algorithm, bracketed(way))
}

fn bracketed(way: &Way) -> String {
    if way.setting.is_empty() { String::new() } else { format!("[{}]", way.setting) }
}

/// Everything that a way may be called: with and without engine, operation and setting.
fn names(operation: &str, way: &Way) -> Vec<String> {
    let mut names = vec![way.name(), way.full_name(operation), full_name(operation, way)];
    for engine in ["", &format!("{}:", way.engine)] {
        for operation in ["", &format!("{operation}/")] {
            for setting in ["", &bracketed(way)] {
                names.push(format!("{engine}{operation}{}{setting}", way.algorithm));
            }
        }
    }
    names
}
