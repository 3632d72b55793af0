//! What is said of the operations that have code of their own?

use serde_json::{Value, json};

use super::described::{Described, words};
use super::parameters::{
    NAME, NAME_AND_VERSION, document_of, json_body, json_of, path, query, span,
};
use crate::edge::rest::comments::comment;
use crate::edge::rest::examples::{example, examples};
use crate::edge::rest::kinds::{plurals, services};
use crate::edge::rest::route::Operation;
use crate::edge::rest::schemas::Schemas;

/// Those that have code of their own.
pub(super) fn of_own(operation: Operation, schemas: &mut Schemas) -> Described {
    let own = |id: &str| -> Described {
        let (service, method) = id.split_once('.').unwrap_or((id, ""));
        let rpc = services()
            .find(|one| one.name() == service)
            .and_then(|one| one.methods().find(|rpc| rpc.name() == method));
        Described {
            id: id.to_owned(),
            tag: service.to_owned(),
            summary: rpc.map(|rpc| words(&rpc).to_owned()).unwrap_or_default(),
            ..Described::default()
        }
    };
    let application = || path("name", "Name of the Application.", NAME);
    if let Some(told) = of_past_and_life(operation, &own, schemas) {
        return told;
    }
    match operation {
        Operation::Apply => applied(own("Apply.Apply"), schemas),
        Operation::Gateways => Described {
            answers: vec![("200", schemas.add("turnpike.admin.v1.ListGatewaysResponse"))],
            problems: vec!["400"],
            ..own("Gateways.List")
        },
        Operation::WhoAmI => Described {
            answers: vec![("200", schemas.add("turnpike.admin.v1.WhoAmIResponse"))],
            problems: vec!["400"],
            ..own("People.WhoAmI")
        },
        Operation::GenerateKey => Described {
            parameters: vec![application()],
            body: Some(json_of(schemas, "turnpike.admin.v1.GenerateKeyRequest")),
            answers: vec![("201", schemas.add("turnpike.admin.v1.GenerateKeyResponse"))],
            problems: vec!["400", "404", "409"],
            ..own("ApplicationKeys.Generate")
        },
        Operation::Limits => Described {
            parameters: vec![
                application(),
                query(
                    "api",
                    "`name:version` of an Api or ApiProduct. Absent: all.",
                    &json!({ "type": "string" }),
                ),
                query("user", "Limits of this user, too.", &json!({ "type": "string" })),
                query("timeout", "How long gateways may take.", &span()),
            ],
            answers: vec![("200", schemas.add("turnpike.admin.v1.LimitUsageResponse"))],
            problems: vec!["400", "404"],
            ..own("Limits.Usage")
        },
        Operation::ResetLimits => Described {
            parameters: vec![application()],
            body: Some(json_of(schemas, "turnpike.admin.v1.LimitResetRequest")),
            answers: vec![("200", schemas.add("turnpike.admin.v1.LimitResetResponse"))],
            problems: vec!["400", "404"],
            ..own("Limits.Reset")
        },
        _ => Described {
            id: "OpenApi.Get".to_owned(),
            tag: "OpenApi".to_owned(),
            summary: "This document.".to_owned(),
            answers: vec![("200", json!({ "type": "object" }))],
            problems: vec!["400"],
            ..Described::default()
        },
    }
}

/// Those about the past, lives and what waits: what they ask for is what their methods ask for.
fn of_past_and_life(
    operation: Operation,
    own: &dyn Fn(&str) -> Described,
    schemas: &mut Schemas,
) -> Option<Described> {
    let versioned = || path("name", "`name:version`", NAME_AND_VERSION);
    let waiting = || path("name", "The identifier of what waits.", NAME);
    let (id, named, status) = match operation {
        Operation::History => ("History.List", None, "200"),
        Operation::AsOf => ("History.Get", None, "200"),
        Operation::Diff => ("History.Diff", None, "200"),
        Operation::Rollback => ("History.Rollback", None, "200"),
        Operation::Audit => ("Audit.List", None, "200"),
        Operation::Lifecycle => ("Lifecycle.Get", Some(versioned()), "200"),
        Operation::ChangeLifecycle => ("Lifecycle.Change", Some(versioned()), "200"),
        Operation::NewVersion => ("Lifecycle.NewVersion", Some(versioned()), "201"),
        Operation::Requests => ("WorkflowRequests.List", None, "200"),
        Operation::Request => ("WorkflowRequests.Get", Some(waiting()), "200"),
        Operation::Approve => ("WorkflowRequests.Approve", Some(waiting()), "200"),
        Operation::Reject => ("WorkflowRequests.Reject", Some(waiting()), "200"),
        _ => return None,
    };
    let (service, method) = id.split_once('.')?;
    let service = services().find(|one| one.name() == service)?;
    let rpc = service.methods().find(|rpc| rpc.name() == method)?;
    let by_query = matches!(
        operation,
        Operation::History
            | Operation::AsOf
            | Operation::Diff
            | Operation::Audit
            | Operation::Lifecycle
            | Operation::Requests
            | Operation::Request
    );
    let said_by_path: &[&str] = if named.is_some() { &["name", "version", "id"] } else { &[] };
    let input = rpc.input();
    let mut parameters: Vec<Value> = named.into_iter().collect();
    let mut body = None;
    if by_query {
        for field in input.fields().filter(|it| !said_by_path.contains(&it.json_name())) {
            let said = comment(input.parent_file().name(), field.path());
            parameters.push(query(field.json_name(), said, &schemas.field(&field)));
        }
    } else {
        let schema = schemas.without(&input, said_by_path);
        body = Some(json_body(&schema));
    }
    let answer = match operation {
        // The resources stand there as they stand in files.
        Operation::AsOf => past(schemas),
        _ => schemas.add(rpc.output().full_name()),
    };
    let mut answers = vec![(status, answer.clone())];
    if operation == Operation::ChangeLifecycle {
        answers.push(("202", answer));
    }
    let summary = words(&rpc).to_owned();
    let problems = vec!["400", "404", "409", "429"];
    Some(Described { summary, parameters, body, answers, problems, ..own(id) })
}

fn past(schemas: &mut Schemas) -> Value {
    let kinds = plurals().iter();
    let any: Vec<Value> =
        kinds.map(|one| schemas.add(&format!("turnpike.config.v1.{}", one.kind.name()))).collect();
    json!({ "type": "object", "properties": {
        "resources": { "type": "array", "items": { "anyOf": any } },
        "nextPageToken": { "type": "string" },
    } })
}

fn applied(own: Described, schemas: &mut Schemas) -> Described {
    let kinds = plurals().iter();
    let any: Vec<Value> =
        kinds.map(|one| schemas.add(&format!("turnpike.config.v1.{}", one.kind.name()))).collect();
    let list: Vec<Value> = examples().iter().filter_map(|one| example(plan::kind(one)?)).collect();
    let flag = json!({ "type": "boolean", "default": false });
    let (text, number) = (json!({ "type": "string" }), json!({ "type": "number", "minimum": 0 }));
    Described {
        parameters: vec![
            query("dryRun", "Check only; nothing is stored.", &flag),
            query("partial", "Store what may be stored though others are refused.", &flag),
            query(
                "wait",
                "Which gateways to wait for.",
                &json!({ "enum": ["none", "all", "quorum"], "default": "none" }),
            ),
            query("timeout", "How long to wait.", &span()),
            query(
                "reason",
                "Why, for the history.",
                &json!({ "type": "string", "maxLength": 256 }),
            ),
            query("fields", "Whether the answer says which fields change.", &flag),
            query(
                "rollout",
                "Put it in force in waves of so many percent of the gateways, like 5,25,100; not with \
                 `partial` or `wait`.",
                &json!({ "type": "string", "pattern": "^[0-9]+(,[0-9]+)*$" }),
            ),
            query("group", "Waves are made of the gateways of this group.", &text),
            query("stepByStep", "Whether the rollout waits for `continue` after each step.", &flag),
            query("errorsPercent", "How many percent more 5xx take it back.", &number),
            query("latencyPercent", "By how many percent longer calls take it back.", &number),
            query("watch", "How long each step is watched.", &span()),
            query(
                "minimumCalls",
                "So many calls are needed to judge a step.",
                &json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            ),
        ],
        body: Some(document_of(
            &json!({ "type": "array", "items": { "anyOf": any } }),
            Some(Value::Array(list)),
        )),
        answers: vec![("200", schemas.add("turnpike.admin.v1.ApplyResponse"))],
        problems: vec!["400", "409"],
        ..own
    }
}
