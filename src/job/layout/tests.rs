//! Tests of the layout: names and paths; the scripts are run by a real shell on real directories.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::*;
use crate::job::{JobFile, JobSpec, JobState};
use crate::scheduler::Resources;

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap()
}

fn job(project_root: &str, scratch_root: &str) -> Job {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let id = JobId::new("Ubiquitin", now, 7);
    let spec = JobSpec {
        name: "Ubiquitin".into(),
        cluster: "blue".into(),
        config_path: "/home/ada/ubq/run.namd".into(),
        config_sha256: "0".repeat(64),
        config_in_tree: "ubq/run.namd".into(),
        output_dirs: Vec::new(),
        files: Vec::new(),
        project_dir: job_dir(&path(project_root), &id).unwrap(),
        scratch_dir: job_dir(&path(scratch_root), &id).unwrap(),
        resources: Resources::default(),
        launch: None,
        array: None,
        labels: BTreeMap::new(),
        idempotency_key: None,
        total_steps: None,
        segments: None,
    };
    Job::new(id, spec, JobState::Created, now)
}

fn file(in_tree: &str) -> JobFile {
    JobFile {
        local: format!("/home/ada/{in_tree}"),
        in_tree: in_tree.into(),
        bytes: 1,
        sha256: String::new(),
        role: "sourced".into(),
    }
}

#[test]
fn directories_carry_the_jobs_id() {
    let job = job("/home/ada/namd jobs", "/scratch/ada");
    let id = job.id.as_str();
    assert_eq!(
        job.spec.project_dir.as_str(),
        format!("/home/ada/namd jobs/{id}")
    );
    assert_eq!(
        work_dir(&job, 3).unwrap().as_str(),
        format!("/scratch/ada/{id}/3")
    );
    let partial = partial_dir(&job.spec.project_dir, "t1").unwrap();
    assert_eq!(
        partial.as_str(),
        format!("/home/ada/namd jobs/{id}.partial-t1")
    );
    assert_eq!(partial.parent(), job.spec.project_dir.parent());
}

#[test]
fn the_log_lies_beside_the_config_unless_that_is_an_input() {
    let mut job = job("/p", "/s");
    for (config, log) in [
        ("ubq/run.namd", "ubq/run.log"),
        ("run.namd", "run.log"),
        ("step5.1_equilibration.inp", "step5.1_equilibration.log"),
        ("noending", "noending.log"),
        ("a.b/noending", "a.b/noending.log"),
        (".namd", ".namd.log"),
    ] {
        job.spec.config_in_tree = config.into();
        assert_eq!(log_in_tree(&job), log, "{config}");
    }
    job.spec.config_in_tree = "ubq/run.namd".into();
    job.spec.files = vec![file("run.log"), file("ubq/other.log")];
    assert_eq!(log_in_tree(&job), "ubq/run.log");
    job.spec.files.push(file("ubq/run.log"));
    assert_eq!(log_in_tree(&job), ".namdrunner/namd.log");
    // A config that has the log's own name is an input like others.
    job.spec.config_in_tree = "run.log".into();
    assert_eq!(log_in_tree(&job), ".namdrunner/namd.log");
}

fn removal(dir: &RemotePath, must_prove: bool) -> Removal {
    Removal {
        dir: dir.clone(),
        root: dir.parent(),
        must_prove,
    }
}

#[test]
fn only_the_jobs_own_directories_may_go() {
    let mut job = job("/home/ada/jobs", "/scratch/ada");
    let (project, scratch) = (path("/home/ada/jobs"), path("/scratch/ada"));
    assert_eq!(
        deletable(&job, [&project, &scratch]).unwrap(),
        [
            removal(&job.spec.project_dir, false),
            removal(&job.spec.scratch_dir, false),
        ]
    );
    for bad in [
        "/home/ada/jobs",
        "/",
        "/home/ada",
        "/home/ada/jobs/other_job",
        "/home/ada/jobs/x.partial-1",
    ] {
        job.spec.project_dir = path(bad);
        let refused = deletable(&job, [&project, &scratch]).unwrap_err();
        assert!(
            refused.contains("does not carry the job's id"),
            "{bad}: {refused}"
        );
    }
    // Below an attempt there is no job's directory either.
    job.spec.project_dir = job_dir(&project, &job.id).unwrap();
    job.spec.scratch_dir = work_dir(&job, 1).unwrap();
    assert!(deletable(&job, [&project, &scratch]).is_err());
    // Everything lies inside `/`: as a root it allows nothing.
    job.spec.scratch_dir = job_dir(&RemotePath::root(), &job.id).unwrap();
    let refused = deletable(&job, [&project, &RemotePath::root()]).unwrap_err();
    assert!(refused.contains("does not lie inside"), "{refused}");
}

#[test]
fn a_directory_in_no_configured_root_must_prove_whose_it_is() {
    let job = job("/home/ada/jobs", "/scratch/ada");
    let (moved, scratch) = (path("/home/ada/other"), path("/scratch/ada"));
    assert_eq!(
        deletable(&job, [&moved, &scratch]).unwrap(),
        [
            removal(&job.spec.project_dir, true),
            removal(&job.spec.scratch_dir, false),
        ]
    );
    // A root above or below the one it was made in is another one.
    let above = [path("/home/ada"), path("/home/ada/jobs/x")];
    assert!(deletable(&job, [&above[0], &above[1]]).unwrap()[0].must_prove);
}

#[test]
fn one_root_for_both_is_removed_once() {
    let job = job("/work", "/work");
    let root = path("/work");
    assert_eq!(deletable(&job, [&root, &root]).unwrap().len(), 1);
}

/// Runs a script as the transport does; its exit code and output.
fn run(script: &str, input: &[u8]) -> (i32, String) {
    run_by(&["sh"], script, input)
}

fn run_by(sh: &[&str], script: &str, input: &[u8]) -> (i32, String) {
    let mut child = Command::new(sh[0])
        .args(&sh[1..])
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading all of it.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// An upload as createJob sends it: the description, the files, the list of checksums last.
fn bundle(files: &[(&str, &[u8])], spoil: bool) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut sums = String::new();
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    add(JOB_INFO, b"{}\n");
    for (name, bytes) in files {
        let name = format!("{INPUT_FILES}/{name}");
        add(&name, bytes);
        let sum = sha256(if spoil { b"another" } else { bytes });
        sums = format!(
            "{sums}{sum}  {name}
"
        );
    }
    add(".sums", sums.as_bytes());
    tar.into_inner().unwrap()
}

const FILES: [(&str, &[u8]); 2] = [("ubq/run it's.namd", b"run 100\n"), ("x.psf", b"\xff\x00")];

/// A job whose roots lie below a directory with a name that a shell could misread.
fn here(dir: &Path) -> Job {
    let root = dir.join("my $HOME; jobs");
    job(
        root.to_str().unwrap(),
        &format!("{}/scratch", dir.display()),
    )
}

/// The directories beside a job's own that an upload left.
fn leftovers(job: &Job) -> Vec<String> {
    let root = job.spec.project_dir.parent();
    let Ok(entries) = fs::read_dir(root.as_str()) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.contains(PARTIAL))
        .collect()
}

#[test]
fn an_upload_is_whole_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let job = here(dir.path());
    let whole = job.spec.project_dir.as_str();
    let script = |token| upload_script(&job.spec.project_dir, token, ".sums", &[]).unwrap();
    let good = bundle(&FILES, false);
    for (input, code) in [
        (bundle(&FILES, true), 72),
        (good[..good.len() / 2].to_vec(), 71),
        (b"not a tar archive".repeat(100), 71),
    ] {
        assert_eq!(run(&script("t1"), &input).0, code);
        assert!(upload_failure(code) != upload_failure(99));
        assert!(!Path::new(whole).exists());
    }
    // What these left is no obstacle, and is cleared away.
    assert_eq!(leftovers(&job).len(), 1);
    assert_eq!(run(&script("t2"), &good), (0, String::new()));
    assert!(leftovers(&job).is_empty());
    for (name, bytes) in FILES {
        assert_eq!(
            fs::read(format!("{whole}/{INPUT_FILES}/{name}")).unwrap(),
            bytes
        );
    }
    for made in [JOB_INFO, SUMS, "outputs", "logs"] {
        assert!(Path::new(whole).join(made).exists(), "{made}");
    }
    // Repeated after a lost answer, it changes nothing, even with other files, and says what stands.
    let (code, said) = run(&script("t3"), &bundle(&[("x.psf", b"2")], false));
    assert_eq!((code, whole_upload(&said)), (0, Some(sums_of(&FILES))));
    assert_eq!(
        fs::read(format!("{whole}/{INPUT_FILES}/x.psf")).unwrap(),
        b"\xff\x00"
    );
    // The root is a file.
    let job = super::tests::job(&format!("{whole}/{JOB_INFO}"), "/s");
    let script = upload_script(&job.spec.project_dir, "t1", ".sums", &[]).unwrap();
    assert_eq!(run(&script, &good).0, 70);
}

fn sums_of(files: &[(&str, &[u8])]) -> BTreeMap<String, String> {
    let sums = files
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), sha256(bytes)));
    sums.collect()
}

/// An upload whose process is still there, half-way through its input.
struct Halfway {
    child: std::process::Child,
    rest: Vec<u8>,
}

impl Halfway {
    fn start(job: &Job, token: &str, mut input: Vec<u8>) -> Self {
        let script = upload_script(&job.spec.project_dir, token, ".sums", &[]).unwrap();
        let rest = input.split_off(input.len() / 2);
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.as_mut().unwrap().write_all(&input).unwrap();
        let partial = partial_dir(&job.spec.project_dir, token).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !Path::new(partial.as_str()).join(JOB_INFO).exists() {
            assert!(std::time::Instant::now() < deadline, "it does not begin");
            std::thread::yield_now();
        }
        Self { child, rest }
    }

    /// Sends the rest; its exit code and what it printed.
    fn finish(mut self) -> (i32, String) {
        let _ = self.child.stdin.take().unwrap().write_all(&self.rest);
        let output = self.child.wait_with_output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }
}

/// Files big enough that half of the stream is more than a pipe holds back.
static BIG: [u8; 200_000] = [7; 200_000];

#[test]
fn a_repeated_upload_does_not_meet_the_first_one() {
    let dir = tempfile::tempdir().unwrap();
    let job = here(dir.path());
    let whole = job.spec.project_dir.as_str();
    let first: [(&str, &[u8]); 2] = [("a", &BIG), ("b", b"1")];
    let second: [(&str, &[u8]); 2] = [("a", &BIG), ("b", b"2")];
    let slow = Halfway::start(&job, "t1", bundle(&first, false));
    let script = upload_script(&job.spec.project_dir, "t2", ".sums", &[]).unwrap();
    assert_eq!(run(&script, &bundle(&second, false)), (0, String::new()));
    // The first goes on and comes to its end: it neither replaces nor spoils what is whole, and says
    // what stands there.
    let (code, said) = slow.finish();
    assert_eq!((code, whole_upload(&said)), (0, Some(sums_of(&second))));
    assert_eq!(fs::read(format!("{whole}/{INPUT_FILES}/b")).unwrap(), b"2");
    let inside: Vec<_> = fs::read_dir(whole).unwrap().flatten().collect();
    assert_eq!(inside.len(), 5, "{inside:?}");
}

#[test]
fn of_two_uploads_the_first_that_is_whole_stays() {
    let dir = tempfile::tempdir().unwrap();
    let job = here(dir.path());
    let whole = job.spec.project_dir.as_str();
    let first: [(&str, &[u8]); 2] = [("a", &BIG), ("b", b"1")];
    let second: [(&str, &[u8]); 2] = [("a", &BIG), ("b", b"2")];
    // The second has begun when the first, which it could not see yet, becomes whole.
    let slow = Halfway::start(&job, "t2", bundle(&second, false));
    let kept = partial_dir(&job.spec.project_dir, "t2").unwrap();
    let aside = dir.path().join("aside");
    fs::rename(kept.as_str(), &aside).unwrap();
    let script = upload_script(&job.spec.project_dir, "t1", ".sums", &[]).unwrap();
    assert_eq!(run(&script, &bundle(&first, false)).0, 0);
    fs::rename(&aside, kept.as_str()).unwrap();
    // It says what stands there, so that the job records that and not what it sent itself.
    let (code, said) = slow.finish();
    assert_eq!((code, whole_upload(&said)), (0, Some(sums_of(&first))));
    assert_eq!(fs::read(format!("{whole}/{INPUT_FILES}/b")).unwrap(), b"1");
    assert!(leftovers(&job).is_empty());
    let inside: Vec<_> = fs::read_dir(whole).unwrap().flatten().collect();
    assert_eq!(inside.len(), 5, "{inside:?}");
}

#[test]
fn an_upload_that_another_cleared_away_says_what_stands_there() {
    let dir = tempfile::tempdir().unwrap();
    let job = here(dir.path());
    let whole = job.spec.project_dir.as_str();
    let first: [(&str, &[u8]); 2] = [("a", &BIG), ("b", b"1")];
    let third: [(&str, &[u8]); 2] = [("a", &BIG), ("b", b"3")];
    // Of three, the third has begun when the first is whole and the second, too late, clears up.
    let slow = Halfway::start(&job, "t3", bundle(&third, false));
    let kept = partial_dir(&job.spec.project_dir, "t3").unwrap();
    let aside = dir.path().join("aside");
    fs::rename(kept.as_str(), &aside).unwrap();
    let script = upload_script(&job.spec.project_dir, "t1", ".sums", &[]).unwrap();
    assert_eq!(run(&script, &bundle(&first, false)).0, 0);
    let gone = format!("{}.1.gone", kept.as_str());
    fs::rename(&aside, &gone).unwrap();
    let (code, said) = slow.finish();
    assert_eq!((code, whole_upload(&said)), (0, Some(sums_of(&first))));
    assert_eq!(fs::read(format!("{whole}/{INPUT_FILES}/b")).unwrap(), b"1");
    assert!(leftovers(&job).is_empty());
}

#[test]
fn a_broken_upload_is_swept_and_a_whole_one_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let job = here(dir.path());
    let upload = upload_script(&job.spec.project_dir, "t1", ".sums", &[]).unwrap();
    let sweep = sweep_script(&job.spec.project_dir);
    assert_eq!(run(&sweep, b""), (0, String::new())); // nothing was ever there

    run(&upload, &bundle(&FILES, true));
    let (code, said) = run(&sweep, b"");
    assert_eq!((code, whole_upload(&said)), (0, None));
    assert!(leftovers(&job).is_empty());

    // One that is still under way when it is swept does not come to be whole afterwards.
    let files: [(&str, &[u8]); 1] = [("a", &BIG)];
    let slow = Halfway::start(&job, "t1", bundle(&files, false));
    assert_eq!(run(&sweep, b"").0, 0);
    assert_ne!(slow.finish().0, 0);
    assert!(!Path::new(job.spec.project_dir.as_str()).exists());
    // What it wrote while it was being removed goes with the next sweep.
    assert_eq!(run(&sweep, b""), (0, String::new()));
    assert!(leftovers(&job).is_empty());

    run(&upload, &bundle(&FILES, false));
    let (code, said) = run(&sweep, b"");
    assert_eq!((code, whole_upload(&said)), (0, Some(sums_of(&FILES))));
    assert!(Path::new(job.spec.project_dir.as_str()).exists());
}

#[test]
fn the_scripts_mean_the_same_to_every_sh() {
    let shells: [&[&str]; 5] = [
        &["/bin/dash"],
        &["/bin/bash"],
        &["/bin/busybox", "sh"],
        &["/bin/mksh"],
        &["/bin/yash"],
    ];
    for sh in shells.iter().filter(|sh| Path::new(sh[0]).exists()) {
        let dir = tempfile::tempdir().unwrap();
        let job = here(dir.path());
        let upload = |token| upload_script(&job.spec.project_dir, token, ".sums", &[]).unwrap();
        let good = bundle(&FILES, false);
        let broken = run_by(sh, &upload("t1"), &good[..good.len() / 2]);
        assert_eq!(broken.0, 71, "{sh:?}: {}", broken.1);
        assert_eq!(leftovers(&job).len(), 1, "{sh:?}");
        let again = run_by(sh, &upload("t2"), &good);
        assert_eq!(again, (0, String::new()), "{sh:?}");
        assert!(leftovers(&job).is_empty(), "{sh:?}");
        let sweep = run_by(sh, &sweep_script(&job.spec.project_dir), b"");
        assert_eq!(whole_upload(&sweep.1), Some(sums_of(&FILES)), "{sh:?}");
        let elsewhere = path("/elsewhere");
        let removals = deletable(&job, [&elsewhere, &elsewhere]).unwrap();
        // The description of this bundle names no job: there is no proof.
        let refused = run_by(sh, &remove_script(&removals), b"");
        assert_eq!(refused.0, 1, "{sh:?}: {}", refused.1);
        let root = job.spec.project_dir.parent();
        let removals = deletable(&job, [&root, &elsewhere]).unwrap();
        let removed = run_by(sh, &remove_script(&removals), b"");
        let said = format!("removed {}\n", job.spec.project_dir);
        assert_eq!(removed, (0, said), "{sh:?}");
    }
}

#[test]
fn escaped_names_are_read_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(INPUT_FILES);
    fs::create_dir(&root).unwrap();
    let names = ["a\\b", "\\n", "two\nlines", "plain"];
    for name in names {
        fs::write(root.join(name), name).unwrap();
    }
    // As the cluster's own program writes them.
    let output = Command::new("sh")
        .args(["-c", "echo whole; sha256sum input_files/*"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let expected = names.map(|name| (name, name.as_bytes()));
    assert_eq!(whole_upload(&said), Some(sums_of(&expected)), "{said}");
}

#[test]
fn an_answer_with_other_lines_around_is_read() {
    let sum = "a".repeat(64);
    let noisy = format!(
        "Welcome!\nwhole\n{sum}  input_files/a b\nnoise\nabc  input_files/c\n{sum}  else/d\n"
    );
    let sums = whole_upload(&noisy).unwrap();
    assert_eq!(
        sums.into_iter().collect::<Vec<_>>(),
        [("a b".to_owned(), sum)]
    );
    assert_eq!(whole_upload("Welcome!\n"), None);
    assert_eq!(whole_upload("whole\n"), Some(BTreeMap::new()));
}

#[cfg(unix)]
#[test]
fn removing_does_not_follow_links() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let job = here(dir.path());
    let roots = (job.spec.project_dir.parent(), job.spec.scratch_dir.parent());
    let script = remove_script(&deletable(&job, [&roots.0, &roots.1]).unwrap());
    // What is not there needs no removing.
    assert_eq!(run(&script, b""), (0, String::new()));

    let treasure = dir.path().join("treasure");
    fs::create_dir_all(&treasure).unwrap();
    fs::write(treasure.join("x"), "").unwrap();
    let (project, scratch) = (job.spec.project_dir.as_str(), job.spec.scratch_dir.as_str());
    let make = |dir: &str| {
        fs::create_dir_all(format!("{dir}/1")).unwrap();
        fs::write(format!("{dir}/1/.hidden"), "").unwrap();
        symlink(&treasure, format!("{dir}/1/link")).unwrap();
    };
    make(project);
    make(scratch);
    let neighbour = format!("{project}.partial-t1");
    fs::create_dir_all(&neighbour).unwrap();
    let (code, said) = run(&script, b"");
    assert_eq!(
        (code, said),
        (0, format!("removed {project}\nremoved {scratch}\n"))
    );
    assert!(!Path::new(project).exists() && !Path::new(scratch).exists());
    assert!(Path::new(&neighbour).exists() && treasure.join("x").exists());

    // The job's directory itself leads elsewhere: left alone, and the other one is still removed.
    symlink(&treasure, project).unwrap();
    make(scratch);
    let (code, said) = run(&script, b"");
    assert_eq!(code, 1);
    assert!(
        said.contains("symbolic link") && said.contains(&format!("removed {scratch}")),
        "{said}"
    );
    assert!(treasure.join("x").exists() && !Path::new(scratch).exists());
    // A dangling link is no directory either.
    fs::remove_file(project).unwrap();
    symlink("/no/such/place", project).unwrap();
    assert_eq!(run(&script, b"").0, 1);
    fs::remove_file(project).unwrap();

    // A component on the way leads out of the root.
    let inner = path(&format!("{}/inner", roots.0));
    let elsewhere = job_dir(&inner, &job.id).unwrap();
    fs::create_dir_all(treasure.join(job.id.as_str())).unwrap();
    symlink(&treasure, inner.as_str()).unwrap();
    let leading_out = Removal {
        dir: elsewhere,
        root: roots.0.clone(),
        must_prove: false,
    };
    let (code, said) = run(&remove_script(&[leading_out]), b"");
    assert_eq!(code, 1);
    assert!(said.contains("does not lie in"), "{said}");
    assert!(treasure.join(job.id.as_str()).exists());

    // A root that is itself a link is where it leads.
    let linked = path(&format!("{}/linked", dir.path().display()));
    symlink(roots.1.as_str(), linked.as_str()).unwrap();
    make(scratch);
    let through = job_dir(&linked, &job.id).unwrap();
    assert_eq!(run(&remove_script(&[removal(&through, false)]), b"").0, 0);
    assert!(!Path::new(scratch).exists());
}

#[test]
fn what_lies_in_no_configured_root_is_removed_only_with_proof() {
    let dir = tempfile::tempdir().unwrap();
    let job = here(dir.path());
    let (project, scratch) = (job.spec.project_dir.as_str(), job.spec.scratch_dir.as_str());
    let elsewhere = path("/elsewhere");
    let script = remove_script(&deletable(&job, [&elsewhere, &elsewhere]).unwrap());
    fs::create_dir_all(project).unwrap();
    fs::create_dir_all(format!("{scratch}/1")).unwrap();
    fs::write(format!("{project}/{JOB_INFO}"), r#"{"jobId": "another"}"#).unwrap();
    let (code, said) = run(&script, b"");
    assert_eq!(code, 1);
    assert_eq!(
        said.matches("none of the configured roots").count(),
        2,
        "{said}"
    );
    assert!(Path::new(project).exists() && Path::new(scratch).exists());

    fs::write(
        format!("{project}/{JOB_INFO}"),
        crate::job::info::describe(&job),
    )
    .unwrap();
    fs::create_dir(format!("{scratch}/1/{CONTROL}")).unwrap();
    assert_eq!(
        run(&script, b""),
        (0, format!("removed {project}\nremoved {scratch}\n"))
    );
}
