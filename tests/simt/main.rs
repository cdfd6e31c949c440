//! The simulated GPU from outside: kernels with known answers, our own and others', bad input, damaged text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

mod answers;
mod brute;
mod certificates;
mod corpus;
mod damage;
mod device;
mod faults;
mod matrix;
mod mutation;
mod replays;
mod schedules;
mod triton;
