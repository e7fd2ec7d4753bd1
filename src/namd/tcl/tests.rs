use super::reader::MAX_DEPTH;
use super::*;

/// The words of each command, with what is substituted shown as `$name` and `[…]`.
fn shown(text: &str) -> Vec<Vec<String>> {
    parse(text, 0, text.len())
        .commands
        .iter()
        .map(|command| command.words.iter().map(|word| show(&word.parts)).collect())
        .collect()
}

fn show(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text { text, .. } => out.push_str(text),
            Part::Var {
                name, index: None, ..
            } => {
                out.push_str("<$");
                out.push_str(name);
                out.push('>');
            }
            Part::Var {
                name,
                index: Some(index),
                ..
            } => {
                out.push_str("<$");
                out.push_str(name);
                out.push('(');
                out.push_str(&show(index));
                out.push_str(")>");
            }
            Part::Script { script, .. } => {
                out.push('[');
                for command in &script.commands {
                    for word in &command.words {
                        out.push_str(&show(&word.parts));
                        out.push('|');
                    }
                }
                out.push(']');
            }
        }
    }
    out
}

fn errors(text: &str) -> Vec<(&'static str, usize)> {
    let script = parse(text, 0, text.len());
    script
        .errors
        .iter()
        .map(|error| (error.kind.wording(), error.at))
        .collect()
}

#[test]
fn splits_commands_and_words() {
    let text = "# c\nstructure  a.psf ;# psf\nset x {a b}; set y \"c d\"\r\nrun\t10\n";
    assert_eq!(
        shown(text),
        [
            vec!["structure", "a.psf"],
            vec!["set", "x", "a b"],
            vec!["set", "y", "c d"],
            vec!["run", "10"]
        ]
    );
}

#[test]
fn a_hash_is_a_comment_only_where_a_command_begins() {
    assert_eq!(
        shown("temperature 300 # in K\n#set a b\\\nset c d\nrun 1"),
        [vec!["temperature", "300", "#", "in", "K"], vec!["run", "1"]]
    );
}

#[test]
fn substitutions_are_kept_apart() {
    assert_eq!(
        shown(r#"set a $b.psf ${b}_c $d(e $f) ${g(h)} [expr {1+$x} ]y "[a "b c"] $::n::v""#),
        [vec![
            "set",
            "a",
            "<$b>.psf",
            "<$b>_c",
            "<$d(e <$f>)>",
            "<$g(h)>",
            "[expr|1+$x|]y",
            "[a|b c|] <$::n::v>"
        ]]
    );
    assert_eq!(shown("set a $ $. a$"), [vec!["set", "a", "$", "$.", "a$"]]);
    assert_eq!(
        shown("a {*}$l {*} {*}{b c}"),
        [vec!["a", "<$l>", "*", "b c"]]
    );
}

#[test]
fn backslashes_follow_tcl() {
    // Checked against tclsh 8.6: puts [list …].
    assert_eq!(
        shown(r"a \n\x41\u3bb\101\8\{ \$b\ c \x"),
        [vec!["a", "\nA\u{3bb}A8{", "$b c", "x"]]
    );
    assert_eq!(
        shown("a b \\\n   c {d\\\n  e} \"f\\\r\n g\""),
        [vec!["a", "b", "c", "d e", "f g"]]
    );
    assert_eq!(shown("a {b\\{c}"), [vec!["a", "b\\{c"]]);
}

#[test]
fn quotes_and_braces_inside_a_word_are_plain() {
    assert_eq!(
        shown("a b\"c\" d{e}f }"),
        [vec!["a", "b\"c\"", "d{e}f", "}"]]
    );
}

#[test]
fn errors_have_their_place_and_reading_goes_on() {
    assert_eq!(errors("if {1} {\nrun 10\n"), [("missing close-brace", 7)]);
    assert_eq!(errors("set a \"b\nrun 1"), [("missing \"", 6)]);
    assert_eq!(errors("set a [b\nrun 1"), [("missing close-bracket", 6)]);
    assert_eq!(errors("set a $b(c\nrun 1"), [("missing )", 8)]);
    let text = "if {1} {a}else {b}\nset a \"b\"c\nrun 1";
    assert_eq!(
        errors(text),
        [
            ("extra characters after close-brace", 10),
            ("extra characters after close-quote", 28)
        ]
    );
    assert_eq!(shown(text), [vec!["run", "1"]]);
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let deep = "[a ".repeat(10_000);
    assert_eq!(
        errors(&deep),
        [("nested too deeply to be followed", 3 * MAX_DEPTH)]
    );
    let shallow = format!("{}b{}", "[a ".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    assert_eq!(errors(&shallow), []);
}

#[test]
fn spans_point_at_what_is_written() {
    let text = "structure {a b.psf}\n  set x \"$y\"";
    let script = parse(text, 0, text.len());
    let word = &script.commands[0].words[1];
    assert_eq!(&text[word.span.start..word.span.end], "{a b.psf}");
    assert_eq!(&text[word.content().start..word.content().end], "a b.psf");
    let command = &script.commands[1];
    assert_eq!(&text[command.span.start..command.span.end], "set x \"$y\"");
    assert_eq!(word.literal().as_deref(), Some("a b.psf"));
    assert_eq!(command.words[2].literal(), None);
}
