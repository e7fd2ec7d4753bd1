//! Tcl expressions, with operands that may not be known.

use std::rc::Rc;

use super::super::finding::Code as Kind;
use super::super::tcl::number::{self, Num};
use super::super::tcl::{self, Part, list};
use super::arithmetic::{
    Called, Eval, Operand, Trouble, arithmetic, call, compare, text, too_large, truth,
};
use super::value::{Value, Why};
use super::{Flow, MAX_DEPTH, Machine, Place};

impl Machine<'_> {
    /// Works out an expression.
    pub(super) fn evaluate(&mut self, text: &str, place: Place) -> Flow {
        self.charge(text.len())?;
        if self.depth >= MAX_DEPTH {
            return Ok(self.unknown("it is nested too deeply"));
        }
        let depth = self.depth;
        self.depth += 1;
        let mut expr = Expr {
            machine: self,
            text,
            pos: 0,
            idle: 0,
            place,
        };
        let result = expr.whole();
        // An error leaves it wherever it was.
        self.depth = depth;
        match result {
            Ok(Operand::Num(number)) => Ok(Value::known(number.print())),
            Ok(Operand::Text(text)) => Ok(match number::parse(&text) {
                Some(number) => Value::known(number.print()),
                None => Value::Known { text, code: None },
            }),
            Ok(Operand::Unknown(why)) => Ok(self.because(&why)),
            Err(Trouble::Stop(stop)) => Err(stop),
            Err(Trouble::TooDeep) => Ok(self.unknown("it is nested too deeply")),
            Err(Trouble::Tcl(message)) => self.fail_with(
                Kind::ScriptError,
                place,
                message,
                "It is in the expression here.",
            ),
        }
    }
}

struct Expr<'m, 'f, 't> {
    machine: &'m mut Machine<'f>,
    text: &'t str,
    pos: usize,
    /// In a part that Tcl skips: read, not worked out.
    idle: u32,
    place: Place,
}

/// Binary operators with their precedence; longer spellings before their beginnings.
const OPERATORS: &[(&str, usize)] = &[
    ("||", 0),
    ("&&", 1),
    ("==", 5),
    ("!=", 5),
    ("<=", 7),
    (">=", 7),
    ("<<", 8),
    (">>", 8),
    ("**", 11),
    ("|", 2),
    ("^", 3),
    ("&", 4),
    ("eq", 6),
    ("ne", 6),
    ("in", 6),
    ("ni", 6),
    ("<", 7),
    (">", 7),
    ("+", 9),
    ("-", 9),
    ("*", 10),
    ("/", 10),
    ("%", 10),
];

impl Expr<'_, '_, '_> {
    fn whole(&mut self) -> Eval {
        let value = self.ternary()?;
        self.skip_space();
        if self.pos < self.text.len() {
            let rest: String = self.rest().chars().take(20).collect();
            return Err(Trouble::Tcl(format!(
                "\"{rest}\" does not belong into an expression"
            )));
        }
        Ok(value)
    }

    fn rest(&self) -> &str {
        self.text.get(self.pos..).unwrap_or("")
    }

    pub(super) fn peek(&self) -> Option<char> {
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

    /// One level further in; shared with scripts and calls, for the stack's sake.
    fn deeper(&mut self) -> Result<(), Trouble> {
        self.machine.depth += 1;
        if self.machine.depth > MAX_DEPTH {
            return Err(Trouble::TooDeep);
        }
        Ok(())
    }

    fn ternary(&mut self) -> Eval {
        self.deeper()?;
        let test = self.binary(0)?;
        if !self.take("?") {
            self.machine.depth -= 1;
            return Ok(test);
        }
        let truth = if self.idle > 0 {
            None
        } else {
            self.truth(&test)?
        };
        self.idle += u32::from(truth != Some(true));
        let yes = self.ternary()?;
        self.idle -= u32::from(truth != Some(true));
        if !self.take(":") {
            return Err(Trouble::Tcl("\":\" is missing behind \"?\"".into()));
        }
        self.idle += u32::from(truth != Some(false));
        let no = self.ternary()?;
        self.idle -= u32::from(truth != Some(false));
        self.machine.depth -= 1;
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
                None => Err(Trouble::Tcl(format!(
                    "expected boolean value but got \"{text}\""
                ))),
            },
        }
    }

    /// The operator that comes next, if it binds at least as tightly as `least`.
    fn operator(&mut self, least: usize) -> Option<(&'static str, usize)> {
        self.skip_space();
        let rest = self.rest();
        let (op, level) = OPERATORS
            .iter()
            .copied()
            .find(|(op, _)| rest.starts_with(op))?;
        let behind = rest.get(op.len()..).unwrap_or("").chars().next();
        let word = matches!(op, "eq" | "ne" | "in" | "ni");
        if level < least || (word && behind.is_some_and(|c| c.is_alphanumeric() || c == '_')) {
            return None;
        }
        self.pos += op.len();
        Some((op, level))
    }

    /// Operands joined by operators that bind at least as tightly as `least`.
    fn binary(&mut self, least: usize) -> Eval {
        let mut left = self.unary()?;
        while let Some((op, level)) = self.operator(least) {
            left = match op {
                "&&" | "||" => self.lazy(op == "||", &left, level)?,
                // This one binds to the right.
                "**" => {
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
        let first = if self.idle > 0 {
            None
        } else {
            self.truth(left)?
        };
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
            (Operand::Unknown(why), _) | (_, Operand::Unknown(why)) => {
                return Ok(Operand::Unknown(why));
            }
            known => known,
        };
        match op {
            "eq" => return Ok(truth(text(&left) == text(&right))),
            "ne" => return Ok(truth(text(&left) != text(&right))),
            "in" | "ni" => {
                let Some(elements) = list::split(&text(&right)) else {
                    return Err(Trouble::Tcl(
                        "the right side of \"in\" is not a list".into(),
                    ));
                };
                return Ok(truth(elements.contains(&text(&left)) == (op == "in")));
            }
            "==" | "!=" | "<" | ">" | "<=" | ">=" => return Ok(compare(op, &left, &right)),
            _ => {}
        }
        arithmetic(op, to_number(op, &left)?, to_number(op, &right)?)
    }

    fn unary(&mut self) -> Eval {
        self.skip_space();
        let Some(op @ ('-' | '+' | '!' | '~')) = self.peek() else {
            return self.primary();
        };
        self.pos += 1;
        self.deeper()?;
        let operand = self.unary()?;
        self.machine.depth -= 1;
        if self.idle > 0 || matches!(operand, Operand::Unknown(_)) {
            return Ok(operand);
        }
        if op == '!' {
            return Ok(match self.truth(&operand)? {
                Some(yes) => truth(!yes),
                None => operand,
            });
        }
        let number = to_number(&op.to_string(), &operand)?;
        Ok(Operand::Num(match (op, number) {
            ('-', Num::Int(n)) => match n.checked_neg() {
                Some(n) => Num::Int(n),
                None => return Ok(too_large()),
            },
            ('-', Num::Float(x)) => Num::Float(-x),
            ('~', Num::Int(n)) => Num::Int(!n),
            ('~', Num::Float(_)) => {
                return Err(Trouble::Tcl(
                    "can't use floating-point value as operand of \"~\"".into(),
                ));
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

    pub(super) fn parts(&mut self, parts: &[Part]) -> Eval {
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
            None => Err(Trouble::Tcl(format!(
                "invalid number \"{}\"",
                rest.get(..len).unwrap_or("")
            ))),
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
        if matches!(
            name.to_ascii_lowercase().as_str(),
            "inf" | "infinity" | "nan"
        ) {
            return Ok(Operand::Num(Num::Float(f64::INFINITY)));
        }
        Err(Trouble::Tcl(format!(
            "invalid bareword \"{name}\"; should be \"${name}\" or \"{{{name}}}\""
        )))
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
        if let Some(Operand::Unknown(why)) =
            args.iter().find(|arg| matches!(arg, Operand::Unknown(_)))
        {
            return Ok(Operand::Unknown(Rc::clone(why)));
        }
        if name == "bool" {
            return Ok(
                match args
                    .first()
                    .map(|arg| self.truth(arg))
                    .transpose()?
                    .flatten()
                {
                    Some(yes) => truth(yes),
                    None => truth(false),
                },
            );
        }
        let numbers = args
            .iter()
            .map(|arg| to_number(name, arg))
            .collect::<Result<Vec<_>, _>>()?;
        match call(name, &numbers) {
            Called::Number(number) => Ok(Operand::Num(number)),
            Called::NotFollowed => Ok(Operand::Unknown(Rc::new(Why {
                reason: format!("the result of {name}() is not worked out here"),
                pattern: None,
                failed: false,
            }))),
            Called::Wrong => Err(Trouble::Tcl(format!(
                "unknown math function \"{name}\", or wrong arguments"
            ))),
        }
    }
}

/// The number an operand of `op` is.
fn to_number(op: &str, operand: &Operand) -> Result<Num, Trouble> {
    let text = match operand {
        Operand::Num(number) => return Ok(*number),
        Operand::Text(text) => text,
        Operand::Unknown(why) => return Err(Trouble::Tcl(why.reason.clone())),
    };
    if let Some(number) = number::parse(text) {
        return Ok(number);
    }
    let kind = if text.is_empty() {
        "empty string"
    } else {
        "non-numeric string"
    };
    Err(Trouble::Tcl(format!(
        "can't use {kind} \"{text}\" as operand of \"{op}\""
    )))
}
