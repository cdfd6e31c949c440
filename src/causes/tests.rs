//! All causes on a short run: what must keep its bits does, what must move the loss does, and what is damaged is refused.

use crate::causes::measure::{Bench, Length, Outcome};
use crate::causes::resume;
use crate::causes::summary::{Ratio, Summary};
use crate::causes::table::{CAUSES, Kind};
use crate::device::cpu::Cpu;
use crate::report::causes::{Measured, broken, csv, json, markdown, terminal};
use crate::train::digits::Digits;
use crate::train::optimizer::Optimizer;
use crate::train::trainer::Settings;

const SHORT: Length = Length { before: 60, after: 3 };

fn measured(optimizer: Optimizer, seeds: u64) -> Measured {
    let (cpu, digits, folder) = (Cpu::with_threads(2).unwrap(), Digits::load(), tempfile::tempdir().unwrap());
    // The new process's part, in this one: the test of the command line starts a real one.
    let in_new_process = |path: &std::path::Path, steps| {
        let answer = folder.path().join("answer.json");
        resume::answer(&Cpu::with_threads(3).unwrap(), path, steps, &answer)?;
        resume::read(&answer)
    };
    let bench = Bench {
        device: &cpu,
        digits: &digits,
        settings: Settings::new(optimizer),
        length: SHORT,
        folder: folder.path(),
        in_new_process: &in_new_process,
    };
    let outcomes = (1..=seeds).flat_map(|seed| bench.measure(seed, &|| ()).unwrap()).collect();
    Measured {
        device: "a CPU".to_owned(),
        optimizer: optimizer.name().to_owned(),
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
        let measured = measured(optimizer, 1);
        assert_eq!(measured.outcomes.len(), CAUSES.len());
        assert_eq!(broken(&measured), Vec::<String>::new());
        let first = |cause| of(&measured, cause).first_difference;
        // At load only what evaluation sees; at the first step what only training does.
        for cause in [
            "evaluated in training mode",
            "running statistics lost",
            "epsilon 1e-3, not 1e-5",
            "output layer reset",
            "pixels read by columns",
            "statistics moved by evaluating",
        ] {
            assert_eq!(first(cause), Some(0), "{cause}");
        }
        for cause in
            ["optimizer state lost", "schedule starts again", "learning rate ×10", "dropout seeded anew"]
        {
            assert_eq!(first(cause), Some(1), "{cause}");
            assert_eq!(of(&measured, cause).max_ulp, Some(0), "{cause}");
        }
        let ratio = |cause| {
            let outcome = of(&measured, cause);
            outcome.loss_after.unwrap() / outcome.loss_before
        };
        assert!(ratio("output layer reset") > 5.0 && ratio("running statistics lost") > 1.01);
        assert!((ratio("parameters saved as f16") - 1.0).abs() < 0.01);
        assert!(of(&measured, "file truncated").refused.as_ref().unwrap().contains("truncated"));
        assert!(of(&measured, "one bit flipped").refused.as_ref().unwrap().contains("a bit flipped"));
    }
}

#[test]
fn reports_say_what_was_measured() {
    let mut measured = measured(Optimizer::Momentum, 2);
    for width in [60, 100, 120] {
        let text = terminal(&measured, width);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        assert!(CAUSES.iter().all(|cause| text.contains(cause.name)), "{text}");
    }
    let text = terminal(&measured, 120);
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(
        line("nothing forgotten").contains("never") && line("nothing forgotten").contains("same bits"),
        "{text}"
    );
    assert!(
        line("output layer reset").contains("% differ") && line("file truncated").contains("refused"),
        "{text}"
    );
    assert!(text.contains("of 19 causes move the loss") && !text.contains("BROKEN"), "{text}");
    assert_eq!(csv(&measured).unwrap().lines().count(), 1 + 2 * CAUSES.len());
    assert_eq!(markdown(&measured).lines().filter(|line| line.starts_with('|')).count(), 2 + CAUSES.len());
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
