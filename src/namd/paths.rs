//! Paths as strings: joining, tidying, and the directory that holds them all.
//!
//! Everything here is lexical. The kernel takes `..` behind a symbolic link as
//! the parent of what the link leads to, so a path is *opened* as it is joined,
//! `..` left in ([`join`]); only its *place* in an uploaded tree, where no links
//! exist, is taken lexically ([`tidy`]). A caller that gives a canonical
//! configuration directory gets the same from both unless an input path itself
//! walks through a link and up again; then two inputs may claim one place, which
//! [`common_ancestor`]'s user must check by comparing canonical paths.

use std::collections::BTreeSet;

/// Joins a directory and a path without touching `..`; an absolute path wins.
pub fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') || directory.is_empty() {
        return path.to_owned();
    }
    if path.is_empty() || path == "." {
        return directory.to_owned();
    }
    if directory.ends_with('/') {
        format!("{directory}{path}")
    } else {
        format!("{directory}/{path}")
    }
}

/// Tidies a path lexically: no `.`, no `//`, `..` taken back where it can be.
/// The empty path is the directory itself.
pub fn tidy(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&"..") | None if !absolute => parts.push(".."),
                None => {}
                Some(_) => {
                    parts.pop();
                }
            },
            part => parts.push(part),
        }
    }
    let body = parts.join("/");
    if absolute { format!("/{body}") } else { body }
}

/// The directory part of a path, as a path that can be joined: empty for a bare name.
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(at) => path.get(..at).unwrap_or(""),
        None => "",
    }
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a path is absolute.
pub fn is_absolute(path: &str) -> bool {
    path.starts_with('/')
}

/// The path of `path` as seen from `root`, both absolute and lexical; `None` if
/// it is not below it.
pub fn below(root: &str, path: &str) -> Option<String> {
    let (root, path) = (tidy(root), tidy(path));
    if root == "/" {
        return path.strip_prefix('/').map(str::to_owned);
    }
    match path.strip_prefix(root.as_str())? {
        "" => Some(String::new()),
        rest => rest.strip_prefix('/').map(str::to_owned),
    }
}

/// Directories that a relative path walks through before it climbs out of them
/// again (`a/b/../x` walks through `a/b`): they must exist beside the files, or
/// the path does not open. Relative to the same directory as the path.
pub fn walked_through(path: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut so_far = String::new();
    for part in path.split('/') {
        if part == ".." {
            let here = tidy(&so_far);
            if !here.is_empty() && !here.ends_with("..") {
                seen.insert(here);
            }
        }
        so_far = join(&so_far, part);
    }
    seen.into_iter().collect()
}

/// The directory that holds a configuration and all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Absolute and tidy.
    pub root: String,
    /// The configuration's directory as seen from it; empty if it is the root.
    pub config_directory: String,
}

/// Finds the deepest directory that holds `config_directory` (absolute) and all
/// of `paths`: inputs and outputs, relative to the configuration's directory or
/// absolute. Give only those that are to keep their place: absolute inputs that
/// are uploaded elsewhere and rewritten do not count. A path that is itself a
/// directory is given with a trailing `/`.
pub fn common_ancestor<'p>(
    config_directory: &str,
    paths: impl IntoIterator<Item = &'p str>,
) -> Ancestor {
    let own = tidy(config_directory);
    let mut root: Vec<&str> = own.split('/').collect();
    for path in paths {
        let full = tidy(&join(&own, path));
        let holder = if path.ends_with('/') {
            full.as_str()
        } else {
            parent(&full)
        };
        let shared = root
            .iter()
            .zip(holder.split('/'))
            .take_while(|(a, b)| *a == b)
            .count();
        root.truncate(shared.max(1));
        if root.len() == 1 {
            break;
        }
    }
    let root = root.join("/");
    let root = if root.is_empty() {
        "/".to_owned()
    } else {
        root
    };
    let config_directory = below(&root, &own).unwrap_or_default();
    Ancestor {
        root,
        config_directory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_leaves_dots_tidying_takes_them() {
        assert_eq!(join("/a/b", "../c/x.psf"), "/a/b/../c/x.psf");
        assert_eq!(join("/a/b", "/abs"), "/abs");
        assert_eq!(join("", "x"), "x");
        assert_eq!(tidy("/a/b/../c/./x//y"), "/a/c/x/y");
        assert_eq!(tidy("../../x/../y"), "../../y");
        assert_eq!(tidy("/../x"), "/x");
        assert_eq!(tidy("./"), "");
        assert_eq!(parent("/x"), "/");
        assert_eq!(parent("a/b/c"), "a/b");
        assert_eq!(parent("c"), "");
    }

    #[test]
    fn the_ancestor_is_the_deepest_that_holds_all() {
        let found = common_ancestor("/home/u/p/run1", ["../common/x.psf", "out/eq", "local.pdb"]);
        assert_eq!(
            found,
            Ancestor {
                root: "/home/u/p".into(),
                config_directory: "run1".into()
            }
        );
        let found = common_ancestor("/home/u/p/run1", ["x.psf"]);
        assert_eq!(
            found,
            Ancestor {
                root: "/home/u/p/run1".into(),
                config_directory: String::new()
            }
        );
        let found = common_ancestor("/home/u/p/a/b", ["../../../q/x", "../.."]);
        assert_eq!(found.root, "/home/u");
        assert_eq!(found.config_directory, "p/a/b");
        assert_eq!(common_ancestor("/a", ["/b/x"]).root, "/");
        assert_eq!(common_ancestor("/a/bc", ["../b/x"]).root, "/a");
        assert_eq!(common_ancestor("/a/b/c", ["../out/"]).root, "/a/b");
        assert_eq!(common_ancestor("/a/b", ["../out/"]).root, "/a");
        assert_eq!(common_ancestor("/a/b", ["../../../../../x/y"]).root, "/");
    }

    #[test]
    fn below_is_lexical() {
        assert_eq!(below("/a", "/a/b/../c").as_deref(), Some("c"));
        assert_eq!(below("/a/b", "/a/bc"), None);
        assert_eq!(below("/", "/x/y").as_deref(), Some("x/y"));
        assert_eq!(below("/a", "/a").as_deref(), Some(""));
    }

    #[test]
    fn directories_walked_through_are_named() {
        assert_eq!(walked_through("a/b/../../x"), ["a", "a/b"]);
        assert_eq!(walked_through("../common/x"), Vec::<String>::new());
        assert_eq!(walked_through("../a/../x"), ["../a"]);
    }
}
