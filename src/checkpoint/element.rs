//! Element types of `.safetensors` files: their names, and what kind of number they hold.

/// The type of a tensor's elements, as the file names it.
pub use safetensors::Dtype as Element;

/// What a type's bits mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A floating-point number.
    Float(Float),
    /// An integer of so many bits.
    Integer {
        /// Its bits.
        bits: u32,
        /// Whether half of its values are negative.
        signed: bool,
    },
    /// A byte that is 0 or 1.
    Bool,
    /// Nothing that is computed with here: compared byte by byte.
    Opaque,
}

/// A floating-point format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Float {
    /// 4 exponent bits, 3 of mantissa, no infinities (OCP 8-bit floating point, `e4m3fn`).
    E4m3,
    /// 5 exponent bits, 2 of mantissa.
    E5m2,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
}

impl Float {
    /// Bits of the significand, the hidden one included.
    pub fn precision(self) -> u32 {
        match self {
            Self::E4m3 => 4,
            Self::E5m2 => 3,
            Self::F16 => 11,
            Self::Bf16 => 8,
            Self::F32 => 24,
            Self::F64 => 53,
        }
    }

    /// Half the distance from 1 to the next number: the largest relative error of one rounding.
    pub fn unit_roundoff(self) -> f64 {
        2f64.powi(-(self.precision() as i32))
    }

    /// The largest finite number.
    pub fn max_finite(self) -> f64 {
        match self {
            Self::E4m3 => 448.0,
            Self::E5m2 => 57_344.0,
            Self::F16 => 65_504.0,
            Self::Bf16 => f64::from(half::bf16::MAX),
            Self::F32 => f64::from(f32::MAX),
            Self::F64 => f64::MAX,
        }
    }

    /// The smallest positive normal number.
    pub fn min_normal(self) -> f64 {
        match self {
            Self::E4m3 => 2f64.powi(-6),
            Self::E5m2 | Self::F16 => 2f64.powi(-14),
            Self::Bf16 | Self::F32 => f64::from(f32::MIN_POSITIVE),
            Self::F64 => f64::MIN_POSITIVE,
        }
    }

    /// The type of the file that holds it.
    pub fn element(self) -> Element {
        match self {
            Self::E4m3 => Element::F8_E4M3,
            Self::E5m2 => Element::F8_E5M2,
            Self::F16 => Element::F16,
            Self::Bf16 => Element::BF16,
            Self::F32 => Element::F32,
            Self::F64 => Element::F64,
        }
    }
}

/// What the type's bits mean.
pub fn kind(element: Element) -> Kind {
    let integer = |bits, signed| Kind::Integer { bits, signed };
    match element {
        Element::BOOL => Kind::Bool,
        Element::F8_E4M3 => Kind::Float(Float::E4m3),
        Element::F8_E5M2 => Kind::Float(Float::E5m2),
        Element::F16 => Kind::Float(Float::F16),
        Element::BF16 => Kind::Float(Float::Bf16),
        Element::F32 => Kind::Float(Float::F32),
        Element::F64 => Kind::Float(Float::F64),
        Element::I8 => integer(8, true),
        Element::I16 => integer(16, true),
        Element::I32 => integer(32, true),
        Element::I64 => integer(64, true),
        Element::U8 => integer(8, false),
        Element::U16 => integer(16, false),
        Element::U32 => integer(32, false),
        Element::U64 => integer(64, false),
        _ => Kind::Opaque,
    }
}

/// The float that a type holds, if it does.
pub fn float(element: Element) -> Option<Float> {
    match kind(element) {
        Kind::Float(float) => Some(float),
        _ => None,
    }
}

/// The name on the screen: that of the file in lower case, as `f8_e4m3`.
pub fn name(element: Element) -> String {
    element.to_string().to_ascii_lowercase()
}
