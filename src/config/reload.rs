//! Reading config.toml, and reading it again when it changes.

use std::io::ErrorKind as IoKind;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

use super::{ConfigErrors, Home, MIN_SYNC_VARIABLE, Mistake, Settings, mistake};

/// A config.toml as it was at one moment: its whole text, which is small. Time and size alone miss
/// an edit of the same length within the clock's grain, and a touched file is no change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(State);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Missing,
    Unreadable(String),
    Bytes(Vec<u8>),
}

impl Stamp {
    /// Reads the file as it is now.
    pub fn of(home: &Home) -> Self {
        Self(match std::fs::read(&home.config_file) {
            Ok(bytes) => State::Bytes(bytes),
            Err(error) if error.kind() == IoKind::NotFound => State::Missing,
            Err(error) => State::Unreadable(error.to_string()),
        })
    }
}

/// The settings in force, and the file they came from.
#[derive(Debug, Clone)]
pub struct Watched {
    home: Home,
    settings: Arc<Settings>,
    stamp: Stamp,
}

/// What a look at the file came to.
#[derive(Debug)]
pub enum Reload {
    /// It is as it was, or says the same.
    Same,
    /// New settings are in force.
    Changed(Arc<Settings>),
    /// It changed and is wrong: the old settings stay in force. Said once for each change.
    Wrong(Error),
}

impl Watched {
    /// Reads the settings for the first time.
    pub fn load(home: Home) -> Result<Self> {
        let stamp = Stamp::of(&home);
        let settings = Arc::new(load(&home, &stamp)?);
        Ok(Self {
            home,
            settings,
            stamp,
        })
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings)
    }

    /// Where the files live.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Looks whether the file changed, and takes it over when it is right.
    pub fn refresh(&mut self) -> Reload {
        let stamp = Stamp::of(&self.home);
        if stamp == self.stamp {
            return Reload::Same;
        }
        let loaded = load(&self.home, &stamp);
        self.stamp = stamp;
        match loaded {
            Ok(settings) if settings == *self.settings => Reload::Same,
            Ok(settings) => {
                self.settings = Arc::new(settings);
                Reload::Changed(Arc::clone(&self.settings))
            }
            Err(error) => Reload::Wrong(error),
        }
    }
}

/// The settings of a file as it was read.
pub(super) fn load(home: &Home, stamp: &Stamp) -> Result<Settings> {
    let mut surroundings = home.surroundings();
    surroundings.min_sync = min_sync(std::env::var(MIN_SYNC_VARIABLE).ok().as_deref())?;
    let file = home.config_file.display().to_string();
    let text = match &stamp.0 {
        State::Missing => "",
        State::Unreadable(why) => {
            return Err(Error::new(
                ErrorKind::SettingsInvalid,
                format!("{file} cannot be read: {why}."),
            )
            .hinted("Make it a readable file, or remove it to work on this machine alone."));
        }
        State::Bytes(bytes) => {
            std::str::from_utf8(bytes).map_err(|error| not_utf8(&file, bytes, error))?
        }
    };
    Ok(Settings::parse(text, &file, &surroundings)?)
}

fn not_utf8(file: &str, bytes: &[u8], error: std::str::Utf8Error) -> ConfigErrors {
    let good = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
    let (line, column) = mistake::position(&good, good.len());
    ConfigErrors {
        file: file.to_owned(),
        mistakes: vec![Mistake {
            line,
            column,
            key: String::new(),
            what: "The text is not UTF-8 from here on.".to_owned(),
            allowed: "Save the file as UTF-8.".to_owned(),
        }],
    }
}

/// Reads the test override of the shortest sync interval. Pure.
fn min_sync(value: Option<&str>) -> Result<Option<Duration>> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    value
        .parse::<f64>()
        .ok()
        .filter(|seconds| (0.01..=3600.0).contains(seconds))
        .map(|seconds| Some(Duration::from_secs_f64(seconds)))
        .ok_or_else(|| {
            Error::new(
                ErrorKind::SettingsInvalid,
                format!("{MIN_SYNC_VARIABLE} is {value:?}, which is no number of seconds."),
            )
            .hinted("It is meant for tests: unset it, or set it to a number such as 0.5.")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::home::{PlatformDirs, ensure_private_dir};

    fn home(temp: &tempfile::TempDir) -> Home {
        let dir = temp.path().as_os_str().to_owned();
        let home = Home::locate(|_| Some(dir.clone()), &PlatformDirs::default()).unwrap();
        ensure_private_dir(home.config_file.parent().unwrap()).unwrap();
        home
    }

    #[test]
    fn a_wrong_new_file_keeps_the_old_settings() {
        let temp = tempfile::tempdir().unwrap();
        let home = home(&temp);
        let mut watched = Watched::load(home.clone()).unwrap();
        assert_eq!(watched.settings().default_cluster, "local");
        assert!(matches!(watched.refresh(), Reload::Same));

        std::fs::write(&home.config_file, "[clusters.here]\n").unwrap();
        let Reload::Changed(settings) = watched.refresh() else {
            panic!("a new file was not taken over")
        };
        assert_eq!(settings.default_cluster, "here");

        std::fs::write(&home.config_file, "[clusters.herf\n").unwrap();
        let Reload::Wrong(error) = watched.refresh() else {
            panic!("a wrong file was taken over")
        };
        assert_eq!(error.kind, ErrorKind::SettingsInvalid);
        assert!(matches!(watched.refresh(), Reload::Same), "said once");
        assert_eq!(watched.settings().default_cluster, "here");

        std::fs::write(&home.config_file, "# the same\n[clusters.here]\n").unwrap();
        assert!(matches!(watched.refresh(), Reload::Same));
        std::fs::remove_file(&home.config_file).unwrap();
        assert!(matches!(watched.refresh(), Reload::Changed(_)));
    }

    #[test]
    fn an_edit_of_the_same_length_is_a_change() {
        let temp = tempfile::tempdir().unwrap();
        let home = home(&temp);
        std::fs::write(&home.config_file, "[clusters.one]\n").unwrap();
        let stamp = Stamp::of(&home);
        assert!(!Settings::changed_since(&home, &stamp));
        std::fs::write(&home.config_file, "[clusters.two]\n").unwrap();
        assert!(Settings::changed_since(&home, &stamp));
    }

    #[test]
    fn unreadable_files_are_errors_not_defaults() {
        let temp = tempfile::tempdir().unwrap();
        let home = home(&temp);
        std::fs::write(&home.config_file, b"[clusters.x]\n# caf\xe9\n").unwrap();
        let error = Settings::load(&home).unwrap_err();
        assert!(
            error.message.contains(":2:6: The text is not UTF-8"),
            "{error}"
        );
        std::fs::remove_file(&home.config_file).unwrap();
        std::fs::create_dir(&home.config_file).unwrap();
        let error = Settings::load(&home).unwrap_err();
        assert!(error.message.contains("cannot be read"), "{error}");
    }

    #[test]
    fn the_override_is_a_number_of_seconds() {
        assert_eq!(min_sync(None).unwrap(), None);
        assert_eq!(
            min_sync(Some("0.2")).unwrap(),
            Some(Duration::from_millis(200))
        );
        for wrong in ["0", "-1", "x", "inf", "NaN"] {
            assert!(min_sync(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
