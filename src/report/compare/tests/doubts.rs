//! Warnings: each where there is reason for it, with its remedy, and nowhere else; and names that are hostile.

use super::*;
use crate::environment::{Recorded, RecordedDevice};
use crate::report::compare::choice::{Choice, LinesAre, Surroundings};
use crate::report::compare::json;

/// What the three environments are, all alike.
fn around() -> Surroundings {
    let recorded = (0..3).map(|device| {
        let (name, _) = KINDS[device];
        let driver = (name != "cpu").then(|| "550.54".to_owned());
        let cuda = driver.as_ref().map(|_| "12.4".to_owned());
        let facts = RecordedDevice { driver, cuda, shared: Some(false) };
        let recorded = Recorded {
            samebits: Some("0.1.0".to_owned()),
            revision: Some("abc".to_owned()),
            devices: [(name.to_owned(), facts)].into(),
        };
        (format!("{device}{device}{device}a5b6c7d8e9"), recorded)
    });
    Surroundings { recorded: recorded.collect(), ..Surroundings::default() }
}

fn warned(rows: &[Measurement], around: &Surroundings) -> Vec<String> {
    let comparison = Comparison::with(rows, Choice::default(), around).unwrap();
    comparison.warnings.iter().map(|warning| warning.sentence()).collect()
}

/// The only warning of rows and surroundings.
fn only(rows: &[Measurement], around: &Surroundings) -> String {
    let warnings = warned(rows, around);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    warnings.into_iter().next().unwrap()
}

#[test]
fn nothing_is_warned_of_where_all_is_alike() {
    assert_eq!(warned(&fleet(), &around()), [""; 0]);
}

#[test]
fn drivers_and_programs_that_differ_are_told_with_who_has_which() {
    let mut drivers = around();
    let device = |around: &mut Surroundings, change: &dyn Fn(&mut RecordedDevice)| {
        change(around.recorded.get_mut("111a5b6c7d8e9").unwrap().devices.get_mut("cuda:0").unwrap());
    };
    device(&mut drivers, &|facts| facts.driver = Some("535.1".to_owned()));
    assert_eq!(
        only(&fleet(), &drivers),
        "Warning: the driver and its CUDA differs: 535.1 (CUDA 12.4) on NVIDIA L4; 550.54 (CUDA 12.4) on NVIDIA H200: \
         install one driver everywhere, or read differences as those of GPU and driver together."
    );
    let mut toolkits = around();
    device(&mut toolkits, &|facts| facts.cuda = Some("12.2".to_owned()));
    assert!(only(&fleet(), &toolkits).contains("550.54 (CUDA 12.2) on NVIDIA L4"));
    let mut programs = around();
    programs.recorded.get_mut("222a5b6c7d8e9").unwrap().revision = Some("def".to_owned());
    assert_eq!(
        only(&fleet(), &programs),
        "Warning: the program differs: 0.1.0 (abc) on NVIDIA H200 and NVIDIA L4; 0.1.0 (def) on Intel Xeon Processor, 2 \
         cores: measure everywhere with one version of samebits before you conclude from bits or times."
    );
}

#[test]
fn toolkits_that_compiled_again_are_compared() {
    let compiled = |versions: [&str; 2]| {
        let mut rows = fleet();
        for (device, version) in versions.into_iter().enumerate() {
            let mut again = row("fixed_tree", Guarantee::GpuToGpu, Perturbation::ReloadRecompile);
            observe(&mut again, 0, 0);
            again.variant = format!("nvrtc={version}");
            rows.extend(from(vec![again], device, "tree"));
        }
        warned(&rows, &around())
    };
    assert_eq!(compiled(["12.0;compiler=same", "12.0"]), [""; 0]);
    assert_eq!(
        compiled(["12.0;compiler=same", "13.5"]),
        [
            "Warning: the toolkit under reload:recompile differs: nvrtc=12.0 on NVIDIA H200; nvrtc=13.5 on NVIDIA L4: name the \
          same NVRTC everywhere (SAMEBITS_NVRTC) and measure again."
        ]
    );
}

#[test]
fn what_is_not_known_is_told_once() {
    let mut some = around();
    some.recorded.remove("000a5b6c7d8e9");
    some.recorded.remove("111a5b6c7d8e9");
    assert_eq!(
        only(&fleet(), &some),
        "Warning: no environment.json tells the driver and the program's version of NVIDIA H200 and NVIDIA L4: keep it \
         beside measurements.csv when you copy results."
    );
    let mut unread = around();
    unread.unread.push("x/environment.json: damaged\u{1b}[2J".to_owned());
    assert_eq!(only(&fleet(), &unread), r"Warning: x/environment.json: damaged\u{1b}[2J: it is not used.");
}

#[test]
fn rows_of_another_kernel_are_named_with_the_command_that_measures_them_again() {
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.device_kind == "NVIDIA L4" && row.algorithm != "fixed_tree") {
        row.kernel = "9001".to_owned();
    }
    // The L4's rows are newer, so that those of the H200 are of an older kernel.
    assert_eq!(
        only(&rows, &around()),
        "Warning: 6 rows on NVIDIA H200 are of another version of their kernels or program than this program has, or \
         than the newest rows (reduce/atomic_block, reduce/ticket and reduce/two_pass): measure them again there with \
         the same version: samebits run --device cuda:0 --filter \
         '^(reduce/atomic_block|reduce/ticket|reduce/two_pass) '."
    );
    // This program's kernels are those of the H200: then the L4's are the others.
    let mut carried = around();
    for algorithm in ["two_pass", "ticket", "atomic_block", "fixed_tree", "atomic_element"] {
        let key = ["reduce", algorithm, ""].map(str::to_owned);
        carried.carried.insert(key, "9000".to_owned());
    }
    assert!(only(&rows, &carried).starts_with("Warning: 6 rows on NVIDIA L4 are of another version"));
    assert_eq!(warned(&fleet(), &carried), [""; 0]);
    // An older row in the same column.
    let mut rows = fleet();
    let is_it = |row: &&mut Measurement| row.device_kind == "NVIDIA H200" && row.dtype == Dtype::F16;
    for row in rows.iter_mut().filter(is_it) {
        row.kernel = "8999".to_owned();
    }
    assert!(only(&rows, &around()).starts_with("Warning: 4 rows on NVIDIA H200 are of another version"));
}

#[test]
fn versions_of_others_code_are_compared_too() {
    let mut rows = fleet();
    for (device, kernel) in [(1, "new"), (2, "old")] {
        let mut torch =
            from(by(pair("sum", Guarantee::NotGuaranteed, [0, 0], 900), "torch", "threads=2"), device, "t");
        torch.iter_mut().for_each(|row| row.device = "cpu".to_owned());
        torch.iter_mut().for_each(|row| row.kernel = kernel.to_owned());
        if kernel == "old" {
            torch.iter_mut().for_each(|row| row.timestamp = "2025-01-01T00:00:00Z".to_owned());
        }
        rows.extend(torch);
    }
    let told = warned(&rows, &around()).join("\n");
    assert!(
        told.contains("1 row on Intel Xeon Processor, 2 cores is of another version of torch than"),
        "{told}"
    );
    assert!(told.contains("samebits run --device cpu --peer torch --filter '^(reduce/sum) '"), "{told}");
}

#[test]
fn other_machine_code_on_one_kind_of_device_is_told() {
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.device != "cpu") {
        row.device_kind = "NVIDIA H200".to_owned();
        row.cubin = row.environment.clone();
    }
    let told = warned(&rows, &around()).join("\n");
    assert!(
        told.contains("algorithms have other machine code of the same kernel on NVIDIA H200 cuda:0 000"),
        "{told}"
    );
    // On other kinds of device it must be other code.
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.device != "cpu") {
        row.cubin = row.environment.clone();
    }
    assert_eq!(warned(&rows, &around()), [""; 0]);
}

#[test]
fn throttled_shared_and_noisy_times_are_told() {
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.device_kind == "NVIDIA L4" && row.median_ns.is_some()) {
        row.throttled = Some(2);
    }
    assert_eq!(
        only(&rows, &around()),
        "Warning: the clock of NVIDIA L4 was throttled during 8 timings, and 16 samples were thrown away: cool the \
         device or lower its power limit or clock (nvidia-smi -pl, -lgc) and measure again."
    );
    let mut rows = fleet();
    rows.iter_mut().filter(|row| row.device == "cpu").for_each(|row| row.remark("shared"));
    let expected = "Warning: others may have used Intel Xeon Processor, 2 cores during the run (--shared)";
    assert!(only(&rows, &around()).starts_with(expected));
    let mut recorded = around();
    let facts = recorded.recorded.get_mut("222a5b6c7d8e9").unwrap().devices.get_mut("cpu").unwrap();
    facts.shared = Some(true);
    assert!(only(&fleet(), &recorded).starts_with(expected));
    let mut rows = fleet();
    rows.iter_mut().filter(|row| row.algorithm == "ticket").for_each(|row| row.remark("noisy"));
    assert!(only(&rows, &around()).starts_with("Warning: 6 of 24 times are noisy"));
}

#[test]
fn names_are_harmless_in_every_renderer_and_choice() {
    let hostile = "=cmd|'/c calc'!A1 \u{1b}[31m\u{9b}2J\u{202e}|a|<b>\t[x](y)\n@";
    let mut rows = fleet();
    for row in rows.iter_mut().filter(|row| row.device_kind == "NVIDIA L4") {
        row.device_kind = hostile.to_owned();
        row.environment = format!("+{hostile}");
        row.run_id = format!("-{hostile}");
        row.kernel = format!("@{hostile}");
        row.note = format!("\t{hostile}");
        if row.algorithm == "ticket" {
            row.algorithm = format!("\r{hostile}");
            row.throughput_unit = format!("={hostile}");
            observe(row, 1, 1);
            row.guarantee = Guarantee::RunToRun;
        }
    }
    for row in rows.iter_mut().filter(|row| row.device == "cpu") {
        row.operation = format!("={hostile}");
    }
    let mut around = around();
    around.unread.push(hostile.to_owned());
    for lines in [LinesAre::Algorithm, LinesAre::Device] {
        for (rank, baseline) in
            [(false, None), (true, None), (false, Some("reduce/two_pass")), (false, Some("!A1"))]
        {
            let baseline = baseline.map(str::to_owned);
            let choice = Choice { lines, rank, baseline, all: true, ..Choice::default() };
            let comparison = Comparison::with(&rows, choice, &around).unwrap();
            let csv = csv::render(&comparison).unwrap();
            let markdown = markdown::render(&comparison);
            let shown = render(&comparison, Options { width: 150, colour: false });
            for output in [&shown, &markdown, &csv, &json::render(&comparison)] {
                let bad = |character: char| character != '\n' && crate::report::words::is_hidden(character);
                assert!(!output.contains(bad), "{output}");
            }
            let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
            for record in reader.records().map(Result::unwrap) {
                for field in &record {
                    let is_number = field.parse::<f64>().is_ok();
                    assert!(is_number || !field.starts_with(['=', '+', '-', '@', '\t', '\r']), "{field}");
                }
            }
            // Commands stand between fences, where nothing is Markdown.
            for line in markdown.lines().filter(|line| !line.starts_with("samebits ")) {
                assert!(!line.contains("<b>") && !line.contains("[x]("), "{line}");
                let pipes = line.replace(r"\|", "").matches('|').count();
                assert!(!line.starts_with('|') || (line.ends_with('|') && pipes > 1), "{line}");
            }
        }
    }
}
