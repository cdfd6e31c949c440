//! The command line's types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use regex::{Regex, RegexBuilder};

use crate::device::sim::DEFAULT_MOST_INSTRUCTIONS;
use crate::diff::threshold::FailOn;
use crate::explore::plan::{self, Given};
use crate::peer::PeerName;
use crate::report::compare::choice::{LinesAre, Sort};
use crate::train::optimizer::Optimizer;
use crate::workload::Profile;

/// Do your kernels give the same bits again, how far do they drift, and what does sameness cost?
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done; 1 a claim broken or a row failed; 2 wrong usage or input; 130 interrupted, finished rows kept."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Operations, algorithms with their claims, workloads
    List,
    /// What this machine is
    Env,
    /// Execute, compare, time, and print the results table
    Run(Box<RunFlags>),
    /// Put rows of several devices side by side: who gave the same bits, at what cost
    Compare(Box<CompareFlags>),
    /// What to deploy: per problem the cheapest algorithm whose bits stay the same, and what settings do
    Advise(AdviseFlags),
    /// Whether rows meet what is required; runs nothing
    Check(CheckFlags),
    /// What changed between two checkpoints, and the likely cause
    Diff(DiffFlags),
    /// Train a small network on the CPU, save it, go on from the file: which cause moves the loss, and by how much
    Causes(CausesFlags),
    /// Whether what a kernel gives depends on the schedule: its PTX on the simulated GPU, without a GPU
    Explore(Box<ExploreFlags>),
    /// Go on from a checkpoint of a training run and write how it looked
    #[command(hide = true)]
    Resume(ResumeFlags),
    /// Every algorithm on ordinary and odd shapes against its twin and the reference
    #[command(hide = true)]
    Verify(VerifyFlags),
    /// Put the table of a results folder between the markers of a Markdown file
    #[command(hide = true)]
    Splice(SpliceFlags),
    /// Make the file of golden digests of rows of several devices
    #[command(hide = true)]
    Golden(GoldenFlags),
    /// Execute once what a run that started this process wrote into a folder
    #[command(hide = true)]
    Worker(WorkerFlags),
}

/// Flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunFlags {
    /// auto, cpu, sim (the kernels on a simulated GPU), cuda, cuda:N or cuda:all
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// How much to measure: a minute, or half an hour on two cores
    #[arg(long, value_enum, default_value_t = Profile::Quick)]
    pub profile: Profile,
    /// Only what matches this regular expression over "operation/algorithm workload"
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<String>,
    /// What to change between executions: repeat, load, schedule (on sim), launch, batch, and reload or one of its
    /// kinds, such as reload:process
    #[arg(long, value_name = "LIST")]
    pub perturb: Option<String>,
    /// Thread instructions that one execution may take on sim, for instance 1e9; what takes more is skipped
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MOST_INSTRUCTIONS, value_parser = count)]
    pub max_instructions: u64,
    /// Your own workloads in place of the built-in ones
    #[arg(long, value_name = "FILE")]
    pub workloads: Option<PathBuf>,
    /// A tensor of your own model, in place of the built-in workloads: FILE.safetensors, or
    /// FILE.safetensors:TENSOR
    #[arg(long, value_name = "FILE[:TENSOR]", conflicts_with = "workloads")]
    pub weights: Option<String>,
    /// Only whether this device gives the bits that all must give: every algorithm that claims them, on small inputs,
    /// against digests that the program carries
    #[arg(long, conflicts_with_all = ["workloads", "weights", "seed", "peer", "max_p"])]
    pub golden: bool,
    /// Executions per row, the first included [default: 32, or 300 in profile full]
    #[arg(long, value_name = "N")]
    pub executions: Option<u64>,
    /// Execute often enough to bound the probability of a difference, for instance 1%
    #[arg(long, value_name = "P", conflicts_with = "executions")]
    pub max_p: Option<String>,
    /// Seed of all inputs in place of the workloads' own
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Results folder; must not exist yet [default: a new one in results/]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,
    /// Go on with an interrupted run, given the same flags: only what DIR lacks is measured
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// Measure somebody else's code on the same inputs: torch on the run's device, numpy on the CPU
    #[arg(long, value_enum, value_name = "NAME")]
    pub peer: Option<PeerName>,
    /// The Python that a peer runs in
    #[arg(long, value_name = "PATH", default_value = "python3", requires = "peer")]
    pub python: PathBuf,
    /// What to print on stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Every workload's block in the table, not only the most telling one
    #[arg(long)]
    pub all: bool,
    /// Leave the timing columns empty
    #[arg(long)]
    pub no_timing: bool,
    /// No progress, no header on stderr
    #[arg(long)]
    pub quiet: bool,
    /// Measure although others use the GPU; the rows are marked
    #[arg(long)]
    pub shared: bool,
}

/// A whole number above 0: `2500000` or `2.5e6`.
fn count(text: &str) -> Result<u64, String> {
    let exact = |number: f64| {
        (number.fract() == 0.0 && (1.0..=2f64.powi(53)).contains(&number)).then_some(number as u64)
    };
    let parsed = text.parse().ok().filter(|number| *number > 0);
    let parsed = parsed.or_else(|| text.parse().ok().and_then(exact));
    parsed.ok_or_else(|| "not a whole number above 0, such as 2500000 or 1e9".to_owned())
}

/// What `run` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// Markdown.
    Md,
    /// The rows as CSV.
    Csv,
    /// The rows as a JSON array.
    Json,
}

/// Flags of `compare`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Several runs of one device in one environment are one column, and the newest row of a key is shown. Exit code 1: a claim is seen broken, on a device or across devices, or a row failed; filters leave rows out of that too, and what only hides lines does not."
)]
pub struct CompareFlags {
    /// Results folders, folders of results folders, or files of rows (*.csv); for html also what causes --format json wrote
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Layout::Table)]
    pub format: Layout,
    /// Write into this file in place of stdout; a file that is there is replaced
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Every workload with its gaps, not only the most telling one of each operation; csv, json and html always have all
    #[arg(long)]
    pub all: bool,
    /// What a line is; the other of the two is a column
    #[arg(long, value_enum, default_value_t)]
    pub row: LinesAre,
    /// The order of lines
    #[arg(long, value_enum, default_value_t)]
    pub sort: Sort,
    /// Rank the algorithms on each device, or with --row device the devices, by the geometric mean of their times over
    /// the fastest's
    #[arg(long)]
    pub rank: bool,
    /// Times over those of this device (its name, kind, environment, or a part of its heading) or of this algorithm
    /// (engine:operation/algorithm, its setting in brackets behind it, or as much of that as tells it from others)
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// Only workloads that every device measured
    #[arg(long)]
    pub intersection: bool,
    /// Only lines with a time of at least this many times the baseline's, or without one the fastest's, on any device
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub threshold_min: Option<f64>,
    /// Only lines with a time of at most this many times that, on any device
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    pub threshold_max: Option<f64>,
    /// Only rows that match this regular expression over "operation/algorithm workload"; several are alternatives
    #[arg(short, long, value_name = "REGEX", value_parser = regex)]
    pub filter: Vec<Regex>,
    /// No rows that match this one
    #[arg(short = 'F', long, value_name = "REGEX", value_parser = regex)]
    pub filter_not: Vec<Regex>,
    /// Only rows of engines that match this one: samebits, numpy, torch
    #[arg(short, long, value_name = "REGEX", value_parser = regex)]
    pub engine: Vec<Regex>,
    /// Only rows of devices that match this one, over "device kind environment"
    #[arg(short, long, value_name = "REGEX", value_parser = regex)]
    pub device: Vec<Regex>,
}

/// A ratio of times.
fn ratio(text: &str) -> Result<f64, String> {
    let parsed = text.parse().ok().filter(|ratio: &f64| ratio.is_finite() && *ratio > 0.0);
    parsed.ok_or_else(|| "not a ratio above 0, such as 1.05".to_owned())
}

/// A regular expression of a size that is compiled in no time.
fn regex(text: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).size_limit(1 << 20).build();
    built.map_err(|error| {
        format!("not a regular expression: {}", error.to_string().lines().last().unwrap_or_default().trim())
    })
}

/// How `compare` shows rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// For people.
    Table,
    /// Markdown.
    Md,
    /// A line per workload, algorithm and device.
    Csv,
    /// Everything, for programs.
    Json,
    /// A page to look at, whole in one file.
    Html,
}

/// Flags of `advise`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Only an algorithm that claims what is required, and was seen to keep it often enough on every device that measured the problem, is advised. Exit code 1: not every problem has one."
)]
pub struct AdviseFlags {
    /// Results folders, folders of results folders, or files of rows (*.csv)
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What must not change bits: repeat, load, launch, batch, schedule, reload (all kinds but recompile) or one
    /// of its kinds, and device (all devices have the same bits)
    #[arg(long, value_name = "LIST")]
    pub require: String,
    /// How much slower than the fastest algorithm it may be, for instance 10% [default: any]
    #[arg(long, value_name = "TAX")]
    pub max_tax: Option<String>,
    /// What the probability that a later execution differs must be below, at 95 % confidence
    #[arg(long, value_name = "P", default_value = "1%")]
    pub max_p: String,
    /// Write the decisions into this file, for `check --policy`; a policy that is there is replaced
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Show the rows that each decision rests on, and every reason
    #[arg(long)]
    pub all: bool,
}

/// Flags of `check`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "With --require every algorithm that claims it must meet it; with --policy those that the policy uses. Exit code 1: something does not, or no row is of a CUDA device."
)]
pub struct CheckFlags {
    /// Results folders, folders of results folders, or files of rows (*.csv)
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What must not change bits, as in `advise`
    #[arg(long, value_name = "LIST", required_unless_present = "policy", conflicts_with = "policy")]
    pub require: Option<String>,
    /// What `advise --write` wrote
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// What the probability that a later execution differs must be below [default: the policy's, or 1%]
    #[arg(long, value_name = "P")]
    pub max_p: Option<String>,
    /// Rows of other devices than CUDA's count too
    #[arg(long)]
    pub allow_cpu: bool,
    /// Show every offence
    #[arg(long)]
    pub all: bool,
}

/// Flags of `diff`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit codes: 0 the same, or nothing beyond --fail-on; 1 different; 2 wrong usage or input. Files that others shorten while they are being read end the program."
)]
pub struct DiffFlags {
    /// What to compare with: a .safetensors file, an index of shards (.safetensors.index.json), or a folder
    /// of them
    pub before: PathBuf,
    /// What to compare: the same kinds
    pub after: PathBuf,
    /// Show equal tensors too, and every line of a long list
    #[arg(long)]
    pub all: bool,
    /// Print everything as JSON
    #[arg(long)]
    pub json: bool,
    /// What makes the exit code 1: bits, ulp=N, v_ermv=X, missing or never; several are separated by commas
    #[arg(long, value_name = "LIMIT", value_delimiter = ',', default_value = "bits")]
    pub fail_on: Vec<FailOn>,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// Flags of `causes`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Measured today, on the CPU: two controls, numeric causes, what a checkpoint may lack, other preprocessing, and damaged files. Other devices are not yet. Exit code 1: a control's bits differ, or a damaged file is accepted."
)]
pub struct CausesFlags {
    /// Where to train: auto, cpu, sim (a few steps on the simulated GPU), cuda or cuda:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// How many seeds; intervals need at least two
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub seeds: u32,
    /// How gradients are followed
    #[arg(long, value_enum, default_value_t = Optimizer::Momentum)]
    pub optimizer: Optimizer,
    /// Which algorithm computes an operation before and after loading, for instance matmul=split_k_ordered; may be
    /// given for each
    #[arg(long, value_name = "OPERATION=NAME")]
    pub algorithm: Vec<String>,
    /// What to print on stdout; json has the loss curves too
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// Flags of `explore`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit codes: 0 independent; 1 depends; 3 may depend; 2 wrong usage or input, unsupported, or the kernel fails."
)]
pub struct ExploreFlags {
    /// PTX, of nvcc, NVRTC or Triton; without arguments it is said what its entry takes, and a file to fill in is written
    #[arg(value_name = "KERNEL.ptx")]
    pub ptx: PathBuf,
    /// Which kernel, if there are several
    #[arg(long, value_name = "NAME")]
    pub entry: Option<String>,
    /// Blocks
    #[arg(long, value_name = "X[,Y,Z]", value_parser = plan::extents)]
    pub grid: Option<[u32; 3]>,
    /// Threads of a block
    #[arg(long, value_name = "X[,Y,Z]", value_parser = plan::extents)]
    pub block: Option<[u32; 3]>,
    /// Dynamic shared memory
    #[arg(long, value_name = "BYTES")]
    pub shared: Option<u32>,
    /// A TOML file with the arguments, and with grid, block and entry where flags do not tell them
    #[arg(long, value_name = "FILE")]
    pub arguments: Option<PathBuf>,
    /// An argument, in the order of the parameters: a buffer, or a number
    #[arg(
        long,
        value_name = "ARGUMENT",
        value_parser = Given::parse,
        help = "An argument, in the order of the parameters: ROLE:TYPE:LENGTH[:VALUES], ROLE:TYPE:@FILE[#TENSOR] with in, out or \
                both, or TYPE=VALUE; for instance in:f32:1024:wide out:f32:1 u32=1024"
    )]
    pub arg: Vec<Given>,
    /// Schedules that are tried
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub schedules: u64,
    /// Seed of the first schedule; the others follow. 0 is all in turn; multiples of 4 are by priorities (PCT), others
    /// drawn freely
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Only so many choices of the seed's schedule; behind them, all is in turn
    #[arg(long, value_name = "N", conflicts_with_all = ["schedules", "last_block"])]
    pub choices: Option<u64>,
    /// In place of seeded schedules: one block after the other, and this one, counted from 0, as the last
    #[arg(long, value_name = "B", conflicts_with_all = ["seed", "schedules"])]
    pub last_block: Option<u64>,
    /// Thread instructions after which an execution is given up, for instance 1e9
    #[arg(long, value_name = "N", default_value_t = 4_000_000_000, value_parser = count)]
    pub max_instructions: u64,
    /// Memory of a launch: its buffers, the module's variables, local memory. Executions side by side have a copy each
    #[arg(long, value_name = "BYTES", default_value_t = 4_000_000_000, value_parser = count)]
    pub max_memory: u64,
    /// For programs
    #[arg(long)]
    pub json: bool,
}

/// Flags of `resume`.
#[derive(Debug, Clone, Args)]
pub struct ResumeFlags {
    /// What `causes` saved
    pub checkpoint: PathBuf,
    /// How many steps to go on
    pub steps: u64,
    /// The file to write
    pub answer: PathBuf,
    /// Where to go on
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// Flags of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyFlags {
    /// auto, cpu, cuda, cuda:N
    #[arg(long, default_value = "auto")]
    pub device: String,
    /// File that checks are appended to; what is in it already is not checked again
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Stop after this time, for instance 90s or 8m
    #[arg(long, value_name = "TIME", default_value = "8m")]
    pub budget: String,
    /// Only the i-th of n parts of the checks, for instance 1/3
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    pub part: String,
    /// Measure although others use the GPU
    #[arg(long)]
    pub shared: bool,
}

/// Flags of `splice`.
#[derive(Debug, Clone, Args)]
pub struct SpliceFlags {
    /// The Markdown file, with the lines `<!-- samebits:table -->` and `<!-- samebits:end -->`
    pub file: PathBuf,
    /// The results folder
    pub results: PathBuf,
    /// Change nothing; exit with 1 if the table is not that of the rows
    #[arg(long)]
    pub check: bool,
}

/// Flags of `golden`.
#[derive(Debug, Clone, Args)]
pub struct GoldenFlags {
    /// The file to write
    pub file: PathBuf,
    /// Results folders of `run --golden`; the first device is the one that makes the digests
    #[arg(required = true)]
    pub results: Vec<PathBuf>,
}

/// Flags of `worker`.
#[derive(Debug, Clone, Args)]
pub struct WorkerFlags {
    /// Where the order lies, and the answer is written
    pub folder: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_expressions_are_parsed_or_refused_in_one_line() {
        assert_eq!(["1", "1.05", "1e-3"].map(|text| ratio(text).unwrap()), [1.0, 1.05, 0.001]);
        for text in ["0", "-1", "nan", "inf", "5%", ""] {
            assert!(ratio(text).unwrap_err().contains("such as"), "{text}");
        }
        assert!(regex("^reduce/.*").is_ok());
        for text in ["(", "a{99999}{99999}"] {
            let error = regex(text).unwrap_err();
            assert!(error.starts_with("not a regular expression: ") && error.lines().count() == 1, "{error}");
        }
    }

    #[test]
    fn counts_are_parsed_or_refused() {
        let parsed =
            ["1", "20000000", "1e9", "2.5e6", "18446744073709551615"].map(|text| count(text).unwrap());
        assert_eq!(parsed, [1, 20_000_000, 1_000_000_000, 2_500_000, u64::MAX]);
        for text in ["0", "0.5", "1.5", "-1", "1e99", "nan", "inf", "many", ""] {
            assert!(count(text).unwrap_err().contains("such as"), "{text}");
        }
    }
}
