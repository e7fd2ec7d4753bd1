//! One host as it is logged in to, made of config.toml and of ssh's options. Pure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::SshSettings;
use super::tokens::{Here, Tokens};
use super::{Options, Wanted};
use crate::transport::prompt::AuthMethod;

/// Where a login goes, with what, and how it gets there.
#[derive(Debug, Clone)]
pub(in super::super) struct Target {
    /// The cluster's name in config.toml, for prompts.
    pub(in super::super) cluster: String,
    /// The host as the person names it.
    pub(in super::super) named: String,
    /// The host that is reached.
    pub(in super::super) host: String,
    /// Its port.
    pub(in super::super) port: u16,
    /// The user there.
    pub(in super::super) user: String,
    /// The name its key is recorded under, if it is another (`HostKeyAlias`).
    pub(in super::super) alias: Option<String>,
    /// Key files to offer; none named means the usual ones.
    pub(in super::super) identity_files: Vec<PathBuf>,
    /// Certificates of keys, beside those that lie next to their keys.
    pub(in super::super) certificate_files: Vec<PathBuf>,
    /// Whether the agent's other keys are left alone.
    pub(in super::super) identities_only: bool,
    /// The agent.
    pub(in super::super) agent: Agent,
    /// The user's files of known hosts; the first is written to.
    pub(in super::super) known_hosts: Vec<PathBuf>,
    /// Further ones, which are only read.
    pub(in super::super) global_known_hosts: Vec<PathBuf>,
    /// Whether names are written hashed.
    pub(in super::super) hash_known_hosts: bool,
    /// What may be tried, the best first; keys count as one (`publickey`).
    pub(in super::super) methods: Vec<Method>,
    /// Whether only IPv6 addresses count, or only IPv4 ones (`AddressFamily`).
    pub(in super::super) family: Option<bool>,
    /// Whether ssh would log in with a Kerberos ticket, which is not done here.
    pub(in super::super) wants_gssapi: bool,
    /// The way there.
    pub(in super::super) way: Way,
    /// Time for reaching the host and for each step of the login that waits for nobody.
    pub(in super::super) connect_timeout: Duration,
    /// Silence after which a sign of life is asked for.
    pub(in super::super) keepalive: Duration,
    /// What of the settings is not followed.
    pub(in super::super) remarks: Vec<String>,
    /// `user@host:port` of the hosts to jump over, the first hop first.
    pub(super) jumps: Vec<String>,
}

/// The SSH agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Agent {
    /// None is asked.
    None,
    /// The one behind this socket.
    Socket(PathBuf),
}

/// How a host is reached.
#[derive(Debug, Clone)]
pub(in super::super) enum Way {
    /// By itself.
    Own,
    /// Through the input and output of a command.
    Command(String),
    /// Through a connection to another host.
    Over(Box<Target>),
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Method {
    /// Keys and certificates.
    Keys,
    /// What a person types.
    Person(AuthMethod),
}

/// The order in which ssh prefers methods.
const USUAL: [Method; 3] = [
    Method::Keys,
    Method::Person(AuthMethod::KeyboardInteractive),
    Method::Person(AuthMethod::Password),
];

impl Target {
    /// Makes one of ssh's options; `settings` (of config.toml) win over them.
    pub(super) fn of(
        wanted: &Wanted<'_>,
        options: &Options,
        settings: Option<&SshSettings>,
        here: &Here,
    ) -> Result<Self, String> {
        let port = match (wanted.port, options.one("port")) {
            (Some(port), _) => port,
            (None, Some(text)) => text.parse().map_err(|_| format!("{text:?} is no port"))?,
            (None, None) => 22,
        };
        let user = wanted.user.or(options.one("user")).unwrap_or(&here.user);
        let host = match options.one("hostname") {
            Some(template) => template.replace("%h", wanted.host).replace("%%", "%"),
            None => wanted.host.to_owned(),
        };
        let alias = options.one("hostkeyalias").map(str::to_owned);
        check_host(wanted.host)?;
        check_host(&host)?;
        check_host(alias.as_deref().unwrap_or(&host))?;
        check_user(user)?;
        let mut remarks = remarks(options);
        let jumps: Vec<String> = match settings.and_then(|it| it.proxy_jump.as_deref()) {
            Some("none") => Vec::new(),
            Some(jumps) => list(jumps),
            None => options.one("proxyjump").map(list).unwrap_or_default(),
        };
        for jump in &jumps {
            let (user, host, _) = place(jump)?;
            check_host(&host)?;
            check_user(user.as_deref().unwrap_or_default())?;
        }
        let tokens = Tokens {
            named: wanted.host,
            host: &host,
            port,
            user,
            alias: alias.as_deref().unwrap_or(&host),
            jump: jumps.first().map_or("", String::as_str),
            here,
        };
        let own_way = settings.is_some_and(|it| it.proxy_jump.is_some());
        let way = match options.one("proxycommand") {
            Some(command) if jumps.is_empty() && !own_way => Way::Command(tokens.put_in(command)?),
            _ => Way::Own,
        };
        let paths = |texts: Vec<&str>| {
            let paths = texts.into_iter().map(|text| tokens.path(text));
            paths.collect::<Result<Vec<_>, _>>()
        };
        let several = |name: &str| {
            let all = options.one(name).unwrap_or_default();
            paths(all.split_whitespace().collect())
        };
        let mut target = Self {
            cluster: settings.map_or_else(String::new, |it| it.cluster.clone()),
            named: wanted.host.to_owned(),
            port,
            user: user.to_owned(),
            identity_files: paths(options.all("identityfile"))?,
            certificate_files: paths(options.all("certificatefile"))?,
            identities_only: options.is("identitiesonly", "yes"),
            agent: agent(options, &tokens)?,
            known_hosts: several("userknownhostsfile")?,
            global_known_hosts: several("globalknownhostsfile")?,
            hash_known_hosts: options.is("hashknownhosts", "yes"),
            methods: methods(options, &mut remarks),
            family: match options.one("addressfamily") {
                Some("inet6") => Some(true),
                Some("inet") => Some(false),
                _ => None,
            },
            wants_gssapi: options.is("gssapiauthentication", "yes"),
            way,
            connect_timeout: seconds(options, "connecttimeout").unwrap_or(Duration::MAX),
            keepalive: seconds(options, "serveraliveinterval").unwrap_or(Duration::MAX),
            remarks,
            jumps: jumps.clone(),
            alias: alias.clone(),
            host: host.clone(),
        };
        if options.is("userknownhostsfile", "none") {
            target.known_hosts = vec!["/dev/null".into()];
        }
        if let Some(settings) = settings {
            target.take_over(settings, here);
            target.timing(settings);
        }
        let ssh = here.home.join(".ssh");
        if target.known_hosts.is_empty() {
            target.known_hosts = vec![ssh.join("known_hosts"), ssh.join("known_hosts2")];
        }
        if target.global_known_hosts.is_empty() && !options.is("globalknownhostsfile", "none") {
            target.global_known_hosts = vec!["/etc/ssh/ssh_known_hosts".into()];
        }
        Ok(target)
    }

    /// What config.toml says of keys, agent and known hosts.
    fn take_over(&mut self, settings: &SshSettings, here: &Here) {
        let local = |path: &PathBuf| here.path(&path.to_string_lossy());
        if !settings.identity_files.is_empty() {
            self.identity_files = settings.identity_files.iter().map(local).collect();
            self.identities_only = true;
        }
        if !settings.use_agent {
            self.agent = Agent::None;
        } else if let Some(socket) = &settings.agent_socket {
            self.agent = Agent::Socket(local(socket));
        }
        self.known_hosts_of(settings);
    }

    /// Takes over the files of known hosts, for hosts on the way too: then no others count.
    pub(super) fn known_hosts_of(&mut self, settings: &SshSettings) {
        if !settings.known_hosts.is_empty() {
            self.known_hosts.clone_from(&settings.known_hosts);
            self.global_known_hosts = vec!["/dev/null".into()];
        }
        if self.cluster.is_empty() {
            self.cluster.clone_from(&settings.cluster);
        }
        if !settings.use_agent {
            self.agent = Agent::None;
        }
    }

    /// Times: what ssh is told counts where it is shorter. A longer silence would hide a dead link.
    pub(super) fn timing(&mut self, settings: &SshSettings) {
        self.connect_timeout = self.connect_timeout.min(settings.connect_timeout);
        self.keepalive = self.keepalive.min(settings.keepalive);
    }

    /// What it is called in messages.
    pub(in super::super) fn place(&self) -> String {
        let named = if self.port == 22 {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        };
        if self.named == self.host {
            named
        } else {
            format!("{} ({named})", self.named)
        }
    }

    /// The name and port that known hosts record it under.
    pub(in super::super) fn recorded_as(&self) -> (&str, u16) {
        match &self.alias {
            Some(alias) => (alias, 22),
            None => (&self.host, self.port),
        }
    }
}

/// Parts a jump into user, host and port: `[user@]host[:port]` or `ssh://…`.
pub(super) fn place(text: &str) -> Result<(Option<String>, String, Option<u16>), String> {
    let bad = || format!("{text:?} is no host to jump over");
    let rest = text
        .strip_prefix("ssh://")
        .unwrap_or(text)
        .trim_end_matches('/');
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, rest),
    };
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(bad)?)),
        // Several colons without brackets are an IPv6 address.
        None => match rest.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (rest, None),
        },
    };
    let port = port.map(str::parse::<u16>).transpose().map_err(|_| bad())?;
    let starts_well = |text: &str| !text.is_empty() && !text.starts_with('-');
    if !starts_well(host) || user.as_deref().is_some_and(|user| !starts_well(user)) {
        return Err(bad());
    }
    Ok((user, host.to_owned(), port))
}

/// What means something to a shell. A name with it, from whatever file, must not become part of the
/// line of a `ProxyCommand`; ssh refuses the same (`valid_hostname`, `valid_ruser` of its `ssh.c`).
const OF_THE_SHELL: &str = "'`\"$;&<>|(){}*?[]";

fn check_host(host: &str) -> Result<(), String> {
    let bad =
        |c: char| c.is_control() || c.is_whitespace() || c == '\\' || OF_THE_SHELL.contains(c);
    match host.chars().find(|c| bad(*c)) {
        Some(c) => Err(format!("{host:?} is not a host's name: it holds {c:?}")),
        None if host.starts_with('-') => Err(format!("{host:?} begins with `-`")),
        None => Ok(()),
    }
}

fn check_user(user: &str) -> Result<(), String> {
    let bad = |c: char| c.is_control() || c.is_whitespace() || OF_THE_SHELL.contains(c);
    match user.chars().find(|c| bad(*c)) {
        Some(c) => Err(format!("{user:?} is not a user's name: it holds {c:?}")),
        None if user.starts_with('-') => Err(format!("{user:?} begins with `-`")),
        // (One inside stands between a domain and its user.)
        None if user.ends_with('\\') => Err(format!("{user:?} ends with a backslash")),
        None => Ok(()),
    }
}

fn list(text: &str) -> Vec<String> {
    let parts = text.split(',').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A time in seconds, or in ssh's `1m30s`. Zero means that it is not set.
fn seconds(options: &Options, name: &str) -> Option<Duration> {
    let (mut total, mut number) = (0_u64, 0_u64);
    for c in options.one(name)?.chars() {
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            digit => {
                let digit = u64::from(digit.to_digit(10)?);
                number = number.checked_mul(10)?.checked_add(digit)?;
                continue;
            }
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        number = 0;
    }
    Some(Duration::from_secs(total.checked_add(number)?)).filter(|time| !time.is_zero())
}

/// The agent: `IdentityAgent`, else what `SSH_AUTH_SOCK` names.
fn agent(options: &Options, tokens: &Tokens<'_>) -> Result<Agent, String> {
    let variable = |name: &str| match tokens.here.variable(name) {
        // An empty variable is how some desktops say that there is none.
        None | Some("") => Agent::None,
        Some(socket) => Agent::Socket(tokens.here.path(socket)),
    };
    if options.is("identityagent", "none") {
        return Ok(Agent::None);
    }
    match options.one("identityagent") {
        None | Some("SSH_AUTH_SOCK") => Ok(variable("SSH_AUTH_SOCK")),
        Some(text) => match text.strip_prefix('$').filter(|it| !it.starts_with('{')) {
            Some(name) => Ok(variable(name)),
            None => Ok(Agent::Socket(tokens.path(text)?)),
        },
    }
}

/// What may be tried and in which order.
fn methods(options: &Options, remarks: &mut Vec<String>) -> Vec<Method> {
    let mut methods: Vec<Method> = match options.one("preferredauthentications") {
        None => USUAL.to_vec(),
        Some(named) => list(named)
            .iter()
            .filter_map(|name| match name.as_str() {
                "publickey" => Some(Method::Keys),
                "keyboard-interactive" => Some(Method::Person(AuthMethod::KeyboardInteractive)),
                "password" => Some(Method::Person(AuthMethod::Password)),
                _ => None,
            })
            .collect(),
    };
    let no = |name: &str| options.is(name, "no");
    let off = [
        ("pubkeyauthentication", Method::Keys),
        (
            "kbdinteractiveauthentication",
            Method::Person(AuthMethod::KeyboardInteractive),
        ),
        (
            "passwordauthentication",
            Method::Person(AuthMethod::Password),
        ),
    ];
    for (name, method) in off {
        if no(name) {
            methods.retain(|other| *other != method);
        }
    }
    if methods.is_empty() {
        remarks.push(
            "the settings of ssh leave no way to log in that is supported here: publickey, \
             keyboard-interactive, password"
                .to_owned(),
        );
    }
    methods
}

/// What is asked for and not done here.
fn remarks(options: &Options) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut not = |name: &str, what: &str| remarks.push(format!("{name} is not supported: {what}"));
    if options.is("hostbasedauthentication", "yes") {
        not("HostbasedAuthentication", "use a key");
    }
    if options.one("pkcs11provider").is_some() {
        not(
            "PKCS11Provider",
            "load the card's keys into the agent (ssh-add -s LIBRARY)",
        );
    }
    for (name, shown) in [
        ("bindaddress", "BindAddress"),
        ("bindinterface", "BindInterface"),
    ] {
        if options.one(name).is_some() {
            not(shown, "the system chooses the local address");
        }
    }
    if options.one("revokedhostkeys").is_some() {
        not("RevokedHostKeys", "write @revoked lines into known_hosts");
    }
    if ["no", "accept-new"]
        .iter()
        .any(|word| options.is("stricthostkeychecking", word))
    {
        not(
            "StrictHostKeyChecking",
            "a new host key is asked about, a changed one is refused",
        );
    }
    let fido = options.all("identityfile").into_iter();
    for file in fido.filter(|file| Path::new(file).to_string_lossy().ends_with("_sk")) {
        not(
            "a FIDO key in a file",
            &format!("load {file} into the agent (ssh-add)"),
        );
    }
    remarks
}
