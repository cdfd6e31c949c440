//! The suite over scripted devices: what must be caught is planted, what must vary is injected, and
//! nothing depends on a race being lost.

mod ladder;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::*;
use crate::condition::{CodeSetting, CompileSetting, Condition};
use crate::device::{
    Cache, DeviceFacts, FaultCounts, KernelIdentity, Limits, Load, Probe, Problem, Strength,
};
use crate::operation::{Form, Target};
use crate::poison::Poison;
use crate::tensor::{Data, Tensor};
use crate::workload::parse;

/// What an algorithm does on the scripted device: it sees the outputs as they are (poisoned), the
/// right sums, and how often it was executed before.
type Script = dyn Fn(&mut [f32], &[f32], u64) -> Result<()>;

/// A device on which `fixed_tree`, or a canary, does what a script says; all others are honest.
#[derive(Default)]
struct Scripted {
    tree: Option<Box<Script>>,
    canary: Option<Box<Script>>,
    free_bytes: Option<u64>,
    under_load: Cell<bool>,
    /// Where `fixed_tree` is off by a unit in the last place.
    planted: Option<Plant>,
    /// Whether it was opened again.
    reopened: bool,
    /// What its memory's error correction says, one more each time it is asked.
    faults: Option<Cell<u64>>,
    /// Whether kernels can be compiled again.
    compiles: bool,
    /// Whether it refuses every workload.
    refuses: bool,
}

/// When a planted fault shows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Plant {
    Under(Condition),
    /// In the execution of that number alone.
    UnderOnce(Condition, u64),
    Loaded,
    Reopened,
    BatchOf(usize),
}

impl Plant {
    fn shows(self, device: &Scripted, run: &ScriptedRun) -> bool {
        match self {
            Self::Under(condition) => run.condition == condition,
            Self::UnderOnce(condition, number) => run.condition == condition && run.executed == number,
            Self::Loaded => device.under_load.get(),
            Self::Reopened => device.reopened,
            Self::BatchOf(rows) => run.right.len() == rows,
        }
    }
}

fn honest(out: &mut [f32], sums: &[f32], _: u64) -> Result<()> {
    out.copy_from_slice(sums);
    Ok(())
}

impl Device for Scripted {
    fn name(&self) -> String {
        "scripted".to_owned()
    }

    fn kind(&self) -> String {
        "Scripted".to_owned()
    }

    fn target(&self) -> Target {
        Target { sm_count: 4 }
    }

    fn limits(&self, _: Profile) -> Limits {
        Limits { contended_elements: 1 << 12, flops: 1 << 30 }
    }

    fn free_bytes(&self) -> Result<u64> {
        Ok(self.free_bytes.unwrap_or(u64::MAX))
    }

    fn stage(&self, problem: Arc<Problem>) -> Result<Box<dyn Staged + '_>> {
        if self.refuses {
            return Err(Error::device("refused"));
        }
        Ok(Box::new(ScriptedStage { device: self, problem }))
    }

    fn load(&self, _: Strength) -> Result<Box<dyn Load + '_>> {
        self.under_load.set(true);
        Ok(Box::new(ScriptedLoad(self)))
    }

    fn facts(&self) -> DeviceFacts {
        DeviceFacts::default()
    }

    fn throttled(&self) -> Option<bool> {
        None
    }

    fn clock_mhz(&self) -> Option<u32> {
        None
    }

    fn flushes_caches(&self) -> bool {
        true
    }

    fn fault_counts(&self) -> FaultCounts {
        let count = self.faults.as_ref().map(|count| {
            count.set(count.get() + 1);
            count.get()
        });
        FaultCounts { ecc: count, xid: count.map(|count| 2 * count) }
    }

    fn perturbations(&self) -> &'static [Perturbation] {
        if self.compiles { &[Perturbation::Repeat, Perturbation::ReloadRecompile] } else { &LADDER }
    }

    fn conditions(&self, perturbation: Perturbation, _: &Workload) -> Vec<Condition> {
        match perturbation {
            Perturbation::Launch => vec![Condition::Threads(3), Condition::Shape { blocks: 1, threads: 32 }],
            Perturbation::ReloadAllocation => vec![Condition::Offset(4), Condition::Offset(8)],
            Perturbation::ReloadModule => vec![Condition::FreshModule],
            _ => vec![Condition::Usual],
        }
    }

    fn code_settings(&self, perturbation: Perturbation, _: &Workload, _: &Algorithm) -> Vec<CodeSetting> {
        let settings = CompileSetting::all().into_iter().map(CodeSetting::Compile);
        settings.filter(|_| self.compiles && perturbation == Perturbation::ReloadRecompile).collect()
    }

    fn reopened(&self) -> Result<Box<dyn Device>> {
        Ok(Box::new(Scripted { planted: self.planted, reopened: true, ..Scripted::default() }))
    }
}

/// All but the schedule, which only a simulation has.
const LADDER: [Perturbation; 9] = [
    Perturbation::Repeat,
    Perturbation::Load,
    Perturbation::Launch,
    Perturbation::Batch,
    Perturbation::ReloadModule,
    Perturbation::ReloadAllocation,
    Perturbation::ReloadContext,
    Perturbation::ReloadProcess,
    Perturbation::ReloadCheckpoint,
];

struct ScriptedLoad<'a>(&'a Scripted);

impl Load for ScriptedLoad<'_> {
    fn renew(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for ScriptedLoad<'_> {
    fn drop(&mut self) {
        self.0.under_load.set(false);
    }
}

struct ScriptedStage<'a> {
    device: &'a Scripted,
    problem: Arc<Problem>,
}

impl Staged for ScriptedStage<'_> {
    fn prepare_under(
        &self,
        algorithm: &'static Algorithm,
        condition: Condition,
    ) -> Result<Box<dyn Prepared + '_>> {
        let Problem { workload, inputs } = &*self.problem;
        let mut right = vec![Tensor::zeros("sum", crate::tensor::Dtype::F32, rows(workload))];
        (workload.operation.algorithms()[0].twin)(workload, &self.device.target(), inputs, &mut right);
        let script = match algorithm.name {
            "fixed_tree" => self.device.tree.as_deref(),
            "atomic_block" | "atomic_element" => self.device.canary.as_deref(),
            _ => None,
        };
        let out = right.clone();
        Ok(Box::new(ScriptedRun {
            script: script.unwrap_or(&honest),
            right: values(&right),
            out,
            executed: 0,
            condition,
            planted_on: (algorithm.name == "fixed_tree").then_some(self.device),
        }))
    }

    fn probe(&self, work: Work) -> Result<Probe<'_>> {
        let (right, out, condition) = (Vec::new(), Vec::new(), Condition::Usual);
        let run = ScriptedRun { script: &honest, right, out, executed: 0, condition, planted_on: None };
        Ok(Probe { prepared: Box::new(run), work })
    }
}

struct ScriptedRun<'a> {
    script: &'a Script,
    right: Vec<f32>,
    out: Vec<Tensor>,
    executed: u64,
    condition: Condition,
    /// The device whose planted fault it has.
    planted_on: Option<&'a Scripted>,
}

impl Prepared for ScriptedRun<'_> {
    fn execute(&mut self, poison: Poison) -> Result<()> {
        self.out.iter_mut().for_each(|output| poison.fill(output));
        let plant = self.planted_on.and_then(|device| Some((device, device.planted?)));
        let shows = plant.is_some_and(|(device, plant)| plant.shows(device, self));
        if let Data::F32(out) = &mut self.out[0].data {
            (self.script)(out, &self.right, self.executed)?;
            if shows {
                out[0] = f32::from_bits(out[0].to_bits() ^ 1);
            }
        }
        self.executed += 1;
        Ok(())
    }

    fn outputs(&mut self) -> Result<&[Tensor]> {
        Ok(&self.out)
    }

    fn time(&mut self, iterations: u64, _: Cache) -> Result<Duration> {
        Ok(Duration::from_micros(100) * iterations as u32)
    }

    fn kernel(&self) -> KernelIdentity {
        KernelIdentity { kernel: "k".to_owned(), cubin: String::new() }
    }
}

fn rows(workload: &Workload) -> usize {
    workload.operation.outputs(Form::Own(&workload.operation.algorithms()[0]), workload)[0].len
}

fn values(tensors: &[Tensor]) -> Vec<f32> {
    (0..tensors[0].len()).map(|index| tensors[0].value(index) as f32).collect()
}

#[derive(Default)]
struct Collected {
    rows: Vec<Measurement>,
    stop_after: Option<usize>,
    asked: RefCell<usize>,
}

impl Listener for Collected {
    fn progress(&mut self, _: usize, _: usize, _: &str) {}

    fn finished(&mut self, finished: Finished) -> Result<()> {
        self.rows.push(finished.row);
        Ok(())
    }

    fn check_stop(&self) -> Result<()> {
        *self.asked.borrow_mut() += 1;
        match self.stop_after {
            Some(times) if *self.asked.borrow() > times => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }
}

const TWO: &str = r#"
[[workload]]
name = "rows"
operation = "reduce"
shape = "r=5;c=1000"
dtype = "f32"
input = "wide"
about = "five sums"
[[workload]]
name = "large"
operation = "reduce"
shape = "r=5;c=2000"
dtype = "f16"
input = "normal"
about = "above the contended limit"
"#;

fn options() -> Options {
    Options {
        profile: Profile::Quick,
        perturbations: Perturbation::OF_HARDWARE.to_vec(),
        executions: 8,
        timing: Some(Budget { cap: Duration::ZERO, precision: 0.01 }),
        filter: None,
        least: Guarantee::NotGuaranteed,
        remark: None,
        peers: Vec::new(),
        processes: None,
        process_count: 3,
        strengths: vec![Strength::USUAL],
        max_p: None,
        row_time: Duration::from_secs(60),
    }
}

fn identity() -> RunIdentity {
    RunIdentity { run_id: "run".to_owned(), environment: "e".to_owned() }
}

fn run(device: &Scripted) -> Vec<Measurement> {
    let (workloads, options) = (parse(TWO, "two").unwrap(), options());
    let mut collected = Collected::default();
    let suite = Suite::new(device, &workloads, &options, identity(), &[]).unwrap();
    suite.run(&mut collected).unwrap();
    assert!(!device.under_load.get(), "load ends with its row");
    collected.rows
}

fn row<'a>(rows: &'a [Measurement], algorithm: &str, perturbation: Perturbation) -> &'a Measurement {
    let wanted = |row: &&Measurement| {
        row.workload == "rows" && row.algorithm == algorithm && row.perturbation == perturbation
    };
    rows.iter().find(wanted).unwrap()
}

#[test]
fn every_combination_becomes_one_row_with_its_own_id() {
    let rows = run(&Scripted::default());
    assert_eq!(rows.len(), 2 * 5 * 2);
    let ids: HashSet<_> = rows.iter().map(|row| &row.row_id).collect();
    assert_eq!(ids.len(), rows.len());
    let tree = row(&rows, "fixed_tree", Perturbation::Repeat);
    assert_eq!((tree.verdict, tree.comparisons, tree.differing), (Verdict::Same, Some(7), Some(0)));
    assert_eq!((tree.distinct, tree.v_c, tree.max_ulp), (Some(1), Some(0.0), Some(0)));
    assert!(tree.bound_coverage.unwrap() <= 1.0 && tree.digest.len() == 32);
    assert_eq!((tree.median_ns, tree.percent_of_limit), (Some(100_000), Some(100.0)));
    assert_eq!(row(&rows, "fixed_tree", Perturbation::Load).median_ns, None);
    let contended =
        rows.iter().find(|row| row.algorithm == "atomic_element" && row.workload == "large").unwrap();
    assert_eq!(contended.verdict, Verdict::Skipped);
    assert!(contended.note.contains("contended"));
}

/// The planted defect, and what the failed row's note must say.
fn fails(tree: impl Fn(&mut [f32], &[f32], u64) -> Result<()> + 'static, said: &str) {
    let rows = run(&Scripted { tree: Some(Box::new(tree)), ..Scripted::default() });
    for perturbation in Perturbation::OF_HARDWARE {
        let row = row(&rows, "fixed_tree", perturbation);
        assert_eq!(row.verdict, Verdict::Failed, "{}", row.note);
        assert!(row.note.contains(said), "{}", row.note);
        assert_eq!(row.median_ns, None, "what failed is not timed");
    }
    assert_eq!(row(&rows, "two_pass", Perturbation::Load).verdict, Verdict::Same, "the run goes on");
}

#[test]
fn a_kernel_that_does_nothing_is_caught() {
    fails(|_, _, _| Ok(()), "5 of 5 elements of sum were never written");
}

#[test]
fn a_kernel_that_skips_one_element_is_caught() {
    let skips = |out: &mut [f32], sums: &[f32], _| {
        out[..3].copy_from_slice(&sums[..3]);
        out[4] = sums[4];
        Ok(())
    };
    fails(skips, "1 of 5 elements of sum were never written, the first is sum[3]");
}

#[test]
fn a_kernel_that_adds_to_what_was_there_is_caught() {
    let adds = |out: &mut [f32], sums: &[f32], _| {
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
        Ok(())
    };
    fails(adds, "not finite");
}

#[test]
fn a_kernel_that_writes_only_the_first_time_is_caught() {
    let once = |out: &mut [f32], sums: &[f32], executed| {
        if executed % 8 == 0 { honest(out, sums, 0) } else { Ok(()) }
    };
    fails(once, "never written");
}

#[test]
fn a_kernel_that_is_wrong_beyond_rounding_is_caught() {
    let wrong = |out: &mut [f32], sums: &[f32], _| {
        out.copy_from_slice(sums);
        out[2] *= 1.001;
        Ok(())
    };
    fails(wrong, "wrong beyond rounding: sum[2]");
}

#[test]
fn a_kernel_that_is_wrong_only_later_is_caught() {
    let late = |out: &mut [f32], sums: &[f32], executed: u64| {
        out.copy_from_slice(sums);
        if executed % 8 == 5 {
            out[0] = 0.0;
        }
        Ok(())
    };
    fails(late, "wrong beyond rounding: sum[0]");
}

#[test]
fn what_a_device_reports_becomes_the_rows_note() {
    fails(|_, _, _| Err(Error::device("the device burns; truly\nso")), "the device burns, truly so");
}

#[test]
fn state_carried_over_breaks_the_claim() {
    // One ULP more with every execution: within the bound, and never the same.
    let drifts = |out: &mut [f32], sums: &[f32], executed: u64| {
        out.iter_mut()
            .zip(sums)
            .for_each(|(out, sum)| *out = f32::from_bits(sum.to_bits() + executed as u32 % 8));
        Ok(())
    };
    let rows = run(&Scripted { tree: Some(Box::new(drifts)), ..Scripted::default() });
    let tree = row(&rows, "fixed_tree", Perturbation::Repeat);
    assert!(tree.breaks_claim());
    assert_eq!((tree.differing, tree.distinct, tree.p_upper_95), (Some(7), Some(8), Some(1.0)));
    assert_eq!((tree.v_c, tree.max_ulp, tree.first_difference), (Some(1.0), Some(7), Some(0)));
    assert_eq!(tree.worst_output, "sum");
}

/// A canary whose executions 2 and 5 of 8 came in another order of additions.
fn two_orders(out: &mut [f32], sums: &[f32], executed: u64) -> Result<()> {
    out.copy_from_slice(sums);
    if matches!(executed % 8, 2 | 5) {
        out[1] = f32::from_bits(out[1].to_bits() ^ 1);
    }
    Ok(())
}

#[test]
fn differing_orders_are_counted() {
    let rows = run(&Scripted { canary: Some(Box::new(two_orders)), ..Scripted::default() });
    let canary = row(&rows, "atomic_block", Perturbation::Repeat);
    assert_eq!(canary.verdict, Verdict::Differs);
    assert!(!canary.breaks_claim(), "it claims nothing");
    assert_eq!((canary.comparisons, canary.differing, canary.distinct), (Some(7), Some(2), Some(2)));
    assert_eq!((canary.v_c, canary.max_ulp, canary.first_difference), (Some(0.2), Some(1), Some(1)));
    assert!((canary.p_upper_95.unwrap() - crate::statistics::p_upper_95(2, 7)).abs() < 1e-12);
}

#[test]
fn same_has_no_power_where_no_canary_ever_moved() {
    let still = run(&Scripted::default());
    let tree = row(&still, "fixed_tree", Perturbation::Repeat);
    assert!(tree.verdict == Verdict::Same && tree.has_remark("no power"));
    let moving = run(&Scripted { canary: Some(Box::new(two_orders)), ..Scripted::default() });
    // Once a canary moved, every row of the device gains by it.
    assert!(moving.iter().all(|row| !row.has_remark("no power")));
}

#[test]
fn a_shape_that_does_not_fit_is_skipped_beforehand() {
    let rows = run(&Scripted { free_bytes: Some(1000), ..Scripted::default() });
    assert!(rows.iter().all(|row| row.verdict == Verdict::Skipped && row.note.starts_with("memory: ")));
    assert_eq!(rows.len(), 20);
}

#[test]
fn an_interruption_ends_the_run_at_once() {
    let (workloads, options, device) = (parse(TWO, "two").unwrap(), options(), Scripted::default());
    let mut collected = Collected { stop_after: Some(70), ..Collected::default() };
    let suite = Suite::new(&device, &workloads, &options, identity(), &[]).unwrap();
    assert!(matches!(suite.run(&mut collected), Err(Error::Interrupted)));
    assert_eq!(*collected.asked.borrow(), 71);
}

#[test]
fn a_resumed_run_measures_only_what_is_missing() {
    let device = Scripted { canary: Some(Box::new(two_orders)), ..Scripted::default() };
    let all = run(&device);
    let (workloads, options) = (parse(TWO, "two").unwrap(), options());
    let earlier: Vec<_> = all.iter().filter(|row| row.algorithm != "ticket").cloned().collect();
    let suite = Suite::new(&device, &workloads, &options, identity(), &earlier).unwrap();
    assert_eq!(suite.size(), (2, 1));
    let mut collected = Collected::default();
    suite.run(&mut collected).unwrap();
    assert!(collected.rows.iter().all(|row| row.algorithm == "ticket" && !row.has_remark("no power")));
    assert_eq!(collected.rows.len(), 4);
    let suite = Suite::new(&device, &workloads, &options, identity(), &all).unwrap();
    assert_eq!(suite.size(), (0, 0), "nothing is left, and that is no error");
}

#[test]
fn a_filter_that_matches_nothing_is_an_error() {
    let (workloads, device) = (parse(TWO, "two").unwrap(), Scripted::default());
    let with = |filter: &str| Options { filter: Some(Regex::new(filter).unwrap()), ..options() };
    let nothing = with("^reduce/tree ");
    let error = Suite::new(&device, &workloads, &nothing, identity(), &[]).err().unwrap().to_string();
    assert!(error.contains("^reduce/tree ") && error.contains("samebits list"), "{error}");
    let one = with("^reduce/ticket rows$");
    assert_eq!(Suite::new(&device, &workloads, &one, identity(), &[]).unwrap().size(), (1, 1));
}

#[test]
fn real_twins_keep_their_claims_and_verify_against_themselves() {
    let cpu = crate::device::cpu::Cpu::with_threads(2).unwrap();
    for check in verify::checks().unwrap().iter().filter(|check| check.elements() < 20_000) {
        let found = check.run(&cpu);
        assert!(found.is_ok(), "{}: {found:?}", check.id());
    }
}

const ONE_LAYER: &str = r#"
[[workload]]
name = "layer"
operation = "batch_norm"
shape = "n=5;c=3;h=7;w=11"
setting = "epsilon=0.001"
dtype = "f16"
input = "normal"
about = "a layer with its three gaps"
"#;

fn layer(options: &Options, earlier: &[Measurement]) -> (usize, Vec<Measurement>) {
    let cpu = crate::device::cpu::Cpu::with_threads(2).unwrap();
    let workloads = parse(ONE_LAYER, "layer").unwrap();
    let suite = Suite::new(&cpu, &workloads, options, identity(), earlier).unwrap();
    let (mut collected, ways) = (Collected::default(), suite.size().1);
    suite.run(&mut collected).unwrap();
    (ways, collected.rows)
}

#[test]
fn gaps_are_rows_of_their_own_told_apart_by_setting() {
    let options = Options { timing: None, executions: 3, ..options() };
    let (_, rows) = layer(&options, &[]);
    let gaps: Vec<_> = rows.iter().filter(|row| row.gap().is_some()).collect();
    let settings: Vec<_> = gaps.iter().map(|row| row.setting.as_str()).collect();
    assert_eq!(
        settings,
        [
            "against=inference;epsilon=0.001;gap=semantic",
            "against=channel_tree;epsilon=0.001;gap=algorithm",
            "against=reference;epsilon=0.001;gap=rounding",
        ]
    );
    for row in &gaps {
        assert_eq!((row.algorithm.as_str(), row.worst_output.as_str()), ("split_tree", "y"));
        assert_eq!((row.comparisons, row.p_upper_95, row.median_ns), (Some(1), None, None));
        assert!(!row.breaks_claim() && row.perturbation == Perturbation::Repeat);
    }
    // Training and evaluation are two functions; an algorithm and the reference differ by roundings.
    assert!(gaps[0].v_c.unwrap() > 0.9 && gaps[0].v_ermv.unwrap() > 0.01);
    assert!(gaps[2].max_ulp.unwrap() <= 2 && gaps[2].v_c.unwrap() < 0.2, "{:?}", gaps[2].max_ulp);
    assert!(gaps[1].max_ulp.unwrap() <= 2);
    let ids: HashSet<_> = rows.iter().map(|row| &row.row_id).collect();
    assert_eq!((ids.len(), rows.len()), (2 * 4 + 3, 2 * 4 + 3));
}

#[test]
fn a_missing_gap_is_measured_when_a_run_goes_on() {
    let options = Options { timing: None, executions: 3, ..options() };
    let (_, all) = layer(&options, &[]);
    let without = |missing: &str| -> Vec<Measurement> {
        all.iter().filter(|row| !row.setting.contains(missing)).cloned().collect()
    };
    assert_eq!(layer(&options, &all).0, 0, "nothing is left");
    let (ways, rows) = layer(&options, &without("gap=semantic"));
    assert_eq!(ways, 2, "both ways that it compares");
    assert_eq!(rows.iter().filter(|row| row.setting.contains("gap=semantic")).count(), 1);
    // A filter that leaves out what a gap compares leaves out the gap.
    let filter = Some(Regex::new("split_tree|atomic").unwrap());
    let (_, rows) = layer(&Options { filter, ..options }, &[]);
    let gaps: Vec<_> =
        rows.iter().filter(|row| row.gap().is_some()).map(|row| row.setting.as_str()).collect();
    assert_eq!(gaps, ["against=reference;epsilon=0.001;gap=rounding"]);
}
