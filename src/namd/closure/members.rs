//! One configuration run by several members of an array, each with a number of its own in the
//! environment: what any of them needs.

use std::collections::{BTreeMap, HashMap};

use super::{Analysis, Finding, Input, Output};

/// The variable that holds a member's number while it runs.
pub const INDEX: &str = "NAMDRUNNER_INDEX";

/// Of findings that differ from member to member by their words only, so many are kept.
const MOST_ALIKE: usize = 10;
/// How many members a finding names.
const MOST_NAMED: usize = 5;

impl Analysis {
    /// What the members of an array need together: the files of each, and what is to be said, with
    /// the members it is about unless that is all of them. None without members.
    ///
    /// The keywords are those of the first member; the number of steps is known if all run as many.
    pub fn of_members(each: Vec<(u32, Self)>) -> Option<Self> {
        let total = each.len();
        let mut each = each.into_iter();
        let (first, mut all) = each.next()?;
        let mut inputs = Union::default();
        let mut outputs = Union::default();
        let mut findings = Findings::default();
        inputs.extend(std::mem::take(&mut all.inputs), input_key);
        outputs.extend(std::mem::take(&mut all.outputs.files), output_key);
        findings.extend(first, std::mem::take(&mut all.findings));
        for (member, one) in each {
            inputs.extend(one.inputs, input_key);
            outputs.extend(one.outputs.files, output_key);
            findings.extend(member, one.findings);
            all.read.extend(one.read);
            all.outputs.directories.extend(one.outputs.directories);
            if one.outputs.outputname != all.outputs.outputname {
                all.outputs.outputname = None;
            }
            if one.outputs.restartname != all.outputs.restartname {
                all.outputs.restartname = None;
            }
            if one.plan.total_steps != all.plan.total_steps {
                all.plan.total_steps = None;
            }
        }
        let config = all.config.clone();
        all.read
            .sort_unstable_by_key(|file| (*file != config, file.clone()));
        all.read.dedup();
        all.outputs.directories.sort_unstable();
        all.outputs.directories.dedup();
        all.inputs = inputs.all;
        all.outputs.files = outputs.all;
        all.findings = findings.told(total);
        Some(all)
    }
}

/// Things in the order in which they came, each once.
struct Union<T> {
    all: Vec<T>,
    by_key: HashMap<String, Vec<usize>>,
}

impl<T> Default for Union<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            by_key: HashMap::new(),
        }
    }
}

impl<T: PartialEq> Union<T> {
    fn extend(&mut self, more: Vec<T>, key: impl Fn(&T) -> String) {
        for one in more {
            let known = self.by_key.entry(key(&one)).or_default();
            if known.iter().all(|at| self.all.get(*at) != Some(&one)) {
                known.push(self.all.len());
                self.all.push(one);
            }
        }
    }
}

fn input_key(input: &Input) -> String {
    format!(
        "{} {}",
        input.keyword,
        input.path.as_deref().unwrap_or_default()
    )
}

fn output_key(output: &Output) -> String {
    format!(
        "{} {}",
        output.keyword,
        output.path.as_deref().unwrap_or_default()
    )
}

/// Findings with the members they are about, in the order in which they came.
#[derive(Default)]
struct Findings {
    all: Vec<(Finding, Vec<u32>)>,
    by_message: HashMap<String, Vec<usize>>,
}

impl Findings {
    fn extend(&mut self, member: u32, more: Vec<Finding>) {
        for finding in more {
            let known = self.by_message.entry(finding.message.clone()).or_default();
            let same = known.iter().copied().find(|at| {
                self.all
                    .get(*at)
                    .is_some_and(|(known, _)| *known == finding)
            });
            match same.and_then(|at| self.all.get_mut(at)) {
                Some((_, members)) if members.last() == Some(&member) => {}
                Some((_, members)) => members.push(member),
                None => {
                    known.push(self.all.len());
                    self.all.push((finding, vec![member]));
                }
            }
        }
    }

    fn told(self, total: usize) -> Vec<Finding> {
        let mut alike: BTreeMap<_, usize> = BTreeMap::new();
        let mut left_out: BTreeMap<_, usize> = BTreeMap::new();
        let mut told: Vec<Finding> = Vec::new();
        for (mut finding, members) in self.all {
            if members.len() < total {
                let place = (finding.file.clone(), finding.span, finding.code);
                let count = alike.entry(place.clone()).or_default();
                *count += 1;
                if *count > MOST_ALIKE {
                    *left_out.entry(place).or_default() += members.len();
                    continue;
                }
                finding.message = format!("{} ({}.)", finding.message, named(&members));
            }
            told.push(finding);
        }
        for finding in &mut told {
            let place = (finding.file.clone(), finding.span, finding.code);
            if let Some(more) = left_out.remove(&place) {
                let also = format!(" {more} further members have the same trouble.");
                finding.message.push_str(&also);
            }
        }
        told
    }
}

fn named(members: &[u32]) -> String {
    let some: Vec<String> = members
        .iter()
        .take(MOST_NAMED)
        .map(u32::to_string)
        .collect();
    let more = members.len().saturating_sub(MOST_NAMED);
    let plural = if members.len() == 1 { "" } else { "s" };
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    format!("In member{plural} {}{more} of the array", some.join(", "))
}

#[cfg(test)]
mod tests {
    use crate::namd::test_support::Disk;
    use crate::namd::{Analysis, Closure, Code, Severity};

    use super::INDEX;

    fn members(disk: &Disk, numbers: std::ops::Range<u32>) -> Analysis {
        let mut closure = Closure::new("/w/c.namd");
        let mut each = Vec::new();
        for number in numbers {
            closure = closure.with_environment(INDEX, number.to_string());
            let analysis = disk.settle(&mut closure);
            each.push((number, analysis));
        }
        assert!(closure.asks_environment(INDEX));
        Analysis::of_members(each).unwrap()
    }

    #[test]
    fn the_files_of_every_member_are_found() {
        let config = "set i $env(NAMDRUNNER_INDEX)\nstructure sys.psf\ncoordinates start_$i.pdb\n\
                      outputname out$i/run\nif {$i == 2} {source extra.tcl}\nrun [expr {100 + $i}]\n";
        let disk = Disk::new(&[
            ("c.namd", config),
            ("sys.psf", "PSF"),
            ("start_0.pdb", "0"),
            ("start_1.pdb", "1"),
            ("start_2.pdb", "2"),
            ("extra.tcl", "parameters p.prm\n"),
            ("p.prm", "p"),
        ]);
        let all = members(&disk, 0..3);
        let mut paths: Vec<&str> = all.uploads().filter_map(|i| i.path.as_deref()).collect();
        paths.sort_unstable();
        assert_eq!(
            paths,
            [
                "c.namd",
                "extra.tcl",
                "p.prm",
                "start_0.pdb",
                "start_1.pdb",
                "start_2.pdb",
                "sys.psf"
            ]
        );
        for directory in ["out0", "out1", "out2"] {
            assert!(
                all.outputs.directories.iter().any(|d| d == directory),
                "{:?}",
                all.outputs
            );
        }
        assert_eq!(all.plan.total_steps, None);
        assert_eq!(all.outputs.outputname, None);
    }

    #[test]
    fn what_one_member_lacks_names_the_member() {
        let disk = Disk::new(&[
            (
                "c.namd",
                "structure a.psf\ncoordinates start_$env(NAMDRUNNER_INDEX).pdb\nrun 20\n",
            ),
            ("a.psf", "PSF"),
            ("start_0.pdb", "0"),
            ("start_2.pdb", "2"),
        ]);
        let all = members(&disk, 0..3);
        let missing: Vec<_> = all
            .findings
            .iter()
            .filter(|finding| finding.code == Code::InputMissing)
            .collect();
        assert_eq!(missing.len(), 1, "{:?}", all.findings);
        assert_eq!(missing[0].severity, Severity::Error);
        assert!(missing[0].message.contains("start_1.pdb"), "{missing:?}");
        assert!(
            missing[0].message.ends_with("(In member 1 of the array.)"),
            "{missing:?}"
        );
        // What all have in common is said once, and of nobody.
        let required: Vec<_> = all
            .findings
            .iter()
            .filter(|finding| finding.code == Code::RequiredMissing)
            .collect();
        assert!(!required.is_empty());
        let of_all = |finding: &&crate::namd::Finding| !finding.message.contains("In member");
        assert!(required.iter().all(of_all), "{required:?}");
        let mut messages: Vec<&str> = required.iter().map(|f| f.message.as_str()).collect();
        messages.dedup();
        assert_eq!(messages.len(), required.len(), "each once");
    }

    #[test]
    fn a_hundred_members_without_their_files_are_said_in_ten() {
        let disk = Disk::new(&[(
            "c.namd",
            "coordinates start_$env(NAMDRUNNER_INDEX).pdb\nrun 20\n",
        )]);
        let all = members(&disk, 0..100);
        let missing: Vec<_> = all
            .findings
            .iter()
            .filter(|finding| finding.code == Code::InputMissing)
            .collect();
        assert_eq!(missing.len(), 10);
        assert!(
            missing[0]
                .message
                .ends_with("90 further members have the same trouble.")
        );
    }

    #[test]
    fn the_number_may_be_asked_for_in_any_way() {
        for text in [
            "if {[info exists env(NAMDRUNNER_INDEX)]} {run 20}",
            "proc f {} {return $::env(NAMDRUNNER_INDEX)}\nseed [f]",
            "set name NAMDRUNNER_INDEX\nseed $env($name)",
            "namespace eval n {variable k $::env(NAMDRUNNER_INDEX)}",
        ] {
            let disk = Disk::new(&[("c.namd", text)]);
            let mut closure = Closure::new("/w/c.namd").with_environment(INDEX, "3");
            disk.settle(&mut closure);
            assert!(closure.asks_environment(INDEX), "{text}");
        }
        let disk = Disk::new(&[("c.namd", "seed $env(OTHER)\n# $env(NAMDRUNNER_INDEX)")]);
        let mut closure = Closure::new("/w/c.namd").with_environment(INDEX, "3");
        disk.settle(&mut closure);
        assert!(!closure.asks_environment(INDEX));
    }
}
