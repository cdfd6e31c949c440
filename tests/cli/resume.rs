//! What `--resume` measures, and which folders it refuses: rows of one folder are of one machine, one program,
//! and of one workload by each name.

use samebits::measurement::REFERENCE;
use samebits::verdict::Verdict;
use serde_json::{Value, json};

use crate::place::{Place, SMALL, workload};

/// The files of a results folder.
fn files(place: &Place, results: &str) -> [String; 3] {
    ["environment.json", "measurements.csv", "samples.jsonl"]
        .map(|name| place.read(&format!("{results}/{name}")))
}

#[test]
fn a_whole_run_has_nothing_left_whatever_its_flags_were() {
    let place = Place::new();
    place.write("own.toml", workload("huge", "n=35184372088832") + &workload("small", "n=64"));
    let norm = |name, shape| workload(name, shape).replace("reduce", "batch_norm");
    place.write("huge.toml", norm("huge", "n=65536;c=65536;h=32;w=32"));
    place.write("norm.toml", norm("norm", "n=2;c=3;h=9;w=9"));
    let cases = [
        "--device cpu --no-timing --filter edge-",
        "--device cpu --filter fixed_tree.edge-1-",
        "--device cpu --no-timing --filter two_pass.edge-1- --profile full",
        "--device cpu --no-timing --filter fixed_tree.edge-1- --seed 9 --perturb load --shared",
        "--device cpu --no-timing --workloads own.toml",
        "--device sim --filter fixed_tree.edge-1-",
        // Skipped as a whole, with the rows of gaps and of every strength of load.
        "--device cpu --no-timing --workloads huge.toml",
        "--device cpu --no-timing --workloads huge.toml --profile full",
        "--device sim --workloads huge.toml --perturb repeat,load,reload --profile full",
        "--device sim --workloads norm.toml --perturb repeat,load,reload:recompile --max-instructions 10",
        "--device sim --workloads norm.toml --perturb repeat,load --profile full",
    ];
    for (number, flags) in cases.iter().enumerate() {
        let results = format!("whole-{number}");
        place.done(&format!("run {flags} --executions 3 --out {results}"));
        let before = files(&place, &results);
        // Nobody would see the end of a single row.
        let endless = format!("run {flags} --executions 1000000000000000 --resume {results}");
        let stdout = place.done(&endless).stdout;
        assert!(stdout.contains("· nothing is left to measure ·"), "{flags}: {stdout}");
        assert_eq!(files(&place, &results), before, "{flags}");
    }
}

#[test]
fn only_what_is_missing_is_measured() {
    let place = Place::new();
    place.done(&format!("run {SMALL} --filter fixed_tree.edge-1- --out mine"));
    let before = place.read("mine/measurements.csv");
    let more = format!("run {SMALL} --filter (fixed_tree|two_pass).edge-1- --resume mine");
    let stdout = place.done(&more).stdout;
    assert!(stdout.contains("· 1 workload · 1 algorithm ·"), "{stdout}");
    let rows = place.rows("mine");
    assert!(place.read("mine/measurements.csv").starts_with(&before));
    assert_eq!(rows.len(), 4);
    assert!(rows[2..].iter().all(|row| row.algorithm == "two_pass"), "{rows:?}");
}

#[test]
fn a_folder_that_another_run_writes_to_is_left_alone() {
    let place = Place::new();
    place.write("own.toml", workload("small", "n=64"));
    let flags = "--device cpu --no-timing --workloads own.toml --filter fixed_tree --perturb repeat";
    let mut child = place.start(&format!("run {flags} --executions 1000000000000000 --out mine"));
    child.wait_for(|| place.path("mine/measurements.csv").exists());
    let before = files(&place, "mine");
    place.refuses(&format!("run {flags} --resume mine"), &["mine", "another run is writing to it", "--out"]);
    assert_eq!(files(&place, "mine"), before);
    child.send("-KILL");
    child.ended();
    place.done(&format!("run {flags} --executions 3 --resume mine"));
    assert_eq!(place.rows("mine").len(), 1);
}

#[test]
fn gaps_of_what_is_too_large_are_skipped_with_the_reason() {
    let place = Place::new();
    place.write("own.toml", workload("norm", "n=2;c=3;h=9;w=9").replace("reduce", "batch_norm"));
    let flags = "run --device sim --executions 2 --workloads own.toml --perturb repeat";
    // From where nothing is executed to where everything is: somewhere between, one way is too large.
    let mut partly = 0;
    for limit in [10, 100_000, 200_000, 300_000, 400_000, 600_000, 1_000_000] {
        let results = format!("limit-{limit}");
        let flags = format!("{flags} --max-instructions {limit}");
        place.done(&format!("{flags} --out {results}"));
        let rows = place.rows(&results);
        let of = |name: &str| rows.iter().find(|row| row.algorithm == name && row.gap().is_none()).unwrap();
        let gaps: Vec<_> = rows.iter().filter(|row| row.gap().is_some()).collect();
        assert_eq!(gaps.len(), 3, "{limit}");
        for row in &gaps {
            let against = row.gap().unwrap().against;
            let ways = [Some(of(&row.algorithm)), (against != REFERENCE).then(|| of(against))];
            let too_large = ways.into_iter().flatten().find(|way| way.verdict == Verdict::Skipped);
            match too_large {
                Some(way) => assert_eq!((row.verdict, &row.note), (Verdict::Skipped, &way.note)),
                None => assert!(row.is_observed(), "{row:?}"),
            }
        }
        let skipped = gaps.iter().filter(|row| row.verdict == Verdict::Skipped).count();
        partly += usize::from((1..3).contains(&skipped));
        let stdout = place.done(&format!("{flags} --resume {results}")).stdout;
        assert!(stdout.contains("nothing is left to measure"), "{limit}: {stdout}");
        assert_eq!(place.rows(&results), rows, "{limit}");
    }
    assert!(partly > 0, "no limit lies between the ways");
}

/// Fields of `environment.json` with other values.
type Changes<'a> = &'a [(&'a str, Value)];

#[test]
fn a_folder_of_another_environment_is_refused_by_what_differs() {
    let place = Place::new();
    let flags = format!("run {SMALL} --filter fixed_tree.edge-1-");
    place.done(&format!("{flags} --out mine"));
    let rows = place.read("mine/measurements.csv");
    let here: Value = serde_json::from_str(&place.read("mine/environment.json")).unwrap();
    let cases: [(Changes<'_>, &[&str]); 5] = [
        (&[("/samebits", json!("0.0.9"))], &["the program's version (0.0.9 there, 0."]),
        (&[("/devices/cpu/threads", json!(999))], &["threads of cpu (999 there, "]),
        (&[("/kernels/reduce", json!("0123456789ab"))], &["the PTX of kernels/reduce (0123456789ab there, "]),
        (&[("/schema", json!(2))], &["the schema of environment.json (2 there, 1 here)"]),
        (
            &[
                ("/devices/cpu/name", json!("Other")),
                ("/revision", json!("0123456")),
                ("/cores", json!(999)),
                ("/cpu", json!("Other")),
                ("/os", json!("Other\nOS")),
            ],
            &[
                "the product of cpu (Other there, ",
                "the program's revision (0123456 there, ",
                " and 2 more; ",
            ],
        ),
    ];
    for (changes, said) in cases {
        let mut there = here.clone();
        for (field, value) in changes {
            *there.pointer_mut(field).unwrap() = value.clone();
        }
        place.write("mine/environment.json", there.to_string());
        let said = [said, &["mine: measured in another environment: ", "a new run with --out"]].concat();
        place.refuses(&format!("{flags} --resume mine"), &said);
        assert_eq!(place.read("mine/environment.json"), there.to_string());
    }
    for broken in ["", "{\"schema\": 1", "[]", "\u{1}"] {
        place.write("mine/environment.json", broken);
        let said = ["mine/environment.json: not the JSON", "put it back", "--out"];
        place.refuses(&format!("{flags} --resume mine"), &said);
    }
    std::fs::remove_file(place.path("mine/environment.json")).unwrap();
    let said = ["mine/environment.json: cannot read what the rows were measured in", "put it back", "--out"];
    place.refuses(&format!("{flags} --resume mine"), &said);
    assert_eq!(place.read("mine/measurements.csv"), rows);
}

#[test]
fn a_folder_of_another_device_is_refused() {
    let place = Place::new();
    let flags = format!("run {SMALL} --filter fixed_tree.edge-1-");
    place.done(&format!("{flags} --out mine"));
    let sim = flags.replace("--device cpu", "--device sim");
    place.refuses(&format!("{sim} --resume mine"), &["mine: ", "the device (cpu there, sim here); "]);
}

#[test]
fn other_workloads_by_the_same_names_are_refused_and_other_names_and_executions_are_not() {
    let place = Place::new();
    let flags = format!("run {SMALL} --workloads own.toml --filter fixed_tree|inference");
    let norm = workload("norm", "n=2;c=3;h=2;w=2").replace("reduce", "batch_norm");
    let set = |text: &str| norm.replace("about", &format!("setting = \"{text}\"\nabout"));
    let good = workload("own", "n=8") + &set("epsilon=0.5");
    place.write("own.toml", &good);
    place.done(&format!("{flags} --out mine"));
    let rows = place.read("mine/measurements.csv");

    place.refuses(
        &format!("{flags} --seed 8 --resume mine"),
        &["mine: workload \"own\" has seed 7 in its rows, and 8 by these flags; give the flags of that run"],
    );
    let cases = [
        (good.replace("n=8", "n=9"), "\"own\" has shape n=8 in its rows, and n=9 by"),
        (
            good.replace("n=8\"\ndtype = \"f32", "n=8\"\ndtype = \"f16"),
            "has dtype f32 in its rows, and f16 by",
        ),
        (good.replace("wide", "normal"), "has input wide in its rows, and normal by"),
        (good.replace("seed = 7", "seed = 70"), "has seed 7 in its rows, and 70 by"),
        (
            workload("own", "n=8") + &set("epsilon=0.25"),
            "\"epsilon=0.5\" in its rows, and \"epsilon=0.25\" by",
        ),
        (workload("own", "n=8") + &norm, "has setting \"epsilon=0.5\" in its rows, and \"\" by"),
        (workload("norm", "n=8"), "\"norm\" has operation batch_norm in its rows, and reduce by"),
    ];
    for (other, said) in cases {
        place.write("own.toml", &other);
        place.refuses(&format!("{flags} --resume mine"), &["mine: workload ", said, "a new one with --out"]);
        assert_eq!(place.read("mine/measurements.csv"), rows);
    }

    place.write("own.toml", good + &workload("another", "n=9"));
    let ended =
        place.done(&format!("{flags} --executions 5 --resume mine").replacen("--executions 3 ", "", 1));
    assert!(ended.stdout.contains("· 1 workload · 1 algorithm ·"), "{ended:?}");
    let comparisons = |name: &str| {
        let of_it = place.rows("mine").into_iter().filter(|row| row.workload == name);
        of_it.map(|row| row.comparisons).collect::<Vec<_>>()
    };
    assert_eq!((comparisons("own"), comparisons("another")), (vec![Some(2); 2], vec![Some(4); 2]));
}

/// A `.safetensors` file with a vector of f32.
fn weights(values: &[f32]) -> Vec<u8> {
    let end = values.len() * 4;
    let header =
        format!("{{\"w\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[0,{end}]}}}}", values.len());
    let length = (header.len() as u64).to_le_bytes();
    let values = values.iter().flat_map(|value| value.to_le_bytes());
    length.into_iter().chain(header.into_bytes()).chain(values).collect()
}

#[test]
fn another_tensor_by_the_same_name_is_refused() {
    let place = Place::new();
    let flags = format!("run {SMALL} --weights w.safetensors --filter fixed_tree");
    place.write("w.safetensors", weights(&[1.0, 2.0, 3.0]));
    place.done(&format!("{flags} --out mine"));
    place.done(&format!("{flags} --resume mine"));
    place.write("w.safetensors", weights(&[1.0, 2.0, 3.5]));
    place.refuses(
        &format!("{flags} --resume mine"),
        &["mine: workload \"reduce of w\" has inputs of digest ", "--out"],
    );
}
