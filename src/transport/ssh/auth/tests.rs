use super::*;

fn failure(methods: &[MethodKind], partial_success: bool) -> AuthResult {
    AuthResult::Failure {
        remaining_methods: MethodSet::from(methods),
        partial_success,
    }
}

fn file(name: &str) -> Offer {
    Offer::File {
        path: name.into(),
        public: None,
        certificate: None,
    }
}

const KBD: Method = Method::Person(AuthMethod::KeyboardInteractive);
const PASSWORD: Method = Method::Person(AuthMethod::Password);

fn login(files: &[&str]) -> Login {
    Login {
        methods: vec![Method::Keys, KBD, PASSWORD],
        offers: files.iter().map(|name| file(name)).collect(),
        ..Login::default()
    }
}

#[test]
fn a_server_that_accepts_and_accepts_is_given_up() {
    let mut login = login(&[]);
    assert!(matches!(login.next(true), Step::Ask));
    login.heard(failure(&[MethodKind::KeyboardInteractive], false));
    let mut steps = 0;
    while let Step::Person(AuthMethod::KeyboardInteractive) = login.next(true) {
        login.heard(failure(&[MethodKind::KeyboardInteractive], true));
        steps += 1;
        assert!(steps < 100, "for ever");
    }
    // Those that ask for three are followed.
    assert!(steps > 3);
    let text = login.explain("me", "alpha").to_string();
    assert!(text.contains("given up"), "{text}");
}

#[test]
fn the_servers_methods_drive_the_login() {
    // No key at all: ask what there is.
    let mut none = login(&[]);
    assert!(matches!(none.next(false), Step::Ask));
    none.heard(failure(&[MethodKind::Password], false));
    assert!(matches!(none.next(false), Step::GiveUp));
    assert!(matches!(
        none.next(true),
        Step::Person(AuthMethod::Password)
    ));
    // Keys are of no use where the server does not take them.
    let mut two = login(&["fa", "fb"]);
    assert!(matches!(two.next(false), Step::Key(_)));
    two.heard(failure(&[MethodKind::KeyboardInteractive], true));
    assert!(matches!(two.next(false), Step::GiveUp));
    let text = two.explain("me", "alpha").to_string();
    assert!(text.contains("me@alpha"), "{text}");
    assert!(text.contains("a key was accepted"), "{text}");
    assert!(text.contains("keyboard-interactive"), "{text}");
    assert!(matches!(
        two.next(true),
        Step::Person(AuthMethod::KeyboardInteractive)
    ));
    // Otherwise all of them are tried.
    let mut two = login(&["fa", "fb"]);
    for _ in 0..2 {
        assert!(matches!(two.next(true), Step::Key(_)));
        assert!(!two.heard(failure(&[MethodKind::PublicKey], false)));
    }
    assert!(matches!(two.next(true), Step::GiveUp));
    assert!(two.heard(AuthResult::Success));
}

#[test]
fn the_persons_own_order_is_kept() {
    let mut own = Login {
        methods: vec![PASSWORD, Method::Keys],
        offers: [file("fa")].into(),
        ..Login::default()
    };
    assert!(matches!(own.next(true), Step::Ask));
    let all = [
        MethodKind::PublicKey,
        MethodKind::KeyboardInteractive,
        MethodKind::Password,
    ];
    own.heard(failure(&all, false));
    assert!(matches!(own.next(true), Step::Person(AuthMethod::Password)));
    assert!(matches!(own.next(false), Step::Key(_)));
}

#[test]
fn a_person_is_asked_three_times_and_anew_after_a_step_that_was_accepted() {
    let mut login = login(&[]);
    let methods = [MethodKind::KeyboardInteractive, MethodKind::Password];
    login.heard(failure(&methods, false));
    let mut asked = Vec::new();
    while let Step::Person(method) = login.next(true) {
        login.count_answer(method);
        asked.push(method);
        login.heard(failure(&methods, false));
    }
    assert_eq!(asked.len(), 6);
    let text = login.explain("me", "alpha").to_string();
    assert!(
        text.contains("the answers were refused (keyboard-interactive, password)"),
        "{text}"
    );
    login.heard(failure(&methods, true));
    assert!(matches!(
        login.next(true),
        Step::Person(AuthMethod::KeyboardInteractive)
    ));
    // A method that refuses without a question is passed over.
    login.spent.push(AuthMethod::KeyboardInteractive);
    assert!(matches!(
        login.next(true),
        Step::Person(AuthMethod::Password)
    ));
}
