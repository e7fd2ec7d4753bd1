//! Whatever the bytes, reading ends soon, never panics, and points inside them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::config::Outline;
use super::tcl::{self, Part};
use super::text::{Source, Span};
use super::{Analysis, Closure, Found, colvars};

/// Analyses bytes as a configuration whose every other file is missing, or the
/// configuration itself again.
fn analyse(bytes: &[u8], itself: bool) -> Analysis {
    let mut closure = Closure::new("/w/c.namd");
    loop {
        let needs = closure.needs();
        if needs.is_empty() {
            return closure.finish();
        }
        for need in needs {
            let found = if itself || need.path == "/w/c.namd" {
                Found::File {
                    bytes: bytes.len() as u64,
                    content: Some(bytes.to_vec()),
                }
            } else {
                Found::Missing
            };
            closure.feed(&need.path, found);
        }
    }
}

/// Pieces that make Tcl out of noise more often than chance does.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just("\"".to_owned()),
        Just("\\\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n".to_owned()),
        Just("; ".to_owned()),
        Just("$".to_owned()),
        Just("${".to_owned()),
        Just("$a(".to_owned()),
        Just("#".to_owned()),
        Just(" = ".to_owned()),
        Just("{*}".to_owned()),
        Just("set a ".to_owned()),
        Just("if {$a} {".to_owned()),
        Just("} else {".to_owned()),
        Just("while {1} {".to_owned()),
        Just("foreach x {1 2} {".to_owned()),
        Just("proc f {x} {".to_owned()),
        Just("f 1\n".to_owned()),
        Just("expr {1+$a".to_owned()),
        Just("source c.namd\n".to_owned()),
        Just("structure a.psf\n".to_owned()),
        Just("run 100\n".to_owned()),
        Just("catch {".to_owned()),
        Just("append a $a$a\n".to_owned()),
        Just("return ".to_owned()),
        Just("break\n".to_owned()),
        Just("upvar 1 a b\n".to_owned()),
        Just("uplevel 1 {".to_owned()),
        Just("array set a ".to_owned()),
        Just("switch $a {".to_owned()),
        Just("format %d ".to_owned()),
        Just("lindex ".to_owned()),
        Just("colvarsConfig c.namd\ncolvars on\n".to_owned()),
        Just("outputname o/".to_owned()),
        Just("tclForcesScript {\n".to_owned()),
        Just("dict set d a ".to_owned()),
        Just("eval ".to_owned()),
        Just("file exists ".to_owned()),
        Just("glob *\n".to_owned()),
        Just("rename f g\n".to_owned()),
        "[a-z ]{0,6}",
        "\\PC{0,4}",
    ]
}

fn tcl_noise() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(piece(), 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Spans lie inside `text`, on borders, parts inside words, words inside
/// commands in order, and between words is nothing but blanks.
fn check_script(text: &str, script: &tcl::Script, within: Span) {
    let inside = |outer: Span, inner: Span| {
        assert!(
            outer.start <= inner.start && inner.end <= outer.end,
            "{inner:?} in {outer:?}"
        );
        assert!(
            text.get(inner.start..inner.end).is_some(),
            "{inner:?} cuts a character"
        );
    };
    let mut end = within.start;
    for command in &script.commands {
        inside(within, command.span);
        assert!(command.span.start >= end);
        let mut at = command.span.start;
        for word in &command.words {
            inside(command.span, word.span);
            let between = &text[at..word.span.start];
            assert!(
                between.chars().all(|c| " \t\u{b}\u{c}\\\r\n".contains(c)),
                "{between:?}"
            );
            at = word.span.end;
            inside(word.span, word.content());
            for part in &word.parts {
                match part {
                    Part::Text { span, .. } | Part::Var { span, .. } => inside(word.span, *span),
                    Part::Script { script, span } => {
                        inside(word.span, *span);
                        check_script(text, script, *span);
                    }
                }
            }
        }
        assert_eq!(at, command.span.end);
        end = at;
    }
    for error in &script.errors {
        assert!(within.start <= error.at && error.at <= within.end);
    }
}

fn check_analysis(bytes: &[u8], analysis: &Analysis) {
    for finding in &analysis.findings {
        assert!(finding.span.start <= finding.span.end);
        assert!(finding.range.start <= finding.range.end);
        if finding.file == "c.namd" {
            assert!(finding.span.end <= bytes.len() + 1, "{finding:?}");
        }
        assert!(!finding.message.is_empty());
    }
    for input in &analysis.inputs {
        if input.site.file == "c.namd" {
            assert!(input.site.span.end <= bytes.len());
        }
        if let (Some(literal), "c.namd") = (&input.literal, input.site.file.as_str()) {
            assert!(bytes.get(literal.path.start..literal.path.end).is_some());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check_analysis(&bytes, &analyse(&bytes, false));
        let _ = Outline::read(&bytes);
    }

    #[test]
    fn any_tcl_noise_is_read(bytes in tcl_noise(), itself: bool) {
        check_analysis(&bytes, &analyse(&bytes, itself));
        let outline = Outline::read(&bytes);
        for statement in &outline.statements {
            prop_assert!(statement.range.start <= statement.range.end);
            prop_assert!(statement.span.end <= bytes.len());
        }
    }

    #[test]
    fn spans_are_inside_and_cover(bytes in tcl_noise()) {
        let source = Source::new("x", &bytes);
        let text = source.text();
        let script = tcl::parse(text, 0, text.len());
        check_script(text, &script, Span::new(0, text.len()));
    }

    #[test]
    fn offsets_and_positions_agree(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let source = Source::new("x", &bytes);
        let mut last = 0;
        for (at, c) in source.text().char_indices() {
            let byte = source.byte_offset(at);
            prop_assert!(byte >= last && byte < bytes.len());
            last = byte;
            let odd = (0xF780..=0xF7FF).contains(&u32::from(c)) && bytes[byte] >= 0x80 && u32::from(c) & 0xff == u32::from(bytes[byte]);
            prop_assert!(odd || bytes[byte..].starts_with(c.to_string().as_bytes()));
            if c != '\n' && c != '\r' {
                prop_assert_eq!(source.text_offset(source.position(at)), at);
            }
        }
        prop_assert_eq!(source.byte_offset(source.text().len()), bytes.len());
    }

    #[test]
    fn any_colvars_text_is_read(text in "[a-zA-Z{}# \n\t\\PC]{0,200}") {
        for named in colvars::read(&text).files {
            prop_assert!(text.get(named.span.start..named.span.end).is_some());
        }
    }
}

/// Time this thread was computing, so that a busy machine does not count;
/// where the system does not tell, the time on the wall.
fn busy() -> Duration {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    let begin = *BEGIN.get_or_init(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| begin.elapsed(), Duration::from_nanos)
}

/// A mebibyte of each of these must not take long, even unoptimised.
#[test]
fn hostile_files_end_soon() {
    const SIZE: usize = 1 << 20;
    let fill = |unit: &str| unit.repeat(SIZE / unit.len());
    let cases = [
        ("braces", fill("{")),
        ("closing braces", fill("}")),
        ("brackets", fill("[")),
        (
            "brackets closed",
            format!("{}{}", "[".repeat(SIZE / 2), "]".repeat(SIZE / 2)),
        ),
        ("quotes", fill("\" ")),
        ("dollars", fill("$a(")),
        ("ifs", fill("if 1 {")),
        (
            "ifs closed",
            format!("{}{}", "if 1 {".repeat(SIZE / 7), "}".repeat(SIZE / 7)),
        ),
        (
            "unknown ifs",
            format!(
                "{}{}",
                "if $env(X) {".repeat(SIZE / 13),
                "}".repeat(SIZE / 13)
            ),
        ),
        ("unknown ifs in a row", fill("if $env(X) {set a 1}\n")),
        (
            "unknown whiles",
            format!("{}{}", "while {$env(X)} {".repeat(20), "}".repeat(20)),
        ),
        (
            "fors",
            format!(
                "{}{}",
                "for {set i 0} {$i<1000} {incr i} {".repeat(SIZE / 36),
                "}".repeat(SIZE / 36)
            ),
        ),
        ("endless", "while 1 {append x abc$x}".to_owned()),
        ("doubling", format!("set x a\n{}", fill("append x $x\n"))),
        ("recursion", "proc f {} {f; f}\nf".to_owned()),
        (
            "expressions",
            format!(
                "set a [expr {}1{}]",
                "(".repeat(SIZE / 2),
                ")".repeat(SIZE / 2)
            ),
        ),
        ("signs", format!("set a [expr {}1]", fill("-"))),
        ("keywords", fill("structure a.psf\n")),
        ("unknown keywords", fill("foo bar\n")),
        ("undefined", fill("set a $b\n")),
        ("one line", fill("\u{e9}$b ")),
        ("lists", fill("lappend l a b c d\n")),
        (
            "arrays",
            (0..40_000)
                .map(|n| format!("set a({n}) {n}\n"))
                .collect::<Vec<_>>()
                .concat(),
        ),
        ("runs", fill("run 20\n")),
        ("sources", fill("source x.tcl\n")),
        ("itself", fill("source c.namd\n")),
        ("eval", fill("eval {eval {set a 1}}\n")),
        ("globs", fill("glob {a,b}{c,d}*\n")),
        ("matches", format!("set p {}b\nset t {}\nstring match $p $t\nlsearch $t $p\n", "a*".repeat(200_000), "a".repeat(400_000))),
        ("maps", format!("set m {{{}}}\nstring map $m $m\nstring map $m $m\n", "a b ".repeat(100_000))),
        ("long dictionaries", format!("set d {{{}}}\ndict get $d k\n", (0..90_000).map(|n| format!("{n} x ")).collect::<Vec<_>>().concat())),
        ("deep dictionaries", format!("dict set d{} v\n", " k".repeat(SIZE / 2))),
        ("many names", format!("set l {{{}}}\nfor {{set i 0}} {{$i<900}} {{incr i}} {{foreach $l {{1 2 3}} {{}}}}\n", "a ".repeat(400_000))),
        ("asking names", format!("{}{}", (0..20_000).map(|n| format!("set v{n} 1\n")).collect::<Vec<_>>().concat(), "info vars\n".repeat(40_000))),
        ("writing", fill("open x w\nsource y\n")),
        ("outputs", fill("outputname $env(A)/x\n")),
        ("large numbers", "set a [expr {-(-2**127)}]\nlrepeat 99999999999999999999999 x\nlrepeat 9999999999999999 {}\n\
            run 170141183460469231731687303715884105727\nrun 18446744073709551600\nrun 18446744073709551600\n\
            set b [expr {170141183460469231731687303715884105727 + 1}]\nset c [expr {1 << 126 << 5}]\n\
            firsttimestep -9223372036854775808\nnumsteps 9223372036854775807\nincr d -170141183460469231731687303715884105728\n\
            string range abc -99999999999999999999 end+99999999999999999999999\nlindex {a b} end-170141183460469231731687303715884105727\n\
            format %99999999999999999999d 1\nformat %.99999d 1\nexpr {abs(-2**127)}\nexpr {-2**127 / -1}\nexpr {-2**127 % -1}\n\
            expr {1 >> 99999999999}\nexpr {2 ** 99999999}\nexpr {int(1e300)}\nstring repeat ab 99999999999\n".to_owned()),
        ("comments", fill("# x \\\n")),
        ("semicolons", fill(";")),
        ("equals", fill("=")),
        (
            "colvars",
            format!(
                "colvars on\ncv config {{{}}}\n",
                fill("refPositionsFile x\n")
            ),
        ),
    ];
    let mut slow = Vec::new();
    for (name, text) in &cases {
        let begin = busy();
        let analysis = analyse(text.as_bytes(), *name == "itself");
        let took = busy().saturating_sub(begin);
        check_analysis(text.as_bytes(), &analysis);
        if took > Duration::from_secs(3) {
            slow.push(format!("{name}: {took:?}"));
        }
        if std::env::var_os("NAMDRUNNER_SHOW_TIMES").is_some() {
            println!("{name}: {took:?}");
        }
    }
    assert!(slow.is_empty(), "{slow:?}");
}

/// The deepest nesting must fit half of what a worker thread has for a stack,
/// unoptimised.
#[test]
fn the_stack_suffices() {
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(60), close.repeat(60));
    let cases = [
        "proc f {} { if {[f] + (([f]))} {f} }\nf\n".to_owned(),
        "proc f {x} { foreach a {1 2} { while {[f [f $x]]} { catch { switch $a { 1 { f 1 } default { f 2 } } } } } }\nf 1\n".to_owned(),
        "proc f {} { uplevel 1 { eval { namespace eval n { apply {{} { subst {[expr {[f]}]} }} } } } }\nf\n".to_owned(),
        "proc f {} { if {$env(X)} { if {$env(Y)} { f } else { f } } else { f } }\nf\n".to_owned(),
        "proc f {} { while {$env(X)} { foreach a $env(Y) { f } } }\nf\n".to_owned(),
        format!("set a [expr {{{}}}]\n", nested("(1+-[expr {(", ")}])")),
        format!("set a {}\n", nested("[list [list $b(", ")]]")),
        format!("{}\n", nested("if {1} {catch {", "}}")),
        format!("dict set d {}\n", "k ".repeat(60)),
        format!("source c.namd\n{}", nested("eval {", "}")),
    ];
    let work = move || {
        for text in &cases {
            check_analysis(text.as_bytes(), &analyse(text.as_bytes(), false));
            check_analysis(text.as_bytes(), &analyse(text.as_bytes(), true));
            let _ = Outline::read(text.as_bytes());
        }
    };
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}
