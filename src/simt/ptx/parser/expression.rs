//! Numbers and constant expressions (PTX ISA 8.5, 4.5): integers are 64 bits, signed or unsigned, and both
//! sorts meet as unsigned; ptxas 12.9 agrees, except where a fault is given instead.

use super::Parser;
use crate::simt::fault::{Fault, Result};
use crate::simt::ptx::ast::Literal;
use crate::simt::ptx::lexer::Token;

/// A value with its type.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Signed(i64),
    Unsigned(u64),
    Float(u32),
    Double(f64),
}

impl From<Value> for Literal {
    fn from(value: Value) -> Self {
        match value {
            Value::Signed(value) => Self::Integer(value),
            Value::Unsigned(value) => Self::Integer(value.cast_signed()),
            Value::Float(bits) => Self::Float(bits),
            Value::Double(value) => Self::Double(value),
        }
    }
}

/// Threads of a warp, which PTX calls `WARP_SZ`.
const WARP_SIZE: i64 = 32;

/// Binary operators, from the loosest binding to the tightest, as in C.
const BINARY: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<", "<=", ">", ">="],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl<'a> Parser<'a> {
    /// A constant expression.
    pub(super) fn constant(&mut self) -> Result<Literal> {
        Ok(self.conditional()?.into())
    }

    /// A constant expression of integers.
    pub(super) fn constant_integer(&mut self) -> Result<i64> {
        let float = self.syntax("expected an integer, found a number with a fraction or exponent");
        match self.constant()? {
            Literal::Integer(value) => Ok(value),
            Literal::Float(_) | Literal::Double(_) => Err(float),
        }
    }

    /// One integer literal, as PTX wants it for sizes.
    pub(super) fn literal_integer(&mut self, what: &str) -> Result<u64> {
        let Token::Number(text) = self.token else { return Err(self.expected(what)) };
        let value = match number(text) {
            Some(Value::Signed(value)) => value.cast_unsigned(),
            Some(Value::Unsigned(value)) => value,
            _ => return Err(self.expected(what)),
        };
        self.advance()?;
        Ok(value)
    }

    fn conditional(&mut self) -> Result<Value> {
        self.nested(|parser| {
            let condition = parser.binary(0)?;
            if !parser.at("?") {
                return Ok(condition);
            }
            let chosen = parser.truth(condition)?;
            parser.advance()?;
            let yes = parser.conditional()?;
            parser.expect(":")?;
            let no = parser.conditional()?;
            match (yes, no) {
                (Value::Signed(_), Value::Signed(_))
                | (Value::Unsigned(_), Value::Unsigned(_))
                | (Value::Double(_), Value::Double(_)) => Ok(if chosen { yes } else { no }),
                (Value::Signed(_), Value::Unsigned(_)) | (Value::Unsigned(_), Value::Signed(_)) => {
                    let what = "`?:` of a signed and an unsigned number, whose type ptxas and PTX ISA \
                        tell differently: cast with `(.s64)` or `(.u64)`";
                    Err(parser.unsupported(what))
                }
                _ => Err(parser.mixed()),
            }
        })
    }

    fn binary(&mut self, level: usize) -> Result<Value> {
        let Some(operators) = BINARY.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Token::Mark(operator) = self.token
            && operators.contains(&operator)
        {
            self.advance()?;
            let right = self.binary(level + 1)?;
            left = self.apply(operator, left, right)?;
        }
        Ok(left)
    }

    fn apply(&self, operator: &str, left: Value, right: Value) -> Result<Value> {
        let flag = |truth: bool| Ok(Value::Signed(i64::from(truth)));
        match operator {
            "&&" => return flag(self.truth(left)? & self.truth(right)?),
            "||" => return flag(self.truth(left)? | self.truth(right)?),
            "<<" | ">>" => return self.shift(operator, left, right),
            "%" => {
                let (left, right) = (self.bits(left)?, self.bits(right)?);
                let remainder = left.checked_rem(right).ok_or_else(|| self.syntax("remainder of zero"))?;
                return Ok(Value::Signed(remainder.cast_signed()));
            }
            _ => {}
        }
        let zero = || self.syntax("a division by zero, or one whose result does not fit");
        match (left, right) {
            (Value::Signed(a), Value::Signed(b)) => Ok(Value::Signed(match operator {
                "+" => a.wrapping_add(b),
                "-" => a.wrapping_sub(b),
                "*" => a.wrapping_mul(b),
                "/" => a.checked_div(b).ok_or_else(zero)?,
                "&" => a & b,
                "|" => a | b,
                "^" => a ^ b,
                _ => return flag(compared(operator, a, b)),
            })),
            (Value::Signed(_) | Value::Unsigned(_), Value::Signed(_) | Value::Unsigned(_)) => {
                let (a, b) = (self.bits(left)?, self.bits(right)?);
                Ok(Value::Unsigned(match operator {
                    "+" => a.wrapping_add(b),
                    "-" => a.wrapping_sub(b),
                    "*" => a.wrapping_mul(b),
                    "/" => a.checked_div(b).ok_or_else(zero)?,
                    "&" => a & b,
                    "|" => a | b,
                    "^" => a ^ b,
                    _ => return flag(compared(operator, a, b)),
                }))
            }
            (Value::Double(a), Value::Double(b)) => Ok(Value::Double(match operator {
                "+" => a + b,
                "-" => a - b,
                "*" => a * b,
                "/" => a / b,
                "&" | "|" | "^" => return Err(self.mixed()),
                _ => return flag(compared(operator, a, b)),
            })),
            _ => Err(self.mixed()),
        }
    }

    /// The result has the first operand's type. Of 64 and more PTX says nothing.
    fn shift(&self, operator: &str, left: Value, right: Value) -> Result<Value> {
        let count = u32::try_from(self.bits(right)?).ok().filter(|count| *count < 64);
        let count = count.ok_or_else(|| self.unsupported("a constant shift by 64 or more"))?;
        match (left, operator) {
            (Value::Signed(value), "<<") => Ok(Value::Signed(value << count)),
            (Value::Signed(value), _) => Ok(Value::Signed(value >> count)),
            (Value::Unsigned(value), "<<") => Ok(Value::Unsigned(value << count)),
            (Value::Unsigned(value), _) => Ok(Value::Unsigned(value >> count)),
            _ => Err(self.mixed()),
        }
    }

    fn unary(&mut self) -> Result<Value> {
        self.nested(|parser| match parser.token {
            Token::Mark(sign @ ("+" | "-" | "!" | "~")) => {
                parser.advance()?;
                if let (true, Token::Word(name)) = (matches!(sign, "+" | "-" | "~"), parser.token)
                    && name != "WARP_SZ"
                {
                    return Err(parser.unsupported(format!("the operand `{sign}{name}`")));
                }
                let value = parser.unary()?;
                match (sign, value) {
                    ("!", _) => Ok(Value::Signed(i64::from(!parser.truth(value)?))),
                    ("~", _) => Ok(Value::Unsigned(!parser.bits(value)?)),
                    (_, Value::Float(_)) => Err(parser.mixed()),
                    ("-", Value::Signed(value)) => Ok(Value::Signed(value.wrapping_neg())),
                    ("-", Value::Unsigned(value)) => Ok(Value::Unsigned(value.wrapping_neg())),
                    ("-", Value::Double(value)) => Ok(Value::Double(-value)),
                    _ => Ok(value),
                }
            }
            Token::Mark("(") => {
                parser.advance()?;
                match parser.token {
                    Token::Dot(cast) => {
                        let unknown = parser.unsupported(format!("a cast to `.{cast}`"));
                        parser.advance()?;
                        parser.expect(")")?;
                        let bits = parser.unary()?;
                        let bits = parser.bits(bits)?;
                        match cast {
                            "s64" => Ok(Value::Signed(bits.cast_signed())),
                            "u64" => Ok(Value::Unsigned(bits)),
                            _ => Err(unknown),
                        }
                    }
                    _ => {
                        let value = parser.conditional()?;
                        parser.expect(")")?;
                        Ok(value)
                    }
                }
            }
            Token::Word("WARP_SZ") => {
                parser.advance()?;
                Ok(Value::Signed(WARP_SIZE))
            }
            Token::Number(text) => {
                let value = number(text);
                let value = value.ok_or_else(|| parser.syntax(format!("no number: {}", parser.token)))?;
                parser.advance()?;
                Ok(value)
            }
            _ => Err(parser.expected("a number")),
        })
    }

    fn bits(&self, value: Value) -> Result<u64> {
        match value {
            Value::Signed(value) => Ok(value.cast_unsigned()),
            Value::Unsigned(value) => Ok(value),
            Value::Float(_) | Value::Double(_) => Err(self.mixed()),
        }
    }

    fn truth(&self, value: Value) -> Result<bool> {
        Ok(self.bits(value)? != 0)
    }

    fn mixed(&self) -> Fault {
        self.syntax("an operator that does not go with numbers of these types")
    }
}

fn compared<T: PartialOrd>(operator: &str, left: T, right: T) -> bool {
    match operator {
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        ">=" => left >= right,
        "==" => left == right,
        _ => left != right,
    }
}

/// The value of a literal; `None` if it is none, or fits no 64 bits.
fn number(text: &str) -> Option<Value> {
    let radix = |radix: u32, digits: &str, suffixed: bool| {
        let value = u64::from_str_radix(digits, radix).ok()?;
        Some(match i64::try_from(value) {
            Ok(value) if !suffixed => Value::Signed(value),
            _ => Value::Unsigned(value),
        })
    };
    let exact = |digits: &str, length: usize| {
        (digits.len() == length).then(|| u64::from_str_radix(digits, 16).ok())?
    };
    let bytes = text.as_bytes();
    match bytes {
        [b'0', b'f' | b'F', ..] => return Some(Value::Float(u32::try_from(exact(&text[2..], 8)?).ok()?)),
        [b'0', b'd' | b'D', ..] => return Some(Value::Double(f64::from_bits(exact(&text[2..], 16)?))),
        _ => {}
    }
    let (digits, suffixed) = match text.strip_suffix('U') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => radix(16, &digits[2..], suffixed),
        [b'0', b'b' | b'B', ..] => radix(2, &digits[2..], suffixed),
        _ if digits.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => {
            let decimal = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
            let value = (!suffixed && digits.bytes().all(decimal)).then(|| digits.parse::<f64>().ok())??;
            value.is_finite().then_some(Value::Double(value))
        }
        [b'0', _, ..] => radix(8, &digits[1..], suffixed),
        _ => radix(10, digits, suffixed),
    }
}
