//! What Slurm itself tells, from real text: squeue and sacct rows through the reader and the
//! transition table, sbatch's and other programs' own words.

use jiff::Timestamp;

use super::case_tests::{at, job, read};
use super::{Cause, Diagnosis, Disk, Edit, Witnesses, diagnose};
use crate::error::ErrorKind;
use crate::job::state::{AbsenceRule, Fact};
use crate::job::{ErrorInfo, Job, JobState};
use crate::namd::{LogReader, StepPlan};
use crate::scheduler::slurm::Slurm;
use crate::scheduler::{RunPhase, Scheduler as _, SchedulerId, Watch, Watched};
use crate::shell::Output;

fn running() -> Job {
    job(
        "eq.namd",
        JobState::Running {
            id: SchedulerId::whole(1018),
            submitted: at(-10),
            started: at(0),
            run: RunPhase::Running,
        },
    )
}

/// The job after a look in which squeue and sacct printed these rows; `{dir}` is its directory.
fn seen(job: &Job, squeue: &[&str], sacct: &[&str]) -> Job {
    seen_by(job, squeue, sacct, AbsenceRule::default())
}

/// The same, by another rule for absence.
fn seen_by(job: &Job, squeue: &[&str], sacct: &[&str], rule: AbsenceRule) -> Job {
    let attempt = job.attempt().unwrap();
    let dir = crate::job::layout::work_dir(job, 1).unwrap();
    let watch = Watch {
        jobs: vec![Watched {
            id: attempt.id.clone().unwrap(),
            work_dir: dir.clone(),
            tag: attempt.tag.clone(),
            submitted: attempt.submitted.unwrap(),
            settled: false,
            open: None,
        }],
        slurm_setup: Vec::new(),
        nonce: "n1".into(),
    };
    let part = |name: &str, rows: &[&str]| {
        let n = rows.len();
        let mut lines = String::new();
        for row in rows {
            lines.push('|');
            lines.push_str(&row.replace("{dir}", dir.as_str()));
            lines.push('\n');
        }
        format!(
            "@namdrunner n1 begin {name}\n{lines}@namdrunner n1 end {name} rc=0 rows={n} odd=0 ours={n} lines={n} err=\n"
        )
    };
    let text = part("squeue -", squeue) + &part("sacct -", sacct) + &part("markers", &[]);
    let query = Slurm.parse_query(
        &watch,
        &Output {
            stdout: text.into_bytes(),
            ..Output::default()
        },
    );
    assert!(query.squeue.is_ok(), "{query:?}");
    let fact = Fact::Seen {
        absent: squeue.is_empty(),
        reports: query.reports,
        rule,
    };
    let change = job.apply(&fact, at(4000)).unwrap().expect("news");
    change.job
}

fn judged(job: &Job, log: &str, output: &str, now: Timestamp) -> Option<Diagnosis> {
    let (log, output) = (read(log.as_bytes()), read(output.as_bytes()));
    diagnose(&Witnesses {
        job,
        log: Some(log.report()),
        log_name: "eq.log",
        output: Some(output.report()),
        config: None,
        plan: StepPlan {
            total_steps: Some(1_000_000),
            segments: Some(1),
        },
        disk: Disk::default(),
        grew: None,
        now,
    })
}

/// squeue's row (fields `%i|%T|%l|%S|%e|%V|%P|%N|%r|%k|%Z`) of a job in a state for a reason.
fn row(state: &str, reason: &str) -> String {
    format!(
        "1018|{state}|1:00:00|2027-01-15T08:00:00|2027-01-15T09:00:00|2027-01-15T07:59:50|main|c1|{reason}|namdrunner:token000001|{{dir}}"
    )
}

#[test]
fn each_of_slurms_ends_is_a_cause_of_its_own() {
    let cases = [
        ("TIMEOUT", "TimeLimit", Cause::TimeLimit),
        ("OUT_OF_MEMORY", "OutOfMemory", Cause::OutOfMemory),
        ("NODE_FAIL", "NodeDown", Cause::NodeFailure),
        ("BOOT_FAIL", "NodeDown", Cause::BootFailure),
        ("DEADLINE", "DeadLine", Cause::Deadline),
        ("REVOKED", "None", Cause::Revoked),
        ("CANCELLED", "None", Cause::CancelledByOther),
        ("FAILED", "NonZeroExitCode", Cause::Unknown),
    ];
    for (state, reason, cause) in cases {
        let job = seen(&running(), &[&row(state, reason)], &[]);
        let diagnosis = judged(&job, "", "", at(4000)).unwrap();
        assert_eq!(diagnosis.cause, cause, "{state}: {diagnosis:#?}");
        assert!(
            diagnosis
                .evidence
                .iter()
                .any(|piece| piece.text.contains(state))
        );
    }
}

#[test]
fn a_preempted_job_that_stays_away_is_told_from_one_that_failed() {
    // It is usually put back under its id: only its staying away is an end.
    let record = "1018|PREEMPTED|0:0|0:0|2027-01-15T07:59:50|2027-01-15T08:00:00|2027-01-15T08:30:00|00:30:00|60|main|c1||4G|{dir}";
    let rule = AbsenceRule {
        answers: 1,
        seconds: 0,
    };
    let job = seen_by(&running(), &[], &[record], rule);
    let diagnosis = judged(&job, THIRD, "", at(4000)).unwrap();
    assert_eq!(diagnosis.cause, Cause::Preempted, "{diagnosis:#?}");
    let of_slurm = diagnosis.evidence.iter();
    assert!(
        of_slurm
            .clone()
            .any(|piece| piece.text.contains("PREEMPTED"))
    );
    // How to go on is told: it was at a third.
    let advice = diagnosis.advice.iter();
    assert!(
        advice.clone().any(|advice| advice.text.contains("240000")),
        "{diagnosis:#?}"
    );
    // Where Slurm's own end says less, what slurmstepd wrote into the output says it.
    let record = "1018|FAILED|0:15|0:0|2027-01-15T07:59:50|2027-01-15T08:00:00|2027-01-15T08:30:00|00:30:00|60|main|c1||4G|{dir}";
    let job = seen(&running(), &[], &[record]);
    let output = "slurmstepd: error: *** JOB 1018 ON c1 CANCELLED AT 2027-01-15T08:30:00 DUE TO PREEMPTION ***\n";
    let diagnosis = judged(&job, "", output, at(4000)).unwrap();
    assert_eq!(diagnosis.cause, Cause::Preempted, "{diagnosis:#?}");
}

#[test]
fn who_cancelled_is_told() {
    let record = "1018|CANCELLED by 1002|0:0|0:0|2027-01-15T07:59:50|2027-01-15T08:00:00|2027-01-15T08:30:00|00:30:00|60|main|c1||4G|{dir}";
    let job = seen(&running(), &[], &[record]);
    let diagnosis = judged(&job, "", "", at(4000)).unwrap();
    assert_eq!(diagnosis.cause, Cause::CancelledByOther);
    assert!(diagnosis.summary.contains("1002"), "{}", diagnosis.summary);
    let by_root = record.replace("by 1002", "by 0");
    let job = seen(&running(), &[], &[&by_root]);
    assert_eq!(
        judged(&job, "", "", at(4000)).unwrap().cause,
        Cause::CancelledBySystem
    );
    let mut mine = running();
    mine.cancel_asked = Some(at(100));
    let job = seen(&mine, &[&row("CANCELLED", "None")], &[]);
    assert_eq!(
        judged(&job, "", "", at(4000)).unwrap().cause,
        Cause::CancelledByYou
    );
}

/// A log that was at a third when the limit came.
const THIRD: &str = "Info: NAMD 3.0 for Linux-x86_64-multicore\nInfo: TIMESTEP 2\nInfo: RESTART FILENAME eq.restart\nTCL: Running for 1000000 steps\n\
PERFORMANCE: 240000  averaging 12 ns/day, 0.0144 sec/step with standard deviation 0.1\nENERGY: 250000 1\n\
WRITING EXTENDED SYSTEM TO RESTART FILE AT STEP 240000\nWRITING COORDINATES TO RESTART FILE AT STEP 240000\nFINISHED WRITING RESTART COORDINATES\n\
WRITING VELOCITIES TO RESTART FILE AT STEP 240000\nFINISHED WRITING RESTART VELOCITIES\n";

#[test]
fn a_time_limit_comes_with_figures() {
    let record = "1018|TIMEOUT|0:0|0:0|2027-01-15T07:59:50|2027-01-15T08:00:00|2027-01-15T09:00:00|01:00:00|60|main|c1||4G|{dir}";
    let job = seen(&running(), &[], &[record]);
    let diagnosis = judged(&job, THIRD, "slurmstepd: error: *** JOB 1018 ON c1 CANCELLED AT 2027-01-15T09:00:00 DUE TO TIME LIMIT ***\n", at(4000)).unwrap();
    assert_eq!(diagnosis.cause, Cause::TimeLimit);
    // 750,000 steps of 14.4 ms are three hours.
    assert_eq!(
        diagnosis.summary,
        "It reached its time limit: it needs about 3 h more."
    );
    let advice = &diagnosis.advice[0];
    assert_eq!(advice.edit, Some(Edit::Walltime(5 * 3600)));
    assert!(
        advice.text.contains("request 05:00:00") && advice.text.contains("step 240000"),
        "{}",
        advice.text
    );
    assert!(advice.safe_to_repeat);
}

#[test]
fn memory_is_advised_from_what_was_used() {
    let record = "1018|OUT_OF_MEMORY|0:125|0:0|2027-01-15T07:59:50|2027-01-15T08:00:00|2027-01-15T08:20:00|00:20:00|60|main|c1||4G|{dir}";
    let batch = "1018.batch|OUT_OF_MEMORY|0:125||2027-01-15T08:00:00|2027-01-15T08:00:00|2027-01-15T08:20:00|00:20:00|||c1|4190000K||";
    let job = seen(&running(), &[], &[record, batch]);
    let diagnosis = judged(&job, THIRD, "", at(4000)).unwrap();
    assert_eq!(diagnosis.cause, Cause::OutOfMemory);
    assert!(
        diagnosis.summary.contains("4092 MB") && diagnosis.summary.contains("4G"),
        "{}",
        diagnosis.summary
    );
    assert_eq!(diagnosis.advice[0].edit, Some(Edit::Memory("6144M".into())));
}

#[test]
fn what_other_programs_print_is_understood() {
    let failed = |code: &str| {
        let record = format!(
            "1018|FAILED|{code}|0:0|2027-01-15T07:59:50|2027-01-15T08:00:00|2027-01-15T08:00:02|00:00:02|60|main|c1||4G|{{dir}}"
        );
        seen(&running(), &[], &[&record])
    };
    let cases = [
        (
            "127:0",
            "/var/spool/slurmd/job01018/slurm_script: line 44: namd3: command not found\n",
            Cause::ProgramNotFound,
        ),
        (
            "127:0",
            "/var/spool/slurmd/job01018/slurm_script: line 31: module: command not found\n/var/spool/slurmd/job01018/slurm_script: line 44: namd3: command not found\n",
            Cause::ModuleNotFound,
        ),
        (
            "1:0",
            "Lmod has detected the following error: The following module(s) are unknown: \"namd/3.9\"\n",
            Cause::ModuleNotFound,
        ),
        (
            "1:0",
            "ERROR: Unable to locate a modulefile for 'namd/3.9'\n",
            Cause::ModuleNotFound,
        ),
        (
            "2:0",
            "slurmstepd: error: execve(): namd3: No such file or directory\nsrun: error: c1: task 0: Exited with exit code 2\n",
            Cause::ProgramNotFound,
        ),
        (
            "127:0",
            "namd3: error while loading shared libraries: libcudart.so.11.0: cannot open shared object file: No such file or directory\n",
            Cause::LibraryMissing,
        ),
        (
            "126:0",
            "slurm_script: line 44: /opt/namd/namd3: cannot execute binary file: Exec format error\n",
            Cause::NotExecutable,
        ),
        (
            "0:4",
            "slurm_script: line 44: 12345 Illegal instruction     (core dumped) namd3 +p 64 eq.namd\n",
            Cause::NotExecutable,
        ),
        (
            "139:0",
            "slurm_script: line 44: 12345 Segmentation fault      (core dumped) namd3 +p 64 eq.namd\n",
            Cause::Crashed,
        ),
        (
            "1:0",
            "There are not enough slots available in the system to satisfy the 64\nslots that were requested by the application:\n",
            Cause::LauncherFailed,
        ),
        (
            "1:0",
            "charmrun> Error> connect to localhost failed\n",
            Cause::LauncherFailed,
        ),
        (
            "137:0",
            "slurmstepd: error: Detected 1 oom_kill event in StepId=1018.batch. Some of the step tasks have been OOM Killed.\n",
            Cause::OutOfMemory,
        ),
        (
            "1:0",
            "slurm_script: line 20: echo: write error: No space left on device\n",
            Cause::DiskFull,
        ),
        (
            "1:0",
            "mkdir: cannot create directory 'out': Disk quota exceeded\n",
            Cause::QuotaExceeded,
        ),
        (
            "1:0",
            "cp: error reading 'x': Input/output error\n",
            Cause::FileSystemError,
        ),
        ("127:0", "", Cause::ProgramNotFound),
        ("126:0", "", Cause::NotExecutable),
        ("0:11", "", Cause::Crashed),
        ("0:9", "", Cause::Killed),
        ("0:53", "", Cause::FileSystemError),
        ("75:0", "", Cause::SecondCopy),
        ("7:0", "", Cause::Unknown),
    ];
    for (code, output, cause) in cases {
        let job = failed(code);
        // The job script's own output, or NAMD's log, into which `2>&1` sends it.
        for (log, output) in [("", output), (output, "")] {
            let diagnosis = judged(&job, log, output, at(4000)).unwrap();
            assert_eq!(
                diagnosis.cause, cause,
                "{code} {output} {log}: {diagnosis:#?}"
            );
        }
    }
}

#[test]
fn gpus_and_disks_that_fail_are_told_by_namd() {
    let record = "1018|FAILED|1:0|0:0|2027-01-15T07:59:50|2027-01-15T08:00:00|2027-01-15T08:00:02|00:00:02|60|main|c1||4G|{dir}";
    let job = seen(&running(), &[], &[record]);
    let cases = [
        (
            "CUDA error cudaGetDeviceCount on Pe 0 (c1): no CUDA-capable device is detected",
            Cause::GpuMissing,
        ),
        (
            "CUDA error cudaStreamSynchronize(stream) in file src/CudaTileListKernel.cu, function buildTileLists, line 1105 on Pe 3 (c1 device 0 pci 0:3b:0): an illegal memory access was encountered",
            Cause::CudaError,
        ),
        (
            "Unable to open text file eq.restart.xsc: No space left on device",
            Cause::DiskFull,
        ),
        (
            "Error on write to DCD file eq.dcd: Disk quota exceeded",
            Cause::QuotaExceeded,
        ),
        (
            "Low global exclusion count! (5 vs 25)",
            Cause::ExclusionCount,
        ),
        ("Something nobody has seen", Cause::NamdError),
    ];
    for (text, cause) in cases {
        let log = format!("Info: NAMD 3.0 for Linux-x86_64-multicore-CUDA\nFATAL ERROR: {text}\n");
        let diagnosis = judged(&job, &log, "", at(4000)).unwrap();
        assert_eq!(diagnosis.cause, cause, "{text}");
        assert_eq!(diagnosis.evidence[0].line, Some(2));
    }
}

#[test]
fn sbatchs_refusals_are_told_apart() {
    let text = include_str!("../../tests/data/slurm/sbatch-errors.txt");
    let cause_of = |words: &str| {
        let block = text
            .split("\n\n")
            .find(|block| block.contains(words))
            .unwrap();
        let said: Vec<&str> = block
            .lines()
            .filter(|line| !line.starts_with('#'))
            .collect();
        let mut job = job("eq.namd", JobState::Created);
        job.error = Some(ErrorInfo::new(
            ErrorKind::SlurmRejected,
            said.join("\n"),
            None,
            at(0),
        ));
        judged(&job, "", "", at(10)).unwrap().cause
    };
    assert_eq!(
        cause_of("invalid partition specified"),
        Cause::PartitionRefused
    );
    assert_eq!(cause_of("Memory specification can not"), Cause::NoSuchNodes);
    assert_eq!(cause_of("Invalid qos"), Cause::QosRefused);
    assert_eq!(cause_of("Invalid account"), Cause::AccountRefused);
    assert_eq!(cause_of("Invalid feature"), Cause::NoSuchNodes);
    assert_eq!(cause_of("Invalid license"), Cause::LicenceRefused);
    assert_eq!(
        cause_of("QOSMaxWallDurationPerJobLimit"),
        Cause::LimitExceeded
    );
    assert_eq!(cause_of("unrecognized option"), Cause::SubmitRefused);
    assert!(judged(&job("eq.namd", JobState::Created), "", "", at(10)).is_none());
}

#[test]
fn waiting_jobs_that_need_somebody_are_told() {
    let pending = |reason: &str, waited: i64| {
        let mut job = job(
            "eq.namd",
            JobState::Pending {
                id: SchedulerId::whole(1018),
                submitted: at(0),
                held: false,
            },
        );
        job.attempts[0].reason = Some(reason.into());
        judged(&job, "", "", at(waited)).map(|diagnosis| diagnosis.cause)
    };
    assert_eq!(pending("PartitionTimeLimit", 60), Some(Cause::NeverStarts));
    assert_eq!(
        pending("DependencyNeverSatisfied", 60),
        Some(Cause::NeverStarts)
    );
    assert_eq!(pending("JobHeldUser", 60), Some(Cause::NeedsRelease));
    assert_eq!(pending("Priority", 3600), None);
    assert_eq!(pending("Priority", 30 * 3600), Some(Cause::PendingLong));
}

#[test]
fn running_jobs_that_do_not_get_on_are_told() {
    let job = running();
    let when = |log: &str, now: i64, grew: i64| {
        let log = read(log.as_bytes());
        diagnose(&Witnesses {
            job: &job,
            log: Some(log.report()),
            log_name: "eq.log",
            output: None,
            config: None,
            plan: StepPlan {
                total_steps: Some(1_000_000),
                segments: Some(1),
            },
            disk: Disk::default(),
            grew: Some(at(grew)),
            now: at(now),
        })
    };
    // NAMD flushes about once a minute: a minute of silence is nothing.
    let start = "Info: NAMD 3.0 for X\nTCL: Running for 1000000 steps\nENERGY: 0 1\n";
    assert_eq!(when(start, 200, 120), None);
    let silent = when(start, 2000, 120).unwrap();
    assert_eq!(silent.cause, Cause::LogSilent);
    assert!(silent.summary.contains("31 min"), "{}", silent.summary);
    // An output each two hours is no silence.
    let slow = "Info: NAMD 3.0 for X\nInfo: ENERGY OUTPUT STEPS    1000\nTCL: Running for 1000 steps\n\
        Info: Benchmark time: 2 CPUs 7 s/step 20 days/ns 90 MB memory\n";
    assert!(when(slow, 2000, 120).is_none_or(|diagnosis| diagnosis.cause != Cause::LogSilent));
    // It runs at a speed that the limit of an hour does not allow.
    let late = when(THIRD, 900, 890).unwrap();
    assert_eq!(late.cause, Cause::WillNotFinish);
    assert!(
        late.summary.contains("needs about 2 h 14 min more"),
        "{}",
        late.summary
    );
    // Colvars refuses its file; with two threads NAMD hangs then.
    let hung = include_str!("../../tests/data/namd/runs/cases/bad_colvars_syntax.log");
    assert_eq!(when(hung, 100, 90), None);
    let hung = when(hung, 400, 90).unwrap();
    assert_eq!(hung.cause, Cause::ColvarsHang);
    assert_eq!(hung.advice[0].code, "cancel");
    assert!(
        hung.summary.contains("no valid components"),
        "{}",
        hung.summary
    );
    let other = when(
        "Info: NAMD 3.0 for X\nFATAL ERROR: too many args\n",
        400,
        90,
    )
    .unwrap();
    assert_eq!(other.cause, Cause::HungAfterError);
}

#[test]
fn a_limit_behind_a_colvars_error_is_its_consequence() {
    let job = seen(&running(), &[&row("TIMEOUT", "TimeLimit")], &[]);
    let log = include_str!("../../tests/data/namd/runs/cases/bad_colvars_config_missing.log");
    let diagnosis = judged(&job, log, "", at(4000)).unwrap();
    assert_eq!(diagnosis.cause, Cause::ColvarsHang);
    assert!(
        diagnosis
            .evidence
            .iter()
            .any(|piece| piece.text.contains("TIMEOUT"))
    );
}

#[test]
fn completed_without_its_last_line_is_a_warning() {
    let job = seen(&running(), &[&row("COMPLETED", "None")], &[]);
    assert_eq!(
        judged(&job, THIRD, "", at(4000)).unwrap().cause,
        Cause::EndNotSeen
    );
    // A log that NAMD did not write says nothing: `launch` may send it elsewhere.
    assert_eq!(judged(&job, "hello\n", "", at(4000)), None);
    let whole = format!("{THIRD}WallClock: 1.0  CPUTime: 1.0  Memory: 1.0 MB\n");
    assert_eq!(judged(&job, &whole, "", at(4000)), None);
}

#[test]
fn a_full_disk_shows_where_nobody_says_so() {
    let job = seen(&running(), &[&row("FAILED", "NonZeroExitCode")], &[]);
    let log: LogReader = read(THIRD.as_bytes());
    let witnesses = Witnesses {
        job: &job,
        log: Some(log.report()),
        log_name: "eq.log",
        output: None,
        config: None,
        plan: StepPlan::default(),
        disk: Disk {
            free_bytes: Some(4096),
            work_dir: Some(true),
        },
        grew: None,
        now: at(4000),
    };
    let diagnosis = diagnose(&witnesses).unwrap();
    assert_eq!(diagnosis.cause, Cause::DiskFull);
    assert!(
        diagnosis
            .advice
            .iter()
            .any(|advice| advice.text.contains("step 240000"))
    );
}
