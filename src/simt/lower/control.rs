//! Jumps, calls and ends.

use crate::simt::fault::Result;
use crate::simt::lower::names::{Room, Scope};
use crate::simt::lower::value::Fit;
use crate::simt::lower::{Lowering, MOST_CALLS};
use crate::simt::program::{Guard, Op};
use crate::simt::ptx::ast::{Function, Instruction, Operand, Parameter, Type};

impl<'a> Lowering<'a> {
    /// An instruction that decides what comes next.
    pub fn control(&mut self, guard: Guard, i: &'a Instruction, scope: &mut Scope<'a>) -> Result<()> {
        let full = i.full_name();
        let uniform = |words: &[String]| words.is_empty() || words == ["uni"];
        match (i.opcode.as_str(), &i.operands[..]) {
            ("bra", [Operand::Name { name, component: None }]) if uniform(&i.modifiers) => {
                let target = self.label(scope, name);
                self.push(guard, Op::Branch(target))
            }
            ("brx", [index, Operand::Name { name, .. }])
                if i.modifiers.first().is_some_and(|word| word == "idx") && uniform(&i.modifiers[1..]) =>
            {
                let index = self.source(scope, index, Type::U32, Fit::Same)?.slot;
                let Some(targets) = scope.targets.get(name.as_str()).copied() else {
                    return Err(self.refuse(format!("{full}: {name} is no list of targets")));
                };
                let targets = targets.iter().map(|target| self.label(scope, target)).collect();
                self.push(guard, Op::BranchTable(Box::new((index, targets))))
            }
            ("ret", []) if uniform(&i.modifiers) => match scope.end {
                Some(end) => self.push(guard, Op::Branch(end)),
                None => self.push(guard, Op::Exit),
            },
            ("exit", []) if i.modifiers.is_empty() => self.push(guard, Op::Exit),
            ("trap", []) if i.modifiers.is_empty() => self.push(guard, Op::Trap),
            ("call", operands) if uniform(&i.modifiers) => self.call(guard, operands, &full, scope),
            _ => Err(self.refuse(format!("{full}: this jump is not executed"))),
        }
    }

    /// Puts a function in where it is called.
    fn call(
        &mut self,
        guard: Guard,
        operands: &'a [Operand],
        full: &str,
        scope: &mut Scope<'a>,
    ) -> Result<()> {
        const NONE: &[Operand] = &[];
        let (results, name, arguments) = match operands {
            [Operand::Name { name, .. }] => (NONE, name, NONE),
            [Operand::Name { name, .. }, Operand::List(arguments)] => (NONE, name, &arguments[..]),
            [Operand::List(results), Operand::Name { name, .. }] => (&results[..], name, NONE),
            [Operand::List(results), Operand::Name { name, .. }, Operand::List(arguments)] => {
                (&results[..], name, &arguments[..])
            }
            _ => return Err(self.refuse(format!("{full}: calls through pointers are not executed"))),
        };
        let module = self.module;
        let found = module.functions.iter().find(|f| f.name == *name && f.body.is_some() && !f.entry);
        let Some(Function { body: Some(body), parameters, returns, .. }) = found else {
            return Err(self.refuse(format!("{full}: {name} is no function with a body in this module")));
        };
        if self.calls.contains(name) || self.calls.len() > MOST_CALLS {
            return Err(self.refuse(format!("{full}: {name} calls itself; recursion is not executed")));
        }
        if parameters.len() != arguments.len() || returns.len() != results.len() {
            let (takes, gives) = (parameters.len(), returns.len());
            return Err(self.refuse(format!("{full}: {name} takes {takes} arguments and returns {gives}")));
        }
        let mut inner = Scope::new(body);
        let after = self.labels.len() as u32;
        self.labels.push(None);
        inner.end = Some(after);
        // Lanes that do not call go on behind the function.
        let skip = match guard {
            Guard::Always => None,
            Guard::If(predicate) => Some(Guard::Unless(predicate)),
            Guard::Unless(predicate) => Some(Guard::If(predicate)),
        };
        if let Some(skip) = skip {
            self.push(skip, Op::Branch(after))?;
        }
        let mut copies_back = Vec::new();
        let parts = parameters.iter().zip(arguments).map(|pair| (pair, false));
        let parts = parts.chain(returns.iter().zip(results).map(|pair| (pair, true)));
        for ((parameter, operand), is_result) in parts {
            match parameter {
                Parameter::Memory(variable) => {
                    let Some(Room::Local(start)) = self.argument_room(scope, operand) else {
                        let what = format!("{full}: {} needs a variable of parameter memory", variable.name);
                        return Err(self.refuse(what));
                    };
                    inner.rooms.insert(variable.name.clone(), Room::Local(start));
                }
                Parameter::Register(register) => {
                    let own = self.fresh(register.ty, &register.name)?;
                    inner.bind(&register.name, own);
                    if is_result {
                        if let Some(target) = self.target(scope, operand, register.ty, Fit::Same)? {
                            copies_back.push((target.slot, own.slot));
                        }
                    } else {
                        let source = self.source(scope, operand, register.ty, Fit::Same)?;
                        self.copy(Guard::Always, own.slot, source.slot)?;
                    }
                }
            }
        }
        let place = self.place.clone();
        self.calls.push(name.clone());
        self.body(body, &mut inner)?;
        self.calls.pop();
        self.place = place;
        self.labels[after as usize] = Some(self.code.len() as u32);
        for (to, from) in copies_back {
            self.copy(guard, to, from)?;
        }
        // A label must not be the end of the code.
        self.push(Guard::Always, Op::Nothing)
    }

    fn argument_room(&mut self, scope: &Scope<'a>, operand: &'a Operand) -> Option<Room> {
        let Operand::Name { name, component: None } = operand else { return None };
        self.room(scope, name).ok()
    }
}
