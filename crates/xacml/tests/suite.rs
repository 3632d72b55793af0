//! Is every policy of the field's conformance data taken that is one, and are the others refused?
//!
//! Over the XACML 3.0 and 2.0 cases of the suites folder (`TURNPIKE_SUITES`, or `../shared/suites` beside
//! the workspace). Without it the suite says so and passes. Nothing is decided yet: of a case its policies
//! are read, and their references followed.
#![expect(clippy::unwrap_used, reason = "what cannot be read fails the test")]

#[path = "../../../tests/suites/mod.rs"]
mod suites;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use xacml::{Document, check_references, read};

use suites::suites;

/// Cases that come out otherwise than the suite says, and why they do.
const KNOWN: &[(&str, &str)] = &[
    (
        "AZN.OW2_25.3",
        "says that `1.0:function:any-of` is unknown; appendix A.4 keeps it, and other cases use it",
    ),
    (
        "BAL.basic.0018_01",
        "uses a function of Balana's own, `urn:org.wso2.balana:function:ip-in-range`",
    ),
    (
        "BAL.basic.0018_02",
        "uses a function of Balana's own, `urn:org.wso2.balana:function:ip-in-range`",
    ),
    (
        "BAL.basic.0018_03",
        "uses a function of Balana's own, `urn:org.wso2.balana:function:ip-in-range`",
    ),
    (
        "SPEC.4.1",
        "names the algorithm as the example of the specification abbreviates it, \
         `identifier:rule-combining-algorithm:deny-overrides`",
    ),
];

/// A line of a manifest.
#[derive(serde::Deserialize)]
struct Case {
    id: String,
    path: String,
    group: String,
    #[serde(default)]
    expect: String,
    root_policies: Vec<String>,
    referenced_policies: Vec<String>,
}

fn cases(suite: &str) -> Option<(PathBuf, Vec<Case>)> {
    let folder = suites().join(suite).join("public");
    let Ok(manifest) = fs::read_to_string(folder.join("manifest.jsonl")) else {
        eprintln!("left out: {} is missing", folder.display());
        return None;
    };
    let cases = manifest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Some((folder, cases))
}

/// What is wrong with the policies of a case.
fn refusals(folder: &Path, case: &Case) -> Vec<String> {
    let (mut documents, mut said) = (Vec::<Document>::new(), Vec::new());
    for file in case.root_policies.iter().chain(&case.referenced_policies) {
        let text = fs::read_to_string(folder.join(&case.path).join(file)).unwrap();
        match read(&text) {
            Ok(document) => documents.push(document),
            Err(problems) => {
                assert!(!problems.is_empty(), "{}", case.id);
                said.extend(problems.iter().map(|one| format!("{one}; {}", one.suggestion)));
            }
        }
    }
    if said.is_empty() {
        let problems = check_references(&documents, &[], |_| None);
        said.extend(problems.iter().map(|(_, one)| format!("{one}; {}", one.suggestion)));
    }
    said
}

/// Passed and failed by group, and what failed that is not known to.
fn run(suite: &str, judge: impl Fn(&Case, &[String]) -> bool) {
    let Some((folder, cases)) = cases(suite) else { return };
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let said = refusals(&folder, case);
        let passed = judge(case, &said);
        let (good, bad) = groups.entry(&case.group).or_default();
        if passed {
            *good += 1;
        } else {
            *bad += 1;
        }
        let known = KNOWN.iter().find(|(id, _)| *id == case.id);
        match known {
            Some((_, why)) if !passed => eprintln!("{}: known to fail: {why}", case.id),
            None if passed => {}
            Some(_) => wrong.push(format!("{}: passes now: take it off the list", case.id)),
            None => wrong.push(format!("{}: {}", case.id, said.join(" | "))),
        }
    }
    for (group, (passed, failed)) in &groups {
        eprintln!("{suite} {group}: {passed} passed, {failed} failed");
    }
    let passed: usize = groups.values().map(|(passed, _)| passed).sum();
    eprintln!("{suite}: {passed} passed, {} failed", cases.len() - passed);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn policies_of_version_3_are_taken_or_refused_as_the_suite_says() {
    run("xacml", |case, said| match case.expect.as_str() {
        "decision" => said.is_empty(),
        "policy-rejected" => !said.is_empty(),
        // A refusal passes, and so does a decision of which nothing is said here.
        "policy-rejected-or-indeterminate" => true,
        other => panic!("{}: what is {other}?", case.id),
    });
}

#[test]
fn policies_of_version_2_are_told_what_they_are() {
    run("xacml20", |_, said| {
        !said.is_empty()
            && said.iter().all(|line| line.contains("XACML 2.0") || line.contains("XACML 1.0"))
    });
}
