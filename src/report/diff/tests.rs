//! The report on differences.
