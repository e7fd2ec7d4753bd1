//! Operators and functions of Tcl's expressions.

use std::rc::Rc;

use super::super::tcl::number::{self, Num};
use super::Stop;
use super::value::Why;

/// What an operand comes to.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Num(Num),
    Text(Rc<str>),
    Unknown(Rc<Why>),
}

/// Why an expression has no result.
pub(super) enum Trouble {
    /// Tcl itself stops with this message.
    Tcl(String),
    /// A command inside stops the script.
    Stop(Stop),
    /// It is nested more deeply than is followed.
    TooDeep,
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

pub(super) type Eval = Result<Operand, Trouble>;

pub(super) fn truth(yes: bool) -> Operand {
    Operand::Num(Num::Int(i128::from(yes)))
}

pub(super) fn text(operand: &Operand) -> String {
    match operand {
        Operand::Num(number) => number.print(),
        Operand::Text(text) => text.to_string(),
        Operand::Unknown(_) => String::new(),
    }
}

pub(super) fn compare(op: &str, left: &Operand, right: &Operand) -> Operand {
    let as_number = |operand: &Operand| match operand {
        Operand::Num(number) => Some(*number),
        Operand::Text(text) => number::parse(text),
        Operand::Unknown(_) => None,
    };
    let order = match (as_number(left), as_number(right)) {
        (Some(Num::Int(a)), Some(Num::Int(b))) => Some(a.cmp(&b)),
        (Some(a), Some(b)) => a.as_float().partial_cmp(&b.as_float()),
        _ => Some(text(left).cmp(&text(right))),
    };
    truth(order.is_some_and(|order| match op {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        ">" => order.is_gt(),
        "<=" => order.is_le(),
        _ => order.is_ge(),
    }))
}

fn too_large() -> Operand {
    Operand::Unknown(Rc::new(Why {
        reason: "it is larger than is worked out here".into(),
        pattern: None,
        failed: false,
    }))
}

pub(super) fn arithmetic(op: &str, left: Num, right: Num) -> Eval {
    let zero = || Err(Trouble::Tcl("divide by zero".into()));
    let int =
        |result: Option<i128>| Ok(result.map_or_else(too_large, |n| Operand::Num(Num::Int(n))));
    if let (Num::Int(a), Num::Int(b)) = (left, right) {
        return match op {
            "+" => int(a.checked_add(b)),
            "-" => int(a.checked_sub(b)),
            "*" => int(a.checked_mul(b)),
            "/" | "%" if b == 0 => zero(),
            // Tcl rounds down, and the rest has the divisor's sign.
            "/" => int(a.checked_div_euclid(b).map(|q| {
                if b < 0 && a.rem_euclid(b) != 0 {
                    q - 1
                } else {
                    q
                }
            })),
            "%" => int(a
                .checked_rem_euclid(b)
                .map(|r| if b < 0 && r != 0 { r + b } else { r })),
            "**" if b < 0 && a == 0 => zero(),
            "**" if b < 0 => int(Some(match a {
                1 => 1,
                -1 if b % 2 == 0 => 1,
                -1 => -1,
                _ => 0,
            })),
            "**" => int(u32::try_from(b).ok().and_then(|b| a.checked_pow(b))),
            "<<" => int(u32::try_from(b)
                .ok()
                .filter(|b| *b < 100)
                .and_then(|b| a.checked_mul(1_i128.checked_shl(b)?))),
            ">>" => int(u32::try_from(b).ok().map(|b| a >> b.min(127))),
            "&" => int(Some(a & b)),
            "|" => int(Some(a | b)),
            "^" => int(Some(a ^ b)),
            _ => int(None),
        };
    }
    let (a, b) = (left.as_float(), right.as_float());
    let result = match op {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "/" => a / b,
        "**" => a.powf(b),
        _ => {
            let message = format!("can't use floating-point value as operand of \"{op}\"");
            return Err(Trouble::Tcl(message));
        }
    };
    if result.is_nan() {
        return Err(Trouble::Tcl(
            "domain error: argument not in valid range".into(),
        ));
    }
    Ok(Operand::Num(Num::Float(result)))
}

/// Calls a math function: outer `None` for an unknown one or wrong arguments,
/// inner `None` for a result that is not worked out.
pub(super) fn call(name: &str, args: &[Num]) -> Option<Option<Num>> {
    let float = |x: f64| Some(x.is_finite().then_some(Num::Float(x)));
    let whole = |x: f64| {
        #[allow(clippy::cast_possible_truncation)] // the range is checked
        Some((x.abs() < 1e30).then(|| Num::Int(x.trunc() as i128)))
    };
    if let [a] = args {
        let x = a.as_float();
        return match (name, *a) {
            ("abs", Num::Int(n)) => Some(n.checked_abs().map(Num::Int)),
            ("abs", Num::Float(x)) => float(x.abs()),
            ("int" | "wide" | "entier" | "round", Num::Int(n)) => Some(Some(Num::Int(n))),
            ("int" | "wide" | "entier", _) => whole(x),
            ("round", _) => whole(x.round()),
            ("double", _) => float(x),
            ("ceil", _) => float(x.ceil()),
            ("floor", _) => float(x.floor()),
            ("sqrt", _) => float(x.sqrt()),
            ("isqrt", Num::Int(n)) if n >= 0 => Some(Some(Num::Int(n.isqrt()))),
            ("exp", _) => float(x.exp()),
            ("log", _) => float(x.ln()),
            ("log10", _) => float(x.log10()),
            ("sin", _) => float(x.sin()),
            ("cos", _) => float(x.cos()),
            ("tan", _) => float(x.tan()),
            ("asin", _) => float(x.asin()),
            ("acos", _) => float(x.acos()),
            ("atan", _) => float(x.atan()),
            ("sinh", _) => float(x.sinh()),
            ("cosh", _) => float(x.cosh()),
            ("tanh", _) => float(x.tanh()),
            ("min" | "max", number) => Some(Some(number)),
            _ => None,
        };
    }
    match (name, args) {
        ("pow", [a, b]) => float(a.as_float().powf(b.as_float())),
        ("fmod", [a, b]) => float(a.as_float() % b.as_float()),
        ("hypot", [a, b]) => float(a.as_float().hypot(b.as_float())),
        ("atan2", [a, b]) => float(a.as_float().atan2(b.as_float())),
        ("min", [first, rest @ ..]) => Some(Some(rest.iter().fold(*first, |a, b| {
            if b.as_float() < a.as_float() { *b } else { a }
        }))),
        ("max", [first, rest @ ..]) => Some(Some(rest.iter().fold(*first, |a, b| {
            if b.as_float() > a.as_float() { *b } else { a }
        }))),
        _ => None,
    }
}
