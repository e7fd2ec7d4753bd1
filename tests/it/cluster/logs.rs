//! Progress, diagnosis and results on a real cluster: with the stand-in, and with logs that NAMD
//! itself wrote.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::rig::{Client, PATIENCE, Rig, until};

/// Writes a config beside those of the simulation.
fn config(rig: &Rig, name: &str, directives: &[&str], run: &str) -> String {
    let mut text: String = directives
        .iter()
        .flat_map(|directive| ["# namd-stand-in: ", directive, "\n"])
        .collect();
    text.push_str("source short.tcl\nsource cell.tcl\nparameters $common/tip3p.prm\n");
    text.push_str("outputName results\n");
    text.push_str(run);
    text.push('\n');
    fs::write(rig.config(name), text).unwrap();
    name.to_owned()
}

fn status(client: &mut Client, id: &str) -> Value {
    client.request("jobStatus", json!({ "jobId": id })).unwrap()["job"].clone()
}

/// The params of the first `jobProgress` of a job that fits.
fn progress(client: &mut Client, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
    client.expect_notification("jobProgress", PATIENCE, |params| {
        params["jobId"] == id && fits(params)
    })
}

#[test]
#[ignore = "needs tests/run.sh"]
fn progress_comes_with_the_looks_and_results_follow_the_end() {
    let rig = Rig::new();
    let mut client = rig.client();
    let config = config(
        &rig,
        "slow.namd",
        &["seconds-per-1000-steps 10"],
        "minimize 100\nrun 400",
    );
    let id = rig.launch(&mut client, &config, json!({}));
    let told = progress(&mut client, &id, |params| {
        params["progress"]["stepsDone"].as_u64() > Some(100)
    });
    assert_eq!(told["progress"]["totalSteps"], 500, "{told:#}");
    assert_eq!(told["progress"]["segments"], 2, "{told:#}");
    assert!(
        told["progress"]["nsPerDay"].as_f64() > Some(0.0),
        "{told:#}"
    );
    // Five minutes were asked for; it needs seconds.
    assert_eq!(told["progress"]["finishesBeforeLimit"], true, "{told:#}");
    let queries = |client: &mut Client| {
        client
            .request("clusterStatus", json!({ "cluster": "test" }))
            .unwrap()["queriesLastHour"]
            .as_u64()
            .unwrap()
    };
    assert!(queries(&mut client) > 0);
    until(&mut client, &id, "COMPLETED");
    let told = progress(&mut client, &id, |params| {
        params["results"]["state"] == "copied"
    });
    assert!(told["results"]["files"].as_u64() > Some(5), "{told:#}");
    let job = status(&mut client, &id);
    assert_eq!(job["progress"]["stepsDone"], 500, "{job:#}");
    assert_eq!(job["diagnosis"], Value::Null, "{job:#}");
    assert_eq!(job["results"]["state"], "copied");
    let project = job["projectDir"].as_str().unwrap();
    let scratch = job["scratchDir"].as_str().unwrap();
    for (kept, made) in [
        ("outputs/1/equil/results.coor", "1/equil/results.coor"),
        (
            "outputs/1/equil/results.restart.xsc",
            "1/equil/results.restart.xsc",
        ),
        ("logs/1/equil/slow.log", "1/equil/slow.log"),
    ] {
        let kept =
            fs::read(format!("{project}/{kept}")).unwrap_or_else(|why| panic!("{kept}: {why}"));
        assert_eq!(kept, fs::read(format!("{scratch}/{made}")).unwrap());
    }
    // Inputs are kept once.
    assert!(!Path::new(&format!("{project}/outputs/1/common/water.psf")).exists());
}

/// A run that NAMD made, as the job's program: it prints the recorded log and ends as it did.
fn recorded(rig: &Rig, log: &str, code: i32) -> (String, Value) {
    let runs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/namd/runs");
    fs::copy(runs.join(format!("{log}.log")), rig.config("recorded.txt")).unwrap();
    let config = config(rig, "recorded.namd", &[], "run 200");
    let more = json!({
        "inputs": ["recorded.txt"],
        "launch": format!("cat equil/recorded.txt > {{log}}; sh -c 'exit {code}' {{config}}"),
    });
    (config, more)
}

#[test]
#[ignore = "needs tests/run.sh"]
fn failures_that_namd_itself_wrote_are_put_down_to_their_causes() {
    let rig = Rig::new();
    let mut client = rig.client();
    for (log, cause) in [
        ("05_badcell", "cellTooSmall"),
        ("06_blow", "constraintFailure"),
        ("cases/bad_unknown_keyword", "unknownKeyword"),
        ("cases/bad_bincoor_truncated", "inputBroken"),
    ] {
        let (config, more) = recorded(&rig, log, 1);
        let id = rig.launch(&mut client, &config, more);
        until(&mut client, &id, "FAILED");
        let told = progress(&mut client, &id, |params| params["diagnosis"].is_object());
        assert_eq!(told["diagnosis"]["cause"], cause, "{told:#}");
        let job = status(&mut client, &id);
        assert_eq!(job["exitCode"], 1);
        let evidence = told["diagnosis"]["evidence"].as_array().unwrap();
        let of_log = evidence
            .iter()
            .find(|piece| piece["source"] == "log")
            .unwrap();
        assert!(of_log["line"].as_u64() > Some(0), "{told:#}");
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn slurms_completed_is_doubted_on_positive_evidence_alone() {
    let rig = Rig::new();
    let mut client = rig.client();
    // NAMD on an old Charm++ ends with code 0 behind a fatal error.
    let (config, more) = recorded(&rig, "05_badcell", 0);
    let id = rig.launch(&mut client, &config, more);
    let told = until(&mut client, &id, "FAILED");
    assert_eq!(
        (&told["from"], &told["source"]),
        (&json!("COMPLETED"), &json!("log"))
    );
    let evidence = told["evidence"].as_str().unwrap();
    assert!(
        evidence.contains("COMPLETED") && evidence.contains("Periodic cell"),
        "{evidence}"
    );
    // A log that breaks off is a warning.
    let (config, more) = recorded(&rig, "04_kill", 0);
    let id = rig.launch(&mut client, &config, more);
    until(&mut client, &id, "COMPLETED");
    let told = progress(&mut client, &id, |params| params["diagnosis"].is_object());
    assert_eq!(told["diagnosis"]["cause"], "endNotSeen", "{told:#}");
    assert_eq!(status(&mut client, &id)["status"], "COMPLETED");
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_time_limit_is_foreseen_and_explained_in_figures() {
    let rig = Rig::new();
    let mut client = rig.client();
    let config = config(
        &rig,
        "late.namd",
        &["seconds-per-1000-steps 100"],
        "run 10000",
    );
    let id = rig.launch(
        &mut client,
        &config,
        json!({ "resources": { "walltime": 60 } }),
    );
    let told = progress(&mut client, &id, |params| {
        params["diagnosis"]["cause"] == "willNotFinish"
    });
    assert_eq!(told["progress"]["finishesBeforeLimit"], false, "{told:#}");
    client.expect_notification("jobStatusChanged", PATIENCE * 3, |params| {
        params["jobId"] == id && params["to"] == "FAILED"
    });
    let told = progress(&mut client, &id, |params| {
        params["diagnosis"]["cause"] == "timeLimit"
    });
    let advice = &told["diagnosis"]["advice"][0];
    assert_eq!(advice["code"], "requestTime");
    assert!(advice["edit"]["walltime"].is_u64(), "{told:#}");
    assert!(
        advice["text"].as_str().unwrap().contains("restart set"),
        "{told:#}"
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn results_that_cannot_be_copied_wait_and_are_taken_up() {
    let rig = Rig::new();
    let mut client = rig.client_with(&[("NAMDRUNNER_KILL_AT", "collecting")]);
    let config = config(&rig, "quick.namd", &["seconds-per-1000-steps 1"], "run 200");
    let id = rig.launch(&mut client, &config, json!({}));
    // The program dies with the intent on disk; the next one takes it up by itself.
    client.wait_for_death(PATIENCE);
    let mut client = rig.client();
    progress(&mut client, &id, |params| {
        params["results"]["state"] == "copied"
    });
    let job = status(&mut client, &id);
    let project = job["projectDir"].as_str().unwrap();
    assert!(Path::new(&format!("{project}/outputs/1/equil/results.coor")).exists());
    // Nothing is paused: asking changes nothing.
    client.request("retryStep", json!({ "jobId": id })).unwrap();
    assert_eq!(status(&mut client, &id)["results"]["state"], "copied");
}
