//! Operators and functions of Tcl's expressions.

use std::cmp::Ordering;
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

pub(super) fn too_large() -> Operand {
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

/// What calling a math function comes to.
pub(super) enum Called {
    /// Its result.
    Number(Num),
    /// It has one that is not worked out here.
    NotFollowed,
    /// There is no such function, or it takes other arguments.
    Wrong,
}

/// Calls a math function.
pub(super) fn call(name: &str, args: &[Num]) -> Called {
    let float = |x: f64| {
        if x.is_finite() {
            Called::Number(Num::Float(x))
        } else {
            Called::NotFollowed
        }
    };
    let int = |n: Option<i128>| n.map_or(Called::NotFollowed, |n| Called::Number(Num::Int(n)));
    let whole = |x: f64| {
        #[allow(clippy::cast_possible_truncation)] // the range is checked
        int((x.abs() < 1e30).then(|| x.trunc() as i128))
    };
    let least = |least: Ordering| {
        let mut rest = args.iter().copied();
        let first = rest.next()?;
        Some(rest.fold(first, |best, next| {
            if next.as_float().partial_cmp(&best.as_float()) == Some(least) {
                next
            } else {
                best
            }
        }))
    };
    match (name, args) {
        ("min", _) => least(Ordering::Less).map_or(Called::Wrong, Called::Number),
        ("max", _) => least(Ordering::Greater).map_or(Called::Wrong, Called::Number),
        ("abs", [Num::Int(n)]) => int(n.checked_abs()),
        ("int" | "wide" | "entier" | "round", [Num::Int(n)]) => int(Some(*n)),
        ("isqrt", [Num::Int(n)]) if *n >= 0 => int(Some(n.isqrt())),
        ("int" | "wide" | "entier", [x]) => whole(x.as_float()),
        ("round", [x]) => whole(x.as_float().round()),
        ("pow", [x, y]) => float(x.as_float().powf(y.as_float())),
        ("fmod", [x, y]) => float(x.as_float() % y.as_float()),
        ("hypot", [x, y]) => float(x.as_float().hypot(y.as_float())),
        ("atan2", [x, y]) => float(x.as_float().atan2(y.as_float())),
        (name, [x]) => match one_argument(name) {
            Some(function) => float(function(x.as_float())),
            None => Called::Wrong,
        },
        _ => Called::Wrong,
    }
}

/// Functions from a float to a float.
fn one_argument(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "double" => std::convert::identity,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "sqrt" => f64::sqrt,
        "exp" => f64::exp,
        "log" => f64::ln,
        "log10" => f64::log10,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        _ => return None,
    })
}
