//! A configuration as text: its commands and keywords with their places,
//! whether or not they would be reached. For editors; nothing is evaluated.

use serde::{Deserialize, Serialize};

use super::keywords;
use super::tcl::{self, Command, Word};
use super::text::{Position, Range, Source, Span};

/// Only so much of a file is looked at to tell what it is.
const SAMPLE: usize = 64 * 1024;
/// Bodies nested deeper are not looked into.
const MAX_DEPTH: usize = 16;

/// What the first word of a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatementKind {
    /// A keyword of NAMD 3.0.
    Keyword,
    /// `run` or `minimize`.
    Run,
    /// Another command of Tcl or NAMD.
    Command,
    /// Something else: a procedure, a keyword of another version, a slip.
    Other,
}

/// One command of the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// The first word, without `=value`.
    pub name: String,
    /// Where the first word stands.
    pub name_range: Range,
    /// The other words joined, up to a comment, if nothing in them is substituted.
    pub value: Option<String>,
    /// Where the value stands.
    pub value_range: Range,
    /// The whole command.
    pub range: Range,
    /// The same in bytes.
    pub span: Span,
    /// How many bodies (of `if`, `for`, `proc`, …) it is inside.
    pub depth: usize,
}

/// Something Tcl cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyntaxProblem {
    /// Tcl's wording.
    pub message: String,
    /// Where.
    pub range: Range,
}

/// The commands of a configuration in the order they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outline {
    /// The commands, those inside bodies behind the command they belong to.
    pub statements: Vec<Statement>,
    /// What cannot be read.
    pub problems: Vec<SyntaxProblem>,
}

impl Outline {
    /// Reads any bytes.
    pub fn read(bytes: &[u8]) -> Self {
        let source = Source::new("", bytes);
        let mut outline = Self::default();
        outline.collect(&source, 0, source.script_end(), 0);
        outline
    }

    /// The innermost statement at a position.
    pub fn at(&self, position: Position) -> Option<&Statement> {
        self.statements
            .iter()
            .filter(|s| s.range.start <= position && position <= s.range.end)
            .max_by_key(|statement| statement.depth)
    }

    fn collect(&mut self, source: &Source, start: usize, end: usize, depth: usize) {
        let script = tcl::parse(source.text(), start, end);
        for error in &script.errors {
            self.problems.push(SyntaxProblem {
                message: error.kind.wording().to_owned(),
                range: source.range(Span::new(error.at, error.end)),
            });
        }
        for command in &script.commands {
            let Some(statement) = statement(source, command, depth) else {
                continue;
            };
            let bodies = bodies(&statement.name, &command.words);
            self.statements.push(statement);
            if depth < MAX_DEPTH {
                for body in bodies {
                    let content = body.content();
                    self.collect(source, content.start, content.end, depth + 1);
                }
            }
        }
    }
}

fn statement(source: &Source, command: &Command, depth: usize) -> Option<Statement> {
    let head = command.words.first()?;
    let text = head.literal()?;
    let (name, inline) = match text.split_once('=') {
        Some((name, value)) if keywords::find(name).is_some() => (name, Some(value)),
        _ => (&*text, None),
    };
    let words = command.words.get(1..).unwrap_or_default();
    let comment = words
        .iter()
        .position(|word| word.literal().is_some_and(|text| text.starts_with('#')));
    let words = words
        .get(..comment.unwrap_or(words.len()))
        .unwrap_or_default();
    let mut parts: Vec<String> = inline
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .into_iter()
        .collect();
    let mut literal = true;
    for (at, word) in words.iter().enumerate() {
        match word.literal() {
            Some(text) if at == 0 && parts.is_empty() && keywords::find(name).is_some() => {
                let text = text.strip_prefix('=').unwrap_or(&text);
                if !text.is_empty() {
                    parts.push(text.to_owned());
                }
            }
            Some(text) => parts.push(text.to_string()),
            None => literal = false,
        }
    }
    let value_span = match (words.first(), words.last()) {
        (Some(first), Some(last)) => Span::new(first.span.start, last.span.end),
        _ => Span::new(head.span.start + name.len(), head.span.end),
    };
    let lower = name.to_ascii_lowercase();
    let kind = match name {
        "run" | "minimize" => StatementKind::Run,
        _ if keywords::find(&lower).is_some() => StatementKind::Keyword,
        _ if is_command(name) => StatementKind::Command,
        _ => StatementKind::Other,
    };
    Some(Statement {
        kind,
        name: name.to_owned(),
        name_range: source.range(Span::new(
            head.span.start,
            head.span.start + name.len().min(head.span.end - head.span.start),
        )),
        value: literal.then(|| parts.join(" ")),
        value_range: source.range(value_span),
        range: source.range(command.span),
        span: source.byte_span(command.span),
        depth,
    })
}

/// The words of a command that are scripts.
fn bodies<'w>(name: &str, words: &'w [Word]) -> Vec<&'w Word> {
    let braced = |word: &&Word| word.quote == tcl::Quote::Braced && word.literal().is_some();
    let tail = |n: usize| words.get(n..).unwrap_or_default();
    match name {
        // Conditions are not scripts: every word behind a condition, `else` or `then` is.
        "if" => {
            let mut found = Vec::new();
            let mut condition = true;
            for word in tail(1) {
                let text = word.literal();
                match text.as_deref() {
                    Some("then" | "else") => condition = false,
                    Some("elseif") => condition = true,
                    _ if condition => condition = false,
                    _ => found.extend(Some(word).filter(braced)),
                }
            }
            found
        }
        "for" => [1, 3, 4]
            .iter()
            .filter_map(|at| words.get(*at))
            .filter(braced)
            .collect(),
        "while" => tail(2).iter().filter(braced).collect(),
        "foreach" | "proc" | "catch" | "eval" | "uplevel" | "time" | "try" => match name {
            "catch" | "time" | "try" => words.get(1).into_iter().filter(braced).collect(),
            _ => words
                .last()
                .into_iter()
                .filter(|_| words.len() > 1)
                .filter(braced)
                .collect(),
        },
        "namespace" if words.get(1).and_then(Word::literal).as_deref() == Some("eval") => {
            tail(3).iter().filter(braced).collect()
        }
        _ => Vec::new(),
    }
}

fn is_command(name: &str) -> bool {
    const COMMANDS: &[&str] = &[
        "abort",
        "after",
        "append",
        "apply",
        "array",
        "break",
        "callback",
        "catch",
        "cd",
        "checkpoint",
        "checkpointFree",
        "checkpointLoad",
        "checkpointStore",
        "checkpointSwap",
        "close",
        "colvarbias",
        "colvarfreq",
        "colvarvalue",
        "concat",
        "consForceConfig",
        "continue",
        "coorfile",
        "cv",
        "dict",
        "dumpbench",
        "eof",
        "error",
        "eval",
        "exec",
        "exit",
        "expr",
        "file",
        "flush",
        "for",
        "foreach",
        "format",
        "gets",
        "glob",
        "global",
        "if",
        "incr",
        "info",
        "isset",
        "istrue",
        "join",
        "lappend",
        "lassign",
        "lindex",
        "linsert",
        "list",
        "llength",
        "lrange",
        "lreplace",
        "lsearch",
        "lset",
        "lsort",
        "measure",
        "move",
        "moveallby",
        "myReplica",
        "namespace",
        "numNodes",
        "numPes",
        "numReplicas",
        "open",
        "output",
        "package",
        "param",
        "print",
        "proc",
        "puts",
        "pwd",
        "python",
        "read",
        "regexp",
        "regsub",
        "reinitatoms",
        "reinitvels",
        "reloadCharges",
        "rename",
        "replicaBarrier",
        "replicaDcdFile",
        "replicaRecv",
        "replicaSend",
        "replicaSendrecv",
        "rescalevels",
        "return",
        "revert",
        "scan",
        "set",
        "source",
        "split",
        "startup",
        "string",
        "subst",
        "switch",
        "time",
        "try",
        "unset",
        "uplevel",
        "upvar",
        "variable",
        "while",
    ];
    COMMANDS.binary_search(&name).is_ok()
}

/// Tells whether a file is a NAMD configuration: by the name `.namd`; for
/// `.conf`, `.inp`, `.tcl` and `.config` by what is in it.
pub fn looks_like_namd(path: &str, bytes: &[u8]) -> bool {
    let name = super::paths::file_name(path);
    match name
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase())
        .as_deref()
    {
        Some("namd") => return true,
        Some("conf" | "inp" | "tcl" | "config") => {}
        _ => return false,
    }
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    if sample.contains(&0) {
        return false;
    }
    let outline = Outline::read(sample);
    let mut seen = std::collections::BTreeSet::new();
    let (mut ours, mut foreign, mut strong) = (0_usize, 0_usize, false);
    for statement in &outline.statements {
        match statement.kind {
            StatementKind::Keyword => {
                let lower = statement.name.to_ascii_lowercase();
                strong |= STRONG.contains(&lower.as_str());
                ours += 1;
                seen.insert(lower);
            }
            StatementKind::Other => foreign += 1,
            StatementKind::Run | StatementKind::Command => {}
        }
    }
    seen.len() >= 3 && strong && ours > foreign
}

/// Keywords that hardly mean anything elsewhere.
const STRONG: &[&str] = &[
    "structure",
    "paratypecharmm",
    "exclude",
    "1-4scaling",
    "onefourscaling",
    "bincoordinates",
    "binvelocities",
    "extendedsystem",
    "outputname",
    "fullelectfrequency",
    "stepspercycle",
    "langevinpiston",
    "langevintemp",
    "pmegridspacing",
    "rigidbonds",
    "pairlistdist",
    "switchdist",
    "nonbondedfreq",
    "parmfile",
    "cellbasisvector1",
    "wrapall",
];

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "structure a.psf ;# psf\nif {$x == 1} {\n  run 100\n  langevinTemp=300 # K\n} else {\n  minimize $n\n}\nfoo bar\n";

    #[test]
    fn statements_are_found_in_bodies_too() {
        let outline = Outline::read(TEXT.as_bytes());
        let shown: Vec<_> = outline
            .statements
            .iter()
            .map(|s| (s.kind, s.name.as_str(), s.value.as_deref(), s.depth))
            .collect();
        assert_eq!(
            shown,
            [
                (StatementKind::Keyword, "structure", Some("a.psf"), 0),
                (
                    StatementKind::Command,
                    "if",
                    Some("$x == 1 \n  run 100\n  langevinTemp=300 # K\n else \n  minimize $n\n"),
                    0
                ),
                (StatementKind::Run, "run", Some("100"), 1),
                (StatementKind::Keyword, "langevinTemp", Some("300"), 1),
                (StatementKind::Run, "minimize", None, 1),
                (StatementKind::Other, "foo", Some("bar"), 0),
            ]
        );
        let run = outline
            .at(Position {
                line: 2,
                character: 4,
            })
            .unwrap();
        assert_eq!(run.name, "run");
        assert_eq!(
            run.value_range.start,
            Position {
                line: 2,
                character: 6
            }
        );
    }

    #[test]
    fn configurations_are_recognised_by_name_or_content() {
        let config = b"structure a.psf\ncoordinates a.pdb\nset t 300\ntemperature $t\nexclude scaled1-4\nrun 100\n";
        assert!(looks_like_namd("/x/a.namd", b""));
        assert!(looks_like_namd("step4_equilibration.inp", config));
        assert!(looks_like_namd("a.conf", config));
        assert!(!looks_like_namd("a.txt", config));
        assert!(!looks_like_namd(
            "sshd.conf",
            b"Port 22\nPermitRootLogin no\nUsePAM yes\n"
        ));
        assert!(!looks_like_namd(
            "nginx.conf",
            b"user nginx;\nworker_processes 4;\nevents { worker_connections 1024; }\n"
        ));
        assert!(!looks_like_namd(
            "lib.tcl",
            b"proc f {a} {\n return $a\n}\nputs [f 1]\n"
        ));
        assert!(!looks_like_namd("x.inp", b"\0\0\0"));
    }

    #[test]
    fn command_names_are_sorted() {
        assert!(
            is_command("abort")
                && is_command("while")
                && is_command("lindex")
                && is_command("numPes")
        );
        assert!(!is_command("structure"));
    }
}
