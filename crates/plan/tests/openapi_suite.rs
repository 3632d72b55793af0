//! Are real API definitions imported whole, and hostile ones refused?
//!
//! Over the public definitions of the suites folder (`TURNPIKE_SUITES`, or `../shared/suites`
//! beside the workspace). Without it the suite says so and passes.

#[path = "../../../tests/suites/mod.rs"]
mod suites;

use std::fs;

use plan::openapi::{Options, import};

use suites::suites;

/// A line of the manifest.
#[derive(serde::Deserialize)]
struct Entry {
    file: String,
    operations: usize,
    tags: Vec<String>,
}

/// What should become of a definition: its tags say what is hostile, and without an operation
/// there is nothing to serve.
fn judge(entry: &Entry, text: &str) -> Result<String, String> {
    let has_tag = |wanted: &str| entry.tags.iter().any(|tag| tag == wanted);
    let hostile = has_tag("hostile") || has_tag("broken-ref") || entry.operations == 0;
    let options = Options {
        file: entry.file.clone(),
        endpoints: vec!["http://127.0.0.1:3001".to_owned()],
        publish: true,
        ..Options::default()
    };
    match import(text, &options) {
        Ok(_) if hostile => Err("it was taken".to_owned()),
        Ok((_, report)) if report.operations + report.repeated != entry.operations => {
            let (taken, repeated) = (report.operations, report.repeated);
            Err(format!("{taken} + {repeated} operations of {}", entry.operations))
        }
        Ok((api, report)) => {
            let kept = api.spec.and_then(|spec| spec.definition).map(|definition| definition.text);
            assert_eq!(kept.as_deref(), Some(text), "{}", entry.file);
            let left = report.left.join("; ");
            Ok(format!("{}, {} operations; {left}", report.dialect, report.operations))
        }
        Err(problems) => {
            let lines: Vec<String> = problems.iter().take(3).map(plan::describe).collect();
            let said = lines.join(" | ");
            if hostile { Ok(format!("refused: {said}")) } else { Err(said) }
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
    let manifest: Vec<Entry> = serde_json::from_str(&manifest).unwrap();
    let (mut passed, mut failed) = (0, Vec::new());
    for entry in &manifest {
        let file = &entry.file;
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
