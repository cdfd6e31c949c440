//! Kernels of the tiny language as PTX, and which line is which step.

use std::fmt::Write;

use super::language::{
    Arithmetic, By, Change, Compare, Kernel, Op, Operand, Place, SHARED, Scope, Space, Statement, Strength,
    Width, flat,
};

/// The text, and for every step of [`flat`] the line, counted from 1, of the instruction that does it.
pub fn ptx(kernel: &Kernel) -> (String, Vec<u32>) {
    let ops = flat(&kernel.body);
    let lanes = (1u32 << kernel.lanes) - 1;
    let mut text = format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 data, .param .u64 fresh) {{\n\
         .reg .pred %p<2>;\n.reg .b32 %r<20>;\n.reg .b64 %d<8>;\n.shared .align 4 .b8 s[{}];\n\
         ld.param.u64 %d1, [data];\nld.param.u64 %d2, [fresh];\nmov.u64 %d3, s;\n\
         mov.u32 %r10, %tid.x;\nmov.u32 %r11, %ctaid.x;\n",
        SHARED * 4
    );
    let mut lines = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        // Whatever else is needed for it comes before it.
        let (before, instruction) = match op {
            Op::Unless(compare, a, b, to) => {
                let name = match compare {
                    Compare::Equal => "eq",
                    Compare::NotEqual => "ne",
                    Compare::Less => "lt",
                };
                let set = format!(
                    "mov.b32 %r12, {};\nmov.b32 %r13, {};\nsetp.{name}.u32 %p1, %r12, %r13;\n",
                    operand(*a),
                    operand(*b)
                );
                (set, format!("@!%p1 bra L{to};"))
            }
            Op::Jump(to) => (String::new(), format!("bra L{to};")),
            Op::Do(statement) => step(statement, lanes),
        };
        let _ = write!(text, "L{at}:\n{before}{instruction}\n");
        lines.push(text.lines().count() as u32);
    }
    let _ = write!(text, "L{}:\nret;\n}}\n", ops.len());
    (text, lines)
}

fn step(statement: &Statement, lanes: u32) -> (String, String) {
    match statement {
        Statement::Load { to, from, width, strength } => {
            let sort = strength_name(*strength, "acquire");
            let name = format!("ld{sort}.{}.{} %r{to}, [%d0];", space(from.space), width_name(*width));
            (address(*from), name)
        }
        Statement::Store { to, from, width, strength } => {
            let sort = strength_name(*strength, "release");
            let before = format!("{}mov.b32 %r12, {};\n", address(*to), operand(*from));
            (before, format!("st{sort}.{}.{} [%d0], %r12;", space(to.space), width_name(*width)))
        }
        Statement::Atomic { change, at, operand: value, old, scope, orders } => {
            let before =
                format!("{}mov.b32 %r12, {};\nadd.u32 %r13, %r12, 1;\n", address(*at), operand(*value));
            let (name, swap) = match change {
                Change::Add => ("add.u32", ""),
                Change::AddFloat => ("add.f32", ""),
                Change::Min => ("min.u32", ""),
                Change::Max => ("max.u32", ""),
                Change::And => ("and.b32", ""),
                Change::Or => ("or.b32", ""),
                Change::Xor => ("xor.b32", ""),
                Change::Exchange => ("exch.b32", ""),
                Change::CompareAndSwap => ("cas.b32", ", %r13"),
                Change::Increment => ("inc.u32", ""),
            };
            let sort = if *orders { "acq_rel" } else { "relaxed" };
            let has_no_red = matches!(change, Change::Exchange | Change::CompareAndSwap) || *orders;
            let (verb, old) = match old {
                Some(old) => ("atom", format!("%r{old}, ")),
                None if has_no_red => ("atom", "%r14, ".to_owned()),
                None => ("red", String::new()),
            };
            let scope = scope_name(*scope);
            (before, format!("{verb}.{sort}.{scope}.{}.{name} {old}[%d0], %r12{swap};", space(at.space)))
        }
        Statement::Barrier => (String::new(), "barrier.sync 0;".to_owned()),
        Statement::WarpBarrier => (String::new(), format!("bar.warp.sync {lanes};")),
        Statement::Fence(scope) => (String::new(), format!("fence.acq_rel.{};", scope_name(*scope))),
        Statement::Set { to, from } => (String::new(), format!("mov.b32 %r{to}, {};", operand(*from))),
        Statement::Compute { arithmetic, to, a, b } => {
            let before = format!("mov.b32 %r12, {};\nmov.b32 %r13, {};\n", operand(*a), operand(*b));
            let name = match arithmetic {
                Arithmetic::Add => "add.u32",
                Arithmetic::Multiply => "mul.lo.u32",
                Arithmetic::Xor => "xor.b32",
                Arithmetic::AddFloat => "add.rn.f32",
            };
            (before, format!("{name} %r{to}, %r12, %r13;"))
        }
        Statement::Return => (String::new(), "ret;".to_owned()),
        Statement::If { .. } => unreachable!("`flat` leaves none"),
    }
}

fn address(place: Place) -> String {
    let base = match place.space {
        Space::Data => 1,
        Space::Fresh => 2,
        Space::Shared => 3,
    };
    let moved = match place.by {
        By::Fixed => return format!("add.u64 %d0, %d{base}, {};\n", place.offset),
        By::Lane => "mov.b32 %r15, %r10;\n".to_owned(),
        By::Block => "mov.b32 %r15, %r11;\n".to_owned(),
        By::Register(register) => format!("and.b32 %r15, %r{register}, 1;\n"),
    };
    format!("{moved}mad.wide.u32 %d0, %r15, 4, %d{base};\nadd.u64 %d0, %d0, {};\n", place.offset)
}

fn operand(operand: Operand) -> String {
    match operand {
        Operand::Constant(value) => value.to_string(),
        Operand::Register(register) => format!("%r{register}"),
        Operand::Lane => "%r10".to_owned(),
        Operand::Block => "%r11".to_owned(),
    }
}

fn space(space: Space) -> &'static str {
    if space == Space::Shared { "shared" } else { "global" }
}

fn width_name(width: Width) -> &'static str {
    match width {
        Width::Byte => "u8",
        Width::Word => "u32",
    }
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Block => "cta",
        Scope::Device => "gpu",
    }
}

fn strength_name(strength: Strength, ordered: &str) -> String {
    match strength {
        Strength::Weak => String::new(),
        Strength::Volatile => ".volatile".to_owned(),
        Strength::Relaxed(scope) => format!(".relaxed.{}", scope_name(scope)),
        Strength::Ordered(scope) => format!(".{ordered}.{}", scope_name(scope)),
    }
}
