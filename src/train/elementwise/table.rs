//! The table of the steps: the one place where each is registered.

use crate::train::elementwise::{Elementwise, Extent, Input, InputValues, plan, reference, twin};

/// The one way of a step. Plan and twin are functions without surroundings, so they name it.
macro_rules! ways {
    ($step:ident) => {
        Elementwise::way(
            |workload, _| plan::of(&$step, workload),
            |workload, _, inputs, outputs| $step.execute(workload, inputs, outputs),
        )
    };
}

/// All steps.
pub static ALL: [&Elementwise; 15] = [
    &RELU,
    &DROPOUT,
    &DROPOUT_BACKWARD,
    &ADD_TO_ROWS,
    &SHIFTED_EXPONENTIALS,
    &LOSSES,
    &LOGITS_GRADIENT,
    &DIVIDED,
    &TRANSPOSED,
    &CENTRED,
    &NORMALISE_BACKWARD,
    &MOMENTUM,
    &ADAM,
    &ACCUMULATED,
    &SCALED,
];

const fn input(name: &'static str, extent: Extent, values: InputValues) -> Input {
    Input { name, extent, values }
}

/// A matrix.
const fn matrix(name: &'static str) -> Input {
    input(name, Extent::Elements, InputValues::Any)
}

/// A value per column.
const fn per_column(name: &'static str) -> Input {
    input(name, Extent::Columns, InputValues::Any)
}

/// Values between two.
const fn between(name: &'static str, extent: Extent, low: f32, high: f32) -> Input {
    input(name, extent, InputValues::Between(low, high))
}

/// A number of a column per row.
const DIGITS: Input = input("digits", Extent::Rows, InputValues::Column);

/// What is above 0.
pub static RELU: Elementwise = Elementwise {
    name: "relu",
    inputs: &[matrix("y")],
    outputs: &[("active", Extent::Elements)],
    floats: &[],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::relu,
    reference: reference::relu,
    ways: ways!(RELU),
};

/// What is above 0 and not dropped, times 1 ÷ (1 − rate).
pub static DROPOUT: Elementwise = Elementwise {
    name: "dropout",
    inputs: &[matrix("y")],
    outputs: &[("active", Extent::Elements)],
    floats: &[("rate", 0.2)],
    integers: &[("seed", 1), ("position", 0), ("purpose", 3)],
    threads: Extent::Fours,
    twin: twin::dropout,
    reference: reference::dropout,
    ways: ways!(DROPOUT),
};

/// The gradient before [`DROPOUT`], from what came out there and the gradient behind it.
pub static DROPOUT_BACKWARD: Elementwise = Elementwise {
    name: "dropout_backward",
    inputs: &[matrix("active"), matrix("to_active")],
    outputs: &[("to_y", Extent::Elements)],
    floats: &[("rate", 0.2)],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::dropout_backward,
    reference: reference::dropout_backward,
    ways: ways!(DROPOUT_BACKWARD),
};

/// A vector added to every row.
pub static ADD_TO_ROWS: Elementwise = Elementwise {
    name: "add_to_rows",
    inputs: &[matrix("x"), per_column("vector")],
    outputs: &[("sum", Extent::Elements)],
    floats: &[],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::add_to_rows,
    reference: reference::add_to_rows,
    ways: ways!(ADD_TO_ROWS),
};

/// e^(logit − the largest logit of the row); and the largest.
pub static SHIFTED_EXPONENTIALS: Elementwise = Elementwise {
    name: "shifted_exponentials",
    inputs: &[matrix("logits")],
    outputs: &[("exponentials", Extent::Elements), ("largest", Extent::Rows)],
    floats: &[],
    integers: &[],
    threads: Extent::Rows,
    twin: twin::shifted_exponentials,
    reference: reference::shifted_exponentials,
    ways: ways!(SHIFTED_EXPONENTIALS),
};

/// Per row −log of the softmax at its digit.
pub static LOSSES: Elementwise = Elementwise {
    name: "losses",
    inputs: &[
        matrix("logits"),
        between("sums", Extent::Rows, 1.0, 10.0),
        between("largest", Extent::Rows, -1.0, 1.0),
        DIGITS,
    ],
    outputs: &[("losses", Extent::Rows)],
    floats: &[],
    integers: &[],
    threads: Extent::Rows,
    twin: twin::losses,
    reference: reference::losses,
    ways: ways!(LOSSES),
};

/// The gradient of the losses' mean.
pub static LOGITS_GRADIENT: Elementwise = Elementwise {
    name: "logits_gradient",
    inputs: &[
        between("exponentials", Extent::Elements, 0.0, 1.0),
        between("sums", Extent::Rows, 1.0, 10.0),
        DIGITS,
    ],
    outputs: &[("to_logits", Extent::Elements)],
    floats: &[],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::logits_gradient,
    reference: reference::logits_gradient,
    ways: ways!(LOGITS_GRADIENT),
};

/// Quotients.
pub static DIVIDED: Elementwise = Elementwise {
    name: "divided",
    inputs: &[matrix("x")],
    outputs: &[("quotient", Extent::Elements)],
    floats: &[("divisor", 3.0)],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::divided,
    reference: reference::divided,
    ways: ways!(DIVIDED),
};

/// Columns as rows.
pub static TRANSPOSED: Elementwise = Elementwise {
    name: "transposed",
    inputs: &[matrix("matrix")],
    outputs: &[("turned", Extent::Elements)],
    floats: &[],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::transposed,
    reference: reference::transposed,
    ways: ways!(TRANSPOSED),
};

/// (x − the column's mean) · its invstd; and the product of that and the gradient behind batch-norm.
pub static CENTRED: Elementwise = Elementwise {
    name: "centred",
    inputs: &[
        matrix("x"),
        between("mean", Extent::Columns, -0.5, 0.5),
        between("invstd", Extent::Columns, 0.5, 2.0),
        matrix("to_y"),
    ],
    outputs: &[("centred", Extent::Elements), ("product", Extent::Elements)],
    floats: &[],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::centred,
    reference: reference::centred,
    ways: ways!(CENTRED),
};

/// The gradient before batch-norm.
pub static NORMALISE_BACKWARD: Elementwise = Elementwise {
    name: "normalise_backward",
    inputs: &[
        matrix("to_y"),
        matrix("centred"),
        between("weight", Extent::Columns, 0.5, 1.5),
        between("invstd", Extent::Columns, 0.5, 2.0),
        per_column("to_bias"),
        per_column("to_weight"),
    ],
    outputs: &[("to_x", Extent::Elements)],
    floats: &[],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::normalise_backward,
    reference: reference::normalise_backward,
    ways: ways!(NORMALISE_BACKWARD),
};

/// A step of momentum SGD.
pub static MOMENTUM: Elementwise = Elementwise {
    name: "momentum",
    inputs: &[matrix("parameter"), matrix("velocity"), matrix("gradient")],
    outputs: &[("parameter", Extent::Elements), ("velocity", Extent::Elements)],
    floats: &[("rate", 0.1)],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::momentum,
    reference: reference::momentum,
    ways: ways!(MOMENTUM),
};

/// A step of Adam.
pub static ADAM: Elementwise = Elementwise {
    name: "adam",
    inputs: &[
        matrix("parameter"),
        matrix("first"),
        between("second", Extent::Elements, 0.0, 1.0),
        matrix("gradient"),
    ],
    outputs: &[("parameter", Extent::Elements), ("first", Extent::Elements), ("second", Extent::Elements)],
    floats: &[("rate", 0.005), ("first_correction", 0.19), ("second_correction", 0.002)],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::adam,
    reference: reference::adam,
    ways: ways!(ADAM),
};

/// A gradient added to others.
pub static ACCUMULATED: Elementwise = Elementwise {
    name: "accumulated",
    inputs: &[matrix("sum"), matrix("gradient")],
    outputs: &[("sum", Extent::Elements)],
    floats: &[],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::accumulated,
    reference: reference::accumulated,
    ways: ways!(ACCUMULATED),
};

/// Products with one factor.
pub static SCALED: Elementwise = Elementwise {
    name: "scaled",
    inputs: &[matrix("x")],
    outputs: &[("product", Extent::Elements)],
    floats: &[("factor", 0.3)],
    integers: &[],
    threads: Extent::Elements,
    twin: twin::scaled,
    reference: reference::scaled,
    ways: ways!(SCALED),
};
