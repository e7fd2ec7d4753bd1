use proptest::prelude::*;

use super::*;

// Made by ssh-keygen for these tests.
const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMcAhUQXHeUm4I95o0PlvPW6rU3HqxbO2SsAVqSb1m6l";
const ED_PRINT: &str = "SHA256:TzrdJxma/nTOhiEcgKOb238cXFGl9lh0sWdkLekPqrQ";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGYs4BFgGTZuyMNpbe5MVODeltcnb6+tfgXbY5QnidtE";
const OTHER_PRINT: &str = "SHA256:/2q/fuEQkqROo6GqRia8s8EtVsEGR8aGOU2VtmpxQwI";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHzStOZeByLirW9V/aIOfLYbBaIUgVFmI56za48+MoMKweYPRyc9jE96UMQD1mQ75aK07bH/5fhaIVpuTw6xEkU=";
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC4bcoZZK4K2sx9LfbTEF8c0ZTQoJumgPcgP2/sKtNFkYGFyyQV2pTkPvfV0MfaEPTm4wjA6SkxUWhy+OvtbK6yrpUjxMExyqYUV2oqQKbQqklx1HRjwWwWjDLMowAb5RKRGPF40CiRdmFiI4PlQBno6xgb9T3XE0muQP+DQQr0Cw==";
// `ssh-keygen -H` of `login.example.org` and of `[login.example.org]:2222`, both with ED.
const HASHED: &str = "\
|1|2dWWSfAGeCowJ8z83PryxSXv944=|94Lrycsgsbh9+xSYRZGGEho6sKU= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMcAhUQXHeUm4I95o0PlvPW6rU3HqxbO2SsAVqSb1m6l
|1|c8kMOjTFKKRwtFhTKL2APktZzxg=|if3Bd2XC17uC/LBfhlXnFkO3pow= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMcAhUQXHeUm4I95o0PlvPW6rU3HqxbO2SsAVqSb1m6l
";

fn blob(key: &str) -> Vec<u8> {
    STANDARD.decode(key.split(' ').nth(1).unwrap()).unwrap()
}

fn book(text: &str) -> Book {
    let mut book = Book::default();
    book.add(Path::new("/k"), text);
    book
}

fn judge(text: &str, host: &str, port: u16, key: &str) -> Verdict {
    book(text).judge(Shown {
        host,
        port,
        blob: &blob(key),
    })
}

fn at(line: usize) -> Place {
    Place {
        file: "/k".into(),
        line,
    }
}

const NEW: Verdict = Verdict::Unknown { authority: false };

#[test]
fn fingerprints_are_those_of_ssh_keygen() {
    assert_eq!(fingerprint(&blob(ED)), ED_PRINT);
    assert_eq!(fingerprint(&blob(OTHER)), OTHER_PRINT);
}

#[test]
fn hosts_are_found_in_every_form() {
    for (hosts, host, port) in [
        ("login", "login", 22),
        ("Login.Example.ORG", "login.example.org", 22),
        ("login", "LOGIN", 22),
        ("a,login,b", "login", 22),
        ("[login]:2222", "login", 2222),
        ("[*.example.org]:2222", "a.example.org", 2222),
        ("*.example.org", "a.b.example.org", 22),
        ("logi?", "login", 22),
        ("*,!other", "login", 22),
        ("192.0.2.7", "192.0.2.7", 22),
        ("2001:db8::1", "2001:DB8::1", 22),
        // A bare name also vouches for other ports, as in ssh.
        ("login", "login", 2222),
    ] {
        for separator in [" ", "\t", " \t "] {
            let line = format!(
                "{hosts}{separator}{}{separator}a comment",
                ED.replace(' ', separator)
            );
            assert_eq!(judge(&line, host, port, ED), Verdict::Known, "{line}");
        }
    }
    for (hosts, host, port) in [
        ("login", "login2", 22),
        ("[login]:2222", "login", 22),
        ("[login]:2222", "login", 2223),
        ("*.example.org", "example.org", 22),
        ("*.example.org,!bad.example.org", "bad.example.org", 22),
        ("!login,*", "login", 22),
        ("log?", "login", 22),
    ] {
        let line = format!("{hosts} {ED}");
        assert_eq!(judge(&line, host, port, ED), NEW, "{line}");
    }
}

#[test]
fn hashed_names_are_found() {
    assert_eq!(judge(HASHED, "login.example.org", 22, ED), Verdict::Known);
    assert_eq!(judge(HASHED, "Login.example.org", 2222, ED), Verdict::Known);
    assert_eq!(judge(HASHED, "login2.example.org", 22, ED), NEW);
    assert_eq!(
        judge(HASHED, "login.example.org", 22, OTHER),
        Verdict::Changed {
            at: at(1),
            recorded: ED_PRINT.into()
        }
    );
}

#[test]
fn one_of_several_recorded_keys_is_enough() {
    let text = format!("login {ED}\nlogin {OTHER}\nlogin {RSA}\n");
    for key in [ED, OTHER, RSA] {
        assert_eq!(judge(&text, "login", 22, key), Verdict::Known);
    }
    assert_eq!(
        book(&text).key_types("login", 2222),
        ["ssh-ed25519", "ssh-rsa"]
    );
}

#[test]
fn a_changed_key_is_told_from_another_type() {
    let text = format!("# mine\n\nlogin {ED}\n");
    assert_eq!(
        judge(&text, "login", 22, OTHER),
        Verdict::Changed {
            at: at(3),
            recorded: ED_PRINT.into()
        }
    );
    assert_eq!(
        judge(&text, "login", 22, ECDSA),
        Verdict::OtherType {
            at: at(3),
            recorded: vec!["ssh-ed25519".into()]
        }
    );
    // Another service on another port is a stranger, not a changed host.
    assert_eq!(judge(&text, "login", 2222, OTHER), NEW);
}

#[test]
fn a_revoked_key_is_refused_even_where_it_is_recorded() {
    let text = format!("login {ED}\n@revoked * {ED}\n");
    assert_eq!(
        judge(&text, "login", 22, ED),
        Verdict::Revoked { at: at(2) }
    );
    assert_eq!(
        judge(&text, "login", 2222, ED),
        Verdict::Revoked { at: at(2) }
    );
    assert_eq!(
        judge(
            &format!("@revoked\t*\t{OTHER}\nlogin {ED}"),
            "login",
            22,
            ED
        ),
        Verdict::Known
    );
}

#[test]
fn an_authority_is_seen_but_vouches_for_no_bare_key() {
    let text = format!("@cert-authority *.example.org {ED}\n");
    assert_eq!(
        judge(&text, "a.example.org", 22, ED),
        Verdict::Unknown { authority: true }
    );
    assert_eq!(judge(&text, "elsewhere", 22, ED), NEW);
}

#[test]
fn a_line_that_cannot_be_read_spoils_no_other() {
    let text = format!(
        "login\nlogin ssh-ed25519\nlogin ssh-ed25519 !!!\nlogin ssh-rsa {}\n\
         login 1024 35 1234567\n|1|x|y {ED}\n|1|only {ED}\n@future login {OTHER}\n\
         \u{feff}\u{0}\nlogin {ED}\r\n",
        ED.split(' ').nth(1).unwrap()
    );
    assert_eq!(judge(&text, "login", 22, ED), Verdict::Known);
    assert!(matches!(
        judge(&text, "login", 22, OTHER),
        Verdict::Changed { at, .. } if at.line == 10
    ));
}

#[test]
fn files_are_one_book() {
    let mut book = book(&format!("login {ED}\n"));
    book.add(Path::new("/etc/k"), &format!("\nlogin {OTHER}\n"));
    let shown = |key: &str| {
        let blob = blob(key);
        book.judge(Shown {
            host: "login",
            port: 22,
            blob: &blob,
        })
    };
    assert_eq!(shown(ED), Verdict::Known);
    assert_eq!(shown(OTHER), Verdict::Known);
}

fn matches_slowly(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches_slowly(rest, text)
                || text
                    .split_first()
                    .is_some_and(|(_, more)| matches_slowly(pattern, more))
        }
        (Some((want, rest)), Some((got, more))) => {
            (*want == b'?' || want == got) && matches_slowly(rest, more)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn patterns_match_as_their_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
        prop_assert_eq!(
            matches(pattern.as_bytes(), text.as_bytes()),
            matches_slowly(pattern.as_bytes(), text.as_bytes())
        );
    }

    #[test]
    fn no_text_stops_the_reader(text in "\\PC{0,200}", host in "\\PC{0,20}") {
        let book = book(&text);
        book.judge(Shown { host: &host, port: 22, blob: text.as_bytes() });
    }
}

#[test]
fn what_is_written_is_found_again() {
    for (host, port) in [("login", 22), ("Login", 2222), ("2001:db8::1", 22)] {
        let name = name(host, port);
        for hosts in [name.clone(), hashed(&name, b"twenty bytes of salt")] {
            let text = line(&hosts, &blob(ED)).unwrap();
            assert_eq!(judge(&text, host, port, ED), Verdict::Known, "{text}");
            assert!(hosts == name || !text.contains(host));
        }
    }
    // As `ssh-keygen -H` does it.
    let first = HASHED.lines().next().unwrap();
    let (hosts, _) = first.split_once(' ').unwrap();
    let salt = STANDARD.decode(hosts.split('|').nth(2).unwrap()).unwrap();
    assert_eq!(hashed("login.example.org", &salt), hosts);
}
