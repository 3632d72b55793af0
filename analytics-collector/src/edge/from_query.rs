//! What is counted, of which calls, and in which order?
//!
//! Whatever is wrong is answered with the name of its field and what is allowed there.

use tonic::Status;
use turnpike_proto::usage::v1;
use turnpike_proto::usage::v1::condition;

use super::from_filter::{self, refused};
use crate::question::{Condition, Dimension, Measure, Order, Question, Test, Window};
use crate::report::MOST_GROUPS;
use crate::report::geography::DETAILS;
use crate::report::names::{self, Kind};

const MOST_CONDITIONS: usize = 20;
const MOST_VALUES: usize = 100;
const LONGEST_VALUE: usize = 1024;
const MOST_DIMENSIONS: usize = 8;
const MOST_MEASURES: usize = 16;

/// Any question.
pub fn query(asked: v1::QueryRequest, now_us: i64) -> Result<Question, Status> {
    let v1::QueryRequest { filter, conditions: also, interval, by, measures, order, limit } = asked;
    let filter = from_filter::filter(filter, now_us)?;
    let all = filter.conditions(conditions(also)?);
    let measures = self::measures(&measures)?;
    Ok(Question {
        window: filter.window,
        conditions: all,
        interval_us: from_filter::interval(interval)?.0,
        by: dimensions("by", &by)?,
        order: self::order(&order, &measures)?,
        measures,
        most: self::limit(limit)?,
    })
}

/// A question about two times, and when the earlier one begins.
pub fn compare(asked: v1::CompareRequest, now_us: i64) -> Result<(Question, i64), Status> {
    let v1::CompareRequest { query, before } = asked;
    let question = self::query(query.unwrap_or_default(), now_us)?;
    if question.interval_us.is_some() {
        return Err(refused("query.interval", "is not compared; leave it out"));
    }
    let Window { since_us, until_us } = question.window;
    let before_us = match before {
        Some(before) => from_filter::instant("before", before)?,
        None => since_us.saturating_sub(until_us.saturating_sub(since_us)),
    };
    if before_us >= since_us {
        return Err(refused("before", "is not before query.filter.since"));
    }
    Ok((question, before_us))
}

/// What places are told apart by, beyond the country.
pub fn places(asked: &[String]) -> Result<Vec<Dimension>, Status> {
    let found = dimensions("detail", asked)?;
    if let Some(at) = found.iter().position(|of| !DETAILS.contains(of)) {
        let why = "is none of subdivision, city and asn";
        return Err(refused(&format!("detail[{at}]"), why));
    }
    Ok(found)
}

/// What must hold of calls.
pub fn conditions(asked: Vec<v1::Condition>) -> Result<Vec<Condition>, Status> {
    if asked.len() > MOST_CONDITIONS {
        return Err(refused("conditions", &format!("are more than {MOST_CONDITIONS}")));
    }
    let numbered = asked.into_iter().enumerate();
    numbered.map(|(at, one)| condition(&format!("conditions[{at}]"), one)).collect()
}

fn condition(field: &str, asked: v1::Condition) -> Result<Condition, Status> {
    let v1::Condition { of: name, test } = asked;
    let of = dimension(&format!("{field}.of"), &name)?;
    let kind = names::kind(of);
    let only = |of: Kind, test: &str| {
        let what = if of == Kind::Text { "texts" } else { "numbers" };
        let why = format!("is a test of {what}, and `{name}` is none");
        if kind == of { Ok(()) } else { Err(refused(&format!("{field}.{test}"), &why)) }
    };
    let test = match test {
        None => return Err(refused(field, "has no test")),
        Some(condition::Test::OneOf(asked)) => {
            Test::OneOf(values(&format!("{field}.one_of"), kind, asked)?)
        }
        Some(condition::Test::NoneOf(asked)) => {
            Test::NoneOf(values(&format!("{field}.none_of"), kind, asked)?)
        }
        Some(condition::Test::Prefix(part)) => {
            only(Kind::Text, "prefix")?;
            Test::Prefix(self::part(&format!("{field}.prefix"), part)?)
        }
        Some(condition::Test::Contains(part)) => {
            only(Kind::Text, "contains")?;
            Test::Contains(self::part(&format!("{field}.contains"), part)?)
        }
        Some(condition::Test::Between(v1::Range { from, to })) => {
            only(Kind::Number, "between")?;
            if from > to {
                return Err(refused(&format!("{field}.between"), "has `from` after `to`"));
            }
            Test::Between(from, to)
        }
    };
    Ok(Condition { of, test })
}

fn values(field: &str, kind: Kind, asked: v1::Values) -> Result<Vec<String>, Status> {
    let values = asked.values;
    if values.is_empty() || values.len() > MOST_VALUES {
        return Err(refused(field, &format!("has no value, or more than {MOST_VALUES}")));
    }
    for value in &values {
        let fits = match kind {
            Kind::Text => value.len() <= LONGEST_VALUE,
            // Written as the store writes it: `0200` would be no status.
            Kind::Number => value.parse::<u32>().is_ok_and(|number| number.to_string() == *value),
            Kind::Flag => matches!(value.as_str(), "true" | "false"),
        };
        if !fits {
            let allowed = match kind {
                Kind::Text => "a text of at most 1024 bytes",
                Kind::Number => "a number from 0",
                Kind::Flag => "`true` or `false`",
            };
            return Err(refused(field, &format!("has a value that is not {allowed}")));
        }
    }
    Ok(values)
}

fn part(field: &str, text: String) -> Result<String, Status> {
    if text.is_empty() || text.len() > LONGEST_VALUE {
        return Err(refused(field, &format!("is empty, or longer than {LONGEST_VALUE} bytes")));
    }
    Ok(text)
}

/// Dimensions, each once.
pub fn dimensions(field: &str, asked: &[String]) -> Result<Vec<Dimension>, Status> {
    if asked.len() > MOST_DIMENSIONS {
        return Err(refused(field, &format!("has more than {MOST_DIMENSIONS} dimensions")));
    }
    let mut found = Vec::with_capacity(asked.len());
    for (at, name) in asked.iter().enumerate() {
        let field = format!("{field}[{at}]");
        let one = dimension(&field, name)?;
        if found.contains(&one) {
            return Err(refused(&field, &format!("`{name}` is there already")));
        }
        found.push(one);
    }
    Ok(found)
}

fn dimension(field: &str, name: &str) -> Result<Dimension, Status> {
    names::find_dimension(name).ok_or_else(|| {
        let why = format!("is no dimension; allowed are {}", names::dimensions());
        refused(field, &why)
    })
}

fn measures(asked: &[String]) -> Result<Vec<Measure>, Status> {
    if asked.is_empty() {
        return Ok(vec![Measure::Calls]);
    }
    if asked.len() > MOST_MEASURES {
        return Err(refused("measures", &format!("are more than {MOST_MEASURES}")));
    }
    let measure = |(at, name): (usize, &String)| {
        names::find_measure(name).ok_or_else(|| {
            let why = format!("is no measure; allowed are {}", names::measures());
            refused(&format!("measures[{at}]"), &why)
        })
    };
    asked.iter().enumerate().map(measure).collect()
}

fn order(asked: &str, measures: &[Measure]) -> Result<Order, Status> {
    if asked.is_empty() {
        return Ok(Order::Most(0));
    }
    if asked == "values" {
        return Ok(Order::Values);
    }
    let (name, least) = asked.strip_prefix('-').map_or((asked, false), |name| (name, true));
    let wanted = names::find_measure(name);
    let place = measures.iter().position(|measure| Some(*measure) == wanted);
    match place {
        Some(place) if least => Ok(Order::Least(place)),
        Some(place) => Ok(Order::Most(place)),
        None => Err(refused(
            "order",
            "is none of the measures asked for, one with `-` before it, or `values`",
        )),
    }
}

/// How many groups; 0: as many as an answer may have.
pub fn limit(asked: u32) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(MOST_GROUPS),
        Ok(limit) if limit <= MOST_GROUPS => Ok(limit),
        _ => Err(refused("limit", &format!("is more than {MOST_GROUPS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::question::Amount;

    const NOW_US: i64 = 1_795_392_000_000_000;

    fn asked() -> v1::QueryRequest {
        v1::QueryRequest {
            by: vec!["api".to_owned(), "status".to_owned()],
            measures: vec!["calls".to_owned(), "p95_total".to_owned()],
            ..v1::QueryRequest::default()
        }
    }

    fn where_(of: &str, test: condition::Test) -> v1::QueryRequest {
        let conditions = vec![v1::Condition { of: of.to_owned(), test: Some(test) }];
        v1::QueryRequest { conditions, ..asked() }
    }

    fn values_of(words: &str) -> v1::Values {
        v1::Values { values: words.split(' ').map(str::to_owned).collect() }
    }

    /// The refusal of a question starts so; empty: it is understood.
    #[track_caller]
    fn check(asked: v1::QueryRequest, refusal: &str) {
        let said = query(asked, NOW_US)
            .map_or_else(|status| status.message().to_owned(), |_| String::new());
        assert!(said.starts_with(refusal) && said.is_empty() == refusal.is_empty(), "{said}");
    }

    #[test]
    fn what_is_asked_is_understood() {
        let question =
            query(v1::QueryRequest { order: "-p95_total".to_owned(), limit: 7, ..asked() }, NOW_US);
        let question = question.unwrap();
        assert_eq!(question.by, [Dimension::Api, Dimension::Status]);
        assert_eq!(question.measures, [Measure::Calls, Measure::Quantile(Amount::Total, 950)]);
        assert_eq!((question.order, question.most), (Order::Least(1), 7));
    }

    #[test]
    fn nothing_said_is_all_calls_of_the_last_hour() {
        let question = query(v1::QueryRequest::default(), NOW_US).unwrap();
        assert_eq!(question.measures, [Measure::Calls]);
        assert_eq!(
            (question.by.len(), question.order, question.most),
            (0, Order::Most(0), MOST_GROUPS)
        );
        assert_eq!(question.window.until_us - question.window.since_us, 3_600_000_000);
    }

    #[test]
    fn conditions_are_held_to_the_kind_of_their_value() {
        use condition::Test::{Between, Contains, NoneOf, OneOf, Prefix};
        let range = |from, to| Between(v1::Range { from, to });
        check(where_("status", OneOf(values_of("200 404"))), "");
        check(where_("from_cache", NoneOf(values_of("true"))), "");
        check(where_("status", range(500, 599)), "");
        check(where_("path", Contains("/Orders".to_owned())), "");
        check(
            where_("status", OneOf(values_of("200 x"))),
            "conditions[0].one_of has a value that is not a number",
        );
        check(
            where_("from_cache", OneOf(values_of("yes"))),
            "conditions[0].one_of has a value that is not `true`",
        );
        check(where_("status", Prefix("5".to_owned())), "conditions[0].prefix is a test of texts");
        check(where_("path", range(1, 2)), "conditions[0].between is a test of numbers");
        check(where_("status", range(2, 1)), "conditions[0].between has `from` after `to`");
        check(where_("path", Contains(String::new())), "conditions[0].contains is empty");
        check(where_("path", OneOf(v1::Values::default())), "conditions[0].one_of has no value");
        check(
            where_("paths", OneOf(values_of("a"))),
            "conditions[0].of is no dimension; allowed are api, ",
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let one = |text: &str| vec![text.to_owned()];
        check(
            v1::QueryRequest { by: one("Api"), ..asked() },
            "by[0] is no dimension; allowed are api, ",
        );
        check(
            v1::QueryRequest { by: vec!["api".to_owned(); 2], ..asked() },
            "by[1] `api` is there already",
        );
        check(
            v1::QueryRequest { by: vec![String::new(); 9], ..asked() },
            "by has more than 8 dimensions",
        );
        check(
            v1::QueryRequest { measures: one("p42_total"), ..asked() },
            "measures[0] is no measure; allowed are calls, ",
        );
        check(
            v1::QueryRequest { measures: vec!["calls".to_owned(); 17], ..asked() },
            "measures are more than 16",
        );
        check(
            v1::QueryRequest { order: "errors".to_owned(), ..asked() },
            "order is none of the measures",
        );
        check(v1::QueryRequest { limit: 10_001, ..asked() }, "limit is more than 10000");
        let nothing = vec![v1::Condition { of: "api".to_owned(), test: None }];
        check(
            v1::QueryRequest { conditions: nothing.clone(), ..asked() },
            "conditions[0] has no test",
        );
        let many = vec![nothing[0].clone(); 21];
        check(v1::QueryRequest { conditions: many, ..asked() }, "conditions are more than 20");
    }
}
