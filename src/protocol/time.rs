//! A moment on the wire.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment: RFC 3339 in UTC with `Z` and milliseconds, so that texts sort as times do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Timestamp::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A moment: RFC 3339 in UTC with `Z` and milliseconds, so that texts sort as times do.",
            "type": "string",
            "format": "date-time",
            "examples": ["2026-03-01T12:00:00.000Z"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_sort_as_text() {
        let text = |nanos| {
            let at = Timestamp::from_nanosecond(nanos).unwrap();
            serde_json::to_string(&Time(at)).unwrap()
        };
        assert_eq!(
            text(1_700_000_000_000_000_000),
            r#""2023-11-14T22:13:20.000Z""#
        );
        assert_eq!(
            text(1_700_000_000_123_456_789),
            r#""2023-11-14T22:13:20.123Z""#
        );
        assert!(text(1_700_000_000_000_000_000) < text(1_700_000_000_123_456_789));
    }
}
