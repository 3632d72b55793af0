//! What is wrong with the conditions of an operation or a variant, and what are they compiled?

use std::fmt::Write as _;

use turnpike_proto::config::v1::condition::Test as Given;
use turnpike_proto::config::v1::{Condition as Asks, Match};

use crate::problem::{At, Problems, shown};
use crate::router::{Condition, Conditions, Constraints, Part, Test};

/// The most conditions of one match.
const MAX_CONDITIONS: usize = 16;
const MAX_NAME_BYTES: usize = 256;
const MAX_VALUE_BYTES: usize = 1_024;

/// The conditions; `None` where none is asked for.
pub(crate) fn compile_match(
    given: Option<&Match>,
    constraints: &mut Constraints,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Conditions> {
    let given = given?;
    let parts = [
        ("headers", Part::Field, &given.headers),
        ("query", Part::Parameter, &given.query),
        ("cookies", Part::Cookie, &given.cookies),
    ];
    let count: usize = parts.iter().map(|(_, _, list)| list.len()).sum();
    if count == 0 {
        problems.add(at, "a match asks for something", "leave it out, or name a header field");
        return None;
    }
    if count > MAX_CONDITIONS {
        problems.add(at, format!("there are {count} conditions, at most {MAX_CONDITIONS}"), "");
        return None;
    }
    let mut conditions = Conditions { list: Vec::with_capacity(count), spelling: "".into() };
    let mut lines = Vec::with_capacity(count);
    for (name, part, list) in parts {
        let here = at.name(name);
        for (index, asks) in list.iter().enumerate() {
            let here = here.index(index);
            check_name(part, &asks.name, &here.name("name"), problems);
            let Some(test) = compile_test(asks, constraints, &here, problems) else { continue };
            let name = match part {
                Part::Field => asks.name.to_ascii_lowercase(),
                Part::Parameter | Part::Cookie => asks.name.clone(),
            };
            lines.push(spelling(part, &name, &test));
            conditions.list.push(Condition { part, name: name.into(), test });
        }
    }
    // The order of conditions says nothing.
    lines.sort_unstable();
    conditions.spelling = lines.concat().into();
    Some(conditions)
}

pub(super) fn check_name(part: Part, name: &str, at: &At<'_>, problems: &mut Problems) {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        problems.add(at, format!("a name has 1 to {MAX_NAME_BYTES} bytes"), "");
        return;
    }
    // RFC 9110 §5.6.2, RFC 6265 §4.1.1.
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if part != Part::Parameter && !name.bytes().all(token) {
        let reason = format!("`{}` is no name of a header field or cookie", shown(name));
        problems.add(at, reason, "use letters, digits and `-`");
    }
}

pub(super) fn compile_test(
    asks: &Asks,
    constraints: &mut Constraints,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Test> {
    let mut short = |name: &str, value: &String| {
        let fits = value.len() <= MAX_VALUE_BYTES;
        if !fits {
            problems.add(&at.name(name), format!("it has at most {MAX_VALUE_BYTES} bytes"), "");
        }
        fits.then(|| Box::<str>::from(value.as_str()))
    };
    Some(match asks.test.as_ref() {
        Some(Given::Exact(value)) => Test::Exact(short("exact", value)?),
        Some(Given::Prefix(value)) => Test::Prefix(short("prefix", value)?),
        Some(Given::Regex(pattern)) => match constraints.expression(pattern) {
            Ok(expression) => Test::Expression(expression),
            Err(reason) => {
                problems.add(&at.name("regex"), reason, "");
                return None;
            }
        },
        Some(Given::Present(false)) => Test::Absent,
        Some(Given::Present(true)) | None => Test::Present,
    })
}

pub(super) fn spelling(part: Part, name: &str, test: &Test) -> String {
    let mut text = format!("{part:?} {name:?} ");
    // Writing to a String does not fail.
    let _ = match test {
        Test::Exact(value) => write!(text, "is {value:?}"),
        Test::Prefix(value) => write!(text, "starts {value:?}"),
        Test::Expression(expression) => write!(text, "matches {:?}", expression.as_str()),
        Test::Present => write!(text, "there"),
        Test::Absent => write!(text, "not there"),
    };
    text.push('\n');
    text
}
