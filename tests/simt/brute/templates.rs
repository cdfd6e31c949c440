//! Drafts of kernels, each around one condition of a certificate, right and wrong ones.

use super::generate::{COUNTER, Draw, FLOAT, NUMBERS};
use super::language::{Arithmetic, By, Change, Compare, Operand, Place, Space, Statement, Strength, Width};

/// All of them.
pub const ALL: &[fn(&mut Draw) -> Vec<Statement>] = &[
    phases, phases, commuting, commuting, ticket, ticket, ticket, flag, same_value, same_value, answer,
    compaction, taking, floats, early, anything,
];

fn at(space: Space, offset: u8, by: By) -> Place {
    Place { space, offset, by }
}

fn load(to: u8, from: Place) -> Statement {
    Statement::Load { to, from, width: Width::Word, strength: Strength::Weak }
}

fn store(to: Place, from: Operand) -> Statement {
    Statement::Store { to, from, width: Width::Word, strength: Strength::Weak }
}

fn compute(arithmetic: Arithmetic, to: u8, a: Operand, b: Operand) -> Statement {
    Statement::Compute { arithmetic, to, a, b }
}

fn register(number: u8) -> Operand {
    Operand::Register(number)
}

fn only(a: Operand, b: u32, then: Vec<Statement>) -> Statement {
    Statement::If { compare: Compare::Equal, a, b: Operand::Constant(b), then, other: Vec::new() }
}

impl Draw {
    /// A place of its own for each thread of a block, or for each block.
    fn slots(&mut self) -> Place {
        let by = self.own();
        let space = if by == By::Lane { self.one_of(&[Space::Shared, Space::Data]) } else { Space::Data };
        at(space, 0, by)
    }

    /// What should order the threads of a block, or does not.
    fn between(&mut self) -> Vec<Statement> {
        let scope = self.scope();
        self.one_of(&[
            vec![Statement::Barrier],
            vec![Statement::Barrier],
            vec![Statement::Barrier],
            vec![Statement::WarpBarrier],
            vec![Statement::Fence(scope)],
            vec![],
        ])
    }

    /// Whether only the first thread of each block does it.
    fn by_the_first(&mut self, body: Vec<Statement>) -> Vec<Statement> {
        if self.lanes > 1 && !self.once_in(3) { vec![only(Operand::Lane, 0, body)] } else { body }
    }

    fn output(&mut self, from: Operand) -> Statement {
        let by = self.own();
        store(at(Space::Data, 8, by), from)
    }
}

/// Everybody leaves something, and then reads what another left.
fn phases(draw: &mut Draw) -> Vec<Statement> {
    let slots = draw.slots();
    let mine = draw.operand();
    let mut body = vec![store(slots, mine)];
    body.extend(draw.between());
    let other =
        draw.one_of(&[slots, Place { by: By::Fixed, ..slots }, Place { by: By::Register(1), ..slots }]);
    body.push(load(0, other));
    if draw.once_in(2) {
        body.push(compute(Arithmetic::Add, 0, register(0), Operand::Lane));
        body.extend(draw.between());
        body.push(store(slots, register(0)));
    }
    body.push(draw.output(register(0)));
    body
}

/// Atomic operations of one class, mostly, and what is left is read.
fn commuting(draw: &mut Draw) -> Vec<Statement> {
    let change = draw.one_of(&[Change::Add, Change::Min, Change::Max, Change::And, Change::Or, Change::Xor]);
    let space = if draw.blocks == 1 { draw.one_of(&[Space::Shared, Space::Data]) } else { Space::Data };
    let place = at(space, if space == Space::Shared { 0 } else { COUNTER }, By::Fixed);
    let mut body = Vec::new();
    if space == Space::Shared {
        body.push(only(Operand::Lane, 0, vec![store(place, Operand::Constant(4))]));
        body.extend(draw.between());
    }
    for _ in 0..draw.one_of(&[1, 1, 2]) {
        let operand = draw.one_of(&[Operand::Lane, Operand::Block, Operand::Constant(5)]);
        let change = if draw.once_in(6) { draw.operation() } else { change };
        body.push(Statement::Atomic {
            change,
            at: place,
            operand,
            old: None,
            scope: draw.scope(),
            orders: false,
        });
    }
    if draw.once_in(2) {
        body.extend(draw.between());
        body.push(load(1, place));
        body.push(draw.output(register(1)));
    }
    body
}

/// Each block leaves its part and draws a ticket; the last adds the parts.
fn ticket(draw: &mut Draw) -> Vec<Statement> {
    let blocks = u32::from(draw.blocks);
    let mut body = Vec::new();
    let part = draw.one_of(&[Operand::Constant(5), Operand::Block, Operand::Constant(1)]);
    body.push(Statement::Set { to: 1, from: part });
    body.push(store(at(Space::Data, 0, By::Block), register(1)));
    let fence = |draw: &mut Draw| -> Vec<Statement> {
        if draw.once_in(6) { Vec::new() } else { vec![Statement::Fence(draw.scope())] }
    };
    body.extend(fence(draw));
    let (change, operand) = draw.one_of(&[
        (Change::Add, Operand::Constant(1)),
        (Change::Add, Operand::Constant(1)),
        (Change::Increment, Operand::Constant(blocks - 1)),
        (Change::Increment, Operand::Constant(blocks)),
    ]);
    let counter = at(Space::Data, COUNTER, By::Fixed);
    let (scope, orders) = (draw.scope(), draw.once_in(5));
    body.push(Statement::Atomic { change, at: counter, operand, old: Some(0), scope, orders });
    let mut last = fence(draw);
    let begins_with_own = draw.once_in(4);
    if !begins_with_own {
        last.push(Statement::Set { to: 1, from: Operand::Constant(0) });
    }
    for block in 0..draw.blocks {
        last.push(load(2, at(Space::Data, block * 4, By::Fixed)));
        last.push(compute(Arithmetic::Add, 1, register(1), register(2)));
    }
    let into = at(Space::Data, 32, By::Fixed);
    let result =
        draw.one_of(&[register(1), register(1), register(1), register(1), Operand::Block, register(0)]);
    last.push(store(into, result));
    if draw.once_in(3) {
        last.push(store(counter, Operand::Constant(0)));
    }
    let threshold =
        draw.one_of(&[blocks - 1, blocks - 1, blocks - 1, blocks - 1, blocks.saturating_sub(2), blocks]);
    body.push(only(register(0), threshold, last));
    draw.by_the_first(body)
}

/// One thread leaves something and raises a flag; another looks at the flag first.
fn flag(draw: &mut Draw) -> Vec<Statement> {
    let who = if draw.blocks > 1 { Operand::Block } else { Operand::Lane };
    let raised = at(Space::Data, COUNTER, By::Fixed);
    let left = at(Space::Data, 0, By::Fixed);
    let mut first = vec![store(left, Operand::Constant(5))];
    if !draw.once_in(3) {
        first.push(Statement::Fence(draw.scope()));
    }
    let strength = draw.strong();
    first.push(Statement::Store { to: raised, from: Operand::Constant(1), width: Width::Word, strength });
    let mut taking = Vec::new();
    if !draw.once_in(3) {
        taking.push(Statement::Fence(draw.scope()));
    }
    taking.push(load(1, left));
    if draw.once_in(2) {
        taking.push(store(at(Space::Data, 32, By::Fixed), register(1)));
    }
    let strength = draw.strong();
    let looks = Statement::Load { to: 0, from: raised, width: Width::Word, strength };
    vec![only(who, 0, first), only(who, 1, vec![looks, only(register(0), 1, taking)])]
}

/// Several threads write the same, or nearly.
fn same_value(draw: &mut Draw) -> Vec<Statement> {
    let place = at(draw.one_of(&[Space::Data, Space::Shared]), 0, By::Fixed);
    let value =
        draw.one_of(&[Operand::Constant(5), Operand::Constant(5), Operand::Constant(3), Operand::Block]);
    let mut body = Vec::new();
    let who = if draw.blocks > 1 { Operand::Block } else { Operand::Lane };
    if draw.once_in(2) {
        let number = draw.one_of(&[0, 1]);
        let mut first = vec![store(place, Operand::Constant(1))];
        if draw.once_in(2) {
            first.push(load(1, place));
        }
        body.push(only(who, number, first));
    }
    body.push(store(place, value));
    if draw.once_in(3) {
        body.push(store(place, value));
    }
    if draw.once_in(2) {
        body.extend(draw.between());
        body.push(load(2, place));
        body.push(draw.output(register(2)));
    }
    body
}

/// What an atomic operation returns decides something.
fn answer(draw: &mut Draw) -> Vec<Statement> {
    let (change, scope) = (draw.operation(), draw.scope());
    let operand = Operand::Constant(1);
    let counter = at(Space::Data, COUNTER, By::Fixed);
    let asks = Statement::Atomic { change, at: counter, operand, old: Some(0), scope, orders: false };
    let (compare, b) = (draw.comparison(), Operand::Constant(draw.one_of(&[0, 1, 2])));
    let inside = |draw: &mut Draw| match draw.one_of(&[0, 1, 2]) {
        0 => vec![Statement::Set { to: 2, from: draw.operand() }],
        1 => vec![draw.output(Operand::Constant(1))],
        _ => Vec::new(),
    };
    let (then, other) = (inside(draw), inside(draw));
    let mut body = vec![asks, Statement::If { compare, a: register(0), b, then, other }];
    if draw.once_in(2) {
        let result = draw.one_of(&[register(2), register(0), register(1)]);
        body.push(draw.output(result));
    }
    body
}

/// Everybody puts something where a counter says.
fn compaction(draw: &mut Draw) -> Vec<Statement> {
    let (change, scope) = (Change::Add, draw.scope());
    let counter = at(Space::Data, COUNTER, By::Fixed);
    let operand = Operand::Constant(draw.one_of(&[1, 1, 2]));
    let asks = Statement::Atomic { change, at: counter, operand, old: Some(0), scope, orders: false };
    vec![asks, store(at(Space::Data, 0, By::Register(0)), draw.operand())]
}

/// Threads try to take something by one operation each.
fn taking(draw: &mut Draw) -> Vec<Statement> {
    let change = draw.one_of(&[Change::Exchange, Change::CompareAndSwap]);
    let operand = draw.one_of(&[Operand::Constant(0), Operand::Block, Operand::Lane]);
    let (scope, orders) = (draw.scope(), draw.once_in(2));
    let lock = at(Space::Data, COUNTER, By::Fixed);
    let takes = Statement::Atomic { change, at: lock, operand, old: Some(0), scope, orders };
    let place = at(Space::Data, 0, By::Fixed);
    let inside = vec![
        load(1, place),
        compute(Arithmetic::Add, 1, register(1), Operand::Constant(1)),
        store(place, register(1)),
    ];
    vec![takes, only(register(0), 0, inside)]
}

/// Floating-point numbers are added, atomically or each at its place.
fn floats(draw: &mut Draw) -> Vec<Statement> {
    let own = draw.own();
    let by = draw.one_of(&[By::Fixed, By::Fixed, own]);
    let (operand, scope) = (draw.float(), draw.scope());
    let place = at(Space::Data, if by == By::Fixed { FLOAT } else { NUMBERS[2] }, by);
    let adds =
        Statement::Atomic { change: Change::AddFloat, at: place, operand, old: None, scope, orders: false };
    let mut body = vec![adds];
    if draw.once_in(2) {
        let mut second = body[0].clone();
        if let Statement::Atomic { operand, .. } = &mut second {
            *operand = draw.float();
        }
        body.push(second);
    }
    body
}

/// Some threads leave before the others meet.
fn early(draw: &mut Draw) -> Vec<Statement> {
    let slots = draw.slots();
    let mut body = vec![store(slots, draw.operand())];
    let mut leaving = Vec::new();
    if draw.once_in(2) {
        leaving.push(store(Place { by: By::Fixed, ..slots }, Operand::Constant(5)));
    }
    leaving.push(Statement::Return);
    let who = if draw.lanes > 1 { Operand::Lane } else { Operand::Block };
    body.push(only(who, 1, leaving));
    body.extend(draw.between());
    body.push(load(0, at(slots.space, 4, By::Fixed)));
    body.push(draw.output(register(0)));
    body
}

/// Nothing in particular.
fn anything(draw: &mut Draw) -> Vec<Statement> {
    let most = if draw.blocks * draw.lanes > 3 { 4 } else { 6 };
    let steps = draw.one_of(&[2, 3, most]);
    (0..steps).map(|_| draw.statement(1)).collect()
}
