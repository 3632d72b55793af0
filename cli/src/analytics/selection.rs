//! About which calls is a question?

use std::time::{Duration, SystemTime};

use chassis::config::duration;
use chrono::{DateTime, NaiveDate};
use clap::Args;
use turnpike_proto::usage::v1::{Condition, Filter, Range, Values, condition};

use crate::span;

/// Which calls.
#[derive(Args, Clone, Debug)]
pub(crate) struct Selection {
    #[command(flatten)]
    pub(super) subject: Subject,
    /// Only calls that began so long ago at most (15m, 1h, 7d), or then or later (2026-11-30,
    /// 2026-11-30T08:00:00Z); one hour where nothing is said
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    since: Option<Moment>,
    /// Only calls that began so long ago at least, or before that instant
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    until: Option<Moment>,
}

/// Whose calls.
#[derive(Args, Clone, Debug)]
pub(crate) struct Subject {
    /// Only calls of this API: NAME or NAME:VERSION
    #[arg(long, value_name = "API")]
    pub(super) api: Option<String>,
    /// Only calls of this application
    #[arg(long, value_name = "APPLICATION")]
    pub(super) app: Option<String>,
}

/// What must hold of calls.
#[derive(Args, Clone, Debug)]
pub(crate) struct Conditions {
    /// Only calls of which this holds; may be said several times: D=V (one of several values of the
    /// same dimension is enough), D!=V, D^=V (begins so), D~V (contains), D=A..B (numbers)
    #[arg(long = "where", value_name = "D=V", value_parser = Holds::parse)]
    all: Vec<Holds>,
}

/// A moment, from now back or of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Ago(Duration),
    At(SystemTime),
}

#[derive(Clone, Debug, PartialEq)]
struct Holds {
    of: String,
    test: Operator,
}

#[derive(Clone, Debug, PartialEq)]
enum Operator {
    Is(String),
    IsNot(String),
    Begins(String),
    Contains(String),
    Between(i64, i64),
}

/// Words that make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotUnderstood {
    #[error(
        "`{0}` is neither a span of time (15m, 1h, 7d) nor an instant (2026-11-30, 2026-11-30T08:00:00Z)"
    )]
    Moment(String),
    #[error(
        "`{0}` is no condition; write status=404, status!=200, path^=/orders, path~cart or status=500..599"
    )]
    Condition(String),
}

impl Selection {
    pub(super) fn filter(&self, now: SystemTime) -> Filter {
        let Subject { api, app } = &self.subject;
        Filter {
            since: self.since.and_then(|since| since.instant(now)).map(Into::into),
            // Absent means now on the collector's clock, which saw the last call.
            until: self.until.and_then(|until| until.instant(now)).map(Into::into),
            api: api.clone().unwrap_or_default(),
            application: app.clone().unwrap_or_default(),
        }
    }
}

impl Moment {
    pub(super) fn parse(text: &str) -> Result<Self, NotUnderstood> {
        if let Ok(span) = duration::parse(text) {
            return Ok(Self::Ago(span));
        }
        if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
            return Self::at(instant.timestamp_micros(), text);
        }
        let day = text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0));
        let day = day.ok_or_else(|| NotUnderstood::Moment(text.to_owned()))?;
        Self::at(day.and_utc().timestamp_micros(), text)
    }

    fn at(us: i64, text: &str) -> Result<Self, NotUnderstood> {
        let since = u64::try_from(us).map(Duration::from_micros).ok();
        let at = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        at.map(Self::At).ok_or_else(|| NotUnderstood::Moment(text.to_owned()))
    }

    pub(super) fn instant(self, now: SystemTime) -> Option<SystemTime> {
        match self {
            Self::Ago(span) => now.checked_sub(span),
            Self::At(at) => Some(at),
        }
    }
}

/// What an operator makes of the value behind it.
type Reading = fn(String) -> Operator;

const OPERATORS: [(&str, Reading); 4] = [
    ("!=", Operator::IsNot),
    ("^=", Operator::Begins),
    ("~", Operator::Contains),
    ("=", Operator::is),
];

impl Holds {
    fn parse(text: &str) -> Result<Self, NotUnderstood> {
        let wrong = || NotUnderstood::Condition(text.to_owned());
        let end = text.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).ok_or_else(wrong)?;
        let (of, rest) = text.split_at_checked(end).ok_or_else(wrong)?;
        if of.is_empty() {
            return Err(wrong());
        }
        let test = OPERATORS
            .iter()
            .find_map(|(sign, test)| rest.strip_prefix(sign).map(|value| test(value.to_owned())));
        Ok(Self { of: of.to_owned(), test: test.ok_or_else(wrong)? })
    }
}

impl Operator {
    fn is(value: String) -> Self {
        let bounds = value.split_once("..");
        let bounds = bounds.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        bounds.map_or(Self::Is(value), |(from, to)| Self::Between(from, to))
    }
}

impl Conditions {
    /// As the collector takes them: values of one dimension are one list.
    pub(super) fn to_proto(&self) -> Vec<Condition> {
        let mut conditions: Vec<Condition> = Vec::new();
        for Holds { of, test } in &self.all {
            let new = test.to_proto();
            let before = conditions.iter_mut().find(|one| one.of == *of);
            match (before.and_then(|one| one.test.as_mut()), new) {
                (Some(condition::Test::OneOf(list)), condition::Test::OneOf(more))
                | (Some(condition::Test::NoneOf(list)), condition::Test::NoneOf(more)) => {
                    list.values.extend(more.values);
                }
                (_, test) => conditions.push(Condition { of: of.clone(), test: Some(test) }),
            }
        }
        conditions
    }
}

impl Operator {
    fn to_proto(&self) -> condition::Test {
        let values = |value: &String| Values { values: vec![value.clone()] };
        match self {
            Self::Is(value) => condition::Test::OneOf(values(value)),
            Self::IsNot(value) => condition::Test::NoneOf(values(value)),
            Self::Begins(value) => condition::Test::Prefix(value.clone()),
            Self::Contains(value) => condition::Test::Contains(value.clone()),
            Self::Between(from, to) => condition::Test::Between(Range { from: *from, to: *to }),
        }
    }
}

/// A span as a message says it.
pub(super) fn proto_span(span: Option<Duration>) -> Option<prost_types::Duration> {
    span.map(span::to_proto)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the collector is asked; a refusal is empty.
    #[track_caller]
    fn check(words: &[&str], asked: &str) {
        let all: Result<Vec<_>, _> = words.iter().map(|word| Holds::parse(word)).collect();
        let said = all.map(|all| Conditions { all }.to_proto()).unwrap_or_default();
        let said: Vec<_> = said
            .iter()
            .map(|one| match one.test.as_ref().unwrap() {
                condition::Test::OneOf(list) => format!("{} in {:?}", one.of, list.values),
                condition::Test::NoneOf(list) => format!("{} not in {:?}", one.of, list.values),
                condition::Test::Prefix(text) => format!("{} begins {text}", one.of),
                condition::Test::Contains(text) => format!("{} has {text}", one.of),
                condition::Test::Between(range) => {
                    format!("{} {} to {}", one.of, range.from, range.to)
                }
            })
            .collect();
        assert_eq!(said.join("; "), asked);
    }

    #[test]
    fn conditions_are_written_as_one_would() {
        check(
            &["status=404", "user=ann", "status=500"],
            "status in [\"404\", \"500\"]; user in [\"ann\"]",
        );
        check(&["status!=200", "status!=201"], "status not in [\"200\", \"201\"]");
        check(&["status=500..599"], "status 500 to 599");
        check(&["path^=/orders", "path~a=b"], "path begins /orders; path has a=b");
        check(&["path=a..b", "user="], "path in [\"a..b\"]; user in [\"\"]");
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for word in ["status", "=200", "", "Status=1", "status<3"] {
            check(&[word], "");
        }
    }

    #[test]
    fn a_moment_is_a_span_back_or_an_instant() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_mins(29_933_775);
        let seconds = |text: &str| {
            let at = Moment::parse(text).ok()?.instant(now)?;
            Some(at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(seconds("1h"), Some(1_796_022_900));
        assert_eq!(seconds("2026-11-30T09:15:00+01:00"), Some(1_796_026_500));
        assert_eq!(seconds("2026-11-30"), Some(1_795_996_800));
        assert_eq!((seconds("5"), seconds("yesterday"), seconds("2026-13-01")), (None, None, None));
    }
}
