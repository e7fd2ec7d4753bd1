//! How often the cluster is asked, counted by the commands themselves.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::rig::{PATIENCE, Rig, cluster_env, until};
use super::tools::Tools;
use crate::cluster::proxy::Proxy;

fn counted(rig: &Rig) -> Tools {
    let tools = Tools::install(rig);
    rig.configure(&cluster_env("NRT_SSH_PORT"), &tools.setup());
    tools
}

#[test]
#[ignore = "needs tests/run.sh"]
fn ten_sync_alls_in_a_second_are_one_query() {
    let rig = Rig::new();
    let tools = counted(&rig);
    // An interval at which the poller itself stays out of the way.
    rig.configure(&cluster_env("NRT_SSH_PORT"), &tools.setup());
    let config = rig.home().join("config/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("sync_interval = 1\n", "sync_interval = 600\n"),
    )
    .unwrap();
    let mut client = rig.client();
    let id = rig.launch(&mut client, "lingers.namd", json!({}));
    until(&mut client, &id, "RUNNING");
    // The early looks after a submission, at 3 and 10 s, have to be over.
    let quiet = Instant::now() + Duration::from_secs(12);
    while Instant::now() < quiet {
        client.wait_for_any_notification(Duration::from_millis(500));
    }
    let before = tools.calls("squeue");
    let asks: Vec<Value> = (0..10).map(|_| json!({ "cluster": "test" })).collect();
    let began = Instant::now();
    let ids = client.start("syncAll", asks);
    let answers = client.answers(ids, PATIENCE);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    for answer in answers {
        let answer = answer.unwrap().unwrap();
        assert_eq!(answer["clusters"][0]["health"], "ok", "{answer}");
        assert_eq!(answer["clusters"][0]["queried"], 1, "{answer}");
    }
    assert_eq!(tools.calls("squeue") - before, 1);
    client.request("cancel", json!({ "jobId": id })).unwrap();
    client.wait_for_status(&id, "CANCELLED", PATIENCE);
}

#[test]
#[ignore = "needs tests/run.sh"]
fn with_nothing_active_there_is_no_traffic() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let port = cluster_env("NRT_SSH_PORT").parse().unwrap();
    let proxy = runtime
        .block_on(Proxy::start(port, Duration::ZERO))
        .unwrap();
    let rig = Rig::new();
    let tools = Tools::install(&rig);
    rig.configure(&proxy.port().to_string(), &tools.setup());
    let mut client = rig.client();
    // With no job at all nobody even connects.
    client.wait_for_any_notification(Duration::from_secs(3));
    client.request("syncAll", json!({})).unwrap();
    assert_eq!(proxy.accepted(), 0);

    let id = rig.launch(&mut client, "water.namd", json!({}));
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    // What was under way ends; then there is silence, but for the connection's own keepalive.
    let deadline = Instant::now() + PATIENCE;
    let (mut calls, mut since) = (tools.calls("squeue"), Instant::now());
    while since.elapsed() < Duration::from_secs(5) {
        assert!(Instant::now() < deadline, "squeue is called on and on");
        client.wait_for_any_notification(Duration::from_millis(500));
        if tools.calls("squeue") != calls {
            (calls, since) = (tools.calls("squeue"), Instant::now());
        }
    }
    let delivered = proxy.delivered();
    client.request("syncAll", json!({})).unwrap();
    assert_eq!(
        tools.calls("squeue"),
        calls,
        "asked with nothing to ask about"
    );
    assert!(
        proxy.delivered() - delivered < 2000,
        "more than a keepalive"
    );
}

#[test]
#[ignore = "needs tests/run.sh"]
fn a_job_costs_one_sbatch_and_few_looks() {
    let rig = Rig::new();
    let tools = counted(&rig);
    let mut client = rig.client();
    let began = Instant::now();
    let id = rig.launch(&mut client, "water.namd", json!({}));
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert_eq!(tools.calls("sbatch"), 1);
    assert_eq!(tools.calls("scancel"), 0);
    // At this interval of a second, one look a second and the two early ones at most; sacct only
    // when the queue shows an end.
    let looks = tools.calls("squeue");
    assert!(looks <= seconds + 4, "{looks} in {seconds} s");
    assert!(tools.calls("sacct") <= 2, "{}", tools.calls("sacct"));
    let status = client
        .request("clusterStatus", json!({ "cluster": "test" }))
        .unwrap();
    assert_eq!(
        status["queriesLastHour"], looks,
        "as it says itself: {status}"
    );
}
