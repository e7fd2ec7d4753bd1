//! Files of jobs on this machine: large inputs, inputs that an earlier job has, results.

use std::path::Path;

use serde_json::{Value, json};

use super::jobs::Place;

fn large() -> Vec<u8> {
    (0..9_000_000_u32)
        .map(|n| (n >> 7).to_le_bytes()[0])
        .collect()
}

fn asked(place: &Place) -> Value {
    json!({
        "configPath": place.path().join("water/equil/water.namd"),
        "cluster": "local",
        "inputs": ["big one.dcd"],
    })
}

fn action(preview: &Value) -> String {
    let files = preview["files"].as_array().unwrap();
    let is_big = |file: &&Value| file["remote"].as_str().unwrap().ends_with("big one.dcd");
    let file = files.iter().find(is_big).unwrap();
    file["action"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_large_input_is_listed_summed_and_reused() {
    let place = Place::new();
    let big = place.path().join("water/equil/big one.dcd");
    std::fs::write(&big, large()).unwrap();
    let mut client = place.client();
    let preview = client.request("previewJob", asked(&place)).await.unwrap();
    assert_eq!(action(&preview), "upload");
    let first = client.request("createJob", asked(&place)).await.unwrap()["job"].clone();
    let preview = client.request("previewJob", asked(&place)).await.unwrap();
    assert_eq!(action(&preview), "reuse");
    assert!(
        preview["totalBytes"].as_u64().unwrap() < 500_000,
        "{preview}"
    );
    let second = client.request("createJob", asked(&place)).await.unwrap()["job"].clone();
    for job in [&first, &second] {
        let project = Path::new(job["projectDir"].as_str().unwrap());
        let there = std::fs::read(project.join("input_files/equil/big one.dcd")).unwrap();
        assert!(there == large());
        let sums = std::fs::read_to_string(project.join("sha256sums")).unwrap();
        assert!(sums.contains("  input_files/equil/big one.dcd\n"), "{sums}");
        let asked = json!({ "jobId": job["jobId"] });
        let listed = client.request("listFiles", asked).await.unwrap();
        let files = listed["files"].as_array().unwrap();
        let found = files
            .iter()
            .find(|file| file["path"] == "equil/big one.dcd");
        let found = found.unwrap_or_else(|| panic!("{listed}"));
        assert_eq!(found["bytes"], 9_000_000);
        assert_eq!(found["role"], "input");
    }
    // A copy, not another name: what is done to one is not done to the other.
    let copies = [&first, &second].map(|job| {
        let project = Path::new(job["projectDir"].as_str().unwrap());
        std::os::unix::fs::MetadataExt::ino(
            &std::fs::metadata(project.join("input_files/equil/big one.dcd")).unwrap(),
        )
    });
    assert_ne!(copies[0], copies[1]);
    assert_eq!(client.finish().await, 0);
}
