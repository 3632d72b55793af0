//! Is a claim what a rule asks for?
//!
//! Types are exact, and what cannot be judged is not fulfilled: a claim that is not there, an object
//! where a text is meant, a number where texts stand.

use prost_types::value::Kind;
use serde_json::{Number, Value};
use turnpike_proto::config::v1 as wire;

use crate::problem::{At, Problems};

/// The most values of one rule.
const MAX_VALUES: usize = 100;
const MAX_NAME_BYTES: usize = 256;
const MAX_TEXT_BYTES: usize = 1024;
/// Up to here every whole number has a double of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What one claim has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRule {
    /// Its name, or the way to it with dots between the names.
    pub name: Box<str>,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Equals(Scalar),
    AnyOf(Vec<Scalar>),
    NoneOf(Vec<Scalar>),
    AtLeast(f64),
    AtMost(f64),
    Absent,
    Present,
}

#[derive(Clone, Debug, PartialEq)]
enum Scalar {
    Text(Box<str>),
    Bool(bool),
    Whole(i64),
    Real(f64),
}

impl ClaimRule {
    /// Whether `claim` fulfils it; `None`: the token has none.
    pub fn holds(&self, claim: Option<&Value>) -> bool {
        let Some(claim) = claim.filter(|claim| !claim.is_null()) else {
            return matches!(self.test, Test::Absent);
        };
        match &self.test {
            Test::Equals(wanted) => wanted.is(claim),
            Test::AnyOf(wanted) => {
                members(claim).iter().any(|member| wanted.iter().any(|one| one.is(member)))
            }
            Test::NoneOf(unwanted) => members(claim).iter().all(|member| {
                unwanted.iter().any(|one| one.is_like(member))
                    && !unwanted.iter().any(|one| one.is(member))
            }),
            Test::AtLeast(least) => claim.as_f64().is_some_and(|number| number >= *least),
            Test::AtMost(most) => claim.as_f64().is_some_and(|number| number <= *most),
            Test::Absent => false,
            Test::Present => true,
        }
    }
}

/// The members of a list; anything else is one by itself.
fn members(claim: &Value) -> &[Value] {
    match claim {
        Value::Array(list) => list,
        one => std::slice::from_ref(one),
    }
}

impl Scalar {
    fn is(&self, claim: &Value) -> bool {
        match (self, claim) {
            (Self::Text(wanted), Value::String(text)) => **wanted == **text,
            (Self::Bool(wanted), Value::Bool(said)) => wanted == said,
            (Self::Whole(wanted), Value::Number(number)) => whole(number) == Some(*wanted),
            (Self::Real(wanted), Value::Number(number)) => {
                number.is_f64()
                    && number.as_f64().is_some_and(|said| said.total_cmp(wanted).is_eq())
            }
            _ => false,
        }
    }

    /// Whether the two are of one type.
    const fn is_like(&self, claim: &Value) -> bool {
        matches!(
            (self, claim),
            (Self::Text(_), Value::String(_))
                | (Self::Bool(_), Value::Bool(_))
                | (Self::Whole(_) | Self::Real(_), Value::Number(_))
        )
    }
}

/// The number, if it is whole: some issuers write `3.0`.
fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let real = number.as_f64().filter(|_| number.is_f64())?;
        whole_of(real)
    })
}

/// The same of a double, where there is no doubt which number is meant.
fn whole_of(real: f64) -> Option<i64> {
    // A whole double is written without a fraction; there is no other conversion without a cast.
    (real.fract().abs() < f64::EPSILON && real.abs() <= EXACT)
        .then(|| format!("{real:.0}").parse().ok())
        .flatten()
}

pub(super) fn compile_rule(
    written: &wire::ClaimRule,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<ClaimRule> {
    if written.name.is_empty() || written.name.len() > MAX_NAME_BYTES {
        let reason = format!("the name of a claim has 1 to {MAX_NAME_BYTES} bytes");
        problems.add(&at.name("name"), reason, "write for example `name: email_verified`");
    }
    let bound = |value: Option<f64>, name: &str, problems: &mut Problems| {
        if value.is_some_and(|value| !value.is_finite()) {
            problems.add(&at.name(name), "a finite number is expected", "");
        }
    };
    bound(written.at_least, "atLeast", problems);
    bound(written.at_most, "atMost", problems);
    let equals = written.equals.as_ref();
    let tests = [
        equals.and_then(|it| scalar(it, &at.name("equals"), problems)).map(Test::Equals),
        list(&written.any_of, &at.name("anyOf"), problems).map(Test::AnyOf),
        list(&written.none_of, &at.name("noneOf"), problems).map(Test::NoneOf),
        written.at_least.map(Test::AtLeast),
        written.at_most.map(Test::AtMost),
        written.absent.then_some(Test::Absent),
        written.present.then_some(Test::Present),
    ];
    let mut tests = tests.into_iter().flatten();
    let (first, second) = (tests.next(), tests.next());
    if second.is_some() || (first.is_none() && equals.is_none()) {
        let suggestion =
            "write one of `equals`, `anyOf`, `noneOf`, `atLeast`, `atMost`, `absent`, `present`";
        let reason = if second.is_some() { "there are several tests" } else { "a test is missing" };
        problems.add(at, reason, suggestion);
        return None;
    }
    Some(ClaimRule { name: written.name.as_str().into(), test: first? })
}

fn list(
    written: &[prost_types::Value],
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Vec<Scalar>> {
    if written.len() > MAX_VALUES {
        problems.add(at, format!("there are {}, at most {MAX_VALUES}", written.len()), "");
        return None;
    }
    let each = written.iter().enumerate();
    let list: Vec<Scalar> =
        each.filter_map(|(index, one)| scalar(one, &at.index(index), problems)).collect();
    (!list.is_empty()).then_some(list)
}

fn scalar(written: &prost_types::Value, at: &At<'_>, problems: &mut Problems) -> Option<Scalar> {
    match &written.kind {
        Some(Kind::StringValue(text)) if text.len() <= MAX_TEXT_BYTES => {
            return Some(Scalar::Text(text.as_str().into()));
        }
        Some(Kind::StringValue(_)) => {
            problems.add(at, format!("a text has at most {MAX_TEXT_BYTES} bytes"), "");
        }
        Some(Kind::BoolValue(value)) => return Some(Scalar::Bool(*value)),
        Some(Kind::NumberValue(number)) if number.is_finite() && number.abs() <= EXACT => {
            return Some(whole_of(*number).map_or(Scalar::Real(*number), Scalar::Whole));
        }
        Some(Kind::NumberValue(_)) => problems.add(at, "a number up to 2^53 is expected", ""),
        _ => problems.add(at, "a text, a number or a truth value is expected", ""),
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures::resources;

    /// `rule` as it is written beside the name; the claim is one for each of `claims`.
    #[track_caller]
    fn check(rule: &str, fulfilled: &[Value], not: &[Value]) {
        let api = resources(&format!("api a 1 /a + access: {{claims: [{{name: c, {rule}}}]}}"));
        let Some(wire::resource::Resource::Api(api)) = &api[0].resource else { panic!() };
        let written = &api.spec.as_ref().unwrap().access.as_ref().unwrap().claims[0];
        let mut problems = Problems::default();
        let rule = compile_rule(written, &At::ROOT, &mut problems).unwrap();
        assert!(problems.is_empty(), "{:?}", problems.into_list());
        for claim in fulfilled {
            assert!(rule.holds(Some(claim)), "{rule:?} {claim}");
        }
        for claim in not {
            assert!(!rule.holds(Some(claim)), "{rule:?} {claim}");
        }
        assert_eq!(rule.holds(None), rule.test == Test::Absent, "{rule:?}");
        assert_eq!(rule.holds(Some(&Value::Null)), rule.test == Test::Absent, "{rule:?}");
    }

    #[test]
    fn types_are_exact() {
        check("equals: true", &[json!(true)], &[json!(false), json!("true"), json!(1)]);
        check("equals: '3'", &[json!("3")], &[json!(3), json!(["3"]), json!("3 ")]);
        let others = [json!("3"), json!(3.5), json!([3]), json!(true), json!({})];
        check("equals: 3", &[json!(3), json!(3.0)], &others);
        check("equals: 0.5", &[json!(0.5)], &[json!(0), json!(1), json!("0.5")]);
    }

    #[test]
    fn a_number_beyond_doubles_is_not_taken_for_its_neighbour() {
        let exact = 1_i64 << 53;
        let others = [json!(exact + 1), json!(exact - 1), json!(u64::MAX), json!(-exact)];
        check("equals: 9007199254740992", &[json!(exact)], &others);
    }

    #[test]
    fn one_member_of_a_list_is_enough_for_any_of() {
        let fulfilled = [json!("sales"), json!(["a", "sales"]), json!([1, "support"])];
        let not = [json!("Sales"), json!([]), json!(["a"]), json!({ "sales": true }), json!(7)];
        check("anyOf: [sales, support]", &fulfilled, &not);
        check("anyOf: [1, true]", &[json!(1), json!([true])], &[json!("1"), json!(["true"])]);
    }

    #[test]
    fn none_of_refuses_what_it_cannot_judge() {
        let fulfilled = [json!("CH"), json!(["CH", "DE"]), json!([])];
        let not = [json!("KP"), json!(["CH", "KP"]), json!(7), json!(["CH", 7]), json!({})];
        check("noneOf: [KP]", &fulfilled, &not);
    }

    #[test]
    fn numbers_have_bounds() {
        check("atLeast: 3", &[json!(3), json!(3.1), json!(u64::MAX)], &[json!(2.9), json!("4")]);
        check("atMost: -1", &[json!(-1), json!(-2)], &[json!(0), json!("-2"), json!([-2])]);
    }

    #[test]
    fn a_claim_is_there_or_not() {
        check("absent: true", &[], &[json!("x"), json!(false), json!([]), json!({})]);
        check("present: true", &[json!("x"), json!(false), json!([]), json!({})], &[]);
    }

    #[track_caller]
    fn refused(rule: &wire::ClaimRule, said: &str) {
        let mut problems = Problems::default();
        compile_rule(rule, &At::ROOT, &mut problems);
        let shown: Vec<String> = problems.into_list().iter().map(crate::describe).collect();
        assert!(shown.iter().any(|line| line.contains(said)), "{said} in {shown:?}");
    }

    #[test]
    fn a_rule_that_says_nothing_or_two_things_is_refused() {
        let value = |kind| prost_types::Value { kind: Some(kind) };
        let rule = || wire::ClaimRule { name: "c".to_owned(), ..Default::default() };
        refused(&rule(), "a test is missing");
        refused(&wire::ClaimRule { absent: true, present: true, ..rule() }, "several tests");
        let equals = Some(value(Kind::NullValue(0)));
        refused(&wire::ClaimRule { equals, ..rule() }, "a text, a number or a truth value");
        let equals = Some(value(Kind::NumberValue(1e300)));
        refused(&wire::ClaimRule { equals, ..rule() }, "up to 2^53");
        let at_least = Some(f64::NAN);
        refused(&wire::ClaimRule { at_least, ..rule() }, "a finite number");
        let any_of = vec![value(Kind::BoolValue(true)); MAX_VALUES + 1];
        refused(&wire::ClaimRule { any_of, ..rule() }, "at most 100");
        refused(&wire::ClaimRule { name: String::new(), absent: true, ..rule() }, "1 to 256");
    }
}
