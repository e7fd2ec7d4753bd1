//! Commands on lists.

use std::cmp::Ordering;

use super::super::finding::Code as Kind;
use super::super::tcl::number::{self, is_space};
use super::super::tcl::{list, pattern};
use super::value::{Arg, Value};
use super::{Flow, Machine, Place, known, product};

impl Machine<'_> {
    pub(super) fn list_command(&mut self, name: &str, args: &[Arg], place: Place) -> Option<Flow> {
        if !matches!(
            name,
            "list"
                | "concat"
                | "llength"
                | "lindex"
                | "lrange"
                | "linsert"
                | "lreplace"
                | "lsort"
                | "lsearch"
                | "lreverse"
                | "lrepeat"
                | "lassign"
                | "lset"
                | "split"
                | "join"
                | "dict"
        ) {
            return None;
        }
        Some(match name {
            "concat" => Ok(self.concat(args)),
            "lassign" => self.do_lassign(args, place),
            "lset" => self.do_lset(args, place),
            "dict" => self.dict_command(args, place),
            _ => self.pure_list(name, args, place),
        })
    }

    /// Takes a list apart; the error is the finding's text.
    pub(super) fn elements(
        &mut self,
        text: &str,
    ) -> Result<Result<Vec<String>, String>, super::Stop> {
        self.charge(text.len())?;
        Ok(list::split(text).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            format!("\"{shown}\" is not a list: its braces or quotation marks do not match")
        }))
    }

    fn pure_list(&mut self, name: &str, args: &[Arg], place: Place) -> Flow {
        let texts = known!(self, args);
        let work = if matches!(name, "lsearch" | "split") {
            product(&texts)
        } else {
            texts.iter().map(|text| text.len()).sum()
        };
        self.charge(work)?;
        if name == "list" {
            return Ok(Value::known(list::join(&texts)));
        }
        if name == "lrepeat" {
            let Some((count, elements)) = texts.split_first() else {
                return self.usage(place, "lrepeat count ?value ...?");
            };
            let count = number::parse_int(count)
                .and_then(|n| usize::try_from(n).ok())
                .unwrap_or(0);
            let width: usize = elements.iter().map(|e| e.len() + 1).sum();
            self.charge(count.saturating_mul(width))?;
            return Ok(Value::known(list::join(&elements.repeat(count))));
        }
        if name == "split" {
            return match texts.as_slice() {
                [text] => Ok(Value::known(list::join(&split(text, " \t\n\r\u{b}\u{c}")))),
                [text, separators] => Ok(Value::known(list::join(&split(text, separators)))),
                _ => self.usage(place, "split string ?splitChars?"),
            };
        }
        // `lsort` and `lsearch` take options before the list.
        let options = match name {
            "lsort" => texts.len().saturating_sub(1),
            "lsearch" => texts.len().saturating_sub(2),
            _ => 0,
        };
        let (options, rest) = texts.split_at(options);
        let Some((first, rest)) = rest.split_first() else {
            return self.usage(place, &format!("{name} list ?arg ...?"));
        };
        let elements = match self.elements(first)? {
            Ok(elements) => elements,
            Err(message) => return self.fail(Kind::ScriptError, place, message),
        };
        let result = match (name, rest) {
            ("llength", []) => elements.len().to_string(),
            ("lindex", indices) => return self.lindex(first, &elements, indices, place),
            ("lrange", [from, to]) => {
                let range = range(from, to, elements.len());
                list::join(elements.get(range).unwrap_or_default())
            }
            ("linsert", [at, new @ ..]) => {
                let at = index(at, elements.len() + 1).unwrap_or(0).max(0);
                let at = usize::try_from(at).unwrap_or(0).min(elements.len());
                let mut all: Vec<&str> = elements.iter().map(String::as_str).collect();
                all.splice(at..at, new.iter().copied());
                list::join(&all)
            }
            ("lreplace", [from, to, new @ ..]) => {
                let range = range(from, to, elements.len());
                let mut all: Vec<&str> = elements.iter().map(String::as_str).collect();
                let end = range.end.max(range.start);
                all.splice(range.start..end, new.iter().copied());
                list::join(&all)
            }
            ("lsort", []) => match sort(elements, options) {
                Some(sorted) => list::join(&sorted),
                None => return Ok(self.unknown("this way of sorting is not worked out here")),
            },
            ("lsearch", [wanted]) => match search(&elements, options, wanted) {
                Some(found) => found,
                None => return Ok(self.unknown("this way of searching is not worked out here")),
            },
            ("lreverse", []) => list::join(&elements.iter().rev().collect::<Vec<_>>()),
            ("join", []) => elements.join(" "),
            ("join", [between]) => elements.join(between),
            _ => return self.usage(place, &format!("{name} list ?arg ...?")),
        };
        Ok(Value::known(result))
    }

    fn lindex(&mut self, whole: &str, elements: &[String], indices: &[&str], place: Place) -> Flow {
        let mut indices: Vec<String> = match indices {
            [] => return Ok(Value::known(whole)),
            [only] => list::split(only).unwrap_or_default(),
            several => several.iter().map(|s| (*s).to_owned()).collect(),
        };
        if indices.is_empty() {
            return Ok(Value::known(whole));
        }
        let rest = indices.split_off(1);
        let first = indices.concat();
        let Some(at) = index(&first, elements.len()) else {
            let message = format!("bad index \"{first}\"");
            return self.fail(Kind::ScriptError, place, message);
        };
        let picked = usize::try_from(at).ok().and_then(|at| elements.get(at));
        let mut value = picked.cloned().unwrap_or_default();
        for next in rest {
            let inner = list::split(&value).unwrap_or_default();
            let at = index(&next, inner.len()).and_then(|at| usize::try_from(at).ok());
            value = at.and_then(|at| inner.get(at)).cloned().unwrap_or_default();
        }
        Ok(Value::known(value))
    }

    fn do_lassign(&mut self, args: &[Arg], place: Place) -> Flow {
        let [values, names @ ..] = args else {
            return self.usage(place, "lassign list ?varName ...?");
        };
        let mut elements = match &values.value {
            Value::Unknown(why) => {
                let why = std::rc::Rc::clone(why);
                for name in names {
                    self.write_named(name, Value::Unknown(std::rc::Rc::clone(&why)), place)?;
                }
                return Ok(self.because(&why));
            }
            Value::Known { text, .. } => list::split(text).unwrap_or_default().into_iter(),
        };
        for name in names {
            let value = elements.next().unwrap_or_default();
            self.write_named(name, Value::known(value), place)?;
        }
        Ok(Value::known(list::join(&elements.collect::<Vec<_>>())))
    }

    fn do_lset(&mut self, args: &[Arg], place: Place) -> Flow {
        let [name, at, value] = args else {
            return match args.first() {
                Some(name) => {
                    let unknown = self.unknown("`lset` with nested indices is not worked out here");
                    self.write_named(name, unknown, place)
                }
                None => self.usage(place, "lset listVar ?index? value"),
            };
        };
        let name_text = known!(self, std::slice::from_ref(name)).concat();
        let old = self.read_named(&name_text, name.place)?;
        let new = match (old.text(), at.text(), value.text()) {
            (Some(old), Some(at), Some(value)) => {
                let mut elements = list::split(old).unwrap_or_default();
                let at = index(at, elements.len()).and_then(|at| usize::try_from(at).ok());
                if let Some(slot) = at.and_then(|at| elements.get_mut(at)) {
                    value.clone_into(slot);
                }
                Value::known(list::join(&elements))
            }
            _ => self.unknown("an element of the list is not known"),
        };
        self.write_named(name, new, place)
    }
}

/// Reads an index: `3`, `end`, `end-1`, `end+1`, `2+1`.
pub(super) fn index(text: &str, length: usize) -> Option<i128> {
    let end = i128::try_from(length).ok()? - 1;
    if let Some(n) = number::parse_int(text) {
        return Some(n);
    }
    let (base, rest) = if let Some(rest) = text.strip_prefix("end") {
        (end, rest)
    } else {
        let at = text.rfind(['+', '-'])?;
        (number::parse_int(text.get(..at)?)?, text.get(at..)?)
    };
    if rest.is_empty() {
        return Some(base);
    }
    let offset = number::parse_int(rest.get(1..)?)?;
    match rest.as_bytes().first()? {
        b'+' => base.checked_add(offset),
        b'-' => base.checked_sub(offset),
        _ => None,
    }
}

/// The elements from one index to another, both included.
pub(super) fn range(from: &str, to: &str, length: usize) -> std::ops::Range<usize> {
    let clamp = |n: i128| usize::try_from(n.max(0)).unwrap_or(usize::MAX).min(length);
    let start = clamp(index(from, length).unwrap_or(0));
    let end = clamp(index(to, length).unwrap_or(-1).saturating_add(1));
    start..end.max(start)
}

fn split(text: &str, separators: &str) -> Vec<String> {
    if separators.is_empty() {
        return text.chars().map(String::from).collect();
    }
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|c| separators.contains(c))
        .map(str::to_owned)
        .collect()
}

fn sort(mut elements: Vec<String>, options: &[&str]) -> Option<Vec<String>> {
    let mut compare: fn(&str, &str) -> Ordering = Ord::cmp;
    let (mut falling, mut unique) = (false, false);
    for option in options {
        match *option {
            "-ascii" | "-increasing" => {}
            "-decreasing" => falling = true,
            "-unique" => unique = true,
            "-integer" | "-real" => {
                compare = |a, b| {
                    let value = |s: &str| number::parse(s).map_or(0.0, number::Num::as_float);
                    value(a).total_cmp(&value(b))
                };
            }
            "-nocase" => compare = |a, b| a.to_lowercase().cmp(&b.to_lowercase()),
            "-dictionary" => compare = dictionary,
            _ => return None,
        }
    }
    elements.sort_by(|a, b| {
        if falling {
            compare(b, a)
        } else {
            compare(a, b)
        }
    });
    if unique {
        elements.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
    }
    Some(elements)
}

/// Numbers inside the text count as numbers, letters without their case.
fn dictionary(left: &str, right: &str) -> Ordering {
    type Chars<'t> = std::iter::Peekable<std::str::Chars<'t>>;
    let digits = |chars: &mut Chars<'_>| {
        let mut digits = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        digits.trim_start_matches('0').to_owned()
    };
    let (mut ours, mut theirs) = (left.chars().peekable(), right.chars().peekable());
    loop {
        let order = match (ours.peek().copied(), theirs.peek().copied()) {
            (None, None) => return left.cmp(right),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(own), Some(other)) if own.is_ascii_digit() && other.is_ascii_digit() => {
                let (own, other) = (digits(&mut ours), digits(&mut theirs));
                own.len().cmp(&other.len()).then_with(|| own.cmp(&other))
            }
            (Some(own), Some(other)) => {
                ours.next();
                theirs.next();
                own.to_lowercase().cmp(other.to_lowercase())
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn search(elements: &[String], options: &[&str], wanted: &str) -> Option<String> {
    let (mut glob, mut all, mut inline, mut not) = (true, false, false, false);
    for option in options {
        match *option {
            "-exact" | "-sorted" | "-ascii" | "-integer" => glob = false,
            "-glob" => glob = true,
            "-all" => all = true,
            "-inline" => inline = true,
            "-not" => not = true,
            _ => return None,
        }
    }
    let hit = |element: &str| {
        (if glob {
            pattern::matches(wanted, element)
        } else {
            element == wanted
        }) != not
    };
    let found = elements
        .iter()
        .enumerate()
        .filter(|(_, element)| hit(element));
    let shown = |(at, element): (usize, &String)| {
        if inline {
            element.clone()
        } else {
            at.to_string()
        }
    };
    if all {
        return Some(list::join(&found.map(shown).collect::<Vec<_>>()));
    }
    let mut found = found;
    Some(
        found
            .next()
            .map_or_else(|| if inline { String::new() } else { "-1".into() }, shown),
    )
}

/// Trims the characters that `string trim` takes when none are named.
pub(super) fn blank(c: char) -> bool {
    is_space(c) || c == '\0'
}
