//! What a kernel does with its parameters, as far as its text tells: a guess, for people who are about to write
//! arguments. Nothing is decided by it.

use std::collections::HashSet;

use crate::simt::compute::Operation;
use crate::simt::compute::integer::{Function, Integer};
use crate::simt::program::{Address, Base, Kernel, Op, Slot};
use crate::simt::ptx::ast::Space;

/// What is done with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Whether it is an address.
    pub is_address: bool,
    /// Whether memory is written through it.
    pub is_written: bool,
}

/// The usage of each parameter.
pub fn usage(kernel: &Kernel) -> Vec<Usage> {
    let of = |parameter: &super::Parameter| {
        if parameter.bytes != 8 {
            return Usage::default();
        }
        let held = follow(kernel, &(parameter.offset..parameter.offset + parameter.bytes));
        let is_address = addresses(kernel).any(|(base, _)| held.contains(&base));
        let is_written = addresses(kernel).any(|(base, writes)| writes && held.contains(&base));
        Usage { is_address, is_written }
    };
    kernel.parameters.iter().map(of).collect()
}

/// Registers that hold the parameter at those bytes, or that plus something. What it is multiplied into is none: so
/// lengths and strides are told from addresses.
fn follow(kernel: &Kernel, bytes: &std::ops::Range<u32>) -> HashSet<Slot> {
    let mut held = HashSet::new();
    loop {
        let before = held.len();
        for (instruction, touch) in kernel.code.iter().zip(&kernel.touches) {
            if let Op::Load(access) = &instruction.op
                && let Address { space: Some(Space::Param), base: Base::Zero, offset } = access.address
                && bytes.contains(&(offset as u32))
            {
                held.extend(access.registers.iter().flatten());
            }
            let is_sum = touch.computes.as_ref().is_some_and(|computes| {
                matches!(computes.0.operation, Operation::Integer(Integer { function: Function::Add, .. }))
            });
            let passes = touch.copies || is_sum;
            if let [to @ Slot::Wide(_)] = touch.writes[..]
                && passes
                && touch.reads.iter().any(|from| held.contains(from))
            {
                held.insert(to);
            }
        }
        if held.len() == before {
            return held;
        }
    }
}

/// Registers that accesses of global memory begin at, and whether these write.
fn addresses(kernel: &Kernel) -> impl Iterator<Item = (Slot, bool)> {
    kernel.code.iter().filter_map(|instruction| {
        let (address, writes) = match &instruction.op {
            Op::Load(access) => (access.address, false),
            Op::Store(access) => (access.address, true),
            Op::Atomic(atomic) => (atomic.address, true),
            Op::AsyncCopy(copy) => (copy.from, false),
            _ => return None,
        };
        match address {
            Address { space: Some(Space::Global) | None, base: Base::Register(slot), .. } => {
                Some((slot, writes))
            }
            _ => None,
        }
    })
}
