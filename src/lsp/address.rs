//! `file:` addresses as editors write them, and the paths they mean. Pure.

use std::fmt::Write as _;

/// The absolute path that an address means; none if it is no `file:` address of this machine (an
/// untitled buffer, a file seen through another scheme) or not UTF-8.
pub(crate) fn path_of(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("file") {
        return None;
    }
    let path = match rest.strip_prefix("//") {
        Some(authority) => {
            let slash = authority.find('/')?;
            let (host, path) = authority.split_at(slash);
            (host.is_empty() || host.eq_ignore_ascii_case("localhost")).then_some(path)?
        }
        None => rest,
    };
    let path = path.split(['?', '#']).next()?;
    let path = decoded(path)?;
    (path.starts_with('/') && !path.contains('\0')).then_some(path)
}

/// The address of an absolute path.
pub(crate) fn uri_of(path: &str) -> String {
    let mut uri = String::from("file://");
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_as_editors_write_them() {
        for (uri, path) in [
            ("file:///home/a/x.namd", Some("/home/a/x.namd")),
            (
                "file:///home/a/water%20300%20K.namd",
                Some("/home/a/water 300 K.namd"),
            ),
            ("file:///tmp/%C3%A4.namd", Some("/tmp/ä.namd")),
            ("file://localhost/x", Some("/x")),
            ("FILE:///x", Some("/x")),
            ("file:/x", Some("/x")),
            ("file:///x#L3", Some("/x")),
            ("file://server/share/x", None),
            ("untitled:Untitled-1", None),
            ("git:/home/a/x.namd", None),
            ("file:///%FF", None),
            ("file:///a%0", None),
            ("file:///a%00b", None),
            ("file:relative", None),
            ("", None),
        ] {
            assert_eq!(path_of(uri).as_deref(), path, "{uri}");
        }
    }

    proptest! {
        #[test]
        fn every_path_comes_back(path in "/[^\0]*") {
            prop_assert_eq!(path_of(&uri_of(&path)), Some(path));
        }

        #[test]
        fn no_text_is_too_odd(text in ".*") {
            let _ = path_of(&text);
        }
    }
}
