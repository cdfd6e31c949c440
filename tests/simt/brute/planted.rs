//! The interpreter on kernels whose interleavings are known by hand, and errors planted in what is said: every law must
//! find the one that is its own.

use samebits::explore::verdict::Verdict;

use super::explorer::{Truth, all};
use super::language::{
    Arithmetic, By, Change, Compare, Kernel, Operand, Place, Scope, Space, Statement, Strength, Width,
};
use super::laws::{Said, judge, said};

const STATES: usize = 10_000;

fn data(offset: u8) -> Place {
    Place { space: Space::Data, offset, by: By::Fixed }
}

fn load(to: u8, from: Place) -> Statement {
    Statement::Load { to, from, width: Width::Word, strength: Strength::Weak }
}

fn store(to: Place, from: Operand) -> Statement {
    Statement::Store { to, from, width: Width::Word, strength: Strength::Weak }
}

fn add(change: Change, offset: u8, value: u32, old: Option<u8>) -> Statement {
    let operand = Operand::Constant(value);
    Statement::Atomic { change, at: data(offset), operand, old, scope: Scope::Device, orders: false }
}

fn either(block: u32, then: Vec<Statement>, other: Vec<Statement>) -> Statement {
    Statement::If { compare: Compare::Equal, a: Operand::Block, b: Operand::Constant(block), then, other }
}

fn two_blocks(body: Vec<Statement>) -> Kernel {
    Kernel { blocks: 2, lanes: 1, fresh: 0, body }
}

fn truth(kernel: &Kernel) -> Truth {
    all(kernel, STATES).unwrap()
}

/// Two threads add one to the same word, in three steps each.
fn lost_update() -> Kernel {
    let sum = Statement::Compute {
        arithmetic: Arithmetic::Add,
        to: 0,
        a: Operand::Register(0),
        b: Operand::Constant(1),
    };
    two_blocks(vec![load(0, data(0)), sum, store(data(0), Operand::Register(0))])
}

/// Whoever draws the last ticket reads what the other left; with fences before and behind the drawing or without.
fn ticket(before: bool, behind: bool) -> Kernel {
    let fence = |there: bool| if there { vec![Statement::Fence(Scope::Device)] } else { Vec::new() };
    let part = Place { space: Space::Data, offset: 0, by: By::Block };
    let last = [
        fence(behind),
        vec![load(1, data(0)), load(2, data(4)), store(data(32), Operand::Register(1))],
        vec![store(data(36), Operand::Register(2))],
    ];
    let asked = Statement::If {
        compare: Compare::Equal,
        a: Operand::Register(0),
        b: Operand::Constant(1),
        then: last.concat(),
        other: Vec::new(),
    };
    let body = [
        vec![store(part, Operand::Constant(5))],
        fence(before),
        vec![add(Change::Add, 16, 1, Some(0)), asked],
    ];
    two_blocks(body.concat())
}

#[test]
fn what_can_happen_is_what_is_known_to() {
    let lost = truth(&lost_update());
    assert_eq!((lost.outcomes.len(), lost.always_races), (2, true));
    assert_eq!(lost.races.iter().copied().collect::<Vec<_>>(), [(0, 2), (2, 2)]);

    // Both store, then both look: one of them sees the other's, in sequentially consistent interleavings.
    let seen = |own: u8, other: u8, into: u8| {
        vec![
            store(data(own), Operand::Constant(5)),
            load(0, data(other)),
            store(data(into), Operand::Register(0)),
        ]
    };
    let litmus = truth(&two_blocks(vec![either(0, seen(0, 4, 32), seen(4, 0, 36))]));
    assert_eq!(litmus.outcomes.len(), 3);

    let floats = two_blocks(vec![either(
        0,
        vec![add(Change::AddFloat, 28, 1e8f32.to_bits(), None)],
        vec![
            add(Change::AddFloat, 28, 3.25f32.to_bits(), None),
            add(Change::AddFloat, 28, 3.25f32.to_bits(), None),
        ],
    )]);
    // 1 + 1e8 is 1e8, and 3.25 more changes nothing; 7.5 + 1e8 is 1e8 + 8, 4.25 + 1e8 is 1e8 and so stays.
    let floats = truth(&floats);
    assert_eq!((floats.outcomes.len(), floats.races.len()), (2, 0));

    let meets = |first: Statement, second: Statement| {
        let body = vec![Statement::If {
            compare: Compare::Equal,
            a: Operand::Lane,
            b: Operand::Constant(0),
            then: vec![first],
            other: vec![second],
        }];
        truth(&Kernel { blocks: 1, lanes: 2, fresh: 0, body })
    };
    let ends = |truth: &Truth| format!("{:?}", truth.outcomes);
    assert_eq!(ends(&meets(Statement::Barrier, Statement::WarpBarrier)), "{Deadlock}");
    assert!(ends(&meets(Statement::Barrier, Statement::Barrier)).starts_with("{Ended"));
    assert!(ends(&meets(Statement::Barrier, Statement::Return)).starts_with("{Ended"));
    let nothing = Place { space: Space::Shared, offset: 0, by: By::Fixed };
    let before = meets(store(nothing, Operand::Constant(1)), load(0, nothing));
    assert_eq!((before.outcomes.len(), before.races.len()), (2, 1));
    assert!(ends(&before).contains("Uninitialised(3)"), "{before:?}");
}

#[test]
fn a_ticket_needs_both_fences() {
    for (before, behind) in [(true, true), (true, false), (false, true), (false, false)] {
        let found = truth(&ticket(before, behind));
        assert_eq!(found.races.is_empty(), before && behind, "{before} {behind}: {found:?}");
        assert_eq!(found.outcomes.len(), 1);
    }
}

/// What a law says of a kernel of which something else is said than should be.
fn complaint(kernel: &Kernel, forge: impl Fn(&mut Said)) -> String {
    let truth = truth(kernel);
    let mut all = said(kernel).unwrap();
    judge(kernel, &truth, &all).unwrap();
    forge(&mut all);
    judge(kernel, &truth, &all).unwrap_err()
}

#[test]
fn every_law_finds_the_error_that_is_its_own() {
    let certified = |said: &mut Said| said.verdict = Ok(Verdict::Independent);
    let sum = ticket(true, true);
    assert_eq!(said(&sum).unwrap().verdict, Ok(Verdict::Independent));

    // Two outputs, and none that was never written.
    assert!(complaint(&lost_update(), certified).starts_with("a certificate, and yet"));
    let unwritten = Kernel { fresh: 1, ..sum.clone() };
    assert!(complaint(&unwritten, certified).starts_with("a certificate, and yet"));
    // One output, and a race.
    assert!(complaint(&ticket(true, false), certified).starts_with("a certificate, though steps race"));
    assert!(
        complaint(&sum, |said| said.verdict = Ok(Verdict::Depends))
            .starts_with("said to depend, and there is but one")
    );
    assert!(
        complaint(&sum, |said| said.verdict = Err("it fails".to_owned()))
            .starts_with("said to fail under every")
    );
    let forged = |said: &mut Said| said.races.extend([(Some(0), Some(3))]);
    assert!(complaint(&sum, forged).starts_with("a race is reported that is none"));
    assert!(
        complaint(&lost_update(), |said| said.races.clear()).starts_with("every interleaving has a race")
    );

    // What is printed is another kernel than what is interpreted.
    let mut wrong = sum.clone();
    wrong.body[0] = store(Place { space: Space::Data, offset: 0, by: By::Block }, Operand::Constant(6));
    let broken = judge(&sum, &truth(&sum), &said(&wrong).unwrap()).unwrap_err();
    assert!(broken.starts_with("no interleaving ends as an execution did"), "{broken}");
}
