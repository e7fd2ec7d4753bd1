//! Roots: templates of remote directories, and the paths they become. Pure.

use std::collections::BTreeSet;

use crate::shell::{RemotePath, quote};

/// Why a root cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the root {template:?} cannot be used: {why}")]
pub struct BadRoot {
    /// As configured.
    pub template: String,
    /// What is wrong, a clause without a full stop.
    pub why: String,
}

/// A piece of a root.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    Variable(&'t str),
}

/// Makes the path of a root on the cluster.
///
/// `~` at the beginning and `$HOME` are `home`, `$USER` is `user`; other variables are asked of
/// `lookup`, which knows the environment of the remote login shell. `${NAME}` is the same as
/// `$NAME`. Nothing else is replaced.
pub fn expand_root(
    template: &str,
    home: &RemotePath,
    user: &str,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<RemotePath, BadRoot> {
    let bad = |why: String| BadRoot {
        template: template.to_owned(),
        why,
    };
    let mut path = String::new();
    for piece in pieces(template).map_err(bad)? {
        match piece {
            Piece::Text(text) => path.push_str(text),
            Piece::Variable("HOME") => path.push_str(home.as_str()),
            Piece::Variable("USER") => path.push_str(user),
            Piece::Variable(name) => match lookup(name) {
                Some(value) if !value.is_empty() => path.push_str(&value),
                _ => {
                    return Err(bad(format!(
                        "${name} is not set in the login shell there; write the directory out"
                    )));
                }
            },
        }
    }
    let path = RemotePath::parse(&path)
        .map_err(|error| bad(format!("it becomes {:?}, which {}", error.path, error.why)))?;
    if path.as_str() == "/" {
        return Err(bad("it is the root of the file system".to_owned()));
    }
    Ok(path)
}

/// The variables that a root names, without `HOME` and `USER`: what a probe has to ask for.
/// A root that cannot be read names none.
pub fn root_variables(template: &str) -> BTreeSet<String> {
    pieces(template)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Variable(name) if name != "HOME" && name != "USER" => Some(name.to_owned()),
            _ => None,
        })
        .collect()
}

/// Checks a root as far as that is possible without the cluster.
pub(super) fn check_root(template: &str) -> Result<(), String> {
    let sample = RemotePath::parse("/home/you").map_err(|error| error.to_string())?;
    expand_root(template, &sample, "you", |_| Some("/place".to_owned()))
        .map(|_| ())
        .map_err(|error| error.why)
}

/// The root as a word for `sh`, its variables left to that shell. `user` stands for `$USER`,
/// which not every shell sets.
pub(crate) fn root_as_shell_word(template: &str, user_variable: &str) -> Result<String, String> {
    Ok(pieces(template)?
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => quote(text),
            Piece::Variable("USER") => format!("\"${{{user_variable}}}\""),
            Piece::Variable(name) => format!("\"${{{name}}}\""),
        })
        .collect())
}

/// Takes a root apart. A variable stands at the beginning or inside; `~` only at the beginning.
fn pieces(template: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut found = Vec::new();
    let mut rest = template;
    if rest == "~" || rest.starts_with("~/") {
        found.push(Piece::Variable("HOME"));
        rest = rest.strip_prefix('~').unwrap_or_default();
    } else if rest.starts_with('~') {
        return Err("only your own home can be meant by ~; write the directory out".to_owned());
    } else if !rest.starts_with(['/', '$']) {
        return Err(
            "it is not absolute; begin with /, ~/ or a variable such as $SCRATCH".to_owned(),
        );
    }
    if template.contains('`') {
        return Err("commands are not run in it; write the directory out".to_owned());
    }
    while let Some((text, after)) = rest.split_once('$') {
        if !text.is_empty() {
            found.push(Piece::Text(text));
        }
        let (name, after) = if let Some(braced) = after.strip_prefix('{') {
            braced
                .split_once('}')
                .ok_or_else(|| "${ is not closed with }".to_owned())?
        } else {
            let end = after
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(after.len());
            after.split_at(end)
        };
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !begins || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!(
                "${} is not a variable's name; only $NAME and ${{NAME}} are replaced",
                if name.is_empty() { after } else { name }
            ));
        }
        found.push(Piece::Variable(name));
        rest = after;
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expand(template: &str) -> Result<String, String> {
        let home = RemotePath::parse("/home/you").unwrap();
        expand_root(template, &home, "you", |name| match name {
            "SCRATCH" => Some("/lustre/scratch/you/".to_owned()),
            "RELATIVE" => Some("x".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
        .map(|path| path.to_string())
        .map_err(|error| error.why)
    }

    #[test]
    fn variables_mean_the_remote_ones() {
        for (template, path) in [
            ("/work/groups/x", "/work/groups/x"),
            ("~", "/home/you"),
            ("~/namd", "/home/you/namd"),
            ("$HOME/namd", "/home/you/namd"),
            ("${HOME}/namd", "/home/you/namd"),
            ("/scratch/$USER/namd", "/scratch/you/namd"),
            ("/scratch/${USER}_old", "/scratch/you_old"),
            ("$SCRATCH/namd", "/lustre/scratch/you/namd"),
            ("/a b/~c", "/a b/~c"),
        ] {
            assert_eq!(expand(template), Ok(path.to_owned()), "{template}");
        }
        assert_eq!(
            root_variables("$SCRATCH/$USER/${PROJECT}"),
            BTreeSet::from(["PROJECT".to_owned(), "SCRATCH".to_owned()])
        );
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for (template, why) in [
            ("", "not absolute"),
            ("scratch/you", "not absolute"),
            ("/", "root of the file system"),
            ("//", "root of the file system"),
            ("~root/x", "only your own home"),
            ("$WORK/x", "$WORK is not set"),
            ("$EMPTY/x", "$EMPTY is not set"),
            ("$RELATIVE/x", "is not absolute"),
            ("/a/../b", "holds `.` or `..`"),
            ("/a\nb", "control character"),
            ("$(pwd)/x", "not a variable's name"),
            ("${X:-/tmp}/x", "not a variable's name"),
            ("${X", "not closed"),
            ("/x/$", "not a variable's name"),
            ("/x/`id`", "commands are not run"),
        ] {
            let error = expand(template).unwrap_err();
            assert!(error.contains(why), "{template:?}: {error}");
        }
    }

    #[test]
    fn a_shell_makes_the_same_path() {
        for template in ["~/a b", "/x/$USER/it's", "${SCRATCH}/$USER-1", "$HOME"] {
            let word = root_as_shell_word(template, "me").unwrap();
            let script =
                format!("HOME=/home/you SCRATCH=/lustre/scratch/you me=you; printf %s {word}");
            let out = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(
                String::from_utf8(out.stdout).unwrap(),
                expand(template).unwrap(),
                "{template}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_template_panics_or_escapes(template in "[~/$a-cA-C{}. `é\n]{0,20}") {
            let home = RemotePath::parse("/home/you").unwrap();
            if let Ok(path) = expand_root(&template, &home, "you", |_| Some("/v".to_owned())) {
                prop_assert!(path.as_str() != "/");
                prop_assert!(!path.as_str().contains("/../"));
            }
        }
    }
}
