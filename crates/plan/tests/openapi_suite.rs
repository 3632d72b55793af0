//! Are real API definitions imported whole, and hostile ones refused?
//!
//! Over the public definitions of the suites folder (`TURNPIKE_SUITES`, or `../shared/suites`
//! beside the workspace). Without it the suite says so and passes.

use std::fs;
use std::path::PathBuf;

use plan::openapi::{Options, import};
use serde_json::Value;

#[expect(clippy::disallowed_methods, reason = "a test has no configuration to read it from")]
fn suites() -> PathBuf {
    std::env::var_os("TURNPIKE_SUITES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/suites"),
        PathBuf::from,
    )
}

/// What should become of a definition: its tags say what is hostile, and without an operation
/// there is nothing to serve.
fn judge(entry: &Value, text: &str) -> Result<String, String> {
    let file = entry["file"].as_str().unwrap();
    let has_tag = |wanted: &str| entry["tags"].as_array().unwrap().iter().any(|tag| tag == wanted);
    let declared = usize::try_from(entry["operations"].as_u64().unwrap()).unwrap();
    let hostile = has_tag("hostile") || has_tag("broken-ref") || declared == 0;
    let options = Options {
        file: file.to_owned(),
        endpoints: vec!["http://127.0.0.1:3001".to_owned()],
        publish: true,
        ..Options::default()
    };
    match import(text, &options) {
        Ok(_) if hostile => Err("it was taken".to_owned()),
        Ok((_, report)) if report.operations + report.repeated != declared => {
            Err(format!("{} + {} operations of {declared}", report.operations, report.repeated))
        }
        Ok((api, report)) => {
            let spec = api.spec.as_ref().unwrap();
            assert_eq!(spec.definition.as_ref().unwrap().text, text, "{file}");
            Ok(format!(
                "{}, {} operations; {}",
                report.dialect,
                report.operations,
                report.left.join("; ")
            ))
        }
        Err(problems) => {
            let lines: Vec<String> = problems.iter().take(3).map(plan::describe).collect();
            if hostile {
                Ok(format!("refused: {}", lines.join(" | ")))
            } else {
                Err(lines.join(" | "))
            }
        }
    }
}

#[test]
fn every_public_definition_is_taken_whole_or_refused_as_hostile() {
    let folder = suites().join("openapi/public");
    let Ok(manifest) = fs::read_to_string(folder.join("manifest.json")) else {
        eprintln!("left out: {} is missing", folder.display());
        return;
    };
    let manifest: Vec<Value> = serde_json::from_str(&manifest).unwrap();
    let (mut passed, mut failed) = (0, Vec::new());
    for entry in &manifest {
        let file = entry["file"].as_str().unwrap();
        let text = fs::read_to_string(folder.join(file)).unwrap();
        match judge(entry, &text) {
            Ok(said) => {
                eprintln!("{file}: {said}");
                passed += 1;
            }
            Err(said) => failed.push(format!("{file}: {said}")),
        }
    }
    eprintln!("{passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
