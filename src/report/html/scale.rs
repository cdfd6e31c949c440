//! Scales: from a number to a place on a picture, and the numbers that an axis names.

use crate::report::words;

/// How places follow numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Evenly.
    Linear,
    /// By powers of ten.
    Log10,
    /// By powers of two.
    Log2,
}

/// A scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale that has room for all of `values`, from the place `from` to `to` (which may be the lower number, for
    /// axes that rise). What has no place on it, as infinities, or 0 on a logarithmic one, is passed over; `None` if
    /// that leaves nothing.
    pub fn over(kind: Kind, values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let mut ends: Option<(f64, f64)> = None;
        for value in values.into_iter().filter(|value| has_place(kind, *value)) {
            let (low, high) = ends.get_or_insert((value, value));
            (*low, *high) = (low.min(value), high.max(value));
        }
        let (mut low, mut high) = ends?;
        if kind == Kind::Linear {
            let room = if high > low { 0.04 * (high - low) } else { (0.5 * high.abs()).max(0.5) };
            (low, high) = ((low - room).max(f64::MIN / 4.0), (high + room).min(f64::MAX / 4.0));
        } else {
            let room = if high > low { (high / low).ln() * 0.04 } else { std::f64::consts::LN_2 };
            (low, high) = ((low * (-room).exp()).max(f64::MIN_POSITIVE), (high * room.exp()).min(f64::MAX));
        }
        Some(Self { kind, low, high, from, to })
    }

    /// The place of `x`; that of the nearer end for what lies beyond, and `None` for what has no place.
    pub fn at(&self, x: f64) -> Option<f64> {
        let measure = |x: f64| if self.kind == Kind::Linear { x } else { x.ln() };
        has_place(self.kind, x).then(|| {
            let [x, low, high] = [x, self.low, self.high].map(measure);
            let share = if high > low { ((x - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
            self.from + share * (self.to - self.from)
        })
    }

    /// At most `most` round numbers within the scale, in ascending order.
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        let most = most.max(2);
        let of_powers = match self.kind {
            Kind::Linear => Vec::new(),
            Kind::Log10 => self.powers(10.0, most),
            Kind::Log2 => self.powers(2.0, most),
        };
        if of_powers.len() > 1 {
            return of_powers;
        }
        // A scale within two powers of ten has its numbers at 1, 2 and 5, or evenly.
        let ones = [1.0, 2.0, 5.0];
        let decades = self.low.abs().max(f64::MIN_POSITIVE).log10().floor() as i32;
        let between =
            (decades..=decades.saturating_add(2)).flat_map(|decade| ones.map(|one| one * 10f64.powi(decade)));
        let between: Vec<f64> = between.filter(|tick| self.holds(*tick)).collect();
        if self.kind == Kind::Log10 && (3..=most).contains(&between.len()) {
            between
        } else {
            self.even(most)
        }
    }

    fn holds(&self, x: f64) -> bool {
        (self.low..=self.high).contains(&x)
    }

    fn powers(&self, base: f64, most: usize) -> Vec<f64> {
        let first = self.low.log(base).ceil() as i32;
        let last = self.high.log(base).floor() as i32;
        let count = usize::try_from(i64::from(last) - i64::from(first) + 1).unwrap_or(0);
        let stride = count.div_ceil(most).max(1);
        (first..=last)
            .step_by(stride)
            .map(|power| base.powi(power))
            .filter(|tick| self.holds(*tick))
            .collect()
    }

    fn even(&self, most: usize) -> Vec<f64> {
        let span = self.high - self.low;
        if !span.is_finite() || span <= 0.0 {
            return vec![self.low];
        }
        let magnitude = 10f64.powf((span / most as f64).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0, 20.0].map(|step| step * magnitude);
        let count = |step: f64| (self.high / step).floor() - (self.low / step).ceil() + 1.0;
        let step = steps.into_iter().find(|step| count(*step) <= most as f64).unwrap_or(span);
        let (first, count) = ((self.low / step).ceil(), count(step).clamp(0.0, most as f64) as usize);
        (0..count).map(|place| (first + place as f64) * step).collect()
    }

    /// A tick in words: powers of two as such, everything else as short as it goes.
    pub fn label(&self, x: f64) -> String {
        let power = x.log2();
        if self.kind == Kind::Log2 && power.fract() == 0.0 && power >= 7.0 {
            return format!("2{}", superscript(power as i32));
        }
        short(x)
    }
}

fn has_place(kind: Kind, x: f64) -> bool {
    x.is_finite() && (kind == Kind::Linear || x > 0.0)
}

/// A number in at most about six characters.
pub fn short(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 {
        return "0".to_owned();
    }
    if !x.is_finite() {
        return x.to_string();
    }
    if !(1e-3..1e5).contains(&size) {
        let power = size.log10().floor() as i32;
        let digits = words::significant(x / 10f64.powi(power), 3);
        let digits = trimmed(&digits);
        // A power of ten needs no factor.
        return if digits == "1" {
            format!("10{}", superscript(power))
        } else {
            format!("{digits}·10{}", superscript(power))
        };
    }
    trimmed(&words::significant(x, 4)).replace('-', "−")
}

fn trimmed(digits: &str) -> String {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        digits.to_owned()
    }
}

fn superscript(power: i32) -> String {
    let raised = |character| match character {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁰',
    };
    power.to_string().chars().map(raised).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticks(kind: Kind, low: f64, high: f64, most: usize) -> Vec<String> {
        let scale = Scale::over(kind, [low, high], 0.0, 100.0).unwrap();
        scale.ticks(most).into_iter().map(|tick| scale.label(tick)).collect()
    }

    #[test]
    fn axes_name_round_numbers() {
        assert_eq!(ticks(Kind::Linear, 1.0, 1.17, 4), ["1", "1.05", "1.1", "1.15"]);
        assert_eq!(ticks(Kind::Linear, -3.0, 9.0, 5), ["0", "5"]);
        assert_eq!(ticks(Kind::Log10, 1.0, 30.0, 5), ["1", "10"]);
        assert_eq!(ticks(Kind::Log10, 1.0, 7.0, 5), ["1", "2", "5"]);
        assert_eq!(ticks(Kind::Log10, 1e-9, 1e-3, 4), ["10⁻⁹", "10⁻⁷", "10⁻⁵", "0.001"]);
        assert_eq!(ticks(Kind::Log2, 1024.0, 16_777_216.0, 4), ["2¹⁰", "2¹⁴", "2¹⁸", "2²²"]);
    }

    #[test]
    fn numbers_are_short() {
        let told = [0.0, 1.5, -2.0, 99_999.0, 100_000.0, 2.5e-7, 1234.0].map(short);
        assert_eq!(told, ["0", "1.5", "−2", "99999", "10⁵", "2.5·10⁻⁷", "1234"]);
    }

    #[test]
    fn what_has_no_place_has_none() {
        assert_eq!(Scale::over(Kind::Log10, [0.0, -1.0, f64::NAN, f64::INFINITY], 0.0, 1.0), None);
        let scale = Scale::over(Kind::Log10, [1.0, f64::NAN, 100.0], 0.0, 100.0).unwrap();
        assert_eq!([0.0, f64::NAN, f64::NEG_INFINITY].map(|x| scale.at(x)), [None; 3]);
        assert_eq!(scale.at(1e9), Some(100.0), "at the end");
        assert!((scale.at(10.0).unwrap() - 50.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn ticks_are_few_ascend_and_lie_on_the_scale(a: f64, b: f64, most in 2usize..9, log in 0..3) {
            let kind = [Kind::Linear, Kind::Log10, Kind::Log2][log as usize];
            let Some(scale) = Scale::over(kind, [a, b], 20.0, 300.0) else { return Ok(()) };
            let ticks = scale.ticks(most);
            prop_assert!(ticks.len() <= most, "{ticks:?}");
            prop_assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
            for tick in ticks {
                let place = scale.at(tick);
                prop_assert!(place.is_some_and(|place| (20.0..=300.0).contains(&place)), "{tick} at {place:?}");
                prop_assert!(scale.label(tick).chars().count() < 14);
            }
        }
    }
}
