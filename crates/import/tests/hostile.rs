//! Is there a text that an import does not survive?
//!
//! Every definition of the suites folder (`TURNPIKE_SUITES`, or `../shared/suites` beside the
//! workspace; without it the test says so and passes), every sample cut short, and noise.

#[path = "../../../tests/suites/mod.rs"]
mod suites;

use std::fs;
use std::path::{Path, PathBuf};

use import::{Format, Options, Sources, detect, import};
use proptest::prelude::*;

use suites::suites;

fn options() -> Options {
    Options {
        endpoints: vec!["http://127.0.0.1:3001".to_owned()],
        publish: true,
        ..Options::default()
    }
}

/// Survives, and what comes out passes admission; whether anything did.
fn survives(format: Format, name: &str, text: &str) -> bool {
    let Ok(imported) = import(format, &Sources::file(name, text), &options()) else { return false };
    let admitted = plan::admit(&plan::Objects::new(), &imported.resources, &[]);
    assert!(admitted.is_ok(), "{name}: {:?}", admitted.err());
    true
}

fn files(folder: &Path, list: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() { files(&path, list) } else { list.push(path) }
    }
}

#[test]
fn every_public_definition_is_survived() {
    for (folder, format, least) in [("openapi", Format::Openapi, 30), ("wsdl", Format::Wsdl, 25)] {
        let root = suites().join(folder);
        if !root.is_dir() {
            eprintln!("left out: {} is missing", root.display());
            continue;
        }
        let mut list = Vec::new();
        files(&root, &mut list);
        let (mut taken, mut refused) = (0, 0);
        for path in list {
            let name = path.display().to_string();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            if detect(&Sources::file(&name, &text)) != Some(format) {
                continue;
            }
            if survives(format, &name, &text) { taken += 1 } else { refused += 1 }
        }
        eprintln!("{folder}: {taken} taken, {refused} refused");
        assert!(taken >= least, "{folder}: {taken} taken, {refused} refused");
    }
}

#[test]
fn every_sample_is_survived_when_it_is_cut_short() {
    let mut list = Vec::new();
    files(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/samples"), &mut list);
    let mut tried = 0;
    for path in list {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(format) = detect(&Sources::file(name, &text)) else { continue };
        for cut in (0..text.len()).step_by(97) {
            let Some(part) = text.get(..cut) else { continue };
            survives(format, name, part);
            tried += 1;
        }
    }
    assert!(tried > 100, "{tried}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn noise_is_survived(text in ".{0,400}", which in 0..Format::ALL.len()) {
        survives(Format::ALL[which], "noise", &text);
    }
}
