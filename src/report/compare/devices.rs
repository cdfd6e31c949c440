//! The columns of a comparison: what ran on one device of one machine.

use std::collections::{BTreeMap, HashMap};

use crate::environment::Recorded;
use crate::measurement::Measurement;
use crate::report::words;
use crate::report::wrap;

/// A kind that is longer than this is cut; no device is called that much.
const LONGEST: usize = 60;

/// One device in one environment: rows of several runs there are one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device<'a> {
    /// `cpu`, `cuda:0`.
    pub name: &'a str,
    /// What it is, in words.
    pub kind: &'a str,
    /// Hash of its environment.
    pub environment: &'a str,
    /// Its driver, if its environment is known and tells.
    pub driver: Option<String>,
    /// The CUDA version of that.
    pub cuda: Option<String>,
    /// The program that measured, with its revision, if its environment is known.
    pub program: Option<String>,
    /// Whether its environment says that others used it too.
    pub is_shared: bool,
    /// What tells it from the other columns, safe to print.
    pub label: String,
    /// By run, how many of its rows are shown.
    pub runs: BTreeMap<&'a str, usize>,
    /// Rows that newer ones of the same key stand for.
    pub superseded: usize,
    /// Rows of other inputs than those that are shown.
    pub of_other_inputs: usize,
}

/// Columns in the order in which rows name them.
#[derive(Debug, Default)]
pub struct Devices<'a> {
    /// The columns.
    pub all: Vec<Device<'a>>,
    places: HashMap<[&'a str; 3], usize>,
}

impl<'a> Devices<'a> {
    /// The column of a row.
    pub fn place(&mut self, row: &'a Measurement) -> usize {
        let key = [row.device.as_str(), row.device_kind.as_str(), row.environment.as_str()];
        *self.places.entry(key).or_insert_with(|| {
            let [name, kind, environment] = key;
            self.all.push(Device {
                name,
                kind,
                environment,
                driver: None,
                cuda: None,
                program: None,
                is_shared: false,
                label: String::new(),
                runs: BTreeMap::new(),
                superseded: 0,
                of_other_inputs: 0,
            });
            self.all.len() - 1
        })
    }

    /// Tells the columns what is known of their environments.
    pub fn learn(&mut self, recorded: &BTreeMap<String, Recorded>) {
        for device in &mut self.all {
            let Some(recorded) = recorded.get(device.environment) else { continue };
            let unknown = || "unknown".to_owned();
            let version = recorded.samebits.clone().unwrap_or_else(unknown);
            device.program =
                Some(format!("{version} ({})", recorded.revision.clone().unwrap_or_else(unknown)));
            if let Some(facts) = recorded.devices.get(device.name) {
                (device.driver, device.cuda) = (facts.driver.clone(), facts.cuda.clone());
                device.is_shared = facts.shared == Some(true);
            }
        }
    }

    /// The columns with their labels: the kind, then the device where kinds are equal, then the
    /// environment where both are.
    pub fn labelled(mut self) -> Vec<Device<'a>> {
        let mut kinds: HashMap<String, usize> = HashMap::new();
        let mut kinds_and_names: HashMap<(String, &str), usize> = HashMap::new();
        for device in &self.all {
            *kinds.entry(short_kind(device)).or_default() += 1;
            *kinds_and_names.entry((short_kind(device), device.name)).or_default() += 1;
        }
        for device in &mut self.all {
            let kind = short_kind(device);
            let mut label = kind.clone();
            if kinds.get(&kind).is_some_and(|count| *count > 1) {
                label = format!("{label} {}", words::visible(device.name));
                if kinds_and_names.get(&(kind, device.name)).is_some_and(|count| *count > 1) {
                    label = format!("{label} {}", words::visible(device.environment));
                }
            }
            device.label = label;
        }
        self.all
    }
}

/// The kind as people say it; the device's name where there is none.
fn short_kind(device: &Device) -> String {
    let kind = if device.kind.trim().is_empty() { device.name } else { device.kind };
    let plain = words::visible(kind).replace("(R)", "").replace("(TM)", "");
    wrap::truncated(&plain.split_whitespace().collect::<Vec<_>>().join(" "), LONGEST)
}
