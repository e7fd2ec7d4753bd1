//! A shell at the far end that helps with the files of one transfer for as long as it lasts: it says
//! what is there, sums blocks while others travel, gives finished files their names, and carries the
//! bytes itself where there is no SFTP.
//!
//! It is asked by lines on its standard input and answers by lines. At the end of its input it ends
//! and leaves unfinished files as they are: they are where the next attempt goes on.

use std::fmt::Write as _;

use tokio::sync::mpsc;

use crate::shell::{RemotePath, quote};
use crate::transport::blocks::{BLOCK, PIECE};
use crate::transport::bundle::Piece;
use crate::transport::{Sent, TransportError};

/// Questions that wait for the line at most; with bytes, each holds a piece.
pub(super) const ASKS: usize = 4;

/// The longest answer, in bytes: what is longer is none.
const LONGEST: usize = 256 * 1024;

/// Finds what sums: `sum` prints the checksum of its input first, or `-` where nothing can. Reading
/// gigabytes gives way to whatever else the login node does. OpenSSL comes first, if it gives the
/// right sum of nothing: it uses the processor's instructions for SHA-256, which coreutils' own
/// `sha256sum` does not (200 MB: 0.11 s against 0.59 s of a processor).
const SUM: &str = r#"if [ "$(openssl dgst -sha256 -r </dev/null 2>/dev/null | head -c 64)" = EMPTY ]; then sum() { nice openssl dgst -sha256 -r; }
elif command -v sha256sum >/dev/null 2>&1; then sum() { nice sha256sum; }
elif command -v shasum >/dev/null 2>&1; then sum() { nice shasum -a 256; }
else sum() { cat >/dev/null; echo -; }
fi
fail() { printf '%s\n' "$1" >&2; exit 66; }
block() {
  if [ "$3" -eq WHOLE ]; then dd if="$1" bs=1048576 skip=$(($2 * BLOCKS)) count=BLOCKS 2>/dev/null | sum
  else dd if="$1" bs=1048576 skip=$(($2 * BLOCKS)) count=BLOCKS 2>/dev/null | head -c "$3" | sum
  fi
}
"#;

/// SHA-256 of no bytes.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What is done with a file that is being sent.
const PUT: &str = r#"umask 077
begun=
undo() { for i in $begun; do eval "rm -f \"\$p$i\""; done; }
trap '[ $? -ne 66 ] || undo' EXIT
open() {
  p=$2 x=
  case ${3%/*} in '') d=/ ;; *) d=${3%/*} ;; esac
  [ -d "$d" ] || fail "$3: there is no directory $d"
  [ ! -d "$3" ] || fail "$3: is a directory"
  if [ "$5" = done ] && [ ! -e "$p" ]; then p=$3
  elif [ "$5" = new ] && [ -e "$p" ] && [ -n "$(find "$p" -mmin -1 2>/dev/null)" ]; then x=.$$ p=$p.$$
  fi
  [ -e "$p" ] || begun="$begun $1"
  eval "p$1=\$p t$1=\$3"
  true >>"$p" || exit 66
  n=$(wc -c <"$p") || exit 66
  if [ "$n" -gt "$4" ] && [ "$p" != "$3" ]; then true >"$p" || exit 66; n=0; fi
  k=$(df -Pk "$p" 2>/dev/null | awk 'END { print $4 }')
  case $k in '' | *[!0-9]*) k=- ;; esac
  echo "part $1 $((n)) $k $x"
}
"#;

const PUT_LOOP: &str = r#"echo ready
while read -r op i a b; do
  eval "p=\$p$i t=\$t$i"
  case $op in
  s) v=$(block "$p" "$a" "$b"); echo "s $i $a ${v%% *}" ;;
  w) m=$(dd of="$p" ibs="$b" obs=PIECE seek="$a" count=1 iflag=fullblock conv=notrunc 2>&1) || { rm -f "$p"; fail "$t: $m"; }
    echo "w $i $a" ;;
  d) m=$(dd if=/dev/zero bs=65536 count=1 2>&1 >>"$p") && m=
    echo "d $i $(printf '%s\n' "$m" | head -n 1)" ;;
  f) n=$(wc -c <"$p") || exit 66
    [ "$n" -eq "$a" ] || fail "$t: $((n)) of $a bytes are there"
    chmod "$b" "$p" || exit 66
    [ "$p" = "$t" ] || mv -f "$p" "$t" || exit 66
    echo "f $i" ;;
  x) [ "$p" = "$t" ] || rm -f "$p"; echo "x $i" ;;
  esac
done
"#;

/// What is done with a file that is being fetched.
const GET: &str = r#"open() {
  f=$2
  if [ -e "$f" ] && [ ! -f "$f" ]; then echo "lost $1 is not a file"; return; fi
  m=$({ true <"$f"; } 2>&1) || { echo "lost $1 ${m##*: }"; return; }
  eval "f$1=\$f"
  s=$(stat -L -c '%s %a %Y' "$f" 2>/dev/null) || s="$(($(wc -c <"$f"))) 644 0"
  echo "file $1 $s"
}
"#;

const GET_LOOP: &str = r#"echo ready
while read -r op i a b; do
  eval "f=\$f$i"
  case $op in
  s) v=$(block "$f" "$a" "$b"); echo "s $i $a ${v%% *}" ;;
  r) echo "r $i $a"
    { dd if="$f" bs=PIECE skip="$a" count=1 2>/dev/null; head -c "$b" /dev/zero; } | head -c "$b" ;;
  esac
done
"#;

fn with_sizes(script: &str) -> String {
    script
        .replace("BLOCKS", &(BLOCK / 1_048_576).to_string())
        .replace("WHOLE", &BLOCK.to_string())
        .replace("EMPTY", EMPTY)
        .replace("PIECE", &PIECE.to_string())
}

/// What is known of an unfinished file before the porter looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: another process may be writing to it.
    New,
    /// It is ours, from an earlier connection.
    Ours,
    /// It may have been given its name already.
    Named,
}

/// One file to be sent, for [`put_script`].
pub(super) struct PutLine<'a> {
    pub(super) number: usize,
    pub(super) part: &'a str,
    pub(super) target: &'a RemotePath,
    pub(super) size: u64,
    pub(super) known: Known,
}

/// The porter of a transfer to the cluster.
pub(super) fn put_script<'a>(files: impl Iterator<Item = PutLine<'a>>) -> String {
    let mut script = with_sizes(SUM) + PUT;
    for file in files {
        let known = match file.known {
            Known::New => "new",
            Known::Ours => "old",
            Known::Named => "done",
        };
        let _ = writeln!(
            script,
            "open {} {} {} {} {known}",
            file.number,
            quote(file.part),
            file.target.quoted(),
            file.size,
        );
    }
    script + &with_sizes(PUT_LOOP)
}

/// The porter of a transfer from the cluster.
pub(super) fn get_script<'a>(files: impl Iterator<Item = (usize, &'a RemotePath)>) -> String {
    let mut script = with_sizes(SUM) + GET;
    for (number, path) in files {
        let _ = writeln!(script, "open {number} {}", path.quoted());
    }
    script + &with_sizes(GET_LOOP)
}

/// The near end of the porter's standard input.
#[derive(Clone)]
pub(super) struct Asks(mpsc::Sender<Result<Piece, TransportError>>);

/// The porter has ended; the conversation knows why.
#[derive(Debug)]
pub(super) struct Ended;

impl Asks {
    /// A new one, with what the conversation takes.
    pub(super) fn new() -> (Self, mpsc::Receiver<Result<Piece, TransportError>>) {
        let (asks, pieces) = mpsc::channel(ASKS);
        (Self(asks), pieces)
    }

    /// Asks a question.
    pub(super) async fn ask(&self, line: &str) -> Result<(), Ended> {
        self.send(format!("{line}\n").into_bytes()).await
    }

    /// Asks a question that is followed by bytes.
    pub(super) async fn ask_with(&self, line: &str, bytes: &[u8]) -> Result<(), Ended> {
        let mut whole = Vec::with_capacity(line.len() + 1 + bytes.len());
        whole.extend_from_slice(line.as_bytes());
        whole.push(b'\n');
        whole.extend_from_slice(bytes);
        self.send(whole).await
    }

    async fn send(&self, bytes: Vec<u8>) -> Result<(), Ended> {
        let piece = Piece::Chunk {
            bytes,
            payload: 0,
            done: Vec::<Sent>::new(),
        };
        self.0.send(Ok(piece)).await.map_err(|_| Ended)
    }

    /// Says that nothing more is asked: the porter ends.
    pub(super) async fn end(self) {
        // One that has ended already needs no telling.
        let _ = self.0.send(Ok(Piece::End)).await;
    }
}

/// The porter's answers, as they come.
pub(super) struct Answers {
    arriving: mpsc::UnboundedReceiver<Vec<u8>>,
    held: Vec<u8>,
}

impl Answers {
    /// Reads what the conversation passes on.
    pub(super) fn new(arriving: mpsc::UnboundedReceiver<Vec<u8>>) -> Self {
        Self {
            arriving,
            held: Vec::new(),
        }
    }

    /// The next line. Loses nothing when dropped before it is ready.
    pub(super) async fn line(&mut self) -> Result<String, Ended> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.held.len() > LONGEST {
                return Err(Ended);
            }
            let more = self.arriving.recv().await.ok_or(Ended)?;
            self.held.extend_from_slice(&more);
        }
    }

    /// The next bytes, exactly so many. Loses nothing when dropped before it is ready.
    pub(super) async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Ended> {
        while self.held.len() < count {
            let more = self.arriving.recv().await.ok_or(Ended)?;
            self.held.extend_from_slice(&more);
        }
        let rest = self.held.split_off(count);
        Ok(std::mem::replace(&mut self.held, rest))
    }
}

/// One answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An unfinished file: its size, free bytes of its file system if known, what its name ends with.
    Part {
        /// The file's number.
        file: usize,
        /// Bytes that are there.
        size: u64,
        /// Bytes that are free.
        room: Option<u64>,
        /// Added to the name.
        suffix: String,
    },
    /// A file to be fetched.
    File {
        /// The file's number.
        file: usize,
        /// Its size.
        size: u64,
        /// Its permissions.
        mode: u32,
        /// When it was modified.
        modified: String,
    },
    /// A file that cannot be fetched.
    Lost {
        /// The file's number.
        file: usize,
        /// The system's words.
        text: String,
    },
    /// All files were looked at.
    Ready,
    /// The checksum of a block; none where nothing can sum.
    Sum {
        /// The file's number.
        file: usize,
        /// The block.
        block: u64,
        /// The checksum.
        sum: Option<String>,
    },
    /// A piece was written.
    Written {
        /// The file's number.
        file: usize,
        /// The piece.
        piece: u64,
    },
    /// A piece follows.
    Read {
        /// The file's number.
        file: usize,
        /// The piece.
        piece: u64,
    },
    /// Why nothing can be written; empty if something can.
    Why {
        /// The system's words.
        text: String,
    },
    /// A file has its name.
    Named {
        /// The file's number.
        file: usize,
    },
    /// An unfinished file was removed.
    Removed,
}

impl Answer {
    /// Reads a line.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "d" {
            let text = rest.split_once(' ').map_or("", |(_, text)| text).trim();
            return Some(Self::Why {
                text: text.to_owned(),
            });
        }
        if word == "lost" {
            let (file, text) = rest.split_once(' ')?;
            return Some(Self::Lost {
                file: file.parse().ok()?,
                text: text.to_owned(),
            });
        }
        let mut words = rest.split(' ');
        let mut next = || words.next().unwrap_or_default();
        if word == "ready" {
            return Some(Self::Ready);
        }
        let file = next().parse().ok()?;
        Some(match word {
            "part" => Self::Part {
                file,
                size: next().parse().ok()?,
                room: next().parse().ok().map(|kib: u64| kib.saturating_mul(1024)),
                suffix: next().to_owned(),
            },
            "file" => Self::File {
                file,
                size: next().parse().ok()?,
                mode: u32::from_str_radix(next(), 8).ok()?,
                modified: next().to_owned(),
            },
            "s" => Self::Sum {
                file,
                block: next().parse().ok()?,
                sum: Some(next().to_owned()).filter(|sum| sum.len() == 64),
            },
            "w" => Self::Written {
                file,
                piece: next().parse().ok()?,
            },
            "r" => Self::Read {
                file,
                piece: next().parse().ok()?,
            },
            "f" => Self::Named { file },
            "x" => Self::Removed,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        for (line, answer) in [
            (
                "part 0 12 4 .77",
                Answer::Part {
                    file: 0,
                    size: 12,
                    room: Some(4096),
                    suffix: ".77".into(),
                },
            ),
            (
                "part 1 0 -",
                Answer::Part {
                    file: 1,
                    size: 0,
                    room: None,
                    suffix: String::new(),
                },
            ),
            ("ready", Answer::Ready),
            (
                "s 0 3 -",
                Answer::Sum {
                    file: 0,
                    block: 3,
                    sum: None,
                },
            ),
            (
                "d 0 dd: error writing 'standard output': No space left on device",
                Answer::Why {
                    text: "dd: error writing 'standard output': No space left on device".into(),
                },
            ),
            (
                "lost 2 Permission denied",
                Answer::Lost {
                    file: 2,
                    text: "Permission denied".into(),
                },
            ),
            (
                "d 0",
                Answer::Why {
                    text: String::new(),
                },
            ),
        ] {
            assert_eq!(Answer::parse(line), Some(answer), "{line}");
        }
        for line in ["", "s", "s 0", "s x 1 -", "hello there"] {
            assert_eq!(Answer::parse(line), None, "{line}");
        }
    }

    #[test]
    fn the_scripts_are_shell() {
        let path = RemotePath::parse("/a b/it's").unwrap();
        let put = put_script(std::iter::once(PutLine {
            number: 0,
            part: "/a b/.part",
            target: &path,
            size: 7,
            known: Known::New,
        }));
        let get = get_script(std::iter::once((0, &path)));
        for script in [put, get] {
            for shell in ["sh", "bash"] {
                let checked = std::process::Command::new(shell)
                    .args(["-n", "-c", &script])
                    .status()
                    .unwrap();
                assert!(checked.success(), "{script}");
            }
        }
    }
}
