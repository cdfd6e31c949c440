//! A module: PTX that was read and made ready, and its variables in memory.

use std::collections::HashMap;
use std::sync::Arc;

use crate::simt::execute::observe::{Nobody, Observer};
use crate::simt::execute::{self, Executed, Launch, Options};
use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::lower::{Variables, lower};
use crate::simt::memory::Memory;
use crate::simt::program::{Kernel, Parameter};
use crate::simt::ptx;
use crate::simt::ptx::ast::{Initial, Literal, Space, Type, Variable};
use crate::simt::usage::{self, Usage};

/// Instructions of a module's kernels, functions put in, at most.
const MOST_INSTRUCTIONS: usize = 4 << 20;
/// Bytes of a module's variables, at most.
const MOST_BYTES: u64 = 1 << 32;

/// Kernels that can be launched once they are loaded.
#[derive(Debug)]
pub struct Module {
    kernels: Vec<Kernel>,
    /// Variables in global and constant memory.
    variables: Vec<Variable>,
}

/// A module whose variables lie in a memory, or in clones of it.
#[derive(Debug, Clone)]
pub struct Loaded {
    module: Arc<Module>,
    addresses: Arc<[u64]>,
}

impl Module {
    /// Reads PTX.
    ///
    /// # Errors
    /// If it is no PTX, or asks for what is not executed: the first such place.
    pub fn new(text: &str) -> Result<Self> {
        let tree = ptx::parse(text)?;
        let lies_here = |variable: &&Variable| matches!(variable.space, Space::Global | Space::Const);
        let variables: Vec<_> = tree.variables.iter().filter(lies_here).cloned().collect();
        let mut bytes = 0u64;
        for variable in &variables {
            bytes += check(variable)?;
            if bytes > MOST_BYTES {
                let what =
                    format!("{}: the module's variables have more than {MOST_BYTES} bytes", variable.name);
                return Err(Fault::at_line(FaultKind::Unsupported, variable.line, what));
            }
        }
        let places: Variables = variables
            .iter()
            .zip(0..)
            .map(|(variable, index)| (variable.name.as_str(), (index, variable.space)))
            .collect();
        let entries = tree.functions.iter().filter(|function| function.entry && function.body.is_some());
        let (mut kernels, mut instructions) = (Vec::new(), 0);
        for entry in entries {
            let kernel = lower(&tree, &places, entry)?;
            instructions += kernel.code.len();
            if instructions > MOST_INSTRUCTIONS {
                let what =
                    format!("{}: the module has more than {MOST_INSTRUCTIONS} instructions", kernel.name);
                return Err(Fault::at_line(FaultKind::Unsupported, entry.line, what));
            }
            kernels.push(kernel);
        }
        Ok(Self { kernels, variables })
    }

    /// The entries' names.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.kernels.iter().map(|kernel| kernel.name.as_str())
    }

    /// Whether there is an entry of that name.
    pub fn has_entry(&self, name: &str) -> bool {
        self.entries().any(|entry| entry == name)
    }

    /// The parameters of the entry of that name, and what the kernel does with each; `None` if there is no such
    /// entry.
    pub fn parameters(&self, entry: &str) -> Option<Vec<(&Parameter, Usage)>> {
        let kernel = self.kernels.iter().find(|kernel| kernel.name == entry)?;
        Some(kernel.parameters.iter().zip(usage::usage(kernel)).collect())
    }

    /// Bytes of its variables in global and constant memory.
    pub fn variable_bytes(&self) -> u64 {
        self.variables.iter().map(size).sum()
    }

    /// Bytes that each thread of the entry of that name has for itself: local memory and registers. 0 if there is no
    /// such entry.
    pub fn thread_bytes(&self, entry: &str) -> u64 {
        let kernel = self.kernels.iter().find(|kernel| kernel.name == entry);
        kernel.map_or(0, |kernel| {
            let registers = 4 * u64::from(kernel.registers.narrow) + 8 * u64::from(kernel.registers.wide);
            u64::from(kernel.local_bytes) + registers
        })
    }

    /// Gives the module's variables their places in `memory`.
    ///
    /// # Errors
    /// If an initial value names what is no variable.
    pub fn load(self: &Arc<Self>, memory: &mut Memory) -> Result<Loaded> {
        let addresses: Arc<[u64]> =
            self.variables.iter().map(|variable| memory.allocate(size(variable))).collect();
        let by_name: HashMap<_, _> = self
            .variables
            .iter()
            .zip(addresses.iter())
            .map(|(variable, address)| (variable.name.as_str(), *address))
            .collect();
        for (variable, address) in self.variables.iter().zip(addresses.iter()) {
            memory.write(*address, &initial_bytes(variable, &by_name)?)?;
            if variable.space == Space::Const {
                memory.seal(*address);
            }
        }
        Ok(Loaded { module: Arc::clone(self), addresses })
    }
}

impl Loaded {
    /// Whether there is an entry of that name.
    pub fn has_entry(&self, name: &str) -> bool {
        self.module.has_entry(name)
    }

    /// Launches an entry and waits for its end.
    ///
    /// # Errors
    /// If there is no such entry, the launch does not fit it, or the kernel does what is wrong.
    pub fn launch(&self, launch: &Launch, memory: &mut Memory, options: &Options) -> Result<Executed> {
        let kernel = self.kernel(launch.entry)?;
        execute::launch(kernel, &self.addresses, launch, memory, options, &mut Nobody)
    }

    /// The same, and `observer` is told of all that happens.
    pub(crate) fn launch_observed<O: Observer>(
        &self,
        launch: &Launch,
        memory: &mut Memory,
        options: &Options,
        observer: &mut O,
    ) -> Result<Executed> {
        execute::launch(self.kernel(launch.entry)?, &self.addresses, launch, memory, options, observer)
    }

    pub(crate) fn kernel(&self, entry: &str) -> Result<&Kernel> {
        let kernel = self.module.kernels.iter().find(|kernel| kernel.name == entry);
        kernel.ok_or_else(|| {
            let known: Vec<_> = self.module.entries().collect();
            let what = format!("no entry {entry}; there are: {}", known.join(", "));
            Fault::new(FaultKind::Launch, what)
        })
    }
}

/// Bytes of a variable; what is only declared has none.
fn size(variable: &Variable) -> u64 {
    variable.elements.unwrap_or(0).saturating_mul(u64::from(variable.ty.bytes()))
}

/// The bytes of a variable that can be loaded.
fn check(variable: &Variable) -> Result<u64> {
    let refuse = |what: String| Err(Fault::at_line(FaultKind::Unsupported, variable.line, what));
    if variable.external {
        return refuse(format!("{} is defined elsewhere: modules are not linked", variable.name));
    }
    if size(variable) > MOST_BYTES {
        return refuse(format!("{} has more than {MOST_BYTES} bytes", variable.name));
    }
    if variable.initial.len() as u64 > variable.elements.unwrap_or(0) {
        return refuse(format!("{} has more initial values than elements", variable.name));
    }
    Ok(size(variable))
}

fn initial_bytes(variable: &Variable, addresses: &HashMap<&str, u64>) -> Result<Vec<u8>> {
    let width = variable.ty.bytes() as usize;
    let mut bytes = vec![0; size(variable) as usize];
    for (place, value) in bytes.chunks_exact_mut(width.max(1)).zip(&variable.initial) {
        let value = match value {
            Initial::Number(literal) => number(*literal, variable.ty),
            Initial::Address { name, offset, .. } => {
                let Some(address) = addresses.get(name.as_str()) else {
                    let what = format!("{}: {name} is no variable in global memory", variable.name);
                    return Err(Fault::at_line(FaultKind::Unsupported, variable.line, what));
                };
                address.wrapping_add_signed(*offset)
            }
        };
        let len = width.min(8);
        place[..len].copy_from_slice(&value.to_le_bytes()[..len]);
    }
    Ok(bytes)
}

fn number(literal: Literal, ty: Type) -> u64 {
    match (literal, ty) {
        (Literal::Integer(value), Type::F32) => u64::from((value as f32).to_bits()),
        (Literal::Integer(value), Type::F64) => (value as f64).to_bits(),
        (Literal::Integer(value), _) => value as u64,
        (Literal::Float(bits), Type::F64) => f64::from(f32::from_bits(bits)).to_bits(),
        (Literal::Float(bits), _) => u64::from(bits),
        (Literal::Double(value), Type::F32) => u64::from((value as f32).to_bits()),
        (Literal::Double(value), _) => value.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most compiled code writes a register before it reads it on every path; where a loop loads ahead, it does
    /// not say so.
    #[test]
    fn few_kernels_of_compilers_need_watching() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut kernels, mut watched) = (0, Vec::new());
        for folder in ["kernels/ptx", "tests/simt/triton"] {
            for file in std::fs::read_dir(root.join(folder)).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_none_or(|extension| extension != "ptx") {
                    continue;
                }
                let Ok(module) = Module::new(&std::fs::read_to_string(&path).unwrap()) else { continue };
                kernels += module.kernels.len();
                for kernel in module.kernels.iter().filter(|kernel| !kernel.watch.names.is_empty()) {
                    let steps = kernel.watch.steps.iter().flatten().count();
                    assert!(steps * 5 < kernel.code.len(), "{}: {steps} steps", kernel.name);
                    watched.push(kernel.name.clone());
                }
            }
        }
        assert!(kernels > 60 && watched.len() * 3 < kernels, "{kernels} kernels; watched: {watched:?}");
        assert!(watched.iter().any(|name| name == "matmul_tiled_128x256_f32"), "it loads ahead: {watched:?}");
        assert!(!watched.iter().any(|name| name.starts_with("reduce")), "{watched:?}");
    }
}
