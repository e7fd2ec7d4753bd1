//! What differs from run to run, taken out of messages: times, ids, durations, machine facts.

use namdrunner::job::JobId;
use serde_json::{Map, Value};

/// Fields whose value is compared by its type alone.
const VARYING: &[&str] = &[
    "ageSeconds",
    "detail",
    "evidence",
    "latencyMs",
    "maxRssBytes",
    "nodes",
    "percentage",
    "queriesLastHour",
    "script",
    "seconds",
    "secondsInFrom",
    "seq",
    "slurmJobId",
    "storeId",
    "timeUsedSeconds",
    "tookMs",
    "version",
];

/// The ids of one side of a comparison, in the order of their appearance.
#[derive(Default)]
pub(super) struct Normal {
    jobs: Vec<String>,
    stores: Vec<String>,
}

impl Normal {
    /// A message without what varies.
    pub(super) fn of(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => Value::Object(self.fields(fields)),
            Value::Array(values) => values.iter().map(|value| self.of(value)).collect(),
            Value::String(text) if is_time(text) => "a time".into(),
            Value::String(text) => self.text(text).into(),
            _ => value.clone(),
        }
    }

    fn fields(&mut self, fields: &Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::new();
        // What the program writes for itself names the test's directory.
        let is_control = fields.get("role").is_some_and(|role| role == "control");
        for (name, value) in fields {
            if name == "storeId"
                && let Some(id) = value.as_str()
                && !self.stores.iter().any(|known| known == id)
            {
                self.stores.push(id.to_owned());
            }
            // Results are collected by themselves while the dialogue goes on.
            if name == "results" && value.is_object() {
                out.insert(name.clone(), "results".into());
                continue;
            }
            let varying = VARYING.contains(&name.as_str()) || (is_control && name == "bytes");
            let normal = match value {
                Value::String(_) if varying => "a text".into(),
                Value::Number(_) if varying => "a number".into(),
                _ => self.of(value),
            };
            out.insert(name.clone(), normal);
        }
        out
    }

    /// A text with its job ids numbered.
    fn text(&mut self, text: &str) -> String {
        let mut out = text.to_owned();
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
        for id in text.split(word).filter(|word| JobId::parse(word).is_some()) {
            let known = self.jobs.iter().position(|known| known == id);
            let number = known.unwrap_or_else(|| {
                self.jobs.push(id.to_owned());
                self.jobs.len() - 1
            });
            out = out.replace(id, &format!("job {number}"));
        }
        out
    }

    /// A message with the newest ids in the place of `<job>` and `<store>`; none if it has neither.
    pub(super) fn with_new_ids(&self, value: &Value) -> Option<Value> {
        let text = value.to_string();
        let newest = |ids: &[String]| ids.last().cloned().unwrap_or_default();
        let named = text
            .replace("<job>", &newest(&self.jobs))
            .replace("<store>", &newest(&self.stores));
        (named != text).then(|| serde_json::from_str(&named).expect("JSON as before"))
    }

    /// A text of this side with the ids of the other.
    pub(super) fn with_ids_of(&self, other: &Self, text: &str) -> String {
        let mut out = text.to_owned();
        let jobs = self.jobs.iter().zip(&other.jobs);
        for (ours, theirs) in jobs.chain(self.stores.iter().zip(&other.stores)) {
            out = out.replace(ours, theirs);
        }
        out
    }
}

fn is_time(text: &str) -> bool {
    text.len() == 24 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
}

#[test]
fn two_runs_of_the_same_are_equal_and_ids_carry_over() {
    let message = |id: &str, time: &str, took: u32| serde_json::json!({"jobId": id, "dir": format!("/x/{id}/1"), "at": time, "tookMs": took, "n": 1});
    let (a, b) = (
        "water_01hf3v8k5w2q0c9m7n4r6t1x8z",
        "water_01hf3v8k5w2q0c9m7n4r6t1x8y",
    );
    let (mut ours, mut theirs) = (Normal::default(), Normal::default());
    let first = ours.of(&message(a, "2026-01-01T00:00:00.000Z", 1));
    let second = theirs.of(&message(b, "2026-01-01T00:00:01.000Z", 2));
    assert_eq!(first, second);
    assert_ne!(
        first,
        theirs.of(&message("other", "2026-01-01T00:00:01.000Z", 2))
    );
    assert_eq!(ours.with_ids_of(&theirs, a), b);
}
