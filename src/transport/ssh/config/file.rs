//! A reader of our own for `ssh_config(5)`, where there is no ssh to ask. Pure.
//!
//! It is strict: what it does not know it refuses, because an option that is passed over can mean
//! another host, another user or another way there.

use std::path::{Path, PathBuf};

use super::{Options, Wanted, matches_any};

/// Options whose value here is what they mean there.
const KNOWN: &[&str] = &[
    "addressfamily",
    "bindaddress",
    "bindinterface",
    "certificatefile",
    "connecttimeout",
    "globalknownhostsfile",
    "gssapiauthentication",
    "hashknownhosts",
    "hostbasedauthentication",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "kbdinteractiveauthentication",
    "passwordauthentication",
    "pkcs11provider",
    "port",
    "preferredauthentications",
    "proxycommand",
    "proxyjump",
    "pubkeyauthentication",
    "revokedhostkeys",
    "serveraliveinterval",
    "stricthostkeychecking",
    "user",
    "userknownhostsfile",
];

/// Options that mean nothing to us: how a terminal, a forwarding or the log of ssh itself is.
const IDLE: &[&str] = &[
    "addkeystoagent",
    "batchmode",
    "canonicaldomains",
    "canonicalizefallbacklocal",
    "canonicalizemaxdots",
    "canonicalizepermittedcnames",
    "casignaturealgorithms",
    "checkhostip",
    "ciphers",
    "clearallforwardings",
    "compression",
    "connectionattempts",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "enableescapecommandline",
    "enablesshkeysign",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forkafterauthentication",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "gssapidelegatecredentials",
    "gssapiclientidentity",
    "gssapikeyexchange",
    "gssapirenewalforcesrekey",
    "gssapiserveridentity",
    "gssapitrustdns",
    "hostbasedacceptedalgorithms",
    "hostkeyalgorithms",
    "ipqos",
    "kbdinteractivedevices",
    "kexalgorithms",
    "knownhostscommand",
    "localcommand",
    "localforward",
    "loglevel",
    "logverbose",
    "macs",
    "nohostauthenticationforlocalhost",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "permitlocalcommand",
    "permitremoteopen",
    "pubkeyacceptedalgorithms",
    "pubkeyacceptedkeytypes",
    "rekeylimit",
    "remotecommand",
    "remoteforward",
    "requesttty",
    "requiredrsasize",
    "securitykeyprovider",
    "sendenv",
    "serveralivecountmax",
    "sessiontype",
    "setenv",
    "stdinnull",
    "streamlocalbindmask",
    "streamlocalbindunlink",
    "syslogfacility",
    "tcpkeepalive",
    "tunnel",
    "tunneldevice",
    "updatehostkeys",
    "usekeychain",
    "verifyhostkeydns",
    "visualhostkey",
    "warnweakcrypto",
    "xauthlocation",
];

/// How deep files may include files, as in ssh.
const DEEPEST: usize = 16;

/// Gives the files that an `Include` names: their paths and texts.
pub(super) type Includes<'a> = dyn Fn(&str) -> Result<Vec<(PathBuf, String)>, String> + Sync + 'a;

/// Reads files, the first of which wins. The error names its file and line.
pub(super) fn read(
    files: &[(PathBuf, String)],
    includes: &Includes<'_>,
    wanted: &Wanted<'_>,
    local_user: &str,
) -> Result<Options, String> {
    let mut reader = Reader {
        includes,
        wanted,
        local_user,
        host: wanted.host.to_owned(),
        last: false,
        wants_last: false,
        options: Options::default(),
    };
    reader.pass(files)?;
    if reader.wants_last {
        // A second pass, in which `Match final` holds and hosts are named as they are reached.
        if let Some(host) = reader.options.one("hostname") {
            reader.host = host.replace("%h", wanted.host);
        }
        reader.last = true;
        reader.pass(files)?;
    }
    Ok(reader.options)
}

struct Reader<'a> {
    includes: &'a Includes<'a>,
    wanted: &'a Wanted<'a>,
    local_user: &'a str,
    host: String,
    last: bool,
    wants_last: bool,
    options: Options,
}

impl Reader<'_> {
    fn pass(&mut self, files: &[(PathBuf, String)]) -> Result<(), String> {
        for (path, text) in files {
            self.file(path, text, true, 0)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, text: &str, holds: bool, depth: usize) -> Result<(), String> {
        let mut active = holds;
        for (index, line) in text.lines().enumerate() {
            let at = |why: String| format!("{}, line {}: {why}", path.display(), index + 1);
            let words = words(line).map_err(at)?;
            let Some((name, values)) = words.split_first() else {
                continue;
            };
            let name = name.to_ascii_lowercase();
            if values.is_empty() {
                return Err(at(format!("{name} has no value")));
            }
            match name.as_str() {
                "host" => active = holds && matches_any(&self.host, values),
                "match" => active = self.condition(values).map_err(at)? && holds,
                "include" if depth >= DEEPEST => return Err(at("too many files".to_owned())),
                "include" => {
                    for pattern in values.iter().filter(|_| active) {
                        for (path, text) in (self.includes)(pattern).map_err(at)? {
                            self.file(&path, &text, true, depth + 1)?;
                        }
                    }
                }
                _ if !active => {}
                "ignoreunknown" => {
                    for pattern in values[0].split(',') {
                        self.options.add("ignoreunknown", pattern);
                    }
                }
                "canonicalizehostname" if values[0].eq_ignore_ascii_case("no") => {}
                "challengeresponseauthentication" | "skeyauthentication" => {
                    self.options.add("kbdinteractiveauthentication", &values[0]);
                }
                "keepalive" => {}
                // Its value is a command line, quotes and all.
                "proxycommand" => self.set(&name, rest_of(line)),
                _ if KNOWN.contains(&name.as_str()) => self.set(&name, &values.join(" ")),
                _ if IDLE.contains(&name.as_str()) => {}
                _ if matches_any(&name, &self.options.all("ignoreunknown")) => {}
                _ => {
                    return Err(at(format!(
                        "{name} is not known here; with ssh on the PATH its own reader is used"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The first value wins, but for those that are lists. Of `ProxyJump` and `ProxyCommand` the
    /// first wins over the other too.
    fn set(&mut self, name: &str, value: &str) {
        let other = match name {
            "proxyjump" => "proxycommand",
            "proxycommand" => "proxyjump",
            _ => "",
        };
        if self.options.one(other).is_none() {
            self.options.add(name, value);
        }
    }

    /// Whether what a `Match` asks for is so.
    fn condition(&mut self, words: &[String]) -> Result<bool, String> {
        let mut holds = true;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (negated, name) = match word.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, word.as_str()),
            };
            let mut names = || {
                let word = words.next().ok_or(format!("Match {name} names nothing"));
                Ok::<_, String>(word?.split(',').map(str::to_owned).collect::<Vec<_>>())
            };
            let is = match name.to_ascii_lowercase().as_str() {
                "all" => true,
                "final" => {
                    self.wants_last = true;
                    self.last
                }
                "canonical" => self.last,
                "host" => {
                    let host = self.options.one("hostname").unwrap_or(&self.host);
                    matches_any(&host.replace("%h", &self.host), &names()?)
                }
                "originalhost" => matches_any(self.wanted.host, &names()?),
                "user" => {
                    let configured = self.options.one("user");
                    let user = self.wanted.user.or(configured).unwrap_or(self.local_user);
                    matches_any(user, &names()?)
                }
                "localuser" => matches_any(self.local_user, &names()?),
                _ => {
                    return Err(format!(
                        "Match {name} is not known here; with ssh on the PATH its own reader is \
                         used"
                    ));
                }
            };
            holds &= is != negated;
        }
        Ok(holds)
    }
}

/// The words of a line: its keyword, which may be followed by `=`, and its values. Quotes hold a
/// word together; what follows a `#` is a comment.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    while let Some(first) = rest.chars().next() {
        if first == '#' {
            break;
        }
        let mut word = String::new();
        let mut quote = None;
        let mut end = rest.len();
        let mut chars = rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match (quote, c) {
                (None, '"' | '\'') => quote = Some(c),
                (Some(open), _) if c == open => quote = None,
                (_, '\\') => match chars.clone().next() {
                    Some((_, next @ ('"' | '\'' | '\\'))) => {
                        word.push(next);
                        chars.next();
                    }
                    Some((_, ' ')) if quote.is_none() => {
                        word.push(' ');
                        chars.next();
                    }
                    _ => word.push(c),
                },
                (None, _) if c.is_whitespace() || (words.is_empty() && c == '=') => {
                    end = at;
                    break;
                }
                _ => word.push(c),
            }
        }
        if quote.is_some() {
            return Err("a quote does not end".to_owned());
        }
        rest = rest.get(end..).unwrap_or_default().trim_start();
        if words.is_empty() {
            rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
        }
        words.push(word);
    }
    Ok(words)
}

/// What follows the keyword, as it stands.
fn rest_of(line: &str) -> &str {
    let line = line.trim();
    let end = line
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(line.len());
    let rest = line.get(end..).unwrap_or_default().trim_start();
    rest.strip_prefix('=').unwrap_or(rest).trim_start()
}

#[cfg(test)]
mod tests;
