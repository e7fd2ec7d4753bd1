//! Tcl expressions, with operands that may not be known.

use std::rc::Rc;

use super::super::finding::Code as Kind;
use super::super::tcl::number::{self, Num};
use super::super::tcl::{self, Part, list};
use super::value::{Value, Why};
use super::{Flow, MAX_DEPTH, Machine, Place, Stop};

/// What an operand comes to.
#[derive(Debug, Clone)]
enum Operand {
    Num(Num),
    Text(Rc<str>),
    Unknown(Rc<Why>),
}

/// Why an expression has no result.
enum Trouble {
    /// Tcl itself stops with this message.
    Tcl(String),
    /// A command inside stops the script.
    Stop(Stop),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

type Eval = Result<Operand, Trouble>;

impl Machine<'_> {
    /// Works out an expression.
    pub(super) fn evaluate(&mut self, text: &str, place: Place) -> Flow {
        self.charge(text.len())?;
        if self.depth >= MAX_DEPTH {
            return Ok(self.unknown("it is nested too deeply"));
        }
        self.depth += 1;
        let mut expr = Expr { machine: self, text, pos: 0, idle: 0, depth: 0, place };
        let result = expr.whole();
        self.depth -= 1;
        match result {
            Ok(Operand::Num(number)) => Ok(Value::known(number.print())),
            Ok(Operand::Text(text)) => Ok(match number::parse(&text) {
                Some(number) => Value::known(number.print()),
                None => Value::Known { text, code: None },
            }),
            Ok(Operand::Unknown(why)) => Ok(self.because(&why)),
            Err(Trouble::Stop(stop)) => Err(stop),
            Err(Trouble::Tcl(message)) => {
                let message = format!("the expression cannot be worked out: {message}");
                self.fail(Kind::ScriptError, place, message)
            }
        }
    }
}

struct Expr<'m, 'f, 't> {
    machine: &'m mut Machine<'f>,
    text: &'t str,
    pos: usize,
    /// In a part that Tcl skips: read, not worked out.
    idle: u32,
    depth: usize,
    place: Place,
}

/// Binary operators by rising precedence; longer spellings first within a level.
const LEVELS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["eq", "ne", "in", "ni"],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
    &["**"],
];

impl Expr<'_, '_, '_> {
    fn whole(&mut self) -> Eval {
        let value = self.ternary()?;
        self.skip_space();
        if self.pos < self.text.len() {
            let rest: String = self.rest().chars().take(20).collect();
            return Err(Trouble::Tcl(format!("\"{rest}\" does not belong into an expression")));
        }
        Ok(value)
    }

    fn rest(&self) -> &str {
        self.text.get(self.pos..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(number::is_space);
            let trimmed = trimmed.strip_prefix("\\\n").unwrap_or(trimmed);
            let len = rest.len() - trimmed.len();
            if len == 0 {
                return;
            }
            self.pos += len;
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(token);
        if found {
            self.pos += token.len();
        }
        found
    }

    fn ternary(&mut self) -> Eval {
        self.depth += 1;
        if self.depth > 30 {
            return Err(Trouble::Tcl("it is nested too deeply to be followed".into()));
        }
        let test = self.binary(0)?;
        if !self.take("?") {
            self.depth -= 1;
            return Ok(test);
        }
        let truth = if self.idle > 0 { None } else { self.truth(&test)? };
        self.idle += u32::from(truth != Some(true));
        let yes = self.ternary()?;
        self.idle -= u32::from(truth != Some(true));
        if !self.take(":") {
            return Err(Trouble::Tcl("\":\" is missing behind \"?\"".into()));
        }
        self.idle += u32::from(truth != Some(false));
        let no = self.ternary()?;
        self.idle -= u32::from(truth != Some(false));
        self.depth -= 1;
        Ok(match truth {
            Some(true) => yes,
            Some(false) => no,
            None => test,
        })
    }

    /// The truth of an operand; nothing if it is not known.
    fn truth(&self, operand: &Operand) -> Result<Option<bool>, Trouble> {
        match operand {
            Operand::Unknown(_) => Ok(None),
            Operand::Num(number) => Ok(Some(!number.is_zero())),
            Operand::Text(text) => match number::parse_bool(text) {
                Some(truth) => Ok(Some(truth)),
                None if self.idle > 0 => Ok(None),
                None => Err(Trouble::Tcl(format!("expected boolean value but got \"{text}\""))),
            },
        }
    }

    fn operator(&mut self, level: &[&'static str]) -> Option<&'static str> {
        self.skip_space();
        let rest = self.rest();
        let found = level.iter().copied().find(|op| rest.starts_with(op))?;
        let behind = rest.get(found.len()..).unwrap_or("").chars().next();
        let clash = match found {
            "|" | "&" => behind == found.chars().next(),
            "*" => behind == Some('*'),
            "<" | ">" => behind == found.chars().next(),
            "eq" | "ne" | "in" | "ni" => behind.is_some_and(|c| c.is_alphanumeric() || c == '_'),
            _ => false,
        };
        if clash {
            return None;
        }
        self.pos += found.len();
        Some(found)
    }

    fn binary(&mut self, level: usize) -> Eval {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(op) = self.operator(operators) {
            left = match op {
                "&&" | "||" => self.lazy(op == "||", &left, level)?,
                "**" => {
                    // Binds to the right.
                    let right = self.binary(level)?;
                    self.apply(op, left, right)?
                }
                _ => {
                    let right = self.binary(level + 1)?;
                    self.apply(op, left, right)?
                }
            };
        }
        Ok(left)
    }

    /// `&&` and `||`: the right side counts only if the left does not decide.
    fn lazy(&mut self, or: bool, left: &Operand, level: usize) -> Eval {
        let first = if self.idle > 0 { None } else { self.truth(left)? };
        let skip = u32::from(first == Some(or));
        self.idle += skip;
        let right = self.binary(level + 1)?;
        self.idle -= skip;
        if first == Some(or) {
            return Ok(truth(or));
        }
        let second = self.truth(&right)?;
        Ok(match (first, second) {
            (_, Some(second)) if second == or => truth(or),
            (Some(_), Some(second)) => truth(second),
            (None, _) => left.clone(),
            (_, None) => right,
        })
    }

    fn apply(&mut self, op: &str, left: Operand, right: Operand) -> Eval {
        if self.idle > 0 {
            return Ok(left);
        }
        let (left, right) = match (left, right) {
            (Operand::Unknown(why), _) | (_, Operand::Unknown(why)) => return Ok(Operand::Unknown(why)),
            known => known,
        };
        match op {
            "eq" => return Ok(truth(text(&left) == text(&right))),
            "ne" => return Ok(truth(text(&left) != text(&right))),
            "in" | "ni" => {
                let Some(elements) = list::split(&text(&right)) else {
                    return Err(Trouble::Tcl("the right side of \"in\" is not a list".into()));
                };
                return Ok(truth(elements.contains(&text(&left)) == (op == "in")));
            }
            "==" | "!=" | "<" | ">" | "<=" | ">=" => return Ok(compare(op, &left, &right)),
            _ => {}
        }
        arithmetic(op, self.number(op, &left)?, self.number(op, &right)?)
    }

    fn number(&self, op: &str, operand: &Operand) -> Result<Num, Trouble> {
        let text = match operand {
            Operand::Num(number) => return Ok(*number),
            Operand::Text(text) => text,
            Operand::Unknown(why) => return Err(Trouble::Tcl(why.reason.clone())),
        };
        if let Some(number) = number::parse(text) {
            return Ok(number);
        }
        let kind = if text.is_empty() { "empty string" } else { "non-numeric string" };
        Err(Trouble::Tcl(format!("can't use {kind} \"{text}\" as operand of \"{op}\"")))
    }

    fn unary(&mut self) -> Eval {
        self.skip_space();
        let op = match self.peek() {
            Some(c @ ('-' | '+' | '!' | '~')) => c,
            _ => return self.primary(),
        };
        self.pos += 1;
        self.depth += 1;
        if self.depth > 30 {
            return Err(Trouble::Tcl("it is nested too deeply to be followed".into()));
        }
        let operand = self.unary()?;
        self.depth -= 1;
        if self.idle > 0 || matches!(operand, Operand::Unknown(_)) {
            return Ok(operand);
        }
        if op == '!' {
            return Ok(match self.truth(&operand)? {
                Some(yes) => truth(!yes),
                None => operand,
            });
        }
        let number = self.number(&op.to_string(), &operand)?;
        Ok(Operand::Num(match (op, number) {
            ('-', Num::Int(n)) => Num::Int(-n),
            ('-', Num::Float(x)) => Num::Float(-x),
            ('~', Num::Int(n)) => Num::Int(!n),
            ('~', Num::Float(_)) => {
                return Err(Trouble::Tcl("can't use floating-point value as operand of \"~\"".into()));
            }
            (_, number) => number,
        }))
    }

    fn primary(&mut self) -> Eval {
        self.skip_space();
        match self.peek() {
            None => Err(Trouble::Tcl("an operand is missing at its end".into())),
            Some('(') => {
                self.pos += 1;
                let inner = self.ternary()?;
                if !self.take(")") {
                    return Err(Trouble::Tcl("unbalanced open paren".into()));
                }
                Ok(inner)
            }
            Some('$') => match tcl::parse_variable(self.text, self.pos) {
                Ok(Some((part, end))) => {
                    self.pos = end;
                    self.parts(&[part])
                }
                Ok(None) => Err(Trouble::Tcl("invalid character \"$\"".into())),
                Err(error) => Err(Trouble::Tcl(error.kind.wording().into())),
            },
            Some('[' | '"' | '{') => match tcl::parse_delimited(self.text, self.pos) {
                Ok((parts, end)) => {
                    self.pos = end;
                    self.parts(&parts)
                }
                Err(error) => Err(Trouble::Tcl(error.kind.wording().into())),
            },
            Some(c) if c.is_ascii_digit() || c == '.' => self.literal(),
            Some(c) if c.is_alphabetic() || c == '_' => self.word(),
            Some(c) => Err(Trouble::Tcl(format!("invalid character \"{c}\""))),
        }
    }

    fn parts(&mut self, parts: &[Part]) -> Eval {
        if self.idle > 0 {
            return Ok(Operand::Num(Num::Int(0)));
        }
        // Places inside a computed text mean nothing; the word they are in does.
        let outer = std::mem::replace(&mut self.machine.at, super::At::Made(self.place));
        let value = self.machine.parts(parts);
        self.machine.at = outer;
        Ok(match value? {
            Value::Known { text, .. } => Operand::Text(text),
            Value::Unknown(why) => Operand::Unknown(why),
        })
    }

    fn literal(&mut self) -> Eval {
        let rest = self.rest();
        let mut len = 0;
        let mut before = ' ';
        for c in rest.chars() {
            let exponent_sign =
                matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !rest.starts_with("0x");
            if !(c.is_ascii_alphanumeric() || c == '.' || exponent_sign) {
                break;
            }
            len += c.len_utf8();
            before = c;
        }
        let mut text = rest.get(..len).unwrap_or("");
        // "2e" may be 2 followed by eq.
        while number::parse(text).is_none() && text.ends_with(|c: char| c.is_ascii_alphabetic()) {
            text = text.get(..text.len() - 1).unwrap_or("");
        }
        match number::parse(text) {
            Some(number) => {
                self.pos += text.len();
                Ok(Operand::Num(number))
            }
            None => Err(Trouble::Tcl(format!("invalid number \"{}\"", rest.get(..len).unwrap_or("")))),
        }
    }

    fn word(&mut self) -> Eval {
        let rest = self.rest();
        let len = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
            .unwrap_or(rest.len());
        let name = rest.get(..len).unwrap_or("").to_owned();
        self.pos += len;
        self.skip_space();
        if self.peek() == Some('(') {
            self.pos += 1;
            return self.function(&name);
        }
        if number::parse_bool(&name).is_some() {
            return Ok(Operand::Text(Rc::from(name)));
        }
        if matches!(name.to_ascii_lowercase().as_str(), "inf" | "infinity" | "nan") {
            return Ok(Operand::Num(Num::Float(f64::INFINITY)));
        }
        Err(Trouble::Tcl(format!("invalid bareword \"{name}\"; should be \"${name}\" or \"{{{name}}}\"")))
    }

    fn function(&mut self, name: &str) -> Eval {
        let mut args = Vec::new();
        if !self.take(")") {
            loop {
                args.push(self.ternary()?);
                if self.take(")") {
                    break;
                }
                if !self.take(",") {
                    return Err(Trouble::Tcl(format!("the call of {name}() is not closed")));
                }
            }
        }
        if self.idle > 0 {
            return Ok(Operand::Num(Num::Int(0)));
        }
        if matches!(name, "rand" | "srand") {
            return Ok(Operand::Unknown(Rc::new(Why {
                reason: "it is a random number".into(),
                pattern: None,
                failed: false,
            })));
        }
        if let Some(Operand::Unknown(why)) = args.iter().find(|arg| matches!(arg, Operand::Unknown(_))) {
            return Ok(Operand::Unknown(Rc::clone(why)));
        }
        if name == "bool" {
            return Ok(match args.first().map(|arg| self.truth(arg)).transpose()?.flatten() {
                Some(yes) => truth(yes),
                None => truth(false),
            });
        }
        let numbers = args.iter().map(|arg| self.number(name, arg)).collect::<Result<Vec<_>, _>>()?;
        match call(name, &numbers) {
            Some(Some(number)) => Ok(Operand::Num(number)),
            Some(None) => Ok(Operand::Unknown(Rc::new(Why {
                reason: format!("the result of {name}() is not worked out here"),
                pattern: None,
                failed: false,
            }))),
            None => Err(Trouble::Tcl(format!("unknown math function \"{name}\", or wrong arguments"))),
        }
    }
}

fn truth(yes: bool) -> Operand {
    Operand::Num(Num::Int(i128::from(yes)))
}

fn text(operand: &Operand) -> String {
    match operand {
        Operand::Num(number) => number.print(),
        Operand::Text(text) => text.to_string(),
        Operand::Unknown(_) => String::new(),
    }
}

fn compare(op: &str, left: &Operand, right: &Operand) -> Operand {
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

fn arithmetic(op: &str, left: Num, right: Num) -> Eval {
    let zero = || Err(Trouble::Tcl("divide by zero".into()));
    let int = |result: Option<i128>| Ok(result.map_or_else(too_large, |n| Operand::Num(Num::Int(n))));
    if let (Num::Int(a), Num::Int(b)) = (left, right) {
        return match op {
            "+" => int(a.checked_add(b)),
            "-" => int(a.checked_sub(b)),
            "*" => int(a.checked_mul(b)),
            "/" | "%" if b == 0 => zero(),
            // Tcl rounds down, and the rest has the divisor's sign.
            "/" => int(a.checked_div_euclid(b).map(|q| {
                if b < 0 && a.rem_euclid(b) != 0 { q - 1 } else { q }
            })),
            "%" => int(a.checked_rem_euclid(b).map(|r| if b < 0 && r != 0 { r + b } else { r })),
            "**" if b < 0 && a == 0 => zero(),
            "**" if b < 0 => int(Some(match a {
                1 => 1,
                -1 if b % 2 == 0 => 1,
                -1 => -1,
                _ => 0,
            })),
            "**" => int(u32::try_from(b).ok().and_then(|b| a.checked_pow(b))),
            "<<" => int(u32::try_from(b).ok().filter(|b| *b < 100).and_then(|b| {
                a.checked_mul(1_i128.checked_shl(b)?)
            })),
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
        return Err(Trouble::Tcl("domain error: argument not in valid range".into()));
    }
    Ok(Operand::Num(Num::Float(result)))
}

/// Calls a math function: outer `None` for an unknown one or wrong arguments,
/// inner `None` for a result that is not worked out.
fn call(name: &str, args: &[Num]) -> Option<Option<Num>> {
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
        ("min", [first, rest @ ..]) => {
            Some(Some(rest.iter().fold(*first, |a, b| if b.as_float() < a.as_float() { *b } else { a })))
        }
        ("max", [first, rest @ ..]) => {
            Some(Some(rest.iter().fold(*first, |a, b| if b.as_float() > a.as_float() { *b } else { a })))
        }
        _ => None,
    }
}
