//! A server of the tests' own that asks what it likes: menus as Duo's, passwords that have expired,
//! rounds without a question.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKeyBase64 as _};
use russh::server::{self, Auth, Response};
use russh::{MethodKind, MethodSet};
use tokio::net::TcpListener;

use super::person::Person;
use super::*;
use crate::transport::prompt::Field;

/// One round of questions, and what must be answered.
struct Round {
    name: &'static str,
    instructions: &'static str,
    prompts: &'static [(&'static str, bool)],
    answers: &'static [&'static str],
}

/// The name of a round that is followed by itself.
const ENDLESS: &str = "endless";

/// One connection's place in the rounds.
struct Asking {
    rounds: &'static [Round],
    at: usize,
}

impl server::Handler for Asking {
    type Error = russh::Error;

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        match response {
            None => self.at = 0,
            Some(answers) => {
                let answers: Vec<Vec<u8>> = answers.map(|answer| answer.to_vec()).collect();
                let right = self.rounds[self.at]
                    .answers
                    .iter()
                    .map(|it| it.as_bytes().to_vec());
                if answers != right.collect::<Vec<_>>() {
                    return Ok(Auth::reject());
                }
                if self.rounds[self.at].name != ENDLESS {
                    self.at += 1;
                }
            }
        }
        let Some(round) = self.rounds.get(self.at) else {
            return Ok(Auth::Accept);
        };
        Ok(Auth::Partial {
            name: round.name.into(),
            instructions: round.instructions.into(),
            prompts: round
                .prompts
                .iter()
                .map(|(text, echo)| (Cow::Borrowed(*text), *echo))
                .collect(),
        })
    }
}

/// Starts it; gives settings for it.
async fn asking(rounds: &'static [Round], home: &Path) -> SshSettings {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
    let blob = key.public_key().public_key_bytes();
    let config = Arc::new(server::Config {
        methods: MethodSet::from([MethodKind::KeyboardInteractive].as_slice()),
        auth_rejection_time: Duration::ZERO,
        keys: vec![key],
        ..server::Config::default()
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let name = super::super::known_hosts::name("127.0.0.1", port);
    let line = super::super::known_hosts::line(&name, &blob).unwrap();
    std::fs::write(home.join("known_hosts"), line).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asking = Asking { rounds, at: 0 };
            let session = server::run_stream(Arc::clone(&config), stream, asking).await;
            if let Ok(session) = session {
                tokio::spawn(session);
            }
        }
    });
    SshSettings {
        port: Some(port),
        user: Some("me".into()),
        known_hosts: vec![home.join("known_hosts")],
        identity_files: vec!["/nowhere".into()],
        use_agent: false,
        open_spacing: Duration::ZERO,
        ..SshSettings::new("127.0.0.1")
    }
}

const DUO: &[Round] = &[
    Round {
        name: "",
        instructions: "",
        prompts: &[("Password: ", false)],
        answers: &["secret"],
    },
    Round {
        name: "",
        instructions: "Welcome.\n",
        prompts: &[],
        answers: &[],
    },
    Round {
        name: "Duo",
        instructions: "Duo two-factor login for me\n\n 1. Duo Push to XXX-XXX-1234\n 2. Phone call\u{7}\n",
        prompts: &[("Passcode or option (1-2): ", true)],
        answers: &["1"],
    },
    Round {
        name: "",
        instructions: "Success. Logging you in...",
        prompts: &[],
        answers: &[],
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_is_shown_as_it_is_and_a_push_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let ssh = Ssh::new(asking(DUO, home.path()).await);
    let person = Person::saying(&["secret", "1"]);
    ssh.connect(Some(person.clone())).await.unwrap();
    assert!(ssh.connected());
    let asked = person.asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].name, "Duo");
    assert_eq!(
        asked[1].instructions,
        "Welcome.\nDuo two-factor login for me\n\n 1. Duo Push to XXX-XXX-1234\n 2. Phone call"
    );
    let option = Field {
        text: "Passcode or option (1-2): ".into(),
        echo: true,
    };
    assert_eq!(asked[1].prompts, [option]);
    assert_eq!((asked[1].attempt, asked[1].reason.as_str()), (1, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_answer_is_asked_again_three_times_in_all() {
    let home = tempfile::tempdir().unwrap();
    let ssh = Ssh::new(asking(DUO, home.path()).await);
    let person = Person::saying(&["secret", "2", "wrong", "secret", "2", "more"]);
    let error = ssh.connect(Some(person.clone())).await.unwrap_err();
    assert!(
        matches!(&error, TransportError::AuthRequired(text) if text.contains("the answers were refused")),
        "{error:?}"
    );
    let asked = person.asked.lock().unwrap();
    let attempts: Vec<u32> = asked.iter().map(|ask| ask.attempt).collect();
    assert_eq!(attempts, [1, 1, 2, 3, 3]);
    assert_eq!(asked[2].reason, "The last answer was refused.");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_password_is_changed_on_the_way() {
    const EXPIRED: &[Round] = &[
        Round {
            name: "",
            instructions: "",
            prompts: &[("Password: ", false)],
            answers: &["old"],
        },
        Round {
            name: "",
            instructions: "You are required to change your password immediately.",
            prompts: &[("Current password: ", false)],
            answers: &["old"],
        },
        Round {
            name: "",
            instructions: "",
            prompts: &[("New password: ", false), ("Retype new password: ", false)],
            answers: &["new", "new"],
        },
    ];
    let home = tempfile::tempdir().unwrap();
    let ssh = Ssh::new(asking(EXPIRED, home.path()).await);
    let person = Person::answering(|ask| {
        let answer = |text: &str| {
            if text.contains("ew password") {
                "new"
            } else {
                "old"
            }
        };
        let prompts = ask.prompts.iter();
        Some(
            prompts
                .map(|prompt| answer(&prompt.text).to_owned())
                .collect(),
        )
    });
    ssh.connect(Some(person)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_without_end_are_ended_and_none_is_a_no() {
    const FOR_EVER: &[Round] = &[Round {
        name: ENDLESS,
        instructions: "",
        prompts: &[("More? ", true)],
        answers: &["yes"],
    }];
    let home = tempfile::tempdir().unwrap();
    let settings = asking(FOR_EVER, home.path()).await;
    let ssh = Ssh::new(settings.clone());
    let person = Person::answering(|_| Some(vec!["yes".into()]));
    let error = ssh.connect(Some(person.clone())).await.unwrap_err();
    assert!(error.to_string().contains("asks and asks"), "{error}");
    assert_eq!(person.asked.lock().unwrap().len(), 30);

    let person = Person::saying(&[]);
    let error = ssh.connect(Some(person.clone())).await.unwrap_err();
    assert!(error.to_string().contains("was not answered"), "{error}");
    assert_eq!(person.asked.lock().unwrap().len(), 1);
    assert_eq!(person.withdrawn.load(Ordering::SeqCst), 0);
    // Nobody is asked by what nobody waits for.
    let error = run(&ssh, "true").await.unwrap_err();
    assert!(
        matches!(error, TransportError::AuthRequired(_)),
        "{error:?}"
    );
}
