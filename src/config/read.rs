//! The keys of config.toml: what each may hold, and what stands where it is missing. Pure.

mod cluster;

use std::ops::Range;

use toml::de::DeTable;

use super::address::check_cluster_name;
use super::mistake::{ConfigErrors, Notes};
use super::values::{Found, Section};
use super::{Cluster, LOCAL, Linger, Settings, Surroundings, retention};

use self::cluster::CLUSTER;

/// Keys of the file itself.
const TOP: &[&str] = &[
    "clusters",
    "default_cluster",
    "linger",
    "local",
    "retention",
];

/// Reads a whole config.toml.
pub(super) fn settings(
    text: &str,
    file: &str,
    surroundings: &Surroundings,
) -> Result<Settings, ConfigErrors> {
    let mut notes = Notes::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let (what, allowed) = syntax(text, &span, error.message());
            notes.note(&span, "", what, allowed);
        }
        return notes.finish(file, None);
    }
    let span = document.span();
    let top = Section::new(String::new(), span, document.get_ref());
    let settings = Reader {
        notes: &mut notes,
        surroundings,
    }
    .settings(&top);
    notes.finish(file, settings)
}

/// The TOML parser's message as sentences: what, and what to write instead.
fn syntax(text: &str, span: &Range<usize>, message: &str) -> (String, &'static str) {
    let there = text.get(span.clone()).unwrap_or_default();
    if message == "duplicate key" {
        return (
            format!("The key `{there}` is there twice."),
            "Remove one of the two.",
        );
    }
    let before = text.get(..span.start).unwrap_or_default();
    let in_value = before
        .rsplit('\n')
        .next()
        .is_some_and(|line| line.contains('='));
    let allowed = if in_value {
        "Texts, and times such as \"24:00:00\", stand in quotes."
    } else {
        ""
    };
    (sentence(message), allowed)
}

/// A clause as a sentence.
fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    let end = if clause.ends_with(['?', '.']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.unwrap_or_default(), letters.as_str())
}

struct Reader<'n, 't, 's> {
    notes: &'n mut Notes<'t>,
    surroundings: &'s Surroundings,
}

impl Reader<'_, '_, '_> {
    fn settings(&mut self, top: &Section<'_>) -> Option<Settings> {
        let elsewhere = [(CLUSTER, "a table [clusters.NAME]".to_owned())];
        top.refuse_others(self.notes, TOP, &[], &elsewhere);
        let mut clusters = Vec::new();
        if let Some(tables) = top.table(self.notes, "clusters") {
            for (name, section) in tables.tables(self.notes) {
                if let Err(why) = check_cluster_name(name) {
                    self.wrong(&section.span, &section.path, &why, "");
                }
                clusters.push(self.cluster(name, &section));
            }
        }
        let retention = retention::read(self.notes, top);
        let wants_local = top.flag(self.notes, "local");
        let defines_local = clusters.iter().any(|cluster| cluster.name == LOCAL);
        if wants_local == Some(false) && defines_local {
            self.wrong(
                &top.has(LOCAL).unwrap_or(0..0),
                LOCAL,
                "`local = false` leaves out the cluster that [clusters.local] defines",
                "Remove one of the two.",
            );
        }
        if wants_local != Some(false) && !defines_local {
            let nothing = DeTable::new();
            let section = Section::new(format!("clusters.{LOCAL}"), 0..0, &nothing);
            clusters.push(self.cluster(LOCAL, &section));
        }
        let linger = self.linger(top);
        let default_cluster = self.default_cluster(top, &clusters)?;
        Some(Settings {
            clusters,
            default_cluster,
            linger,
            retention,
        })
    }

    /// The one that is named, or the first.
    fn default_cluster(&mut self, top: &Section<'_>, clusters: &[Cluster]) -> Option<String> {
        let Some(first) = clusters.first() else {
            self.wrong(
                &top.has(LOCAL).unwrap_or(0..0),
                LOCAL,
                "no cluster is left with `local = false`",
                "Define one in a table [clusters.NAME], or remove the line.",
            );
            return None;
        };
        let Some(named) = top.text(self.notes, "default_cluster", "\"hpc\"") else {
            return Some(first.name.clone());
        };
        if clusters.iter().any(|cluster| cluster.name == named.value) {
            return Some(named.value.to_owned());
        }
        let known: Vec<&str> = clusters.iter().map(|c| c.name.as_str()).collect();
        self.wrong(
            &named.span,
            "default_cluster",
            &format!("no cluster is called {:?}", named.value),
            &format!("There are: {}.", known.join(", ")),
        );
        None
    }

    fn linger(&mut self, top: &Section<'_>) -> Linger {
        let Some(given) = top.text(self.notes, "linger", "\"jobs\"") else {
            return Linger::default();
        };
        Linger::parse(given.value).unwrap_or_else(|why| {
            let allowed = "Write \"jobs\", \"clients\", or a time such as \"30m\".";
            self.wrong(&given.span, "linger", &why, allowed);
            Linger::default()
        })
    }

    /// A text that passes a check.
    fn checked(
        &mut self,
        section: &Section<'_>,
        key: &str,
        example: &str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let Found { value, span } = section.text(self.notes, key, example)?;
        match check(value) {
            Ok(()) => Some(value.to_owned()),
            Err(why) => {
                self.wrong(&span, &section.key(key), &why, "");
                None
            }
        }
    }

    /// Notes a mistake whose reason is a clause.
    fn wrong(&mut self, span: &Range<usize>, key: &str, why: &str, allowed: &str) {
        self.notes.note(span, key, sentence(why), allowed);
    }
}
