//! The simulated GPU from outside: PTX, a launch, and what memory holds afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic as tests do"
)]

mod matrix;
mod triton;
