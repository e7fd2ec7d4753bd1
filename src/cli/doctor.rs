//! The doctor's checks as a table for people. Pure.

use std::fmt::Write as _;

use crate::doctor::Check;

/// Columns before the name: two blanks, the word (`ok`, `note`, `FAIL`), two blanks.
const BEFORE_NAME: usize = 8;

/// Writes groups of checks, one for each cluster (the title, its checks), as lines of at most
/// `width` columns, with what to do below each check that needs it, and a summary.
pub(super) fn render(groups: &[(String, Vec<Check>)], width: usize) -> String {
    let width = width.max(40);
    let names = groups
        .iter()
        .flat_map(|(_, checks)| checks)
        .map(|check| check.name.chars().count())
        .max()
        .unwrap_or(0);
    let indent = BEFORE_NAME + names + 2;
    let mut text = String::new();
    let (mut failed, mut notes) = (0_usize, 0_usize);
    for (title, checks) in groups {
        let _ = writeln!(text, "{}", printable(title));
        for check in checks {
            let word = match (check.ok, &check.hint) {
                (false, _) => {
                    failed += 1;
                    "FAIL"
                }
                (true, Some(_)) => {
                    notes += 1;
                    "note"
                }
                (true, None) => "ok",
            };
            let name = printable(&check.name);
            let pad = names.saturating_sub(name.chars().count());
            let _ = write!(text, "  {word:<4}  {name}{:pad$}  ", "");
            wrap(&mut text, &printable(&check.detail), indent, width);
            if let Some(hint) = check.hint.as_ref().filter(|hint| !hint.is_empty()) {
                let _ = write!(text, "{:BEFORE_NAME$}", "");
                wrap(&mut text, &printable(hint), BEFORE_NAME, width);
            }
        }
        text.push('\n');
    }
    let count = |n: usize, one: &str| {
        if n == 1 {
            format!("1 {one}")
        } else {
            format!("{n} {one}s")
        }
    };
    let _ = match (failed, notes) {
        (0, 0) => writeln!(text, "Jobs can run."),
        (0, notes) => writeln!(text, "Jobs can run. {} above.", count(notes, "note")),
        (failed, _) => writeln!(text, "{} to solve above.", count(failed, "problem")),
    };
    text
}

/// Whether nothing keeps jobs from running: the exit code of the command.
pub(super) fn all_ok(groups: &[(String, Vec<Check>)]) -> bool {
    groups
        .iter()
        .all(|(_, checks)| checks.iter().all(|check| check.ok))
}

/// Writes words from column `indent` on, going on there on further lines. Line ends in the text
/// stay.
fn wrap(text: &mut String, words: &str, indent: usize, width: usize) {
    for (n, line) in words.lines().enumerate() {
        if n > 0 {
            let _ = write!(text, "{:indent$}", "");
        }
        let mut column = indent;
        for (n, word) in line.split(' ').enumerate() {
            let length = word.chars().count();
            if n > 0 {
                if column + 1 + length > width && column > indent {
                    let _ = write!(text, "\n{:indent$}", "");
                    column = indent;
                } else {
                    text.push(' ');
                    column += 1;
                }
            }
            text.push_str(word);
            column += length;
        }
        text.push('\n');
    }
    if words.is_empty() {
        text.push('\n');
    }
}

/// What a cluster sent, without the control characters that would play with the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    fn check(name: &str, ok: bool, detail: &str, hint: Option<&str>) -> Check {
        Check {
            name: name.into(),
            ok,
            detail: detail.into(),
            hint: hint.map(str::to_owned),
        }
    }

    #[test]
    fn a_table_with_what_to_do() {
        let groups = [
            (
                "here".to_owned(),
                vec![check(
                    "config",
                    false,
                    "config.toml has 2 mistakes:\n/c.toml:1:1: a: b.\n/c.toml:2:1: c: d.",
                    Some("Correct it."),
                )],
            ),
            (
                "hpc (you@login.hpc.example.edu)".to_owned(),
                vec![
                    check("link", true, "answered in 240 ms", None),
                    check(
                        "accounting",
                        true,
                        "sacct says: disabled",
                        Some("Ends are seen in the queue and by the marker that each job leaves."),
                    ),
                    check(
                        "scratch root",
                        false,
                        "no file can be made in /lustre/scratch/groups/chem042/you: Disk quota exceeded\u{1b}[2J",
                        Some("Free some space there."),
                    ),
                ],
            ),
        ];
        assert_snapshot!(render(&groups, 72), @r#"
here
  FAIL  config        config.toml has 2 mistakes:
                      /c.toml:1:1: a: b.
                      /c.toml:2:1: c: d.
        Correct it.

hpc (you@login.hpc.example.edu)
  ok    link          answered in 240 ms
  note  accounting    sacct says: disabled
        Ends are seen in the queue and by the marker that each job
        leaves.
  FAIL  scratch root  no file can be made in
                      /lustre/scratch/groups/chem042/you: Disk quota
                      exceeded [2J
        Free some space there.

2 problems to solve above.
"#);
        assert!(!all_ok(&groups));
    }

    #[test]
    fn good_news_is_short() {
        let groups = [("here".to_owned(), vec![check("link", true, "", None)])];
        assert_snapshot!(render(&groups, 80), @r#"
here
  ok    link  

Jobs can run.
"#);
        assert!(all_ok(&groups));
    }

    proptest! {
        #[test]
        fn lines_keep_to_the_width_where_words_do(detail in "([a-z]{1,9} ){0,30}", hint in "([a-z]{1,9} ){0,30}") {
            let groups = [("t".to_owned(), vec![check("n", false, &detail, Some(&hint))])];
            for line in render(&groups, 60).lines() {
                prop_assert!(line.trim_end().chars().count() <= 60, "{line}");
            }
        }
    }
}
