//! What expressions say of a call, and which are refused.

use std::borrow::Cow;
use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::expression::Fact;

/// A call whose token says this; `null`: it has none.
struct Call(Value);

impl Facts for Call {
    fn look_up(&self, wanted: &Wanted) -> Option<Fact<'_>> {
        let text = |text: &'static str| Some(Fact::Text(Cow::Borrowed(text)));
        match wanted {
            Wanted::Method => text("POST"),
            Wanted::Path => text("/orders/7"),
            Wanted::Host => text("api.example"),
            Wanted::Header(name) if name == "x-tenant" => text("acme"),
            Wanted::Query(name) if **name == *"page" => text("2"),
            Wanted::Parameter(name) if **name == *"id" => text("7"),
            Wanted::Size => Some(Fact::Number(512)),
            // A Tuesday.
            Wanted::Time => Some(Fact::TimeUs(1_767_698_100_000_000)),
            Wanted::ClientAddress => text("::ffff:10.1.2.3"),
            Wanted::Scopes => Some(Fact::Texts(vec!["read".into(), "write".into()])),
            Wanted::Claim(path) => {
                let inside = path.iter().try_fold(&self.0, |value, name| value.get(&**name));
                inside.map(Fact::Json)
            }
            _ => None,
        }
    }

    fn has(&self, wanted: &Wanted) -> Option<bool> {
        if matches!(wanted, Wanted::Claim(_)) && self.0.is_null() {
            return None;
        }
        Some(self.look_up(wanted).is_some())
    }
}

fn parse(text: &str) -> Result<Expression, String> {
    let mut problems = Problems::default();
    let parsed = Expression::parse(text, &At::ROOT, &mut problems);
    let told: Vec<String> = problems.into_list().iter().map(crate::describe).collect();
    parsed.filter(|_| told.is_empty()).ok_or_else(|| told.join("\n"))
}

/// What an expression makes of a call with this token: a text in quotes, or what is wrong.
#[track_caller]
fn spells(text: &str, claims: Value, expected: &str) {
    let mut problems = Problems::default();
    let parsed = TextExpression::parse(text, &At::ROOT, &mut problems);
    let said = match parsed {
        Some(parsed) => match parsed.text(&Call(claims)) {
            Ok(Some(text)) => format!("\"{text}\""),
            Ok(None) => "no text".to_owned(),
            Err(error) => error.to_string(),
        },
        None => problems.into_list().iter().map(crate::describe).collect::<Vec<_>>().join("\n"),
    };
    assert_eq!(said, expected, "{text}");
}

#[test]
fn an_expression_can_make_a_text_of_a_call() {
    spells("claims.tenant + ':' + request.method", claims(), "\"acme:POST\"");
    spells("string(claims.level)", claims(), "\"3\"");
    spells("claims.level > 2 ? 'high' : ''", claims(), "\"high\"");
    spells("claims.level", claims(), "no text");
    spells("claims.tenant", Value::Null, "there is no `claims.tenant`");
    spells(
        "request.method == 'GET'",
        claims(),
        "at character 16, `== 'GET'`: it is a truth value, and has to be a text; write `string(…)`",
    );
}

fn claims() -> Value {
    json!({
        "tenant": "acme", "level": 3, "ratio": 0.5, "verified": true, "nothing": null,
        "groups": ["sales", "staff"], "address": { "country": "CH" },
        "https://shop.example/roles": ["admin"], "big": u64::MAX,
    })
}

#[track_caller]
fn check(text: &str, expected: bool) {
    let parsed = parse(text).unwrap_or_else(|told| panic!("{text}: {told}"));
    assert_eq!(parsed.holds(&Call(claims())), Ok(expected), "{text}");
}

#[track_caller]
fn fails(text: &str, said: &str) {
    let parsed = parse(text).unwrap_or_else(|told| panic!("{text}: {told}"));
    let failed = parsed.holds(&Call(claims())).map_err(|error| error.to_string());
    assert!(failed.as_ref().is_err_and(|error| error.contains(said)), "{text}: {failed:?}");
}

#[test]
fn what_a_call_has_is_compared() {
    for text in [
        "claims.tenant == request.headers['x-tenant']",
        "claims['tenant'] == request.headers['X-Tenant']",
        "request.method in ['POST', 'PUT'] && request.path.startsWith('/orders/')",
        "claims.level >= 3 && claims.level < 3.5 && claims.level + 1 == 4",
        "claims.ratio == 0.5 && claims.big > 5",
        "claims.verified",
        "'sales' in claims.groups && !('admin' in claims.groups)",
        "claims.groups.exists(group, group.startsWith('st'))",
        "claims.groups.all(group, size(group) == 5)",
        "claims.groups.filter(group, group != 'sales') == ['staff']",
        "claims.groups[0] == 'sales' && size(claims.groups) == 2",
        "claims.address.country == 'CH' && claims.address['country'] != 'KP'",
        "'admin' in claims['https://shop.example/roles']",
        "request.params.id == '7' && request.query.page == '2'",
        "request.size < 1024",
        "'write' in caller.scopes",
        "inNetwork(client.address, '10.0.0.0/8') && !inNetwork(client.address, '2001:db8::/32')",
        "request.path.matches('^/orders/[0-9]+$') && matches(request.path, 'rders')",
        "request.time.getDayOfWeek() == 2 && request.time.getHours('Europe/Zurich') == 12",
        "request.time > timestamp('2026-01-01T00:00:00Z')",
        "has(claims.level) && !has(claims.act) && has(claims.address.country)",
        "'x-tenant' in request.headers && !('x-other' in request.headers)",
        "'level' in claims && claims.nothing == null",
        "type(claims.level) == int && string(claims.level) == '3'",
        "has(claims.act) ? claims.act == 'x' : claims.level > 2",
        "claims.act == 'x' || claims.level == 3",
    ] {
        check(text, true);
    }
    for text in ["claims.level == 4", "claims.level == '3'", "claims.tenant == 'ACME'"] {
        check(text, false);
    }
}

#[test]
fn what_cannot_be_said_is_an_error_and_never_true() {
    fails("claims.act == 'x'", "there is no `claims.act`");
    fails("claims.act != 'x'", "there is no `claims.act`");
    fails("!(claims.act == 'x')", "there is no `claims.act`");
    fails("request.headers['x-other'] != 'a'", "there is no `request.headers[\"x-other\"]`");
    fails("claims.tenant", "neither true nor false");
    fails("claims.tenant > 3", "no matching overload");
    fails("claims.level in claims.tenant", "no matching overload");
    fails("claims.groups[7] == 'x'", "no such member");
    fails("claims.level / 0 == 1", "divided by zero");
    fails("claims.big + 1u > 0u", "too large");
    fails("int(claims.tenant) == 1", "cannot take its operand");
    fails("inNetwork(claims.tenant, '10.0.0.0/8')", "cannot take its operand");
    fails("claims.level.all(x, x == 1)", "iterable is expected");
    let text = "claims.level == 3 || true";
    let parsed = parse("!has(claims.act)").unwrap();
    assert!(parsed.holds(&Call(Value::Null)).is_err(), "nobody knows what no token says");
    check(text, true);
}

#[test]
fn no_error_shows_what_a_call_says() {
    for text in ["int(claims.tenant) == 1", "claims.tenant > 3", "claims.tenant - 1 == 0"] {
        let error = parse(text).unwrap().holds(&Call(claims())).unwrap_err();
        assert!(!error.to_string().contains("acme"), "{text}: {error}");
    }
}

#[test]
fn an_expression_looks_at_no_more_than_it_may() {
    let many: Vec<String> = (0..4000).map(|number| format!("group-{number}")).collect();
    let call = Call(json!({ "groups": many }));
    let quadratic = parse("claims.groups.all(one, one in claims.groups)").unwrap();
    assert_eq!(quadratic.holds(&call), Err(EvaluationError::TooMuch));
    // What fails on one side of `||` is stepped over, but not this.
    let hidden = parse("claims.groups.exists(one, one in claims.groups && false) || true").unwrap();
    assert_eq!(hidden.holds(&call), Err(EvaluationError::TooMuch));
    let linear = parse("claims.groups.all(one, one.startsWith('group-'))").unwrap();
    assert_eq!(linear.holds(&call), Ok(true));
}

#[track_caller]
fn refused(text: &str, said: &str) {
    let told = parse(text).err().unwrap_or_else(|| "nothing".to_owned());
    assert!(told.contains(said), "{text}: {said} in\n{told}");
}

#[test]
fn what_can_never_hold_is_refused_with_its_place() {
    refused("claims.tenant ==", "at its end: it is no expression");
    refused("claims.tenant = 'x'", "at character 15, `= 'x'`: it is no expression");
    refused(
        "true && tenant == 'x'",
        "at character 9, `tenant == 'x'`: there is no variable `tenant`",
    );
    refused("clams.tenant == 'x'", "did you mean `claims`?");
    refused("request.metod == 'GET'", "did you mean `request.method`?");
    refused("request.method.name == 'GET'", "`request.method` has no member `name`");
    refused("request.headers == {}", "write for example `request.headers[\"name\"]`");
    refused("request.headers[claims.name] == 'x'", "`request.headers` stands for nothing");
    refused("request.headers['a b'] == 'x'", "is no name of a header field");
    refused("request.headers.cookie == 'x'", "carries credentials of the client");
    refused("has(request.method)", "`request.method` is always there");
    refused("claims.tenant.lower() == 'x'", "there is no function `lower`");
    refused("request.path.startWith('/')", "did you mean `startsWith`?");
    refused("startsWith(request.path, '/')", "write `a.startsWith(b)`");
    refused("request.path.contains()", "is not called like that");
    refused("request.path.matches(claims.tenant)", "is a text that stands here");
    refused("request.path.matches('(')", "does not compile");
    refused("request.path.matches('(a{1000}){1000}')", "does not compile");
    refused("inNetwork(client.address, claims.network)", "is a text that stands here");
    refused("inNetwork(client.address, '10.0.0.0/33')", "is no network and no address");
    refused("request.method == 5", "a text never equals a number");
    refused("request.size > '5'", "a number never is less or more than a text");
    refused("'a' in request.path", "write `a.contains(b)`");
    refused("request.path", "it is a text, and has to be true or false");
    refused("claims.groups.map(x, x)", "it is a list, and has to be true or false");
    refused("request.method && true", "it is a text, and has to be true or false");
    refused("request.time + 5 > request.time", "goes together with");
    refused("claims.a.all(x, claims.b.all(y, x == y))", "inside another");
    refused("claims.a.map(x, x + x).map(x, x + x).size() > 1", "inside another");
    refused("Message{a: 1} == claims.a", "messages cannot be made here");
    refused("claims.?a == 1", "it is no expression");
    refused("optional.of(1) == 1", "there is no variable `optional`");
    refused("", "an expression has 1 to 2048 bytes");
    refused(&format!("'{}' == ''", "x".repeat(2048)), "an expression has 1 to 2048 bytes");
    let mut many = String::from("true");
    for number in 0..=64 {
        let _ = write!(many, "||claims.a{number}");
    }
    refused(&many, "it names more than 64 things of a call");
}

#[test]
fn a_variable_of_a_comprehension_is_its_own() {
    check("claims.groups.exists(claims, claims == 'sales')", true);
    check("claims.groups.exists(request, request == 'staff')", true);
    refused("claims.groups.exists(g, true) && g == 'x'", "there is no variable `g`");
}

/// As many as fit of `open`, then `middle`, then as many of `close`.
fn nest(open: &str, middle: &str, close: &str) -> String {
    let times = (MAX_BYTES - middle.len()) / (open.len() + close.len());
    format!("{}{middle}{}", open.repeat(times), close.repeat(times))
}

#[test]
fn hostile_expressions_neither_end_the_thread_nor_take_long() {
    let mut texts: Vec<String> = [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{1:", "1", "}"),
        ("!(", "true", ")"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("-(", "1", ")"),
        ("claims[", "'a'", "]"),
        ("claims.a[", "0", "]"),
        ("size(", "'a'", ")"),
        ("has(", "claims.a", ")"),
        ("true?", "true", ":true"),
        ("true?true:", "true", ""),
        ("true||", "true", ""),
        ("true&&", "true", ""),
        ("1+", "1", ""),
        ("1-", "1", "==0"),
        ("1==", "1", ""),
        ("'a'+", "'a'", ""),
        ("", "claims", ".a"),
        ("", "claims", "[0]"),
        ("", "claims.a", ".size()"),
        ("", "claims.a", ".map(x,x+x)"),
        ("", "claims.a", ".all(x,x"),
        ("claims.a.all(x,", "x", ")"),
        ("[].all(x,", "true", ")"),
        ("((((", "", ""),
        ("[[[[", "", ""),
        ("{", "", ""),
        ("'", "", ""),
        ("\"\"\"", "", ""),
        ("\\", "", ""),
        ("`", "", ""),
        ("@", "", ""),
        ("\u{1f600}", "", ""),
        ("\u{0}", "", ""),
        ("// ", "", "\n"),
        ("a{", "b:1", "}"),
    ]
    .iter()
    .map(|(open, middle, close)| nest(open, middle, close))
    .collect();
    texts.extend(
        [
            "-9223372036854775808 / -1 == 1",
            "-9223372036854775808 % -1 == 0",
            "-(-9223372036854775807 - 1) == 1",
            "9223372036854775807 * 9223372036854775807 == 1",
            "9223372036854775808 == 1",
            "1e999 == 1.0",
            "int(1e300) == 1",
            "uint(-1) == 1u",
            "timestamp('99999-01-01T00:00:00Z') == request.time",
            "request.time + duration('9999999999999999h') == request.time",
            "duration('1000000h') + duration('1000000h') == duration('1h')",
            "request.time.getHours('Nowhere/Else') == 1",
            "request.time.getHours('+99:99') == 1",
            "'\\uD800' == 'a'",
            "'\\xff'.size() == 1",
            "b'\\377' == b'a'",
            "{'a': 1, 'a': 2} == {}",
            "[1, 'a', null] == [claims]",
            "type(type(1)) == type",
            "dyn(claims.a) == 1",
            "string(claims.address) == ''",
            "claims.groups[-1] == ''",
            "claims.groups[9223372036854775807] == ''",
            "claims.address[0] == ''",
            "'a'.contains('') && 'a'.matches('')",
        ]
        .map(str::to_owned),
    );
    // Half of what a thread of the gateway has.
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let tried = small.spawn(move || {
        let read: Vec<Expression> = texts.iter().filter_map(|text| parse(text).ok()).collect();
        let broken = read
            .iter()
            .filter(|expression| expression.holds(&Call(claims())) == Err(EvaluationError::Broken));
        let broken: Vec<&str> = broken.map(|it| &**it.source()).collect();
        assert!(broken.is_empty(), "the engine breaks off: {broken:?}");
        read.len()
    });
    assert!(tried.unwrap().join().unwrap() > 10, "some of them can be read");
}

#[test]
fn what_an_expression_names_is_known_when_it_is_published() {
    let parsed = parse("has(claims.a) && request.params.id == claims.b.c").unwrap();
    let wanted: Vec<String> = parsed.wanted().map(|wanted| format!("{wanted:?}")).collect();
    assert_eq!(wanted, ["Claim([\"a\"])", "Parameter(\"id\")", "Claim([\"b\", \"c\"])"]);
}

/// Pieces of expressions, right and wrong.
const PIECES: [&str; 44] = [
    "claims",
    "request",
    ".headers",
    "['x-tenant']",
    ".tenant",
    ".groups",
    ".level",
    "[0]",
    "[-1]",
    "'a'",
    "\"b\"",
    "1",
    "-1",
    "2u",
    "0.5",
    "1e9",
    "9223372036854775807",
    "true",
    "null",
    "x",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    "?",
    ",",
    " == ",
    " != ",
    " < ",
    " in ",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " && ",
    " || ",
    "!",
    ".exists(x, ",
    "has(",
    "timestamp('2026-01-01T00:00:00Z')",
];

proptest! {
    #[test]
    fn no_expression_breaks_the_reader_or_the_engine(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24),
        wild in ".{0,60}",
    ) {
        for text in [pieces.concat(), wild] {
            match parse(&text) {
                Ok(parsed) => {
                    prop_assert_ne!(parsed.holds(&Call(claims())), Err(EvaluationError::Broken));
                    prop_assert!(parsed.holds(&Call(Value::Null)) != Err(EvaluationError::Broken));
                }
                Err(told) => prop_assert!(!told.contains("the reader broke off"), "{}: {}", text, told),
            }
        }
    }
}
