//! The interpreter: runs one warp until its turn is over, it waits, or all its lanes have exited.

use crate::simt::compute::Compute;
use crate::simt::execute::barrier::Arrival;
use crate::simt::execute::observe::{At, Observer};
use crate::simt::execute::warp::{Fragment, LANES, Registers, Wait, Warp, lanes};
use crate::simt::fault::{Fault, FaultKind, Result, Thread};
use crate::simt::memory::Memory;
use crate::simt::program::{ComputeOp, Guard, Kernel, Op, Slot, Source};
use crate::simt::schedule::Choices;
use crate::simt::segment::Segment;

/// Backward jumps of lanes whose fellows wait elsewhere to run, until these are let run: the lanes may
/// spin on what only a fellow can write.
const PATIENCE: u32 = 32;

/// What a launch has that warps share, but for their block's own.
pub struct Shared<'a, O> {
    pub kernel: &'a Kernel,
    pub memory: &'a mut Memory,
    /// The bytes of the kernel's parameters.
    pub parameters: &'a [u8],
    pub choices: Choices,
    /// Thread instructions, and warp instructions, so far.
    pub executed: u64,
    pub warp_instructions: u64,
    /// Thread instructions that are allowed.
    pub fuel: u64,
    pub block_threads: [u32; 3],
    /// Who watches.
    pub observer: &'a mut O,
}

/// Why a warp stops.
pub enum Stop {
    /// Its turn is over, or nothing of it can run.
    Turn,
    /// Lanes arrived at a barrier of the block.
    Barrier(Arrival),
    /// Lanes exited.
    Exited,
}

/// The block's side of a running warp.
pub struct BlockSide<'a> {
    pub index: [u32; 3],
    pub memory: &'a mut Segment,
}

impl<'a, O: Observer> Shared<'a, O> {
    /// Puts the place and the thread into a fault.
    pub fn blame(&self, fault: Fault, pc: u32, block: [u32; 3], warp: u32, lane: usize) -> Fault {
        let [x, y, _] = self.block_threads;
        let linear = warp * LANES as u32 + lane as u32;
        let thread = [linear % x, linear / x % y, linear / x / y];
        fault.at(&self.kernel.places[pc as usize]).of(Thread { block, thread })
    }

    /// Where a warp is, for who watches. It borrows the warp and the kernel alone.
    pub fn at<'w>(&self, warp: &'w Warp, block: &BlockSide, pc: u32) -> At<'w>
    where
        'a: 'w,
    {
        At { kernel: self.kernel, registers: &warp.registers, pc, block: block.index, warp: warp.index }
    }

    /// Runs a warp.
    pub fn run(&mut self, warp: &mut Warp, block: &mut BlockSide) -> Result<Stop> {
        let mut turn = self.choices.turn();
        let mut avoid = 0;
        let watched = !self.kernel.watch.names.is_empty();
        loop {
            let Some(fragment) = self.choose(warp, avoid) else { return Ok(Stop::Turn) };
            if self.executed > self.fuel {
                return Err(self.out_of_fuel(fragment.fragment.pc));
            }
            let next = if watched {
                self.run_fragment::<true>(warp, block, fragment, &mut turn)?
            } else {
                self.run_fragment::<false>(warp, block, fragment, &mut turn)?
            };
            match next {
                Next::Choose => avoid = 0,
                Next::Others(mask) => avoid = mask,
                Next::Stop(stop) => return Ok(stop),
            }
        }
    }

    /// Takes the lanes that run next out of `warp`.
    #[inline]
    fn choose(&mut self, warp: &mut Warp, avoid: u32) -> Option<Chosen> {
        if let [only] = warp.fragments[..] {
            if only.wait != Wait::Nothing {
                return None;
            }
            warp.fragments.clear();
            return Some(Chosen { fragment: only, limit: u32::MAX });
        }
        let runnable = |fragment: &&Fragment| fragment.wait == Wait::Nothing;
        let count = warp.fragments.iter().filter(runnable).count();
        let odd = if count > 1 { self.choices.odd_choice(count) } else { None };
        let avoided = |fragment: &Fragment| count > 1 && fragment.mask & avoid != 0;
        let pc = match odd {
            Some(nth) => warp.fragments.iter().filter(runnable).nth(nth)?.pc,
            None => warp.fragments.iter().filter(runnable).filter(|f| !avoided(f)).map(|f| f.pc).min()?,
        };
        let mask = warp.take(|fragment| fragment.pc == pc && fragment.wait == Wait::Nothing);
        // Lanes ahead are joined, unless these were chosen to run past them.
        let limit = if odd.is_some() || avoid != 0 {
            u32::MAX
        } else {
            warp.fragments.iter().filter(runnable).map(|fragment| fragment.pc).min().unwrap_or(u32::MAX)
        };
        Some(Chosen { fragment: Fragment { pc, mask, wait: Wait::Nothing }, limit })
    }

    /// `WATCHED` says whether registers are watched: for kernels without any that costs nothing.
    fn run_fragment<const WATCHED: bool>(
        &mut self,
        warp: &mut Warp,
        block: &mut BlockSide,
        chosen: Chosen,
        turn: &mut u32,
    ) -> Result<Next> {
        let kernel = self.kernel;
        let Chosen { fragment: Fragment { mut pc, mask, .. }, limit } = chosen;
        let others = warp.fragments.iter().any(|fragment| fragment.wait == Wait::Nothing);
        let threads = u64::from(mask.count_ones());
        loop {
            let instruction = &kernel.code[pc as usize];
            let active = match instruction.guard {
                Guard::Always => mask,
                Guard::If(predicate) => mask & warp.registers.predicates[predicate as usize],
                Guard::Unless(predicate) => mask & !warp.registers.predicates[predicate as usize],
            };
            if WATCHED && let Some(watched) = &kernel.watch.steps[pc as usize] {
                self.look(warp, watched, pc, block.index, mask, active)?;
            }
            if O::ACTIVE {
                let at = At { kernel, registers: &warp.registers, pc, block: block.index, warp: warp.index };
                self.observer.step(&at, mask, active);
            }
            self.executed += threads;
            self.warp_instructions += 1;
            let mut visible = false;
            match &instruction.op {
                Op::Lanes(op) => op.run.call(&mut warp.registers, op.slots, active),
                Op::Branch(target) => {
                    let target = *target;
                    if self.executed > self.fuel {
                        return Err(self.out_of_fuel(pc));
                    }
                    if active == mask {
                        if target <= pc && others {
                            warp.impatience += 1;
                            if warp.impatience == PATIENCE {
                                warp.impatience = 0;
                                warp.put(target, mask);
                                return Ok(Next::Others(mask));
                            }
                        }
                        pc = target;
                        if pc >= limit {
                            warp.put(pc, mask);
                            return Ok(Next::Choose);
                        }
                        continue;
                    }
                    if active != 0 {
                        warp.put(target, active);
                        warp.put(pc + 1, mask & !active);
                        return Ok(Next::Choose);
                    }
                }
                Op::Compute(op) => compute(&mut warp.registers, op, active),
                Op::Copy(to, from) => {
                    let values = warp.registers.all(*from);
                    warp.registers.set_all(*to, &values, active);
                }
                Op::Load(access) => {
                    self.load(warp, block, access, pc, active)?;
                    visible = access.visible;
                }
                Op::Store(access) => {
                    self.store(warp, block, access, pc, active)?;
                    visible = access.visible;
                }
                Op::Exit => {
                    if O::ACTIVE {
                        let at = At {
                            kernel,
                            registers: &warp.registers,
                            pc,
                            block: block.index,
                            warp: warp.index,
                        };
                        self.observer.exit(&at, active);
                    }
                    warp.live &= !active;
                    warp.put(pc + 1, mask & !active);
                    warp.look_again();
                    return Ok(Next::Stop(Stop::Exited));
                }
                Op::Barrier(barrier) => {
                    let skipping = mask & !active;
                    warp.put(pc + 1, skipping);
                    if active != 0 {
                        return self.arrive(warp, block, barrier, pc, active);
                    }
                    return Ok(Next::Choose);
                }
                Op::Exchange(exchange) => {
                    warp.put(pc + 1, mask & !active);
                    if active != 0 {
                        self.exchange(warp, block, exchange, pc, active)?;
                    }
                    return Ok(Next::Choose);
                }
                Op::Matrix(matrix) => {
                    warp.put(pc + 1, mask & !active);
                    if active != 0 {
                        self.matrix(warp, block, matrix, pc, active)?;
                    }
                    return Ok(Next::Choose);
                }
                Op::WarpBarrier(members) => {
                    warp.put(pc + 1, mask & !active);
                    if active != 0 {
                        self.warp_barrier(warp, block, *members, pc, active)?;
                    }
                    return Ok(Next::Choose);
                }
                Op::BranchTable(table) => {
                    let (index, targets) = &**table;
                    warp.put(pc + 1, mask & !active);
                    for lane in lanes(active) {
                        let index = warp.registers.get(*index, lane);
                        let target = usize::try_from(index).ok().and_then(|index| targets.get(index));
                        let Some(target) = target else {
                            let what = format!("brx.idx with index {index}, of {} targets", targets.len());
                            let fault = Fault::new(FaultKind::Undefined, what);
                            return Err(self.blame(fault, pc, block.index, warp.index, lane));
                        };
                        warp.put(*target, 1 << lane);
                    }
                    return Ok(Next::Choose);
                }
                other => visible = self.rarely(warp, block, other, pc, active)?,
            }
            pc += 1;
            if visible && active != 0 {
                *turn -= 1;
                if *turn == 0 {
                    warp.put(pc, mask);
                    return Ok(Next::Stop(Stop::Turn));
                }
            }
            if pc >= limit {
                warp.put(pc, mask);
                return Ok(Next::Choose);
            }
        }
    }

    /// What kernels do seldom; whether others may come before the next instruction.
    #[inline(never)]
    fn rarely(
        &mut self,
        warp: &mut Warp,
        block: &mut BlockSide,
        op: &Op,
        pc: u32,
        active: u32,
    ) -> Result<bool> {
        match op {
            Op::Atomic(atomic) => {
                self.atomic(warp, block, atomic, pc, active)?;
                return Ok(true);
            }
            Op::Fence(scope) => {
                if O::ACTIVE {
                    let at = self.at(warp, block, pc);
                    self.observer.fence(&at, active, *scope);
                }
                return Ok(true);
            }
            Op::AsyncCopy(copy) => {
                self.begin_copy(warp, block, copy, pc, active)?;
                return Ok(true);
            }
            Op::AsyncCommit => {
                for lane in lanes(active) {
                    warp.groups[lane] += 1;
                }
            }
            Op::AsyncWait(left) => {
                self.wait_for_copies(warp, block, *left, pc, active)?;
                return Ok(true);
            }
            Op::Extract { to, from, shift, bits } => {
                let mask = u64::MAX >> (64 - bits);
                let values = warp.registers.all(*from).map(|value| value >> shift & mask);
                warp.registers.set_all(*to, &values, active);
            }
            Op::Join(join) => {
                let (to, parts, bits) = &**join;
                let mut values = [0; LANES];
                for (index, part) in parts.iter().enumerate() {
                    let mask = u64::MAX >> (64 - bits);
                    for (value, part) in values.iter_mut().zip(warp.registers.all(*part)) {
                        *value |= (part & mask) << (index as u32 * bits);
                    }
                }
                warp.registers.set_all(*to, &values, active);
            }
            Op::Clock(to) => warp.registers.set_all(*to, &[self.executed; LANES], active),
            Op::ActiveMask(to) => {
                let values = [u64::from(active); LANES];
                warp.registers.set_all(Slot::Narrow(*to), &values, active);
            }
            Op::IsSpace { to, address, space } => {
                let inside = |address| u64::from(super::access::window(address) == *space);
                let values = warp.registers.all(*address).map(inside);
                warp.registers.set_all(Slot::Predicate(*to), &values, active);
            }
            Op::Trap => {
                if let Some(lane) = lanes(active).next() {
                    let fault = Fault::new(FaultKind::Trap, "trap: the kernel ended itself");
                    return Err(self.blame(fault, pc, block.index, warp.index, lane));
                }
            }
            _ => {}
        }
        Ok(false)
    }

    #[cold]
    fn out_of_fuel(&self, pc: u32) -> Fault {
        let what = format!(
            "more than {} thread instructions: an endless loop, or a launch that is too large",
            self.fuel
        );
        Fault::new(FaultKind::Fuel, what).at(&self.kernel.places[pc as usize])
    }
}

/// Lanes that were taken out of a warp to run.
struct Chosen {
    fragment: Fragment,
    /// The position of others that can be joined.
    limit: u32,
}

/// What comes after a fragment ran.
pub enum Next {
    /// The warp chooses again.
    Choose,
    /// The same, but others than these lanes if there are any.
    Others(u32),
    /// The warp stops.
    Stop(Stop),
}

/// Evaluates an operation lane by lane.
#[inline(never)]
fn compute(registers: &mut Registers, op: &ComputeOp, active: u32) {
    let mut operands = [[0u64; LANES]; 4];
    for (values, source) in operands.iter_mut().zip(&op.sources) {
        *values = read(registers, source);
    }
    let (mut values, mut seconds) = ([0u64; LANES], [0u64; LANES]);
    let compute: &Compute = &op.compute;
    for lane in lanes(active) {
        let results = compute.evaluate(operands.map(|values| values[lane]));
        (values[lane], seconds[lane]) = (results.value, results.second);
    }
    if let Some(result) = op.result {
        if let Some((from, to)) = op.extend {
            let shift = 64 - from;
            for value in &mut values {
                *value = ((*value << shift) as i64 >> shift) as u64 & (u64::MAX >> (64 - to));
            }
        }
        registers.set_all(result, &values, active);
    }
    if let Some(second) = op.second {
        registers.set_all(Slot::Predicate(second), &seconds, active);
    }
}

fn read(registers: &Registers, source: &Source) -> [u64; LANES] {
    let values = registers.all(source.slot);
    let mask = u64::MAX >> (64 - source.bits);
    let flip = u64::from(source.negated);
    values.map(|value| (value ^ flip) & mask)
}
