//! The newest bytes of files on a cluster, to ride in the same remote command as something else.
//!
//! Logs are foreign bytes: they come as base64 (where there is none, as `od` prints them), in a
//! framed part of their own for each file, under a word of their own, so that nothing in a log can
//! be taken for an answer and a tail that was cut on its way does not exist.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::frame::{self, Part, SENTINEL};
use crate::shell::{Output, RemotePath};

/// Which bytes of which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The file.
    pub path: RemotePath,
    /// The first byte, from 0.
    pub from: u64,
    /// At most this many.
    pub max: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// The file's size just before it was read; none if it is not there.
    pub size: Option<u64>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Shell text that prints a part for each file.
pub fn script(nonce: &str, tails: &[Tail]) -> String {
    if tails.is_empty() {
        return String::new();
    }
    let nonce = frame::nonce(nonce);
    let mut text = format!(
        r#"nr_code() {{ if command -v base64 >/dev/null 2>&1; then base64; else od -An -v -tx1; fi; }}
nr_tail() {{
    printf '\n{SENTINEL} {nonce} begin tail %s\n' "$1"
    if [ -f "$2" ]; then size=$(wc -c <"$2" 2>/dev/null); else size=-1; fi
    {{ [ "$size" = -1 ] || tail -c "+$3" <"$2" 2>/dev/null | head -c "$4" | nr_code; }} |
        awk -v name="$1" -v size="${{size:--1}}" '{{ print "|" $0 }}
            END {{ printf "{SENTINEL} {nonce} end tail %s size=%.0f lines=%d\n", name, size, NR }}'
}}
"#
    );
    for (n, tail) in tails.iter().enumerate() {
        let _ = writeln!(
            text,
            "nr_tail {n} {} {} {}",
            tail.path.quoted(),
            tail.from.saturating_add(1),
            tail.max
        );
    }
    text
}

/// What the answer holds of each file, in the order asked; none where it did not come whole.
pub fn parse(nonce: &str, tails: &[Tail], output: &Output) -> Vec<Option<Chunk>> {
    let text = output.text();
    let parts = frame::parts(&text, Some(&frame::nonce(nonce)));
    (0..tails.len())
        .map(|n| {
            let name = format!("tail {n}");
            chunk(parts.iter().find(|part| part.name == name)?)
        })
        .collect()
}

/// How much room there is in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// It is there.
    pub is_there: bool,
    /// Bytes free on its file system, if that could be told.
    pub free_bytes: Option<u64>,
}

/// Shell text that prints how much room there is in a directory.
pub fn room_script(nonce: &str, dir: &RemotePath) -> String {
    let dir = dir.quoted();
    format!(
        r#"{shell}note "$([ -d {dir} ] && echo there || echo gone)"
note "$(df -Pk {dir} 2>/dev/null | awk 'NR == 2 {{ print $(NF - 2) }}')"
part room ''
"#,
        shell = frame::shell(&frame::nonce(nonce)),
    )
}

/// What [`room_script`] printed.
pub fn parse_room(nonce: &str, output: &Output) -> Option<Room> {
    let text = output.text();
    let parts = frame::parts(&text, Some(&frame::nonce(nonce)));
    let room = parts.iter().find(|part| part.name == "room")?;
    let kilobytes = room.lines.get(1).and_then(|line| line.parse::<u64>().ok());
    Some(Room {
        is_there: *room.lines.first()? == "there",
        free_bytes: kilobytes.map(|kilobytes| kilobytes.saturating_mul(1024)),
    })
}

fn chunk(part: &Part<'_>) -> Option<Chunk> {
    let size: i64 = part.number("size")?;
    let mut bytes = Vec::new();
    for line in &part.lines {
        if line.starts_with(' ') {
            // `od` prints pairs of digits, each after a blank.
            for pair in line.split_whitespace() {
                bytes.push(u8::from_str_radix(pair, 16).ok()?);
            }
        } else {
            bytes.extend(BASE64_STANDARD.decode(line.trim()).ok()?);
        }
    }
    Some(Chunk {
        size: u64::try_from(size).ok(),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scheduler::fake::{Machine, shells};

    fn tail(machine: &Machine, name: &str, from: u64, max: u64) -> Tail {
        let path = machine.path(name);
        Tail {
            path: RemotePath::parse(path.to_str().unwrap()).unwrap(),
            from,
            max,
        }
    }

    fn read(machine: &Machine, tails: &[Tail]) -> Vec<Option<Chunk>> {
        let command = crate::shell::Command::read("tail", script("n1", tails));
        parse("n1", tails, &machine.run(&command))
    }

    #[test]
    fn any_bytes_come_as_they_are_in_every_shell() {
        let hostile =
            b"@namdrunner n1 end tail 0 size=3 lines=0\n|x\n\0\xff\r\n$(id) `id` 'a".to_vec();
        let long: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        for sh in shells() {
            let machine = Machine::new().with_sh(&sh);
            std::fs::write(machine.path("it's a log"), &hostile).unwrap();
            std::fs::write(machine.path("long"), &long).unwrap();
            std::fs::write(machine.path("empty"), b"").unwrap();
            let found = read(
                &machine,
                &[
                    tail(&machine, "it's a log", 0, 1000),
                    tail(&machine, "gone", 0, 1000),
                    tail(&machine, "long", 99_000, 400),
                    tail(&machine, "long", 200_000, 400),
                    tail(&machine, "empty", 0, 10),
                ],
            );
            let found: Vec<Chunk> = found.into_iter().map(Option::unwrap).collect();
            assert_eq!(found[0].bytes, hostile, "{sh:?}");
            assert_eq!(found[0].size, Some(hostile.len() as u64));
            assert_eq!(found[1], Chunk::default());
            assert_eq!(found[2].bytes, long[99_000..99_400]);
            assert_eq!(found[2].size, Some(100_000));
            assert_eq!(found[3].bytes, b"");
            assert_eq!((found[4].size, found[4].bytes.len()), (Some(0), 0));
        }
    }

    #[test]
    fn the_room_on_a_disk_is_told() {
        let machine = Machine::new();
        let dir = machine.remote("bin");
        let command = crate::shell::Command::read("room", room_script("n1", &dir));
        let room = parse_room("n1", &machine.run(&command)).unwrap();
        assert!(room.is_there && room.free_bytes > Some(0), "{room:?}");
        let gone = dir.join("nowhere").unwrap();
        let command = crate::shell::Command::read("room", room_script("n1", &gone));
        let room = parse_room("n1", &machine.run(&command)).unwrap();
        assert_eq!((room.is_there, room.free_bytes), (false, None));
    }

    #[test]
    fn where_there_is_no_base64_od_does() {
        let machine = Machine::new();
        machine.program("base64", "exit 1");
        std::fs::write(machine.path("log"), b"\0ENERGY:\xfe\n").unwrap();
        let script =
            script("n1", &[tail(&machine, "log", 0, 100)]).replace("command -v base64", "false");
        let command = crate::shell::Command::read("tail", script);
        let found = parse(
            "n1",
            &[tail(&machine, "log", 0, 100)],
            &machine.run(&command),
        );
        assert_eq!(found[0].as_ref().unwrap().bytes, b"\0ENERGY:\xfe\n");
    }

    proptest! {
        #[test]
        fn a_cut_answer_holds_no_half_chunk(at in 0..400_usize) {
            let tails = [Tail { path: RemotePath::parse("/a").unwrap(), from: 0, max: 9 }];
            let whole = format!("noise\n@namdrunner n1 begin tail 0\n|{}\n@namdrunner n1 end tail 0 size=3 lines=1\n", BASE64_STANDARD.encode(b"abc"));
            let cut = whole.get(..at).unwrap_or(&whole).to_owned();
            let stdout = cut.clone().into_bytes();
            let found = parse("n1", &tails, &Output { stdout, ..Output::default() });
            match &found[0] {
                Some(chunk) => {
                    prop_assert_eq!(&chunk.bytes[..], b"abc");
                    prop_assert_eq!(cut, whole);
                }
                None => prop_assert!(at < whole.len()),
            }
        }
    }
}
