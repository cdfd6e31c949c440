//! Compiler options that change what is computed.

use std::fmt;

/// Options that change arithmetic. The default is to compile as the committed PTX was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CompileSetting {
    /// Whether `a * b + c` may become one operation with one rounding.
    pub fmad: Option<bool>,
    /// Whether f32 that are subnormal count as zero.
    pub ftz: Option<bool>,
    /// Whether f32 quotients are rounded correctly.
    pub prec_div: Option<bool>,
    /// Whether f32 square roots are rounded correctly.
    pub prec_sqrt: Option<bool>,
    /// The faster choice of all of these, and approximate functions; what is set by itself, also by a module's
    /// own options, stays as it is set.
    pub fast_math: bool,
}

/// The key that stands for all others.
const FAST_MATH: &str = "fast-math";

impl CompileSetting {
    /// As the committed PTX was compiled.
    pub const NONE: Self = Self { fmad: None, ftz: None, prec_div: None, prec_sqrt: None, fast_math: false };
    /// All that is faster.
    pub const FAST_MATH: Self = Self { fast_math: true, ..Self::NONE };

    /// Those worth trying: each departs from the compiler's default in one thing, the last in all.
    pub fn all() -> Vec<Self> {
        vec![
            Self { fmad: Some(false), ..Self::default() },
            Self { ftz: Some(true), ..Self::default() },
            Self { prec_div: Some(false), ..Self::default() },
            Self { prec_sqrt: Some(false), ..Self::default() },
            Self::FAST_MATH,
        ]
    }

    /// What is set, sorted by key.
    fn set(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let keys = [
            (FAST_MATH, self.fast_math.then_some(true)),
            ("fmad", self.fmad),
            ("ftz", self.ftz),
            ("prec-div", self.prec_div),
            ("prec-sqrt", self.prec_sqrt),
        ];
        keys.into_iter().filter_map(|(key, value)| Some((key, value?)))
    }

    /// The compiler's options: `own`, less those that this setting says otherwise, and its own behind them.
    pub fn options<'a>(&self, own: impl Iterator<Item = &'a str>) -> Vec<String> {
        // NVRTC 12 refuses an option that is given twice, NVRTC 13 warns.
        let replaced = |option: &&str| {
            let key = option.trim_start_matches('-').split('=').next();
            self.set().any(|(set, _)| Some(set) == key)
        };
        let own = own.filter(|option| !replaced(option)).map(str::to_owned);
        let set = self.set().map(|(key, value)| match key {
            FAST_MATH => "--use_fast_math".to_owned(),
            _ => format!("--{key}={value}"),
        });
        own.chain(set).collect()
    }
}

/// As in the column `setting`: `fmad=0;ftz=1`, and nothing for the default.
impl fmt::Display for CompileSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.set().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(f, "{separator}{key}={}", u8::from(value))?;
        }
        Ok(())
    }
}
