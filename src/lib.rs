//! **samebits** runs GPU kernels again and again under controlled perturbations, says whether their
//! output bits stay the same, how far they drift when they do not, and what sameness costs.
//!
//! Data flows one way:
//!
//! ```text
//! workload ── input ── device.prepare(algorithm) ── outputs under a perturbation ── digest, divergence
//!         ── verdict ── Measurement (one row) ── report
//! ```
//!
//! | room | what it holds |
//! | --- | --- |
//! | [`workload`], [`input`] | what is measured, on which numbers |
//! | [`operation`] | what is computed: tables of algorithms, launch plans, twins, references |
//! | [`device`] | where it runs: the CPU's twins, a GPU's kernels |
//! | [`batch`] | the same rows inside other batches |
//! | [`peer`] | somebody else's code on the same inputs |
//! | [`worker`] | a new process of this program on the same inputs |
//! | [`suite`] | executing, comparing, timing: from workloads to rows |
//! | [`simt`] | the simulated GPU: the shipped PTX on the CPU |
//! | [`digest`], [`divergence`], [`statistics`], [`timing`] | the metrics |
//! | [`checkpoint`], [`diff`] | named tensors of mapped files; what changed between two, and the likely cause |
//! | [`train`] | a small training run on the suite's operations, and its checkpoints |
//! | [`causes`] | what each reason for a changed loss after reloading does to such a run |
//! | [`explore`] | whether what a kernel gives depends on the schedule |
//! | [`measurement`], [`results`], [`environment`] | rows and the folder they are kept in |
//! | [`ratio`] | how many times as long, and how certain that is |
//! | [`requirement`], [`policy`] | what must not change bits; what was decided to use |
//! | [`golden`] | the bits that every device must give |
//! | [`report`] | pure functions from rows to text |
//! | [`cli`], [`command`] | the command line: one verb, one file |

pub mod batch;
pub mod causes;
pub mod checkpoint;
pub mod cli;
pub mod command;
pub mod condition;
pub mod device;
pub mod diff;
pub mod digest;
pub mod divergence;
pub mod environment;
pub mod error;
pub mod explore;
pub mod golden;
pub mod guarantee;
pub mod input;
pub mod measurement;
pub mod operation;
pub mod peer;
pub mod perturbation;
pub mod poison;
pub mod policy;
pub mod prefetch;
pub mod ratio;
pub mod report;
pub mod requirement;
pub mod results;
pub mod simt;
pub mod statistics;
pub mod suite;
pub mod tensor;
pub mod timing;
pub mod train;
pub mod verdict;
pub mod worker;
pub mod workload;
