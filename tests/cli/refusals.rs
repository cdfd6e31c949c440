//! Bad input: one line that names the thing and what helps, exit code 2, nothing printed, nothing left.

use crate::place::{Place, SMALL, workload};

#[test]
fn unknown_devices_name_those_there_are() {
    let place = Place::new();
    let known = "use auto, cpu, sim, cuda, cuda:N or cuda:all";
    for device in ["tpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:99999999999"] {
        place.refuses(&format!("run --device {device}"), &[&format!("\"{device}\""), known]);
        place.refuses(&format!("verify --device {device} --out checks"), &[&format!("\"{device}\""), known]);
    }
    assert_eq!(place.names("."), [""; 0]);
}

#[test]
fn a_machine_without_cuda_says_why_and_what_helps() {
    let place = Place::new();
    let env = place.done("env").stdout;
    // With a GPU there is nothing to see here: `cuda:0` is another row than `cuda`.
    let Some(reason) = env.lines().find_map(|line| line.trim_start().strip_prefix("cuda ")) else { return };
    for device in ["cuda", "cuda:0", "cuda:7", "cuda:all"] {
        place.refuses(&format!("run --device {device}"), &[reason.trim()]);
    }
    place.refuses("verify --device cuda --out checks", &[reason.trim()]);
    assert_eq!(place.names("."), [""; 0]);
    let auto = place.done(&format!("run --filter edge-1- {} --format csv", SMALL.replace("cpu", "auto")));
    let first = auto.stderr.lines().next().unwrap();
    assert!(first.contains("· cpu ·") && first.contains(reason.trim()), "{first}");
}

#[test]
fn unknown_values_of_flags_are_named_with_the_known_ones() {
    let place = Place::new();
    place.refuses("run --profile slow", &["'slow'", "--profile", "quick, full"]);
    place.refuses("run --format xml", &["'xml'", "--format", "table, md, csv, json"]);
    place.refuses("run --seed ten", &["'ten'", "--seed"]);
    place.refuses("run --executions many", &["'many'", "--executions"]);
    place.refuses("run --max-instructions 0.5", &["'0.5'", "--max-instructions", "such as 2500000"]);
    place.refuses("run --resume", &["a value is required for '--resume <DIR>'", "see --help"]);
    place.refuses("run --max_p 1%", &["'--max_p'", "; a similar argument exists: '--max-p'", "see --help"]);
    place.refuses("compare", &["required arguments", "<PATH>", "see --help"]);
    place.refuses("measure", &["'measure'", "see --help"]);
    place.refuses("run --device cpu --perturb repeat,lod", &["\"lod\"", "repeat, load"]);
    for empty in ["--perturb ,", "--perturb="] {
        place.refuses(&format!("run --device cpu {empty}"), &["unknown perturbation \"\"", "repeat, load"]);
    }
    assert_eq!(place.names("."), [""; 0]);
}

#[test]
fn flags_that_contradict_each_other_are_named() {
    let place = Place::new();
    for (one, other) in [
        ("--resume a", "--out b"),
        ("--max-p 1%", "--executions 9"),
        ("--workloads a.toml", "--weights b.safetensors"),
    ] {
        let names = [one, other].map(|flag| flag.split(' ').next().unwrap());
        let said = [names[0], names[1], "cannot be used with", "give only one of them"];
        place.refuses(&format!("run --device cpu --no-timing {one} {other}"), &said);
        place.refuses(&format!("run --device cpu --no-timing {other} {one}"), &said);
    }
    assert_eq!(place.names("."), [""; 0]);
}

#[test]
fn no_verb_is_answered_by_the_help() {
    let ended = Place::new().run("");
    assert!(ended.code == 2 && ended.stdout.is_empty(), "{ended:?}");
    assert!(ended.stderr.contains("Commands:") && ended.stderr.contains("compare"), "{ended:?}");
}

#[test]
fn too_few_executions_and_improbable_probabilities_are_refused() {
    let place = Place::new();
    for executions in ["0", "1"] {
        place
            .refuses(&format!("run --device cpu --executions {executions}"), &["--executions", "at least 2"]);
    }
    for p in ["0", "0%", "1", "100%", "250%", "-1", "abc", "%", "nan", "inf", "1e-9", "1%%"] {
        place.refuses(
            &format!("run --device cpu --max-p={p}"),
            &["--max-p", &format!("\"{p}\""), "such as 1%"],
        );
    }
    assert_eq!(place.names("."), [""; 0]);
}

#[test]
fn a_filter_that_is_wrong_or_matches_nothing_leaves_nothing_behind() {
    let place = Place::new();
    for (filter, problem) in [("(", "unclosed group"), ("*", "repetition"), ("a{9999}{9999}", "size limit")] {
        let named = format!("\"{filter}\"");
        place.refuses(
            &format!("run {SMALL} --filter {filter}"),
            &["--filter", &named, "not a regular expression", problem],
        );
    }
    assert_eq!(place.names("."), [""; 0]);
    place.refuses(
        &format!("run {SMALL} --filter no-such"),
        &["\"no-such\"", "matches nothing", "samebits list"],
    );
    place.refuses(&format!("run {SMALL} --filter no-such --out mine"), &["\"no-such\"", "samebits list"]);
    assert_eq!(place.names("."), [""; 0]);
}

#[test]
fn wrong_workload_files_are_named_with_the_place() {
    let place = Place::new();
    let good = workload("own", "n=8");
    let cases = [
        (good.replace("about", "abuot"), "line 8: unknown field `abuot`"),
        (good.replace("about = \"of a test\"", ""), "missing field `about`"),
        (good.replace("n=8", "n=0"), "\"own\": shape \"n=0\" has a zero extent; give at least 1"),
        (good.replace("n=8", "r=0;c=8"), "zero extent; give at least 1"),
        (good.replace("n=8", "n=18446744073709551615"), "overflows: more than 2^48 elements"),
        (good.replace("n=8", "n=18446744073709551616"), "extent below 2^64"),
        (good.replace("n=8", "r=4294967296;c=4294967296"), "overflows: more than 2^48 elements"),
        (good.replace("n=8", "n=-8"), "extent below 2^64"),
        (good.replace("n=8", "m=8"), "takes n=… or r=…;c=…"),
        (good.replace("f32", "f64"), "unknown dtype \"f64\"; known: f16, f32"),
        (good.replace("wide", "narrow"), "line 6: unknown variant `narrow`, expected one of `uniform`"),
        (good.replace("reduce", "sort"), "unknown operation \"sort\"; known: reduce"),
        (good.replace("seed = 7", "seed = -7"), "line 7"),
        (good.replace("seed = 7", "profiles = [\"slow\"]"), "line 7: unknown variant `slow`"),
        (good.repeat(2), "\"own\" is there twice"),
        ("n = = 8\n".to_owned(), "line 1"),
        (String::new(), "no [[workload]]"),
    ];
    for (text, said) in cases {
        place.write("own.toml", text);
        place.refuses(&format!("run {SMALL} --workloads own.toml"), &["own.toml", said]);
    }
    place.write("own.toml", b"\xff\xfe");
    place.refuses(&format!("run {SMALL} --workloads own.toml"), &["own.toml", "UTF-8"]);
    place.refuses(&format!("run {SMALL} --workloads none.toml"), &["none.toml", "No such file"]);
    place.refuses(&format!("run {SMALL} --workloads ."), &["workload file", "directory"]);
    assert_eq!(place.names("."), ["own.toml"]);
}

#[test]
fn an_explicit_folder_that_exists_or_cannot_be_made_is_refused() {
    let place = Place::new();
    std::fs::create_dir(place.path("folder")).unwrap();
    place.write("file", "mine");
    for there in ["folder", "file", "."] {
        place.refuses(
            &format!("run {SMALL} --out {there}"),
            &[&format!("{there}: "), "exists already", "another --out", "--resume"],
        );
    }
    place
        .refuses(&format!("run {SMALL} --out file/below"), &["file/below", "cannot make the results folder"]);
    assert_eq!(place.read("file"), "mine");
    assert_eq!(place.names("."), ["file", "folder"]);
    assert_eq!(place.names("folder"), [""; 0]);
}

#[test]
fn a_default_folder_that_cannot_be_made_is_a_warning() {
    let place = Place::new();
    place.write("results", "no folder");
    let ended = place.done(&format!("run {SMALL} --filter fixed_tree.edge-1-"));
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    for said in ["samebits: warning: results/", "not kept", "--out"] {
        assert!(ended.stderr.contains(said), "{said} is not in {ended:?}");
    }
    assert!(ended.stdout.contains("not kept") && ended.stdout.contains("fixed_tree"), "{ended:?}");
    assert!(!ended.stdout.contains("All rows:"), "{ended:?}");
    assert_eq!(place.read("results"), "no folder");
}

#[test]
fn only_what_this_machine_measured_is_gone_on_with() {
    let place = Place::new();
    let flags = format!("run {SMALL} --filter (fixed_tree|two_pass).edge-1-");
    place.done(&format!("{flags} --out mine"));
    let good = place.read("mine/measurements.csv");
    let row = place.rows("mine").remove(0);
    let cases = [
        (good.replacen("v_ermv,", "", 1), "column \"v_ermv\" is missing"),
        (good.replacen(",note\n", ",remark\n", 1), "column \"note\" is missing"),
        (good.replacen(",note\n", ",note,more\n", 1), "column \"more\" is unknown"),
        (good.replacen("schema,row_id", "row_id,schema", 1), "another order"),
        (
            good.replace("\n1,", "\n2,"),
            "line 2: schema 2 in place of 1; use the program version that wrote it",
        ),
        (good.replacen(",repeat,", ",repeatedly,", 1), "line 2: "),
        (good.replacen(",repeat,", ",", 1), "line 2: 52 columns in place of 53"),
        (good.replace(&row.environment, "0123456789ab"), "environment 0123456789ab"),
        ("a,b\n1,2\n".to_owned(), "not rows of schema 1"),
    ];
    for (bad, said) in cases {
        assert_ne!(bad, good, "{said}");
        place.write("mine/measurements.csv", &bad);
        place.refuses(&format!("{flags} --resume mine"), &["mine", said]);
        assert_eq!(place.read("mine/measurements.csv"), bad, "a file that was refused is left as it was");
    }
    std::fs::create_dir(place.path("other")).unwrap();
    place.write("other/notes.txt", "no rows");
    for folder in ["none", "other", "mine/environment.json"] {
        place.refuses(&format!("{flags} --resume {folder}"), &[folder, "cannot read the rows"]);
    }
    assert_eq!(place.names("other"), ["notes.txt"]);
    assert_eq!(place.names("."), ["mine", "other"]);
}

#[test]
fn a_name_of_two_lines_is_refused() {
    let place = Place::new();
    for name in ["a\\nb", "", "a\\tb"] {
        place.write("own.toml", workload(name, "n=8"));
        place.refuses(&format!("run {SMALL} --workloads own.toml"), &["own.toml", "name"]);
    }
}
