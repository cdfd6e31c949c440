//! Captures made here: a batch-norm between two layers, with what a test changes.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::checkpoint::fixture::{Given, f32s, raw, write};
use crate::checkpoint::{Checkpoint, Element};
use crate::diff::diff;
use crate::diff::model::Diff;
use crate::error::Result;

/// What is written.
pub struct Synthetic {
    pub metadata: BTreeMap<String, Value>,
    pub tensors: BTreeMap<String, (Element, Vec<usize>, Vec<u8>)>,
}

impl Synthetic {
    /// A model of `first`, `norm` and `last` in evaluation mode, with a batch of 6 rows of 4.
    pub fn new() -> Self {
        let module = |name: &str, class: &str| json!({"name": name, "type": class, "training": false});
        let norm = json!({"name": "norm", "type": "BatchNorm1d", "training": false, "momentum": 0.1, "eps": 1e-5,
            "track_running_stats": true});
        let activation = |number: usize, name: &str, class: &str| {
            let key = if name.is_empty() { "(model)" } else { name };
            json!({"key": format!("activation/{number:06}/{key}"), "module": name, "type": class})
        };
        let metadata = [
            ("samebits_capture", json!("1")),
            (
                "modules",
                json!([module("", "Net"), module("first", "Linear"), norm, module("last", "Linear")]),
            ),
            ("generators", json!({"python": "aa", "torch_cpu": "bb"})),
            ("backend", json!({"torch.backends.cudnn.benchmark": false})),
            ("versions", json!({"torch": "2.15.0"})),
            (
                "activations",
                json!([
                    activation(0, "first", "Linear"),
                    activation(1, "norm", "BatchNorm1d"),
                    activation(2, "last", "Linear"),
                    activation(3, "", "Net"),
                ]),
            ),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into();
        let mut made = Self { metadata, tensors: BTreeMap::new() };
        for (name, shape, start) in [
            ("parameter/first.weight", &[3, 4][..], 1),
            ("parameter/norm.weight", &[3], 2),
            ("parameter/last.weight", &[2, 3], 3),
            ("buffer/norm.running_mean", &[3], 4),
            ("buffer/norm.running_var", &[3], 5),
            ("input/x", &[6, 4], 6),
            ("input/target", &[6, 2], 7),
            ("activation/000000/first", &[6, 3], 8),
            ("activation/000001/norm", &[6, 3], 9),
            ("activation/000002/last", &[6, 2], 10),
            ("activation/000003/(model)", &[6, 2], 10),
        ] {
            let count = shape.iter().product();
            made.set(name, shape, &numbers(start, count));
        }
        made.integers("buffer/norm.num_batches_tracked", &[], &[12]);
        made
    }

    /// Puts f32 in place of a tensor.
    pub fn set(&mut self, name: &str, shape: &[usize], values: &[f32]) -> &mut Self {
        let Given { element, shape, bytes, .. } = f32s(name, shape, values.iter().copied());
        self.tensors.insert(name.to_owned(), (element, shape, bytes));
        self
    }

    /// Puts i64 in place of a tensor.
    pub fn integers(&mut self, name: &str, shape: &[usize], values: &[i64]) -> &mut Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.insert(name.to_owned(), (Element::I64, shape.to_vec(), bytes));
        self
    }

    /// Changes every f32 of a tensor.
    pub fn map(&mut self, name: &str, change: impl Fn(usize, f32) -> f32) -> &mut Self {
        let (_, _, bytes) = self.tensors.get_mut(name).unwrap();
        let values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        *bytes = values.enumerate().flat_map(|(index, value)| change(index, value).to_le_bytes()).collect();
        self
    }

    /// Makes activations differ from the `from`th on, by far.
    pub fn differ_from(&mut self, from: usize) -> &mut Self {
        let names: Vec<String> =
            self.tensors.keys().filter(|name| name.starts_with("activation/")).skip(from).cloned().collect();
        for name in names {
            self.map(&name, |_, value| value * 1.5 + 0.25);
        }
        self
    }

    /// Puts all modules into training mode.
    pub fn train(&mut self) -> &mut Self {
        for module in self.metadata.get_mut("modules").unwrap().as_array_mut().unwrap() {
            module["training"] = true.into();
        }
        self
    }

    /// Sets a key of the metadata.
    pub fn say(&mut self, key: &str, value: Value) -> &mut Self {
        self.metadata.insert(key.to_owned(), value);
        self
    }

    /// The file, opened.
    pub fn open(&self) -> Checkpoint {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let metadata = self.metadata.iter().map(|(key, value)| (key.clone(), text(value)));
        let tensors: Vec<Given> = self
            .tensors
            .iter()
            .map(|(name, (element, shape, bytes))| raw(name, *element, shape, bytes.clone()))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capture.safetensors");
        Checkpoint::open(&write(&path, &tensors, Some(metadata.collect::<HashMap<_, _>>()))).unwrap()
    }
}

/// Numbers without a pattern, between 0.5 and 2.
pub fn numbers(start: u32, count: usize) -> Vec<f32> {
    let mut state = start.wrapping_mul(2_654_435_761).wrapping_add(97);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        0.5 + 1.5 * (state >> 8) as f32 / (1 << 24) as f32
    };
    (0..count).map(|_| next()).collect()
}

/// What is found when AFTER is changed.
pub fn changed(change: impl FnOnce(&mut Synthetic)) -> Diff {
    both(|_| (), change).unwrap()
}

/// What is found when both are changed.
pub fn both(before: impl FnOnce(&mut Synthetic), after: impl FnOnce(&mut Synthetic)) -> Result<Diff> {
    let (mut a, mut b) = (Synthetic::new(), Synthetic::new());
    before(&mut a);
    after(&mut b);
    diff(&a.open(), &b.open(), &|_| ())
}

/// The kind of the first cause.
pub fn kind(found: &Diff) -> &'static str {
    found.causes.first().map_or("", |cause| cause.kind)
}
