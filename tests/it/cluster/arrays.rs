//! Arrays on the real cluster, over the real wire.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rig::{Client, PATIENCE, Rig, cluster_env, slurm, submissions_below, until};
use super::tools::Tools;

/// Members tell who they are; member 1 fails if the launch command says so.
const TELLS: &str =
    "sh equil/namd-stand-in +p1 {config} > {log} 2>&1 && echo $NAMDRUNNER_INDEX > told_{index}";

fn status(client: &mut Client, id: &str) -> Value {
    client.request("jobStatus", json!({ "jobId": id })).unwrap()["job"].clone()
}

/// The members' statuses, by number.
fn members(job: &Value) -> BTreeMap<u64, String> {
    let members = job["members"].as_array().unwrap();
    let one = |member: &Value| {
        (
            member["id"].as_u64().unwrap(),
            member["status"].as_str().unwrap().to_owned(),
        )
    };
    members.iter().map(one).collect()
}

/// Waits until the members are as `fits` wants them; returns the job.
fn until_members(
    client: &mut Client,
    id: &str,
    fits: impl Fn(&BTreeMap<u64, String>) -> bool,
) -> Value {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let job = status(client, id);
        if fits(&members(&job)) {
            return job;
        }
        assert!(std::time::Instant::now() < deadline, "never so: {job}");
        client.wait_for_any_notification(std::time::Duration::from_secs(1));
    }
}

#[test]
#[ignore = "needs tests/run.sh"]
fn an_array_becomes_finished_members() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.create(
        &mut client,
        "water.namd",
        json!({ "array": "0-3%2", "launch": TELLS }),
    );
    let job = status(&mut client, &id);
    assert_eq!(job["array"], "0-3%2");
    assert_eq!(job["memberCounts"]["total"], 4);
    assert!(members(&job).values().all(|status| status == "CREATED"));
    client.request("submit", json!({ "jobId": id })).unwrap();

    // What is told holds counts, and no members.
    let mut seen = BTreeMap::<&str, Vec<u64>>::new();
    loop {
        let told = client.expect_notification("jobStatusChanged", PATIENCE, |params| {
            params["jobId"] == id && params["job"]["submittedAt"].is_string()
        });
        let counts = &told["job"]["memberCounts"];
        assert!(told["job"].get("members").is_none(), "{told}");
        for name in ["pending", "running", "completed"] {
            let count = counts[name].as_u64().unwrap();
            seen.entry(name).or_default().push(count);
        }
        if told["to"] == "COMPLETED" {
            break;
        }
        assert!(
            ["PENDING", "RUNNING"].contains(&told["to"].as_str().unwrap()),
            "{told}"
        );
    }
    assert_eq!(seen["pending"].first(), Some(&4));
    assert_eq!(seen["completed"].last(), Some(&4));
    assert!(
        seen["running"].iter().all(|running| *running <= 2),
        "{seen:?}"
    );
    assert!(
        seen["running"].iter().any(|running| *running > 0),
        "{seen:?}"
    );
    assert!(
        seen["pending"].contains(&2),
        "two wait while two run: {seen:?}"
    );

    let job = status(&mut client, &id);
    assert_eq!(job["exitCode"], 0, "{job}");
    let array = job["slurmJobId"].as_str().unwrap();
    let scratch = job["scratchDir"].as_str().unwrap();
    for member in job["members"].as_array().unwrap() {
        let number = &member["id"];
        assert_eq!(member["status"], "COMPLETED", "{member}");
        assert_eq!(member["exitCode"], 0, "{member}");
        assert_eq!(member["slurmJobId"], format!("{array}_{number}"));
        assert!(member["startedAt"].is_string() && member["completedAt"].is_string());
        let tree = format!("{scratch}/1/{number}");
        let told = std::fs::read_to_string(format!("{tree}/told_{number}")).unwrap();
        assert_eq!(told, format!("{number}\n"));
        for file in [
            "equil/water_equil.coor",
            "equil/water.log",
            ".namdrunner/exit",
        ] {
            assert!(
                std::path::Path::new(&format!("{tree}/{file}")).exists(),
                "{tree}/{file}"
            );
        }
    }
    let history = client
        .request("jobHistory", json!({ "jobId": id }))
        .unwrap();
    let last = history["entries"].as_array().unwrap().last().unwrap();
    assert!(
        last["evidence"]
            .as_str()
            .unwrap()
            .starts_with("4 of 4 members over"),
        "{last}"
    );
    // An array is one submission. (Slurm gives each member a number of its own.)
    assert_eq!(submissions_below(scratch).len(), 4);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn one_member_fails_and_the_others_finish() {
    let rig = Rig::new();
    let mut client = rig.client();
    let launch = format!("{TELLS} && [ {{index}} != 1 ] || exit 3");
    let id = rig.launch(
        &mut client,
        "water.namd",
        json!({ "array": "0-2", "launch": launch }),
    );
    let told = until(&mut client, &id, "FAILED");
    let counts = &told["job"]["memberCounts"];
    assert_eq!(
        (&counts["failed"], &counts["completed"]),
        (&json!(1), &json!(2)),
        "{told}"
    );
    let why = told["job"]["cause"]["text"].as_str().unwrap();
    assert!(
        why.starts_with("1 of 3 members failed. Member 1: "),
        "{why}"
    );
    let job = status(&mut client, &id);
    assert_eq!(job["members"][1]["exitCode"], 3, "{job}");
    assert_eq!(job["members"][1]["cause"]["code"], "exitCode");

    // Again: a second attempt, whose members begin anew; the first keeps its own.
    client
        .request("updateJob", json!({ "jobId": id, "launch": TELLS }))
        .unwrap();
    client
        .request("submit", json!({ "jobId": id, "wait": true }))
        .unwrap();
    assert!(
        members(&status(&mut client, &id))
            .values()
            .all(|status| status != "FAILED")
    );
    let told = until(&mut client, &id, "COMPLETED");
    assert_eq!(told["job"]["attempt"], 2);
    assert_eq!(told["job"]["memberCounts"]["completed"], 3);
    assert_eq!(told["job"]["attempts"][0]["outcome"], "FAILED");
}

#[test]
#[ignore = "needs tests/run.sh"]
fn members_are_cancelled_alone_and_then_all() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({ "array": "0-5%2" }));
    until_members(&mut client, &id, |members| {
        members
            .values()
            .filter(|status| *status == "RUNNING")
            .count()
            == 2
    });
    for (params, field) in [
        (json!([0, 9]), "members"),
        (json!([]), "members"),
        (json!([-1]), "members[0]"),
    ] {
        let refused = client
            .request("cancel", json!({ "jobId": id, "members": params }))
            .unwrap_err();
        assert_eq!(refused["code"], -32602, "{refused}");
        assert!(
            refused["message"].as_str().unwrap().contains(field),
            "{refused}"
        );
    }
    // One that runs, and two that wait: of those Slurm keeps no trace at all.
    client
        .request("cancel", json!({ "jobId": id, "members": [0, 4, 5] }))
        .unwrap();
    let job = until_members(&mut client, &id, |members| {
        [0, 4, 5].iter().all(|n| members[n] == "CANCELLED") && members[&2] == "RUNNING"
    });
    assert_eq!(job["status"], "RUNNING", "{job}");
    assert_eq!(job["memberCounts"]["cancelled"], 3);
    for number in [0, 4, 5] {
        let cause = &job["members"][number]["cause"]["text"];
        assert_eq!(cause, "It was cancelled by you.", "{job}");
    }
    client.request("cancel", json!({ "jobId": id })).unwrap();
    let told = until(&mut client, &id, "CANCELLED");
    assert_eq!(told["job"]["memberCounts"]["cancelled"], 6, "{told}");
    assert_eq!(told["job"]["cause"]["text"], "It was cancelled by you.");
    // It can be deleted with all its trees.
    let deleted = client
        .request("deleteJob", json!({ "jobId": id, "remoteFiles": true }))
        .unwrap();
    assert_eq!(deleted["remote"].as_array().unwrap().len(), 2, "{deleted}");
    let scratch = told["job"]["scratchDir"].as_str().unwrap();
    assert!(!std::path::Path::new(scratch).exists());
}

#[test]
#[ignore = "needs tests/run.sh"]
fn an_array_outlives_the_server() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "water.namd", json!({ "array": "0-3%2" }));
    until_members(&mut client, &id, |members| {
        members.values().any(|status| status == "RUNNING")
    });
    client.kill();
    client.wait_for_death(PATIENCE);
    // What has happened meanwhile is known afterwards, for each member.
    let mut client = rig.client();
    let told = until(&mut client, &id, "COMPLETED");
    assert_eq!(told["job"]["memberCounts"]["completed"], 4, "{told}");
    let job = status(&mut client, &id);
    assert!(
        members(&job).values().all(|status| status == "COMPLETED"),
        "{job}"
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_requeued_member_lives_twice() {
    let rig = Rig::with("requeue = true");
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({ "array": "0-1" }));
    let job = until_members(&mut client, &id, |members| {
        members.values().all(|status| status == "RUNNING")
    });
    let array = job["slurmJobId"].as_str().unwrap();
    slurm(&["scontrol", "requeue", &format!("{array}_1")]);
    let job = until_members(&mut client, &id, |members| {
        members[&0] == "RUNNING" && members[&1] == "PENDING"
    });
    assert_eq!(job["status"], "RUNNING");
    assert_eq!(job["members"][1]["restarts"], 1, "{job}");
    client.request("cancel", json!({ "jobId": id })).unwrap();
    until(&mut client, &id, "CANCELLED");
}

/// An array that was cancelled by somebody while neither queue nor records told anything.
fn unwitnessed(rig: &Rig, client: &mut Client, tools: &Tools) -> String {
    let id = rig.launch(
        client,
        "lingers.namd",
        json!({ "array": "0-2", "resources": { "partition": "down" } }),
    );
    let job = client.wait_for_status(&id, "PENDING", PATIENCE);
    tools.instead("squeue", "true");
    tools.instead(
        "sacct",
        "echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1",
    );
    slurm(&["scancel", job["slurmJobId"].as_str().unwrap()]);
    let told = until(client, &id, "UNKNOWN");
    assert_eq!(told["job"]["memberCounts"]["unknown"], 3, "{told}");
    tools.heal();
    id
}

#[test]
#[ignore = "needs tests/run.sh"]
fn an_array_that_nobody_witnessed_is_corrected_when_the_records_come_back() {
    let rig = Rig::new();
    let tools = Tools::install(&rig);
    let lines = format!(
        "{}\n[clusters.test.absence]\nanswers = 2\nminutes = 0",
        tools.setup()
    );
    rig.configure(&cluster_env("NRT_SSH_PORT"), &lines);
    let mut client = rig.client();
    // By a look that somebody asks for.
    let id = unwitnessed(&rig, &mut client, &tools);
    let deadline = std::time::Instant::now() + PATIENCE;
    while status(&mut client, &id)["status"] != "CANCELLED" {
        assert!(std::time::Instant::now() < deadline);
        client.request("syncAll", json!({})).unwrap();
        // A younger answer counts for this one.
        client.wait_for_any_notification(std::time::Duration::from_secs(5));
    }
    assert_eq!(status(&mut client, &id)["memberCounts"]["cancelled"], 3);
    // By comparing, which says so beforehand.
    let id = unwitnessed(&rig, &mut client, &tools);
    let mut compare = |dry: bool| {
        let found = client
            .request("reconcile", json!({ "cluster": "test", "dryRun": dry }))
            .unwrap();
        let items = found["items"].as_array().unwrap();
        items.iter().find(|item| item["jobId"] == id).cloned()
    };
    for dry in [true, false] {
        let item = compare(dry).unwrap();
        assert_eq!(item["kind"], "statusDiffers", "{item}");
        assert_eq!(item["changed"], "UNKNOWN to CANCELLED", "{item}");
    }
    let job = status(&mut client, &id);
    assert_eq!(job["status"], "CANCELLED", "{job}");
    assert!(members(&job).values().all(|status| status == "CANCELLED"));
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_thousand_members_are_listed_cheaply() {
    let rig = Rig::new();
    let mut client = rig.client();
    let id = rig.launch(
        &mut client,
        "water.namd",
        json!({ "array": "0-999", "resources": { "partition": "down" } }),
    );
    client.request("syncAll", json!({})).unwrap();
    let job = status(&mut client, &id);
    assert_eq!(job["memberCounts"]["pending"], 1000);
    assert_eq!(job["members"].as_array().unwrap().len(), 1000);
    assert_eq!(job["reason"]["code"], "PartitionDown", "{}", job["reason"]);
    let list = client.request("listJobs", json!({})).unwrap();
    assert!(list["jobs"][0].get("members").is_none());
    let bytes = list.to_string().len();
    assert!(bytes < 4000, "{bytes} bytes");
    client
        .request("cancel", json!({ "jobId": id, "members": [7, 8, 500] }))
        .unwrap();
    until_members(&mut client, &id, |members| members[&500] == "CANCELLED");
    client.request("cancel", json!({ "jobId": id })).unwrap();
    let told = until(&mut client, &id, "CANCELLED");
    assert_eq!(told["job"]["memberCounts"]["cancelled"], 1000, "{told}");
    assert!(told.to_string().len() < 4000);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn files_that_depend_on_the_member_are_found_or_named() {
    let rig = Rig::new();
    let mut client = rig.client();
    let config = rig.config("water.namd");
    let text = std::fs::read_to_string(&config).unwrap();
    let wanted = "source seed_$env(NAMDRUNNER_INDEX).tcl\n";
    std::fs::write(rig.config("replica.namd"), format!("{wanted}{text}")).unwrap();
    for number in 0..2 {
        std::fs::write(rig.config(&format!("seed_{number}.tcl")), "set replica 1\n").unwrap();
    }
    let preview = client
        .request(
            "previewJob",
            json!({ "configPath": rig.config("replica.namd"), "array": "0-2" }),
        )
        .unwrap();
    let missing = preview["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["code"] == "inputMissing")
        .unwrap();
    let message = missing["message"].as_str().unwrap();
    assert!(
        message.contains("seed_2.tcl") && message.contains("In member 2"),
        "{message}"
    );
    assert!(
        preview["script"]
            .as_str()
            .unwrap()
            .contains("#SBATCH --array=0-2\n")
    );

    let id = rig.launch(&mut client, "replica.namd", json!({ "array": "0-1" }));
    let told = until(&mut client, &id, "COMPLETED");
    let tree = told["job"]["scratchDir"].as_str().unwrap();
    assert!(std::path::Path::new(&format!("{tree}/1/1/equil/seed_0.tcl")).exists());
}

#[test]
#[ignore = "needs tests/run.sh"]
fn an_array_that_cannot_be_is_refused_by_its_name() {
    let rig = Rig::new();
    let mut client = rig.client();
    for (array, why) in [
        ("0-9%", "behind `%`"),
        ("3-1", "is not a list"),
        ("0-10000", "at most 10000"),
        ("20000", "MaxArraySize"),
    ] {
        let refused = client
            .request(
                "createJob",
                json!({ "configPath": rig.config("water.namd"), "inputs": ["namd-stand-in"], "array": array }),
            )
            .unwrap_err();
        assert_eq!(refused["code"], -32602, "{refused}");
        let message = refused["message"].as_str().unwrap();
        assert!(
            message.starts_with("Parameter `array`: ") && message.contains(why),
            "{message}"
        );
    }
    let refused = client
        .request(
            "createJob",
            json!({ "configPath": rig.config("water.namd"), "launch": "namd3 {config} {index}" }),
        )
        .unwrap_err();
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .starts_with("Parameter `launch`: "),
        "{refused}"
    );
}
