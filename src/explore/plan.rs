//! What is launched: grid, block and arguments, from a TOML file, from the command line, or from both.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::explore::element::Element;
use crate::explore::fill::Values;
use crate::explore::stored;
use crate::simt;

/// Bytes of one buffer where no other limit is given.
const MOST_BYTES: u64 = 8 << 30;

/// The file of `--arguments`. What the command line says comes first.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// The entry's name.
    pub entry: Option<String>,
    /// Blocks in x, y, z.
    pub grid: Option<Vec<u32>>,
    /// Threads of a block in x, y, z.
    pub block: Option<Vec<u32>>,
    /// Dynamic shared memory in bytes.
    pub shared: Option<u32>,
    /// The arguments in the order of the kernel's parameters.
    #[serde(default, rename = "argument")]
    pub arguments: Vec<Given>,
}

/// An argument as it is written. Either `buffer`, or `scalar`, or `bytes`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// What reports call it.
    pub name: Option<String>,
    /// The type of a buffer's elements.
    pub buffer: Option<Element>,
    /// Elements; may be left out where a file tells it.
    pub length: Option<usize>,
    /// What is in the buffer before the launch.
    pub values: Option<Values>,
    /// A file of its elements, relative to this one.
    pub file: Option<PathBuf>,
    /// Which of a `.safetensors` file's tensors.
    pub tensor: Option<String>,
    /// `in`, `out` or `both`.
    pub role: Option<Role>,
    /// A number's type.
    pub scalar: Option<Element>,
    /// The number.
    pub value: Option<toml::Value>,
    /// A structure, byte by byte.
    pub bytes: Option<Vec<u8>>,
}

/// What a kernel does with a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads it, and must not write to it.
    In,
    /// Writes it whole; nothing is in it before. Its bits are compared.
    Out,
    /// Reads and writes it. Its bits are compared.
    Both,
}

/// An argument, ready.
#[derive(Debug, Clone)]
pub enum Argument {
    /// Device memory.
    Buffer {
        /// What reports call it.
        name: String,
        /// The type of its elements.
        element: Element,
        /// Its bytes.
        bytes: usize,
        /// What is in it before; `None` if nothing was written to it.
        content: Option<Arc<[u8]>>,
        /// What the kernel does with it.
        role: Role,
    },
    /// A number or a structure.
    Value(simt::Argument),
}

/// Extents from `X[,Y,Z]`.
///
/// # Errors
/// In words, if it is none of these.
pub fn extents(text: &str) -> std::result::Result<[u32; 3], String> {
    let parsed: Option<Vec<u32>> = text.split(',').map(|extent| extent.trim().parse().ok()).collect();
    parsed.as_deref().and_then(padded).ok_or_else(|| format!("\"{text}\" is not of the form X, X,Y or X,Y,Z"))
}

/// Up to three extents; those that are left out are 1.
fn padded(extents: &[u32]) -> Option<[u32; 3]> {
    match *extents {
        [x] => Some([x, 1, 1]),
        [x, y] => Some([x, y, 1]),
        [x, y, z] => Some([x, y, z]),
        _ => None,
    }
}

impl Written {
    /// Reads the file.
    ///
    /// # Errors
    /// One line that names the file, the line and what is wrong.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::file(path, "cannot read the arguments"))?;
        let origin = path.display().to_string();
        let mut written: Self = toml::from_str(&text).map_err(|error| Error::toml(&origin, &text, &error))?;
        if let Some(text) = written.texts().find(|text| text.contains(char::is_control)) {
            return Err(Error::input(format!(
                "{origin}: {text:?} holds a control character; name it without"
            )));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in written.arguments.iter_mut().filter_map(|given| given.file.as_mut()) {
            *file = folder.join(&file);
        }
        Ok(written)
    }

    /// All names in it: messages repeat them.
    fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let of_arguments = self.arguments.iter().flat_map(|given| {
            let file = given.file.as_ref().map(|file| file.to_string_lossy());
            [given.name.as_deref().map(Cow::from), given.tensor.as_deref().map(Cow::from), file]
        });
        of_arguments.flatten().chain(self.entry.as_deref().map(Cow::from))
    }

    /// All arguments; their buffers have no more than `most` bytes together.
    ///
    /// # Errors
    /// As of [`Given::argument`], and for the first buffer that goes over `most`, before it is filled.
    pub fn ready(&self, most: u64) -> Result<Vec<Argument>> {
        let mut left = most;
        let ready = |(number, given): (usize, &Given)| {
            let argument = given.within(number, left)?;
            if let Argument::Buffer { bytes, .. } = &argument {
                left = left.saturating_sub(*bytes as u64);
            }
            Ok(argument)
        };
        self.arguments.iter().enumerate().map(ready).collect()
    }

    /// One of its two extents, which may have fewer than three numbers.
    ///
    /// # Errors
    /// If it has none, or more than three.
    pub fn shape(name: &str, extents: &[u32]) -> Result<[u32; 3]> {
        padded(extents).ok_or_else(|| Error::input(format!("{name} = {extents:?}: one to three numbers")))
    }
}

impl Given {
    /// From `ROLE:TYPE:LENGTH[:VALUES]`, `ROLE:TYPE:@FILE[#TENSOR]` or `TYPE=VALUE`.
    ///
    /// # Errors
    /// In words, if it is none of these.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let wrong = || {
            format!(
                "\"{text}\" is no argument; write ROLE:TYPE:LENGTH[:VALUES] or ROLE:TYPE:@FILE[#TENSOR] with in, out or \
                 both, such as in:f32:1024:wide, or TYPE=VALUE such as u32=1024"
            )
        };
        let element = |name: &str| {
            Element::parse(name)
                .ok_or_else(|| format!("\"{text}\": type \"{name}\"; known: {}", Element::names()))
        };
        if let Some((ty, value)) = text.split_once('=')
            && !ty.contains(':')
        {
            let value = match (value.parse::<i64>(), value.parse::<f64>()) {
                (Ok(value), _) => toml::Value::Integer(value),
                (_, Ok(value)) => toml::Value::Float(value),
                _ => return Err(format!("\"{text}\": \"{value}\" is no number")),
            };
            return Ok(Self { scalar: Some(element(ty)?), value: Some(value), ..Self::default() });
        }
        let mut parts = text.splitn(4, ':');
        let (Some(role), Some(ty), Some(length)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let role = match role {
            "in" => Role::In,
            "out" => Role::Out,
            "both" => Role::Both,
            _ => return Err(wrong()),
        };
        let mut given = Self { buffer: Some(element(ty)?), role: Some(role), ..Self::default() };
        if length.starts_with('@') {
            // A file's name may hold colons.
            let place =
                text.splitn(3, ':').nth(2).and_then(|rest| rest.strip_prefix('@')).ok_or_else(wrong)?;
            let (file, tensor) = match place.rsplit_once('#') {
                Some((file, tensor)) => (file, Some(tensor.to_owned())),
                None => (place, None),
            };
            (given.file, given.tensor) = (Some(file.into()), tensor);
            return Ok(given);
        }
        given.length = Some(length.parse().map_err(|_| wrong())?);
        given.values = parts.next().map(Values::parse).transpose().map_err(|error| error.to_string())?;
        Ok(given)
    }

    /// The argument that is meant. `number` counts from 0.
    ///
    /// # Errors
    /// One line that names the argument and what is missing, too much, or does not fit.
    pub fn argument(&self, number: usize) -> Result<Argument> {
        self.within(number, MOST_BYTES)
    }

    /// The same, of no more than `most` bytes if it is a buffer.
    fn within(&self, number: usize, most: u64) -> Result<Argument> {
        let name = self.name.clone().unwrap_or_else(|| format!("argument {number}"));
        let refuse = |what: String| Error::input(format!("{name}: {what}"));
        match (self.buffer, self.scalar, &self.bytes) {
            (Some(element), None, None) => {
                self.in_memory(element, number, &name, most).map_err(|error| match error {
                    Error::Input(what) if !what.starts_with(&name) => refuse(what),
                    other => other,
                })
            }
            (None, Some(element), None) => {
                if self.is_described_as_memory() {
                    return Err(refuse("length, values, file, tensor and role are of buffers".to_owned()));
                }
                let value =
                    self.value.as_ref().ok_or_else(|| refuse("a scalar needs its value".to_owned()))?;
                let bytes = match value {
                    toml::Value::Integer(value) => element.of_integer(i128::from(*value)),
                    toml::Value::Float(value) => element.of_float(*value),
                    _ => None,
                };
                let bytes = bytes.ok_or_else(|| refuse(format!("{value} is no {element}")))?;
                Ok(Argument::Value(simt::Argument::Bytes(bytes)))
            }
            (None, None, Some(bytes)) if self.value.is_none() && !self.is_described_as_memory() => {
                Ok(Argument::Value(simt::Argument::Bytes(bytes.clone())))
            }
            _ => Err(refuse(
                "give one of buffer = TYPE, scalar = TYPE with its value, or bytes = [...]".to_owned(),
            )),
        }
    }

    fn is_described_as_memory(&self) -> bool {
        self.length.is_some()
            || self.values.is_some()
            || self.file.is_some()
            || self.tensor.is_some()
            || self.role.is_some()
    }

    fn in_memory(&self, element: Element, number: usize, name: &str, most: u64) -> Result<Argument> {
        let role =
            self.role.ok_or_else(|| Error::input("a buffer needs its role: in, out or both".to_owned()))?;
        if self.value.is_some() || self.tensor.is_some() && self.file.is_none() {
            return Err(Error::input("value is of scalars, and tensor needs a file".to_owned()));
        }
        if role == Role::Out && (self.file.is_some() || self.values.is_some()) {
            return Err(Error::input(
                "nothing is in a buffer of role out before; its role is both".to_owned(),
            ));
        }
        let size = |length: usize| {
            let bytes = length.checked_mul(element.size()).filter(|bytes| *bytes as u64 <= most);
            bytes.ok_or_else(|| {
                Error::input(format!(
                    "{length} elements of {element} are more than the {most} bytes that are left of --max-memory"
                ))
            })
        };
        let content = match (&self.file, self.length, role) {
            (Some(_), _, _) if self.values.is_some() => {
                return Err(Error::input("values and file exclude each other".to_owned()));
            }
            (Some(path), length, _) => {
                let mut bytes = stored::read(path, self.tensor.as_deref(), element, most)?;
                if let Some(length) = length {
                    if bytes.len() < size(length)? {
                        let there = bytes.len() / element.size();
                        let path = path.display();
                        return Err(Error::input(format!(
                            "{path} has {there} elements; length asks for {length}"
                        )));
                    }
                    bytes.truncate(size(length)?);
                }
                Some(bytes)
            }
            (None, None, _) => return Err(Error::input("a buffer needs its length, or a file".to_owned())),
            (None, Some(length), Role::Out) => {
                let bytes = size(length)?;
                return Ok(Argument::Buffer { name: name.to_owned(), element, bytes, content: None, role });
            }
            (None, Some(length), _) => {
                size(length)?;
                let usual = if role == Role::Both { Values::Zero } else { Values::usual(element) };
                Some(self.values.unwrap_or(usual).bytes(element, length, number as u64)?)
            }
        };
        let content: Option<Arc<[u8]>> = content.map(Arc::from);
        let bytes = content.as_ref().map_or(0, |content| content.len());
        Ok(Argument::Buffer { name: name.to_owned(), element, bytes, content, role })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(text: &str) -> std::result::Result<Argument, String> {
        Given::parse(text)?.argument(0).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_of_the_command_line_are_parsed_or_refused() {
        let Argument::Buffer { bytes, content, role, .. } = argument("in:f32:10").unwrap() else { panic!() };
        assert!(bytes == 40 && role == Role::In && content.unwrap().len() == 40);
        let Argument::Buffer { content, .. } = argument("both:i32:3:index").unwrap() else { panic!() };
        assert_eq!(content.unwrap()[..], [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
        let Argument::Value(value) = argument("u32=7").unwrap() else { panic!() };
        assert_eq!(value, simt::Argument::Bytes(vec![7, 0, 0, 0]));
        for (text, said) in [
            ("f32", "is no argument"),
            ("in:f32", "is no argument"),
            ("in:f33:1", "known: f16"),
            ("at:f32:1", "in, out or both"),
            ("in:f32:x", "is no argument"),
            ("in:f32:4:odd", "\"odd\""),
            ("out:f32:4:wide", "its role is both"),
            ("u8=256", "256 is no u8"),
            ("u32=1.5", "1.5 is no u32"),
            ("u32=x", "no number"),
            ("in:f32:9999999999999", "--max-memory"),
            ("in:f32:@nowhere.npy", "nowhere.npy"),
        ] {
            let error = argument(text).unwrap_err();
            assert!(error.contains(said) && error.lines().count() == 1, "{text}: {error}");
        }
    }

    #[test]
    fn a_file_says_all_of_it_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let written = Written::read(&path)?;
            let arguments = written.arguments.iter().enumerate();
            arguments.map(|(number, given)| given.argument(number)).collect::<Result<Vec<_>>>()
        };
        let good = "grid = [4]\n[[argument]]\nname = \"x\"\nbuffer = \"f16\"\nlength = 8\nrole = \"in\"\n\
                    [[argument]]\nscalar = \"i64\"\nvalue = -1\n[[argument]]\nbytes = [1, 2]\n";
        assert_eq!(read(good).unwrap().len(), 3);
        for (text, said) in [
            ("[[argument]]\nbufer = \"f32\"", "line 2"),
            ("grids = [1]", "grids"),
            ("[[argument]]\nbuffer = \"f32\"\nlength = 1", "needs its role"),
            ("[[argument]]\nbuffer = \"f32\"\nrole = \"in\"", "needs its length"),
            ("[[argument]]\nname = \"n\"\nscalar = \"u32\"", "n: a scalar needs its value"),
            ("[[argument]]\nscalar = \"u32\"\nvalue = 1\nrole = \"in\"", "of buffers"),
            ("[[argument]]\nname = \"n\"", "n: give one of buffer"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said) && error.lines().count() == 1, "{text}: {error}");
        }
        assert!(Written::shape("grid", &[]).is_err() && Written::shape("grid", &[1, 2, 3, 4]).is_err());
    }
}
