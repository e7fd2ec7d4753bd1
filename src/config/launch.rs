//! The launch command: a template with placeholders. Pure.

use super::mistake::nearest;

/// How NAMD is started unless config.toml or the job says otherwise: the multicore program with all
/// the job's cores.
pub const DEFAULT_LAUNCH: &str = "namd3 +p{cores} {config} > {log} 2>&1";

/// The placeholders, with what stands for them.
pub const PLACEHOLDERS: [(&str, &str); 6] = [
    ("config", "the NAMD configuration"),
    ("log", "NAMD's log"),
    ("cores", "all cores of the job"),
    ("ntasks", "the tasks asked for"),
    ("nodes", "the nodes asked for"),
    ("index", "the member's number, in an array"),
];

/// Checks a launch command. The error says why in a clause without a full stop.
///
/// It must name `{config}`, be one shell line that runs in the foreground, and close its quotes.
/// Words in braces that are no placeholder are refused unless the shell means something by them
/// (`${HOME}`, `{a,b}`).
pub fn validate_launch(launch: &str) -> Result<(), String> {
    if launch.trim().is_empty() {
        return Err("the launch command is empty".to_owned());
    }
    if launch.contains(['\n', '\r']) {
        return Err(
            "the launch command is more than one line; put what comes before NAMD into `setup`"
                .to_owned(),
        );
    }
    if let Some(c) = launch.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(format!(
            "the launch command holds the control character {c:?}"
        ));
    }
    for word in words_in_braces(launch) {
        if PLACEHOLDERS.iter().all(|(known, _)| *known != word) {
            let known = PLACEHOLDERS.map(|(known, _)| format!("{{{known}}}"));
            return Err(match nearest(word, PLACEHOLDERS.map(|(known, _)| known)) {
                Some(near) => format!("{{{word}}} is no placeholder; did you mean {{{near}}}?"),
                None => format!(
                    "{{{word}}} is no placeholder; there are {}",
                    known.join(", ")
                ),
            });
        }
    }
    if !launch.contains("{config}") {
        return Err(format!(
            "the launch command does not name {{config}}, the NAMD configuration to run: write for instance \"{DEFAULT_LAUNCH}\""
        ));
    }
    if let Some(open) = open_quote(launch) {
        return Err(format!("{open} is not closed in the launch command"));
    }
    let end = launch.trim_end();
    if end.ends_with('&') && !end.ends_with("&&") {
        return Err(
            "the launch command ends with &; NAMD must run in the foreground, or the job ends at once"
                .to_owned(),
        );
    }
    Ok(())
}

/// The words `{name}` that the shell gives no meaning: not after `$`, letters and `_` only.
fn words_in_braces(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('{').filter_map(|(at, _)| {
        let before = text.get(..at)?.chars().next_back();
        let (word, _) = text.get(at + 1..)?.split_once('}')?;
        let plain = !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        (plain && before != Some('$')).then_some(word)
    })
}

/// What would swallow the text that a job script puts after the command: an open quote, a `\` at
/// the end, a comment.
fn open_quote(text: &str) -> Option<&'static str> {
    let mut open: Option<char> = None;
    let mut word_begins = true;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (open, c) {
            (None, '#') if word_begins => return Some("a comment #"),
            (Some('\''), '\'') | (Some('"'), '"') => open = None,
            (None, '\'' | '"') => open = Some(c),
            // The guard takes the escaped character along.
            (None | Some('"'), '\\') if chars.next().is_none() => return Some("the last \\"),
            _ => {}
        }
        word_begins = open.is_none() && (c.is_whitespace() || ";&|(".contains(c));
    }
    match open {
        Some('\'') => Some("a quote '"),
        Some(_) => Some("a quote \""),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn real_launches_are_taken() {
        for launch in [
            DEFAULT_LAUNCH,
            "srun namd3 {config} > {log} 2>&1",
            "charmrun ++mpiexec ++n {ntasks} namd2 +ppn {cores} {config} > {log}",
            "mpirun -np $((SLURM_NTASKS - 1)) \"${NAMD_HOME}/namd2\" {config} > {log} 2>&1",
            "sh -c 'namd3 \"$1\"' x {config} > {log}",
            "cp /x/{a,b}.prm . && namd3 {config} > {log}",
            "namd3 {config} 2>&1 | awk '{print $0}' > {log}",
        ] {
            assert_eq!(validate_launch(launch), Ok(()), "{launch}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (launch, why) in [
            ("", "empty"),
            ("namd3 > {log}", "does not name {config}"),
            ("namd3 {conf} > {log}", "did you mean {config}"),
            (
                "namd3 +p{threads} {config}",
                "there are {config}, {log}, {cores}",
            ),
            ("namd3 {config} > {log} &", "foreground"),
            ("namd3 {config}\nrm x", "more than one line"),
            ("namd3 '{config} > {log}", "a quote '"),
            ("namd3 {config} \\", "the last \\"),
            ("namd3 {config} # fast", "a comment #"),
            ("namd3 {config}\0", "control character"),
        ] {
            let error = validate_launch(launch).unwrap_err();
            assert!(error.contains(why), "{launch:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z{}$'\"\\\\&> é\n]{0,30}") {
            let _ = validate_launch(&text);
        }
    }
}
