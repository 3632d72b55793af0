//! Folders with good, bad and hostile files.

use super::*;
use crate::fixtures::lines;

/// A folder of "name: content" files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// The keys and problems of a folder, or of a file in it.
fn said(folder: &tempfile::TempDir, path: &str) -> String {
    let root = folder.path().display().to_string();
    let files = match read(&folder.path().join(path)) {
        Ok(files) => files,
        Err(error) => return error.to_string().replace(&root, "."),
    };
    let keys = files.resources.iter().filter_map(key).map(|key| key.to_string());
    let problems = lines(&files.problems);
    let said: Vec<String> = keys.chain((!problems.is_empty()).then_some(problems)).collect();
    let real = fs::canonicalize(folder.path()).unwrap().display().to_string();
    said.join("\n").replace(&root, ".").replace(&real, ".")
}

const TIER: &str = "{apiVersion: turnpike/v1, kind: Tier, metadata: {name: NAME}, spec: {}}";
const API: &str = "
apiVersion: turnpike/v1
kind: Api
metadata: { name: orders, version: '1' }
spec:
  context: /orders
  definition: { file: FILE }
  operations: [{ method: GET, path: /a, scopes: [mine] }]
";
const OPENAPI: &str = "
openapi: 3.0.0
info: { title: a, version: '1' }
paths: { /a: { get: { operationId: one } }, /b: { get: {} } }
";

#[test]
fn a_folder_is_read_in_order_without_what_is_hidden_or_foreign() {
    let folder = folder(&[
        ("b.yaml", &TIER.replace("NAME", "b")),
        ("a/z.yml", &TIER.replace("NAME", "z")),
        (
            "c.json",
            r#"{"apiVersion":"turnpike/v1","kind":"Tier","metadata":{"name":"c"},"spec":{}}"#,
        ),
        (".hidden.yaml", "{"),
        (".git/x.yaml", "{"),
        ("notes.txt", "{"),
        ("orders.openapi.yaml", OPENAPI),
        ("d.yaml", "kind: Tier"),
    ]);
    insta::assert_snapshot!(said(&folder, ""), @"
Tier/z
Tier/b
Tier/c
./d.yaml: apiVersion: it is missing; write `apiVersion: turnpike/v1`
");
    insta::assert_snapshot!(said(&folder, "b.yaml"), @"Tier/b");
    insta::assert_snapshot!(said(&folder, "none.yaml"), @"./none.yaml cannot be read");
    insta::assert_snapshot!(said(&folder, "orders.openapi.yaml"), @"
./orders.openapi.yaml: apiVersion: it is missing; write `apiVersion: turnpike/v1`
./orders.openapi.yaml: kind: it is missing; one of Api, Application, Subscription, Tier, KeyManager, GatewayGroup, Certificate, Secret, ApiProduct, DenyPolicy, CustomThrottle, Policy, Workflow, AlertRule, NotificationChannel, XacmlPolicySet is expected
");
}

#[test]
fn a_definition_is_read_and_its_operations_are_added() {
    let folder = folder(&[
        ("api.yaml", &API.replace("FILE", "defs/orders.yaml")),
        ("defs/orders.yaml", OPENAPI),
    ]);
    let files = read(folder.path()).unwrap();
    assert!(files.problems.is_empty(), "{}", lines(&files.problems));
    assert_eq!(files.read.len(), 2);
    let Some(Any::Api(api)) = &files.resources[0].resource else { panic!() };
    let spec = api.spec.as_ref().unwrap();
    let operations: Vec<String> = spec
        .operations
        .iter()
        .map(|one| format!("{} {} {} {}", one.method, one.path, one.id, one.scopes.join(",")))
        .collect();
    assert_eq!(operations, ["GET /a one mine", "GET /b  "]);
    let definition = spec.definition.as_ref().unwrap();
    assert_eq!((definition.text.as_str(), definition.file.as_str()), (OPENAPI, ""));
}

const POLICIES: &str = "
apiVersion: turnpike/v1
kind: XacmlPolicySet
metadata: { name: readers }
spec: { documents: [{ file: a.xml }, { file: FILE }] }
";

#[test]
fn documents_of_policies_are_read() {
    let folder = folder(&[
        ("good.yaml", &POLICIES.replace("FILE", "b.xml")),
        ("lost.yaml", &POLICIES.replace("FILE", "../c.xml")),
        ("a.xml", "<a/>"),
        ("b.xml", "<b/>"),
        ("large.yaml", &POLICIES.replace("FILE", "large.xml")),
        ("large.xml", &" ".repeat(xacml::MAX_BYTES + 1)),
    ]);
    let files = read(&folder.path().join("good.yaml")).unwrap();
    let Some(Any::XacmlPolicySet(set)) = &files.resources[0].resource else { panic!() };
    let documents = &set.spec.as_ref().unwrap().documents;
    let texts: Vec<_> = documents.iter().map(|it| (it.text.as_str(), it.file.as_str())).collect();
    assert_eq!(texts, [("<a/>", ""), ("<b/>", "")]);
    assert_eq!(files.read.len(), 3);
    insta::assert_snapshot!(said(&folder, "lost.yaml"), @"./lost.yaml: XacmlPolicySet/readers: spec.documents[1].file: there is no file ./../c.xml; the path is relative to this file");
    insta::assert_snapshot!(said(&folder, "large.yaml"), @"./large.yaml: XacmlPolicySet/readers: spec.documents[1].file: large.xml: it has 1048577 bytes, and at most 1048576 are read; split it into several files");
}

#[test]
fn a_definition_outside_the_root_is_not_read() {
    let outside = folder(&[("secret.yaml", OPENAPI)]);
    let secret = outside.path().join("secret.yaml");
    let folder = folder(&[
        ("a/up.yaml", &API.replace("FILE", "../../etc/passwd")),
        ("a/absolute.yaml", &API.replace("FILE", &secret.display().to_string())),
        ("a/link.yaml", &API.replace("FILE", "linked.txt")),
        ("a/missing.yaml", &API.replace("FILE", "gone.txt")),
        ("a/sibling.yaml", &API.replace("FILE", "../fine.txt")),
        ("a/broken.yaml", &API.replace("FILE", "../broken.txt")),
        ("fine.txt", OPENAPI),
        ("broken.txt", "openapi: 3.0.0\npaths: { x: {} }"),
    ]);
    std::os::unix::fs::symlink(&secret, folder.path().join("a/linked.txt")).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling.yaml")).unwrap();
    std::os::unix::fs::symlink(".", folder.path().join("a/loop")).unwrap();
    let outside_root = outside.path().display().to_string();
    let said = said(&folder, "").replace(&outside_root, "OUTSIDE");
    assert!(said.contains("outside") && !said.contains("OUTSIDE/secret.yaml: "), "{said}");
    insta::assert_snapshot!(said, @"
Api/orders:1
./a/absolute.yaml: Api/orders:1: spec.definition.file: OUTSIDE/secret.yaml lies outside of .; put it beside the resources
./a/broken.yaml: Api/orders:1: spec.definition.file: ../broken.txt, paths.x: a path starts with `/`; put a `/` in front
./a/link.yaml: Api/orders:1: spec.definition.file: linked.txt lies outside of .; put it beside the resources
./a/missing.yaml: Api/orders:1: spec.definition.file: there is no file ./a/gone.txt; the path is relative to this file
./a/up.yaml: Api/orders:1: spec.definition.file: there is no file ./a/../../etc/passwd; the path is relative to this file
");
}

#[test]
fn a_file_that_is_no_text_or_too_large_is_told() {
    let folder = folder(&[]);
    fs::write(folder.path().join("a.yaml"), b"\xff\xfe").unwrap();
    fs::write(folder.path().join("b.yaml"), "#".repeat(10_000_000)).unwrap();
    fs::create_dir(folder.path().join("c.yaml")).unwrap();
    insta::assert_snapshot!(said(&folder, ""), @"
./a.yaml: it is not UTF-8 text; save it as UTF-8
./b.yaml: it has 10000000 bytes, and at most 8388608 are read; split it into several files
");
}
