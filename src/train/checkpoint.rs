//! Checkpoints of a run: a `.safetensors` file with every part of the state, and in its metadata what made it and
//! a checksum per tensor. A file is written beside its place, synced and renamed, so that whoever reads finds the
//! old one or the new one. Nothing is loaded by half: a state is handed out when all of it was checked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use crate::checkpoint::{Checkpoint, Element, on_one_line, shown};
use crate::error::{Error, Result};
use crate::train::optimizer::Optimizer;
use crate::train::state::{Part, State};
use crate::train::trainer::{ACCUMULATED, BATCH, Settings};

/// The metadata's one key: with one key, the same state gives the same bytes.
pub const KEY: &str = "samebits_training";
/// The version of the format.
pub const FORMAT: u32 = 2;
/// The prefix of the names of parameters, which alone may be stored in another type.
const PARAMETERS: &str = "parameters.";
/// The network that the parameters are of.
const NETWORK: &str = "linear(64,128) batch_norm relu dropout linear(128,10)";

/// The type that parameters are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// As they are.
    F32,
    /// Rounded to f16.
    F16,
    /// Rounded to bf16.
    Bf16,
}

impl Stored {
    fn element(self) -> Element {
        match self {
            Self::F32 => Element::F32,
            Self::F16 => Element::F16,
            Self::Bf16 => Element::BF16,
        }
    }

    /// Bytes of f32 as those of this type.
    fn narrowed(self, bytes: &[u8]) -> Vec<u8> {
        let values = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        match self {
            Self::F32 => bytes.to_vec(),
            Self::F16 => values.flat_map(|value| f16::from_f32(value).to_le_bytes()).collect(),
            Self::Bf16 => values.flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect(),
        }
    }

    /// Bytes of this type as those of f32.
    fn widened(self, bytes: &[u8]) -> Vec<u8> {
        let widened = |to_f32: fn([u8; 2]) -> f32| {
            bytes.as_chunks().0.iter().flat_map(|bytes| to_f32(*bytes).to_le_bytes()).collect()
        };
        match self {
            Self::F32 => bytes.to_vec(),
            Self::F16 => widened(|bytes| f16::from_le_bytes(bytes).to_f32()),
            Self::Bf16 => widened(|bytes| bf16::from_le_bytes(bytes).to_f32()),
        }
    }
}

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The version of the format.
    pub format: u32,
    /// The network that the parameters are of.
    pub network: String,
    /// The optimizer that the moments are of.
    pub optimizer: Optimizer,
    /// The algorithms that trained.
    pub algorithms: String,
    /// Short hashes of their compiled kernels, by the kernels' file.
    pub kernels: BTreeMap<String, String>,
    /// The type that parameters are stored in.
    pub parameters: Stored,
    /// The device that trained.
    pub device: String,
    /// The program's version and revision.
    pub program: String,
    /// XXH3-128 of each tensor's bytes.
    pub checksums: BTreeMap<String, String>,
    /// XXH3-128 of all of the above.
    pub checksum: String,
}

impl About {
    fn new(parts: &[Part], settings: &Settings, device: &str, parameters: Stored) -> Self {
        let checksums = parts.iter().map(|part| (part.name.clone(), checksum(&part.bytes))).collect();
        Self {
            format: FORMAT,
            network: NETWORK.to_owned(),
            optimizer: settings.optimizer,
            algorithms: settings.algorithms.text(),
            kernels: settings.algorithms.kernels(),
            parameters,
            device: device.to_owned(),
            program: format!("samebits {} {}", env!("CARGO_PKG_VERSION"), env!("SAMEBITS_REVISION")),
            checksums,
            checksum: String::new(),
        }
    }

    /// It as it is written, with its own checksum.
    ///
    /// # Errors
    /// Never: every value has a form in JSON.
    pub fn sealed(mut self) -> Result<String> {
        self.checksum = self.own_checksum()?;
        json(&self)
    }

    fn own_checksum(&self) -> Result<String> {
        Ok(checksum(json(&Self { checksum: String::new(), ..self.clone() })?.as_bytes()))
    }
}

/// Only the version, of a file whose other members may be others.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

fn json(about: &About) -> Result<String> {
    serde_json::to_string(about)
        .map_err(|error| Error::input(format!("cannot describe a checkpoint: {error}")))
}

/// XXH3-128 as 32 hexadecimal digits.
pub fn checksum(bytes: &[u8]) -> String {
    format!("{:032x}", XxHash3_128::oneshot(bytes))
}

/// Writes `state` to `path`, in place of a checkpoint that is there.
///
/// # Errors
/// If the folder is not there or the file cannot be written (a full disk); what was at `path` is then still there.
pub fn save(path: &Path, state: &State, settings: &Settings, device: &str) -> Result<()> {
    save_as(path, state, settings, device, Stored::F32)
}

/// As [`save`], with parameters of another type.
///
/// # Errors
/// As [`save`].
pub fn save_as(path: &Path, state: &State, settings: &Settings, device: &str, stored: Stored) -> Result<()> {
    let mut parts = state.parts();
    for part in parts.iter_mut().filter(|part| part.name.starts_with(PARAMETERS)) {
        (part.element, part.bytes) = (stored.element(), stored.narrowed(&part.bytes));
    }
    let about = About::new(&parts, settings, device, stored).sealed()?;
    let cannot = |error: safetensors::SafeTensorError| {
        Error::input(format!("{}: cannot write: {error}", path.display()))
    };
    let views = parts.iter().map(|part| {
        TensorView::new(part.element, part.shape.clone(), &part.bytes)
            .map(|view| (&part.name, view))
            .map_err(cannot)
    });
    let metadata = HashMap::from([(KEY.to_owned(), about)]);
    let bytes = safetensors::serialize(views.collect::<Result<Vec<_>>>()?, Some(metadata)).map_err(cannot)?;
    replace(path, &bytes)
}

/// Puts a whole file in place of another, or leaves the other.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = || Error::file(path, "cannot write; the checkpoint before is kept");
    let mut beside =
        tempfile::Builder::new().prefix(".samebits-").suffix(".part").tempfile_in(folder).map_err(cannot())?;
    beside.write_all(bytes).map_err(cannot())?;
    beside.as_file().sync_all().map_err(cannot())?;
    beside.persist(path).map_err(|error| cannot()(error.error))?;
    // The new name is on the disk when the folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(cannot())
}

/// Reads a checkpoint of the training of `images` images.
///
/// # Errors
/// One line that names the file, what is wrong and what to do: no such file, truncated, a flipped bit, a tensor that is
/// missing, too many, of another type or shape, not finite, or out of range; another format version or network.
pub fn load(path: &Path, images: usize) -> Result<(State, About)> {
    let wrong = |what: String| Error::input(format!("{}: {what}", path.display()));
    let file = Checkpoint::open(path)?;
    let about = about(&file).map_err(wrong)?;
    let take =
        |name: &str, element: Element, shape: Option<&[usize]>| take(&file, &about, name, element, shape);
    let state = State::of_parts(take).map_err(wrong)?;
    check(&state, images).map_err(wrong)?;
    let known: HashSet<String> = state.parts().into_iter().map(|part| part.name).collect();
    if let Some(other) = file.tensors().find(|tensor| !known.contains(tensor.name)) {
        return Err(wrong(format!(
            "tensor \"{}\" is none of a training checkpoint; save it again",
            shown(other.name)
        )));
    }
    Ok((state, about))
}

fn about(file: &Checkpoint) -> std::result::Result<About, String> {
    let text = file.metadata().get(KEY).ok_or_else(|| {
        format!("no checkpoint of a training run: its metadata has no {KEY}; give a file that samebits saved")
    })?;
    let corrupt =
        |error: serde_json::Error| format!("its {KEY} is corrupt: {}; save it again", on_one_line(&error));
    let Version { format } = serde_json::from_str(text).map_err(corrupt)?;
    if format != FORMAT {
        return Err(format!(
            "is of format version {format}, and this program reads {FORMAT}; read it with the version that saved it"
        ));
    }
    let about: About = serde_json::from_str(text).map_err(corrupt)?;
    if about.own_checksum().map_err(|error| error.to_string())? != about.checksum {
        return Err(format!("its {KEY} is not what was saved: a bit flipped; copy or save it again"));
    }
    if about.network != NETWORK {
        return Err(format!("is of another network, {}, and this one is {NETWORK}", shown(&about.network)));
    }
    Ok(about)
}

fn take(
    file: &Checkpoint,
    about: &About,
    name: &str,
    element: Element,
    shape: Option<&[usize]>,
) -> std::result::Result<Vec<u8>, String> {
    let stored = if name.starts_with(PARAMETERS) { about.parameters } else { Stored::F32 };
    let element = if element == Element::F32 { stored.element() } else { element };
    let (Some(tensor), Some(saved)) = (file.get(name), about.checksums.get(name)) else {
        return Err(format!("tensor \"{name}\" is missing; save it again"));
    };
    let wanted = shape.map(|shape| shape.iter().map(|extent| *extent as u64).collect::<Vec<_>>());
    let fits = wanted.as_ref().map_or(tensor.shape.len() == 1, |wanted| wanted == tensor.shape);
    if tensor.element != element || !fits {
        let wanted = wanted.map_or("of one axis".to_owned(), |wanted| format!("{wanted:?}"));
        return Err(format!(
            "tensor \"{name}\" is {:?} {:?}, and the network needs {element:?} {wanted}; save it again",
            tensor.element, tensor.shape
        ));
    }
    if checksum(tensor.bytes) != *saved {
        return Err(format!("tensor \"{name}\" is not what was saved: a bit flipped; copy or save it again"));
    }
    if element != stored.element() {
        return Ok(tensor.bytes.to_vec());
    }
    let bytes = stored.widened(tensor.bytes);
    let is_odd = |bytes: &[u8; 4]| !f32::from_le_bytes(*bytes).is_finite();
    match bytes.as_chunks().0.iter().position(is_odd) {
        Some(place) => Err(format!(
            "tensor \"{name}\" is not finite at element {place}: training had diverged; go on from an earlier one"
        )),
        None => Ok(bytes),
    }
}

/// Refuses what no run can have come to.
fn check(state: &State, images: usize) -> std::result::Result<(), String> {
    let mut places = vec![false; images];
    for place in &state.order {
        match places.get_mut(*place as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                return Err(format!(
                    "its order names image {place} twice, or there is no such image; save it again"
                ));
            }
        }
    }
    let taken = usize::try_from(state.cursor).unwrap_or(usize::MAX);
    if ![0, images].contains(&state.order.len()) || taken > state.order.len() || !taken.is_multiple_of(BATCH)
    {
        return Err(format!(
            "its order has {} images of {images} and {taken} are taken; save it again",
            state.order.len()
        ));
    }
    if state.batches >= ACCUMULATED {
        return Err(format!(
            "it has gradients of {} batches, and a step takes {ACCUMULATED}; save it again",
            state.batches
        ));
    }
    if state.normalisation.deviation <= 0.0 {
        return Err("its normalisation divides by nothing above 0; save it again".to_owned());
    }
    Ok(())
}
