//! Does a call fulfil conditions, without a store?
//!
//! The store answers the same of calls that are stored; this is for calls that are on their way by.

use std::borrow::Cow;

use crate::enrich::address;
use crate::event::Row;
use crate::question::{Condition, Dimension, Test};

/// Whether all conditions hold of a call.
pub fn holds(conditions: &[Condition], row: &Row) -> bool {
    conditions.iter().all(|condition| holds_of(&condition.test, &value(row, condition.of)))
}

fn holds_of(test: &Test, value: &str) -> bool {
    match test {
        Test::OneOf(values) => values.iter().any(|one| one == value),
        Test::NoneOf(values) => values.iter().all(|one| one != value),
        Test::Prefix(start) => value.starts_with(start.as_str()),
        Test::Contains(part) => value.to_lowercase().contains(&part.to_lowercase()),
        Test::Between(from, to) => {
            value.parse::<i64>().is_ok_and(|number| (*from..=*to).contains(&number))
        }
    }
}

/// As much of the client's address as is kept, as text; empty: nothing is.
pub fn client_address(row: &Row) -> String {
    address::parse(&row.client_ip).map(|address| address.to_string()).unwrap_or_default()
}

/// A value of a call as text.
fn value(row: &Row, of: Dimension) -> Cow<'_, str> {
    let number = |number: u32| Cow::Owned(number.to_string());
    Cow::Borrowed(match of {
        Dimension::Api => &row.api,
        Dimension::ApiVersion => &row.api_version,
        Dimension::ApiContext => &row.api_context,
        Dimension::ApiType => &row.api_type,
        Dimension::ApiOwner => &row.api_owner,
        Dimension::Operation => &row.operation,
        Dimension::Method => &row.method,
        Dimension::Path => &row.path,
        Dimension::Host => &row.host,
        Dimension::Application => &row.application,
        Dimension::ApplicationOwner => &row.application_owner,
        Dimension::ConsumerKey => &row.consumer_key,
        Dimension::User => &row.user,
        Dimension::Tier => &row.tier,
        Dimension::KeyType => &row.key_type,
        Dimension::AuthType => &row.auth_type,
        Dimension::ClientIp => return Cow::Owned(client_address(row)),
        Dimension::Country => &row.country,
        Dimension::Subdivision => &row.subdivision,
        Dimension::City => &row.city,
        Dimension::Asn => return number(row.asn),
        Dimension::Device => &row.device,
        Dimension::OperatingSystem => &row.operating_system,
        Dimension::Agent => &row.agent,
        Dimension::Protocol => &row.protocol,
        Dimension::Status => return number(row.status),
        Dimension::BackendStatus => return number(row.backend_status),
        Dimension::Backend => &row.backend,
        Dimension::FaultCode => return number(row.fault_code),
        Dimension::FaultType => &row.fault_type,
        Dimension::FaultSubtype => &row.fault_subtype,
        Dimension::FromCache => return Cow::Owned(row.from_cache.to_string()),
        Dimension::Gateway => &row.gateway,
        Dimension::Region => &row.region,
        Dimension::Tenant => &row.tenant,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(of: Dimension, test: &Test, expected: bool) {
        let row = Row {
            api: "orders".to_owned(),
            path: "/Orders/7".to_owned(),
            status: 503,
            client_ip: vec![203, 0, 113, 7],
            ..Row::default()
        };
        let said = holds(&[Condition { of, test: test.clone() }], &row);
        assert_eq!(said, expected, "{of:?} {test:?}");
    }

    fn texts(words: &str) -> Vec<String> {
        words.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_test_holds_and_does_not() {
        check(Dimension::Api, &Test::OneOf(texts("pay orders")), true);
        check(Dimension::Api, &Test::OneOf(texts("pay Orders")), false);
        check(Dimension::Api, &Test::NoneOf(texts("pay users")), true);
        check(Dimension::Api, &Test::NoneOf(texts("orders")), false);
        check(Dimension::Path, &Test::Prefix("/Ord".to_owned()), true);
        check(Dimension::Path, &Test::Prefix("/ord".to_owned()), false);
        check(Dimension::Path, &Test::Contains("ORDERS/".to_owned()), true);
        check(Dimension::Path, &Test::Contains("8".to_owned()), false);
        check(Dimension::Status, &Test::Between(500, 503), true);
        check(Dimension::Status, &Test::Between(504, 599), false);
        check(Dimension::Status, &Test::OneOf(texts("503")), true);
        check(Dimension::ClientIp, &Test::Prefix("203.0.".to_owned()), true);
        check(Dimension::FromCache, &Test::OneOf(texts("false")), true);
        check(Dimension::City, &Test::OneOf(vec![String::new()]), true);
    }

    #[test]
    fn all_conditions_must_hold() {
        let is = |of, word: &str| Condition { of, test: Test::OneOf(texts(word)) };
        let row = Row { api: "orders".to_owned(), user: "ann".to_owned(), ..Row::default() };
        assert!(holds(&[is(Dimension::Api, "orders"), is(Dimension::User, "ann")], &row));
        assert!(!holds(&[is(Dimension::Api, "orders"), is(Dimension::User, "bob")], &row));
        assert!(holds(&[], &row));
    }
}
