//! The simulated GPU from outside: kernels with known answers, our own and others', under many schedules.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

mod corpus;
mod device;
mod matrix;
mod triton;
