//! Kernels to try: drafts that lie near what a certificate asks for, on either side, and then a few random changes.
//! A number gives the same kernel always.

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::language::{
    Arithmetic, By, Change, Compare, Kernel, Operand, Place, REGISTERS, Scope, Space, Statement, Strength,
    Width,
};
use super::templates;

/// Where numbers lie in the buffer, in bytes.
pub const NUMBERS: [u8; 3] = [0, 4, 8];
/// Where counters do.
pub const COUNTER: u8 = 16;
/// Where a floating-point number does.
pub const FLOAT: u8 = 28;

/// The kernel of a seed.
pub fn kernel(seed: u64) -> Kernel {
    let mut draw = Draw { rng: Xoshiro256PlusPlus::seed_from_u64(seed), blocks: 1, lanes: 1, fresh: 0 };
    (draw.blocks, draw.lanes) = draw.one_of(&[(2, 1), (2, 1), (1, 2), (1, 2), (3, 1), (1, 3), (2, 2)]);
    draw.fresh = draw.one_of(&[0, 0, 0, 2]);
    let mut body: Vec<Statement> = (0..REGISTERS as u8)
        .map(|to| Statement::Set {
            to,
            from: draw.one_of(&[Operand::Block, Operand::Lane, Operand::Constant(1)]),
        })
        .collect();
    let drafts: &[fn(&mut Draw) -> Vec<Statement>] = templates::ALL;
    let draft = draw.one_of(drafts);
    let mut middle = draft(&mut draw);
    for _ in 0..draw.one_of(&[0, 0, 1, 1, 2, 3]) {
        draw.change(&mut middle);
    }
    body.append(&mut middle);
    if draw.fresh > 0 {
        body.extend(draw.fill_fresh());
    }
    Kernel { blocks: draw.blocks, lanes: draw.lanes, fresh: draw.fresh, body }
}

/// What is drawn from a seed.
pub struct Draw {
    rng: Xoshiro256PlusPlus,
    pub blocks: u8,
    pub lanes: u8,
    pub fresh: u8,
}

impl Draw {
    pub fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all.choose(&mut self.rng).expect("not empty").clone()
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: u32) -> bool {
        self.rng.random_range(0..times) == 0
    }

    pub fn register(&mut self) -> u8 {
        self.rng.random_range(0..REGISTERS as u8)
    }

    pub fn scope(&mut self) -> Scope {
        self.one_of(&[Scope::Device, Scope::Device, Scope::Device, Scope::Block])
    }

    pub fn operand(&mut self) -> Operand {
        let register = Operand::Register(self.register());
        self.one_of(&[
            register,
            register,
            Operand::Lane,
            Operand::Block,
            Operand::Constant(1),
            Operand::Constant(5),
        ])
    }

    /// A floating-point number; sums of them depend on their order.
    pub fn float(&mut self) -> Operand {
        Operand::Constant(self.one_of(&[1.0f32, 1e8, -1e8, 3.25]).to_bits())
    }

    /// By what threads of this launch may go to places of their own.
    pub fn own(&mut self) -> By {
        match (self.blocks, self.lanes) {
            (1, _) => By::Lane,
            (_, 1) => By::Block,
            _ => self.one_of(&[By::Lane, By::Block]),
        }
    }

    pub fn place(&mut self) -> Place {
        let space = self.one_of(&[Space::Data, Space::Data, Space::Shared]);
        let offset = match space {
            Space::Shared => self.one_of(&[0, 4]),
            _ => self.one_of(&[NUMBERS[0], NUMBERS[1], COUNTER, FLOAT]),
        };
        let register = self.register();
        let own = self.own();
        let by = self.one_of(&[By::Fixed, By::Fixed, own, own, By::Register(register)]);
        Place { space, offset, by }
    }

    /// A strength; scopes are those of [`Draw::scope`].
    pub fn strong(&mut self) -> Strength {
        let scope = self.scope();
        self.one_of(&[Strength::Volatile, Strength::Relaxed(scope), Strength::Ordered(scope)])
    }

    fn strength(&mut self) -> (Width, Strength) {
        match self.rng.random_range(0..8) {
            0 => (Width::Byte, Strength::Weak),
            1 | 2 => (Width::Word, self.strong()),
            _ => (Width::Word, Strength::Weak),
        }
    }

    pub fn operation(&mut self) -> Change {
        use Change::{Add, AddFloat, And, CompareAndSwap, Exchange, Increment, Max, Min, Or, Xor};
        self.one_of(&[Add, Add, Add, AddFloat, Min, Max, And, Or, Xor, Exchange, CompareAndSwap, Increment])
    }

    pub fn comparison(&mut self) -> Compare {
        self.one_of(&[Compare::Equal, Compare::NotEqual, Compare::Less])
    }

    /// Any step at all, in some of them with others inside.
    pub fn statement(&mut self, depth: u32) -> Statement {
        match self.rng.random_range(0..20) {
            0..=3 => {
                let (to, from, (width, strength)) = (self.register(), self.place(), self.strength());
                Statement::Load { to, from, width, strength }
            }
            4..=7 => {
                let (to, from, (width, strength)) = (self.place(), self.operand(), self.strength());
                Statement::Store { to, from, width, strength }
            }
            8..=10 => {
                let (change, at, scope) = (self.operation(), self.place(), self.scope());
                let operand = if change == Change::AddFloat { self.float() } else { self.operand() };
                let (register, orders) = (self.register(), self.once_in(6));
                let old = self.one_of(&[None, Some(register)]);
                Statement::Atomic { change, at, operand, old, scope, orders }
            }
            11 | 12 => Statement::Barrier,
            13 => Statement::WarpBarrier,
            14 => Statement::Fence(self.scope()),
            15 | 16 => {
                use Arithmetic::{Add, AddFloat, Multiply, Xor};
                let arithmetic = self.one_of(&[Add, Multiply, Xor, AddFloat]);
                Statement::Compute { arithmetic, to: self.register(), a: self.operand(), b: self.operand() }
            }
            17 => Statement::Set { to: self.register(), from: self.operand() },
            18 | 19 if depth > 0 => {
                let mut some = |most: u32| -> Vec<Statement> {
                    (0..self.rng.random_range(0..=most)).map(|_| self.statement(depth - 1)).collect()
                };
                let (then, other) = (some(2), some(1));
                let (compare, a, b) = (self.comparison(), self.operand(), self.operand());
                Statement::If { compare, a, b, then, other }
            }
            _ => Statement::Return,
        }
    }

    /// One small change: a step less, more, moved, or other than it was.
    fn change(&mut self, body: &mut Vec<Statement>) {
        let at = self.rng.random_range(0..=body.len());
        if at == body.len() {
            body.push(self.statement(1));
            return;
        }
        if let Statement::If { then, other, .. } = &mut body[at]
            && !self.once_in(3)
        {
            let inside = if self.once_in(3) { other } else { then };
            self.change(inside);
            return;
        }
        match self.rng.random_range(0..6) {
            0 => drop(body.remove(at)),
            1 => body.insert(at, self.statement(1)),
            2 if at > 0 => body.swap(at - 1, at),
            _ => self.alter(&mut body[at]),
        }
    }

    fn alter(&mut self, statement: &mut Statement) {
        match statement {
            Statement::Load { from: place, width, strength, .. }
            | Statement::Store { to: place, width, strength, .. } => match self.rng.random_range(0..2) {
                0 => *place = self.place(),
                _ => (*width, *strength) = self.strength(),
            },
            Statement::Atomic { change, at, operand, old, scope, orders } => {
                match self.rng.random_range(0..5) {
                    0 => *change = self.operation(),
                    1 => *at = self.place(),
                    2 => *operand = self.operand(),
                    3 => *old = if old.is_some() { None } else { Some(self.register()) },
                    _ => (*scope, *orders) = (self.scope(), self.once_in(2)),
                }
            }
            Statement::Fence(scope) => *scope = self.scope(),
            Statement::If { compare, a, b, .. } => match self.rng.random_range(0..3) {
                0 => *compare = self.comparison(),
                1 => *a = self.operand(),
                _ => *b = self.operand(),
            },
            Statement::Set { from, .. } => *from = self.operand(),
            Statement::Compute { a, .. } => *a = self.operand(),
            Statement::Barrier | Statement::WarpBarrier | Statement::Return => *statement = self.statement(0),
        }
    }

    /// Writes the fresh buffer, most often whole.
    fn fill_fresh(&mut self) -> Vec<Statement> {
        let register = Operand::Register(self.register());
        let by = self.own();
        let of_each = self.one_of(&[register, register, Operand::Constant(4)]);
        let store = |offset, by, from| Statement::Store {
            to: Place { space: Space::Fresh, offset, by },
            from,
            width: Width::Word,
            strength: Strength::Weak,
        };
        match self.rng.random_range(0..4) {
            0 => vec![store(0, By::Fixed, Operand::Constant(6)), store(4, By::Fixed, of_each)],
            1 => vec![store(0, By::Fixed, of_each)],
            _ if self.blocks.max(self.lanes) == 2 => vec![store(0, by, of_each)],
            _ => vec![store(0, By::Fixed, of_each), store(4, By::Fixed, Operand::Constant(2))],
        }
    }
}
