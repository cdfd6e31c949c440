//! Instructions that reach memory.

use crate::simt::compute::AtomicOp;
use crate::simt::execute::window_start;
use crate::simt::fault::Result;
use crate::simt::lanes::ADD_WIDE;
use crate::simt::lower::Lowering;
use crate::simt::lower::names::{Room, Scope};
use crate::simt::lower::touch::Touch;
use crate::simt::lower::value::Fit;
use crate::simt::program::{
    Access, Address, AsyncCopy, Atomic, Base, Guard, LaneOp, Op, Order, Reach, Slot, WideConstant,
};
use crate::simt::ptx::ast::{Instruction, Operand, Space, Type};

/// Words that say how strongly an access is ordered, for whom, and how it is cached: interleavings are
/// sequentially consistent, so they change nothing.
const ORDERS: &[&str] = &["weak", "relaxed", "acquire", "release", "acq_rel", "sc", "volatile", "cta"];
const SCOPES: &[&str] = &["cluster", "gpu", "sys"];
const CACHES: &[&str] = &["ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc"];

fn is_hint(word: &str) -> bool {
    ORDERS.contains(&word)
        || SCOPES.contains(&word)
        || CACHES.contains(&word)
        || (word.starts_with("L1::") || word.starts_with("L2::")) && word != "L2::cache_hint"
}

fn reach_of(word: &str) -> Option<Reach> {
    match word {
        "cta" | "cluster" => Some(Reach::Block),
        "gpu" | "gl" => Some(Reach::Gpu),
        "sys" => Some(Reach::System),
        _ => None,
    }
}

/// How an instruction with these words is ordered (PTX ISA, ld, st, atom): an access is weak unless it says otherwise,
/// an atomic operation is relaxed, and what names no scope holds for the GPU, or, `.volatile`, for the system.
fn order(words: &[String], is_atomic: bool) -> Order {
    let has = |word: &str| words.iter().any(|known| known == word);
    let usual = if has("volatile") { Reach::System } else { Reach::Gpu };
    Order {
        is_strong: is_atomic || ["relaxed", "acquire", "release", "volatile"].into_iter().any(has),
        acquires: has("acquire") || has("acq_rel"),
        releases: has("release") || has("acq_rel"),
        scope: words.iter().find_map(|word| reach_of(word)).unwrap_or(usual),
    }
}

fn space(word: &str) -> Option<Space> {
    match word {
        "global" => Some(Space::Global),
        "const" => Some(Space::Const),
        "shared" | "shared::cta" => Some(Space::Shared),
        "local" => Some(Space::Local),
        "param" | "param::entry" | "param::func" => Some(Space::Param),
        _ => None,
    }
}

/// The operation of that name. Whether a sum flushes subnormals is known where it is carried out.
pub fn atomic_op(name: &str) -> Option<AtomicOp> {
    Some(match name {
        "add" => AtomicOp::Add { flush: false },
        "min" => AtomicOp::Min,
        "max" => AtomicOp::Max,
        "and" => AtomicOp::And,
        "or" => AtomicOp::Or,
        "xor" => AtomicOp::Xor,
        "exch" => AtomicOp::Exch,
        "cas" => AtomicOp::Cas,
        "inc" => AtomicOp::Inc,
        "dec" => AtomicOp::Dec,
        _ => return None,
    })
}

impl<'a> Lowering<'a> {
    /// An instruction that reaches memory.
    pub fn memory(&mut self, guard: Guard, i: &'a Instruction, scope: &mut Scope<'a>) -> Result<()> {
        match i.opcode.as_str() {
            "ld" | "ldu" => self.access(guard, i, scope, false),
            "st" => self.access(guard, i, scope, true),
            "atom" | "red" => self.atomic(guard, i, scope),
            "cp" => self.asynchronous(guard, i, scope),
            "cvta" => self.generic_address(guard, i, scope),
            "isspacep" => self.is_space(guard, i, scope),
            "prefetch" | "prefetchu" => self.push(guard, Op::Nothing),
            _ => self.fence(guard, i),
        }
    }

    fn fence(&mut self, guard: Guard, i: &'a Instruction) -> Result<()> {
        let known = |word: &String| is_hint(word) || word == "gl";
        if i.operands.is_empty() && i.modifiers.iter().all(known) {
            // `membar.gl` is older than scopes; a fence that names none orders for the GPU.
            let scope = i.modifiers.iter().find_map(|word| reach_of(word)).unwrap_or(Reach::Gpu);
            return self.push(guard, Op::Fence(scope));
        }
        Err(self.refuse(format!("{}: this fence is not executed", i.full_name())))
    }

    fn access(&mut self, guard: Guard, i: &'a Instruction, scope: &mut Scope<'a>, store: bool) -> Result<()> {
        let full = i.full_name();
        let (mut asked, mut length, mut ty, mut read_only) = (None, 1, None, i.opcode == "ldu");
        for word in &i.modifiers {
            read_only |= word == "nc";
            if let Some(found) = space(word) {
                asked = Some(found);
            } else if let Some(found) = Type::parse(word).filter(|ty| ty.bits() >= 8 && ty.bits() <= 64) {
                ty = Some(found);
            } else if let Some(found) = ["v2", "v4", "v8"].iter().position(|known| known == word) {
                length = 2 << found;
            } else if !is_hint(word) {
                return Err(self.refuse(format!("{full}: .{word} is not executed")));
            }
        }
        let ty = ty.ok_or_else(|| self.refuse(format!("{full}: no type that is executed")))?;
        let [first, second] = &i.operands[..] else {
            return Err(self.refuse(format!("{full}: expected two operands")));
        };
        let (value, address) = if store { (second, first) } else { (first, second) };
        let address = self.address(scope, address, asked)?;
        let values: &[Operand] = match value {
            Operand::Vector(values) => values,
            one => std::slice::from_ref(one),
        };
        if values.len() != length || ty.bytes() as usize * length > 32 {
            return Err(self.refuse(format!("{full}: {} values where {length} are named", values.len())));
        }
        let mut extend_to = None;
        let mut registers = Vec::new();
        for value in values {
            registers.push(if store {
                match value {
                    Operand::Nothing => return Err(self.refuse(format!("{full}: stores nothing"))),
                    value => Some(self.source(scope, value, ty, Fit::Larger)?.slot),
                }
            } else {
                let register = self.target(scope, value, ty, Fit::Larger)?;
                if let Some(register) = register
                    && ty.is_signed()
                    && register.bits > ty.bits()
                {
                    extend_to = Some(register.bits);
                }
                register.map(|register| register.slot)
            });
        }
        let private = matches!(address.space, Some(Space::Local | Space::Param | Space::Const));
        let visible = !private && !read_only;
        let order = order(&i.modifiers, false);
        let access = Box::new(Access { address, ty, registers, extend_to, visible, order });
        self.push(guard, if store { Op::Store(access) } else { Op::Load(access) })
    }

    /// `[register+offset]`, `[variable+offset]` or `[offset]` in the space that the instruction names.
    pub fn address(
        &mut self,
        scope: &mut Scope<'a>,
        operand: &'a Operand,
        space: Option<Space>,
    ) -> Result<Address> {
        let Operand::Address { base, offset } = operand else {
            return Err(self.refuse(format!("an address in brackets is expected, not {operand:?}")));
        };
        let offset = *offset;
        let Some(name) = base else { return Ok(Address { space, base: Base::Zero, offset }) };
        if scope.has_register(name) {
            let register = self.register(scope, name)?;
            if !matches!(register.slot, Slot::Wide(_)) && register.bits != 32 {
                return Err(self.refuse(format!("{name}: an address has 32 or 64 bits")));
            }
            if space == Some(Space::Param) && self.calls.len() > 1 {
                return Err(self.refuse(format!("{name}: parameters of functions have no addresses")));
            }
            return Ok(Address { space, base: Base::Register(register.slot), offset });
        }
        let room = self.room(scope, name)?;
        let within = |space, start: u64| Address {
            space: Some(space),
            base: Base::Zero,
            offset: offset.wrapping_add_unsigned(start),
        };
        let (address, own) = match room {
            Room::Parameter(start) => (within(Space::Param, u64::from(start)), Space::Param),
            // Parameters of functions are memory of the thread.
            Room::Local(start) if space == Some(Space::Param) => (within(Space::Local, start), Space::Param),
            Room::Local(start) => (within(Space::Local, start), Space::Local),
            Room::Shared(start) => (within(Space::Shared, start), Space::Shared),
            Room::Module(index, own) => {
                let slot = self.wide_constant(WideConstant::Variable(index, 0));
                (Address { space: Some(own), base: Base::Register(slot), offset }, own)
            }
        };
        match space {
            Some(space) if space != own => {
                Err(self.refuse(format!("{name} lies in {own:?} memory, not in {space:?}")))
            }
            None if own != Space::Global => {
                Err(self.refuse(format!("{name} lies in {own:?} memory; its plain address is not generic")))
            }
            _ => Ok(address),
        }
    }

    fn atomic(&mut self, guard: Guard, i: &'a Instruction, scope: &mut Scope<'a>) -> Result<()> {
        let full = i.full_name();
        let returns = i.opcode == "atom";
        let (mut asked, mut op, mut ty, mut length) = (None, None, None, 1);
        for word in &i.modifiers {
            if let Some(found) = space(word).filter(|s| matches!(s, Space::Global | Space::Shared)) {
                asked = Some(found);
            } else if let Some(found) = atomic_op(word) {
                op = Some(found);
            } else if let Some(found) = Type::parse(word) {
                ty = Some(found);
            } else if let Some(found) = ["v2", "v4", "v8"].iter().position(|known| known == word) {
                length = 2 << found;
            } else if !is_hint(word) && word != "noftz" {
                return Err(self.refuse(format!("{full}: .{word} is not executed")));
            }
        }
        let (Some(op), Some(ty)) = (op, ty) else {
            return Err(self.refuse(format!("{full}: no operation or no type that is executed")));
        };
        if !op.holds(ty) || length as u32 * ty.bytes() > 16 {
            return Err(self.refuse(format!("{full}: this type is not executed")));
        }
        let swaps = usize::from(op == AtomicOp::Cas);
        let operands = &i.operands[..];
        if operands.len() != 2 + usize::from(returns) + swaps {
            return Err(self.refuse(format!("{full}: {} operands", operands.len())));
        }
        let (to, rest) = if returns { (Some(&operands[0]), &operands[1..]) } else { (None, operands) };
        let address = self.address(scope, &rest[0], asked)?;
        let parts = |operand: &'a Operand| match operand {
            Operand::Vector(values) => &values[..],
            one => std::slice::from_ref(one),
        };
        let (values, old) = (parts(&rest[1]), to.map_or(&[][..], parts));
        if values.len() != length || returns && old.len() != length {
            return Err(self.refuse(format!("{full}: {length} values are expected")));
        }
        let order = order(&i.modifiers, true);
        let mut atomic = Atomic { address, op, ty, old: Vec::new(), operand: Vec::new(), swap: None, order };
        for value in values {
            atomic.operand.push(self.source(scope, value, ty, Fit::Same)?.slot);
        }
        for register in old {
            atomic.old.push(self.target(scope, register, ty, Fit::Same)?.map(|register| register.slot));
        }
        if swaps == 1 {
            atomic.swap = Some(self.source(scope, &rest[2], ty, Fit::Same)?.slot);
        }
        self.push(guard, Op::Atomic(Box::new(atomic)))
    }

    fn asynchronous(&mut self, guard: Guard, i: &'a Instruction, scope: &mut Scope<'a>) -> Result<()> {
        let full = i.full_name();
        let words: Vec<_> = i.modifiers.iter().map(String::as_str).collect();
        let number = |operand: &Operand| match operand {
            Operand::Literal(crate::simt::ptx::ast::Literal::Integer(value)) => u32::try_from(*value).ok(),
            _ => None,
        };
        match (&words[..], &i.operands[..]) {
            (["async", "commit_group"], []) => self.push(guard, Op::AsyncCommit),
            (["async", "wait_all"], []) => self.push(guard, Op::AsyncWait(None)),
            (["async", "wait_group"], [left]) => {
                let left = number(left);
                let left = left.ok_or_else(|| self.refuse(format!("{full}: expected a number")))?;
                self.push(guard, Op::AsyncWait(Some(left)))
            }
            (
                ["async", "ca" | "cg", "shared" | "shared::cta", "global", hints @ ..],
                [to, from, size, rest @ ..],
            ) if hints.iter().all(|hint| is_hint(hint)) && rest.len() <= 1 => {
                let bytes = number(size).filter(|bytes| [4, 8, 16].contains(bytes));
                let bytes = bytes.ok_or_else(|| self.refuse(format!("{full}: 4, 8 or 16 bytes")))?;
                let to = self.address(scope, to, Some(Space::Shared))?;
                let from = self.address(scope, from, Some(Space::Global))?;
                let (mut source_bytes, mut ignore) = (None, None);
                if let Some(operand) = rest.first() {
                    let names_predicate = match operand {
                        Operand::Not(_) => true,
                        Operand::Name { name, .. } if scope.has_register(name) => {
                            matches!(self.register(scope, name)?.slot, Slot::Predicate(_))
                        }
                        _ => false,
                    };
                    if names_predicate {
                        let source = self.source(scope, operand, Type::Pred, Fit::Same)?;
                        if let Slot::Predicate(index) = source.slot {
                            ignore = Some((index, source.negated));
                        }
                    } else {
                        source_bytes = Some(self.source(scope, operand, Type::U32, Fit::Same)?.slot);
                    }
                }
                let copy = AsyncCopy { to, from, bytes, source_bytes, ignore };
                self.push(guard, Op::AsyncCopy(Box::new(copy)))
            }
            _ => Err(self.refuse(format!("{full}: this copy is not executed"))),
        }
    }

    fn generic_address(&mut self, guard: Guard, i: &'a Instruction, scope: &mut Scope<'a>) -> Result<()> {
        let full = i.full_name();
        let words: Vec<_> = i.modifiers.iter().map(String::as_str).collect();
        let (from_generic, named) = match words[..] {
            ["to", name, "u64"] => (true, space(name)),
            [name, "u64"] => (false, space(name)),
            _ => (false, None),
        };
        let (Some(named), [to, from]) = (named, &i.operands[..]) else {
            return Err(self.refuse(format!("{full}: this conversion is not executed")));
        };
        let Some(target) = self.target(scope, to, Type::U64, Fit::Same)? else { return Ok(()) };
        if let Some(variable) = self.variable(scope, from) {
            let (room, offset) = variable?;
            if from_generic {
                return Err(self.refuse(format!("{full}: of a variable")));
            }
            let slot = self.address_of(room, offset, 64, true);
            return self.copy(guard, target.slot, slot);
        }
        let source = self.source(scope, from, Type::U64, Fit::Same)?;
        let start = window_start(named);
        if start == 0 {
            return self.copy(guard, target.slot, source.slot);
        }
        let shift = self.constant(64, if from_generic { start.wrapping_neg() } else { start });
        let (Slot::Wide(to), Slot::Wide(from), Slot::Wide(shift)) = (target.slot, source.slot, shift) else {
            return Err(self.refuse(format!("{full}: an address has 64 bits")));
        };
        let slots = [to, from, shift, shift];
        let touch = Touch::of_lanes(target.slot, [source.slot], false);
        self.push_lanes(guard, LaneOp { run: ADD_WIDE, slots }, touch)
    }

    fn is_space(&mut self, guard: Guard, i: &'a Instruction, scope: &mut Scope<'a>) -> Result<()> {
        let full = i.full_name();
        let named = match &i.modifiers[..] {
            [word] => space(word).filter(|space| *space != Space::Const),
            _ => None,
        };
        let (Some(space), [to, address]) = (named, &i.operands[..]) else {
            return Err(self.refuse(format!("{full}: this question is not answered")));
        };
        let target = self.target(scope, to, Type::Pred, Fit::Same)?;
        let address = self.source(scope, address, Type::U64, Fit::Same)?.slot;
        match target.map(|register| register.slot) {
            Some(Slot::Predicate(to)) => self.push(guard, Op::IsSpace { to, address, space }),
            _ => Ok(()),
        }
    }
}
