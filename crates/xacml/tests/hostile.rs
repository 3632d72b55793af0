//! Does no text, however wrong, make the reader do more than refuse it?

#[path = "../../../tests/suites/mod.rs"]
mod suites;

use std::fs;

use proptest::prelude::*;
use xacml::read;

use suites::suites;

const POLICY: &str = r#"<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="p" Version="1.0"
 RuleCombiningAlgId="urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-overrides">
 <Target/>
 <VariableDefinition VariableId="v"><AttributeValue DataType="http://www.w3.org/2001/XMLSchema#date">2026-12-31Z</AttributeValue></VariableDefinition>
 <Rule RuleId="r" Effect="Permit"><Condition><VariableReference VariableId="v"/></Condition></Rule>
</Policy>"#;

#[test]
fn payloads_of_the_field_are_refused() {
    let folder = suites().join("hostile/public");
    let Ok(manifest) = fs::read_to_string(folder.join("manifest.jsonl")) else {
        eprintln!("left out: {} is missing", folder.display());
        return;
    };
    let mut refused = 0;
    for line in manifest.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let path = entry["path"].as_str().unwrap();
        if let Ok(text) = fs::read_to_string(folder.join(path)) {
            assert!(read(&text).is_err(), "{path}");
            refused += 1;
        }
    }
    eprintln!("{refused} passed, 0 failed");
    assert!(refused > 0);
}

proptest! {
    #[test]
    fn a_policy_with_something_else_in_it_is_taken_or_refused(
        from in 0..POLICY.len(),
        length in 0..40_usize,
        put in "[<>/&;'\" a-zA-Z0-9\u{e9}!?\\[-]{0,12}",
    ) {
        prop_assert!(read(POLICY).is_ok());
        let until = (from + length).min(POLICY.len());
        let before = POLICY.get(..from).unwrap_or_default();
        let text = format!("{before}{put}{}", POLICY.get(until..).unwrap_or_default());
        if let Err(problems) = read(&text) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn values_of_any_type_are_taken_or_refused(
        data_type in "(boolean|integer|double|time|date|dateTime|hexBinary|base64Binary|dayTimeDuration|yearMonthDuration)",
        text in "[-+0-9PYMDTHS:.Z\u{e9}]{0,16}",
    ) {
        let put = format!("XMLSchema#{data_type}\">{text}<");
        let text = POLICY.replace("XMLSchema#date\">2026-12-31Z<", &put);
        if let Err(problems) = read(&text) {
            prop_assert!(!problems.is_empty());
        }
    }
}
