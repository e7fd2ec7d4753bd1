//! Commands on strings, and those that have no effect here.

use super::super::finding::Code as Kind;
use super::super::keywords;
use super::super::tcl::format::{self, Trouble};
use super::super::tcl::number::{self, Num};
use super::super::tcl::{self, list, pattern};
use super::lists::{blank, index, range};
use super::value::{Arg, Value};
use super::{Flow, MAX_STRING, Machine, Place, known, product};

impl Machine<'_> {
    pub(super) fn string_command(
        &mut self,
        name: &str,
        args: &[Arg],
        place: Place,
    ) -> Option<Flow> {
        Some(match name {
            "string" => self.do_string(args, place),
            "format" => self.do_format(args, place),
            "scan" => self.do_scan(args, place),
            "regexp" | "regsub" => self.do_regexp(name, args, place),
            "subst" => self.do_subst(args, place),
            "clock" => Ok(self.unknown("it is a time")),
            "pid" => Ok(self.unknown("it is a process number")),
            "encoding" | "binary" | "lmap" | "tailcall" | "coroutine" | "yield" | "yieldto"
            | "history" | "fblocked" | "auto_execok" | "auto_qualify" | "zlib" => {
                Ok(self.unknown(format!("`{name}` is not worked out here")))
            }
            "puts" | "print" | "flush" | "fconfigure" | "chan" | "after" | "update" | "vwait"
            | "trace" | "fileevent" | "bgerror" | "auto_load" | "auto_mkindex" | "memory"
            | "auto_import" | "auto_reset" | "parray" | "pkg_mkIndex" | "unload" => {
                Ok(Value::empty())
            }
            name if name.starts_with("tcl::") || name.starts_with("oo::") => {
                Ok(self.unknown(format!("`{name}` is not worked out here")))
            }
            _ => return None,
        })
    }

    fn do_string(&mut self, args: &[Arg], place: Place) -> Flow {
        let texts = known!(self, args);
        self.charge(product(&texts))?;
        if let ["repeat", text, count] = texts.as_slice() {
            let count = number::parse_int(count)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(0);
            if text.len().saturating_mul(count) > MAX_STRING {
                return Ok(self.too_long());
            }
            return Ok(Value::known(text.repeat(count)));
        }
        if let Some(result) = string(&texts) {
            Ok(Value::known(result))
        } else {
            let option = texts.first().copied().unwrap_or("");
            if STRING_OPTIONS.contains(&option) {
                return Ok(self.unknown(format!(
                    "this use of `string {option}` is not worked out here"
                )));
            }
            self.fail(
                Kind::WrongArguments,
                place,
                format!("unknown or ambiguous subcommand \"{option}\" of `string`"),
            )
        }
    }

    fn do_format(&mut self, args: &[Arg], place: Place) -> Flow {
        let texts = known!(self, args);
        let Some((spec, rest)) = texts.split_first() else {
            return self.usage(place, "format formatString ?arg ...?");
        };
        self.charge(texts.iter().map(|text| text.len()).sum())?;
        match format::format(spec, rest) {
            Ok(text) => Ok(Value::known(text)),
            Err(Trouble::Tcl(message)) => self.fail(Kind::ScriptError, place, message),
            Err(Trouble::NotFollowed) => Ok(self.unknown("this format is not worked out here")),
        }
    }

    fn do_scan(&mut self, args: &[Arg], place: Place) -> Flow {
        let [text, spec, names @ ..] = args else {
            return self.usage(place, "scan string format ?varName ...?");
        };
        let found = match (text.text(), spec.text()) {
            (Some(text), Some(spec)) => scan(text, spec),
            _ => None,
        };
        let Some(found) = found else {
            let why = self.unknown("this `scan` is not worked out here");
            for name in names {
                self.write_named(name, why.clone(), place)?;
            }
            return Ok(why);
        };
        if names.is_empty() {
            return Ok(Value::known(list::join(&found)));
        }
        for (name, value) in names.iter().zip(&found) {
            self.write_named(name, Value::known(value.as_str()), place)?;
        }
        Ok(Value::known(found.len().to_string()))
    }

    /// Regular expressions are not worked out; what they set is not known.
    fn do_regexp(&mut self, name: &str, args: &[Arg], place: Place) -> Flow {
        let why = self.unknown(format!("`{name}` is not worked out here"));
        let mut rest = args;
        while let [option, tail @ ..] = rest {
            match option.text() {
                Some(word) if word.starts_with('-') => rest = tail,
                _ => break,
            }
        }
        let names = rest
            .get(if name == "regexp" { 2 } else { 3 }..)
            .unwrap_or_default();
        for name in names {
            self.write_named(name, why.clone(), place)?;
        }
        Ok(why)
    }

    fn do_subst(&mut self, args: &[Arg], place: Place) -> Flow {
        let [only] = args else {
            return Ok(self.unknown("`subst` with options is not worked out here"));
        };
        let text = known!(self, std::slice::from_ref(only)).concat();
        self.charge(text.len())?;
        match tcl::parse_parts(&text) {
            Ok(parts) => {
                let outer = std::mem::replace(&mut self.at, super::At::Made(place));
                let value = self.parts(&parts);
                self.at = outer;
                value
            }
            Err(error) => self.fail(Kind::ScriptError, place, error.kind.wording()),
        }
    }
}

const STRING_OPTIONS: &[&str] = &[
    "is",
    "compare",
    "equal",
    "first",
    "last",
    "index",
    "length",
    "map",
    "match",
    "range",
    "repeat",
    "replace",
    "reverse",
    "tolower",
    "toupper",
    "totitle",
    "trim",
    "trimleft",
    "trimright",
    "bytelength",
    "wordend",
    "wordstart",
    "cat",
];

fn string(args: &[&str]) -> Option<String> {
    let (option, rest) = args.split_first()?;
    let flag = |yes: bool| Some(String::from(if yes { "1" } else { "0" }));
    let chars = |text: &str| text.chars().collect::<Vec<char>>();
    match (*option, rest) {
        ("length" | "bytelength", [text]) => Some(text.chars().count().to_string()),
        ("cat", pieces) => Some(pieces.concat()),
        ("toupper", [text]) => Some(text.to_uppercase()),
        ("tolower", [text]) => Some(text.to_lowercase()),
        ("totitle", [text]) => {
            let mut rest = text.chars();
            let first = rest
                .next()
                .map(|c| c.to_uppercase().to_string())
                .unwrap_or_default();
            Some(first + &rest.as_str().to_lowercase())
        }
        ("reverse", [text]) => Some(text.chars().rev().collect()),
        ("trim", [text]) => Some(text.trim_matches(blank).to_owned()),
        ("trimleft", [text]) => Some(text.trim_start_matches(blank).to_owned()),
        ("trimright", [text]) => Some(text.trim_end_matches(blank).to_owned()),
        ("trim", [text, set]) => Some(text.trim_matches(|c| set.contains(c)).to_owned()),
        ("trimleft", [text, set]) => Some(text.trim_start_matches(|c| set.contains(c)).to_owned()),
        ("trimright", [text, set]) => Some(text.trim_end_matches(|c| set.contains(c)).to_owned()),
        ("index", [text, at]) => {
            let text = chars(text);
            let at = usize::try_from(index(at, text.len())?).ok();
            Some(
                at.and_then(|at| text.get(at))
                    .map(char::to_string)
                    .unwrap_or_default(),
            )
        }
        ("range", [text, from, to]) => {
            let text = chars(text);
            Some(
                text.get(range(from, to, text.len()))
                    .unwrap_or_default()
                    .iter()
                    .collect(),
            )
        }
        ("replace", [text, from, to, new @ ..]) => {
            let text = chars(text);
            let range = range(from, to, text.len());
            let head: String = text.get(..range.start)?.iter().collect();
            let tail: String = text.get(range.end.max(range.start)..)?.iter().collect();
            Some(format!("{head}{}{tail}", new.concat()))
        }
        ("first", [needle, text]) => Some(position(text.find(needle), text)),
        ("last", [needle, text]) => Some(position(text.rfind(needle), text)),
        ("equal", ["-nocase", a, b]) => flag(a.to_lowercase() == b.to_lowercase()),
        ("equal", [a, b]) => flag(a == b),
        ("compare", [a, b]) => Some(match a.cmp(b) {
            std::cmp::Ordering::Less => "-1".into(),
            std::cmp::Ordering::Equal => "0".into(),
            std::cmp::Ordering::Greater => "1".into(),
        }),
        ("match", ["-nocase", filter, text]) => flag(pattern::matches(
            &filter.to_lowercase(),
            &text.to_lowercase(),
        )),
        ("match", [filter, text]) => flag(pattern::matches(filter, text)),
        ("map", [pairs, text]) => {
            let pairs = list::split(pairs)?;
            let mut out = String::new();
            let mut rest = *text;
            'next: while let Some(c) = rest.chars().next() {
                for pair in pairs.chunks(2) {
                    let [from, to] = pair else { return None };
                    if let Some(tail) = rest
                        .strip_prefix(from.as_str())
                        .filter(|_| !from.is_empty())
                    {
                        out.push_str(to);
                        rest = tail;
                        continue 'next;
                    }
                }
                out.push(c);
                rest = rest.get(c.len_utf8()..)?;
            }
            (out.len() <= MAX_STRING).then_some(out)
        }
        ("is", [class, options @ .., text]) => {
            let strict = options.contains(&"-strict");
            if text.is_empty() {
                return flag(!strict);
            }
            flag(match *class {
                "integer" | "wideinteger" | "entier" => number::parse_int(text).is_some(),
                "double" => number::parse(text).is_some(),
                "boolean" => number::parse_bool(text).is_some(),
                "true" => number::parse_bool(text) == Some(true),
                "false" => number::parse_bool(text) == Some(false),
                "alpha" => text.chars().all(char::is_alphabetic),
                "alnum" => text.chars().all(char::is_alphanumeric),
                "digit" => text.chars().all(char::is_numeric),
                "space" => text.chars().all(char::is_whitespace),
                "upper" => text.chars().all(char::is_uppercase),
                "lower" => text.chars().all(char::is_lowercase),
                "list" => list::split(text).is_some(),
                _ => return None,
            })
        }
        _ => None,
    }
}

/// A byte offset as an index of characters, `-1` if there is none.
fn position(at: Option<usize>, text: &str) -> String {
    at.map_or_else(
        || "-1".into(),
        |at| text.get(..at).unwrap_or("").chars().count().to_string(),
    )
}

/// The plain conversions of `scan`: `%d %f %s %c` and literal text.
fn scan(text: &str, spec: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut spec = spec.chars().peekable();
    while let Some(c) = spec.next() {
        if number::is_space(c) {
            rest = rest.trim_start_matches(number::is_space);
            continue;
        }
        if c != '%' {
            match rest.strip_prefix(c) {
                Some(tail) => rest = tail,
                None => break,
            }
            continue;
        }
        let mut width = String::new();
        while let Some(digit) = spec.next_if(char::is_ascii_digit) {
            width.push(digit);
        }
        let width = width.parse().unwrap_or(usize::MAX);
        let kind = spec.next()?;
        if kind != 'c' {
            rest = rest.trim_start_matches(number::is_space);
        }
        let limit = rest
            .char_indices()
            .nth(width)
            .map_or(rest.len(), |(at, _)| at);
        let field = rest.get(..limit)?;
        let len = match kind {
            'd' => {
                let sign = usize::from(field.starts_with(['-', '+']));
                let digits = field
                    .get(sign..)?
                    .bytes()
                    .take_while(u8::is_ascii_digit)
                    .count();
                if digits == 0 { 0 } else { sign + digits }
            }
            's' => field.find(number::is_space).unwrap_or(field.len()),
            'f' | 'g' | 'e' => {
                let len = field.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)));
                len.unwrap_or(field.len())
            }
            _ => return None,
        };
        let taken = field.get(..len)?;
        if taken.is_empty() {
            break;
        }
        found.push(match kind {
            'd' => taken
                .trim_start_matches('+')
                .parse::<i128>()
                .ok()?
                .to_string(),
            's' => taken.to_owned(),
            _ => Num::Float(taken.parse().ok()?).print(),
        });
        rest = rest.get(len..)?;
    }
    Some(found)
}

/// Whether a word is a command of Tcl or NAMD (for `info commands`).
pub(super) fn is_command(name: &str) -> bool {
    const SOME: &[&str] = &[
        "set",
        "if",
        "for",
        "foreach",
        "while",
        "proc",
        "expr",
        "source",
        "puts",
        "print",
        "run",
        "minimize",
        "exit",
        "file",
        "open",
        "close",
        "gets",
        "string",
        "list",
        "lindex",
        "format",
        "cv",
        "startup",
        "measure",
        "reinitvels",
        "output",
        "numPes",
        "numReplicas",
        "myReplica",
    ];
    keywords::find(name).is_none() && SOME.contains(&name)
}
