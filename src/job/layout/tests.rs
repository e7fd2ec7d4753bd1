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
    let partial = partial_dir(&job.spec.project_dir).unwrap();
    assert_eq!(
        partial.as_str(),
        format!("/home/ada/namd jobs/{id}.partial")
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

#[test]
fn only_the_jobs_own_directories_may_go() {
    let mut job = job("/home/ada/jobs", "/scratch/ada");
    let (project, scratch) = (path("/home/ada/jobs"), path("/scratch/ada"));
    let dirs = deletable(&job, &project, &scratch).unwrap();
    assert_eq!(
        dirs,
        [
            (job.spec.project_dir.clone(), project.clone()),
            (job.spec.scratch_dir.clone(), scratch.clone()),
        ]
    );
    for (bad, why) in [
        ("/home/ada/jobs", "does not lie inside"),
        ("/", "does not lie inside"),
        ("/home/ada/jobs2/x", "does not lie inside"),
        ("/home/ada", "does not lie inside"),
        ("/home/ada/jobs/other_job", "does not carry the job's id"),
        ("/home/ada/jobs/x.partial", "does not carry the job's id"),
    ] {
        job.spec.project_dir = path(bad);
        let refused = deletable(&job, &project, &scratch).unwrap_err();
        assert!(refused.contains(why), "{bad}: {refused}");
    }
    // Below an attempt there is no job's directory either.
    job.spec.project_dir = job_dir(&project, &job.id).unwrap();
    job.spec.scratch_dir = work_dir(&job, 1).unwrap();
    assert!(deletable(&job, &project, &scratch).is_err());
    // Everything lies inside `/`: as a root it allows nothing.
    assert!(deletable(&job, &RemotePath::root(), &scratch).is_err());
}

#[test]
fn one_root_for_both_is_removed_once() {
    let job = job("/work", "/work");
    let root = path("/work");
    assert_eq!(deletable(&job, &root, &root).unwrap().len(), 1);
}

/// Runs a script as the transport does; its exit code and output.
fn run(script: &str, input: &[u8]) -> (i32, String) {
    let mut child = Command::new("sh")
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

#[test]
fn an_upload_is_whole_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let job = here(dir.path());
    let (whole, partial) = (
        job.spec.project_dir.as_str(),
        partial_dir(&job.spec.project_dir).unwrap(),
    );
    let script = upload_script(&job.spec.project_dir, ".sums").unwrap();
    let good = bundle(&FILES, false);
    for (input, code) in [
        (bundle(&FILES, true), 72),
        (good[..good.len() / 2].to_vec(), 71),
        (b"not a tar archive".repeat(100), 71),
    ] {
        assert_eq!(run(&script, &input).0, code);
        assert!(upload_failure(code) != upload_failure(99));
        assert!(!Path::new(whole).exists());
    }
    // What these left is no obstacle.
    assert!(Path::new(partial.as_str()).exists());
    assert_eq!(run(&script, &good), (0, String::new()));
    assert!(!Path::new(partial.as_str()).exists());
    for (name, bytes) in FILES {
        assert_eq!(
            fs::read(format!("{whole}/{INPUT_FILES}/{name}")).unwrap(),
            bytes
        );
    }
    for made in [JOB_INFO, SUMS, "outputs", "logs"] {
        assert!(Path::new(whole).join(made).exists(), "{made}");
    }
    // Repeated after a lost answer, it changes nothing, even with other files.
    assert_eq!(
        run(&script, &bundle(&[("x.psf", b"2")], false)),
        (0, String::new())
    );
    assert_eq!(
        fs::read(format!("{whole}/{INPUT_FILES}/x.psf")).unwrap(),
        b"\xff\x00"
    );
    // The root is a file.
    let job = super::tests::job(&format!("{whole}/{JOB_INFO}"), "/s");
    let script = upload_script(&job.spec.project_dir, ".sums").unwrap();
    assert_eq!(run(&script, &good).0, 70);
}

#[test]
fn a_broken_upload_is_swept_and_a_whole_one_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let job = here(dir.path());
    let upload = upload_script(&job.spec.project_dir, ".sums").unwrap();
    let sweep = sweep_script(&job.spec.project_dir).unwrap();
    assert_eq!(run(&sweep, b""), (0, String::new())); // nothing was ever there

    run(&upload, &bundle(&FILES, true));
    let (code, said) = run(&sweep, b"");
    assert_eq!((code, whole_upload(&said)), (0, None));
    assert!(!Path::new(partial_dir(&job.spec.project_dir).unwrap().as_str()).exists());

    run(&upload, &bundle(&FILES, false));
    let (code, said) = run(&sweep, b"");
    assert_eq!(code, 0);
    let sums = whole_upload(&said).unwrap();
    assert_eq!(
        sums.into_iter().collect::<Vec<_>>(),
        FILES.map(|(name, bytes)| { (name.to_owned(), sha256(bytes)) })
    );
    assert!(Path::new(job.spec.project_dir.as_str()).exists());
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
    let script = remove_script(&deletable(&job, &roots.0, &roots.1).unwrap());
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
    let neighbour = format!("{project}.partial");
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
    let (code, said) = run(&remove_script(&[(elsewhere, roots.0.clone())]), b"");
    assert_eq!(code, 1);
    assert!(said.contains("does not lie in"), "{said}");
    assert!(treasure.join(job.id.as_str()).exists());

    // A root that is itself a link is where it leads.
    let linked = path(&format!("{}/linked", dir.path().display()));
    symlink(roots.1.as_str(), linked.as_str()).unwrap();
    make(scratch);
    let through = job_dir(&linked, &job.id).unwrap();
    assert_eq!(run(&remove_script(&[(through, linked)]), b"").0, 0);
    assert!(!Path::new(scratch).exists());
}
