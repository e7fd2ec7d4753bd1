use proptest::prelude::*;

use super::*;

type Read = Vec<Result<String, Fault>>;

/// Everything a stream gives, fed in pieces of `piece` bytes.
fn read_in(pieces: usize, limit: usize, stream: &[u8]) -> Read {
    let mut decoder = Decoder::new(limit);
    let mut read = Read::new();
    for piece in stream.chunks(pieces) {
        decoder.feed(piece);
        while let Some(message) = decoder.decode() {
            read.push(message);
        }
    }
    read.extend(decoder.finish());
    assert_eq!(decoder.finish(), None, "the end is told once");
    read
}

/// The same, and that it does not depend on the size of the pieces.
fn read(stream: impl AsRef<[u8]>) -> Read {
    let stream = stream.as_ref();
    let whole = read_in(usize::MAX, 64, stream);
    for pieces in [1, 2, 3, 7] {
        assert_eq!(
            read_in(pieces, 64, stream),
            whole,
            "in pieces of {pieces}: {:?}",
            String::from_utf8_lossy(stream)
        );
    }
    whole
}

fn frame(body: &str) -> String {
    format!("Content-Length: {}\r\n\r\n{body}", body.len())
}

#[allow(clippy::unnecessary_wraps, reason = "what is read is compared with it")]
fn message(text: &str) -> Result<String, Fault> {
    Ok(text.to_owned())
}

fn is_header_fault(read: &Result<String, Fault>) -> bool {
    matches!(read, Err(Fault::Header(_)))
}

#[test]
fn frames_as_lsp_clients_write_them() {
    let stream = [frame("{}"), frame("{\"ä\":1}"), frame("[]")].concat();
    assert_eq!(
        read(stream),
        [message("{}"), message("{\"ä\":1}"), message("[]")]
    );
}

#[test]
fn header_lines_may_end_in_lf_and_come_in_any_case_and_order() {
    let stream = "content-length:2\n\n{}\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\nCONTENT-LENGTH:  2 \r\nX-Other: a: b\r\n\r\n[]";
    assert_eq!(read(stream), [message("{}"), message("[]")]);
}

#[test]
fn a_length_said_twice_the_same_is_one() {
    assert_eq!(
        read("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
        [message("{}")]
    );
}

#[test]
fn lines_begin_with_a_brace_after_blanks_and_a_mark() {
    for start in ["", " \r\n\t", "\u{feff}", "\n\u{feff} "] {
        assert_eq!(
            read(format!("{start}{{\"a\":1}}\n\n  [1] \r\n{{}}")),
            [message("{\"a\":1}"), message("[1]"), message("{}")]
        );
    }
    assert_eq!(read("  \u{feff}\n"), []);
    assert_eq!(read(""), []);
}

#[test]
fn a_mark_before_headers_is_passed_over() {
    assert_eq!(read(format!("\u{feff}{}", frame("{}"))), [message("{}")]);
}

#[test]
fn a_bad_header_costs_its_frame_alone() {
    for header in [
        "Content-Length: -5\r\n\r\n{...}",
        "Content-Length: 12abc\r\n\r\n{...}",
        "Content-Length: \r\n\r\n{...}",
        "Content-Length: 99999999999999999999999999\r\n\r\n{...}",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "Content-Type: text\r\n\r\n{}",
        "{\"no\":\"header\"}",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ": 5\r\n\r\n{}",
        "\u{fffd}\u{0}: 5\r\n\r\n{}",
        "Content Length: 5\r\n\r\n{...}",
    ] {
        // A first good frame, so that a brace does not mean lines.
        let stream = [&frame("1"), header, &frame("{\"next\":1}")].concat();
        let read = read(&stream);
        assert_eq!(read.len(), 3, "{stream:?} gave {read:?}");
        assert!(is_header_fault(&read[1]), "{read:?}");
        assert_eq!(read[2], message("{\"next\":1}"), "{stream:?}");
    }
}

#[test]
fn a_line_too_much_in_a_header_costs_no_frame() {
    let read = read(format!("garbage\r\n{}", frame("{}")));
    assert!(is_header_fault(&read[0]), "{read:?}");
    assert_eq!(read[1..], [message("{}")]);
}

#[test]
fn endless_headers_end() {
    let stream = format!("X: {}{}", "x".repeat(2 * MAX_HEADER), frame("{}"));
    let read = read(stream);
    assert!(is_header_fault(&read[0]), "{read:?}");
    assert_eq!(read[1..], [message("{}")]);
    let many = "X: y\r\n".repeat(MAX_HEADER);
    let read = super::tests::read(format!("{many}{}", frame("{}")));
    assert!(is_header_fault(&read[0]), "{read:?}");
    assert_eq!(read[1..], [message("{}")]);
}

#[test]
fn an_over_long_body_is_passed_over_exactly() {
    // Its text looks like a frame: it must not be read as one.
    let body = format!("{}{}", "x".repeat(60), frame("{\"inner\":1}"));
    let stream = [frame(&body), frame("{}")].concat();
    assert_eq!(
        read(stream),
        [Err(Fault::TooLong { limit: 64 }), message("{}")]
    );
}

#[test]
fn an_absurd_length_is_not_believed() {
    let stream = format!(
        "Content-Length: {}\r\n\r\n{{}}{}",
        MAX_SKIP + 1,
        frame("{\"next\":1}")
    );
    assert_eq!(
        read(stream),
        [Err(Fault::TooLong { limit: 64 }), message("{\"next\":1}")]
    );
}

#[test]
fn a_body_that_is_not_utf8_costs_itself() {
    let mut stream = b"Content-Length: 3\r\n\r\n\"\xff\"".to_vec();
    stream.extend(frame("{}").bytes());
    assert_eq!(read(stream), [Err(Fault::NotUtf8), message("{}")]);
    let read = read(format!(
        "Content-Type: x; charset=utf-16\r\nContent-Length: 2\r\n\r\n{{}}{}",
        frame("[]")
    ));
    assert!(is_header_fault(&read[0]), "{read:?}");
    assert_eq!(read[1..], [message("[]")]);
}

#[test]
fn a_length_that_counts_too_little_costs_two_frames() {
    for (body, first) in [("{}", "{"), ("11", "1"), ("nn", "n")] {
        let next = frame("{\"next\":1}");
        let read = read(format!("Content-Length: 1\r\n\r\n{body}{next}"));
        assert_eq!(read[0], message(first));
        assert!(is_header_fault(&read[1]), "{read:?}");
        assert_eq!(read[2..], [message("{\"next\":1}")]);
    }
}

#[test]
fn the_end_in_a_frame_is_told() {
    for stream in [
        "Content-Length: 5\r\n\r\n{",
        "Content-Length: 5\r\n",
        "Content-Le",
        "Content-Length: 5\r\n\r\n",
    ] {
        assert_eq!(read(stream), [Err(Fault::Half)], "{stream:?}");
    }
    assert_eq!(read(format!("{}\r\n", frame("{}"))), [message("{}")]);
}

#[test]
fn lines_with_faults_cost_themselves() {
    let mut stream = b"{}\n\"\xff\"\n".to_vec();
    stream.extend(format!("{{{}\n[]\n{}", "x".repeat(64), "y".repeat(65)).bytes());
    assert_eq!(
        read(stream),
        [
            message("{}"),
            Err(Fault::NotUtf8),
            Err(Fault::TooLong { limit: 64 }),
            message("[]"),
            Err(Fault::TooLong { limit: 64 }),
        ]
    );
}

#[test]
fn a_frame_of_the_full_size_is_read_in_pieces() {
    let body = "x".repeat(MAX_MESSAGE);
    for stream in [frame(&body), format!("[\n{body}\n")] {
        let mut decoder = Decoder::new(MAX_MESSAGE);
        let mut longest = 0;
        for piece in stream.as_bytes().chunks(64 * 1024) {
            decoder.feed(piece);
            while let Some(message) = decoder.decode() {
                longest = longest.max(message.unwrap().len());
            }
        }
        assert_eq!(longest, MAX_MESSAGE);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        bodies in prop::collection::vec("\\{\\PC{0,40}", 1..8),
        lines in any::<bool>(),
        pieces in 1_usize..50,
    ) {
        let framing = if lines { Framing::Lines } else { Framing::ContentLength };
        let mut stream = Vec::new();
        for body in &bodies {
            framing.write(body, &mut stream);
        }
        let read: Vec<String> = read_in(pieces, 1024, &stream)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        let expected: Vec<&str> = if lines {
            bodies.iter().map(|body| body.trim_ascii()).collect()
        } else {
            bodies.iter().map(String::as_str).collect()
        };
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn anything_can_be_fed_in_any_pieces(
        stream in prop::collection::vec(
            prop_oneof![
                Just(b"Content-Length: ".to_vec()),
                Just(b"\r\n".to_vec()),
                Just(b"\n".to_vec()),
                Just(b"{\"a\":1}".to_vec()),
                (0_u32..80).prop_map(|n| n.to_string().into_bytes()),
                prop::collection::vec(any::<u8>(), 0..12),
            ],
            0..20,
        ),
        pieces in 1_usize..9,
    ) {
        let stream = stream.concat();
        prop_assert_eq!(read_in(pieces, 64, &stream), read_in(usize::MAX, 64, &stream));
    }

    #[test]
    fn after_any_garbage_frames_are_read_again(garbage in "[ -~\r\n]{0,60}") {
        // Two frames: garbage that ends in a header of its own may take the first for its body.
        let stream = [frame("1"), garbage, "\r\n\r\n".into(), frame(&" ".repeat(70)), frame("{}")];
        let read = read_in(5, 64, stream.concat().as_bytes());
        prop_assert_eq!(read.last(), Some(&message("{}")));
    }
}
