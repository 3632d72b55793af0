//! The trie against an oracle that tries every template.

use proptest::prelude::*;

use super::super::condition::Bare;
use super::super::grow::Growing;
use super::super::segment::Constraints;
use super::super::template::Template;
use super::*;

/// `operations` are "METHOD /template", `call` is "METHOD /path"; the answer is the operation, the
/// allowed methods, or "nothing".
#[track_caller]
fn check(operations: &[&str], call: &str, said: &str) {
    let trie = build(operations);
    let (method, path) = call.split_once(' ').unwrap_or((call, ""));
    assert_eq!(answer(operations, trie.find(method, path, &Bare)), said, "{call}");
}

fn build(operations: &[&str]) -> Trie {
    let (mut growing, mut constraints) = (Growing::default(), Constraints::default());
    for (place, operation) in operations.iter().enumerate() {
        let (method, path) = operation.split_once(' ').unwrap();
        let template = Template::parse(path, &mut constraints).unwrap();
        growing.insert(&template, method, None, place);
    }
    Trie::packed(&growing)
}

fn answer(operations: &[&str], found: Match<'_>) -> String {
    match found {
        Match::Found(place) => operations[place].to_owned(),
        Match::OtherMethods(methods) => methods.join(","),
        Match::Nothing => "nothing".to_owned(),
    }
}

#[test]
fn literals_win_over_shapes_over_parameters_over_the_rest() {
    let operations = [
        "GET /orders/*",
        "GET /orders/{id}",
        "GET /orders/{id:[0-9]+}",
        "GET /orders/{id}.json",
        "GET /orders/mine",
    ];
    check(&operations, "GET /orders/mine", "GET /orders/mine");
    check(&operations, "GET /orders/7", "GET /orders/{id:[0-9]+}");
    check(&operations, "GET /orders/7a", "GET /orders/{id}");
    check(&operations, "GET /orders/7.json", "GET /orders/{id}.json");
    check(&operations, "GET /orders/.json", "GET /orders/{id}");
    check(&operations, "GET /orders/a/b", "GET /orders/*");
    check(&operations, "GET /orders/", "GET /orders/*");
    check(&operations, "GET /orders", "GET /orders/*");
    check(&operations, "GET /order", "nothing");
    check(&operations, "GET", "nothing");
}

#[test]
fn a_way_that_leads_nowhere_is_left() {
    let operations = ["GET /a/b/c", "GET /a/{x}/d", "POST /a/b/d"];
    check(&operations, "GET /a/b/d", "GET /a/{x}/d");
    check(&operations, "PUT /a/b/d", "GET,HEAD,POST");
    check(&operations, "GET /a/b", "nothing");
}

#[test]
fn the_method_is_matched_byte_for_byte_and_star_is_every_method() {
    let operations = ["GET /a", "* /a", "* /b"];
    check(&operations, "GET /a", "GET /a");
    check(&operations, "PATCH /a", "* /a");
    check(&operations, "get /b", "* /b");
}

#[test]
fn a_slash_at_the_end_counts_only_where_both_forms_are_operations() {
    let operations = ["GET /", "GET /a", "GET /b/", "GET /c", "GET /c/", "GET /c/*", "POST /a/"];
    check(&operations, "GET /", "GET /");
    check(&operations, "GET ", "GET /");
    check(&operations, "GET /a/", "GET /a");
    check(&operations, "POST /a", "POST /a/");
    check(&operations, "GET /b/", "GET /b/");
    check(&operations, "GET /b", "GET /b/");
    check(&operations, "GET /c", "GET /c");
    check(&operations, "GET /c/", "GET /c/");
    check(&operations, "GET /c//", "GET /c/*");
    check(&["GET /a/{x}", "GET /a/*"], "GET /a/7/", "GET /a/{x}");
    check(&operations, "GET //", "nothing");
    check(&["* /*"], "GET ", "* /*");
    check(&["* /*"], "GET /x//y", "* /*");
    check(&["GET /{id}"], "GET /", "nothing");
}

#[test]
fn an_escaped_reserved_character_is_not_the_character() {
    // The edge has brought the escapes of a call into upper case.
    let operations = ["GET /a%2Fb", "GET /{x}"];
    check(&operations, "GET /a%2Fb", "GET /a%2Fb");
    check(&operations, "GET /a/b", "nothing");
    check(&operations, "GET /A%2Fb", "GET /{x}");
    check(&["GET /a%2fb%2c"], "GET /a%2Fb%2C", "GET /a%2fb%2c");
    check(&["GET /a%2fb%2c"], "GET /a%2Fb,", "nothing");
    check(&["GET /%61%2D{x:%[0-9]}"], "GET /a-%1", "GET /%61%2D{x:%[0-9]}");
}

#[test]
fn head_is_served_by_get_unless_it_is_an_operation_of_its_own() {
    check(&["GET /a", "* /a"], "HEAD /a", "GET /a");
    check(&["GET /a", "HEAD /a"], "HEAD /a", "HEAD /a");
    check(&["* /a"], "HEAD /a", "* /a");
    check(&["POST /a"], "HEAD /a", "POST");
}

#[test]
fn many_children_are_found_like_few() {
    let operations: Vec<String> = (0..500).map(|number| format!("GET /a{number}/x")).collect();
    let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
    for number in [0, 5, 6, 7, 499] {
        let call = format!("GET /a{number}/x");
        check(&operations, &call, &call);
    }
    check(&operations, "GET /a500/x", "nothing");
}

#[test]
fn several_parameters_share_a_segment() {
    let operations = ["GET /{a}-{b}", "GET /{lang:[a-z]{2}}.{ending}"];
    check(&operations, "GET /x-y", "GET /{a}-{b}");
    check(&operations, "GET /-", "nothing");
    check(&operations, "GET /en.html", "GET /{lang:[a-z]{2}}.{ending}");
    check(&operations, "GET /eng.html", "nothing");
}

#[track_caller]
fn check_refused(template: &str, said: &str) {
    let refused = Template::parse(template, &mut Constraints::default());
    let (reason, suggestion) = refused.unwrap_err();
    assert_eq!(format!("{reason}; {suggestion}"), said);
}

#[test]
fn a_template_that_cannot_be_meant_is_refused() {
    check_refused("", "a path starts with `/`; put a `/` in front");
    check_refused("orders", "a path starts with `/`; put a `/` in front");
    check_refused("//a", "a path has no empty segment; write one `/`");
    check_refused("/a/../b", "a path has no `.` or `..` segment; leave it out");
    check_refused("/a/%2e%2E/b", "a path has no `.` or `..` segment; leave it out");
    check_refused("/*/a", "`*` stands alone, at the end; write `/*` at the end");
    check_refused("/a*", "`*` stands alone, at the end; write `/*` at the end");
    check_refused("/{a", "`{a` is not closed; close it with `}`");
    check_refused("/a}", "a `}` closes nothing; open it with `{`");
    check_refused("/{}", "`{}` names no parameter; write `{name}` or `{name:constraint}`");
    check_refused(
        "/{a}/{a}",
        "the parameter `a` stands twice; give each parameter a name of its own",
    );
    check_refused("/a b", "` ` cannot stand in a path; write it percent-encoded, or leave it out");
    check_refused("/a?b", "`?` cannot stand in a path; write it percent-encoded, or leave it out");
    check_refused("/50%", "`%` is followed by two hexadecimal digits; write `%25`");
    check_refused("/{id:[}", "the constraint does not compile: unclosed character class; ");
    check_refused("/{id:a)(b}", "the constraint does not compile: unopened group; ");
    check_refused(
        "/{id:(?:\\w{1000}){1000}}",
        "the constraint compiles to more than 262144 bytes; ",
    );
    check_refused(&format!("/{}", "a/".repeat(65)), "a path has at most 64 segments; ");
    check_refused(&format!("/{}", "a".repeat(3_000)), "a path has at most 2048 bytes; ");
}

type Ranks = Vec<(u8, usize, String)>;

/// The best of all templates that match, chosen without a trie.
fn oracle(operations: &[String], method: &str, path: &str) -> String {
    let body = path.strip_prefix('/').filter(|body| !body.is_empty());
    let given: Vec<&str> = body.map(|body| body.split('/').collect()).unwrap_or_default();
    let mut best: Option<(Ranks, bool, &String)> = None;
    let mut others: Vec<&str> = Vec::new();
    for operation in operations {
        let (of, template) = operation.split_once(' ').unwrap();
        let Some(ranks) = ranks(template, &given) else { continue };
        if of != method && of != "*" {
            others.push(of);
            continue;
        }
        let candidate = (ranks, of == "*", operation);
        if best.as_ref().is_none_or(|best| (&candidate.0, candidate.1) < (&best.0, best.1)) {
            best = Some(candidate);
        }
    }
    if others.contains(&"GET") {
        others.push("HEAD");
    }
    others.sort_unstable();
    others.dedup();
    match best {
        Some((_, _, operation)) => operation.clone(),
        None if others.is_empty() => "nothing".to_owned(),
        None => others.join(","),
    }
}

/// How narrowly each segment of the template matches; `None` where it does not. Of the shaped ones
/// `a{s}` has more literal characters than `{n}`.
fn ranks(template: &str, given: &[&str]) -> Option<Ranks> {
    let body = template.strip_prefix('/').unwrap();
    let mut ranks = Vec::new();
    let mut left = given;
    for segment in body.split('/').filter(|_| !body.is_empty()) {
        if segment == "*" {
            ranks.push((3, 0, String::new()));
            return Some(ranks);
        }
        if segment.is_empty() && left.is_empty() {
            // The template alone ends with a slash.
            ranks.push((0, 1, String::new()));
            return Some(ranks);
        }
        let (first, rest) = left.split_first()?;
        left = rest;
        ranks.push(match segment {
            "{p}" | "{q}" => (!first.is_empty()).then_some((2, 0, String::new()))?,
            "{n:[0-9]+}" => {
                let digits = !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit());
                digits.then(|| (1, 1, "{:[0-9]+}".to_owned()))?
            }
            "a{s}" => {
                let fits = first.len() > 1 && first.starts_with('a');
                fits.then(|| (1, 0, "a{}".to_owned()))?
            }
            literal => (literal == *first).then(|| (0, 0, String::new()))?,
        });
    }
    if left == [""] && !ranks.is_empty() && !body.ends_with('/') {
        // The call alone ends with a slash.
        ranks.push((0, 1, String::new()));
        return Some(ranks);
    }
    left.is_empty().then_some(ranks)
}

proptest! {
    #[test]
    fn the_trie_finds_what_trying_everything_finds(
        operations in prop::collection::btree_set(
            ("(GET|POST|\\*)", "(/(a|b|12|\\{p\\}|\\{n:\\[0-9\\]\\+\\}|a\\{s\\})){0,3}(/\\*|/)?"),
            1..12,
        ),
        calls in prop::collection::vec(
            ("(GET|POST|PUT)", "(/(a|b|12|ab|7|)){0,4}"),
            1..20,
        ),
    ) {
        let mut spellings = std::collections::BTreeSet::new();
        let operations: Vec<String> = operations
            .into_iter()
            .map(|(method, path)| (method, if path.is_empty() { "/".to_owned() } else { path }))
            .map(|(method, path)| {
                // Each parameter needs a name of its own; one of each is enough here.
                let twice = |part: &str| path.matches(part).count() > 1;
                let simple = if twice("{p}") || twice("{n") || twice("{s}") { "/a".to_owned() } else { path };
                (method, simple)
            })
            .filter(|operation| spellings.insert(operation.clone()))
            .map(|(method, path)| format!("{method} {path}"))
            .collect();
        let names: Vec<&str> = operations.iter().map(String::as_str).collect();
        let trie = build(&names);
        for (method, path) in calls {
            let found = answer(&names, trie.find(&method, &path, &Bare));
            prop_assert_eq!(found, oracle(&operations, &method, &path), "{} {}", method, path);
        }
    }

    #[test]
    fn no_template_makes_it_panic(text in "[/{}:*a-c\\[\\]()+?%\\\\.]{0,40}", wild in ".{0,60}") {
        let mut constraints = Constraints::default();
        for template in [text, wild] {
            if let Ok(template) = Template::parse(&template, &mut constraints) {
                let mut growing = Growing::default();
                growing.insert(&template, "GET", None, 0);
                Trie::packed(&growing).find("GET", "/a/b", &Bare);
            }
        }
    }
}
