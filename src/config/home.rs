//! Where this program's files live on this machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

use super::Surroundings;

/// Environment variable that puts config, data, state and runtime files under one directory.
pub const HOME_VARIABLE: &str = "NAMDRUNNER_HOME";

/// This program's directory in each of the platform's directories.
const OWN: &str = "namdrunner";

/// Where this program's files live. Nothing is made until it is needed; see [`ensure_private_dir`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// `config.toml`.
    pub config_file: PathBuf,
    /// The database's directory.
    pub data_dir: PathBuf,
    /// Logs.
    pub state_dir: PathBuf,
    /// Sockets and locks.
    pub runtime_dir: PathBuf,
}

/// The platform's directories; none where it has no such thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlatformDirs {
    /// For configuration: `~/.config`, `~/Library/Application Support`.
    pub config: Option<PathBuf>,
    /// For data: `~/.local/share`, `~/Library/Application Support`.
    pub data: Option<PathBuf>,
    /// For logs: `~/.local/state`; macOS has none.
    pub state: Option<PathBuf>,
    /// For sockets: `$XDG_RUNTIME_DIR`; macOS and bare logins have none.
    pub runtime: Option<PathBuf>,
}

impl PlatformDirs {
    /// Asks the platform (crate `dirs`: XDG on Linux, the standard directories on macOS).
    pub fn of_this_machine() -> Self {
        Self {
            config: dirs::config_dir(),
            data: dirs::data_dir(),
            state: dirs::state_dir().or_else(dirs::data_local_dir),
            runtime: dirs::runtime_dir(),
        }
    }
}

impl Home {
    /// Finds the directories from the environment of this process.
    pub fn from_env() -> Result<Self> {
        let env = |name: &str| {
            let value = std::env::var_os(name)?;
            // A daemon or a forwarder started from here may have another working directory.
            let absolute = std::path::absolute(&value).map(PathBuf::into_os_string);
            Some(absolute.unwrap_or(value))
        };
        Self::locate(env, &PlatformDirs::of_this_machine())
    }

    /// Finds the directories. Pure.
    ///
    /// With [`HOME_VARIABLE`] set to DIR they are `DIR/config`, `DIR/data`, `DIR/state` and
    /// `DIR/run`; otherwise `namdrunner` in each of the platform's directories, and `run` in the
    /// state directory where the platform has no runtime directory.
    pub fn locate(env: impl Fn(&str) -> Option<OsString>, platform: &PlatformDirs) -> Result<Self> {
        if let Some(dir) = env(HOME_VARIABLE).filter(|dir| !dir.is_empty()) {
            let dir = PathBuf::from(dir);
            if !dir.is_absolute() {
                return Err(Error::new(
                    ErrorKind::SettingsInvalid,
                    format!(
                        "{HOME_VARIABLE} is {}, which is not absolute.",
                        dir.display()
                    ),
                )
                .hinted("Give it the full path of a directory."));
            }
            return Ok(Self {
                config_file: dir.join("config").join("config.toml"),
                data_dir: dir.join("data"),
                state_dir: dir.join("state"),
                runtime_dir: dir.join("run"),
            });
        }
        let own = |dir: &Option<PathBuf>, what: &str| {
            dir.as_ref().map(|dir| dir.join(OWN)).ok_or_else(|| {
                Error::new(
                    ErrorKind::SettingsInvalid,
                    format!("This machine names no {what} directory, because HOME is not set."),
                )
                .hinted(format!("Set HOME, or set {HOME_VARIABLE} to a directory."))
            })
        };
        let state_dir = own(&platform.state, "state")?;
        Ok(Self {
            config_file: own(&platform.config, "configuration")?.join("config.toml"),
            data_dir: own(&platform.data, "data")?,
            runtime_dir: match &platform.runtime {
                Some(dir) => dir.join(OWN),
                None => state_dir.join("run"),
            },
            state_dir,
        })
    }

    /// What config.toml's meaning depends on, without the test override of the sync interval.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings {
            data_dir: self.data_dir.clone(),
            home_dir: dirs::home_dir(),
            min_sync: None,
        }
    }
}

/// Makes a directory and its missing parents for the user alone (mode 0700). One that exists is
/// left as it is.
pub fn ensure_private_dir(dir: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| {
        Error::new(
            ErrorKind::SettingsInvalid,
            format!("The directory {} cannot be made: {error}.", dir.display()),
        )
        .hinted(format!(
            "Make it writable, or set {HOME_VARIABLE} to a directory that is."
        ))
        .caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux() -> PlatformDirs {
        PlatformDirs {
            config: Some("/home/you/.config".into()),
            data: Some("/home/you/.local/share".into()),
            state: Some("/home/you/.local/state".into()),
            runtime: Some("/run/user/1000".into()),
        }
    }

    #[test]
    fn one_variable_moves_everything() {
        let home = Home::locate(
            |name| (name == HOME_VARIABLE).then(|| "/tmp/t".into()),
            &linux(),
        )
        .unwrap();
        assert_eq!(home.config_file, Path::new("/tmp/t/config/config.toml"));
        for dir in [&home.data_dir, &home.state_dir, &home.runtime_dir] {
            assert!(dir.starts_with("/tmp/t"));
        }
    }

    #[test]
    fn otherwise_the_platform_says() {
        let home = Home::locate(|_| None, &linux()).unwrap();
        assert_eq!(
            home.config_file,
            Path::new("/home/you/.config/namdrunner/config.toml")
        );
        assert_eq!(home.runtime_dir, Path::new("/run/user/1000/namdrunner"));
        let empty = Home::locate(|_| Some(OsString::new()), &linux()).unwrap();
        assert_eq!(empty, home);
    }

    #[test]
    fn without_a_runtime_directory_the_state_directory_serves() {
        let platform = PlatformDirs {
            runtime: None,
            ..linux()
        };
        let home = Home::locate(|_| None, &platform).unwrap();
        assert_eq!(home.runtime_dir, home.state_dir.join("run"));
    }

    #[test]
    fn what_cannot_be_found_is_said() {
        let error = Home::locate(|_| Some("relative".into()), &linux()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::SettingsInvalid);
        assert!(error.message.contains("not absolute"));
        let error = Home::locate(|_| None, &PlatformDirs::default()).unwrap_err();
        assert!(error.hint.unwrap().contains(HOME_VARIABLE));
    }

    #[cfg(unix)]
    #[test]
    fn new_directories_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("a/b");
        ensure_private_dir(&dir).unwrap();
        ensure_private_dir(&dir).unwrap();
        for made in [temp.path().join("a"), dir] {
            assert_eq!(
                std::fs::metadata(made).unwrap().permissions().mode() & 0o777,
                0o700
            );
        }
        std::fs::write(temp.path().join("file"), "").unwrap();
        let error = ensure_private_dir(&temp.path().join("file/x")).unwrap_err();
        assert!(error.message.contains("cannot be made"));
    }
}
