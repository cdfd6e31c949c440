//! Operands, `mov`, and instructions that compute.

use crate::simt::compute::{Compute, Second};
use crate::simt::fault::Result;
use crate::simt::lanes;
use crate::simt::lower::Lowering;
use crate::simt::lower::names::{Register, Room, Scope};
use crate::simt::lower::touch::Touch;
use crate::simt::program::{ComputeOp, Guard, LaneOp, Op, Slot, Source, Special};
use crate::simt::ptx::ast::{Instruction, Literal, Operand, Type};

/// How a register's width must fit an operand's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Be the same.
    Same,
    /// Be as large or larger (PTX ISA, Operand Size Exceeding Instruction-Type Size).
    Larger,
}

impl<'a> Lowering<'a> {
    /// An operand that is read.
    pub fn source(
        &mut self,
        scope: &mut Scope<'a>,
        operand: &'a Operand,
        ty: Type,
        fit: Fit,
    ) -> Result<Source> {
        let bits = ty.bits();
        let plain = |slot| Source { slot, bits, negated: false };
        match operand {
            Operand::Literal(literal) => Ok(plain(self.literal(*literal, ty)?)),
            Operand::Not(inner) if ty == Type::Pred => {
                let source = self.source(scope, inner, ty, fit)?;
                Ok(Source { negated: !source.negated, ..source })
            }
            Operand::Name { name, component } => {
                if component.is_none() && scope.has_register(name) {
                    let register = self.register(scope, name)?;
                    self.check_fit(name, register, ty, fit)?;
                    return Ok(plain(register.slot));
                }
                if let Some(slot) = self.special_register(name, *component, bits)? {
                    return Ok(plain(slot));
                }
                let room = self.room(scope, name)?;
                Ok(plain(self.address_of(room, 0, bits, false)))
            }
            Operand::Offset { name, offset, indexed: false } => {
                let room = self.room(scope, name)?;
                Ok(plain(self.address_of(room, *offset, bits, false)))
            }
            other => Err(self.refuse(format!("an operand {other:?} where a value of {ty} is expected"))),
        }
    }

    fn check_fit(&self, name: &str, register: Register, ty: Type, fit: Fit) -> Result<()> {
        let bits = ty.bits();
        let fits = register.bits == bits
            || fit == Fit::Larger && bits > 1 && register.bits > bits
            // Eight bits have no registers of their own.
            || bits == 8 && register.bits > 8;
        if fits {
            return Ok(());
        }
        Err(self.refuse(format!("{name} has {} bits; the instruction's type is {ty}", register.bits)))
    }

    /// A register that is written.
    pub fn target(
        &mut self,
        scope: &mut Scope<'a>,
        operand: &'a Operand,
        ty: Type,
        fit: Fit,
    ) -> Result<Option<Register>> {
        match operand {
            Operand::Nothing => Ok(None),
            Operand::Name { name, component: None } => {
                let register = self.register(scope, name)?;
                self.check_fit(name, register, ty, fit)?;
                Ok(Some(register))
            }
            other => Err(self.refuse(format!("a result goes to a register, not to {other:?}"))),
        }
    }

    /// A number as bits of `ty`.
    fn literal(&mut self, literal: Literal, ty: Type) -> Result<Slot> {
        let bits = match (literal, ty) {
            (Literal::Integer(value), Type::Pred) => u64::from(value != 0),
            (Literal::Integer(_), Type::F16 | Type::Bf16 | Type::F32 | Type::F64) => {
                return Err(self.refuse(format!("an integer where a number of {ty} is expected")));
            }
            (Literal::Integer(value), _) => value as u64,
            (Literal::Float(bits), Type::F64) => f64::from(f32::from_bits(bits)).to_bits(),
            (Literal::Float(bits), Type::F32 | Type::Tf32 | Type::B32) => u64::from(bits),
            (Literal::Double(value), Type::F32) => u64::from((value as f32).to_bits()),
            (Literal::Double(value), Type::F64 | Type::B64) => value.to_bits(),
            (other, _) => return Err(self.refuse(format!("the number {other:?} where {ty} is expected"))),
        };
        Ok(self.constant(ty.bits(), bits))
    }

    /// The place of a special register that does not change; `None` if it is none.
    fn special_register(&mut self, name: &str, component: Option<char>, bits: u32) -> Result<Option<Slot>> {
        if !name.starts_with('%') {
            return Ok(None);
        }
        let axis = match component {
            None => None,
            Some('x') => Some(0),
            Some('y') => Some(1),
            Some('z') => Some(2),
            Some(_) => return Ok(Some(self.constant(32, 0))),
        };
        let special = match (name, axis) {
            ("%tid", Some(axis)) => Special::Thread(axis),
            ("%ntid", Some(axis)) => Special::Threads(axis),
            ("%ctaid", Some(axis)) => Special::Block(axis),
            ("%nctaid", Some(axis)) => Special::Blocks(axis),
            ("%laneid", None) => Special::Lane,
            ("%warpid", None) => Special::Warp,
            ("%nwarpid", None) => Special::Warps,
            ("%lanemask_eq", None) => Special::MaskEqual,
            ("%lanemask_le", None) => Special::MaskLessEqual,
            ("%lanemask_lt", None) => Special::MaskLess,
            ("%lanemask_ge", None) => Special::MaskGreaterEqual,
            ("%lanemask_gt", None) => Special::MaskGreater,
            ("%dynamic_smem_size", None) => Special::DynamicShared,
            ("%total_smem_size", None) => Special::TotalShared,
            // The simulated GPU has one multiprocessor and runs one grid.
            ("%smid", None) => Special::Multiprocessor,
            ("%nsmid", None) => Special::Multiprocessors,
            ("%gridid", None) if bits == 64 => return Ok(Some(self.grid_number())),
            _ => return Err(self.refuse(format!("{name} is neither declared nor a known special register"))),
        };
        Ok(Some(self.special(special)))
    }

    /// `mov`: between registers, from addresses, and between a register and its parts.
    pub fn mov(&mut self, guard: Guard, instruction: &'a Instruction, scope: &mut Scope<'a>) -> Result<()> {
        let full = instruction.full_name();
        let ([modifier], [to, from]) = (&instruction.modifiers[..], &instruction.operands[..]) else {
            return Err(self.refuse(format!("{full}: expected a type and two operands")));
        };
        let ty = Type::parse(modifier).filter(|ty| ty.bits() <= 64 && ty.bits() != 8);
        let ty = ty.ok_or_else(|| self.refuse(format!("{full}: moves of this type are not executed")))?;
        if let Operand::Vector(parts) = to {
            let source = self.source(scope, from, ty, Fit::Same)?;
            let bits = self.part_bits(ty, parts.len(), &full)?;
            for (index, part) in parts.iter().enumerate() {
                let part_ty = unsigned(bits);
                if let Some(register) = self.target(scope, part, part_ty, Fit::Same)? {
                    let shift = index as u32 * bits;
                    let op = Op::Extract { to: register.slot, from: source.slot, shift, bits };
                    self.push(guard, op)?;
                }
            }
            return Ok(());
        }
        let register = self.target(scope, to, ty, Fit::Same)?;
        let Some(Register { slot: to, .. }) = register else {
            return Err(self.refuse(format!("{full}: a move to nowhere")));
        };
        match from {
            Operand::Vector(parts) => {
                let bits = self.part_bits(ty, parts.len(), &full)?;
                let sources = parts.iter().map(|part| self.source(scope, part, unsigned(bits), Fit::Same));
                let sources = sources.collect::<Result<Vec<_>>>()?;
                let slots = sources.into_iter().map(|source| source.slot).collect();
                self.push(guard, Op::Join(Box::new((to, slots, bits))))
            }
            Operand::Name { name, component: None }
                if matches!(name.as_str(), "%clock" | "%clock_hi" | "%clock64" | "%globaltimer") =>
            {
                self.push(guard, Op::Clock(to))
            }
            _ => {
                let source = self.source(scope, from, ty, Fit::Same)?;
                if source.negated {
                    return Err(self.refuse(format!("{full}: a negated operand")));
                }
                self.copy(guard, to, source.slot)
            }
        }
    }

    /// Copies a register of the same width.
    pub fn copy(&mut self, guard: Guard, to: Slot, from: Slot) -> Result<()> {
        let (run, to_index, from_index) = match (to, from) {
            (Slot::Narrow(to), Slot::Narrow(from)) => (lanes::COPY_NARROW, to, from),
            (Slot::Wide(to), Slot::Wide(from)) => (lanes::COPY_WIDE, to, from),
            _ => return self.push(guard, Op::Copy(to, from)),
        };
        let op = LaneOp { run, slots: [to_index, from_index, from_index, from_index] };
        self.push_lanes(guard, op, Touch::of_lanes(to, [from], true))
    }

    fn part_bits(&self, ty: Type, parts: usize, full: &str) -> Result<u32> {
        let bits = ty.bits().checked_div(parts as u32).unwrap_or(0);
        if bits >= 16 && bits * parts as u32 == ty.bits() && parts > 1 {
            return Ok(bits);
        }
        Err(self.refuse(format!("{full}: {parts} parts do not make {ty} of registers")))
    }

    /// An instruction that computes.
    pub fn compute(
        &mut self,
        guard: Guard,
        instruction: &'a Instruction,
        scope: &mut Scope<'a>,
    ) -> Result<()> {
        let full = instruction.full_name();
        let [to, sources @ ..] = &instruction.operands[..] else {
            return Err(self.refuse(format!("{full}: no operands")));
        };
        let compute = Compute::decode(&instruction.opcode, &instruction.modifiers, sources.len())
            .map_err(|fault| fault.at(&self.place))?;
        let fit = if instruction.opcode == "cvt" { Fit::Larger } else { Fit::Same };
        let (first, second) = match to {
            Operand::Pair(first, second) => (&**first, Some(&**second)),
            other => (other, None),
        };
        let result = self.target(scope, first, compute.result, fit)?;
        let second = match (second, compute.second) {
            (Some(operand), Some(Second::Predicate)) => {
                self.target(scope, operand, Type::Pred, Fit::Same)?.map(|register| register.slot)
            }
            (None, Some(Second::Predicate)) if compute.operands.first().is_some_and(|ty| is_packed(*ty)) => {
                return Err(self.refuse(format!("{full} gives two predicates: p|q")));
            }
            (Some(_), _) => return Err(self.refuse(format!("{full} has one result, not two"))),
            (None, Some(Second::Carry)) => Some(self.carry(scope)?),
            (None, _) => None,
        };
        if compute.operands.len() != sources.len() {
            let expected = compute.operands.len();
            return Err(self.refuse(format!("{full}: {} operands, {expected} expected", sources.len())));
        }
        let types = compute.operands.clone();
        let read = sources.iter().zip(types).map(|(operand, ty)| self.source(scope, operand, ty, fit));
        let mut sources = read.collect::<Result<Vec<_>>>()?;
        if compute.carry_in {
            sources.push(Source { slot: self.carry(scope)?, bits: 1, negated: false });
        }
        if sources.len() > 4 {
            return Err(self.refuse(format!("{full}: more than four operands")));
        }
        if let (Some(Register { slot, bits }), None) = (result, second)
            && let Some(op) = lanes::find(&full, &compute, slot, bits, &sources)
        {
            let mut touch = Touch::of_lanes(slot, sources.iter().map(|source| source.slot), false);
            touch.computes = Some(Box::new((compute, sources)));
            return self.push_lanes(guard, op, touch);
        }
        let (from, signed) = (compute.result.bits(), compute.result.is_signed());
        let extend = result.filter(|register| signed && register.bits > from).map(|r| (from, r.bits));
        let second = match second {
            Some(Slot::Predicate(index)) => Some(index),
            _ => None,
        };
        let result = result.map(|register| register.slot);
        self.push(guard, Op::Compute(Box::new(ComputeOp { compute, result, extend, second, sources })))
    }

    /// The carry flag, as a predicate of the function.
    fn carry(&mut self, scope: &mut Scope<'a>) -> Result<Slot> {
        const NAME: &str = "CC.CF";
        if scope.has_register(NAME) {
            return Ok(self.register(scope, NAME)?.slot);
        }
        let register = self.fresh(Type::Pred, NAME)?;
        scope.bind(NAME, register);
        Ok(register.slot)
    }

    /// A variable by its bare name or `name+offset`.
    pub fn variable(&mut self, scope: &Scope<'a>, operand: &'a Operand) -> Option<Result<(Room, i64)>> {
        let (name, offset) = match operand {
            Operand::Name { name, component: None } if !scope.has_register(name) => (name, 0),
            Operand::Offset { name, offset, indexed: false } => (name, *offset),
            _ => return None,
        };
        Some(self.room(scope, name).map(|room| (room, offset)))
    }
}

/// Whether a register of that type holds two numbers.
fn is_packed(ty: Type) -> bool {
    matches!(ty, Type::F16x2 | Type::Bf16x2)
}

/// The untyped word of that many bits.
pub fn unsigned(bits: u32) -> Type {
    match bits {
        1 => Type::Pred,
        8 => Type::B8,
        16 => Type::B16,
        32 => Type::B32,
        _ => Type::B64,
    }
}
