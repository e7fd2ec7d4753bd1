//! Which files a Colvars configuration names.
//!
//! The module reads keywords case-insensitively, one per line, each with the
//! rest of its line or a `{…}` block; `#` begins a comment anywhere
//! (`colvarparse::read_config_line`, `key_lookup`). Paths are relative to
//! NAMD's directory, not to the configuration's.

use super::text::Span;

/// What a named file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Data: positions, vectors, indices, weights.
    Data,
    /// A Tcl script (`sourceTclFile`).
    Script,
}

/// One file that is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// The keyword as it is written.
    pub keyword: String,
    /// The path as it is written.
    pub path: String,
    /// Where the path stands.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// Something Colvars cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What is wrong.
    pub what: &'static str,
    /// Where.
    pub at: Span,
}

/// What reading a configuration gives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// The files it names, in order.
    pub files: Vec<Named>,
    /// What is wrong with it.
    pub errors: Vec<Trouble>,
}

/// Reads a Colvars configuration for the files it names.
pub(super) fn read(text: &str) -> Read {
    let mut read = Read::default();
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let code = line
            .split('#')
            .next()
            .unwrap_or("")
            .trim_end_matches(['\n', '\r']);
        // A keyword begins a line, or stands behind a brace that opens a block.
        let mut from = 0;
        loop {
            let rest = code.get(from..).unwrap_or("");
            let statement_end = rest.find(['{', '}']).unwrap_or(rest.len());
            statement(
                rest.get(..statement_end).unwrap_or(""),
                start + from,
                &mut read,
            );
            let Some(brace) = rest
                .get(statement_end..)
                .and_then(|tail| tail.bytes().next())
            else {
                break;
            };
            let place = start + from + statement_end;
            if brace == b'{' {
                open.push(place);
            } else if open.pop().is_none() {
                let at = Span::new(place, place + 1);
                read.errors.push(Trouble {
                    what: "a closing brace without an opening one",
                    at,
                });
            }
            from += statement_end + 1;
        }
    }
    if let Some(brace) = open.first() {
        let at = Span::new(*brace, brace + 1);
        read.errors.push(Trouble {
            what: "this brace is never closed",
            at,
        });
    }
    read.errors.truncate(20);
    read
}

/// Reads `keyword value` and keeps the files the value names.
fn statement(text: &str, offset: usize, read: &mut Read) {
    let trimmed = text.trim_start_matches([' ', '\t']);
    let lead = text.len() - trimmed.len();
    let end = trimmed.find([' ', '\t']).unwrap_or(trimmed.len());
    let (keyword, rest) = trimmed.split_at(end);
    let lower = keyword.to_ascii_lowercase();
    let Some((kind, suffixes)) = names_file(&lower) else {
        return;
    };
    let mut from = 0;
    for word in rest.split([' ', '\t']) {
        let start = offset + lead + end + from;
        from += word.len() + 1;
        if word.is_empty() {
            continue;
        }
        for suffix in suffixes {
            read.files.push(Named {
                keyword: keyword.to_owned(),
                path: format!("{word}{suffix}"),
                span: Span::new(start, start + word.len()),
                kind,
            });
        }
        // Only prefixes may be several; a path is the first word.
        if suffixes == ONE {
            break;
        }
    }
}

const ONE: &[&str] = &[""];
/// What ABF reads for each prefix.
const ABF: &[&str] = &[".count", ".grad"];

/// Whether a keyword names files, and what is put behind the value.
fn names_file(lower: &str) -> Option<(Kind, &'static [&'static str])> {
    match lower {
        "sourcetclfile" => Some((Kind::Script, ONE)),
        "inputprefix" => Some((Kind::Data, ABF)),
        "indexfile" | "atomsfile" | "refpositionsfile" | "vectorfile" | "pathfile"
        | "modelfile" | "targetdistfile" | "refhistogramfile" | "deertimefile" | "mapfile" => {
            Some((Kind::Data, ONE))
        }
        _ => {
            let numbered = |stem: &str| {
                lower
                    .strip_prefix(stem)
                    .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            };
            let layer = lower.starts_with("layer")
                && (lower.ends_with("_weightsfile") || lower.ends_with("_biasesfile"));
            (numbered("refpositionsfile") || numbered("refpositionfile") || layer)
                .then_some((Kind::Data, ONE))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<(String, String)> {
        let read = read(text);
        for file in &read.files {
            assert!(file.path.starts_with(&text[file.span.start..file.span.end]));
        }
        read.files
            .into_iter()
            .map(|file| (file.keyword, file.path))
            .collect()
    }

    #[test]
    fn files_are_found_at_every_level() {
        let text = "indexFile index.ndx  # groups\r\n\
            colvar {\n  name r\n  rmsd {\n    atoms { indexGroup RMSD; atomsFile sel.pdb }\n\
            \x20   refpositionsfile ../Common/da.xyz\n    refPositionsCol O\n  }\n}\n\
            colvar { gspath { refPositionFile1 string-00.pdb\n refPositionsFile2 string-01.pdb } }\n\
            # refPositionsFile commented.pdb\n\
            abf {\n colvars r\n inputPrefix win1 win2\n}\n";
        let want = [
            ("indexFile", "index.ndx"),
            ("atomsFile", "sel.pdb"),
            ("refpositionsfile", "../Common/da.xyz"),
            ("refPositionFile1", "string-00.pdb"),
            ("refPositionsFile2", "string-01.pdb"),
            ("inputPrefix", "win1.count"),
            ("inputPrefix", "win1.grad"),
            ("inputPrefix", "win2.count"),
            ("inputPrefix", "win2.grad"),
        ];
        let want: Vec<_> = want
            .iter()
            .map(|(k, p)| ((*k).to_owned(), (*p).to_owned()))
            .collect();
        // `indexGroup X; atomsFile Y` is not Colvars' way: one keyword per line.
        let got = named(text);
        assert_eq!(
            got,
            want.into_iter()
                .filter(|(k, _)| k != "atomsFile")
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn braces_are_checked() {
        assert_eq!(
            read("colvar {\n name d\n")
                .errors
                .first()
                .map(|e| e.at.start),
            Some(7)
        );
        assert_eq!(read("colvar }\n").errors.len(), 1);
        assert_eq!(read("colvar { a { b } } # }\n").errors, []);
    }
}
