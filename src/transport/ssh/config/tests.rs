use std::time::Duration;

use super::*;
use crate::transport::prompt::AuthMethod;

fn here() -> Here {
    Here {
        home: "/home/me".into(),
        user: "me".into(),
        host: "desk".into(),
        uid: 1000,
        variables: vec![("SSH_AUTH_SOCK".into(), "/run/agent".into())],
    }
}

fn options_of(text: &[(&str, &str)]) -> Options {
    let mut options = Options::default();
    for (name, value) in text {
        options.add(name, value);
    }
    options
}

fn target_of(options: &[(&str, &str)], settings: &SshSettings) -> Target {
    let wanted = Wanted {
        host: &settings.host,
        user: settings.user.as_deref(),
        port: settings.port,
    };
    Target::of(&wanted, &options_of(options), Some(settings), &here()).unwrap()
}

#[test]
fn without_settings_everything_is_usual() {
    let target = target_of(&[], &SshSettings::new("hpc"));
    assert_eq!((target.host.as_str(), target.port), ("hpc", 22));
    assert_eq!(target.user, "me");
    assert_eq!(target.agent, Agent::Socket("/run/agent".into()));
    assert_eq!(
        target.known_hosts[0],
        Path::new("/home/me/.ssh/known_hosts")
    );
    assert!(target.identity_files.is_empty() && !target.identities_only);
    assert_eq!(target.keepalive, Duration::from_secs(10));
    assert_eq!(target.recorded_as(), ("hpc", 22));
    assert!(target.remarks.is_empty());
}

#[test]
fn the_settings_of_ssh_are_followed() {
    let target = target_of(
        &[
            ("hostname", "login.%h.example.org"),
            ("user", "you"),
            ("port", "2222"),
            ("identityfile", "~/.ssh/%h-%r"),
            ("identitiesonly", "yes"),
            ("certificatefile", "/c/%n-cert.pub"),
            ("userknownhostsfile", "~/.ssh/kh1 /etc/kh2"),
            ("serveraliveinterval", "5"),
            ("connecttimeout", "1m"),
            ("identityagent", "~/agent"),
            ("hostkeyalias", "hpc"),
            ("hashknownhosts", "yes"),
            (
                "preferredauthentications",
                "gssapi-with-mic,password,publickey",
            ),
            ("gssapiauthentication", "yes"),
            ("addressfamily", "inet"),
        ],
        &SshSettings::new("hpc"),
    );
    assert_eq!(target.host, "login.hpc.example.org");
    assert_eq!((target.user.as_str(), target.port), ("you", 2222));
    let key = Path::new("/home/me/.ssh/login.hpc.example.org-you");
    assert_eq!(target.identity_files, [key]);
    assert!(target.identities_only && target.hash_known_hosts && target.wants_gssapi);
    assert_eq!(target.certificate_files, [Path::new("/c/hpc-cert.pub")]);
    let files = [Path::new("/home/me/.ssh/kh1"), Path::new("/etc/kh2")];
    assert_eq!(target.known_hosts, files);
    assert_eq!(target.keepalive, Duration::from_secs(5));
    assert_eq!(target.connect_timeout, Duration::from_secs(20));
    assert_eq!(target.agent, Agent::Socket("/home/me/agent".into()));
    assert_eq!(target.recorded_as(), ("hpc", 22));
    let password = Method::Person(AuthMethod::Password);
    assert_eq!(target.methods, [password, Method::Keys]);
    assert_eq!(target.family, Some(false));
    assert_eq!(target.place(), "hpc (login.hpc.example.org:2222)");
}

#[test]
fn config_toml_wins() {
    let settings = SshSettings {
        user: Some("other".into()),
        port: Some(22),
        identity_files: vec!["/k".into()],
        known_hosts: vec!["/kh".into()],
        proxy_jump: Some("none".into()),
        ..SshSettings::new("hpc")
    };
    let target = target_of(
        &[
            ("user", "you"),
            ("port", "2222"),
            ("identityfile", "~/.ssh/id_x"),
            ("userknownhostsfile", "~/.ssh/kh1"),
            ("proxyjump", "gate"),
        ],
        &settings,
    );
    assert_eq!((target.user.as_str(), target.port), ("other", 22));
    assert_eq!(target.identity_files, [Path::new("/k")]);
    assert!(target.identities_only);
    assert_eq!(target.known_hosts, [Path::new("/kh")]);
    assert!(target.jumps.is_empty());
}

#[test]
fn what_is_not_supported_is_named() {
    let remarks = target_of(
        &[
            ("hostbasedauthentication", "yes"),
            ("pkcs11provider", "/lib/card.so"),
            ("bindaddress", "192.0.2.1"),
            ("revokedhostkeys", "/r"),
            ("stricthostkeychecking", "accept-new"),
            ("identityfile", "~/.ssh/id_ed25519_sk"),
            ("pubkeyauthentication", "false"),
            ("kbdinteractiveauthentication", "no"),
            ("passwordauthentication", "no"),
        ],
        &SshSettings::new("hpc"),
    )
    .remarks
    .join("\n");
    for named in [
        "HostbasedAuthentication",
        "PKCS11Provider",
        "BindAddress",
        "RevokedHostKeys",
        "StrictHostKeyChecking",
        "FIDO key",
        "no way to log in",
    ] {
        assert!(remarks.contains(named), "{named}: {remarks}");
    }
}

#[test]
fn nothing_of_a_shell_gets_into_a_command() {
    let here = here();
    let settings = SshSettings::new("hpc");
    let with = |options: &[(&str, &str)], host: &str, user: Option<&str>| {
        let mut all = Options::default();
        all.add("proxycommand", "nc %r %h %p %n %k");
        for (name, value) in options {
            all.add(name, value);
        }
        let wanted = Wanted {
            host,
            user,
            port: None,
        };
        Target::of(&wanted, &all, Some(&settings), &here)
    };
    assert!(with(&[("user", "DOMAIN\\you")], "hpc", None).is_ok());
    for bad in [
        "a;b", "$(b)", "`b`", "a b", "a|b", "a&b", "a>b", "a'b", "a\"b", "-b", "a*",
    ] {
        let error = with(&[("user", bad)], "hpc", None).unwrap_err();
        assert!(error.contains(&format!("{bad:?}")), "{error}");
        assert!(with(&[], "hpc", Some(bad)).is_err(), "{bad}");
        assert!(with(&[], bad, None).is_err(), "{bad}");
        for name in ["hostname", "hostkeyalias"] {
            assert!(with(&[(name, bad)], "hpc", None).is_err(), "{name} {bad}");
        }
        let jump = format!("{bad}@gate");
        assert!(
            with(&[("proxyjump", &jump)], "hpc", None).is_err(),
            "{jump}"
        );
    }
}

#[test]
fn agents_are_found_and_left_out() {
    let agent =
        |value: &str| target_of(&[("identityagent", value)], &SshSettings::new("hpc")).agent;
    assert_eq!(agent("none"), Agent::None);
    assert_eq!(agent("SSH_AUTH_SOCK"), Agent::Socket("/run/agent".into()));
    assert_eq!(agent("$SSH_AUTH_SOCK"), Agent::Socket("/run/agent".into()));
    assert_eq!(agent("$UNSET"), Agent::None);
    assert_eq!(agent("/%u"), Agent::Socket("/me".into()));
}

#[test]
fn jumps_are_taken_apart() {
    let parts = |text| target::place(text).unwrap();
    assert_eq!(parts("gate"), (None, "gate".into(), None));
    assert_eq!(
        parts("you@gate:22"),
        (Some("you".into()), "gate".into(), Some(22))
    );
    assert_eq!(parts("ssh://you@gate:22/"), parts("you@gate:22"));
    assert_eq!(
        parts("[2001:db8::1]:7"),
        (None, "2001:db8::1".into(), Some(7))
    );
    assert_eq!(parts("2001:db8::1"), (None, "2001:db8::1".into(), None));
    for wrong in [
        "",
        "-oProxyCommand=x",
        "-x@gate",
        "@gate",
        "gate:ssh",
        "[::1]7",
    ] {
        assert!(target::place(wrong).is_err(), "{wrong}");
    }
}

async fn resolved(text: &str, host: &str, program: &str) -> Result<Target, TransportError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config");
    std::fs::write(&file, text).unwrap();
    let settings = SshSettings {
        config: SshConfig::File(file),
        ssh_program: program.into(),
        ..SshSettings::new(host)
    };
    resolve(&settings).await
}

const CHAIN: &str = "\
Host hpc
  HostName login.example.org
  User you
  Port 2022
  ProxyJump first,you@second:2200
Host first
  HostName first.example.org
  ProxyJump outer
Host second
  ProxyJump elsewhere
  User ignored
Host loops
  ProxyJump circle
Host circle
  ProxyJump loops
";

#[tokio::test]
async fn a_chain_of_jumps_is_followed_by_both_readers() {
    for program in ["ssh", "/nowhere/ssh"] {
        let hpc = resolved(CHAIN, "hpc", program).await.unwrap();
        assert_eq!((hpc.host.as_str(), hpc.port), ("login.example.org", 2022));
        assert_eq!(hpc.user, "you");
        let mut chain = Vec::new();
        let mut way = &hpc.way;
        while let Way::Over(hop) = way {
            chain.push((hop.host.as_str(), hop.port));
            way = &hop.way;
        }
        let expected = [("second", 2200), ("first.example.org", 22), ("outer", 22)];
        assert_eq!(chain, expected, "{program}");
        let error = resolved(CHAIN, "loops", program).await.unwrap_err();
        assert!(error.to_string().contains("jump over itself"), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_ssh_refuses_is_told_of() {
    for program in ["ssh", "/nowhere/ssh"] {
        let error = resolved("Hsot a\n", "hpc", program).await.unwrap_err();
        let text = error.to_string().to_ascii_lowercase();
        assert!(
            text.contains("hsot") && text.contains("line 1"),
            "{program}: {text}"
        );
    }
}

#[tokio::test]
async fn the_usual_keys_are_not_named_ones() {
    let plain = resolved("", "hpc", "ssh").await.unwrap();
    assert!(
        plain.identity_files.is_empty(),
        "{:?}",
        plain.identity_files
    );
    let named = resolved("IdentityFile ~/.ssh/id_rsa\n", "hpc", "ssh")
        .await
        .unwrap();
    assert_eq!(named.identity_files.len(), 1);
}
