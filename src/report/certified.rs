//! What certificates say: of which ways it is proved that no schedule changes a bit.

use crate::explore::certificate::{INDEPENDENT, REMARK};
use crate::report::group::Group;
use crate::report::words;

/// A sentence per device, if its rows carry certificates.
pub fn certified(groups: &[Group]) -> Vec<String> {
    let mut by_device: Vec<(&str, Vec<String>, Vec<String>)> = Vec::new();
    for group in groups {
        for way in group.ways() {
            let rows = || group.rows.iter().filter(|row| group.way(row) == way);
            let all =
                rows().filter(|row| row.note.split("; ").any(|remark| remark.starts_with(REMARK))).count();
            let proved = rows().filter(|row| row.has_remark(INDEPENDENT)).count();
            if all == 0 {
                continue;
            }
            if by_device.last().is_none_or(|(device, ..)| *device != group.device) {
                by_device.push((group.device, Vec::new(), Vec::new()));
            }
            if let Some((_, certified, not)) = by_device.last_mut() {
                let name = group.full_name(way);
                match proved {
                    0 => not.push(name),
                    some if some == all => certified.push(name),
                    some => certified.push(format!("{name} ({some} of {all} workloads)")),
                }
            }
        }
    }
    by_device.into_iter().map(|(device, certified, not)| sentence(device, &certified, &not)).collect()
}

fn sentence(device: &str, certified: &[String], not: &[String]) -> String {
    let proved = "it is proved, of these launches' PTX and inputs, that no schedule changes a bit";
    match (certified, not) {
        ([], not) => format!("On {device}, of none of {} {proved}.", words::listed(not)),
        (certified, []) => format!("On {device}, of {} {proved}.", words::listed(certified)),
        (certified, not) => {
            format!("On {device}, of {} {proved}; not of {}.", words::listed(certified), words::listed(not))
        }
    }
}
