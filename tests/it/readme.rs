//! What README.md shows is what is.

use std::path::Path;
use std::process::{Command, Stdio};

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).unwrap()
}

/// The first block of a language.
fn block(language: &str) -> String {
    let text = readme();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_configuration_shown_is_the_one_that_is_tested() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config/site-example.toml");
    assert_eq!(
        block("toml").trim(),
        std::fs::read_to_string(path).unwrap().trim()
    );
}

#[test]
fn the_table_holds_every_method_and_no_other() {
    let openrpc = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/openrpc.json");
    let openrpc: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(openrpc).unwrap()).unwrap();
    let known: Vec<&str> = openrpc["methods"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|m| m["name"].as_str())
        .collect();
    let text = readme();
    let (_, table) = text.split_once("| method | does |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let named: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|cell| cell.split(','))
        .map(|name| name.trim().trim_matches('`'))
        .filter(|name| !name.is_empty() && !name.starts_with('-'))
        .collect();
    for name in &named {
        assert!(known.contains(name), "{name} is not in openrpc.json");
    }
    for name in known {
        let of_the_lifecycle = ["initialize", "shutdown"].contains(&name);
        assert!(
            of_the_lifecycle || named.contains(&name),
            "the table lacks {name}"
        );
    }
}

#[test]
fn every_notification_is_named() {
    let types = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/openrpc.json");
    let openrpc: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(types).unwrap()).unwrap();
    let told = openrpc["x-serverNotifications"].as_array().unwrap();
    assert!(!told.is_empty());
    let text = readme();
    let (_, rest) = text.split_once("\nNotifications: ").unwrap();
    let (list, _) = rest.split_once("Questions to clients").unwrap();
    for name in told.iter().filter_map(|n| n["name"].as_str()) {
        assert!(list.contains(&format!("`{name}`")), "the list lacks {name}");
    }
}

/// The Neovim lines, as written, attach to a config and carry a request.
#[test]
#[ignore = "needs NAMDRUNNER_NVIM"]
fn the_neovim_lines_attach() {
    let nvim = std::env::var("NAMDRUNNER_NVIM").expect("NAMDRUNNER_NVIM is the path of a Neovim");
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let init = write("init.lua", &block("lua"));
    write("a.namd", "structure a.psf\nrun 100\n");
    let check = write(
        "check.lua",
        r#"
        vim.cmd.edit("a.namd")
        local function client() return vim.lsp.get_clients({ name = "namdrunner", bufnr = 0 })[1] end
        local up = vim.wait(20000, function() return client() and client().initialized end)
        local answer = up and client():request_sync("listJobs", vim.empty_dict(), 20000, 0)
        print(vim.inspect({ up = up, filetype = vim.bo.filetype, answer = answer }))
        vim.cmd(answer and answer.result and answer.result.jobs and "qall!" or "cquit 1")
        "#,
    );
    let program = Path::new(env!("CARGO_BIN_EXE_namdrunner"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new(nvim)
        .args(["--headless", "-i", "NONE", "-u"])
        .arg(&init)
        .arg("-c")
        .arg(format!("luafile {}", check.display()))
        .current_dir(dir.path())
        .env("HOME", dir.path())
        .env("NAMDRUNNER_HOME", dir.path().join("home"))
        .env("NAMDRUNNER_LINGER", "0s")
        .env("PATH", path)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_DATA_HOME")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// The Python script, as written, drives a job to its end.
#[test]
#[ignore = "needs tests/run.sh"]
fn the_python_script_drives_a_job() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo");
    let home = dir.path().join("home");
    std::fs::create_dir_all(home.join("config")).unwrap();
    std::fs::write(
        home.join("config/config.toml"),
        format!(
            "[clusters.local]\nlaunch = \"sh '{}' +p1 {{config}} > {{log}} 2>&1\"\n",
            demo.join("namd-stand-in").display()
        ),
    )
    .unwrap();
    let script = dir.path().join("drive.py");
    std::fs::write(&script, block("python")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_namdrunner"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = Command::new("python3")
        .arg(&script)
        .arg(demo.join("water/equil/water.namd"))
        .env("NAMDRUNNER_HOME", &home)
        .env("NAMDRUNNER_LINGER", "0s")
        .env("NAMD_STANDIN_SECONDS_PER_1000_STEPS", "0.2")
        .env("PATH", path)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let statuses: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(statuses.first(), Some(&"PENDING"), "{text}");
    assert_eq!(statuses.last(), Some(&"COMPLETED"), "{text}");
}
