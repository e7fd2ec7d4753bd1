//! How long the background server stays when nobody is connected. Pure.

use std::time::Duration;

use super::time::parse_interval;

/// Environment variable that stands in for the key `linger` of config.toml. For tests, whose servers
/// must not outlast them.
pub const LINGER_VARIABLE: &str = "NAMDRUNNER_LINGER";

/// What keeps the background server when nobody is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Linger {
    /// Jobs that are queued or running: they are watched to their end.
    #[default]
    Jobs,
    /// Nothing: it ends soon after its last client.
    Clients,
    /// Nothing, but it ends only so long after its last client.
    For(Duration),
}

impl Linger {
    /// Reads `jobs`, `clients`, or a time such as `30m`. The error is a clause without a full stop.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "jobs" => Ok(Self::Jobs),
            "clients" => Ok(Self::Clients),
            time => parse_interval(time)
                .map(Self::For)
                .map_err(|_| format!("{text:?} is none of \"jobs\", \"clients\" and a time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_times_are_read() {
        assert_eq!(Linger::parse("jobs"), Ok(Linger::Jobs));
        assert_eq!(Linger::parse(" clients"), Ok(Linger::Clients));
        assert_eq!(Linger::parse("0s"), Ok(Linger::For(Duration::ZERO)));
        assert_eq!(
            Linger::parse("1h30m"),
            Ok(Linger::For(Duration::from_mins(90)))
        );
        for wrong in ["", "job", "30", "-1s", "for ever"] {
            assert!(
                Linger::parse(wrong).unwrap_err().contains("\"jobs\""),
                "{wrong}"
            );
        }
    }
}
