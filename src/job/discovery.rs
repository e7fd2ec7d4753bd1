//! From what lies in a job's directories on a cluster back to the job, with its attempts, their ids
//! and ends.
//!
//! What is read here is data from a file system that others may write to: it is bounded, checked
//! field by field, and its paths are those of the configured roots or the job is not restored. The
//! history is made by the transition table itself, fact by fact at the times the witnesses name.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize;

use crate::job::info::{Asked, JobInfo, SCHEMA};
use crate::job::origin::Origin;
use crate::job::state::{AbsenceRule, Change, Fact};
use crate::job::{Job, JobFile, JobId, JobSpec, JobState, layout};
use crate::scheduler::survey::{AttemptTrace, Directory, EndMark, Receipt, StartMark};
use crate::scheduler::{
    End, Exit, Report, Resources, RunPhase, SchedulerId, Seen, Source, Tag, Watched,
};
use crate::shell::RemotePath;

/// A job has no more files than this.
const MOST_FILES: usize = 100_000;
/// None of them is larger (16 TiB).
const LARGEST_FILE: u64 = 1 << 44;
/// No text of a description is longer.
const LONGEST_TEXT: usize = 4096;
/// A person has no more labels on one job.
const MOST_LABELS: usize = 200;

/// Checks resources and a launch command; the error says what is wrong.
pub type Check = dyn Fn(&Resources, Option<&str>) -> Result<(), String>;

/// Where a cluster's jobs lie, and what its settings allow.
pub struct Place<'a> {
    /// The cluster's name here.
    pub cluster: &'a str,
    /// Its project root.
    pub project_root: &'a RemotePath,
    /// Its scratch root.
    pub scratch_root: &'a RemotePath,
    /// Whether resources and a launch command may be asked for.
    pub check: &'a Check,
}

/// A job as its directories tell it, before the batch system has been asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The job, without attempts.
    pub job: Job,
    /// The attempts that reached the batch system or may have, in order.
    attempts: Vec<DraftAttempt>,
    /// The name of its cluster where it was made.
    pub made_on: String,
}

#[derive(Debug, Clone, PartialEq)]
struct DraftAttempt {
    n: u32,
    tag: Tag,
    asked: Timestamp,
    receipt: Option<Receipt>,
    started: Option<StartMark>,
    exit: Option<EndMark>,
}

#[derive(Deserialize)]
struct Version {
    schema: u32,
}

/// Reads what was found of a job. The error says, as a clause, why it cannot be restored.
pub fn read(found: &Directory, place: &Place<'_>, now: Timestamp) -> Result<Draft, String> {
    let id = JobId::parse(&found.name).ok_or("its name is no job id")?;
    if let Some(why) = found.not_ours {
        return Err(why.to_owned());
    }
    if found.partial && !found.in_project {
        return Err("an upload that is not whole, perhaps under way from elsewhere".to_owned());
    }
    if !found.in_project {
        return Err("only its scratch directory is there".to_owned());
    }
    let Some(bytes) = &found.info else {
        let why = found.withheld.as_deref();
        return Err(match why {
            Some(why) => format!("its job_info.json cannot be read: {why}"),
            None => "it holds no job_info.json".to_owned(),
        });
    };
    let info = parse_info(bytes)?;
    if info.job_id != id {
        return Err(format!("its job_info.json is that of {}", info.job_id));
    }
    let spec = spec(&info, &id, found.sums.as_deref(), place)?;
    let created = info
        .created_at
        .parse::<Timestamp>()
        .map_err(|_| "its job_info.json holds no time of its making".to_owned())?
        .min(now);
    let mut job = Job::new(id, spec, JobState::Created, created);
    job.origin = Origin::Discovered { at: now };
    let attempts = attempts(&found.attempts, &mut job, place);
    Ok(Draft {
        job,
        attempts,
        made_on: info.cluster,
    })
}

fn parse_info(bytes: &[u8]) -> Result<JobInfo, String> {
    let garbled = |why: serde_json::Error| {
        // The parser's words, without a person's file in them.
        format!(
            "its job_info.json is garbled (line {}, column {})",
            why.line(),
            why.column()
        )
    };
    let Version { schema } = serde_json::from_slice(bytes).map_err(garbled)?;
    if schema > SCHEMA {
        return Err(format!(
            "its job_info.json was written by a newer version of this program (schema {schema})"
        ));
    }
    serde_json::from_slice(bytes).map_err(garbled)
}

fn spec(
    info: &JobInfo,
    id: &JobId,
    sums: Option<&[u8]>,
    place: &Place<'_>,
) -> Result<JobSpec, String> {
    let wrong = |field: &str| format!("`{field}` in its job_info.json is not usable");
    for (field, value) in [
        ("jobName", &info.job_name),
        ("cluster", &info.cluster),
        ("configPath", &info.config_path),
    ] {
        if !plain(value) {
            return Err(wrong(field));
        }
    }
    if info.job_name.trim().is_empty() || !labels_fit(&info.labels) {
        return Err(wrong("labels"));
    }
    if info
        .idempotency_key
        .as_ref()
        .is_some_and(|key| key.len() > LONGEST_TEXT)
    {
        return Err(wrong("idempotencyKey"));
    }
    let is_sum = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_sum(&info.config_sha256) {
        return Err(wrong("configSha256"));
    }
    if !in_tree(&info.config) || !info.output_dirs.iter().all(|dir| in_tree(dir)) {
        return Err(wrong("config"));
    }
    if info.files.len() > MOST_FILES
        || !info
            .files
            .iter()
            .all(|file| in_tree(&file.path) && file.bytes <= LARGEST_FILE && plain(&file.role))
    {
        return Err(wrong("files"));
    }
    (place.check)(&info.resources, info.launch.as_deref())
        .map_err(|why| format!("{}: {why}", wrong("resources")))?;
    let below = |root: &RemotePath| layout::job_dir(root, id).map_err(|why| why.to_string());
    let (project_dir, scratch_dir) = (below(place.project_root)?, below(place.scratch_root)?);
    if info
        .scratch_dir
        .as_ref()
        .is_some_and(|made_with| made_with != scratch_dir.as_str())
    {
        return Err(format!(
            "it ran below another scratch_root than {}",
            place.scratch_root
        ));
    }
    let sums = sums
        .map(|sums| layout::sums_in_tree(&String::from_utf8_lossy(sums)))
        .unwrap_or_default();
    // The tree keeps the places the files had around the config.
    let top = info.config_path.strip_suffix(&info.config);
    let files = info.files.iter().map(|file| JobFile {
        local: match top {
            Some(top) if top.ends_with('/') => format!("{top}{}", file.path),
            _ => String::new(),
        },
        in_tree: file.path.clone(),
        bytes: file.bytes,
        sha256: sums.get(&file.path).cloned().unwrap_or_default(),
        role: file.role.clone(),
    });
    Ok(JobSpec {
        name: info.job_name.clone(),
        cluster: place.cluster.to_owned(),
        config_path: info.config_path.clone(),
        config_sha256: info.config_sha256.clone(),
        config_in_tree: info.config.clone(),
        output_dirs: info.output_dirs.clone(),
        files: files.collect(),
        project_dir,
        scratch_dir,
        resources: info.resources.clone(),
        launch: info.launch.clone(),
        labels: info.labels.clone(),
        idempotency_key: info.idempotency_key.clone(),
        total_steps: info.total_steps,
        segments: info.segments,
        array: info.array.clone(),
    })
}

/// A text of one line and a sensible length.
fn plain(text: &str) -> bool {
    text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control)
}

fn labels_fit(labels: &BTreeMap<String, String>) -> bool {
    labels.len() <= MOST_LABELS && labels.iter().all(|(key, value)| plain(key) && plain(value))
}

/// A relative path that stays where it belongs.
fn in_tree(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= LONGEST_TEXT
        && !path
            .split('/')
            .any(|part| part.is_empty() || part == layout::CONTROL)
        && RemotePath::root().join(path).is_ok()
}

/// The attempts that left a receipt or a lock; what the newest asked for goes to the job.
fn attempts(
    traces: &BTreeMap<u32, AttemptTrace>,
    job: &mut Job,
    place: &Place<'_>,
) -> Vec<DraftAttempt> {
    let newest = traces.keys().next_back().copied();
    let mut found = Vec::new();
    for (&n, trace) in traces {
        let asked = trace
            .asked
            .as_ref()
            .filter(|line| line.len() <= 16 * LONGEST_TEXT)
            .and_then(|line| serde_json::from_str::<Asked>(line).ok())
            .filter(|asked| asked.schema <= SCHEMA);
        if let Some(asked) = &asked
            && Some(n) == newest
            && plain(&asked.job_name)
            && !asked.job_name.trim().is_empty()
            && labels_fit(&asked.labels)
            && (place.check)(&asked.resources, asked.launch.as_deref()).is_ok()
        {
            job.spec.name.clone_from(&asked.job_name);
            job.spec.labels.clone_from(&asked.labels);
            job.spec.resources.clone_from(&asked.resources);
            job.spec.launch.clone_from(&asked.launch);
        }
        let tag = match (&trace.receipt, &trace.lock) {
            (Some(receipt), _) => receipt.tag.clone(),
            // Somebody began to submit it, and no answer was kept: only the newest is still of
            // interest, and is looked for.
            (None, Some(lock)) if Some(n) == newest => lock.clone(),
            _ => continue,
        };
        let time = asked
            .filter(|asked| asked.tag == tag)
            .map(|asked| asked.asked_at)
            .or_else(|| trace.receipt.as_ref().map(|receipt| receipt.at));
        found.push(DraftAttempt {
            n,
            asked: time.unwrap_or(job.created_at),
            receipt: trace.receipt.clone(),
            started: trace.started.clone().filter(|mark| mark.tag == tag),
            exit: trace.exit.clone().filter(|mark| mark.tag == tag),
            tag,
        });
    }
    found
}

impl Draft {
    /// What the batch system is to be asked about it. The members of an array are left to the next
    /// look.
    pub fn watched(&self) -> Vec<Watched> {
        if self.job.spec.array.is_some() {
            return Vec::new();
        }
        let watched = self.attempts.iter().filter_map(|attempt| {
            let receipt = attempt.receipt.as_ref()?;
            Some(Watched {
                id: receipt.id.clone(),
                work_dir: layout::work_dir(&self.job, attempt.n).ok()?,
                tag: attempt.tag.clone(),
                submitted: receipt.at,
                settled: false,
                open: None,
            })
        });
        watched.collect()
    }

    /// The job's whole history, oldest change first; the last holds the job as it is now.
    ///
    /// `reports` is what the sources said of its attempts, by their ids; `absent` are those that a whole answer of
    /// the queue did not hold.
    pub fn replay(
        self,
        reports: &HashMap<&SchedulerId, Vec<&Report>>,
        absent: &HashSet<SchedulerId>,
        rule: AbsenceRule,
        now: Timestamp,
    ) -> Vec<Change> {
        let evidence = format!("found {}/{}", self.job.spec.project_dir, layout::JOB_INFO);
        let mut story = Story::begin(self.job, Source::Discovered, evidence);
        let last = self.attempts.len();
        for (at, attempt) in (1..).zip(&self.attempts) {
            let newest = at == last;
            story.tell(
                &Fact::SubmitAsked {
                    tag: attempt.tag.clone(),
                },
                attempt.asked,
            );
            story.number(attempt.n);
            let Some(receipt) = &attempt.receipt else {
                story.tell(&Fact::SubmitSent, attempt.asked);
                continue;
            };
            story.submitted(&receipt.id, receipt.at, Source::Discovered, &receipt.line);
            let own = reports.get(&receipt.id).into_iter().flatten().copied();
            let mut own: Vec<Report> = own.cloned().collect();
            if let Some(mark) = &attempt.started {
                story.see(vec![running(&receipt.id, mark)], false, rule, mark.at);
            }
            let told = own.iter().any(|report| report.source == Source::Marker);
            if let Some(mark) = attempt.exit.as_ref().filter(|_| !newest && !told) {
                own.push(exited(&receipt.id, mark));
            }
            let gone = absent.contains(&receipt.id);
            let ended = own
                .iter()
                .find(|report| matches!(report.state, Seen::Ended(_)))
                .and_then(|report| report.ended);
            story.see(own, gone, rule, ended.unwrap_or(now).min(now));
            if !newest {
                // It was followed by another attempt, so it has ended; nobody says how.
                let at_once = AbsenceRule {
                    answers: 1,
                    seconds: 0,
                };
                story.see(Vec::new(), true, at_once, now);
            }
        }
        story.changes
    }
}

/// The history of a job that was submitted by hand.
pub fn adopted(
    job: Job,
    tag: Tag,
    id: &SchedulerId,
    submitted: Timestamp,
    source: Source,
    evidence: &str,
) -> Vec<Change> {
    let mut story = Story::begin(job, Source::User, format!("adopted job {id}"));
    story.tell(&Fact::SubmitAsked { tag }, submitted);
    story.submitted(id, submitted, source, evidence);
    story.changes
}

fn running(id: &SchedulerId, mark: &StartMark) -> Report {
    let state = Seen::Running(RunPhase::Running);
    Report {
        started: Some(mark.at),
        ..Report::told(id, Source::Marker, state, "", &mark.line)
    }
}

fn exited(id: &SchedulerId, mark: &EndMark) -> Report {
    let state = Seen::Ended(if mark.code == 0 && mark.signal == 0 {
        End::Completed
    } else {
        End::Failed
    });
    let word = format!("exit {}", mark.code);
    Report {
        ended: mark.at,
        exit: Some(Exit {
            code: mark.code,
            signal: mark.signal,
        }),
        restarts: Some(mark.restarts),
        ..Report::told(id, Source::Marker, state, &word, &mark.line)
    }
}

/// A job's changes as they are told one after another.
struct Story {
    job: Job,
    changes: Vec<Change>,
}

impl Story {
    fn begin(job: Job, source: Source, evidence: String) -> Self {
        Self {
            changes: vec![job.clone().introduced_by(source, Some(evidence))],
            job,
        }
    }

    /// Applies a fact; one that the transition table refuses is left out.
    fn tell(&mut self, fact: &Fact, at: Timestamp) {
        if let Ok(Some(change)) = self.job.apply(fact, at) {
            self.job = change.job.clone();
            self.changes.push(change);
        }
    }

    /// Gives the attempt that was just asked for its own number: earlier ones may have been purged.
    fn number(&mut self, n: u32) {
        if let Some(attempt) = self.job.attempts.last_mut() {
            attempt.n = n;
        }
        if let Some(change) = self.changes.last_mut() {
            change.job = self.job.clone();
        }
    }

    fn submitted(&mut self, id: &SchedulerId, at: Timestamp, source: Source, evidence: &str) {
        let fact = Fact::Submitted {
            id: id.clone(),
            at,
            source,
            evidence: evidence.to_owned(),
        };
        self.tell(&fact, at);
    }

    fn see(&mut self, reports: Vec<Report>, absent: bool, rule: AbsenceRule, at: Timestamp) {
        if reports.is_empty() && !absent {
            return;
        }
        let fact = Fact::Seen {
            reports,
            absent,
            rule,
        };
        self.tell(&fact, at);
    }
}

#[cfg(test)]
mod tests;
