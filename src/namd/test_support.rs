//! A file system in memory for the tests of this module.

use std::collections::BTreeMap;

use super::{Analysis, Closure, Code, Found, Severity, Want, paths};

/// Files by path relative to `/w`; a name that ends with `/` is a directory.
pub(super) struct Disk {
    files: BTreeMap<String, Vec<u8>>,
}

impl Disk {
    /// The files given, and the directories they are in.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let mut disk = Self {
            files: BTreeMap::new(),
        };
        for (name, content) in files {
            disk.add(name, content.as_bytes());
        }
        disk
    }

    /// Adds a file, or a directory if the name ends with `/`.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) {
        self.files.insert(paths::join("/w", name), content.to_vec());
    }

    fn find(&self, path: &str, want: Want) -> Found {
        let path = paths::tidy(path);
        if let Some(content) = self.files.get(&path) {
            let bytes = content.len() as u64;
            let wanted = matches!(want, Want::Content { max_bytes } if bytes <= max_bytes);
            return Found::File {
                bytes,
                content: wanted.then(|| content.clone()),
            };
        }
        let inside = format!("{}/", path.trim_end_matches('/'));
        let mut entries: Vec<String> = self
            .files
            .keys()
            .filter_map(|name| name.strip_prefix(&inside))
            .map(|rest| rest.split('/').next().unwrap_or("").to_owned())
            .collect();
        entries.dedup();
        if entries.is_empty() {
            return Found::Missing;
        }
        entries.retain(|name| !name.is_empty());
        Found::Directory {
            entries: (want == Want::Entries).then_some(entries),
        }
    }

    /// Drives a closure to its end.
    pub(super) fn drive(&self, mut closure: Closure) -> Analysis {
        self.settle(&mut closure)
    }

    /// The same with a closure that is used again.
    pub(super) fn settle(&self, closure: &mut Closure) -> Analysis {
        for _ in 0..70 {
            let needs = closure.needs();
            if needs.is_empty() {
                return closure.finish();
            }
            for need in needs {
                closure.feed(&need.path, self.find(&need.path, need.want));
            }
        }
        panic!("the closure never stops asking");
    }

    /// The analysis of `/w/NAME`.
    pub(super) fn analyse(&self, name: &str) -> Analysis {
        self.drive(Closure::new(&paths::join("/w", name)))
    }
}

/// The analysis of one script alone on the disk.
pub(super) fn script(text: &str) -> Analysis {
    Disk::new(&[("c.namd", text)]).analyse("c.namd")
}

/// `keyword=path` of each input but the configuration, `?` if it is not certain.
pub(super) fn inputs(analysis: &Analysis) -> Vec<String> {
    analysis
        .inputs
        .iter()
        .skip(1)
        .map(|input| {
            let mark = if input.certain { "" } else { "?" };
            format!(
                "{}={}{mark}",
                input.keyword,
                input.path.as_deref().unwrap_or("-")
            )
        })
        .collect()
}

/// The values that keywords get, in order: `keyword=value`.
pub(super) fn settings(analysis: &Analysis) -> Vec<String> {
    analysis
        .settings
        .iter()
        .map(|setting| {
            let mark = if setting.certain { "" } else { "?" };
            format!("{}={}{mark}", setting.keyword, setting.value)
        })
        .collect()
}

/// `code line:column` of the findings of one severity.
pub(super) fn said(analysis: &Analysis, severity: Severity) -> Vec<String> {
    analysis
        .findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .map(|finding| {
            let at = finding.range.start;
            format!(
                "{} {}:{}",
                finding.code.as_str(),
                at.line + 1,
                at.character + 1
            )
        })
        .collect()
}

/// Whether something of this kind is said.
pub(super) fn has(analysis: &Analysis, severity: Severity, code: Code) -> bool {
    analysis
        .findings
        .iter()
        .any(|finding| finding.severity == severity && finding.code == code)
}
