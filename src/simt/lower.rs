//! From the syntax tree to a program: names become places, labels positions, functions are put in where
//! they are called. What is not executed exactly is refused here, before anything runs.

mod control;
mod matrix;
mod memory;
mod names;
pub mod touch;
mod value;
mod warp;
mod watch;

use std::collections::HashMap;

use crate::simt::fault::{Fault, FaultKind, Result};
use crate::simt::lower::names::{Room, Scope};
use crate::simt::lower::touch::Touch;
use crate::simt::program::{
    Guard, Instruction, Kernel, LaneOp, Op, Parameter, RegisterFile, Slot, WideConstant,
};
use crate::simt::ptx::ast::{self, Place, Space, Statement};

/// Instructions of a kernel, functions put in, at most.
const MOST_INSTRUCTIONS: usize = 1 << 20;
/// Calls within calls, at most; recursion is refused by name before.
const MOST_CALLS: usize = 64;

/// A variable of the module in global or constant memory, by its place in the list.
pub type Variables<'a> = HashMap<&'a str, (u32, Space)>;

/// A kernel on its way.
struct Lowering<'a> {
    module: &'a ast::Module,
    variables: &'a Variables<'a>,
    code: Vec<Instruction>,
    places: Vec<Place>,
    /// What each instruction reads and writes.
    touches: Vec<Touch>,
    /// Registers that begin without a value.
    names: HashMap<Slot, String>,
    /// The positions of labels.
    labels: Vec<Option<u32>>,
    file: RegisterFile,
    narrow_constants: HashMap<u32, u32>,
    wide_constants: HashMap<WideConstant, u32>,
    specials: HashMap<crate::simt::program::Special, u32>,
    shared: HashMap<String, u32>,
    shared_bytes: u64,
    /// Where dynamic shared memory begins, and the alignment it needs.
    dynamic_start: u64,
    dynamic_align: u64,
    local_bytes: u64,
    argument_rooms: Vec<(u64, u64)>,
    /// Functions that are being put in, the outermost first.
    calls: Vec<String>,
    place: Place,
}

/// Makes a kernel of an entry.
///
/// # Errors
/// What is refused, with its line.
pub fn lower(module: &ast::Module, variables: &Variables, entry: &ast::Function) -> Result<Kernel> {
    let kernel = attempt(module, variables, entry, 0)?;
    if kernel.dynamic_shared == 0 {
        return Ok(kernel);
    }
    // Where dynamic shared memory begins is known once all static variables were met.
    attempt(module, variables, entry, u64::from(kernel.dynamic_shared))
}

fn attempt(
    module: &ast::Module,
    variables: &Variables,
    entry: &ast::Function,
    dynamic_start: u64,
) -> Result<Kernel> {
    if let Some(cluster) = entry.cluster.filter(|cluster| *cluster != [1; 3]) {
        let what = format!("{}: clusters of {cluster:?} blocks are not executed", entry.name);
        return Err(Fault::at_line(FaultKind::Unsupported, entry.line, what));
    }
    let mut lowering = Lowering {
        module,
        variables,
        code: Vec::new(),
        places: Vec::new(),
        touches: Vec::new(),
        names: HashMap::new(),
        labels: Vec::new(),
        file: RegisterFile::default(),
        narrow_constants: HashMap::new(),
        wide_constants: HashMap::new(),
        specials: HashMap::new(),
        shared: HashMap::new(),
        shared_bytes: 0,
        dynamic_start,
        dynamic_align: 1,
        local_bytes: 0,
        argument_rooms: Vec::new(),
        calls: vec![entry.name.clone()],
        place: Place { line: entry.line, source: None },
    };
    let (parameters, parameter_bytes) = lowering.entry_parameters(entry)?;
    let body = entry.body.as_ref().ok_or_else(|| {
        Fault::at_line(FaultKind::Unsupported, entry.line, format!("entry {} has no body", entry.name))
    })?;
    let mut scope = Scope::new(body);
    for parameter in &parameters {
        scope.rooms.insert(parameter.name.clone(), Room::Parameter(parameter.offset));
    }
    lowering.body(body, &mut scope)?;
    lowering.push(Guard::Always, Op::Exit)?;
    lowering.finish(entry, parameters, parameter_bytes)
}

impl<'a> Lowering<'a> {
    /// Refuses what the current instruction asks for.
    fn refuse(&self, what: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Unsupported, what).at(&self.place)
    }

    fn push(&mut self, guard: Guard, op: Op) -> Result<()> {
        debug_assert!(!matches!(op, Op::Lanes(_)), "what a loop over lanes touches must be told");
        let touch = Touch::of(&op);
        self.push_touching(guard, op, touch)
    }

    /// A loop over lanes keeps no more than places of its registers, so they are told beside it.
    fn push_lanes(&mut self, guard: Guard, op: LaneOp, touch: Touch) -> Result<()> {
        self.push_touching(guard, Op::Lanes(op), touch)
    }

    fn push_touching(&mut self, guard: Guard, op: Op, touch: Touch) -> Result<()> {
        if self.code.len() >= MOST_INSTRUCTIONS {
            return Err(self.refuse(format!("more than {MOST_INSTRUCTIONS} instructions")));
        }
        self.code.push(Instruction { guard, op });
        self.touches.push(touch);
        self.places.push(self.place.clone());
        Ok(())
    }

    fn body(&mut self, body: &'a ast::Body, scope: &mut Scope<'a>) -> Result<()> {
        for variable in &body.variables {
            self.declare(variable, scope)?;
        }
        for statement in &body.statements {
            if let Statement::Targets { name, targets, .. } = statement {
                scope.targets.insert(name, targets);
            }
        }
        for statement in &body.statements {
            match statement {
                Statement::Label(name, _) => {
                    let id = self.label(scope, name);
                    self.labels[id as usize] = Some(self.code.len() as u32);
                }
                Statement::Targets { .. } | Statement::Prototype { .. } => {}
                Statement::Instruction(instruction) => {
                    self.place.clone_from(&instruction.place);
                    self.instruction(instruction, scope)?;
                }
            }
        }
        Ok(())
    }

    fn instruction(&mut self, instruction: &'a ast::Instruction, scope: &mut Scope<'a>) -> Result<()> {
        let guard = match &instruction.guard {
            None => Guard::Always,
            Some(guard) => match self.register(scope, &guard.register)?.slot {
                Slot::Predicate(index) if guard.negated => Guard::Unless(index),
                Slot::Predicate(index) => Guard::If(index),
                _ => return Err(self.refuse(format!("{} guards and is no predicate", guard.register))),
            },
        };
        match instruction.opcode.as_str() {
            "bra" | "brx" | "call" | "ret" | "exit" | "trap" => self.control(guard, instruction, scope),
            "bar" | "barrier" | "shfl" | "vote" | "match" | "redux" | "activemask" | "elect" => {
                self.warp_wide(guard, instruction, scope)
            }
            "ld" | "ldu" | "st" | "atom" | "red" | "cp" | "cvta" | "isspacep" | "membar" | "fence"
            | "prefetch" | "prefetchu" => self.memory(guard, instruction, scope),
            "nanosleep" | "pmevent" => self.push(guard, Op::Nothing),
            "mma" | "wmma" | "ldmatrix" | "stmatrix" | "movmatrix" => self.matrix(guard, instruction, scope),
            "mov" => self.mov(guard, instruction, scope),
            opcode if crate::simt::compute::is_compute(opcode) => self.compute(guard, instruction, scope),
            _ => Err(self.refuse(format!("{}: this instruction is not executed", instruction.full_name()))),
        }
    }

    /// The number of a label.
    fn label(&mut self, scope: &mut Scope<'a>, name: &'a str) -> u32 {
        let next = self.labels.len() as u32;
        let id = *scope.labels.entry(name).or_insert(next);
        if id == next {
            self.labels.push(None);
        }
        id
    }

    fn finish(
        mut self,
        entry: &ast::Function,
        parameters: Vec<Parameter>,
        parameter_bytes: u32,
    ) -> Result<Kernel> {
        let labels = &self.labels;
        let resolve = |id: &mut u32, place: &Place| -> Result<()> {
            *id = labels[*id as usize].ok_or_else(|| {
                Fault::new(FaultKind::Syntax, "a jump to a label that is not defined here").at(place)
            })?;
            Ok(())
        };
        for (instruction, place) in self.code.iter_mut().zip(&self.places) {
            match &mut instruction.op {
                Op::Branch(target) => resolve(target, place)?,
                Op::BranchTable(table) => {
                    table.1.iter_mut().try_for_each(|target| resolve(target, place))?;
                }
                _ => {}
            }
        }
        let dynamic = self.shared_bytes.next_multiple_of(self.dynamic_align);
        let (Ok(static_shared), Ok(dynamic_shared), Ok(local_bytes)) = (
            u32::try_from(self.shared_bytes),
            u32::try_from(dynamic),
            u32::try_from(self.local_bytes.next_multiple_of(16)),
        ) else {
            let what = format!("{}: more than 4 GiB of shared or local memory", entry.name);
            return Err(Fault::at_line(FaultKind::Unsupported, entry.line, what));
        };
        let watch = watch::watch(&self.code, &self.touches, &self.names);
        Ok(Kernel {
            name: entry.name.clone(),
            parameters,
            parameter_bytes,
            code: self.code,
            places: self.places,
            registers: self.file,
            static_shared,
            dynamic_shared,
            local_bytes,
            argument_rooms: self.argument_rooms,
            required_block: entry.required_block,
            largest_block: entry.largest_block,
            watch,
            touches: self.touches,
        })
    }
}
