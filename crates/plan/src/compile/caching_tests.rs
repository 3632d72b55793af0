//! What can be said about caching and compression, and what comes of it.

use crate::fixtures::lines;
use crate::{Objects, admit};

#[test]
fn a_cache_says_what_can_be_kept() {
    let said = |spec: &str| {
        let text = format!(
            "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: \"1\"}}, spec: {{context: /a, {spec}}}}}"
        );
        let (resources, problems) = crate::read_document(&text, "");
        assert!(problems.is_empty(), "{}", lines(&problems));
        match admit(&Objects::new(), &resources, &[]) {
            Ok(_) => "ok".to_owned(),
            Err(problems) => lines(&problems),
        }
    };
    assert_eq!(said("cache: {ttl: 300s}, compression: {}"), "ok");
    assert_eq!(said("cache: {}, operations: [{method: GET, path: /, cache: {off: true}}]"), "ok");
    insta::assert_snapshot!(said("cache: {ttl: 0s, heuristicPercent: 101, maxBodyBytes: 99999999999, maxVariants: 65, keyHeaders: ['a b'], ignoreQuery: true, keyQuery: [a, 'b='], methods: [POST]}"), @"
Api/a:1: spec.cache.heuristicPercent: it is at most 100
Api/a:1: spec.cache.maxBodyBytes: a body that is kept has at most 67108864 bytes
Api/a:1: spec.cache.maxVariants: there are at most 64 variants of a target
Api/a:1: spec.cache.ttl: a span of the cache is more than 0 and at most 365 days; write for example `300s`
Api/a:1: spec.cache.keyHeaders[0]: `a b` is no name of a field; write for example `Accept-Language`
Api/a:1: spec.cache.keyQuery: the query is not looked at; leave out `ignoreQuery`, or these names
Api/a:1: spec.cache.keyQuery[1]: `b=` is no name of a parameter; write it as it stands in the query
Api/a:1: spec.cache.methods[0]: `POST` is not answered from a cache; GET and HEAD are
Api/a:1: spec.cache.methods: what is kept is brought by GET; add `GET`
");
    insta::assert_snapshot!(said("operations: [{method: GET, path: /, cache: {off: true, ttl: 5s}}]"), @"Api/a:1: spec.operations[0].cache: nothing else stands beside `off: true`; leave out `off`, or everything else");
    insta::assert_snapshot!(said("compression: {codings: [gzip, gzip], minBytes: 9999999, types: [json, 'text/*', '*/*']}"), @"
Api/a:1: spec.compression.codings[1]: the coding stands twice; keep one of them
Api/a:1: spec.compression.minBytes: it is at most 1048576
Api/a:1: spec.compression.types[0]: `json` is no media type; write for example `application/json`
Api/a:1: spec.compression.types[2]: `*/*` is no media type; write for example `application/json`
");
}

#[test]
fn another_revision_of_an_api_keeps_its_own_answers() {
    let plan = |spec: &str| {
        let (resources, _) = crate::read_document(
            &format!(
                "{{apiVersion: turnpike/v1, kind: Api, metadata: {{name: a, version: \"1\"}}, spec: {{context: /a, lifecycle: PUBLISHED, {spec}}}}}"
            ),
            "",
        );
        let upserts: Vec<_> =
            resources.iter().map(|it| (crate::key(it).unwrap(), crate::encode(it))).collect();
        let (plan, rejected) = crate::Plan::empty().replaced(&upserts);
        assert!(rejected.is_empty(), "{rejected:?}");
        let api = plan.api("a:1").unwrap().clone();
        api.operations()[0].cache.as_ref().map(|rules| (rules.revision, rules.ttl))
    };
    let backend = "endpoints: {production: {urls: ['http://a']}}, cache: {ttl: 5s}";
    let first = plan(backend).unwrap();
    assert_eq!(first.1, Some(std::time::Duration::from_secs(5)));
    assert_eq!(plan(backend), Some(first));
    let moved = plan(&backend.replace("http://a", "http://b")).unwrap();
    assert_ne!(moved.0, first.0);
    let own = "operations: [{method: GET, path: /, cache: {ttl: 7s}}]";
    let own = plan(&format!("{backend}, {own}")).unwrap();
    assert_eq!(own.1, Some(std::time::Duration::from_secs(7)));
    let off = "operations: [{method: GET, path: /, cache: {off: true}}]";
    assert_eq!(plan(&format!("{backend}, {off}")), None);
}
