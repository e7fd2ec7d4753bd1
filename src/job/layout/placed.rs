//! Files of a new job that are on the cluster before its upload unpacks: large ones that travelled by
//! themselves, and ones that an earlier job of the same cluster has.

use std::fmt::Write as _;

use super::INPUT_FILES;
use crate::shell::{RemotePath, quote};

/// Where large files wait for their job, below the project root. What nobody fetched is removed after
/// [`STAGED_DAYS`].
pub const STAGING: &str = ".namdrunner/staging";

/// Days after which a file in [`STAGING`] is removed by whoever stages next.
pub const STAGED_DAYS: u32 = 7;

/// A file that is on the cluster already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Where it is.
    pub from: RemotePath,
    /// Where it goes in the uploaded tree, `/`-separated.
    pub in_tree: String,
    /// SHA-256 in hex, of the file on this machine.
    pub sha256: String,
    /// How it came there.
    pub origin: Supply,
    /// Whether it may be executed.
    pub executable: bool,
}

/// How a file came to be on the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    /// An earlier job has it: it is copied, and the copy is compared.
    Earlier,
    /// It was sent for this job and compared when it arrived.
    Staged,
    /// It was sent for a job that never became whole: it is compared.
    Left,
}

/// The exit code of an upload whose reused files are not as they were.
pub const NOT_AS_IT_WAS: i32 = 75;

/// Shell text that puts the files into the tree below the working directory. A link serves only where
/// the other name goes away: the file of another job is copied (without using room where the file
/// system can share blocks), for a hard link would share later edits as well.
pub(super) fn place(placed: &[Placed]) -> String {
    let mut script = String::new();
    if placed.is_empty() {
        return script;
    }
    let _ = writeln!(
        script,
        r#"if command -v sha256sum >/dev/null 2>&1; then sum() {{ nice sha256sum; }}
elif command -v shasum >/dev/null 2>&1; then sum() {{ nice shasum -a 256; }}
else sum() {{ echo -; }}
fi
copied() {{ cp --reflink=auto "$1" "$2" 2>/dev/null || cp "$1" "$2"; }}
refuse() {{ printf '%s is not as it was\n' "$1" >&2; exit {NOT_AS_IT_WAS}; }}
same() {{ s=$(sum <"$1") && [ "${{s%% *}}" = "$2" ]; }}
earlier() {{ [ -f "$1" ] && mkdir -p "${{2%/*}}" && copied "$1" "$2" && same "$2" "$3" && chmod "$4" "$2" || refuse "$1"; }}
staged() {{ mkdir -p "${{2%/*}}" && {{ ln "$1" "$2" 2>/dev/null || copied "$1" "$2"; }} && chmod "$4" "$2" || exit 71; }}
left() {{ same "$1" "$3" || refuse "$1"; staged "$@"; }}"#
    );
    for file in placed {
        let how = match file.origin {
            Supply::Earlier => "earlier",
            Supply::Staged => "staged",
            Supply::Left => "left",
        };
        let _ = writeln!(
            script,
            "{how} {} {} {} {}",
            file.from.quoted(),
            quote(&format!("{INPUT_FILES}/{}", file.in_tree)),
            file.sha256,
            if file.executable { "755" } else { "644" },
        );
    }
    script
}

/// Shell text that adds the files to the list of checksums in `$sums`.
pub(super) fn list(placed: &[Placed]) -> String {
    let mut script = String::new();
    for file in placed {
        // As `sha256sum` writes names: with a backslash before a backslash, and before the line.
        let name = format!("{INPUT_FILES}/{}", file.in_tree);
        let line = if name.contains('\\') {
            format!("\\{}  {}", file.sha256, name.replace('\\', "\\\\"))
        } else {
            format!("{}  {name}", file.sha256)
        };
        let _ = writeln!(
            script,
            "printf '%s\\n' {} >>\"$sums\" || exit 71",
            quote(&line)
        );
    }
    script
}

/// Shell text that removes what was staged, when the job is whole.
pub(super) fn release(placed: &[Placed]) -> String {
    let staged = placed.iter().filter(|file| file.origin != Supply::Earlier);
    let mut script = String::new();
    for file in staged {
        let _ = writeln!(script, "rm -f {}", file.from.quoted());
    }
    script
}

/// Makes the staging directory, removes from it what nobody fetched, and prints the names of those of
/// `wanted` that are there, whole. With `anew` these are removed.
pub fn staging_script(staging: &RemotePath, wanted: &[String], anew: bool) -> String {
    let names: Vec<String> = wanted.iter().map(|name| quote(name)).collect();
    let found = if anew {
        r#"rm -f "$f""#
    } else {
        r#"[ ! -f "$f" ] || printf '%s\n' "$f""#
    };
    format!(
        r#"d={staging}
mkdir -p "$d" && cd "$d" || exit 70
find . -type f -mtime +{STAGED_DAYS} -exec rm -f {{}} +
for f in {names}; do {found}; done
"#,
        staging = staging.quoted(),
        names = names.join(" "),
    )
}

/// Prints the numbers of the files that are where they were, with the size they had.
pub fn still_there_script<'a>(files: impl Iterator<Item = (&'a RemotePath, u64)>) -> String {
    let mut script = String::from(
        "is() { [ -f \"$2\" ] && [ \"$(($(wc -c <\"$2\")))\" = \"$3\" ] && echo \"$1\"; }\n",
    );
    for (number, (path, bytes)) in files.enumerate() {
        let _ = writeln!(script, "is {number} {} {bytes}", path.quoted());
    }
    script.push_str("exit 0\n");
    script
}
