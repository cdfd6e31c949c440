//! What is told about the machine: enough to understand rows, nothing about who owns it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::place::{Ended, Place, SMALL};

/// What a machine might tell of its owner, planted where programs look for it.
const PLANTED: [(&str, &str); 4] = [
    ("HOSTNAME", "planted-host"),
    ("USER", "planted-user"),
    ("LOGNAME", "planted-login"),
    ("HOME", "/planted/home"),
];

/// What was planted, and the real host name where no text holds it by accident.
fn names() -> Vec<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut names: Vec<_> = PLANTED.iter().map(|(_, planted)| (*planted).to_owned()).collect();
    if !["localhost", "linux", "debian", "cpu", ""].contains(&host.trim().to_lowercase().as_str()) {
        names.push(host.trim().to_owned());
    }
    names
}

fn names_nobody(text: &str, place: &Place) {
    let words: BTreeSet<_> =
        text.split(|character: char| character.is_whitespace() || "\",()".contains(character)).collect();
    for name in names() {
        assert!(!words.contains(name.as_str()), "{name} in {text}");
    }
    let home = std::env::var("HOME").ok().filter(|home| home.len() > 3);
    let here = place.path("").to_str().unwrap().to_owned();
    for path in home.into_iter().chain([here, "/planted/home".to_owned()]) {
        assert!(!text.contains(&path), "{path} in {text}");
    }
}

#[test]
fn env_tells_the_machine_and_not_its_owner() {
    let place = Place::new();
    let Ended { code, stdout, stderr } = place.run_in(&place.path(""), "env", &PLANTED);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let labels: Vec<_> = stdout.lines().map(str::trim_start).collect();
    for label in [
        "samebits",
        "system",
        "kernel",
        "processor",
        "instructions",
        "cores",
        "memory",
        "free memory",
        "container",
        "kernels/reduce",
        "kernels/matmul",
        "kernels/contractible_fmad0",
        "kernels/contractible_fmad1",
        "kernels/batch_norm",
        "kernels/elementwise",
        "kernels/support",
        "cpu",
        "threads",
        "nominal multiprocessors",
        "cuda",
    ] {
        let found =
            labels.iter().filter_map(|line| line.strip_prefix(label)).any(|value| !value.trim().is_empty());
        assert!(found, "{label} is not in {stdout}");
    }
    names_nobody(&stdout, &place);
    assert_eq!(place.names("."), [""; 0]);
}

fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let Value::Object(fields) = value else { return };
    for (key, value) in fields {
        let path = format!("{path}{key}");
        keys(value, &format!("{path}."), found);
        found.insert(path);
    }
}

#[test]
fn environment_json_holds_an_allow_list() {
    let place = Place::new();
    place.run_in(&place.path(""), &format!("run {SMALL} --filter edge-1- --out mine"), &PLANTED);
    let text = place.read("mine/environment.json");
    let mut found = BTreeSet::new();
    keys(&serde_json::from_str(&text).unwrap(), "", &mut found);
    let allowed = [
        "schema",
        "samebits",
        "revision",
        "os",
        "kernel",
        "arch",
        "cpu",
        "cores",
        "cpu_features",
        "memory_bytes",
        "container",
        "devices",
        "kernels",
        "kernels.reduce",
        "kernels.matmul",
        "kernels.contractible_fmad0",
        "kernels.contractible_fmad1",
        "kernels.batch_norm",
        "kernels.elementwise",
        "kernels.support",
        "devices.cpu",
        "devices.cpu.name",
        "devices.cpu.uuid_salted",
        "devices.cpu.sm_count",
        "devices.cpu.threads",
        "devices.cpu.compute_capability",
        "devices.cpu.driver",
        "devices.cpu.cuda",
        "devices.cpu.memory_bytes",
        "devices.cpu.l2_bytes",
        "devices.cpu.ecc",
        "devices.cpu.mig",
        "devices.cpu.max_clock_mhz",
        "devices.cpu.shared",
    ];
    let allowed: BTreeSet<_> = allowed.into_iter().map(str::to_owned).collect();
    assert_eq!(
        found, allowed,
        "a field that is new here is public: no host name, user, path or serial number"
    );
    names_nobody(&text, &place);
    names_nobody(&place.read("mine/measurements.csv"), &place);
    names_nobody(&place.read("mine/samples.jsonl"), &place);
}
