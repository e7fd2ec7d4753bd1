//! Slurm's commands behind a thin shell script, per test: each call is counted, and a test can hold
//! one before or after it has done its work, or let it fail in ways that Slurm does.
//!
//! The scripts come first on the PATH that the cluster's `slurm_setup` makes, so the server finds
//! them as it finds a site's own wrappers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::rig::{Rig, pause};

const TOOLS: [&str; 4] = ["sbatch", "squeue", "sacct", "scancel"];

/// The moment of a call at which it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Slurm has not been asked.
    Before,
    /// Slurm has answered; the caller does not know yet.
    After,
}

impl Moment {
    fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// The directory of the scripts and their marks.
#[derive(Debug)]
pub struct Tools {
    dir: PathBuf,
}

impl Tools {
    /// Writes the scripts for a rig, whose config must name [`Tools::setup`].
    pub fn install(rig: &Rig) -> Self {
        let dir = PathBuf::from(format!("{}-tools", rig.scratch_root));
        fs::create_dir_all(&dir).unwrap();
        // The test user's commands leave their marks here.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
        for tool in TOOLS {
            let path = dir.join(tool);
            fs::write(&path, script(&dir, tool)).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { dir }
    }

    /// The line for the cluster's table in config.toml.
    pub fn setup(&self) -> String {
        format!("slurm_setup = ['PATH={}:$PATH']", self.dir.display())
    }

    /// How often a command was called.
    pub fn calls(&self, tool: &str) -> usize {
        let calls = fs::read_to_string(self.dir.join("calls")).unwrap_or_default();
        calls.lines().filter(|line| *line == tool).count()
    }

    /// Holds a command's calls from now on.
    pub fn shut(&self, tool: &str, moment: Moment) -> Gate {
        let gate = Gate {
            shut: self.dir.join(format!("{tool}.{}.shut", moment.word())),
            reached: self.dir.join(format!("{tool}.{}.reached", moment.word())),
        };
        let _ = fs::remove_file(&gate.reached);
        fs::write(&gate.shut, "").unwrap();
        gate
    }

    /// Shell lines that a command's calls do from now on instead of their work; `$real "$@"` is
    /// that work.
    pub fn instead(&self, tool: &str, lines: &str) {
        let aside = self.dir.join(format!("{tool}.instead.new"));
        fs::write(&aside, lines).unwrap();
        fs::rename(aside, self.dir.join(format!("{tool}.instead"))).unwrap();
    }

    /// The same for the next call alone.
    pub fn once(&self, tool: &str, lines: &str) {
        let claim = r#"mv "$here/$me.instead" "$here/$me.taken.$$" 2>/dev/null || exec $real "$@""#;
        self.instead(tool, &format!("{claim}\n{lines}"));
    }

    /// The commands do their work again.
    pub fn heal(&self) {
        for tool in TOOLS {
            let _ = fs::remove_file(self.dir.join(format!("{tool}.instead")));
        }
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A gate in front of or behind a command's work; dropping it lets the calls go on.
#[derive(Debug)]
pub struct Gate {
    shut: PathBuf,
    reached: PathBuf,
}

impl Gate {
    /// Whether a call stands there.
    pub fn is_reached(&self) -> bool {
        self.reached.exists()
    }

    /// Waits until a call stands there.
    pub fn wait(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.is_reached() {
            if Instant::now() > deadline {
                return false;
            }
            pause(Duration::from_millis(5));
        }
        true
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.shut);
    }
}

fn script(dir: &Path, tool: &str) -> String {
    format!(
        r#"#!/bin/sh
me={tool} here={dir} real=/usr/bin/{tool}
[ "$1" != --version ] || exec $real "$@"
echo "$me" >>"$here/calls"
gate() {{
    [ -e "$here/$me.$1.shut" ] || return 0
    : >"$here/$me.$1.reached"
    left=600
    while [ -e "$here/$me.$1.shut" ] && [ $left -gt 0 ]; do sleep 0.1; left=$((left-1)); done
}}
gate before
if [ -e "$here/$me.instead" ]; then
    instead=$(cat "$here/$me.instead" 2>/dev/null)
    eval "$instead"
else
    $real "$@"
fi
rc=$?
gate after
exit $rc
"#,
        dir = dir.display()
    )
}
