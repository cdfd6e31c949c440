//! What names stand for: registers, special registers, and variables of every state space.

use std::collections::HashMap;

use crate::simt::execute::window_start;
use crate::simt::fault::Result;
use crate::simt::lower::Lowering;
use crate::simt::program::{Parameter, Slot, Special, WideConstant};
use crate::simt::ptx::ast::{self, Space, Type, Variable};

/// The names of one function, where it is put in.
pub struct Scope<'a> {
    declared: HashMap<&'a str, &'a ast::Register>,
    registers: HashMap<String, Register>,
    /// Variables and parameters.
    pub rooms: HashMap<String, Room>,
    /// Labels by their numbers.
    pub labels: HashMap<&'a str, u32>,
    /// Lists of `.branchtargets`.
    pub targets: HashMap<&'a str, &'a [String]>,
    /// Where `ret` goes, in a function.
    pub end: Option<u32>,
}

/// A register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// Its place.
    pub slot: Slot,
    /// Its width.
    pub bits: u32,
}

/// Where a variable lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// At that byte of the kernel's parameters.
    Parameter(u32),
    /// At that byte of each thread's local memory.
    Local(u64),
    /// At that byte of the block's shared memory.
    Shared(u64),
    /// The n-th variable of the module.
    Module(u32, Space),
}

impl<'a> Scope<'a> {
    /// The names that `body` declares.
    pub fn new(body: &'a ast::Body) -> Self {
        Self {
            declared: body.registers.iter().map(|register| (register.name.as_str(), register)).collect(),
            registers: HashMap::new(),
            rooms: HashMap::new(),
            labels: HashMap::new(),
            targets: HashMap::new(),
            end: None,
        }
    }

    /// Makes a name stand for a register of the caller.
    pub fn bind(&mut self, name: &str, register: Register) {
        self.registers.insert(name.to_owned(), register);
    }

    /// Its declaration: of its own, or as one of `%r<n>`.
    fn declaration(&self, name: &str) -> Option<&'a ast::Register> {
        if let Some(register) = self.declared.get(name).filter(|register| register.count.is_none()) {
            return Some(register);
        }
        let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
        // A prefix may end in digits itself.
        (name.len() - digits..name.len()).find_map(|split| {
            let (prefix, number) = name.split_at(split);
            let register = self.declared.get(prefix)?;
            let plain = number.len() == 1 || !number.starts_with('0');
            (plain && number.parse::<u32>().ok()? < register.count?).then_some(*register)
        })
    }

    /// Whether the name is one of a register.
    pub fn has_register(&self, name: &str) -> bool {
        self.registers.contains_key(name) || self.declaration(name).is_some()
    }
}

impl<'a> Lowering<'a> {
    /// The place of a register, made at its first use.
    pub fn register(&mut self, scope: &mut Scope<'a>, name: &str) -> Result<Register> {
        if let Some(register) = scope.registers.get(name) {
            return Ok(*register);
        }
        let Some(declaration) = scope.declaration(name) else {
            return Err(self.refuse(format!("{name} is not declared as a register")));
        };
        if declaration.vector != 1 {
            return Err(self.refuse(format!("{name}: registers that are vectors are not executed")));
        }
        let register = self.fresh(declaration.ty, name)?;
        scope.registers.insert(name.to_owned(), register);
        Ok(register)
    }

    /// A new register of that type and name, without a value.
    pub fn fresh(&mut self, ty: Type, name: &str) -> Result<Register> {
        let take = |count: &mut u32| {
            *count += 1;
            *count - 1
        };
        let slot = match ty.bits() {
            1 => Slot::Predicate(take(&mut self.file.predicates)),
            64 => Slot::Wide(take(&mut self.file.wide)),
            128 => return Err(self.refuse("registers of 128 bits are not executed")),
            _ => Slot::Narrow(take(&mut self.file.narrow)),
        };
        self.names.insert(slot, name.to_owned());
        Ok(Register { slot, bits: ty.bits() })
    }

    /// A place that always holds a number.
    pub fn constant(&mut self, bits: u32, value: u64) -> Slot {
        match bits {
            64 => self.wide_constant(WideConstant::Number(value)),
            1 => {
                let index = self.file.predicates;
                self.file.predicates += 1;
                self.file.predicate_constants.push((index, value & 1 == 1));
                Slot::Predicate(index)
            }
            _ => {
                let value = value as u32 & (u32::MAX >> (32 - bits.min(32)));
                let file = &mut self.file;
                let index = *self.narrow_constants.entry(value).or_insert_with(|| {
                    file.narrow_constants.push((file.narrow, value));
                    file.narrow += 1;
                    file.narrow - 1
                });
                Slot::Narrow(index)
            }
        }
    }

    /// A place that always holds a number or an address.
    pub fn wide_constant(&mut self, value: WideConstant) -> Slot {
        let file = &mut self.file;
        let index = *self.wide_constants.entry(value).or_insert_with(|| {
            file.wide_constants.push((file.wide, value));
            file.wide += 1;
            file.wide - 1
        });
        Slot::Wide(index)
    }

    /// The place of a special register.
    pub fn special(&mut self, special: Special) -> Slot {
        let file = &mut self.file;
        let index = *self.specials.entry(special).or_insert_with(|| {
            file.specials.push((file.narrow, special));
            if special.is_unsettled() {
                file.unsettled.push(Slot::Narrow(file.narrow));
            }
            file.narrow += 1;
            file.narrow - 1
        });
        Slot::Narrow(index)
    }

    /// A place of its own for `%gridid`, since it is no number that a program may count on.
    pub fn grid_number(&mut self) -> Slot {
        let slot = Slot::Wide(self.file.wide);
        self.file.wide_constants.push((self.file.wide, WideConstant::Number(0)));
        self.file.wide += 1;
        self.file.unsettled.push(slot);
        slot
    }

    /// Gives a variable of a body its place.
    pub fn declare(&mut self, variable: &Variable, scope: &mut Scope<'a>) -> Result<()> {
        let room = match variable.space {
            Space::Shared => self.shared_room(variable, &format!("{} in {:?}", variable.name, self.calls))?,
            Space::Local | Space::Param => {
                let bytes = self.size(variable)?;
                let start = self.local_bytes.next_multiple_of(u64::from(variable.align.max(1)));
                self.local_bytes = start + bytes;
                if variable.space == Space::Param {
                    self.argument_rooms.push((start, bytes));
                }
                Room::Local(start)
            }
            space => {
                let what = format!("{}: a variable of {space:?} memory inside a function", variable.name);
                return Err(self.refuse(what));
            }
        };
        scope.rooms.insert(variable.name.clone(), room);
        Ok(())
    }

    fn size(&self, variable: &Variable) -> Result<u64> {
        let elements = variable.elements.unwrap_or(0);
        let bytes = elements.checked_mul(u64::from(variable.ty.bytes()));
        bytes
            .filter(|bytes| *bytes < 1 << 32)
            .ok_or_else(|| self.refuse(format!("{}: more than 4 GiB", variable.name)))
    }

    fn shared_room(&mut self, variable: &Variable, key: &str) -> Result<Room> {
        let align = u64::from(variable.align.max(1));
        if variable.external || variable.elements.is_none() {
            self.dynamic_align = self.dynamic_align.max(align);
            return Ok(Room::Shared(self.dynamic_start));
        }
        if let Some(start) = self.shared.get(key) {
            return Ok(Room::Shared(u64::from(*start)));
        }
        let start = self.shared_bytes.next_multiple_of(align);
        self.shared_bytes = start + self.size(variable)?;
        let within = u32::try_from(start);
        let start = within.map_err(|_| self.refuse(format!("{}: too much shared memory", variable.name)))?;
        self.shared.insert(key.to_owned(), start);
        Ok(Room::Shared(u64::from(start)))
    }

    /// Where a variable lies: one of this function, or of the module.
    pub fn room(&mut self, scope: &Scope<'a>, name: &str) -> Result<Room> {
        if let Some(room) = scope.rooms.get(name) {
            return Ok(*room);
        }
        if let Some((index, space)) = self.variables.get(name) {
            return Ok(Room::Module(*index, *space));
        }
        let module: &'a ast::Module = self.module;
        let of_module = module.variables.iter().find(|v| v.name == name && v.space == Space::Shared);
        match of_module {
            Some(variable) => self.shared_room(variable, name),
            None => Err(self.refuse(format!("{name} is not declared"))),
        }
    }

    /// The address of a variable in its own space, or as a generic one, plus bytes.
    pub fn address_of(&mut self, room: Room, offset: i64, bits: u32, generic: bool) -> Slot {
        let (space, start) = match room {
            Room::Module(index, _) => return self.wide_constant(WideConstant::Variable(index, offset)),
            Room::Parameter(start) => (Space::Param, u64::from(start)),
            Room::Local(start) => (Space::Local, start),
            Room::Shared(start) => (Space::Shared, start),
        };
        let window = if generic { window_start(space) } else { 0 };
        self.constant(bits, start.wrapping_add_signed(offset).wrapping_add(window))
    }

    /// Gives an entry's parameters their places, in order and aligned.
    pub fn entry_parameters(&self, entry: &ast::Function) -> Result<(Vec<Parameter>, u32)> {
        let mut next = 0u64;
        let mut parameters = Vec::new();
        for parameter in &entry.parameters {
            let ast::Parameter::Memory(variable) = parameter else {
                return Err(self.refuse(format!("{}: a parameter of an entry in a register", entry.name)));
            };
            let bytes = self.size(variable)?;
            let offset = next.next_multiple_of(u64::from(variable.align.max(1)));
            next = offset + bytes;
            if next > 1 << 16 {
                return Err(self.refuse(format!("{}: more than 64 KiB of parameters", entry.name)));
            }
            parameters.push(Parameter {
                name: variable.name.clone(),
                offset: offset as u32,
                bytes: bytes as u32,
                ty: variable.ty,
                elements: variable.elements.unwrap_or(0) as u32,
            });
        }
        Ok((parameters, next as u32))
    }
}
