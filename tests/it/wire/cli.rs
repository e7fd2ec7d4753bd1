//! The command line.

use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::client::binary;

struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

async fn run(arguments: &[&str], input: &str) -> Ended {
    let home = tempdir().unwrap();
    let mut child = Command::new(binary())
        .args(arguments)
        .env("NAMDRUNNER_HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The error object that `call` prints, among what is logged.
fn error_of(ended: &Ended) -> Value {
    let line = ended.stderr.lines().find(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_else(|| panic!("no error in {}", ended.stderr))).unwrap()
}

#[tokio::test]
async fn a_call_prints_its_result_and_nothing_else() {
    let ended = run(&["call", "initialize"], "").await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(result["serverInfo"]["name"], "namdrunner");
    assert_eq!(ended.stdout.lines().count(), 1);
}

/// As a service or cron starts it: the login shell is told the home directory all the same.
#[tokio::test]
async fn without_home_in_the_environment_this_machine_is_usable() {
    for home in [None, Some("")] {
        let place = tempdir().unwrap();
        let mut command = Command::new(binary());
        command
            .args(["call", "connect", r#"{"cluster":"local"}"#])
            .env_remove("HOME")
            .env("NAMDRUNNER_HOME", place.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(home) = home {
            command.env("HOME", home);
        }
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{home:?}: {said}");
    }
}

#[tokio::test]
async fn a_call_that_is_refused_prints_the_error_and_exits_with_1() {
    let ended = run(&["call", "jobStatus", "{}"], "").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert_eq!(error_of(&ended)["code"], -32602);
    let ended = run(&["call", "nothing"], "").await;
    assert_eq!(error_of(&ended)["code"], -32601);
}

#[tokio::test]
async fn parameters_come_from_stdin_too() {
    let ended = run(
        &["call", "jobStatus", "-"],
        &json!({"jobId": 5}).to_string(),
    )
    .await;
    assert_eq!(ended.code, 1);
    assert!(
        error_of(&ended)["message"]
            .as_str()
            .unwrap()
            .contains("integer `5`")
    );
}

#[tokio::test]
async fn wrong_arguments_are_exit_code_2() {
    for arguments in [
        &["nonsense"][..],
        &["call"],
        &["call", "jobStatus", "{"],
        &["call", "jobStatus", "-"],
        &["serve", "--nonsense"],
    ] {
        let ended = run(arguments, "").await;
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (2, ""),
            "{arguments:?}"
        );
        assert!(!ended.stderr.is_empty());
    }
}

#[tokio::test]
async fn version_and_help_go_to_stdout() {
    let ended = run(&["--version"], "").await;
    assert_eq!(
        ended.stdout,
        format!("namdrunner {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = run(&["--help"], "").await.stdout;
    for word in [
        "serve",
        "call",
        "schema",
        "NAMDRUNNER_HOME",
        "Exit codes",
        "5 UNKNOWN",
    ] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
}

#[tokio::test]
async fn the_schema_is_printed_or_written() {
    let printed: Value = serde_json::from_str(&run(&["schema"], "").await.stdout).unwrap();
    assert_eq!(printed["openrpc"], "1.3.2");
    let dir = tempdir().unwrap();
    let written = run(&["schema", "--write", dir.path().to_str().unwrap()], "").await;
    assert_eq!((written.code, written.stdout.as_str()), (0, ""));
    let mut names: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["namdrunner.lua", "namdrunner.ts", "openrpc.json"]);
    let nowhere = run(&["schema", "--write", "/nowhere/at/all"], "").await;
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.stderr.contains("cannot be written"));
}

#[tokio::test]
async fn logs_go_to_the_file_and_warnings_to_stderr() {
    let home = tempdir().unwrap();
    let output = Command::new(binary())
        .env("NAMDRUNNER_HOME", home.path())
        .env("NAMDRUNNER_LOG", "debug")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success());
    assert!(output.stdout.is_empty());
    let mut text = String::new();
    for entry in std::fs::read_dir(home.path().join("state")).unwrap() {
        text += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    assert!(text.contains("serving on stdin and stdout"), "{text}");
    assert!(text.contains("DEBUG"), "{text}");
}
