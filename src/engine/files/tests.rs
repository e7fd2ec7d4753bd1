//! What `survey` takes from a disk, on directories made for it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::error::ErrorKind;

/// A directory with files to be surveyed. Its path is canonical.
struct Disk {
    root: PathBuf,
    _dir: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            root: dir.path().canonicalize().unwrap(),
            _dir: dir,
        }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    fn text(&self, relative: &str) -> String {
        self.path(relative).to_str().unwrap().to_owned()
    }

    fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn dir(&self, relative: &str) -> &Self {
        fs::create_dir_all(self.path(relative)).unwrap();
        self
    }

    fn link(&self, relative: &str, to: impl AsRef<Path>) -> &Self {
        fs::create_dir_all(self.path(relative).parent().unwrap()).unwrap();
        symlink(to, self.path(relative)).unwrap();
        self
    }

    fn fifo(&self, relative: &str) -> &Self {
        let made = std::process::Command::new("mkfifo")
            .arg(self.path(relative))
            .status()
            .unwrap();
        assert!(made.success());
        self
    }

    /// Surveys in a thread of its own: one that hangs fails the test instead of stopping all.
    fn try_survey(&self, config: &str, inputs: &[&str]) -> Result<Survey> {
        let config = self.path(config);
        let inputs: Vec<String> = inputs.iter().map(|&input| input.to_owned()).collect();
        within_a_minute(move || survey(&config, &inputs, None))
    }

    fn survey(&self, config: &str, inputs: &[&str]) -> Survey {
        self.try_survey(config, inputs).unwrap()
    }

    fn refusal(&self, config: &str, inputs: &[&str]) -> Error {
        self.try_survey(config, inputs).unwrap_err()
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "a test's own thread, which no runtime waits for"
)]
fn within_a_minute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait): (_, mpsc::Receiver<T>) = mpsc::channel();
    std::thread::spawn(move || drop(done.send(work())));
    wait.recv_timeout(Duration::from_mins(1))
        .expect("an answer, and no hanging")
}

/// A config that NAMD would run, with these two inputs.
fn config(structure: &str, coordinates: &str) -> String {
    config_to("out", structure, coordinates)
}

fn config_to(output: &str, structure: &str, coordinates: &str) -> String {
    format!(
        "structure {structure}\ncoordinates {coordinates}\nparaTypeCharmm on\nparameters p.prm\n\
         temperature 300\nexclude scaled1-4\n1-4scaling 1.0\ncutoff 12\nswitchdist 10\npairlistdist 14\n\
         timestep 1\noutputname {output}\nrun 100\n"
    )
}

fn places(survey: &Survey) -> Vec<&str> {
    survey
        .files
        .iter()
        .map(|file| file.in_tree.as_str())
        .collect()
}

fn file<'s>(survey: &'s Survey, place: &str) -> &'s LocalFile {
    survey
        .files
        .iter()
        .find(|file| file.in_tree == place)
        .unwrap_or_else(|| panic!("{place} is not among {:?}", places(survey)))
}

fn sent(survey: &Survey, place: &str) -> Vec<u8> {
    let file = file(survey, place);
    file.content
        .as_ref()
        .map_or_else(|| fs::read(&file.path).unwrap(), |bytes| bytes.to_vec())
}

fn errors(survey: &Survey) -> Vec<(Code, &str)> {
    let grave = |finding: &&Finding| finding.severity == Severity::Error;
    survey
        .findings
        .iter()
        .filter(grave)
        .map(|f| (f.code, f.message.as_str()))
        .collect()
}

fn says(survey: &Survey, severity: Severity, code: Code, part: &str) -> bool {
    survey.findings.iter().any(|finding| {
        finding.severity == severity && finding.code == code && finding.message.contains(part)
    })
}

// ── places ──

#[test]
fn relative_inputs_keep_their_places_around_a_config_that_lies_deep() {
    let disk = Disk::new();
    let text = config_to("../../out/eq/run1", "../../common/x.psf", "start/x.pdb");
    disk.write("p/common/x.psf", "psf")
        .write("p/runs/run1/start/x.pdb", "pdb 1")
        .write("p/runs/run1/p.prm", "prm")
        .write("p/runs/run1/not-needed.dcd", "")
        .write("p/runs/run1/run.namd", &text);
    let found = disk.survey("p/runs/run1/run.namd", &[]);
    assert_eq!(errors(&found), []);
    assert_eq!(
        places(&found),
        [
            "common/x.psf",
            "runs/run1/p.prm",
            "runs/run1/run.namd",
            "runs/run1/start/x.pdb"
        ]
    );
    assert_eq!(found.config_in_tree, "runs/run1/run.namd");
    assert_eq!(found.config_path, disk.path("p/runs/run1/run.namd"));
    assert_eq!(found.output_dirs, ["out/eq"]);
    assert_eq!(found.total_steps, Some(100));
    assert_eq!(found.rewritten, None);
    assert_eq!(sent(&found, "runs/run1/run.namd"), text.as_bytes());
    assert_eq!(file(&found, "common/x.psf").role, "structure");
    assert_eq!(file(&found, "runs/run1/run.namd").role, "config");
    let sizes: Vec<_> = found
        .job_files()
        .into_iter()
        .map(|file| file.bytes)
        .collect();
    assert_eq!(sizes, [3, 3, text.len() as u64, 5]);
    // sha256sum of this text, in lower-case hex.
    let sum = Sha256::digest(text.as_bytes());
    assert_eq!(found.config_sha256, hex(&sum));
}

#[test]
fn a_path_that_climbs_out_and_comes_back_opens_in_the_tree() {
    let disk = Disk::new();
    disk.write("p/run1/x.psf", "psf")
        .write("p/run1/x.pdb", "pdb")
        .write("p/run1/p.prm", "prm")
        .write(
            "p/run1/run.namd",
            config_to("../run1/out/a", "../run1/x.psf", "x.pdb"),
        );
    let found = disk.survey("p/run1/run.namd", &[]);
    assert_eq!(errors(&found), []);
    assert_eq!(
        places(&found),
        ["run1/p.prm", "run1/run.namd", "run1/x.pdb", "run1/x.psf"]
    );
    assert_opens(&found);
}

#[test]
fn directories_that_paths_walk_through_are_in_the_tree() {
    let disk = Disk::new();
    disk.dir("run/a/b")
        .dir("run/c")
        .write("run/x.psf", "psf")
        .write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm")
        .write(
            "run/run.namd",
            config_to("c/../out/a", "a/b/../../x.psf", "x.pdb"),
        );
    let found = disk.survey("run/run.namd", &[]);
    assert_eq!(errors(&found), []);
    assert_eq!(found.output_dirs, ["a", "a/b", "c", "out"]);
    assert_opens(&found);
}

#[test]
fn the_working_directory_of_the_run_is_in_the_tree() {
    let disk = Disk::new();
    let text = config_to(
        "/scratch/elsewhere/out",
        &disk.text("abs/x.psf"),
        "../x.pdb",
    );
    disk.dir("run/work")
        .write("abs/x.psf", "psf")
        .write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm")
        .write(
            "run/run.namd",
            format!("cwd work\n{}", text.replace("p.prm", "../p.prm")),
        );
    let found = disk.survey("run/run.namd", &[]);
    assert_eq!(errors(&found), []);
    assert!(
        found.output_dirs.contains(&"work".to_owned()),
        "{:?}",
        found.output_dirs
    );
    let copy = String::from_utf8(sent(&found, "run.namd")).unwrap();
    assert!(
        copy.contains("structure ../absolute_inputs/x.psf\n"),
        "{copy}"
    );
}

#[test]
fn outputs_bring_their_directories() {
    for (output, dirs, config_in_tree) in [
        ("out", &[][..], "run.namd"),
        ("a/b/c/out", &["a/b/c"][..], "run.namd"),
        ("../out/x", &["out"][..], "run/run.namd"),
        ("./out/../out2/x", &["out", "out2"][..], "run.namd"),
    ] {
        let disk = Disk::new();
        disk.write("p/run/x.psf", "psf")
            .write("p/run/x.pdb", "pdb")
            .write("p/run/p.prm", "prm")
            .write("p/run/run.namd", config_to(output, "x.psf", "x.pdb"));
        let found = disk.survey("p/run/run.namd", &[]);
        assert_eq!(found.config_in_tree, config_in_tree, "{output}");
        assert_eq!(found.output_dirs, dirs, "{output}");
    }
}

/// Lays the tree out as a cluster would, and opens every relative input and output from there.
fn assert_opens(found: &Survey) {
    let dir = tempfile::tempdir().unwrap();
    for file in &found.files {
        let path = dir.path().join(&file.in_tree);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, sent(found, &file.in_tree)).unwrap();
    }
    for output in &found.output_dirs {
        fs::create_dir_all(dir.path().join(output)).unwrap();
    }
    let config = dir.path().join(&found.config_in_tree);
    let text = fs::read_to_string(&config).unwrap();
    for line in text.lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or_default();
        let path = config
            .parent()
            .unwrap()
            .join(value.trim_matches(['{', '}', '"']));
        match keyword {
            "structure" | "coordinates" | "parameters" => assert!(path.is_file(), "{line}"),
            "outputname" => fs::write(path.with_extension("coor"), "").expect(line),
            _ => {}
        }
    }
}

#[test]
fn a_config_at_the_top_of_the_disk_has_the_disk_for_its_tree() {
    // Nothing is written there: a path that climbs to `/` makes `/` the common ancestor.
    let disk = Disk::new();
    let up = "../".repeat(disk.root.components().count() + 3);
    disk.write("x.pdb", "pdb")
        .write("p.prm", "prm")
        .write("run.namd", config(&format!("{up}etc/passwd"), "x.pdb"));
    let found = disk.survey("run.namd", &[]);
    assert_eq!(errors(&found), []);
    assert_eq!(
        found.config_in_tree,
        disk.text("run.namd").trim_start_matches('/')
    );
    assert_eq!(file(&found, "etc/passwd").role, "structure");
}

// ── absolute paths ──

#[test]
fn an_absolute_input_is_uploaded_and_the_copy_leads_to_it() {
    let disk = Disk::new();
    let psf = disk.text("elsewhere/x.psf");
    let text = config_to("../out/a", &psf, "x.pdb").replace('\n', "\r\n");
    disk.write("elsewhere/x.psf", "psf")
        .write("p/run/x.pdb", "pdb")
        .write("p/run/p.prm", "prm")
        .write("p/run/run.namd", &text);
    let found = disk.survey("p/run/run.namd", &[]);
    assert_eq!(errors(&found), []);
    assert!(says(
        &found,
        Severity::Information,
        Code::AbsolutePath,
        &psf
    ));
    assert_eq!(
        file(&found, "absolute_inputs/x.psf").path,
        disk.path("elsewhere/x.psf")
    );
    let copy = String::from_utf8(sent(&found, "run/run.namd")).unwrap();
    assert_eq!(copy, text.replace(&psf, "../absolute_inputs/x.psf"));
    let joined = paths::tidy(&paths::join("run", "../absolute_inputs/x.psf"));
    assert_eq!(joined, "absolute_inputs/x.psf");
    assert_eq!(
        found.rewritten.as_deref(),
        Some(&*format!(
            "--- run.namd (yours)\n+++ run.namd (uploaded)\n@@ -1 +1 @@\n-structure {psf}\n\
             +structure ../absolute_inputs/x.psf\n"
        ))
    );
    // The row keeps what the user wrote; the size is that of the copy.
    assert_eq!(found.config_bytes, text.as_bytes());
    let sizes: Vec<_> = found
        .job_files()
        .into_iter()
        .map(|f| (f.in_tree, f.bytes))
        .collect();
    assert!(
        sizes.contains(&("run/run.namd".to_owned(), copy.len() as u64)),
        "{sizes:?}"
    );
    assert_eq!(
        fs::read_to_string(disk.path("p/run/run.namd")).unwrap(),
        text
    );
    assert_opens(&Survey {
        rewritten: None,
        ..found
    });
}

#[test]
fn absolute_inputs_of_one_name_lie_apart() {
    let disk = Disk::new();
    let (a, b) = (disk.text("a/x"), disk.text("b/x"));
    // `1` is also the name of the directory that keeps them apart.
    let one = disk.text("c/1");
    disk.write("a/x", "A")
        .write("b/x", "B")
        .write("c/1", "C")
        .write("run/run.namd", config(&one, &a).replace("p.prm", &b));
    let found = disk.survey("run/run.namd", &[]);
    assert_eq!(errors(&found), []);
    assert_eq!(found.files.len(), 4);
    assert_opens(&found);
    let contents: Vec<_> = found
        .files
        .iter()
        .filter(|file| file.in_tree.starts_with("absolute_inputs/"))
        .map(|file| fs::read_to_string(&file.path).unwrap())
        .collect();
    assert_eq!(contents.len(), 3);
}

#[test]
fn the_directory_for_absolute_inputs_is_nobody_elses() {
    let disk = Disk::new();
    let psf = disk.text("elsewhere/x.psf");
    disk.write("elsewhere/x.psf", "far")
        .write("run/absolute_inputs/x.psf", "near")
        .write("run/p.prm", "prm")
        .write("run/run.namd", config(&psf, "absolute_inputs/x.psf"));
    let found = disk.survey("run/run.namd", &[]);
    assert_eq!(sent(&found, "absolute_inputs/x.psf"), b"near");
    assert_eq!(sent(&found, "absolute_inputs_1/x.psf"), b"far");
}

#[test]
fn an_absolute_path_that_is_not_here_is_left_to_the_cluster() {
    let disk = Disk::new();
    let text = config("/work/shared-on-cluster/x.psf", "x.pdb");
    disk.write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm")
        .write("run/run.namd", &text);
    let found = disk.survey("run/run.namd", &[]);
    assert_eq!(errors(&found), []);
    assert_eq!(
        found.on_cluster,
        [(
            "/work/shared-on-cluster/x.psf".to_owned(),
            "structure".to_owned()
        )]
    );
    assert_eq!(sent(&found, "run.namd"), text.as_bytes());
    assert_eq!(places(&found), ["p.prm", "run.namd", "x.pdb"]);
}

#[test]
fn an_absolute_path_put_together_from_variables_blocks() {
    let disk = Disk::new();
    let text = format!(
        "set top {}\n{}",
        disk.text("far"),
        config("$top/x.psf", "x.pdb")
    );
    disk.write("far/x.psf", "psf")
        .write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm")
        .write("run/run.namd", &text);
    let found = disk.survey("run/run.namd", &[]);
    assert!(says(
        &found,
        Severity::Error,
        Code::AbsolutePath,
        "put together from variables"
    ));
    assert_eq!(found.rewritten, None);
}

// ── links ──

#[test]
fn a_linked_config_is_known_by_the_place_of_the_link() {
    let disk = Disk::new();
    disk.write("templates/common.namd", config("x.psf", "x.pdb"))
        .write("run/x.psf", "psf")
        .write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm")
        .link("run/run.namd", "../templates/common.namd")
        .link("also-run", "run");
    // By way of a linked directory, too.
    for config in ["run/run.namd", "also-run/run.namd"] {
        let found = disk.survey(config, &[]);
        assert_eq!(errors(&found), []);
        assert_eq!(found.config_path, disk.path("run/run.namd"));
        assert_eq!(places(&found), ["p.prm", "run.namd", "x.pdb", "x.psf"]);
        assert_eq!(found.stem(), "run");
    }
}

#[test]
fn linked_inputs_bring_their_content_under_their_own_name() {
    let disk = Disk::new();
    disk.write("big/disk/real-name.psf", "psf here")
        .write("big/top/par.prm", "prm")
        .write("run/x.pdb", "pdb")
        .link("run/x.psf", disk.path("big/disk/real-name.psf"))
        .link("run/top", "../big/top")
        .write(
            "run/run.namd",
            config("x.psf", "x.pdb").replace("p.prm", "top/par.prm"),
        );
    let found = disk.survey("run/run.namd", &[]);
    assert_eq!(errors(&found), []);
    assert_eq!(
        places(&found),
        ["run.namd", "top/par.prm", "x.pdb", "x.psf"]
    );
    assert_eq!(sent(&found, "x.psf"), b"psf here");
    assert_eq!(file(&found, "x.psf").bytes, 8);
}

#[test]
fn up_through_a_link_is_refused_where_it_means_another_file() {
    let disk = Disk::new();
    disk.write("far/x.psf", "far")
        .dir("far/deep")
        .write("run/x.psf", "near")
        .write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm")
        .link("run/link", "../far/deep")
        .write("run/run.namd", config("link/../x.psf", "x.pdb"))
        .write("run/plain.namd", config("x.psf", "x.pdb"));
    let found = disk.survey("run/run.namd", &[]);
    assert!(
        says(
            &found,
            Severity::Error,
            Code::InputUnreadable,
            "link/../x.psf goes through"
        ),
        "{:?}",
        found.findings
    );
    // Named as a further input it is the same.
    let found = disk.survey("run/plain.namd", &["link/../x.psf"]);
    assert!(
        says(
            &found,
            Severity::Error,
            Code::InputUnreadable,
            "link/../x.psf goes through"
        ),
        "{:?} {:?}",
        found.findings,
        places(&found)
    );
    let found = disk.survey("run/plain.namd", &["link/../*.psf"]);
    assert!(says(
        &found,
        Severity::Error,
        Code::InputUnreadable,
        "goes through a symbolic link"
    ));
}

#[test]
fn a_hard_linked_input_is_an_input_like_others() {
    let disk = Disk::new();
    disk.write("far/x.psf", "psf")
        .write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm");
    fs::hard_link(disk.path("far/x.psf"), disk.path("run/x.psf")).unwrap();
    disk.write("run/run.namd", config("x.psf", "x.pdb"));
    let found = disk.survey("run/run.namd", &[]);
    assert_eq!(errors(&found), []);
    assert_eq!(sent(&found, "x.psf"), b"psf");
}

// ── what is not a file ──

#[test]
fn an_input_that_is_no_file_blocks_and_does_not_hang() {
    let disk = Disk::new();
    disk.write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm")
        .dir("run/dir");
    disk.fifo("run/pipe")
        .link("run/loop", "loop")
        .link("run/dangling", "nowhere");
    let _socket = std::os::unix::net::UnixListener::bind(disk.path("run/sock")).unwrap();
    for (input, code, part) in [
        ("pipe", Code::InputUnreadable, "not a regular file"),
        ("sock", Code::InputUnreadable, "not a regular file"),
        ("/dev/zero", Code::InputUnreadable, "not a regular file"),
        ("/dev/tty", Code::InputUnreadable, "not a regular file"),
        ("loop", Code::InputUnreadable, "symbolic link"),
        ("dir", Code::InputIsDirectory, "is a directory"),
        ("missing.psf", Code::InputMissing, "is not there"),
        ("dangling", Code::InputMissing, "is not there"),
        ("x.pdb/x.psf", Code::InputUnreadable, "Not a directory"),
    ] {
        disk.write("run/run.namd", config(input, "x.pdb"));
        let found = disk.survey("run/run.namd", &[]);
        assert!(
            says(&found, Severity::Error, code, part),
            "{input}: {:?}",
            found.findings
        );
        assert_eq!(places(&found), ["p.prm", "run.namd", "x.pdb"], "{input}");
    }
    // Sourced, opened and read by Colvars they are looked into, too.
    for text in [
        "source pipe",
        "set f [open pipe]; gets $f line",
        "colvars on\ncolvarsConfig pipe",
    ] {
        disk.write(
            "run/run.namd",
            format!("{text}\n{}", config("x.pdb", "x.pdb")),
        );
        let found = disk.survey("run/run.namd", &[]);
        assert!(
            found
                .findings
                .iter()
                .any(|finding| finding.message.contains("not a regular file")),
            "{text}: {:?}",
            found.findings
        );
    }
}

#[test]
fn a_config_that_cannot_be_one_is_refused() {
    let disk = Disk::new();
    disk.dir("dir")
        .fifo("pipe")
        .link("loop", "loop")
        .write("file", "");
    fs::File::create(disk.path("big.namd"))
        .unwrap()
        .set_len(17 << 20)
        .unwrap();
    for (config, part) in [
        ("dir", "is a directory"),
        ("pipe", "not a regular file"),
        ("loop", "Cannot read"),
        ("big.namd", "that is no NAMD configuration"),
        ("missing.namd", "Cannot read"),
        ("no/where.namd", "Cannot read"),
        ("file/x.namd", "Cannot read"),
    ] {
        let error = disk.refusal(config, &[]);
        assert_eq!(error.kind, ErrorKind::ConfigNotReadable, "{config}");
        assert!(error.message.contains(part), "{config}: {}", error.message);
    }
    for config in ["run.namd", "./run.namd", "", "~/run.namd"] {
        let error = survey(Path::new(config), &[], None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidParams, "{config}");
        assert_eq!(error.kind.code(), -32602);
    }
    for config in ["/", "/tmp/.."] {
        assert!(survey(Path::new(config), &[], None).is_err(), "{config}");
    }
}

#[test]
fn an_empty_config_is_read_and_has_no_job() {
    let disk = Disk::new();
    disk.write("run.namd", "");
    let found = disk.survey("run.namd", &[]);
    assert_eq!(places(&found), ["run.namd"]);
    assert_eq!(found.config_bytes, b"");
    assert!(
        found
            .findings
            .iter()
            .any(|finding| finding.code == Code::NoRun)
    );
}

// ── names ──

#[test]
fn names_may_hold_what_a_shell_would_read() {
    let disk = Disk::new();
    let names = [
        "a b.psf",
        "-rf",
        "it's.pdb",
        "$HOME `id` \"q\".prm",
        "Grüße 水.namd",
    ];
    let [psf, dash, pdb, prm, name] = names;
    let text = format!(
        "{}set d {{{dash}}}\nfirsttimestep 0\nextendedSystem $d\n",
        config(&format!("{{{psf}}}"), &format!("\"{pdb}\""))
            .replace("p.prm", &format!("{{{prm}}}"))
    );
    let text = text.replace("run 100\n", "") + "run 100\n";
    for file in [psf, dash, pdb, prm] {
        disk.write(&format!("my run/{file}"), "x y z");
    }
    disk.write(&format!("my run/{name}"), &text);
    let found = disk.survey(&format!("my run/{name}"), &["-rf", "./-rf"]);
    let mut expected = names.to_vec();
    expected.sort_unstable();
    assert_eq!(places(&found), expected);
}

#[test]
fn names_with_control_characters_are_refused() {
    let disk = Disk::new();
    disk.write("run/x.psf", "psf")
        .write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm");
    disk.write("run/new\nline", "x")
        .write("run/tab\there", "x")
        .write("run/sub/\r", "x");
    disk.write("run/run.namd", config("x.psf", "x.pdb"));
    for input in ["new\nline", "tab\there", "sub"] {
        let found = disk.survey("run/run.namd", &[input]);
        assert!(
            says(
                &found,
                Severity::Error,
                Code::InputUnreadable,
                "control character"
            ),
            "{input:?}: {:?}",
            found.findings
        );
    }
    disk.write("run/quoted.namd", config("\"new\\nline\"", "x.pdb"));
    let found = disk.survey("run/quoted.namd", &[]);
    assert!(says(
        &found,
        Severity::Error,
        Code::InputUnreadable,
        "control character"
    ));
    disk.write("run/out.namd", config_to("\"a\\nb/out\"", "x.psf", "x.pdb"));
    let found = disk.survey("run/out.namd", &[]);
    assert!(says(
        &found,
        Severity::Error,
        Code::InvalidValue,
        "control character"
    ));
    disk.write("run\n2/run.namd", "run 1\n")
        .write("run\n2/x.psf", "");
    // The directory's own name does not count: it does not come along.
    assert_eq!(
        disk.survey("run\n2/run.namd", &["x.psf"]).config_in_tree,
        "run.namd"
    );
}

#[test]
fn names_that_are_not_utf8_are_refused() {
    let disk = Disk::new();
    disk.write("run/run.namd", "run 1\n");
    let odd = OsStr::from_bytes(b"m\xfcller.psf");
    fs::write(disk.path("run").join(odd), "psf").unwrap();
    for inputs in [&["."][..], &["m*"][..], &["**/*.psf"][..]] {
        let error = disk.refusal("run/run.namd", inputs);
        assert!(
            error.message.contains("not UTF-8"),
            "{inputs:?}: {}",
            error.message
        );
        assert!(error.message.contains("ller.psf"), "{}", error.message);
    }
    let config = disk.path("run").join(OsStr::from_bytes(b"r\xfcn.namd"));
    fs::write(&config, "run 1\n").unwrap();
    let error = survey(&config, &[], None).unwrap_err();
    assert_eq!(error.kind, ErrorKind::ConfigNotReadable);
    assert!(error.message.contains("not UTF-8"), "{}", error.message);
}

#[test]
fn the_control_directory_of_a_job_is_no_input() {
    let disk = Disk::new();
    disk.write("run/.namdrunner/exit", "0")
        .write("run/run.namd", "run 1\n");
    for inputs in [&["."][..], &[".namdrunner/exit"][..]] {
        let found = disk.survey("run/run.namd", inputs);
        assert!(
            says(&found, Severity::Error, Code::Conflict, ".namdrunner"),
            "{inputs:?}: {:?}",
            found.findings
        );
    }
    // Deeper in the tree it is a directory like any other.
    disk.write("p/run/.namdrunner/exit", "0")
        .write("p/x.psf", "")
        .write("p/run/run.namd", "run 1\n");
    let found = disk.survey("p/run/run.namd", &["../x.psf", ".namdrunner"]);
    assert!(!says(
        &found,
        Severity::Error,
        Code::Conflict,
        ".namdrunner"
    ));
    assert_eq!(
        places(&found),
        ["run/.namdrunner/exit", "run/run.namd", "x.psf"]
    );
}

// ── further inputs ──

#[test]
fn further_inputs_are_paths_globs_and_directories() {
    let disk = Disk::new();
    disk.write("p/run/run.namd", "run 1\n")
        .write("p/run/a.tcl", "a")
        .write("p/run/b.tcl", "b")
        .write("p/run/lib/c.tcl", "c")
        .write("p/run/lib/deep/x", "x")
        .write("p/run/.hidden.tcl", "h")
        .write("p/x", "top")
        .write("q/y.dat", "y");
    for (inputs, expected) in [
        (&["a.tcl"][..], &["a.tcl", "run.namd"][..]),
        (
            &["./a.tcl", "a.tcl", "lib/../a.tcl"][..],
            &["a.tcl", "run.namd"][..],
        ),
        (&["[ab].tcl"][..], &["a.tcl", "b.tcl", "run.namd"][..]),
        (&["?.tcl"][..], &["a.tcl", "b.tcl", "run.namd"][..]),
        (&["lib"][..], &["lib/c.tcl", "lib/deep/x", "run.namd"][..]),
        (&["lib/"][..], &["lib/c.tcl", "lib/deep/x", "run.namd"][..]),
        (&["lib/*"][..], &["lib/c.tcl", "lib/deep/x", "run.namd"][..]),
        (&["*/*.tcl"][..], &["lib/c.tcl", "run.namd"][..]),
        (&["**/x"][..], &["lib/deep/x", "run.namd"][..]),
        (&["lib/**/*.tcl"][..], &["lib/c.tcl", "run.namd"][..]),
        (
            &["lib/**"][..],
            &["lib/c.tcl", "lib/deep/x", "run.namd"][..],
        ),
        (&["run.namd"][..], &["run.namd"][..]),
        (&["../x"][..], &["run/run.namd", "x"][..]),
        (
            &["../*"][..],
            &[
                "run/.hidden.tcl",
                "run/a.tcl",
                "run/b.tcl",
                "run/lib/c.tcl",
                "run/lib/deep/x",
                "run/run.namd",
                "x",
            ][..],
        ),
        (&["../../q/*.dat"][..], &["p/run/run.namd", "q/y.dat"][..]),
        (&["../../*/y.dat"][..], &["p/run/run.namd", "q/y.dat"][..]),
    ] {
        let found = disk.survey("p/run/run.namd", inputs);
        assert_eq!(places(&found), expected, "{inputs:?}");
        assert_eq!(
            file(&found, &found.config_in_tree).role,
            "config",
            "{inputs:?}"
        );
    }
    let found = disk.survey("p/run/run.namd", &["*.tcl"]);
    assert_eq!(
        places(&found),
        [".hidden.tcl", "a.tcl", "b.tcl", "run.namd"]
    );
}

#[test]
fn further_inputs_that_cannot_be_are_refused() {
    let disk = Disk::new();
    disk.write("run/run.namd", "run 1\n")
        .dir("run/empty")
        .fifo("run/pipe");
    for inputs in ["/etc/passwd", "", "a\0b", "[", "a[", "***"] {
        let error = disk.refusal("run/run.namd", &[inputs]);
        assert_eq!(
            error.kind,
            ErrorKind::InvalidParams,
            "{inputs:?}: {}",
            error.message
        );
        assert!(error.message.contains("inputs"), "{}", error.message);
    }
    for inputs in ["no.tcl", "*.tcl", "**/x", "empty", "no/such/dir"] {
        let error = disk.refusal("run/run.namd", &[inputs]);
        assert_eq!(
            error.kind,
            ErrorKind::InputMissing,
            "{inputs:?}: {}",
            error.message
        );
        assert!(error.message.contains(inputs), "{}", error.message);
    }
    for inputs in ["pipe", "/dev/null".trim_start_matches('/'), "pip?"] {
        let error = disk.refusal("run/run.namd", &[inputs]);
        assert_eq!(
            error.kind,
            ErrorKind::InputMissing,
            "{inputs:?}: {}",
            error.message
        );
    }
}

#[test]
fn a_name_that_holds_the_characters_of_a_glob_is_still_a_name() {
    let disk = Disk::new();
    disk.write("run[1]*/run.namd", "run 1\n")
        .write("run[1]*/x[2].psf", "psf")
        .write("run1x/wrong.tcl", "")
        .write("run[1]*/right.tcl", "");
    let found = disk.survey("run[1]*/run.namd", &["*.tcl", "x[2].psf"]);
    assert_eq!(places(&found), ["right.tcl", "run.namd", "x[2].psf"]);
}

#[test]
fn what_cannot_come_along_with_a_directory_is_named() {
    let disk = Disk::new();
    disk.write("run/run.namd", "run 1\n")
        .write("run/lib/a", "a")
        .link("run/lib/.#a", "me@host.4711:1700000000")
        .link("run/lib/again", ".")
        .fifo("run/lib/pipe");
    let found = disk.survey("run/run.namd", &["lib"]);
    assert_eq!(places(&found), ["lib/a", "run.namd"]);
    for name in ["lib/.#a", "lib/again", "lib/pipe"] {
        assert!(
            says(&found, Severity::Warning, Code::InputUnreadable, name),
            "{name}: {:?}",
            found.findings
        );
    }
}

#[test]
fn links_that_lead_round_in_circles_do_not_hang() {
    let disk = Disk::new();
    disk.write("run/run.namd", "run 1\n").write("run/d/x", "x");
    for name in ["a", "b", "c"] {
        disk.link(&format!("run/d/{name}"), ".");
    }
    for inputs in ["d", "**/x", "d/**", "**"] {
        let found = disk.survey("run/run.namd", &[inputs]);
        assert_eq!(places(&found), ["d/x", "run.namd"], "{inputs}");
    }
    let error = disk.refusal("run/run.namd", &["**/nothing"]);
    assert_eq!(error.kind, ErrorKind::InputMissing, "{}", error.message);
    // By its own name a linked directory is taken.
    let found = disk.survey("run/run.namd", &["d/a"]);
    assert_eq!(places(&found), ["d/a/x", "run.namd"]);
    let found = disk.survey("run/run.namd", &["*/a/x"]);
    assert_eq!(places(&found), ["d/a/x", "run.namd"]);
}

#[test]
fn too_many_files_are_refused() {
    let disk = Disk::new();
    disk.write("run/run.namd", "run 1\n").dir("run/many");
    for n in 0..=MOST_FILES {
        fs::File::create(disk.path(&format!("run/many/{n}"))).unwrap();
    }
    for inputs in [
        &["many"][..],
        &["many/*"][..],
        &["many/1*", "many/[!1]*"][..],
    ] {
        let error = disk.refusal("run/run.namd", inputs);
        assert_eq!(error.kind, ErrorKind::InvalidParams, "{inputs:?}");
        assert!(error.message.contains("20000 files"), "{}", error.message);
    }
    assert_eq!(disk.survey("run/run.namd", &["many/7"]).files.len(), 2);
}

#[test]
fn an_executable_stays_executable() {
    let disk = Disk::new();
    disk.write("run/run.namd", "run 1\n")
        .write("run/x.sh", "#!/bin/sh\n")
        .write("run/y", "");
    fs::set_permissions(disk.path("run/x.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    let found = disk.survey("run/run.namd", &["x.sh", "y"]);
    let bits: Vec<_> = found.files.iter().map(|file| file.executable).collect();
    assert_eq!(places(&found), ["run.namd", "x.sh", "y"]);
    assert_eq!(bits, [false, true, false]);
}

#[test]
fn a_file_named_twice_comes_once_with_the_role_the_config_gives_it() {
    let disk = Disk::new();
    disk.write("run/z/keep", "")
        .write("run/x.psf", "psf")
        .write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm")
        .write("run/run.namd", config("z/../x.psf", "./x.pdb"));
    let found = disk.survey("run/run.namd", &["*"]);
    assert_eq!(
        places(&found),
        ["p.prm", "run.namd", "x.pdb", "x.psf", "z/keep"]
    );
    let roles: Vec<_> = found.files.iter().map(|file| file.role.as_str()).collect();
    assert_eq!(
        roles,
        ["parameters", "config", "coordinates", "structure", "input"]
    );
}

#[test]
fn a_config_that_reads_itself_is_sent_as_it_was_rewritten() {
    let disk = Disk::new();
    let psf = disk.text("far/x.psf");
    let text = format!("set f [open ./run.namd]\n{}", config(&psf, "x.pdb"));
    disk.write("far/x.psf", "psf")
        .write("run/x.pdb", "pdb")
        .write("run/p.prm", "prm")
        .write("run/run.namd", &text);
    let found = disk.survey("run/run.namd", &["./run.namd"]);
    let copy = String::from_utf8(sent(&found, "run.namd")).unwrap();
    assert_eq!(copy, text.replace(&psf, "absolute_inputs/x.psf"));
    assert_eq!(file(&found, "run.namd").role, "config");
}

#[test]
fn the_config_is_sent_as_it_was_read() {
    let disk = Disk::new();
    disk.write("run/run.namd", "run 1\n# caf\u{e9} \r\n");
    let found = disk.survey("run/run.namd", &[]);
    disk.write("run/run.namd", "run 2\n# saved meanwhile");
    assert_eq!(sent(&found, "run.namd"), found.config_bytes);
    let odd = b"run 1\n# m\xfcller\r\n\0";
    disk.write("run/run.namd", odd);
    assert_eq!(sent(&disk.survey("run/run.namd", &[]), "run.namd"), odd);
}

#[test]
fn what_was_read_for_commands_is_sent_as_it_was_read() {
    let disk = Disk::new();
    let text = format!("source set/up.tcl\n{}", config("x.psf", "x.pdb"));
    disk.write("run.namd", text)
        .write("set/up.tcl", "set t 300\n")
        .write("x.psf", "psf")
        .write("x.pdb", "pdb")
        .write("p.prm", "prm");
    let survey = disk.survey("run.namd", &[]);
    assert_eq!(errors(&survey), []);
    // Saved again before anything is sent: what was looked at is what runs.
    disk.write("set/up.tcl", "coordinates other.pdb\n")
        .write("run.namd", "run 1\n");
    assert_eq!(sent(&survey, "set/up.tcl"), b"set t 300\n");
    assert_eq!(file(&survey, "set/up.tcl").bytes, 10);
    assert!(sent(&survey, "run.namd").starts_with(b"source set/up.tcl"));
    // Other inputs are not held in memory; that they stay as they are is checked when they are sent.
    assert!(file(&survey, "x.psf").content.is_none());
    assert!(file(&survey, "x.psf").modified.is_some());
}
