//! One connection for a cluster, whatever is asked.

use serde_json::json;

use super::proxy::Proxy;
use super::rig::{PATIENCE, Rig, cluster_env};

#[test]
#[ignore = "needs tests/run.sh"]
fn everything_goes_over_one_connection() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let port = cluster_env("NRT_SSH_PORT").parse().unwrap();
    let proxy = runtime
        .block_on(Proxy::start(port, std::time::Duration::ZERO))
        .unwrap();
    let rig = Rig::new();
    rig.reach_through(proxy.port());
    let mut client = rig.client();
    let examined = client
        .request("doctor", json!({ "cluster": "test" }))
        .unwrap();
    let checks = examined["checks"].as_array().unwrap();
    let sbatch = checks.iter().find(|check| check["name"] == "sbatch");
    assert_eq!(sbatch.unwrap()["ok"], true, "{examined}");
    let id = rig.launch(&mut client, "water.namd", json!({}));
    client.request("doctor", json!({})).unwrap();
    client.wait_for_status(&id, "COMPLETED", PATIENCE);
    client
        .request("connect", json!({ "cluster": "test" }))
        .unwrap();
    assert_eq!(proxy.accepted(), 1);
    client.close();
}
