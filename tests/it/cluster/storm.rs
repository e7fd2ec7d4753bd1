//! The fault suite: hundreds of submissions while the link, the program and Slurm's daemons fail,
//! counted afterwards in Slurm's own records. None may be lost, none may be there twice, and every
//! status told must be Slurm's.
//!
//! Faults are drawn by a seed; a failure prints it (`NAMDRUNNER_STORM_SEED` brings it back). The
//! tests stand beside each other, but for the one that stops daemons.

mod audit;
mod crew;
mod dice;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::crew::{Crew, Goal};
use self::dice::Dice;
use super::rig::{cluster_env, ctl, pause};
use super::tools::Moment;
use crate::cluster::proxy::{Fault, Proxy, Way};

/// Submissions that one run of the suite meets with a fault, by test: each test asserts its own.
const KILLED: usize = 6 * 20;
const CUT: usize = 10 * 20;
const LIED_TO: usize = 6 * 7;
const ABANDONED: usize = 20 * 5;

// What a run promises in all.
const _: () = assert!(KILLED + CUT + LIED_TO + ABANDONED >= 300);

/// Creates, submits, cancels, and sees everything to its end. False when the server died on the way.
fn life(crew: &mut Crew) -> bool {
    let made = crew.create();
    if !crew.hear(made) {
        return false;
    }
    let submitted = crew.submit();
    if !crew.hear(submitted) {
        return false;
    }
    let cancelled = crew.cancel(Goal::CancelEarly);
    crew.hear(cancelled) && crew.finish()
}

// --- the program dies ------------------------------------------------------------------------------

/// The names in `kill_point("…")` all over the source.
fn kill_points() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let calls = text.split("kill_point(\"").skip(1);
                found.extend(calls.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
    }
    found
}

/// Lives until the server dies at `point`, perhaps after deaths elsewhere that make work for it.
/// None when it is not passed on this way.
fn dead_at(point: &str, before: &[&str], passage: usize) -> Option<Crew> {
    let goals = [
        Goal::Complete,
        Goal::Fail,
        Goal::Cancel,
        Goal::CancelEarly,
        Goal::Delete,
        Goal::Complete,
    ];
    let mut crew = Crew::new(&goals, None);
    for earlier in before {
        crew.reopen(Some(earlier));
        assert!(!life(&mut crew), "{earlier} is passed");
    }
    crew.reopen(Some(&format!("{point}:{passage}")));
    // At its own end, too, the server does what is left to do.
    if life(&mut crew) && crew.leave() {
        return None;
    }
    Some(crew)
}

#[test]
#[ignore = "needs tests/run.sh"]
fn killed_at_every_point_that_the_source_names() {
    let mut dice = Dice::cast("killed at every point");
    let mut submissions = 0;
    let points = kill_points();
    for point in &points {
        // Some points are passed once a life, some only when an earlier death left work.
        let ways: [(&[&str], usize); 4] = [
            (&[], 1 + dice.below(3)),
            (&[], 1),
            (&["submit-sent"], 1),
            (&["create-uploaded"], 1),
        ];
        let crew = ways
            .iter()
            .find_map(|(before, passage)| dead_at(point, before, *passage));
        let mut crew = crew.unwrap_or_else(|| {
            panic!("the life of a crew does not pass the kill point {point}: add a way to it here")
        });
        crew.reopen(None);
        assert!(crew.finish(), "{point}: died again");
        submissions += crew.audit(point);
    }
    assert!(submissions >= KILLED, "{submissions} at {points:?}");
    println!(
        "{submissions} submissions, killed at {} points: none lost, none twice",
        points.len()
    );
}

// --- the link is cut -------------------------------------------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Create,
    Submit,
    Look,
    Cancel,
    Delete,
}

const STEPS: [Step; 5] = [
    Step::Create,
    Step::Submit,
    Step::Look,
    Step::Cancel,
    Step::Delete,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// At the first byte that leaves.
    AtOnce,
    /// Somewhere in what goes there, or in what comes back.
    Amid,
    /// While Slurm's command stands before its work.
    BeforeSlurm,
    /// When Slurm has answered and nobody knows yet.
    AfterSlurm,
}

impl Step {
    fn tool(self) -> Option<&'static str> {
        match self {
            Self::Create => None,
            Self::Submit => Some("sbatch"),
            Self::Look => Some("squeue"),
            Self::Cancel | Self::Delete => Some("scancel"),
        }
    }

    /// About how many bytes ten jobs move in this step, there and back.
    fn bytes(self, way: Way) -> usize {
        match (self, way) {
            (Self::Create, Way::There) => 120_000,
            (Self::Submit, Way::There) => 90_000,
            (Self::Look, Way::There) => 6000,
            (Self::Cancel, Way::There) => 8000,
            // (With the looks that wait for the ends.)
            (Self::Delete, Way::There) => 12_000,
            (_, Way::Back) => 4000,
        }
    }

    fn begin(self, crew: &mut Crew) -> crew::Asked {
        match self {
            Self::Create => crew.create(),
            Self::Submit => crew.submit(),
            Self::Look => crew.look(),
            Self::Cancel => crew.cancel(Goal::Cancel),
            Self::Delete => crew.delete(),
        }
    }
}

/// Ten jobs of all kinds, whose cluster is reached through a proxy. (The runtime carries it.)
fn ten_behind_a_proxy() -> (tokio::runtime::Runtime, Proxy, Crew) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let port = cluster_env("NRT_SSH_PORT").parse().unwrap();
    let proxy = runtime
        .block_on(Proxy::start(port, Duration::ZERO))
        .unwrap();
    let mut goals = [Goal::Complete; 10];
    goals[7..].fill(Goal::Cancel);
    goals[5..7].copy_from_slice(&[Goal::Delete, Goal::Fail]);
    goals[9] = Goal::Delete;
    let crew = Crew::new(&goals, Some(proxy.port()));
    (runtime, proxy, crew)
}

/// One life whose link meets a fault at one step.
fn with_a_fault_at(step: Step, when: When, dice: &mut Dice) -> usize {
    let (_runtime, proxy, mut crew) = ten_behind_a_proxy();
    let mut told = format!("{step:?}, {when:?}");
    for now in STEPS {
        // (What has not been sent yet would only be withdrawn.)
        if [Step::Cancel, Step::Delete].contains(&now) {
            crew.until_queued();
        }
        if now != step {
            let asked = now.begin(&mut crew);
            assert!(crew.hear(asked));
            continue;
        }
        // (Where there is no command to stand before, the middle of the bytes is as good.)
        let gate = match (when, step.tool()) {
            (When::BeforeSlurm, Some(tool)) => Some(crew.tools.shut(tool, Moment::Before)),
            (When::AfterSlurm, Some(tool)) => Some(crew.tools.shut(tool, Moment::After)),
            _ => None,
        };
        if when == When::AtOnce {
            proxy.arm(Way::There, 0, Fault::Cut);
        } else if gate.is_none() {
            let way = if when == When::AfterSlurm {
                Way::Back
            } else {
                dice.one(&[Way::There, Way::Back])
            };
            let bytes = dice.below(step.bytes(way));
            let fault = dice.one(&[Fault::Cut, Fault::Cut, Fault::HalfClose]);
            told = format!("{told}: {fault:?} after {bytes} bytes {way:?}");
            proxy.arm(way, bytes, fault);
        }
        let asked = now.begin(&mut crew);
        if let Some(gate) = gate {
            // (A look may be answered from memory; then the poller's next one is met.)
            assert!(gate.wait(Duration::from_secs(30)), "{told}: nobody came");
            proxy.cut();
            // The command may go on while the server comes back, or long after.
            pause(Duration::from_millis(dice.below(1500) as u64));
        }
        assert!(crew.hear(asked), "{told}");
        // What has not been met by now is met between this step and the next.
        if proxy.disarm() {
            proxy.cut();
        }
    }
    assert!(crew.finish(), "{told}");
    crew.audit(&told)
}

#[test]
#[ignore = "needs tests/run.sh"]
fn the_link_is_cut_before_during_and_after_every_step() {
    let mut dice = Dice::cast("the link is cut");
    let mut submissions = 0;
    for step in STEPS {
        for when in [
            When::AtOnce,
            When::Amid,
            When::BeforeSlurm,
            When::AfterSlurm,
        ] {
            submissions += with_a_fault_at(step, when, &mut dice);
        }
    }
    assert!(submissions >= CUT, "{submissions}");
    println!("{submissions} submissions over a link that breaks: none lost, none twice");
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_link_that_goes_silent_is_noticed_and_replaced() {
    let mut dice = Dice::cast("the link goes silent");
    let (_runtime, proxy, mut crew) = ten_behind_a_proxy();
    let made = crew.create();
    assert!(crew.hear(made));
    let way = dice.one(&[Way::There, Way::Back]);
    let bytes = dice.below(Step::Submit.bytes(way));
    proxy.arm(way, bytes, Fault::Stall);
    let told = format!("silence after {bytes} bytes {way:?}");
    let submitted = crew.submit();
    assert!(crew.hear(submitted), "{told}");
    assert!(crew.finish(), "{told}");
    assert_eq!(crew.audit(&told), 10);
}

// --- sbatch lies -----------------------------------------------------------------------------------

#[test]
#[ignore = "needs tests/run.sh"]
fn sbatch_says_one_thing_and_has_done_another() {
    const TIMED_OUT: &str = "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; false";
    let lies = [
        (
            "accepted, and says timed out",
            format!("$real \"$@\" >/dev/null; {TIMED_OUT}"),
        ),
        ("says timed out, and was", TIMED_OUT.to_owned()),
        (
            "accepted, then killed",
            "$real \"$@\" >/dev/null; kill -9 $$".to_owned(),
        ),
        ("killed before it asked", "kill -9 $$".to_owned()),
        (
            "accepted, among noise",
            "echo 'Loading slurm/22.05'; $real \"$@\"; echo bye".to_owned(),
        ),
        (
            "accepted, with an exit code",
            "$real \"$@\"; (exit 1)".to_owned(),
        ),
        (
            "accepted, and says nothing",
            "$real \"$@\" >/dev/null".to_owned(),
        ),
    ];
    let mut submissions = 0;
    for (what, lines) in lies {
        let mut goals = [Goal::Complete; 6];
        goals[3..].copy_from_slice(&[Goal::Fail, Goal::Cancel, Goal::CancelEarly]);
        let mut crew = Crew::new(&goals, None);
        let made = crew.create();
        assert!(crew.hear(made), "{what}");
        crew.tools.instead("sbatch", &lines);
        let submitted = crew.submit();
        assert!(crew.hear(submitted), "{what}");
        let cancelled = crew.cancel(Goal::CancelEarly);
        assert!(crew.hear(cancelled), "{what}");
        // Every submission meets the lie once; a person's second try meets an honest sbatch.
        let deadline = Instant::now() + Duration::from_mins(2);
        while crew.tools.calls("sbatch") < goals.len() - 1 {
            let calls = crew.tools.calls("sbatch");
            assert!(Instant::now() < deadline, "{what}: {calls} calls of sbatch");
            let look = crew.look();
            assert!(crew.hear(look), "{what}");
            pause(Duration::from_millis(100));
        }
        crew.tools.heal();
        assert!(crew.finish(), "{what}");
        submissions += crew.audit(what);
    }
    assert!(submissions >= LIED_TO, "{submissions}");
    println!("{submissions} submissions to an sbatch that lies: none lost, none twice");
}

// --- the daemons come and go ----------------------------------------------------------------------

/// Stops and starts daemons until it is told to stop; everything runs again then.
///
/// slurmctld is only asked to stop, never killed: Slurm itself loses jobs it has not saved yet, and
/// gives their ids to others.
fn disturb(mut dice: Dice, enough: &AtomicBool) -> Vec<String> {
    let mut done = Vec::new();
    let nap = |dice: &mut Dice, most: usize| {
        pause(Duration::from_millis(200 + dice.below(most) as u64));
    };
    while !enough.load(Ordering::SeqCst) && done.len() < 5 {
        nap(&mut dice, 800);
        let (what, daemon) = dice.one(&[
            ("stop", "slurmctld"),
            ("freeze", "slurmctld"),
            ("stop", "slurmdbd"),
            ("kill", "slurmdbd"),
            ("stop", "sshd"),
            ("sessions-kill", ""),
            ("sshd-kill", ""),
        ]);
        done.push(format!("{what} {daemon}"));
        match what {
            "sessions-kill" => drop(ctl(&[what])),
            "sshd-kill" => {
                ctl(&[what]);
                nap(&mut dice, 2000);
                ctl(&["start", "sshd"]);
            }
            "freeze" => {
                ctl(&[what, daemon]);
                nap(&mut dice, 3000);
                ctl(&["thaw", daemon]);
            }
            _ => {
                ctl(&[what, daemon]);
                nap(&mut dice, 2000);
                ctl(&["start", daemon]);
            }
        }
    }
    done
}

#[test]
#[ignore = "needs tests/run.sh"]
fn daemons_stop_and_start_while_jobs_come_and_go() {
    let mut dice = Dice::cast("daemons stop and start");
    let mut submissions = 0;
    for round in 0..5 {
        let mut goals = [Goal::Complete; 20];
        goals[14..].fill(Goal::Cancel);
        goals[10..14].fill(Goal::Fail);
        goals[18..].fill(Goal::CancelEarly);
        let mut crew = Crew::new(&goals, None);
        let enough = AtomicBool::new(false);
        let gremlin = dice.child();
        let (alive, done) = std::thread::scope(|scope| {
            let disturbing = scope.spawn(|| disturb(gremlin, &enough));
            let alive = life(&mut crew);
            enough.store(true, Ordering::SeqCst);
            (alive, disturbing.join().unwrap())
        });
        let told = format!("round {round}: {}", done.join(", "));
        assert!(alive, "{told}");
        submissions += crew.audit(&told);
        println!("{told}");
    }
    assert!(submissions >= ABANDONED, "{submissions}");
    println!("{submissions} submissions while daemons come and go: none lost, none twice");
}
