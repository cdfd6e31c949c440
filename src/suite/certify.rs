//! Whether other schedules could give other bits: beside what a simulation showed under some, the proof, if there is one.

use crate::explore::certificate::{Certificate, REMARK};
use crate::explore::{LASTS_PER_EXECUTION, Settings};
use crate::measurement::Measurement;
use crate::suite::Suite;
use crate::suite::case::Case;
use crate::suite::observe::Observation;
use crate::suite::way::Way;

impl Suite<'_> {
    /// Puts the certificate of a way into the row of what was `seen` under schedules.
    pub(super) fn certify(&self, case: &Case, way: &Way, seen: &Observation, row: &mut Measurement) {
        let (Some(simulation), Some(algorithm)) = (self.device.simulation(), way.own_algorithm()) else {
            return;
        };
        let most_for_lasts = simulation.most_instructions().saturating_mul(LASTS_PER_EXECUTION);
        let settings = Settings { most_for_lasts, ..Settings::of(1) };
        let (target, fuel) = (self.device.target(), simulation.fuel());
        match Certificate::of(algorithm, &case.problem, &target, &settings, fuel) {
            Ok(certificate) => row.remark(&certificate.beside(seen.differing > 0)),
            Err(reason) => row.remark(&format!("{REMARK}none, {reason}")),
        }
    }
}
