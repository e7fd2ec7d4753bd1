//! The `dict` command.

use super::super::finding::Code as Kind;
use super::super::tcl::{list, pattern};
use super::value::{Arg, Value, texts};
use super::{Flow, Machine, Place, known, product};

impl Machine<'_> {
    pub(super) fn dict_command(&mut self, args: &[Arg], place: Place) -> Flow {
        let [option, rest @ ..] = args else {
            return self.usage(place, "dict subcommand ?arg ...?");
        };
        let option = known!(self, std::slice::from_ref(option)).concat();
        match option.as_str() {
            "for" => match rest {
                // Keys and values alternate, as `foreach {k v}` takes them.
                [_, _, _] => self
                    .control_command("foreach", rest, place)
                    .unwrap_or_else(|| Ok(Value::empty())),
                _ => self.usage(place, "dict for {keyVar valueVar} dictionary script"),
            },
            "set" | "unset" | "lappend" | "append" | "incr" | "update" | "with" => {
                self.dict_change(&option, rest, place)
            }
            _ => {
                let texts = known!(self, rest);
                self.charge(product(&texts))?;
                match pure(&option, &texts) {
                    Outcome::Value(value) => Ok(Value::known(value)),
                    Outcome::Error(message) => self.fail(Kind::ScriptError, place, message),
                    Outcome::NotFollowed => {
                        Ok(self.unknown(format!("`dict {option}` is not worked out here")))
                    }
                }
            }
        }
    }

    fn dict_change(&mut self, option: &str, args: &[Arg], place: Place) -> Flow {
        let [name, rest @ ..] = args else {
            return self.usage(place, "dict option varName ?arg ...?");
        };
        let name_text = known!(self, std::slice::from_ref(name)).concat();
        let exists = self.variable_exists(&name_text);
        let old = if exists {
            self.read_named(&name_text, place)?
        } else {
            Value::empty()
        };
        let (Some(old), Ok(texts)) = (old.text(), texts(rest)) else {
            let unknown = self.unknown("part of the dictionary is not known");
            return self.write_named(name, unknown, place);
        };
        let pairs = parse(old);
        let new = match (option, texts.as_slice(), pairs) {
            ("set", [keys @ .., value], Some(pairs))
                if !keys.is_empty() && keys.len() <= MAX_KEYS =>
            {
                Some(set_nested(pairs, keys, value))
            }
            ("unset", [key], Some(mut pairs)) => {
                pairs.retain(|(k, _)| k != key);
                Some(print(&pairs))
            }
            ("lappend", [key, values @ ..], Some(mut pairs)) => {
                let added = list::join(values);
                match pairs.iter_mut().find(|(k, _)| k == key) {
                    Some((_, old)) if old.is_empty() => *old = added,
                    Some((_, old)) => *old = format!("{old} {added}"),
                    None => pairs.push(((*key).to_owned(), added)),
                }
                Some(print(&pairs))
            }
            _ => None,
        };
        let value = match new {
            Some(new) => Value::known(new),
            None => self.unknown(format!("`dict {option}` is not worked out here")),
        };
        self.write_named(name, value, place)
    }

    fn variable_exists(&self, name: &str) -> bool {
        matches!(
            self.world.frames.read(&self.scope, name, None),
            super::vars::Read::Value(_) | super::vars::Read::Perhaps(_)
        )
    }
}

/// Keys and values of the longest dictionary that is followed.
const MAX_FLAT: usize = 2000;
/// Nested keys beyond this are not followed.
const MAX_KEYS: usize = 16;

type Pairs = Vec<(String, String)>;

enum Outcome {
    Value(String),
    Error(String),
    NotFollowed,
}

fn parse(text: &str) -> Option<Pairs> {
    let flat = list::split(text)?;
    // Pairs are looked up one by one here; longer ones are not followed.
    if flat.len() % 2 != 0 || flat.len() > MAX_FLAT {
        return None;
    }
    let mut pairs = Pairs::new();
    let mut flat = flat.into_iter();
    while let (Some(key), Some(value)) = (flat.next(), flat.next()) {
        put(&mut pairs, key, value);
    }
    Some(pairs)
}

fn put(pairs: &mut Pairs, key: String, value: String) {
    match pairs.iter_mut().find(|(k, _)| *k == key) {
        Some((_, old)) => *old = value,
        None => pairs.push((key, value)),
    }
}

fn print(pairs: &Pairs) -> String {
    let flat: Vec<&str> = pairs
        .iter()
        .flat_map(|(k, v)| [k.as_str(), v.as_str()])
        .collect();
    list::join(&flat)
}

fn set_nested(mut pairs: Pairs, keys: &[&str], value: &str) -> String {
    if let [key, inner @ ..] = keys {
        let new = if inner.is_empty() {
            value.to_owned()
        } else {
            let old = pairs
                .iter()
                .find(|(k, _)| k == key)
                .and_then(|(_, v)| parse(v));
            set_nested(old.unwrap_or_default(), inner, value)
        };
        put(&mut pairs, (*key).to_owned(), new);
    }
    print(&pairs)
}

fn pure(option: &str, args: &[&str]) -> Outcome {
    if option == "create" {
        if args.len() > MAX_FLAT {
            return Outcome::NotFollowed;
        }
        let Some(pairs) = parse(&list::join(args)) else {
            return Outcome::Error(
                "wrong # args: should be \"dict create ?key value ...?\"".into(),
            );
        };
        return Outcome::Value(print(&pairs));
    }
    let Some((first, rest)) = args.split_first() else {
        return if option == "merge" {
            Outcome::Value(String::new())
        } else {
            Outcome::NotFollowed
        };
    };
    let Some(mut pairs) = parse(first) else {
        return match list::split(first) {
            Some(flat) if flat.len() % 2 != 0 => {
                Outcome::Error("missing value to go with key".into())
            }
            _ => Outcome::NotFollowed,
        };
    };
    let value = match option {
        "get" | "exists" => {
            let mut value = (*first).to_owned();
            for key in rest {
                let inner = parse(&value).unwrap_or_default();
                let Some((_, found)) = inner.into_iter().find(|(k, _)| k == key) else {
                    if option == "exists" {
                        return Outcome::Value("0".into());
                    }
                    return Outcome::Error(format!("key \"{key}\" not known in dictionary"));
                };
                value = found;
            }
            if option == "exists" {
                "1".into()
            } else {
                value
            }
        }
        "size" => pairs.len().to_string(),
        "keys" | "values" => {
            let filter = rest.first().copied().unwrap_or("*");
            let pick = |(key, value): &(String, String)| {
                if option == "keys" {
                    key.clone()
                } else {
                    value.clone()
                }
            };
            list::join(
                &pairs
                    .iter()
                    .map(pick)
                    .filter(|s| pattern::matches(filter, s))
                    .collect::<Vec<_>>(),
            )
        }
        "merge" => {
            for other in rest {
                let Some(other) = parse(other) else {
                    return Outcome::NotFollowed;
                };
                for (key, value) in other {
                    put(&mut pairs, key, value);
                }
            }
            print(&pairs)
        }
        "remove" => {
            pairs.retain(|(key, _)| !rest.contains(&key.as_str()));
            print(&pairs)
        }
        "replace" => {
            for pair in rest.chunks(2) {
                if let [key, value] = pair {
                    put(&mut pairs, (*key).to_owned(), (*value).to_owned());
                }
            }
            print(&pairs)
        }
        _ => return Outcome::NotFollowed,
    };
    Outcome::Value(value)
}
