//! Names of clusters, hosts and users. Pure.

/// Longest name of a cluster; it is part of file names.
const LONGEST_NAME: usize = 64;

/// A cluster's name is part of file names, messages and command lines.
pub(super) fn check_cluster_name(name: &str) -> Result<(), String> {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if name.is_empty() || name.len() > LONGEST_NAME {
        Err(format!(
            "a cluster's name has 1 to {LONGEST_NAME} characters"
        ))
    } else if !plain || name.starts_with(['-', '.']) {
        Err(format!(
            "{name:?} cannot be a cluster's name: letters, digits, `_`, `-` and `.` are allowed, beginning with a letter or digit"
        ))
    } else {
        Ok(())
    }
}

/// A host's name, address or ssh alias.
pub(super) fn check_host(host: &str) -> Result<(), String> {
    if host.is_empty() {
        return Err("the host is empty; leave the line out for this machine".to_owned());
    }
    if let Some((user, host)) = host.split_once('@') {
        return Err(format!(
            "the user stands in a line of its own: host = {host:?} and user = {user:?}"
        ));
    }
    if host.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(());
    }
    if let Some((name, port)) = host.split_once(':')
        && port.bytes().all(|b| b.is_ascii_digit())
        && !port.is_empty()
    {
        return Err(format!(
            "the port stands in a line of its own: host = {name:?} and port = {port}"
        ));
    }
    let plain = |c: char| c.is_alphanumeric() || "-_.%".contains(c);
    match host.chars().find(|c| !plain(*c)) {
        Some(c) => Err(format!("{host:?} is not a host's name: it holds {c:?}")),
        None if host.starts_with('-') => Err(format!("{host:?} begins with `-`")),
        None => Ok(()),
    }
}

/// What would be more than a name where a shell reads it (a `ProxyCommand` with `%r`), and what parts
/// an address.
const NOT_IN_USERS: &str = "/:'`\"$;&<>|(){}*?[]";

/// A user's name on a cluster.
pub(super) fn check_user(user: &str) -> Result<(), String> {
    if user.is_empty() {
        return Err("the user is empty; leave the line out for the same name as here".to_owned());
    }
    if user.starts_with('-') {
        return Err(format!("{user:?} begins with `-`"));
    }
    match user
        .chars()
        .find(|c| c.is_control() || c.is_whitespace() || NOT_IN_USERS.contains(*c))
    {
        Some(c) => Err(format!("{user:?} is not a user's name: it holds {c:?}")),
        None if user.ends_with('\\') => Err(format!("{user:?} ends with a backslash")),
        None => Ok(()),
    }
}

/// Hosts to go over: `none`, or `[user@]host[:port]`, with commas between them.
pub(super) fn check_jumps(jumps: &str) -> Result<(), String> {
    if jumps == "none" {
        return Ok(());
    }
    for jump in jumps.split(',').map(str::trim) {
        let rest = match jump.rsplit_once('@') {
            Some((user, rest)) => {
                check_user(user)?;
                rest
            }
            None => jump,
        };
        let host = match rest.rsplit_once(':') {
            Some((host, port)) if rest.parse::<std::net::Ipv6Addr>().is_err() => {
                port.parse::<u16>()
                    .map_err(|_| format!("{port:?} in {jump:?} is no port"))?;
                host.trim_start_matches('[').trim_end_matches(']')
            }
            _ => rest,
        };
        check_host(host).map_err(|why| format!("in {jump:?}: {why}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_nothing_to_a_shell() {
        for fine in ["me", "you.too", "DOMAIN\\me", "a-b_c%d"] {
            assert_eq!(check_user(fine), Ok(()), "{fine}");
        }
        for c in "'`\"$;&<>|(){}*?[] \t\n/:".chars() {
            let user = format!("a{c}b");
            assert!(check_user(&user).is_err(), "{user:?}");
            let jump = format!("{user}@gate");
            assert!(check_jumps(&jump).is_err(), "{jump:?}");
        }
        for wrong in ["", "-l", "me\\"] {
            assert!(check_user(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn jumps_are_hosts() {
        for fine in [
            "none",
            "gate",
            "you@gate:2222,second",
            "[2001:db8::1]:22",
            "2001:db8::1",
        ] {
            assert_eq!(check_jumps(fine), Ok(()), "{fine}");
        }
        for wrong in [
            "",
            "gate,",
            "-oProxyCommand=x",
            "-x@gate",
            "gate:ssh",
            "a b",
        ] {
            assert!(check_jumps(wrong).is_err(), "{wrong}");
        }
    }
}
