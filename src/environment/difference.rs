//! What tells two environments apart, in words: a hash says only that they differ.

use std::collections::BTreeSet;

use serde_json::Value;

/// The fields in words, the most telling first.
const FIELDS: [(&str, &str); 13] = [
    (DEVICES, "devices"),
    ("samebits", "the program's version"),
    ("revision", "the program's revision"),
    (KERNELS, "kernels"),
    ("schema", "the schema of environment.json"),
    ("cpu", "the processor"),
    ("cores", "cores"),
    ("arch", "the instruction set"),
    ("cpu_features", "vector instructions"),
    ("os", "the operating system"),
    ("kernel", "the system's kernel"),
    ("memory_bytes", "bytes of memory"),
    ("container", "in a container"),
];
const DEVICES: &str = "devices";
const KERNELS: &str = "kernels";

/// The facts about a device in words; those that are not here have their own name.
const FACTS: [(&str, &str); 12] = [
    ("name", "the product"),
    ("uuid_salted", "the hash of the UUID"),
    ("sm_count", "multiprocessors"),
    ("compute_capability", "the compute capability"),
    ("driver", "the driver"),
    ("cuda", "CUDA of the driver"),
    ("memory_bytes", "bytes of memory"),
    ("l2_bytes", "bytes of second-level cache"),
    ("ecc", "error correction"),
    ("mig", "a MIG instance"),
    ("max_clock_mhz", "the highest clock in MHz"),
    ("shared", "--shared"),
];

/// What differs between the content of one `environment.json` and of another, with both values:
/// `the driver of cuda:0 (550.1 there, 560.2 here)`.
pub fn differences(there: &Value, here: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let others = keys(there, here).into_iter().filter(|key| in_words(&FIELDS, key).is_none());
    for field in FIELDS.iter().map(|(field, _)| *field).chain(others) {
        let (there, here) = (&there[field], &here[field]);
        let label = in_words(&FIELDS, field).unwrap_or(field);
        match field {
            DEVICES => of_devices(there, here, &mut found),
            KERNELS => keys(there, here).into_iter().for_each(|name| {
                compare(&format!("the PTX of kernels/{name}"), &there[name], &here[name], &mut found);
            }),
            _ => compare(label, there, here, &mut found),
        }
    }
    found
}

fn of_devices(there: &Value, here: &Value, found: &mut Vec<String>) {
    let names = |value: &Value| Value::from(keys(value, &Value::Null).into_iter().collect::<Vec<_>>());
    compare("the device", &names(there), &names(here), found);
    for device in keys(there, here) {
        let (there, here) = (&there[device], &here[device]);
        if there.is_null() || here.is_null() {
            continue;
        }
        for fact in keys(there, here) {
            let label = in_words(&FACTS, fact).unwrap_or(fact);
            compare(&format!("{label} of {device}"), &there[fact], &here[fact], found);
        }
    }
}

fn in_words(words: &[(&str, &'static str)], field: &str) -> Option<&'static str> {
    words.iter().find(|(known, _)| *known == field).map(|(_, words)| *words)
}

/// The keys of both, if they are objects.
fn keys<'a>(there: &'a Value, here: &'a Value) -> BTreeSet<&'a str> {
    [there, here]
        .into_iter()
        .filter_map(Value::as_object)
        .flat_map(|o| o.keys().map(String::as_str))
        .collect()
}

fn compare(label: &str, there: &Value, here: &Value, found: &mut Vec<String>) {
    if there != here {
        found.push(format!("{label} ({} there, {} here)", text(there), text(here)));
    }
}

/// A value for people, without what would end the line.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "unknown".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.replace(char::is_control, " "),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::environment::Environment;

    #[test]
    fn what_differs_is_named_with_both_values_and_the_most_telling_first() {
        let here = json!({
            "samebits": "0.2.0", "cores": 2, "cpu_features": ["avx2", "fma"], "container": true, "os": null,
            "devices": {"cuda:0": {"name": "A", "driver": "550", "ecc": true, "shared": false}},
            "kernels": {"reduce": "1a", "matmul": "2b"}
        });
        let there = json!({
            "samebits": "0.1.0", "cores": 4, "cpu_features": [], "container": true, "os": "Other\nOS",
            "devices": {"cuda:0": {"name": "A", "driver": "560", "ecc": false, "shared": true}},
            "kernels": {"reduce": "1a", "matmul": "3c", "older": "4d"}, "new": 1
        });
        assert_eq!(
            differences(&there, &here),
            [
                "the driver of cuda:0 (560 there, 550 here)",
                "error correction of cuda:0 (no there, yes here)",
                "--shared of cuda:0 (yes there, no here)",
                "the program's version (0.1.0 there, 0.2.0 here)",
                "the PTX of kernels/matmul (3c there, 2b here)",
                "the PTX of kernels/older (4d there, unknown here)",
                "cores (4 there, 2 here)",
                "vector instructions (none there, avx2 fma here)",
                "the operating system (Other OS there, unknown here)",
                "new (1 there, unknown here)",
            ]
        );
        assert_eq!(differences(&here, &here), [""; 0]);
    }

    #[test]
    fn another_device_is_named_as_such() {
        let [there, here] = ["cpu", "sim"].map(|device| json!({"devices": {device: {"name": device}}}));
        assert_eq!(differences(&there, &here), ["the device (cpu there, sim here)"]);
    }

    #[test]
    fn every_field_has_its_words() {
        let environment: Value = serde_json::from_str(&Environment::collect(&[]).to_json()).unwrap();
        let fields: BTreeSet<&str> = FIELDS.iter().map(|(field, _)| *field).collect();
        assert_eq!(keys(&environment, &Value::Null), fields);
    }
}
