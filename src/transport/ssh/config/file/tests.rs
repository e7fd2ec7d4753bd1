use super::*;

fn read_one(text: &str, wanted: &Wanted<'_>) -> Result<Options, String> {
    let includes = |pattern: &str| match pattern {
        "more" => Ok(vec![(
            PathBuf::from("/m"),
            "Port 2200\nHost b\nUser inner\n".into(),
        )]),
        "loop" => Ok(vec![(PathBuf::from("/l"), "Include loop\n".into())]),
        _ => Ok(Vec::new()),
    };
    read(&[("/c".into(), text.into())], &includes, wanted, "me")
}

fn of(text: &str, host: &str) -> Options {
    let wanted = Wanted {
        host,
        user: None,
        port: None,
    };
    read_one(text, &wanted).unwrap()
}

fn refused(text: &str) -> String {
    let wanted = Wanted {
        host: "a",
        user: None,
        port: None,
    };
    read_one(text, &wanted).unwrap_err()
}

const TEXT: &str = "\
# mine
IdentityFile ~/.ssh/id_all
Host a !b login*.example.org
  User = anna
  Port=2222
  IdentityFile \"~/.ssh/with blank\"
  ProxyJump gate
  ProxyCommand nc %h %p
Host b
\tProxyCommand ssh -W \"%h:%p\" gate # not a comment here
\tProxyJump gate
Match host real.example.org user anna
  HostKeyAlias real
Host c
  HostName real.example.org
Match host real.example.org !user anna
  HostKeyAlias other
Match originalhost c
  IdentitiesOnly yes
Match all
  User last
  ServerAliveInterval 30
";

#[test]
fn the_first_value_of_a_block_that_matches_wins() {
    let a = of(TEXT, "a");
    assert_eq!(a.one("user"), Some("anna"));
    assert_eq!(a.one("port"), Some("2222"));
    assert_eq!(
        a.all("identityfile"),
        ["~/.ssh/id_all", "~/.ssh/with blank"]
    );
    assert_eq!(
        (a.one("proxyjump"), a.one("proxycommand")),
        (Some("gate"), None)
    );
    assert_eq!(a.one("serveraliveinterval"), Some("30"));
    let b = of(TEXT, "b");
    assert_eq!(b.one("user"), Some("last"));
    assert_eq!(
        (b.one("proxyjump"), b.one("proxycommand")),
        (None, Some("ssh -W \"%h:%p\" gate # not a comment here"))
    );
    assert_eq!(of(TEXT, "login2.example.org").one("user"), Some("anna"));
    let c = of(TEXT, "c");
    assert_eq!(c.one("hostname"), Some("real.example.org"));
    assert_eq!(c.one("hostkeyalias"), Some("other"));
    assert!(c.is("identitiesonly", "yes"));
}

#[test]
fn includes_stand_where_they_are_named() {
    let text = "Host a\nInclude more\nUser outer\nHost *\nPort 1\n";
    let a = of(text, "a");
    assert_eq!(
        (a.one("port"), a.one("user")),
        (Some("2200"), Some("outer"))
    );
    // In a block that does not match they are not read.
    assert_eq!(of(text, "b").one("port"), Some("1"));
    assert!(refused("Include loop").contains("too many files"));
}

#[test]
fn a_final_match_sees_the_host_as_it_is_reached() {
    let text = "Host a\nHostName real\nMatch final host real\nUser late\nMatch !final\nPort 7\n";
    let a = of(text, "a");
    assert_eq!((a.one("user"), a.one("port")), (Some("late"), Some("7")));
    let real = "Host a\nHostName real\nMatch final\nCompression yes\nHost real\nUser found\n";
    assert_eq!(of(real, "a").one("user"), Some("found"));
}

#[test]
fn what_is_not_known_is_refused_with_its_place() {
    for (text, part) in [
        ("Port 22\nHsotName b\n", "/c, line 2: hsotname is not known"),
        ("Match exec true\n", "Match exec is not known"),
        ("Match host\n", "names nothing"),
        ("User\n", "has no value"),
        ("User \"a\n", "does not end"),
        ("CanonicalizeHostname yes\n", "is not known"),
    ] {
        let error = refused(text);
        assert!(error.contains(part), "{error}");
    }
    let fine = of(
        "IgnoreUnknown Use*,Hsot*\nUseKeychain yes\nHsotName b\n",
        "a",
    );
    assert_eq!(fine.one("hsotname"), None);
    of("Host z\nHsotName b\n", "a");
}

proptest::proptest! {
    #[test]
    fn no_text_stops_the_reader(text in "\\PC{0,120}", host in "\\PC{0,12}") {
        let wanted = Wanted { host: &host, user: None, port: None };
        let _ = read_one(&text, &wanted);
    }

    /// What both readers take they take the same.
    #[test]
    fn words_are_those_between_blanks(words in "[a-z]{1,5}( [a-z]{1,5}){1,4}") {
        let expected: Vec<String> = words.split(' ').map(str::to_owned).collect();
        proptest::prop_assert_eq!(super::words(&words), Ok(expected));
    }
}
