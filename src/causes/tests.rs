//! All causes on a short run: what must keep its bits does, what must move the loss does, and what is damaged is refused.

use crate::causes::measure::{Bench, Length, Other, Outcome, Watched};
use crate::causes::resume;
use crate::causes::summary::{Ratio, Summary};
use crate::causes::table::{CAUSES, Kind, Place};
use crate::device::cpu::Cpu;
use crate::device::sim::Sim;
use crate::report::causes::{Measured, broken, csv, json, markdown, terminal};
use crate::train::digits::Digits;
use crate::train::math::Algorithms;
use crate::train::optimizer::Optimizer;
use crate::train::trainer::{Settings, Trainer};

/// All but what cannot be another device: training is on the CPU here.
const NOT_HERE: &str = "nothing forgotten, on the CPU";
const HERE: usize = CAUSES.len() - 1;

const SHORT: Length = Length { before: 60, after: 3 };

fn measured(settings: Settings, seeds: u64) -> Measured {
    let (cpu, digits, folder) = (Cpu::with_threads(2).unwrap(), Digits::load(), tempfile::tempdir().unwrap());
    // The new process's part, in this one: the test of the command line starts a real one.
    let in_new_process = |path: &std::path::Path, steps| {
        let answer = folder.path().join("answer.json");
        resume::answer(&Cpu::with_threads(3).unwrap(), path, steps, &answer)?;
        resume::read(&answer)
    };
    let sim = Sim::new(1 << 24);
    let others = [
        Other { place: Place::Sim, device: Ok(&sim), steps: 1 },
        Other { place: Place::Cuda, device: Err("no GPU in this test".to_owned()), steps: 9 },
    ];
    let bench = Bench {
        device: &cpu,
        others: &others,
        digits: &digits,
        settings,
        length: SHORT,
        folder: folder.path(),
        in_new_process: &in_new_process,
    };
    let outcomes = (1..=seeds).flat_map(|seed| bench.measure(seed, &|| Ok(())).unwrap()).collect();
    Measured {
        device: "a CPU".to_owned(),
        remark: None,
        optimizer: settings.optimizer.name().to_owned(),
        algorithms: String::new(),
        length: SHORT,
        outcomes,
    }
}

fn of<'a>(measured: &'a Measured, cause: &str) -> &'a Outcome {
    measured.outcomes.iter().find(|outcome| outcome.cause == cause).unwrap()
}

#[test]
fn every_cause_does_what_it_must_whatever_the_optimizer() {
    for optimizer in [Optimizer::Momentum, Optimizer::Adam] {
        let measured = measured(Settings::new(optimizer), 1);
        assert_eq!(measured.outcomes.len(), HERE);
        assert_eq!(broken(&measured), Vec::<String>::new());
        let first = |cause| of(&measured, cause).first_difference;
        // At load only what evaluation sees; at the first step what only training does.
        for cause in [
            "evaluated in training mode",
            "running statistics lost",
            "epsilon 1e-3, not 1e-5",
            "output layer not loaded",
            "weights not loaded",
            "trained from other weights",
            "saved in training mode",
            "statistics of one shard of two",
            "augmentation left on",
            "pixels read by columns",
            "statistics moved by evaluating",
        ] {
            assert_eq!(first(cause), Some(0), "{cause}");
        }
        for cause in [
            "optimizer state lost",
            "accumulated gradients lost",
            "schedule starts again",
            "learning rate ×10",
            "dropout seeded anew",
            "two loading workers, not one",
        ] {
            assert_eq!(first(cause), Some(1), "{cause}");
            assert_eq!(of(&measured, cause).max_ulp, Some(0), "{cause}");
        }
        let ratio = |cause| {
            let outcome = of(&measured, cause);
            outcome.loss_after.unwrap() / outcome.loss_before
        };
        assert!(ratio("output layer not loaded") > 5.0 && ratio("running statistics lost") > 1.01);
        assert!((ratio("parameters saved as f16") - 1.0).abs() < 0.01);
        let contracted = of(&measured, "compiled with contraction");
        assert!(contracted.first_difference == Some(0) && contracted.max_ulp > Some(0));
        // The outputs are the same, and other classes are wanted of them.
        let numbered = of(&measured, "classes numbered anew");
        assert!(numbered.max_ulp == Some(0) && numbered.changed == Some(0.0) && ratio(numbered.cause) > 5.0);
        // The file's mode is the program's.
        let curve = |cause| of(&measured, cause).curve.clone();
        assert_eq!(curve("saved in training mode"), curve("evaluated in training mode"));
        let simulated = of(&measured, "nothing forgotten, simulated");
        assert_eq!((simulated.steps, simulated.first_difference, simulated.kind), (1, None, Kind::Control));
        // By NVRTC, where it is installed.
        for cause in ["kernels compiled anew", "compiled with fast math"] {
            let compiled = of(&measured, cause);
            match &compiled.skipped {
                Some(reason) => assert!(reason.contains("NVRTC"), "{cause}: {reason}"),
                // Kernels say where they round, so that options have nothing to change.
                None => assert_eq!((compiled.steps, compiled.first_difference), (1, None), "{cause}"),
            }
        }
        let absent = of(&measured, "nothing forgotten, CUDA GPU");
        assert_eq!(absent.skipped.as_deref(), Some("no GPU in this test"));
        for (cause, said) in [
            ("a tensor missing", "\"norm.running_var\" is missing"),
            ("a tensor of another shape", "F32 [128, 10], and the network needs F32 [10, 128]"),
            ("NaN in a parameter", "\"parameters.norm.bias\" is not finite at element 2"),
            ("another format version", "of format version 3"),
        ] {
            assert!(of(&measured, cause).refused.as_ref().unwrap().contains(said), "{cause}");
        }
        assert!(of(&measured, "file truncated").refused.as_ref().unwrap().contains("truncated"));
        assert!(of(&measured, "one bit flipped").refused.as_ref().unwrap().contains("a bit flipped"));
    }
}

#[test]
fn reports_say_what_was_measured() {
    let mut measured = measured(Settings::new(Optimizer::Momentum), 2);
    for width in [60, 100, 120] {
        let text = terminal(&measured, width);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        let tried = CAUSES.iter().filter(|cause| cause.name != NOT_HERE);
        assert!(tried.clone().all(|cause| text.contains(cause.name)), "{text}");
    }
    let text = terminal(&measured, 120);
    // People decide by the kind: it stays where a terminal is 120 wide.
    assert!(text.lines().any(|line| line.starts_with("cause ") && line.ends_with("kind")), "{text}");
    assert!(terminal(&measured, 160).contains("v_ermv"));
    assert!(text.contains("CUDA GPU: skipped: no GPU in this test"), "{text}");
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(
        line("nothing forgotten").contains("never") && line("nothing forgotten").contains("same bits"),
        "{text}"
    );
    assert!(
        line("output layer not loaded").contains("% differ") && line("file truncated").contains("refused"),
        "{text}"
    );
    let is_told = |outcome: &&Outcome| {
        outcome.seed == 1
            && outcome.skipped.is_none()
            && !matches!(outcome.kind, Kind::Control | Kind::Integrity)
    };
    let causes = measured.outcomes.iter().filter(is_told).count();
    assert!(
        text.contains(&format!("of {causes} causes move the loss")) && !text.contains("BROKEN"),
        "{text}"
    );
    assert_eq!(csv(&measured).unwrap().lines().count(), 1 + 2 * HERE);
    assert_eq!(markdown(&measured).lines().filter(|line| line.starts_with('|')).count(), 2 + HERE);
    let json: serde_json::Value = serde_json::from_str(&json(&measured).unwrap()).unwrap();
    assert_eq!(json["outcomes"][0]["curve"].as_array().unwrap().len(), 1 + SHORT.after as usize);

    // What must not be is the first thing that is said.
    measured.outcomes[0].first_difference = Some(2);
    let refused = measured.outcomes.iter_mut().find(|outcome| outcome.kind == Kind::Integrity).unwrap();
    refused.refused = None;
    let said = broken(&measured);
    assert!(said[0].contains("with seed 1 from step 2 on") && said[1].contains("was accepted"), "{said:?}");
    assert!(terminal(&measured, 120).contains("BROKEN: nothing forgotten"));
}

/// Where the algorithms claim nothing, a difference is what they do, and no claim is broken by it.
#[test]
fn controls_bind_where_bits_are_claimed() {
    let choices = ["reduce=atomic_element".to_owned()];
    let settings =
        Settings { algorithms: Algorithms::choose(&choices).unwrap(), ..Settings::new(Optimizer::Momentum) };
    let measured = measured(settings, 1);
    assert!(measured.outcomes.iter().all(|outcome| outcome.kind != Kind::Control));
    assert_eq!(broken(&measured), Vec::<String>::new());
}

#[test]
fn a_run_that_diverges_is_a_row() {
    let settings = Settings { learning_rate: 1e30, ..Settings::new(Optimizer::Momentum) };
    let (cpu, digits) = (Cpu::with_threads(2).unwrap(), Digits::load());
    let mut trainer = Trainer::new(&cpu, &digits, settings, 1);
    let watched = Watched::of(&mut trainer, 9).unwrap();
    assert!(watched.digests.len() < 10 && watched.evaluated.len() == watched.digests.len() - 1);
    let ratio = Ratio::of(&[1.0, f64::INFINITY, 1.0]).unwrap();
    assert_eq!(ratio.moves(), Some(true));
}

#[test]
fn an_interval_is_students() {
    // Logarithms 0, 0.1, 0.2: mean 0.1, standard error 0.1 ÷ √3, t(2) = 4.302653.
    let ratio = Ratio::of(&[1.0, 0.1f64.exp(), 0.2f64.exp()]).unwrap();
    let (low, high) = ratio.interval.unwrap();
    assert!((ratio.value.ln() - 0.1).abs() < 1e-12);
    assert!(
        (high.ln() - 0.1 - 4.302_653 * 0.1 / 3f64.sqrt()).abs() < 1e-6
            && (low.ln() + high.ln() - 0.2).abs() < 1e-9
    );
    assert_eq!(Ratio::of(&[2.0]).unwrap().moves(), None);
    assert_eq!(
        (Ratio::of(&[1.5, 1.51]).unwrap().moves(), Ratio::of(&[0.9, 1.2]).unwrap().moves()),
        (Some(true), Some(false))
    );
    assert!(Ratio::of(&[]).is_none() && Summary::all(&[]).iter().all(|summary| summary.broken().is_none()));
}
