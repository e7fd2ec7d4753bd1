//! Which NAMD config a batch script runs, as far as its text tells.
//!
//! A person's own script is read, never run: words, quotes, simple assignments, `cd`, the script's
//! arguments. What depends on anything else (a loop, the output of a command) is not guessed.

mod words;

use std::collections::HashMap;

use words::{Token, commands};

/// Words by which NAMD is started, as the last part of a path.
const NAMD: &[&str] = &["namd3", "namd2", "namd"];
/// Endings of NAMD configs, for scripts that start NAMD by another name.
const ENDINGS: &[&str] = &[".namd", ".conf", ".inp", ".config"];
/// No more than this many are looked for on the cluster.
const MOST: usize = 8;

/// A config that a script seems to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its absolute path on the cluster.
    pub config: String,
    /// Where the run's output is written, absolute, if the script redirects it.
    pub log: Option<String>,
}

/// The configs that a script runs, the likeliest first. `command` is the script's path and its
/// arguments as the batch system prints them; `work_dir` is where it starts.
pub fn candidates(script: &str, command: Option<&str>, work_dir: &str) -> Vec<Candidate> {
    let mut shell = Shell::new(command, work_dir);
    let (mut sure, mut likely) = (Vec::new(), Vec::new());
    for command in commands(script) {
        shell.run(&command, &mut sure, &mut likely);
    }
    sure.extend(likely);
    let mut found: Vec<Candidate> = Vec::new();
    for candidate in sure {
        if found.iter().all(|known| known.config != candidate.config) {
            found.push(candidate);
        }
    }
    found.truncate(MOST);
    found
}

/// What is known of the shell that would run the script.
struct Shell {
    variables: HashMap<String, Option<String>>,
    dir: Option<String>,
}

impl Shell {
    fn new(command: Option<&str>, work_dir: &str) -> Self {
        let mut variables = HashMap::new();
        for name in ["SLURM_SUBMIT_DIR", "PWD"] {
            variables.insert(name.to_owned(), Some(work_dir.to_owned()));
        }
        // A path with blanks cannot be told from its arguments; from the end they can.
        let arguments = command.map(|command| {
            let after = command.rsplit('/').next().unwrap_or_default();
            after.split(' ').skip(1).collect::<Vec<_>>()
        });
        for (n, argument) in (1..).zip(arguments.unwrap_or_default()) {
            let n: u32 = n;
            variables.insert(n.to_string(), Some(argument.to_owned()));
        }
        Self {
            variables,
            dir: Some(work_dir.to_owned()),
        }
    }

    /// One simple command.
    fn run(&mut self, tokens: &[Token], sure: &mut Vec<Candidate>, likely: &mut Vec<Candidate>) {
        let mut log = None;
        let mut words: Vec<Option<String>> = Vec::new();
        let mut tokens = tokens.iter();
        while let Some(token) = tokens.next() {
            match token {
                Token::Word(parts) => words.push(self.expand(parts)),
                Token::Redirect { output } => {
                    let target = tokens.next();
                    if let (true, Some(Token::Word(parts))) = (output, target) {
                        log = log.or_else(|| self.place(&self.expand(parts)?));
                    }
                }
            }
        }
        let assigned = words
            .iter()
            .zip(0..)
            .take_while(|(word, _)| {
                word.as_deref()
                    .is_none_or(|word| assignment(word).is_some())
            })
            .count();
        let all_assign = assigned == words.len();
        for word in words.iter().take(assigned).flatten() {
            if let Some((name, value)) = assignment(word)
                && all_assign
            {
                self.variables
                    .insert(name.to_owned(), Some(value.to_owned()));
            }
        }
        let words = words.get(assigned..).unwrap_or_default();
        match words.first().and_then(Option::as_deref) {
            Some("cd" | "pushd") => {
                let to = words.get(1).cloned().unwrap_or_default();
                self.dir = to.and_then(|to| self.place(&to));
                return;
            }
            Some("export" | "declare" | "local" | "readonly") => {
                for word in words.iter().skip(1).flatten() {
                    if let Some((name, value)) = assignment(word) {
                        self.variables
                            .insert(name.to_owned(), Some(value.to_owned()));
                    }
                }
                return;
            }
            _ => {}
        }
        let is_namd = |word: &Option<String>| {
            word.as_deref()
                .and_then(|word| word.rsplit('/').next())
                .is_some_and(|name| NAMD.contains(&name))
        };
        let is_file = |word: &&Option<String>| {
            word.as_deref()
                .is_some_and(|word| !word.starts_with(['+', '-']) && !word.is_empty())
        };
        let started = words.iter().position(is_namd);
        let (config, list) = if let Some(at) = started {
            // NAMD's own options take their values as words of their own (`+p 4`): the config is
            // the last word.
            (words.iter().skip(at + 1).rfind(is_file), sure)
        } else {
            let ending = |word: &&Option<String>| {
                word.as_deref()
                    .is_some_and(|word| ENDINGS.iter().any(|ending| word.ends_with(ending)))
            };
            (words.iter().skip(1).rfind(ending), likely)
        };
        if let Some(config) = config.and_then(|word| self.place(word.as_deref()?)) {
            list.push(Candidate { config, log });
        }
    }

    /// A word's text; none where something in it is not known.
    fn expand(&self, parts: &[words::Part]) -> Option<String> {
        let mut text = String::new();
        for part in parts {
            match part {
                words::Part::Text(plain) => text.push_str(plain),
                words::Part::Variable { name, otherwise } => {
                    let value = self.variables.get(name).cloned().flatten();
                    text.push_str(&value.or_else(|| otherwise.clone())?);
                }
                words::Part::Unknown => return None,
            }
        }
        Some(text)
    }

    /// The absolute, plain path of a file that is named here.
    fn place(&self, path: &str) -> Option<String> {
        if path.is_empty() || path.starts_with('~') || path.contains(['*', '?', '\0', '\n']) {
            return None;
        }
        let whole = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("{}/{path}", self.dir.as_ref()?)
        };
        let mut parts: Vec<&str> = Vec::new();
        for part in whole.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        Some(format!("/{}", parts.join("/")))
    }
}

/// `NAME=value`.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    fits.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first(script: &str) -> Option<(String, Option<String>)> {
        let found = candidates(
            script,
            Some("/home/me/my runs/run.sh prod.namd 300"),
            "/home/me/my runs",
        );
        let found = found.into_iter().next()?;
        Some((found.config, found.log))
    }

    #[test]
    fn scripts_as_people_write_them() {
        let at = |path: &str| format!("/home/me/my runs/{path}");
        for (script, config, log) in [
            (
                "#!/bin/bash\n#SBATCH -n 4\nmodule load namd/3.0\nsrun namd3 +setcpuaffinity equil.namd > equil.log 2>&1\n",
                at("equil.namd"),
                Some(at("equil.log")),
            ),
            (
                "CONF=step6.1_equilibration.inp\nOUT=out\ncharmrun ++local /opt/namd/namd2 +p $SLURM_NTASKS \"$CONF\" >${OUT}/log.txt &\nwait\n",
                at("step6.1_equilibration.inp"),
                Some(at("out/log.txt")),
            ),
            (
                "cd $SLURM_SUBMIT_DIR/run1 || exit 1\nexport NAME='my run'\nnamd3 +p8 \\\n  +devices 0 \"${NAME}.conf\" | tee run.log\n",
                at("run1/my run.conf"),
                None,
            ),
            ("namd2 +p4 $1 > ${1%.namd}.log\n", at("prod.namd"), None),
            (
                "run_md.sh ../other/prod.namd\n",
                "/home/me/other/prod.namd".to_owned(),
                None,
            ),
            (
                "mpirun -np 4 /sw/namd2 ${CFG:-a.namd} >& a.log",
                at("a.namd"),
                Some(at("a.log")),
            ),
        ] {
            assert_eq!(first(script), Some((config, log)), "{script}");
        }
    }

    #[test]
    fn what_cannot_be_known_is_not_guessed() {
        for script in [
            "",
            "sleep 60\n",
            "# namd3 old.namd\n",
            "for c in *.namd; do namd3 $c; done\n",
            "namd3 $(ls -t *.namd | head -1)\n",
            "namd3 +p4\n",
            "cd $WORK\nnamd3 equil.namd\n",
        ] {
            assert_eq!(first(script), None, "{script}");
        }
    }

    #[test]
    fn the_words_of_an_echo_come_last() {
        let found = candidates("echo running a.namd\nnamd3 b.namd\n", None, "/w");
        let configs: Vec<&str> = found.iter().map(|c| c.config.as_str()).collect();
        assert_eq!(configs, ["/w/b.namd", "/w/a.namd"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(script in "(namd3 |[$\"'\\\\>|;&{}()#=\n a-z./]|\\PC){0,120}") {
            for found in candidates(&script, Some(&script), "/w") {
                prop_assert!(found.config.starts_with('/'));
                prop_assert!(!found.config.split('/').any(|part| part == ".."));
            }
        }
    }
}
