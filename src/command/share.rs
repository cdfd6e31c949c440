//! Shares as flags take them: `1%` or `0.01`.

use crate::error::{Error, Result};

/// A probability, of the flag `--max-p`.
///
/// # Errors
/// What is none, or is out of reach.
pub fn probability(text: &str) -> Result<f64> {
    // Below a millionth a run would take days, and the number of executions leave its type.
    share(text).filter(|p| (1e-6..1.0).contains(p)).ok_or_else(|| {
        Error::input(format!(
            "--max-p \"{text}\" is not a probability from 0.0001% to below 100%, such as 1%"
        ))
    })
}

/// A tax, of the flag `--max-tax`.
///
/// # Errors
/// What is none.
pub fn tax(text: &str) -> Result<f64> {
    share(text).filter(|tax| *tax >= 0.0 && tax.is_finite()).ok_or_else(|| {
        Error::input(format!("--max-tax \"{text}\" is not a share of 0 or above, such as 10% or 0.1"))
    })
}

fn share(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|value| value / 100.0),
        None => text.trim().parse(),
    }
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percent_or_plain() {
        assert_eq!((probability("1%").unwrap(), probability(" 0.01 ").unwrap()), (0.01, 0.01));
        assert_eq!((tax("0").unwrap(), tax("150 %").unwrap()), (0.0, 1.5));
        for text in ["0", "100%", "-1%", "nan", "inf", "", "%", "1 in 5", "1e-9"] {
            assert!(probability(text).unwrap_err().to_string().contains("--max-p"), "{text}");
        }
        for text in ["-1%", "nan", "inf", "", "fast"] {
            assert!(tax(text).unwrap_err().to_string().contains("--max-tax"), "{text}");
        }
    }
}
