//! The shape of the source, held by a test: which room may name which, what the pure rooms may not
//! do, how files are named and how long they are, and that migrations are only ever appended.
//!
//! The tables below are the architecture as data. A change of them is a change of the architecture:
//! say why in `src/lib.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Which rooms a room may name, beside itself. A room is a file or folder right below `src/`;
/// `job::layout` allows that part of a room alone.
const ARROWS: &[(&str, &[&str])] = &[
    ("lib", &[]),
    // Pure.
    ("error", &["namd"]),
    ("shell", &[]),
    ("scheduler", &["job::layout", "shell"]),
    ("job", &["error", "namd", "scheduler", "shell"]),
    ("namd", &[]),
    ("advice", &["error", "job", "namd", "scheduler"]),
    // The edge towards this machine and the clusters.
    ("config", &["error", "job", "scheduler", "shell"]),
    ("probe", &["config", "shell"]),
    ("transport", &["config", "error", "shell"]),
    ("store", &["error", "job", "namd", "scheduler", "shell"]),
    (
        "doctor",
        &["config", "error", "probe", "shell", "transport"],
    ),
    (
        "engine",
        &[
            "advice",
            "config",
            "doctor",
            "error",
            "job",
            "namd",
            "probe",
            "scheduler",
            "shell",
            "store",
            "transport",
        ],
    ),
    // Nothing above knows JSON-RPC, LSP or an editor.
    ("protocol", &["error"]),
    (
        "rpc",
        &[
            "advice",
            "config",
            "doctor",
            "engine",
            "error",
            "job",
            "namd",
            "protocol",
            "scheduler",
            "store",
        ],
    ),
    (
        "lsp",
        &[
            "advice", "engine", "error", "job", "namd", "protocol", "rpc",
        ],
    ),
    (
        "server",
        &["config", "engine", "error", "lsp", "protocol", "rpc"],
    ),
    (
        "cli",
        &[
            "config",
            "doctor",
            "engine",
            "error",
            "protocol",
            "rpc",
            "server",
            "shell",
            "transport",
        ],
    ),
    ("main", &["cli", "config", "error"]),
];

/// Crates that only some places may name: (crate, the places). A place is a path below `src/`
/// without its ending and stands for what lies below it too.
const CRATES: &[(&str, &[&str])] = &[
    ("clap", &["cli", "main"]),
    ("dirs", &["config", "transport"]),
    ("gen_lsp_types", &["lsp"]),
    ("jsonrpsee", &["rpc", "server"]),
    ("r2d2", &["store"]),
    ("r2d2_sqlite", &["store"]),
    ("rusqlite", &["store"]),
    ("rusqlite_migration", &["store"]),
    ("russh", &["transport/ssh"]),
    ("russh_sftp", &["transport/ssh"]),
    ("schemars", &["protocol", "rpc"]),
    ("tar", &["transport"]),
    ("toml", &["cli/demo", "config"]),
    ("tracing_appender", &["cli", "main"]),
    ("tracing_subscriber", &["cli", "main"]),
];

/// Rooms that are pure. Other files are held to the same when their first line ends with `Pure.`.
const PURE: &[&str] = &[
    "advice",
    "error",
    "job",
    "namd",
    "rpc/view",
    "scheduler",
    "shell",
];

/// What pure code may not say.
const IMPURE: &[&str] = &[
    "tokio",
    "russh",
    "rusqlite",
    "jsonrpsee",
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "Ulid::new",
    "async fn",
    ".await",
];

/// Names that say nothing of what a file owns.
const EMPTY_NAMES: &[&str] = &[
    "common", "helper", "helpers", "manager", "misc", "mod", "types", "util", "utils",
];

/// Lines, without tests, from which a file needs a reason for its length.
const LONG: usize = 500;

/// Files that are longer, and why.
const LONG_FILES: &[(&str, &str)] = &[
    (
        "protocol/job",
        "the job as clients see it: one documented field after another",
    ),
    (
        "rpc",
        "the dispatch table: the whole surface on one page, a few lines for each method",
    ),
    ("job", "the job's data: one documented field after another"),
    (
        "job/state",
        "the transition table, whole on one page on purpose",
    ),
    (
        "namd/eval",
        "one evaluator: its state, and the way of a command through it",
    ),
    (
        "engine",
        "the use cases a session asks for, whole on one page: steps live in the rooms below",
    ),
    (
        "scheduler",
        "the contract between engine and batch systems: one documented type after another",
    ),
];

/// Migrations that have been released: (file, hash of its text). Never edit one, never remove a
/// line here; a release adds what is new.
const RELEASED_MIGRATIONS: &[(&str, u64)] = &[];

/// A source file.
struct Source {
    /// Its path below `src/` without its ending: `scheduler/slurm`.
    path: String,
    text: String,
    /// The text without comments, strings and tests.
    code: String,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    fn is_below(&self, place: &str) -> bool {
        self.path
            .strip_prefix(place)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn is_pure(&self) -> bool {
        let says = self
            .text
            .lines()
            .next()
            .is_some_and(|line| line.starts_with("//!") && line.ends_with("Pure."));
        says || PURE.iter().any(|place| self.is_below(place))
    }
}

/// All of `src/` but its test modules.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut dirs = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let below = path.strip_prefix(&root).unwrap().with_extension("");
                let path = below.to_str().unwrap().replace('\\', "/");
                let code = code_of(&text);
                found.push(Source { path, text, code });
            }
        }
    }
    // Tests may name what they like.
    let tests: Vec<String> = found.iter().flat_map(test_modules).collect();
    found.retain(|source| !tests.iter().any(|test| source.is_below(test)));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 5, "no source below {}", root.display());
    found
}

/// The modules that a file declares for tests alone.
fn test_modules(source: &Source) -> Vec<String> {
    let mut lines = source.text.lines().map(str::trim);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            continue;
        }
        let declared = lines
            .next()
            .and_then(|line| line.rsplit_once("mod ")?.1.strip_suffix(';'));
        if let Some(name) = declared {
            let below = if source.path == "lib" {
                ""
            } else {
                source.path.as_str()
            };
            found.push(format!("{below}/{name}").trim_start_matches('/').to_owned());
        }
    }
    found
}

/// Blanks out comments, string and character literals, and items under `#[cfg(test)]`.
/// Line ends stay, so that lines can be counted.
fn code_of(text: &str) -> String {
    without_tests(&without_words(text))
}

fn without_words(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut code = String::with_capacity(text.len());
    let mut i = 0;
    let blank = |code: &mut String, from: usize, to: usize| {
        for k in from..to {
            code.push(if at(k) == '\n' { '\n' } else { ' ' });
        }
    };
    while i < chars.len() {
        let start = i;
        let in_word = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                while i < chars.len() {
                    if at(i) == '/' && at(i + 1) == '*' {
                        depth += 1;
                        i += 2;
                    } else if at(i) == '*' && at(i + 1) == '/' {
                        depth -= 1;
                        i += 2;
                        if depth == 0 {
                            break;
                        }
                    } else {
                        i += 1;
                    }
                }
            }
            'r' if !in_word && raw_hashes(&chars, i + 1).is_some() => {
                let hashes = raw_hashes(&chars, i + 1).unwrap();
                let end: Vec<char> = std::iter::once('"')
                    .chain(std::iter::repeat_n('#', hashes))
                    .collect();
                i += hashes + 2;
                while i < chars.len() && !chars[i..].starts_with(&end) {
                    i += 1;
                }
                i = (i + end.len()).min(chars.len());
            }
            '"' => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i = (i + 1).min(chars.len());
            }
            // A character, not a lifetime.
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i = (i + 1).min(chars.len());
            }
            c => {
                code.push(c);
                i += 1;
                continue;
            }
        }
        blank(&mut code, start, i);
    }
    code
}

/// How many `#` stand before the quote of a raw string that goes on at `from`; none if it is no
/// raw string.
fn raw_hashes(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars.get(from..)?.iter().take_while(|c| **c == '#').count();
    (chars.get(from + hashes) == Some(&'"')).then_some(hashes)
}

fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, after)) = rest.split_once(MARK) {
        kept.push_str(before);
        // The item ends with `;` or with the brace that closes its first one.
        let mut depth = 0_usize;
        let mut end = after.len();
        for (at, c) in after.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && (c == ';' || c == '}') {
                end = at + 1;
                break;
            }
        }
        rest = &after[end..];
    }
    kept.push_str(rest);
    kept
}

/// Whether `name` stands in the code as a whole path segment, not as part of a longer word.
fn says(code: &str, name: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(name).any(|(at, _)| {
        let begins = !name.starts_with(|c: char| c.is_alphanumeric())
            || !word(code[..at].chars().next_back());
        begins && !word(code[at + name.len()..].chars().next())
    })
}

/// Whether the code names a crate: as the first segment of a path, or in a `use`.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].trim_end_matches(' ');
        let after = &code[at + name.len()..];
        let begins = !code[..at]
            .ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '.');
        let used = before.ends_with("use") && after.starts_with([';', ' ']);
        begins && (after.starts_with("::") || used)
    })
}

/// The paths of one or two segments that follow `crate::`: `job`, `job::layout`.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, start) in code.match_indices("crate::") {
        let longer = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        if longer {
            continue;
        }
        let rest = &code[at + start.len()..];
        if rest.starts_with('{') {
            found.extend(split_braces(rest).iter().map(|path| two_segments(path)));
        } else {
            found.insert(two_segments(rest));
        }
    }
    found
}

/// The items between the braces a text begins with, split at its own commas.
fn split_braces(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => items.push(String::new()),
            _ => {}
        }
        if !(depth == 1 && (c == '{' || c == ',')) {
            items.last_mut().unwrap().push(c);
        }
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

fn two_segments(path: &str) -> String {
    let segment = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let first = segment(path);
    let after = path.trim_start().get(first.len()..).unwrap_or_default();
    match after.strip_prefix("::").map(segment) {
        // A module; types begin with a capital, and braces leave nothing.
        Some(second) if second.starts_with(|c: char| c.is_lowercase()) => {
            format!("{first}::{second}")
        }
        _ => first,
    }
}

/// Fails with all complaints at once.
fn report(complaints: &[String], advice: &str) {
    let mut text = String::new();
    for complaint in complaints {
        let _ = writeln!(text, "  {complaint}");
    }
    assert!(complaints.is_empty(), "\n{text}{advice}\n");
}

#[test]
fn arrows_point_one_way() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut complaints = Vec::new();
    for source in sources() {
        let room = source.room();
        let Some(allowed) = arrows.get(room) else {
            complaints.push(format!(
                "src/{}.rs: the room `{room}` is not in ARROWS",
                source.path
            ));
            continue;
        };
        for named in rooms_named(&source.code) {
            let first = named.split("::").next().unwrap_or_default();
            let is_room = arrows.contains_key(first);
            let fits = first == room || allowed.contains(&first) || allowed.contains(&&*named);
            if is_room && !fits {
                complaints.push(format!("src/{}.rs names crate::{named}", source.path));
            }
        }
    }
    report(
        &complaints,
        "The rooms above may not be named from there; see ARROWS.",
    );
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut complaints = Vec::new();
    for source in sources() {
        for (name, places) in CRATES {
            if !places.iter().any(|place| source.is_below(place)) && names_crate(&source.code, name)
            {
                complaints.push(format!("src/{}.rs names the crate {name}", source.path));
            }
        }
    }
    report(
        &complaints,
        "Only some places may name these crates; see CRATES.",
    );
}

#[test]
fn pure_rooms_have_no_clock_no_files_and_no_network() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| source.is_pure()) {
        for said in IMPURE {
            if says(&source.code, said) {
                complaints.push(format!("src/{}.rs says `{said}`", source.path));
            }
        }
    }
    report(&complaints, "Pure code takes such things as arguments.");
}

#[test]
fn every_file_name_says_what_the_file_owns() {
    let complaints: Vec<String> = sources()
        .iter()
        .filter(|source| {
            source
                .path
                .split('/')
                .any(|part| EMPTY_NAMES.contains(&part))
        })
        .map(|source| format!("src/{}.rs", source.path))
        .collect();
    report(
        &complaints,
        "Name these after what they own; `foo.rs` beside `foo/`, no mod.rs.",
    );
}

#[test]
fn long_files_have_a_reason() {
    let reasons: BTreeMap<&str, &str> = LONG_FILES.iter().copied().collect();
    let mut complaints = Vec::new();
    let mut long = BTreeSet::new();
    for source in sources() {
        let lines = source.code.trim_end().lines().count();
        if lines <= LONG {
            continue;
        }
        long.insert(source.path.clone());
        if !reasons.contains_key(source.path.as_str()) {
            complaints.push(format!("src/{}.rs has {lines} lines", source.path));
        }
    }
    for (path, _) in LONG_FILES {
        if !long.contains(*path) {
            complaints.push(format!(
                "src/{path}.rs is not long any more; take it from the list"
            ));
        }
    }
    report(
        &complaints,
        "Split by what a file owns, or write into LONG_FILES why it is better whole.",
    );
}

#[test]
fn migrations_are_only_ever_appended() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations");
    let mut names: Vec<String> = match fs::read_dir(&dir) {
        Ok(entries) => entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("{}: {error}", dir.display()),
    };
    names.sort();
    let mut complaints = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let number = format!("{:04}_", place + 1);
        if !name.starts_with(&number) || name.strip_suffix(".sql").is_none() {
            complaints.push(format!("{name} should be called {number}….sql"));
        }
    }
    for (place, (name, hash)) in RELEASED_MIGRATIONS.iter().enumerate() {
        match names.get(place) {
            Some(there) if there == name => {
                let now = fnv(&fs::read(dir.join(name)).unwrap());
                if now != *hash {
                    complaints.push(format!(
                        "{name} was released and has been edited ({now:#x})"
                    ));
                }
            }
            _ => complaints.push(format!("{name} was released and is not in its place")),
        }
    }
    report(&complaints, "Write a new migration instead.");
}

/// FNV-1a, 64 bits: enough to notice an edit.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[test]
fn the_reader_of_the_source_sees_code_alone() {
    let text = r##"
//! crate::server in a comment /* tokio::spawn */
use crate::{shell::{Command, quote}, job::layout, error};
fn f<'a>(x: &'a str) -> char { let _ = "crate::rpc \" std::fs"; let _ = r#"crate::lsp " "#; '"' }
/* crate::engine /* nested */ std::env */
pub(crate) fn g() { crate::config::Settings::load(); tokio::spawn(x) }
const Q: char = '\''; const N: char = '\n';
#[cfg(test)]
use std::fs;
#[cfg(test)]
mod tests { use crate::cli; fn h() { if true { std::fs::read() } } }
fn last() { $crate::store; my_tokio::x() }
"##;
    let code = code_of(text);
    let named: Vec<String> = rooms_named(&code).into_iter().collect();
    assert_eq!(named, ["config", "error", "job::layout", "shell"]);
    assert!(names_crate(&code, "tokio"));
    assert!(!names_crate(&code, "std"));
    assert!(!says(&code, "std::fs") && !says(&code, "std::env"));
    assert!(says("let t = Instant::now();", "Instant::now"));
    assert!(says("x.await?", ".await") && !says("x.awaited()", ".await"));
    assert!(code.contains("fn last()"));
    assert!(names_crate("use tar;", "tar") && !names_crate("self.tar::<x>()", "tar"));
    assert!(!names_crate("use std::tar::x;", "tar"));
    assert_eq!(code_of("a // b\nc").lines().count(), 2);
    assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c);
}
