//! Arrays: the job follows its members, and each member lives as a job would.

use proptest::prelude::*;

use super::any_life::any_report;
use super::*;
use crate::job::members::{Member, MemberState};
use crate::scheduler::{Array, MemberSet, MembersSeen};

/// An array in the queue as number 1 since second 2.
fn array(members: &str) -> Life {
    let mut life = Life::created();
    life.job.spec.array = Some(Array::parse(members).unwrap());
    life.then(1, &ask(1))
        .then(1, &Fact::SubmitSent)
        .then(2, &accepted(1, 2));
    life.rows.clear();
    life
}

fn told(members: &str, reports: impl Into<Vec<Report>>) -> MembersSeen {
    MembersSeen {
        id: id(1),
        members: MemberSet::parse(members).unwrap(),
        reports: reports.into(),
        absent: false,
        unrecorded: false,
    }
}

/// A whole answer of the queue lacks these members, and of the records too if `unrecorded`.
fn missing(members: &str, unrecorded: bool, reports: impl Into<Vec<Report>>) -> MembersSeen {
    MembersSeen {
        absent: true,
        unrecorded,
        ..told(members, reports)
    }
}

fn seen(members: impl Into<Vec<MembersSeen>>) -> Fact {
    Fact::MembersSeen {
        seen: members.into(),
        rule: AbsenceRule::default(),
    }
}

fn started(seconds: i64) -> Report {
    Report {
        started: Some(at(seconds)),
        nodes: Some("c1".into()),
        ..queue("RUNNING")
    }
}

fn ended(source: Source, word: &str, seconds: i64, code: i32) -> Report {
    Report {
        started: Some(at(seconds - 5)),
        ended: Some(at(seconds)),
        nodes: Some("c1".into()),
        exit: (source == Source::Sacct).then_some(Exit { code, signal: 0 }),
        ..said(source, word)
    }
}

/// How the members stand: pending, running, completed, failed, cancelled, unknown.
fn counts(life: &Life) -> [u32; 6] {
    let counts = life.job.member_counts().unwrap();
    let each = [
        counts.pending,
        counts.running,
        counts.completed,
        counts.failed,
        counts.cancelled,
        counts.unknown,
    ];
    assert_eq!(each.iter().sum::<u32>(), counts.total);
    each
}

fn member(life: &Life, number: u32) -> Member {
    life.job.members.get(number)
}

#[test]
fn the_usual_life_of_an_array() {
    let mut life = array("0-3%2");
    assert_eq!(counts(&life), [4, 0, 0, 0, 0, 0]);
    life.then(10, &seen([told("0-3", [queue("PENDING")])]))
        .then(
            20,
            &seen([told("0-1", [started(15)]), told("2-3", [queue("PENDING")])]),
        );
    assert_eq!(counts(&life), [2, 2, 0, 0, 0, 0]);
    assert_eq!(life.job.status(), Status::Running);
    // What waits needs no entry.
    assert_eq!(life.job.members.0.len(), 2);
    life.then(
        30,
        &seen([
            told(
                "0",
                [
                    ended(Source::Squeue, "COMPLETED", 25, 0),
                    ended(Source::Sacct, "COMPLETED", 25, 0),
                ],
            ),
            told("1", [ended(Source::Squeue, "COMPLETED", 26, 0)]),
            told("2-3", [queue("PENDING")]),
        ]),
    );
    assert_eq!(
        (life.job.status(), life.job.phase()),
        (Status::Running, "queued")
    );
    life.then(40, &seen([told("2-3", [started(35)])])).then(
        60,
        &seen([
            told("2", [ended(Source::Squeue, "COMPLETED", 50, 0)]),
            told(
                "3",
                [
                    ended(Source::Squeue, "COMPLETED", 58, 0),
                    ended(Source::Sacct, "COMPLETED", 58, 0),
                ],
            ),
        ]),
    );
    assert_eq!(
        life.rows(),
        [
            "10 PENDING → PENDING (queued) squeue: 0 of 4 members over",
            "20 PENDING → RUNNING (running) squeue: 0 of 4 members over · 0 PENDING → RUNNING: 1|RUNNING · 1 PENDING → RUNNING: 1|RUNNING",
            "30 RUNNING → RUNNING (queued) squeue: 2 of 4 members over · 0 RUNNING → COMPLETED: 1|COMPLETED · 1 RUNNING → COMPLETED: 1|COMPLETED",
            "40 RUNNING → RUNNING (running) squeue: 2 of 4 members over · 2 PENDING → RUNNING: 1|RUNNING · 3 PENDING → RUNNING: 1|RUNNING",
            "60 RUNNING → COMPLETED (settled) squeue: 4 of 4 members over · 2 RUNNING → COMPLETED: 1|COMPLETED · 3 RUNNING → COMPLETED: 1|COMPLETED",
        ]
    );
    assert_eq!(life.job.ended(), Some(at(58)));
    assert_eq!(life.attempt().started, Some(at(20)), "the earliest of all");
    assert_eq!(life.attempt().exit, Some(Exit { code: 0, signal: 0 }));
    assert_eq!(counts(&life), [0, 0, 4, 0, 0, 0]);
}

#[test]
fn the_end_of_an_array_is_the_worst_of_its_members_ends() {
    for (words, status) in [
        (["COMPLETED", "COMPLETED", "COMPLETED"], Status::Completed),
        (["COMPLETED", "FAILED", "COMPLETED"], Status::Failed),
        (["COMPLETED", "CANCELLED", "COMPLETED"], Status::Cancelled),
        (["CANCELLED", "TIMEOUT", "COMPLETED"], Status::Failed),
        (["COMPLETED", "COMPLETED", "-"], Status::Unknown),
        (["CANCELLED", "COMPLETED", "-"], Status::Unknown),
        (["OUT_OF_MEMORY", "COMPLETED", "-"], Status::Failed),
    ] {
        let mut life = array("0-2");
        life.then(10, &seen([told("0-2", [started(9)])]));
        for n in 0..3 {
            let one = |(number, word): (usize, &&str)| match *word {
                "-" => missing(&number.to_string(), false, []),
                word => told(&number.to_string(), [ended(Source::Squeue, word, 30, 1)]),
            };
            let all: Vec<_> = words.iter().enumerate().map(one).collect();
            life.then(20 + 1000 * n, &seen(all));
        }
        assert_eq!(life.job.status(), status, "{words:?}");
    }
}

#[test]
fn one_failed_member_fails_the_job_and_the_others_finish() {
    let mut life = array("0-2");
    life.then(10, &seen([told("0-2", [started(9)])]));
    let failed = [
        ended(Source::Squeue, "FAILED", 20, 3),
        ended(Source::Sacct, "FAILED", 20, 3),
    ];
    life.then(21, &seen([told("1", failed), told("0,2", [started(9)])]));
    assert_eq!(life.job.status(), Status::Running, "the others go on");
    assert_eq!(counts(&life), [0, 2, 0, 1, 0, 0]);
    let done = [ended(Source::Squeue, "COMPLETED", 40, 0)];
    life.then(41, &seen([told("0,2", done)]));
    assert_eq!(counts(&life), [0, 0, 2, 1, 0, 0]);
    let Outcome::Failed {
        cause:
            Cause::Members {
                failed,
                of,
                first,
                reason,
            },
    } = life.outcome()
    else {
        panic!("{:?}", life.outcome());
    };
    assert_eq!((*failed, *of, *first), (1, 3, 1));
    assert_eq!(
        **reason,
        Cause::ExitCode {
            code: Some(3),
            signal: None
        }
    );
    assert_eq!(life.attempt().exit.map(|exit| exit.code), Some(3));
}

#[test]
fn members_are_cancelled_one_by_one() {
    let mut life = array("0-5");
    let ask = |members: &str| Fact::CancelMembersAsked {
        members: MemberSet::parse(members).unwrap(),
    };
    life.then(
        10,
        &seen([told("0-1", [started(9)]), told("2-5", [queue("PENDING")])]),
    )
    .then(11, &ask("1,4-5"))
    .then(11, &ask("1,4-5"));
    life.rows.drain(..1);
    assert_eq!(
        life.rows(),
        ["11 RUNNING → RUNNING (running) user: cancel asked for members 1,4-5"],
        "asked again is no news"
    );
    assert_eq!(member(&life, 4).cancel_asked, Some(at(11)));
    // The one that ran leaves a row. Of those that waited Slurm keeps nothing; three answers prove it.
    let look = || {
        seen([
            told("0", [started(9)]),
            told("1", [ended(Source::Squeue, "CANCELLED", 13, 0)]),
            told("2-3", [queue("PENDING")]),
            missing("4-5", true, []),
        ])
    };
    life.then(14, &look()).then(15, &look());
    assert_eq!(counts(&life), [4, 1, 0, 0, 1, 0]);
    assert!(member(&life, 4).absence.is_some());
    life.then(16, &look());
    assert_eq!(counts(&life), [2, 1, 0, 0, 3, 0]);
    for number in [1, 4, 5] {
        let MemberState::Ended { outcome, .. } = member(&life, number).state else {
            panic!("{:?}", member(&life, number));
        };
        assert_eq!(outcome, Outcome::Cancelled { by: "you".into() }, "{number}");
    }
    // Where there is no accounting the queue is enough: what was asked for has happened.
    life.then(17, &ask("2"));
    for second in 18..21 {
        let queue = [told("0", [started(9)]), told("3", [queue("PENDING")])];
        life.then(
            second,
            &seen([&queue[..], &[missing("2", false, [])]].concat()),
        );
    }
    assert_eq!(counts(&life), [1, 1, 0, 0, 4, 0]);
    assert_eq!(life.job.status(), Status::Running);
    let done = [ended(Source::Squeue, "COMPLETED", 40, 0)];
    life.then(41, &seen([told("0,3", done)]));
    assert_eq!(*life.outcome(), Outcome::Cancelled { by: "you".into() });
    // Nothing to cancel any more.
    life.rows.clear();
    life.then(50, &ask("0")).is_unmoved(&[]);
}

#[test]
fn an_array_cancelled_before_it_ran_is_cancelled() {
    let mut life = array("0-3");
    life.then(5, &Fact::CancelAsked);
    let by = Report {
        ended: Some(at(7)),
        ..record("CANCELLED by 1000")
    };
    let queue = Report {
        ended: Some(at(7)),
        ..queue("CANCELLED")
    };
    life.then(8, &seen([told("0-3", [queue, by])]));
    assert_eq!(*life.outcome(), Outcome::Cancelled { by: "you".into() });
    assert_eq!(counts(&life), [0, 0, 0, 0, 4, 0]);
    assert_eq!(
        (life.attempt().started, life.job.cancel_asked),
        (None, None)
    );
}

#[test]
fn members_somebody_cancelled_while_they_waited_are_cancelled_by_the_rule() {
    let mut life = array("0-3");
    let look = || seen([told("0-2", [queue("PENDING")]), missing("3", true, [])]);
    for n in 0..4 {
        life.then(10 + 30 * n, &look());
    }
    assert_eq!(
        counts(&life),
        [4, 0, 0, 0, 0, 0],
        "not before the rule's time"
    );
    life.then(10 + 600, &look());
    assert_eq!(counts(&life), [3, 0, 0, 0, 1, 0]);
    let MemberState::Ended { outcome, .. } = member(&life, 3).state else {
        panic!();
    };
    assert_eq!(
        outcome,
        Outcome::Cancelled {
            by: "somebody else".into()
        }
    );
    // One that may have run is not called cancelled: nobody knows.
    let mut life = array("0-3");
    life.then(5, &seen([told("0-3", [started(4)])]));
    for n in 0..4 {
        life.then(
            10 + 300 * n,
            &seen([told("0-2", [started(4)]), missing("3", true, [])]),
        );
    }
    assert_eq!(counts(&life), [0, 3, 0, 0, 0, 1]);
    // Nor is anything concluded where the accounting is silent.
    let mut life = array("0-3");
    for n in 0..4 {
        life.then(
            10 + 300 * n,
            &seen([told("0-2", [queue("PENDING")]), missing("3", false, [])]),
        );
    }
    assert_eq!(counts(&life), [3, 0, 0, 0, 0, 1]);
}

#[test]
fn a_record_of_those_that_waited_says_nothing_of_one_that_ran() {
    let mut life = array("0-3");
    life.then(
        5,
        &seen([told("0", [started(4)]), told("1-3", [queue("PENDING")])]),
    );
    let shared = Report {
        ended: Some(at(9)),
        ..record("CANCELLED by 1000")
    };
    life.then(10, &seen([missing("0-3", false, [shared])]));
    assert_eq!(counts(&life), [0, 1, 0, 0, 3, 0]);
    assert_eq!(life.job.phase(), "unconfirmed");
}

#[test]
fn a_requeued_member_lives_again_and_so_does_the_job() {
    let mut life = array("0-1");
    life.then(10, &seen([told("0-1", [started(9)])]));
    let done = ended(Source::Squeue, "COMPLETED", 20, 0);
    life.then(21, &seen([told("0-1", [done])]));
    assert_eq!(life.job.status(), Status::Completed);
    life.then(30, &seen([told("1", [queue("PENDING")])]));
    assert_eq!(life.job.status(), Status::Running);
    assert_eq!(counts(&life), [1, 0, 1, 0, 0, 0]);
    assert_eq!(
        (life.attempt().outcome.clone(), life.attempt().ended),
        (None, None)
    );
    let again = Report {
        restarts: Some(1),
        ..ended(Source::Sacct, "COMPLETED", 50, 0)
    };
    life.then(40, &seen([told("1", [started(39)])]))
        .then(51, &seen([missing("1", false, [again])]));
    assert_eq!(life.job.status(), Status::Completed);
    assert_eq!((member(&life, 1).restarts, life.attempt().restarts), (1, 1));
}

#[test]
fn an_array_is_held_when_all_that_waits_is() {
    let held = || Report {
        state: Seen::Waiting {
            held: true,
            requeued: false,
        },
        reason: Some("JobHeldUser".into()),
        ..queue("PENDING")
    };
    let mut life = array("0-3");
    life.then(10, &seen([told("0-3", [held()])]));
    assert_eq!(
        (life.job.phase(), life.attempt().reason.as_deref()),
        ("held", Some("JobHeldUser"))
    );
    life.then(
        20,
        &seen([told("0,2-3", [held()]), told("1", [queue("PENDING")])]),
    );
    assert_eq!(life.job.phase(), "queued");
}

#[test]
fn an_array_that_is_nowhere_is_unconfirmed_and_then_unknown() {
    let mut life = array("0-2");
    life.then(10, &seen([told("0-2", [started(9)])]))
        .then(20, &seen([missing("0-2", true, [])]));
    assert_eq!(
        (life.job.status(), life.job.phase()),
        (Status::Running, "unconfirmed")
    );
    life.then(
        30,
        &seen([missing("0-1", true, []), told("2", [started(9)])]),
    );
    assert_eq!(life.job.phase(), "running", "one of them is there");
    for n in 0..3 {
        life.then(40 + 600 * n, &seen([missing("0-2", true, [])]));
    }
    assert_eq!(life.job.status(), Status::Unknown);
    // A later sighting reopens it.
    life.then(2000, &seen([told("1", [started(9)])]));
    assert_eq!(
        (life.job.status(), counts(&life)),
        (Status::Running, [0, 1, 0, 0, 0, 2])
    );
}

#[test]
fn a_new_attempt_begins_with_all_members_and_the_old_one_keeps_its_counts() {
    let mut life = array("0-2");
    life.then(
        10,
        &seen([told("0-2", [ended(Source::Squeue, "FAILED", 9, 1)])]),
    )
    .then(20, &ask(2));
    let none = life.job.member_counts().unwrap();
    assert_eq!(
        (none.total, none.open(), none.ended()),
        (3, 0, 0),
        "not in the queue"
    );
    life.then(21, &Fact::SubmitSent);
    // What the cluster said of the first attempt meanwhile is about the past.
    life.rows.clear();
    life.then(22, &seen([told("0-2", [started(21)])]))
        .is_unmoved(&[]);
    life.then(23, &accepted(2, 23));
    assert_eq!(counts(&life), [3, 0, 0, 0, 0, 0]);
    assert_eq!(life.job.attempts[0].members.unwrap().failed, 3);
    // Refused: the job is again as the first attempt left it.
    let mut life = array("0-2");
    life.then(
        10,
        &seen([told("0-2", [ended(Source::Squeue, "FAILED", 9, 1)])]),
    )
    .then(20, &ask(2))
    .then(21, &Fact::SubmitSent)
    .then(22, &rejected());
    assert_eq!(
        (life.job.status(), counts(&life)),
        (Status::Failed, [0, 0, 0, 3, 0, 0])
    );
}

#[test]
fn ends_that_nobody_witnessed_are_corrected_member_by_member() {
    let rule = AbsenceRule {
        answers: 1,
        seconds: 0,
    };
    let gone = |members: &str| Fact::MembersSeen {
        seen: vec![missing(members, false, [])],
        rule,
    };
    let mut life = array("0-2");
    life.then(
        10,
        &seen([told("0-1", [started(9)]), told("2", [queue("PENDING")])]),
    )
    .then(20, &gone("0-1"));
    assert_eq!(counts(&life), [1, 0, 0, 0, 0, 2]);
    assert_eq!(life.job.status(), Status::Running);
    let doubtful = |life: &Life, since| {
        let doubtful = life.job.members.doubtful(at(since));
        doubtful.map(|(members, last)| (members.to_string(), last))
    };
    assert_eq!(doubtful(&life, 0), Some(("0-1".to_owned(), at(20))));
    assert_eq!(doubtful(&life, 21), None);
    // A record comes late, while another member lives.
    life.then(
        30,
        &seen([told("0", [ended(Source::Sacct, "COMPLETED", 15, 0)])]),
    );
    assert_eq!(counts(&life), [1, 0, 1, 0, 0, 1]);
    life.then(40, &gone("2"));
    assert_eq!(life.job.status(), Status::Unknown);
    // No news is none.
    life.rows.clear();
    life.then(50, &gone("1-2")).is_unmoved(&[]);
    // The other records, when all is over: one of a member that never had a node.
    life.then(
        60,
        &seen([
            told("1", [ended(Source::Sacct, "COMPLETED", 18, 0)]),
            missing("2", false, [said(Source::Sacct, "CANCELLED by 0")]),
        ]),
    );
    assert_eq!(counts(&life), [0, 0, 2, 0, 1, 0]);
    assert_eq!(life.job.status(), Status::Cancelled);
    assert_eq!(doubtful(&life, 0), None);
}

#[test]
fn ten_thousand_members_take_one_look_lightly() {
    let mut life = array("0-9999");
    life.then(10, &seen([told("0-9999", [queue("PENDING")])]));
    assert!(life.job.members.0.is_empty());
    let begun = std::time::Instant::now();
    life.then(
        20,
        &seen([
            told("0-4999", [ended(Source::Squeue, "COMPLETED", 19, 0)]),
            told("5000-9999", [queue("PENDING")]),
        ]),
    );
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert_eq!(counts(&life), [5000, 0, 5000, 0, 0, 0]);
    let row = life.rows().pop().unwrap();
    assert!(row.ends_with("and 4997 more") && row.len() < 300, "{row}");
    let document = serde_json::to_string(&life.job).unwrap();
    assert!(
        document.len() < 3000,
        "members are no part of it: {document}"
    );
}

/// What looks say of five members: of some of them the same, of each at most once.
fn any_look() -> impl Strategy<Value = Vec<MembersSeen>> {
    let one = (
        proptest::collection::vec(any_report(), 0..3),
        proptest::bool::weighted(0.3),
        0_usize..4,
    );
    proptest::collection::vec(one, 5).prop_map(|each| {
        let told = |(n, (reports, absent, spoken)): (usize, (Vec<Report>, bool, usize))| {
            let mut sources = Vec::new();
            let reports: Vec<Report> = reports
                .into_iter()
                .map(|report| Report {
                    id: id(1),
                    ..report
                })
                .filter(|report| {
                    let first = !sources.contains(&report.source);
                    sources.push(report.source);
                    // Of members that never ran, which is told apart: see `about`.
                    let shared = report.source == Source::Sacct
                        && report.started.is_none()
                        && report.nodes.is_none();
                    first && !shared
                })
                .collect();
            let silent = spoken == 0 || (reports.is_empty() && !absent);
            (!silent).then(|| MembersSeen {
                absent: absent && reports.iter().all(|r| r.source != Source::Squeue),
                ..told(&n.to_string(), reports)
            })
        };
        each.into_iter().enumerate().filter_map(told).collect()
    })
}

/// The job's status by the table, from its members' alone.
fn by_the_table(life: &Life) -> Status {
    let members: Vec<Member> = (0..5).map(|n| member(life, n)).collect();
    let some = |status: Status| members.iter().any(|member| member.status() == status);
    let ran = members.iter().any(|member| match member.state {
        MemberState::Pending { .. } => false,
        MemberState::Running { .. } => true,
        MemberState::Ended { .. } => member.started.is_some(),
    });
    if some(Status::Pending) || some(Status::Running) {
        return if ran {
            Status::Running
        } else {
            Status::Pending
        };
    }
    [Status::Failed, Status::Unknown, Status::Cancelled]
        .into_iter()
        .find(|status| some(*status))
        .unwrap_or(Status::Completed)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn each_member_lives_as_a_job_would_and_the_job_follows(
        looks in proptest::collection::vec((any_look(), 0_i64..400), 1..25),
        cancelled in 0_usize..40,
    ) {
        let mut life = array("0-4");
        let mut alone: Vec<Life> = (0..5).map(|_| Life::pending()).collect();
        let mut now = 10;
        for (n, (told, passed)) in looks.into_iter().enumerate() {
            now += passed;
            if n == cancelled {
                life.then(now, &Fact::CancelAsked);
            }
            for one in &told {
                let number = one.members.first().unwrap() as usize;
                let fact = Fact::Seen {
                    reports: one.reports.clone(),
                    absent: one.absent,
                    rule: AbsenceRule::default(),
                };
                alone[number].then(now, &fact);
            }
            let fact = seen(told.clone());
            life.then(now, &fact);
            for (number, one) in alone.iter().enumerate() {
                let known = member(&life, u32::try_from(number).unwrap());
                // (Once all were asked to end, more is known of members than of a job.)
                if n < cancelled {
                    prop_assert_eq!(known.status(), one.job.status(), "{} {:?}", number, known);
                    prop_assert_eq!(&known.absence, &one.job.absence);
                }
                let json = serde_json::to_string(&known).unwrap();
                prop_assert_eq!(serde_json::from_str::<Member>(&json).unwrap(), known);
            }
            counts(&life);
            prop_assert_eq!(life.job.status(), by_the_table(&life));
            prop_assert_eq!(life.job.attempts[0].outcome.is_some(), life.job.status().is_terminal());
            // The same again is no news, unless answers are counted.
            let counted = told.iter().any(|one| {
                one.absent || one.reports.iter().any(|r| r.word == "PREEMPTED")
            });
            if !counted {
                prop_assert_eq!(life.job.apply(&fact, at(now)).unwrap(), None);
            }
        }
    }
}
