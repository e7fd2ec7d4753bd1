//! What stands in values of ssh's settings for something else: `~`, `%h`, `${NAME}`. Pure.

use std::path::{Path, PathBuf};

/// What the tokens mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'a> {
    /// `%n`: the host as the person names it.
    pub(super) named: &'a str,
    /// `%h`: the host that is reached.
    pub(super) host: &'a str,
    /// `%p`.
    pub(super) port: u16,
    /// `%r`: the user there.
    pub(super) user: &'a str,
    /// `%k`: the name the host key is recorded under.
    pub(super) alias: &'a str,
    /// `%j`: the hosts jumped over.
    pub(super) jump: &'a str,
    /// This side.
    pub(super) here: &'a Here,
}

/// This side: whose settings they are.
#[derive(Debug, Clone, Default)]
pub(super) struct Here {
    /// `%d` and `~`.
    pub(super) home: PathBuf,
    /// `%u`.
    pub(super) user: String,
    /// `%l`, and up to its first dot `%L`.
    pub(super) host: String,
    /// `%i`.
    pub(super) uid: u32,
    /// What variables hold.
    pub(super) variables: Vec<(String, String)>,
}

impl Here {
    /// What a variable holds.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A path whose leading `~` is the home directory; a relative one lies there too, as in ssh.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        match text.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None if text == "~" => self.home.clone(),
            None => Path::new(text).to_owned(),
        }
    }
}

impl Tokens<'_> {
    /// Puts in what the tokens mean; a token that is not known is the error.
    pub(super) fn put_in(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match rest.next() {
                Some('%') => out.push('%'),
                Some('n') => out.push_str(self.named),
                Some('h') => out.push_str(self.host),
                Some('p') => out.push_str(&self.port.to_string()),
                Some('r') => out.push_str(self.user),
                Some('k') => out.push_str(self.alias),
                Some('j') => out.push_str(self.jump),
                Some('d') => out.push_str(&self.here.home.to_string_lossy()),
                Some('u') => out.push_str(&self.here.user),
                Some('l') => out.push_str(&self.here.host),
                Some('L') => out.push_str(self.here.host.split('.').next().unwrap_or_default()),
                Some('i') => out.push_str(&self.here.uid.to_string()),
                Some(other) => return Err(format!("the token %{other} in {text:?} is not known")),
                None => return Err(format!("{text:?} ends with a %")),
            }
        }
        Ok(out)
    }

    /// A path with tokens, `~` and `${NAME}`.
    pub(super) fn path(&self, text: &str) -> Result<PathBuf, String> {
        Ok(self.here.path(&self.variables(&self.put_in(text)?)?))
    }

    fn variables(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("a ${{ in {text:?} does not end"))?;
            let value = self.here.variable(name);
            out.push_str(before);
            out.push_str(value.ok_or_else(|| format!("the variable {name} is not set"))?);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_stand_for_what_they_mean() {
        let here = Here {
            home: "/home/me".into(),
            user: "me".into(),
            host: "desk.example.org".into(),
            uid: 1000,
            variables: vec![("KEYS".into(), "/keys".into())],
        };
        let tokens = Tokens {
            named: "hpc",
            host: "login.example.org",
            port: 2222,
            user: "you",
            alias: "alias",
            jump: "gate",
            here: &here,
        };
        let put = |text| tokens.put_in(text).unwrap();
        assert_eq!(
            put("%n %h %p %r %k %j"),
            "hpc login.example.org 2222 you alias gate"
        );
        assert_eq!(
            put("%d %u %l %L %i 100%%"),
            "/home/me me desk.example.org desk 1000 100%"
        );
        let path = |text| tokens.path(text).unwrap();
        assert_eq!(
            path("~/.ssh/%h"),
            Path::new("/home/me/.ssh/login.example.org")
        );
        assert_eq!(path("${KEYS}/a"), Path::new("/keys/a"));
        for wrong in ["%z", "100%", "${NOT_SET}", "${KEYS"] {
            assert!(tokens.path(wrong).is_err(), "{wrong}");
        }
    }
}
