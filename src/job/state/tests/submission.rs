//! Submitting: accepted, rejected, unknown, withdrawn; cancelling at each phase; attempts.

use super::*;

fn waits(step: SubmitStep, kind: ErrorKind, message: &str) -> Fact {
    Fact::SubmitWaits {
        step,
        error: error(kind, message),
    }
}

fn lost() -> Fact {
    waits(
        SubmitStep::Sent,
        ErrorKind::SubmitUnknown,
        "the link dropped",
    )
}

fn untraced(age: u32) -> Fact {
    let message = format!("no trace for {age} s");
    waits(SubmitStep::Unconfirmed, ErrorKind::SubmitUnknown, &message)
}

#[test]
fn a_job_that_is_not_whole_is_not_submitted() {
    let job = uploading();
    let refused = job.apply(&ask(1), at(1)).unwrap_err();
    assert!(refused.why.contains("still being uploaded"), "{refused}");
    assert_eq!(job.apply(&accepted(1, 1), at(1)), Ok(None));
}

#[test]
fn the_intent_comes_before_the_effect() {
    let mut life = Life::created();
    life.then(1, &ask(1));
    let attempt = life.attempt();
    assert_eq!(
        (attempt.n, &attempt.tag, attempt.asked),
        (1, &tag(1), at(1))
    );
    assert_eq!(attempt.id, None);
    assert!(life.job.is_active());
    life.then(2, &Fact::SubmitSent);
    let JobState::Submitting { since, step } = life.job.state else {
        panic!("{:?}", life.job.state);
    };
    assert_eq!((since, step), (at(1), SubmitStep::Sent));
}

#[test]
fn a_live_job_is_not_submitted_again() {
    let mut steps = vec![Life::pending(), Life::running()];
    for facts in [
        vec![],
        vec![waits(
            SubmitStep::WaitingForLogin,
            ErrorKind::AuthRequired,
            "login",
        )],
        vec![Fact::SubmitSent],
        vec![Fact::SubmitSent, lost()],
        vec![
            Fact::SubmitSent,
            waits(
                SubmitStep::WaitingForRoom,
                ErrorKind::SlurmRejected,
                "MaxSubmit",
            ),
        ],
    ] {
        let mut life = Life::created();
        life.then(1, &ask(1));
        for fact in &facts {
            life.then(2, fact);
        }
        steps.push(life);
    }
    for life in steps {
        assert!(
            life.refuses(&ask(2)).contains("is already"),
            "{:?}",
            life.job.state
        );
    }
}

#[test]
fn sending_needs_an_ask() {
    let unsent = [Life::created(), Life::pending(), Life::running()];
    for life in unsent {
        assert!(
            life.refuses(&Fact::SubmitSent)
                .contains("no longer waiting")
        );
    }
}

#[test]
fn a_rejected_submission_is_no_attempt() {
    let mut life = Life::created();
    life.then(1, &ask(1))
        .then(1, &Fact::SubmitSent)
        .then(3, &rejected());
    assert_eq!(
        life.rows().last().unwrap(),
        "3 CREATED → CREATED (staged) local: sbatch: error: invalid partition specified: bad"
    );
    assert!(life.job.attempts.is_empty());
    assert_eq!(life.job.error.as_ref().unwrap().kind, "slurmRejected");
    assert_eq!(life.job.apply(&rejected(), at(4)), Ok(None));
    // Corrected, it goes on as attempt 1 with a new token, and the error is over.
    life.then(5, &ask(2));
    assert_eq!((life.attempt().n, &life.attempt().tag), (1, &tag(2)));
    assert_eq!(life.job.error, None);
}

#[test]
fn waiting_writes_once_for_each_reason() {
    let mut life = Life::created();
    let login = |message| {
        waits(
            SubmitStep::WaitingForLogin,
            ErrorKind::AuthRequired,
            message,
        )
    };
    life.then(1, &ask(1))
        .then(2, &login("asks for a password"))
        .then(3, &login("asks for a password, still"))
        .then(
            4,
            &waits(
                SubmitStep::WaitingForLogin,
                ErrorKind::ClusterUnavailable,
                "gone",
            ),
        )
        .then(5, &Fact::SubmitSent)
        .then(6, &lost())
        .then(7, &lost())
        .then(200, &untraced(198))
        .then(230, &untraced(228));
    assert_eq!(
        life.rows(),
        [
            "1 CREATED → CREATED (submitting) user: -",
            "2 CREATED → CREATED (waitingForLogin) local: asks for a password",
            "4 CREATED → CREATED (waitingForLogin) local: gone",
            "5 CREATED → CREATED (submitting) local: -",
            "6 CREATED → CREATED (submitting) local: the link dropped",
            "200 CREATED → CREATED (unconfirmed) local: no trace for 198 s",
        ]
    );
    assert!(life.attempt().untraced);
}

#[test]
fn a_lost_answer_that_is_found() {
    let mut life = Life::created();
    life.then(1, &ask(1))
        .then(1, &Fact::SubmitSent)
        .then(2, &lost());
    let found = Fact::Submitted {
        id: id(77),
        at: at(2),
        source: Source::Squeue,
        evidence: "77|PENDING".into(),
    };
    life.then(40, &found);
    assert_eq!(
        life.rows().last().unwrap(),
        "40 CREATED → PENDING (queued) squeue: 77|PENDING"
    );
    assert_eq!(life.job.error, None);
    assert_eq!(life.job.scheduler_id(), Some(&id(77)));
    // A second witness of the same is no news, and another id changes nothing.
    assert_eq!(life.job.apply(&found, at(50)), Ok(None));
    assert_eq!(life.job.apply(&accepted(78, 50), at(50)), Ok(None));
}

#[test]
fn a_lost_answer_that_is_not_found_keeps_its_token() {
    let mut life = Life::created();
    life.then(1, &ask(1))
        .then(1, &Fact::SubmitSent)
        .then(2, &lost())
        .then(200, &untraced(198));
    assert_eq!(
        (life.job.status(), life.job.phase()),
        (Status::Created, "unconfirmed")
    );
    // The person asks again: the same attempt, the same token, so that a first copy which starts
    // late stops itself; whatever fresh token the caller brings.
    life.then(300, &ask(2));
    assert_eq!(life.job.attempts.len(), 1);
    assert_eq!((life.attempt().n, &life.attempt().tag), (1, &tag(1)));
    assert_eq!(life.attempt().asked, at(1));
    assert!(life.attempt().untraced);
    life.then(300, &Fact::SubmitSent)
        .then(302, &accepted(5, 301));
    assert_eq!(life.job.status(), Status::Pending);
}

#[test]
fn a_first_copy_that_appears_late_is_taken() {
    let mut life = Life::created();
    life.then(1, &ask(1))
        .then(1, &Fact::SubmitSent)
        .then(2, &lost())
        .then(200, &untraced(198))
        .then(4000, &accepted(9, 3999));
    assert_eq!(life.job.scheduler_id(), Some(&id(9)));
    assert_eq!(life.job.phase(), "queued");
}

#[test]
fn cancelling_at_each_phase() {
    // Not submitted, and ended: nothing to cancel.
    let created = Life::created();
    assert_eq!(created.job.apply(&Fact::CancelAsked, at(5)), Ok(None));
    let mut ended = Life::running();
    ended.then(20, &look([queue("COMPLETED")]));
    assert_eq!(ended.job.apply(&Fact::CancelAsked, at(25)), Ok(None));

    // Asked for and not sent: the submission is withdrawn, and cannot be sent any more.
    let mut asked = Life::created();
    asked.then(1, &ask(1)).then(2, &Fact::CancelAsked);
    assert!(
        asked
            .refuses(&Fact::SubmitSent)
            .contains("cancelled before it was submitted")
    );
    asked.then(3, &withdrawn());
    assert_eq!(asked.job.state, JobState::Created);
    assert_eq!((asked.job.cancel_asked, &asked.job.error), (None, &None));
    asked.then(4, &ask(2));
    assert_eq!(asked.job.cancel_asked, None);

    // Sent: it may be on the cluster. It cannot be withdrawn, only rejected; once it is accepted
    // the cancellation is still asked for.
    let mut sent = Life::created();
    sent.then(1, &ask(1))
        .then(1, &Fact::SubmitSent)
        .then(2, &Fact::CancelAsked);
    assert!(sent.refuses(&withdrawn()).contains("has just been sent"));
    sent.then(3, &accepted(1, 3));
    assert_eq!(
        (sent.job.status(), sent.job.cancel_asked),
        (Status::Pending, Some(at(2)))
    );

    // No trace past the grace period: it may be given up.
    let mut unconfirmed = Life::created();
    unconfirmed
        .then(1, &ask(1))
        .then(1, &Fact::SubmitSent)
        .then(2, &lost())
        .then(200, &untraced(198))
        .then(300, &withdrawn());
    assert_eq!(unconfirmed.job.state, JobState::Created);

    // In the queue, and on its nodes: asked once, and the end says by whom.
    for mut life in [Life::pending(), Life::running()] {
        life.then(20, &Fact::CancelAsked)
            .then(21, &Fact::CancelAsked);
        assert_eq!(life.rows().len(), 1);
        assert_eq!(life.job.cancel_asked, Some(at(20)));
        life.then(30, &look([queue("CANCELLED by 1000")]));
        assert_eq!(*life.outcome(), Outcome::Cancelled { by: "you".into() });
        assert_eq!(life.job.cancel_asked, None);
    }
}

#[test]
fn a_cancellation_that_fails_is_over() {
    let failed = Fact::CancelFailed {
        error: error(ErrorKind::RemoteCommandFailed, "scancel: Access denied"),
    };
    let mut life = Life::running();
    life.then(20, &Fact::CancelAsked).then(30, &failed);
    assert_eq!(life.job.cancel_asked, None);
    assert_eq!(
        life.job.error.as_ref().unwrap().message,
        "scancel: Access denied"
    );
    // One that comes after the job's end concerns nobody.
    let mut life = Life::running();
    life.then(20, &Fact::CancelAsked)
        .then(25, &look([queue("COMPLETED")]));
    assert_eq!(life.job.apply(&failed, at(30)), Ok(None));
    assert_eq!(*life.outcome(), Outcome::Completed);
}

#[test]
fn each_attempt_keeps_what_came_of_it() {
    let mut life = Life::running();
    let mut first = queue("TIMEOUT");
    first.ended = Some(at(100));
    life.then(110, &look([first])).then(200, &ask(2));
    assert_eq!(
        (life.job.status(), life.job.phase()),
        (Status::Created, "submitting")
    );
    assert_eq!(life.job.attempts.len(), 2);
    let kept = life.job.attempts[0].clone();
    assert_eq!(
        (kept.n, &kept.id, kept.ended),
        (1, &Some(id(1)), Some(at(100)))
    );
    assert_eq!(
        kept.outcome,
        Some(Outcome::Failed {
            cause: Cause::TimeLimit
        })
    );

    // Refused, the job is again what the first attempt made of it.
    life.then(201, &rejected());
    assert_eq!(life.job.attempts, std::slice::from_ref(&kept));
    assert_eq!(
        (life.job.status(), life.job.ended()),
        (Status::Failed, Some(at(100)))
    );
    assert!(life.job.error.is_some());

    life.then(300, &ask(3))
        .then(300, &Fact::SubmitSent)
        .then(301, &accepted(2, 301));
    let mut runs = queue("RUNNING");
    runs.id = id(2);
    life.then(310, &look([runs]));
    assert_eq!(life.job.attempts[0], kept);
    assert_eq!((life.attempt().n, &life.attempt().tag), (2, &tag(3)));
    assert_eq!(life.job.status(), Status::Running);
}

#[test]
fn what_is_said_of_an_earlier_attempt_is_past() {
    let mut life = Life::running();
    life.then(20, &look([queue("FAILED")]))
        .then(30, &ask(2))
        .then(30, &Fact::SubmitSent)
        .then(31, &accepted(2, 31));
    life.rows();
    // The cluster was asked before the second attempt was there; id 1 is the first one.
    life.then(32, &look([queue("FAILED"), marker(1)]))
        .then(33, &look([queue("RUNNING")]));
    life.is_unmoved(&[]);
    assert_eq!(life.job.status(), Status::Pending);
}

#[test]
fn nothing_is_seen_of_what_was_not_accepted() {
    let mut life = Life::created();
    life.then(1, &look([queue("RUNNING")])).then(2, &absent([]));
    life.then(3, &ask(1)).then(3, &Fact::SubmitSent);
    life.rows();
    life.then(4, &look([queue("RUNNING")])).then(5, &absent([]));
    life.is_unmoved(&[]);
}
