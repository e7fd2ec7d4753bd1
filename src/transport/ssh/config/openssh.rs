//! What OpenSSH itself makes of its settings: `ssh -G`.
//!
//! No reader of ours could be as right as that. It runs the commands of `Match exec`, as ssh does.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::{Options, Wanted};

/// How long ssh may take to tell; it takes a few milliseconds without `Match exec`.
const TO_TELL: Duration = Duration::from_secs(10);

/// Asks. None if there is no ssh.
pub(super) async fn ask(
    program: &Path,
    file: Option<&Path>,
    wanted: &Wanted<'_>,
) -> Option<Result<Options, String>> {
    let mut command = Command::new(program);
    command.arg("-G");
    if let Some(file) = file {
        command.arg("-F").arg(file);
    }
    if let Some(user) = wanted.user {
        // As one word: a name that begins with a dash stays a name.
        command.arg(format!("-l{user}"));
    }
    if let Some(port) = wanted.port {
        command.arg(format!("-p{port}"));
    }
    // What comes after is no option, whatever it begins with.
    command.arg("--").arg(wanted.host);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = match timeout(TO_TELL, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => return None,
        Ok(Err(error)) => return Some(Err(format!("ssh -G cannot be run: {error}"))),
        Err(_) => {
            let seconds = TO_TELL.as_secs();
            return Some(Err(format!(
                "ssh -G did not answer within {seconds} s; does a `Match exec` hang?"
            )));
        }
    };
    if output.status.success() {
        return Some(Ok(read(&String::from_utf8_lossy(&output.stdout))));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    Some(Err(lines.join("; ")))
}

/// One option on each line: its name, a blank, its value.
fn read(text: &str) -> Options {
    let mut options = Options::default();
    for line in text.lines() {
        if let Some((name, value)) = line.split_once(' ') {
            options.add(name, value.trim());
        }
    }
    options.keep_default_keys_apart();
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    // `ssh -G` of OpenSSH 9.2, shortened.
    const TEXT: &str = "\
host hpc
user you
hostname login.example.org
port 2222
identitiesonly yes
identityfile ~/.ssh/id_hpc
identityfile ~/.ssh/%h key
certificatefile ~/.ssh/id_hpc-cert.pub
globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2
proxyjump gate,second
serveraliveinterval 0
";
    const DEFAULTS: &str = "\
identityfile ~/.ssh/id_rsa
identityfile ~/.ssh/id_ecdsa
identityfile ~/.ssh/id_ecdsa_sk
identityfile ~/.ssh/id_ed25519
identityfile ~/.ssh/id_ed25519_sk
identityfile ~/.ssh/id_xmss
identityfile ~/.ssh/id_dsa
";

    #[test]
    fn its_words_are_read() {
        let options = read(TEXT);
        assert_eq!(options.one("hostname"), Some("login.example.org"));
        assert_eq!(
            options.all("identityfile"),
            ["~/.ssh/id_hpc", "~/.ssh/%h key"]
        );
        assert_eq!(options.one("proxyjump"), Some("gate,second"));
        assert_eq!(options.one("proxycommand"), None);
        assert!(read(DEFAULTS).all("identityfile").is_empty());
    }

    #[tokio::test]
    async fn a_host_is_never_an_option() {
        let wanted = Wanted {
            host: "-oProxyCommand=false",
            user: Some("-x"),
            port: None,
        };
        let Some(answer) = ask(Path::new("ssh"), Some(Path::new("/dev/null")), &wanted).await
        else {
            return;
        };
        // ssh refuses such a host itself, or takes it for one.
        if let Ok(options) = answer {
            assert_eq!(options.one("proxycommand"), None);
        }
        let nowhere = ask(Path::new("/nowhere/ssh"), None, &wanted).await;
        assert!(nowhere.is_none());
    }
}
