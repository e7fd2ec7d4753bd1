//! The water box of the demo, with NAMD's stand-in, and a home that runs it on this machine.

use std::fs;
use std::path::Path;

/// Writes `water/` and `namdrunner/config/config.toml` into a directory.
///
/// The cluster `local` keeps its jobs below `namdrunner/` and starts the stand-in, which is an input.
pub(crate) fn lay_out(dir: &Path) {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo");
    copy(&demo.join("water"), &dir.join("water"));
    fs::copy(demo.join("namd-stand-in"), dir.join("namd-stand-in")).unwrap();
    let config = dir.join("namdrunner/config");
    fs::create_dir_all(&config).unwrap();
    let path = |name: &str| dir.join(name).display().to_string();
    let text = format!(
        r#"default_cluster = "local"

[clusters.local]
scheduler = "direct"
project_root = "{}"
scratch_root = "{}"
launch = "sh {} +p{{cores}} {{config}} > {{log}} 2>&1"
sync_interval = 1
"#,
        path("namdrunner/projects"),
        path("namdrunner/scratch"),
        path("namd-stand-in"),
    );
    fs::write(config.join("config.toml"), text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
