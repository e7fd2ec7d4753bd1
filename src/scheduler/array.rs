//! Job arrays: which members there are, as Slurm writes them.
//!
//! `0-9%4`, `1,3,5-7:2`: numbers, ranges, ranges with a step, and behind `%` how many may run at
//! once (sbatch(1), `--array`). squeue and sacct print the members that have not started in the same
//! way between brackets, `3_[3-4%2]`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most members of one array: each has a working tree and a row of its own.
pub const MOST_MEMBERS: u64 = 10_000;
/// Largest number a member can have: the largest `MaxArraySize` that Slurm takes is 4,000,001.
pub const LARGEST_MEMBER: u32 = 4_000_000;

/// What a job's members are and how many of them may run at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Array {
    /// As it was asked for, without blanks.
    text: String,
    members: MemberSet,
    at_once: Option<u32>,
}

/// Why a text is no array, as a clause that follows the parameter's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadArray(String);

impl Array {
    /// Parses what a person asks for.
    pub fn parse(text: &str) -> Result<Self, BadArray> {
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let shown: String = text.chars().take(60).collect();
        let bad = |why: String| Err(BadArray(why));
        let (list, at_once) = match text.split_once('%') {
            Some((list, most)) => match number(most).filter(|most| *most > 0) {
                Some(most) => (list, Some(most)),
                None => {
                    return bad(format!(
                        "{shown:?} names no number of members behind `%` (write for instance 0-9%4)"
                    ));
                }
            },
            None => (text.as_str(), None),
        };
        let Some(members) = MemberSet::parse(list) else {
            return bad(format!(
                "{shown:?} is not a list of members (write for instance 0-9, 1,3,5-7 or 0-20:5)"
            ));
        };
        match members.last() {
            None => return bad("names no member".to_owned()),
            Some(largest) if largest > LARGEST_MEMBER => {
                return bad(format!(
                    "names member {largest}; Slurm's largest is {LARGEST_MEMBER}"
                ));
            }
            Some(_) => {}
        }
        if members.len() > MOST_MEMBERS {
            return bad(format!(
                "has {} members; at most {MOST_MEMBERS} are taken",
                members.len()
            ));
        }
        Ok(Self {
            text,
            members,
            at_once,
        })
    }

    /// Its members.
    pub fn members(&self) -> &MemberSet {
        &self.members
    }

    /// How many may run at once; none: as many as there is room for.
    pub fn at_once(&self) -> Option<u32> {
        self.at_once
    }

    /// Why a cluster whose `MaxArraySize` is this cannot take it, as a clause.
    pub fn refused_by(&self, max_array_size: u64) -> Option<String> {
        let last = self.members.last()?;
        (u64::from(last) >= max_array_size).then(|| {
            format!("names member {last}, and the cluster takes members below {max_array_size} (MaxArraySize)")
        })
    }
}

impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Array {
    type Error = BadArray;
    fn try_from(text: String) -> Result<Self, BadArray> {
        Self::parse(&text)
    }
}

impl From<Array> for String {
    fn from(array: Array) -> Self {
        array.text
    }
}

/// Numbers of members, as ranges in rising order that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MemberSet(Vec<(u32, u32)>);

impl MemberSet {
    /// Parses a list without its `%`. None if it is none, or has more members than Slurm can have.
    pub fn parse(text: &str) -> Option<Self> {
        let mut ranges = Vec::new();
        for item in text.split(',') {
            let (range, step) = match item.split_once(':') {
                Some((range, step)) => (range, number(step).filter(|step| *step > 0)?),
                None => (item, 1),
            };
            let (first, last) = match range.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None if step == 1 => (number(range)?, number(range)?),
                None => return None,
            };
            if first > last {
                return None;
            }
            if step == 1 {
                ranges.push((first, last));
            } else {
                if ranges.len() + ((last - first) / step) as usize > LARGEST_MEMBER as usize {
                    return None;
                }
                ranges.extend(
                    (first..=last)
                        .step_by(step as usize)
                        .map(|member| (member, member)),
                );
            }
        }
        Some(Self::of_ranges(ranges))
    }

    fn of_ranges(mut ranges: Vec<(u32, u32)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// The members of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::of_ranges(self.0.iter().chain(&other.0).copied().collect())
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        let sizes = self.0.iter();
        sizes.map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds this one.
    pub fn contains(&self, member: u32) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < member);
        self.0.get(at).is_some_and(|(first, _)| *first <= member)
    }

    /// The members in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// The smallest.
    pub fn first(&self) -> Option<u32> {
        self.0.first().map(|(first, _)| *first)
    }

    /// The largest.
    pub fn last(&self) -> Option<u32> {
        self.0.last().map(|(_, last)| *last)
    }
}

impl FromIterator<u32> for MemberSet {
    fn from_iter<T: IntoIterator<Item = u32>>(members: T) -> Self {
        Self::of_ranges(members.into_iter().map(|member| (member, member)).collect())
    }
}

impl fmt::Display for MemberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (first, last)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

/// A number without sign or blanks.
fn number(digits: &str) -> Option<u32> {
    let plain = digits.len() <= 10 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn arrays_as_slurm_takes_them() {
        for (text, count, at_once, set) in [
            ("0-9", 10, None, "0-9"),
            ("0-9%4", 10, Some(4), "0-9"),
            ("1,3,5-7:2", 4, None, "1,3,5,7"),
            (" 3, 1, 1-2 % 2", 3, Some(2), "1-3"),
            ("0-999:3", 334, None, ""),
            ("7", 1, None, "7"),
            ("4000000", 1, None, "4000000"),
        ] {
            let array = Array::parse(text).unwrap();
            assert_eq!(array.members().len(), count, "{text}");
            assert_eq!(array.at_once(), at_once, "{text}");
            if !set.is_empty() {
                assert_eq!(array.members().to_string(), set);
            }
            let again: Array =
                serde_json::from_value(serde_json::to_value(&array).unwrap()).unwrap();
            assert_eq!(again, array);
        }
    }

    #[test]
    fn nothing_else_is_an_array() {
        for (text, why) in [
            ("", "is not a list"),
            ("0-9%", "behind `%`"),
            ("0-9%0", "behind `%`"),
            ("0-9%x", "behind `%`"),
            ("5-3", "is not a list"),
            ("a", "is not a list"),
            ("1,,2", "is not a list"),
            ("-1", "is not a list"),
            ("0-9:0", "is not a list"),
            ("5:2", "is not a list"),
            ("0-10000", "10001 members; at most 10000"),
            ("4000001", "Slurm's largest is 4000000"),
            ("0-4294967295:2", "is not a list"),
            ("0-9 --wrap=x", "is not a list"),
        ] {
            let said = Array::parse(text).unwrap_err().to_string();
            assert!(said.contains(why), "{text:?}: {said}");
        }
    }

    #[test]
    fn the_cluster_s_own_limit_is_named() {
        let array = Array::parse("0-1001").unwrap();
        assert_eq!(array.refused_by(1002), None);
        let why = array.refused_by(1001).unwrap();
        assert!(
            why.contains("member 1001") && why.contains("below 1001"),
            "{why}"
        );
    }

    proptest! {
        #[test]
        fn a_set_holds_what_it_was_made_of(members in proptest::collection::btree_set(0_u32..400, 0..80)) {
            let set: MemberSet = members.iter().copied().collect();
            prop_assert_eq!(set.len(), members.len() as u64);
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), members.clone());
            for member in 0..400 {
                prop_assert_eq!(set.contains(member), members.contains(&member));
            }
            if !members.is_empty() {
                prop_assert_eq!(MemberSet::parse(&set.to_string()), Some(set));
            }
        }

        #[test]
        fn a_union_holds_what_either_holds(
            one in proptest::collection::btree_set(0_u32..60, 0..30),
            other in proptest::collection::btree_set(0_u32..60, 0..30),
        ) {
            let set = |members: &BTreeSet<u32>| members.iter().copied().collect::<MemberSet>();
            let both: BTreeSet<u32> = one.union(&other).copied().collect();
            prop_assert_eq!(set(&one).union(&set(&other)), set(&both));
        }

        #[test]
        fn any_text_is_read(text in "[0-9,:%x -]{0,24}") {
            if let Ok(array) = Array::parse(&text) {
                prop_assert_eq!(Array::parse(&array.to_string()), Ok(array));
            }
        }
    }
}
