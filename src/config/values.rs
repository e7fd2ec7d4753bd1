//! Typed reading of TOML tables that notes every mistake and goes on. Pure.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Notes, nearest};

/// A table being read.
pub(super) struct Section<'d> {
    /// Its name with the tables around it, `clusters.hpc`; empty for the whole file.
    pub(super) path: String,
    /// Where its name stands.
    pub(super) span: Range<usize>,
    entries: Vec<Entry<'d>>,
}

/// One key of a table.
struct Entry<'d> {
    key: &'d str,
    span: Range<usize>,
    value: &'d Spanned<DeValue<'d>>,
}

/// A value and where it stands.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A word that people use for a key of ours: the word, our key.
type Synonym = (&'static str, &'static str);

impl<'d> Section<'d> {
    /// The keys of a table, in the file's order.
    pub(super) fn new(path: String, span: Range<usize>, table: &'d DeTable<'d>) -> Self {
        let mut entries: Vec<Entry<'d>> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().as_ref(),
                span: key.span(),
                value,
            })
            .collect();
        entries.sort_by_key(|entry| entry.span.start);
        Self {
            path,
            span,
            entries,
        }
    }

    /// A key's full name.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Notes every key that is not `known`. `elsewhere` names keys that belong to another table.
    pub(super) fn refuse_others(
        &self,
        notes: &mut Notes<'_>,
        known: &[&'static str],
        synonyms: &[Synonym],
        elsewhere: &[(&[&'static str], String)],
    ) {
        for entry in &self.entries {
            if known.contains(&entry.key) {
                continue;
            }
            let home = elsewhere.iter().find(|(keys, _)| keys.contains(&entry.key));
            let synonym = synonyms.iter().find(|(word, _)| *word == entry.key);
            let allowed = if let Some((_, table)) = home {
                format!("It belongs into {table}.")
            } else if let Some((_, ours)) = synonym {
                format!("Write `{ours}`.")
            } else if let Some(near) = nearest(entry.key, known.iter().copied()) {
                format!("Did you mean `{near}`?")
            } else {
                format!("There are: {}.", known.join(", "))
            };
            let what = format!("There is no key `{}` here.", entry.key);
            notes.note(&entry.span, &self.key(entry.key), what, allowed);
        }
    }

    fn entry(&self, key: &str) -> Option<&Entry<'d>> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Whether a key is there, whatever its value; with where its name stands.
    pub(super) fn has(&self, key: &str) -> Option<Range<usize>> {
        self.entry(key).map(|entry| entry.span.clone())
    }

    /// A text. `example` shows the right form.
    pub(super) fn text(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        example: &str,
    ) -> Option<Found<&'d str>> {
        let value = self.entry(key)?.value;
        let span = value.span();
        if let DeValue::String(text) = value.get_ref() {
            return Some(Found {
                value: text.as_ref(),
                span,
            });
        }
        let what = format!("A text in quotes is needed, not {}.", kind(value.get_ref()));
        notes.note(
            &span,
            &self.key(key),
            what,
            format!("For instance {key} = {example}"),
        );
        None
    }

    /// A whole number between two bounds.
    pub(super) fn whole(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        bounds: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let value = self.entry(key)?.value;
        let number = as_whole(value.get_ref()).filter(|number| bounds.contains(number));
        if number.is_none() {
            let what = match value.get_ref() {
                DeValue::String(text) if text.trim().parse::<i64>().is_ok() => {
                    format!("A number is needed, without quotes: {}.", text.trim())
                }
                DeValue::Integer(given) => format!("{given} is out of bounds."),
                other => format!("A whole number is needed, not {}.", kind(other)),
            };
            let allowed = format!("Allowed is {} to {}.", bounds.start(), bounds.end());
            notes.note(&value.span(), &self.key(key), what, allowed);
        }
        number
    }

    /// A number or a text, for keys that take both.
    pub(super) fn text_or_whole(&self, key: &str) -> Option<Found<TextOrWhole<'d>>> {
        let value = self.entry(key)?.value;
        let read = match value.get_ref() {
            DeValue::String(text) => TextOrWhole::Text(text.as_ref()),
            other => match as_whole(other) {
                Some(number) => TextOrWhole::Whole(number),
                None => TextOrWhole::Neither(kind(other)),
            },
        };
        Some(Found {
            value: read,
            span: value.span(),
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, notes: &mut Notes<'_>, key: &str) -> Option<bool> {
        let value = self.entry(key)?.value;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            let what = format!("true or false is needed, not {}.", kind(value.get_ref()));
            notes.note(&value.span(), &self.key(key), what, "Without quotes.");
        }
        flag
    }

    /// A list of texts. `example` shows the right form.
    pub(super) fn texts(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        example: &str,
    ) -> Vec<Found<&'d str>> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let Some(list) = entry.value.get_ref().as_array() else {
            let what = format!(
                "A list of texts is needed, not {}.",
                kind(entry.value.get_ref())
            );
            let allowed = format!("For instance {key} = {example}");
            notes.note(&entry.value.span(), &self.key(key), what, allowed);
            return Vec::new();
        };
        let mut found = Vec::new();
        for (place, item) in list.iter().enumerate() {
            if let DeValue::String(text) = item.get_ref() {
                found.push(Found {
                    value: text.as_ref(),
                    span: item.span(),
                });
            } else {
                let what = format!("A text in quotes is needed, not {}.", kind(item.get_ref()));
                let allowed = format!("For instance {key} = {example}");
                notes.note(
                    &item.span(),
                    &format!("{}[{place}]", self.key(key)),
                    what,
                    allowed,
                );
            }
        }
        found
    }

    /// A table within this one.
    pub(super) fn table(&self, notes: &mut Notes<'_>, key: &str) -> Option<Section<'d>> {
        let entry = self.entry(key)?;
        let path = self.key(key);
        let DeValue::Table(table) = entry.value.get_ref() else {
            let what = format!("A table is needed, not {}.", kind(entry.value.get_ref()));
            let allowed = format!("Begin it with [{path}] on a line of its own.");
            notes.note(&entry.value.span(), &path, what, allowed);
            return None;
        };
        Some(Section::new(path, entry.span.clone(), table))
    }

    /// The tables within this one, with their names.
    pub(super) fn tables(&self, notes: &mut Notes<'_>) -> Vec<(&'d str, Section<'d>)> {
        self.entries
            .iter()
            .filter_map(|entry| Some((entry.key, self.table(notes, entry.key)?)))
            .collect()
    }
}

/// What a key that takes both holds.
pub(super) enum TextOrWhole<'d> {
    Text(&'d str),
    Whole(i64),
    /// Something else, in words.
    Neither(&'static str),
}

fn as_whole(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A value's kind in words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time without quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
