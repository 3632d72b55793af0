//! Is what was before told truly, put back, and tied into a log that shows what somebody changes in it?

use std::sync::Arc;
use std::time::Duration;

use control_plane::history::{AuditConfig, Config, Journal, Retention};
use control_plane::store::{Beside, Change, Embedded, Keyring, Range, Store};
use tonic::{Code, Status};
use turnpike_proto::admin::v1::apis_client::ApisClient;
use turnpike_proto::admin::v1::audit_client::AuditClient;
use turnpike_proto::admin::v1::history_client::HistoryClient;
use turnpike_proto::admin::v1::secrets_client::SecretsClient;
use turnpike_proto::admin::v1::{
    ApplyRequest, ApplyResponse, DiffRequest, GetAsOfRequest, GetRequest, ListHistoryRequest,
    ListHistoryResponse, Prune, ResourceDiff, RollbackRequest, RollbackResponse, change,
};
use turnpike_proto::config::v1::{Resource, resource::Resource as Any};
use turnpike_proto::identity::v1::{
    AuditLine, ListAuditRequest, VerifyAuditRequest, VerifyAuditResponse,
};

use crate::server::{Server, is_installed};
use crate::stack::{Plane, Stack, api, check, tier};

const VALUE: &str = "correct horse battery staple";

/// Runs the story on the embedded store and, where it is installed, on etcd.
#[track_caller]
fn check_both(story: impl AsyncFn(Stack, String)) {
    check(async |stack| story(stack, String::new()).await);
    if is_installed() {
        check(async |stack| {
            let server = Server::start();
            let at = server.address();
            let section =
                format!("[store]\nengine = \"etcd\"\n[etcd]\nendpoints = [\"http://{at}\"]\n");
            story(stack, section).await;
        });
    }
}

async fn list(stack: &Stack, plane: &Plane, request: ListHistoryRequest) -> ListHistoryResponse {
    let mut client = HistoryClient::new(stack.channel(plane, "admin"));
    client.list(request).await.unwrap().into_inner()
}

/// "who: action Key, …" of each transaction, newest first.
fn told(page: &ListHistoryResponse) -> Vec<String> {
    let told = page.entries.iter().map(|entry| {
        let changes =
            entry.changes.iter().map(|one| format!("{} {}", one.action().as_str_name(), one.key));
        let changes = changes.collect::<Vec<_>>().join(", ");
        format!("{}: {changes}{}", entry.by.split('/').next().unwrap(), reason(&entry.reason))
    });
    told.collect()
}

fn reason(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

async fn rollback(
    stack: &Stack,
    plane: &Plane,
    request: RollbackRequest,
) -> Result<RollbackResponse, Status> {
    let mut client = HistoryClient::new(stack.channel(plane, "admin"));
    client.rollback(request).await.map(tonic::Response::into_inner)
}

fn of_key(key: &str, revision: u64) -> RollbackRequest {
    RollbackRequest { key: key.to_owned(), revision, ..RollbackRequest::default() }
}

/// "action Key path: before -> after; …".
pub(crate) fn said(resources: &[ResourceDiff]) -> Vec<String> {
    let said = resources.iter().map(|one| {
        let fields = one.fields.iter().filter(|field| !field.path.is_empty());
        let fields = fields
            .map(|field| format!(" {}: {} -> {}", field.path, field.before, field.after))
            .collect::<Vec<_>>()
            .concat();
        format!("{} {}{fields}", one.action().as_str_name(), one.key)
    });
    said.collect()
}

pub(crate) async fn lines(stack: &Stack, plane: &Plane) -> Vec<AuditLine> {
    let mut client = AuditClient::new(stack.channel(plane, "admin"));
    client.list(ListAuditRequest::default()).await.unwrap().into_inner().lines
}

pub(crate) async fn verify(stack: &Stack, plane: &Plane) -> VerifyAuditResponse {
    let mut client = AuditClient::new(stack.channel(plane, "admin"));
    client.verify(VerifyAuditRequest::default()).await.unwrap().into_inner()
}

fn secret(value: &str) -> String {
    format!(
        "{{apiVersion: turnpike/v1, kind: Secret, metadata: {{name: pw}}, spec: {{value: {value:?}}}}}\n"
    )
}

#[test]
fn a_transaction_tells_who_did_what_and_why() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        stack.apply(&plane, &format!("{}---\n{}", tier("Gold", 1), api("a"))).await;
        let why = ApplyRequest { reason: "they pay more".to_owned(), ..ApplyRequest::default() };
        stack.apply_with(&plane, &tier("Gold", 2), why).await.unwrap();
        crate::admin::delete_api(&stack, &plane, "a", "1").await.unwrap();
        let all = list(&stack, &plane, ListHistoryRequest::default()).await;
        assert_eq!(
            told(&all),
            [
                "admin: deleted Api/a:1",
                "admin: updated Tier/Gold (they pay more)",
                "admin: created Tier/Gold, created Api/a:1",
            ]
        );
        let [_, updated, created] = all.entries.as_slice() else { panic!("{all:?}") };
        assert_eq!(updated.changes[0].former_revision, created.revision);
        assert_ne!(updated.changes[0].digest, created.changes[0].digest);
        // Page by page, and by what one looks for.
        let page = ListHistoryRequest { page_size: 2, ..ListHistoryRequest::default() };
        let first = list(&stack, &plane, page.clone()).await;
        let rest = ListHistoryRequest { page_token: first.next_page_token.clone(), ..page };
        let rest = list(&stack, &plane, rest).await;
        assert_eq!((first.entries.len(), rest.entries.len()), (2, 1));
        for (key, kind, by, count) in [
            ("Tier/Gold", "", "", 2),
            ("", "api", "", 2),
            ("", "", "nobody", 0),
            ("Tier/Gold", "", "admin", 0),
        ] {
            let [key, kind, by] = [key, kind, by].map(str::to_owned);
            let asked = ListHistoryRequest { key, kind, by, ..ListHistoryRequest::default() };
            assert_eq!(list(&stack, &plane, asked.clone()).await.entries.len(), count, "{asked:?}");
        }
    });
}

#[test]
fn a_resource_is_told_and_put_back_as_it_was() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        let first = stack.apply(&plane, &tier("Gold", 1)).await.revision;
        let second = stack.apply(&plane, &tier("Gold", 2)).await.revision;
        stack.apply(&plane, &api("a")).await;
        let mut client = HistoryClient::new(stack.channel(&plane, "admin"));
        let diff = DiffRequest { from: first, ..DiffRequest::default() };
        let diff = client.diff(diff).await.unwrap().into_inner();
        assert_eq!(
            said(&diff.resources),
            ["updated Tier/Gold spec.quota.requests: 1 -> 2", "created Api/a:1"]
        );
        let as_of = |revision| GetAsOfRequest {
            key: "Tier/Gold".to_owned(),
            revision,
            ..GetAsOfRequest::default()
        };
        for (revision, requests) in [(first, 1), (second, 2)] {
            let found = client.get(as_of(revision)).await.unwrap().into_inner();
            let json = plan::to_json(&found.resources[0]);
            assert_eq!(json["spec"]["quota"]["requests"], requests);
        }
        let dry = RollbackRequest { dry_run: true, ..of_key("Tier/Gold", first) };
        let looked = rollback(&stack, &plane, dry).await.unwrap();
        assert_eq!(said(&looked.resources), ["updated Tier/Gold spec.quota.requests: 2 -> 1"]);
        let done = rollback(&stack, &plane, of_key("Tier/Gold", first)).await.unwrap();
        assert!(done.revision > looked.revision);
        let found = client.get(as_of(done.revision)).await.unwrap().into_inner();
        assert_eq!(plan::to_json(&found.resources[0])["spec"]["quota"]["requests"], 1);
        // What was not there then goes again; what is gone comes back.
        let done = rollback(&stack, &plane, of_key("Api/a:1", second)).await.unwrap();
        assert_eq!(said(&done.resources), ["deleted Api/a:1"]);
        let done = rollback(&stack, &plane, of_key("Api/a:1", done.revision - 1)).await.unwrap();
        assert_eq!(said(&done.resources), ["created Api/a:1"]);
        let nothing = rollback(&stack, &plane, of_key("Tier/none", first)).await.unwrap_err();
        assert_eq!(nothing.code(), Code::NotFound);
    });
}

#[test]
fn everything_is_put_back_at_once_and_again() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        let offered = api("a").replace("spec: {", "spec: {tiers: [Gold], ");
        let good =
            stack.apply(&plane, &format!("{}---\n{offered}", tier("Gold", 1))).await.revision;
        crate::admin::delete_api(&stack, &plane, "a", "1").await.unwrap();
        let bad =
            stack.apply(&plane, &format!("{}---\n{}", tier("Gold", 9), api("b"))).await.revision;
        let back = RollbackRequest { all: true, revision: good, ..RollbackRequest::default() };
        let done = rollback(&stack, &plane, back).await.unwrap();
        assert_eq!(
            said(&done.resources),
            ["updated Tier/Gold spec.quota.requests: 9 -> 1", "created Api/a:1", "deleted Api/b:1",]
        );
        let again = RollbackRequest { all: true, revision: bad, ..RollbackRequest::default() };
        assert_eq!(rollback(&stack, &plane, again).await.unwrap().resources.len(), 3);
        let page = list(&stack, &plane, ListHistoryRequest::default()).await;
        assert!(told(&page)[0].ends_with(&format!("(rollback to revision {bad})")), "{page:?}");
        let future = RollbackRequest { all: true, revision: 1 << 40, ..RollbackRequest::default() };
        assert_eq!(rollback(&stack, &plane, future).await.unwrap_err().code(), Code::OutOfRange);
    });
}

#[test]
fn what_is_as_large_as_a_transaction_may_be_is_changed_and_put_back() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        // Random text does not shrink: the old and the new form do not fit into one transaction of etcd.
        let with = |text: &str| {
            api("a").replace("spec: {", &format!("spec: {{definition: {{text: \"{text}\"}}, "))
        };
        let openapi = |noise: String| {
            format!(
                "{{openapi: 3.1.0, info: {{title: a, version: '1', description: {noise}}}, paths: {{}}}}"
            )
        };
        let one = with(&openapi(chassis::random::token(800_000)));
        let first = stack.apply(&plane, &one).await;
        assert!(first.problems.is_empty(), "{:?}", first.problems);
        let other = stack.apply(&plane, &with(&openapi(chassis::random::token(800_000)))).await;
        assert!(other.problems.is_empty(), "{:?}", other.problems);
        let done = rollback(&stack, &plane, of_key("Api/a:1", first.revision)).await.unwrap();
        assert_eq!(done.resources.len(), 1, "{:?}", done.problems);
        assert!(stack.apply(&plane, &one).await.changes.iter().all(|one| one.action == 0));
    });
}

#[test]
fn the_value_of_a_secret_is_nowhere_but_sealed() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        let first = stack.apply(&plane, &secret(VALUE)).await.revision;
        let second = stack.apply(&plane, &secret("another value")).await.revision;
        let mut client = HistoryClient::new(stack.channel(&plane, "admin"));
        let listed = list(&stack, &plane, ListHistoryRequest::default()).await;
        let key = "Secret/pw".to_owned();
        let as_of = GetAsOfRequest { key, revision: first, ..GetAsOfRequest::default() };
        let got = client.get(as_of).await.unwrap().into_inner();
        let diff = DiffRequest { from: first, ..DiffRequest::default() };
        let diff = client.diff(diff).await.unwrap().into_inner();
        assert!(said(&diff.resources)[0].contains("spec.sha256"), "{diff:?}");
        let refused = rollback(&stack, &plane, of_key("Secret/pw", first)).await.unwrap();
        assert!(refused.problems[0].reason.contains("values are not kept"), "{refused:?}");
        let keep = RollbackRequest { keep_secrets: true, ..of_key("Secret/pw", first) };
        assert_eq!(rollback(&stack, &plane, keep).await.unwrap().revision, second);
        let log = lines(&stack, &plane).await;
        let shown = format!("{listed:?} {got:?} {diff:?} {refused:?} {log:?}");
        assert!(!shown.contains(VALUE) && !shown.contains("another value"), "{shown}");
        if let Ok(file) = std::fs::read(plane.host.data.join("resources.redb")) {
            for value in [VALUE, "another value"] {
                assert!(!file.windows(value.len()).any(|window| window == value.as_bytes()));
            }
        }
    });
}

#[test]
fn changes_and_refused_attempts_are_lines_of_one_chain() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let dangling = api("a").replace("spec: {", "spec: {tiers: [Platinum], ");
        assert!(!stack.apply(&plane, &dangling).await.problems.is_empty());
        let refused = loop {
            let found = lines(&stack, &plane).await;
            if found.len() > 1 {
                break found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let events: Vec<&str> = refused.iter().map(|line| line.event.as_str()).collect();
        assert_eq!(events, ["resources.changed", "change.refused"]);
        assert!(refused[1].outcome.contains("Platinum"), "{refused:?}");
        assert_eq!(refused[1].details["resources"], "Api/a:1");
        // The line beside the transactions is in nobody's way.
        stack.apply(&plane, &tier("Gold", 2)).await;
        plane.stop().await;
        let plane = stack.start_with("one", &section).await;
        stack.apply(&plane, &tier("Gold", 3)).await;
        let found = verify(&stack, &plane).await;
        assert_eq!((found.lines, found.broken), (4, None));
        assert_eq!(verify(&stack, &plane).await.lines, 5);
    });
}

#[test]
fn two_control_planes_write_one_chain() {
    if !is_installed() {
        return;
    }
    check(async |stack| {
        let server = Server::start();
        let at = server.address();
        let section =
            format!("[store]\nengine = \"etcd\"\n[etcd]\nendpoints = [\"http://{at}\"]\n");
        let one = stack.start_with("one", &section).await;
        let two = stack.start_with("two", &section).await;
        stack.apply(&one, &tier("first", 1)).await;
        stack.apply(&two, &tier("second", 1)).await;
        let writes = (0..20).map(|n| {
            let (stack, plane) = (&stack, if n % 2 == 0 { &one } else { &two });
            async move {
                let text = if n % 5 == 0 {
                    api(&format!("bad{n}")).replace("[\"http", "[\"ftp")
                } else {
                    tier(&format!("t{n}"), 1)
                };
                stack.apply(plane, &text).await
            }
        });
        let answers: Vec<ApplyResponse> = futures_util::future::join_all(writes).await;
        assert_eq!(answers.iter().filter(|answer| answer.problems.is_empty()).count(), 16);
        while lines(&stack, &one).await.len() < 22 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(verify(&stack, &two).await.broken, None);
    });
}

/// Three tiers are made, `harm` is done to the file of the store, and the look at the log says this.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "closures are written in place")]
fn check_harm(harm: impl AsyncFn(&dyn Store), said: &str) {
    check(async |stack| {
        let plane = stack.start_with("one", "").await;
        for n in 1..=3 {
            stack.apply(&plane, &tier("Gold", n)).await;
        }
        let data = plane.host.data.clone();
        plane.stop().await;
        harm(&Embedded::open(&data.join("resources.redb")).unwrap()).await;
        let plane = stack.start_with("one", "").await;
        let found = verify(&stack, &plane).await.broken.unwrap();
        assert_eq!(format!("{}: {}", found.sequence, found.why), said);
    });
}

async fn audit_lines(store: &dyn Store) -> Vec<(String, bytes::Bytes)> {
    let range = Range {
        from: "audit/".to_owned(),
        to: "audit0".to_owned(),
        most: 100,
        newest_first: false,
    };
    let found = store.scan(&range).await.unwrap();
    found.into_iter().map(|entry| (entry.key, entry.value)).collect()
}

async fn write(store: &dyn Store, changes: Vec<Change>) {
    store.write_beside(&Beside { expected: Vec::new(), changes }).await.unwrap();
}

#[test]
fn a_line_that_was_changed_removed_or_moved_is_found() {
    check_harm(
        async |store| {
            let (key, value) = audit_lines(store).await.remove(1);
            let at = value.windows(5).position(|window| window == b"admin").unwrap();
            let mut value = value.to_vec();
            value[at..at + 5].copy_from_slice(b"other");
            write(store, vec![Change::Put { key, value: value.into() }]).await;
        },
        "2: it was changed",
    );
    check_harm(
        async |store| {
            let (key, _) = audit_lines(store).await.remove(1);
            write(store, vec![Change::Delete { key }]).await;
        },
        "3: the lines before it are gone",
    );
    check_harm(
        async |store| {
            let lines = audit_lines(store).await;
            let put = |key: &str, value: &bytes::Bytes| Change::Put {
                key: key.to_owned(),
                value: value.clone(),
            };
            write(store, vec![put(&lines[0].0, &lines[1].1), put(&lines[1].0, &lines[0].1)]).await;
        },
        "2: it was changed",
    );
    check_harm(
        async |store| {
            let (key, _) = audit_lines(store).await.pop().unwrap();
            write(store, vec![Change::Delete { key }]).await;
        },
        "3: the last line is not the one that was written last",
    );
}

#[test]
fn a_history_that_is_shortened_says_where_it_begins_and_a_chain_that_is_stays_whole() {
    check(async |stack| {
        let plane = stack.start_with("one", "").await;
        for n in 1..=6 {
            stack.apply(&plane, &tier("Gold", n)).await;
        }
        let data = plane.host.data.clone();
        plane.stop().await;
        let store: Arc<dyn Store> = Arc::new(Embedded::open(&data.join("resources.redb")).unwrap());
        let keys = Arc::new(Keyring::new(&data.join("master.key"), None).unwrap());
        keys.settle(&*store).await.unwrap();
        let journal = Arc::new(Journal::new(store.clone(), keys));
        let kept = Duration::from_hours(24 * 400);
        let history = Config { transactions: 2, bytes: 1 << 30, keep: kept };
        let retention = Retention { journal, history, audit: AuditConfig { keep: kept } };
        let now = chassis::Clock::system().unix_us();
        retention.look(now).await;
        // In two years all lines are old; the one that says so is not.
        retention.look(now + 2 * 366 * 86_400 * 1_000_000).await;
        drop((retention, store));
        let plane = stack.start_with("one", "").await;
        stack.apply(&plane, &tier("Gold", 7)).await;
        let page = list(&stack, &plane, ListHistoryRequest::default()).await;
        assert_eq!(page.entries.len(), 1);
        let gone = rollback(&stack, &plane, of_key("Tier/Gold", 5)).await.unwrap_err();
        assert_eq!(gone.code(), Code::OutOfRange);
        assert!(gone.message().contains("begins at revision 6"), "{gone:?}");
        rollback(&stack, &plane, of_key("Tier/Gold", 6)).await.unwrap();
        let found = verify(&stack, &plane).await;
        assert_eq!((found.lines, found.broken), (3, None));
    });
}

#[test]
fn what_a_set_no_longer_has_is_pruned_and_nothing_else() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        let ours = |text: String| text.replace("metadata: {", "metadata: {labels: {set: shop}, ");
        let offered = ours(api("a")).replace("spec: {", "spec: {tiers: [Gold], ");
        let all = [ours(tier("Gold", 1)), offered, ours(tier("Old", 1)), tier("Other", 1)];
        stack.apply(&plane, &all.join("---\n")).await;
        let prune = |labels: &[(&str, &str)], only: &[&str]| ApplyRequest {
            prune: Some(Prune {
                labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
                only: only.iter().map(|key| (*key).to_owned()).collect(),
            }),
            ..ApplyRequest::default()
        };
        let shop = [("set", "shop")];
        let bare = stack.apply_with(&plane, &all[1], prune(&[], &[])).await.unwrap();
        assert_eq!(bare.problems[0].field, "prune.labels");
        // The Api that stays refers to Gold.
        let refused = stack.apply_with(&plane, &all[1], prune(&shop, &[])).await.unwrap();
        assert_eq!(refused.problems[0].resource, "Tier/Gold", "{refused:?}");
        let text = format!("{}---\n{}", all[0], all[1]);
        let left = stack.apply_with(&plane, &text, prune(&shop, &["Tier/x"])).await.unwrap();
        assert_eq!(left.changes.len(), 2);
        let done = stack.apply_with(&plane, &text, prune(&shop, &[])).await.unwrap();
        let gone: Vec<&str> = done
            .changes
            .iter()
            .filter(|one| one.action() == change::Action::Deleted)
            .map(|one| one.key.as_str())
            .collect();
        assert_eq!(gone, ["Tier/Old"]);
        let again = stack.apply_with(&plane, &text, prune(&shop, &[])).await.unwrap();
        assert_eq!((again.revision, again.changes.len()), (done.revision, 2));
    });
}

#[test]
fn a_writer_who_is_late_hears_who_was_before_and_how_to_go_on() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        let first = stack.apply(&plane, &tier("Gold", 1)).await.revision;
        let why = ApplyRequest { reason: "they pay more".to_owned(), ..ApplyRequest::default() };
        stack.apply_with(&plane, &tier("Gold", 2), why).await.unwrap();
        let old =
            tier("Gold", 3).replace("metadata: {", &format!("metadata: {{revision: {first}, "));
        let late = stack.apply_with(&plane, &old, ApplyRequest::default()).await.unwrap_err();
        assert_eq!(late.code(), Code::Aborted);
        for word in ["admin", "changed it at", "(they pay more)", "leave metadata.revision out"] {
            assert!(late.message().contains(word), "{late:?}");
        }
    });
}

#[test]
fn a_rolled_back_application_does_not_get_an_ended_key_back() {
    check(async |stack| {
        let plane = stack.start_with("one", "").await;
        let application = |ended: &str, description: &str| {
            format!(
                "{{apiVersion: turnpike/v1, kind: Application, metadata: {{name: shop}}, spec: \
                 {{description: {description}, apiKeys: [{{id: k1, sha256: \
                 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU{ended}}}]}}}}"
            )
        };
        let first = stack.apply(&plane, &application("", "one")).await;
        assert!(first.problems.is_empty(), "{:?}", first.problems);
        stack.apply(&plane, &application(", expiresAt: 2020-01-01T00:00:00Z", "two")).await;
        let done =
            rollback(&stack, &plane, of_key("Application/shop", first.revision)).await.unwrap();
        assert_eq!(
            said(&done.resources),
            ["updated Application/shop spec.description: \"two\" -> \"one\""]
        );
    });
}

#[test]
fn a_foreign_master_key_is_refused_and_a_former_one_is_replaced() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        stack.apply(&plane, &secret(VALUE)).await;
        let data = plane.host.data.clone();
        plane.stop().await;
        let (own, aside) = (data.join("master.key"), stack.path().join("former.key"));
        std::fs::rename(&own, &aside).unwrap();
        for what in ["copy the file", "former_master_key"] {
            let refused = format!("{:#}", stack.refusal("one", &section).await);
            assert!(refused.contains(what), "{refused}");
            assert_eq!(
                own.exists(),
                what != "copy the file",
                "a key is never made for a sealed store"
            );
            // Next time there is another key.
            control_plane::store::MasterKey::load_or_create(&own).unwrap();
        }
        let former =
            format!("{section}[secrets]\nformer_master_key = {:?}\n", aside.display().to_string());
        let plane = stack.start_with("one", &former).await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        plane.stop().await;
        // From now on the new key alone opens everything.
        let plane = stack.start_with("one", &section).await;
        let same = stack.apply(&plane, &secret(VALUE)).await;
        assert_eq!(same.changes[0].action(), change::Action::Unchanged);
        assert_eq!(verify(&stack, &plane).await.broken, None);
        plane.stop().await;
        std::fs::copy(&aside, &own).unwrap();
        let refused = format!("{:#}", stack.refusal("one", &section).await);
        assert!(refused.contains("sealed with the master key"), "{refused}");
    });
}

#[test]
fn a_master_key_is_replaced_and_the_old_one_refused() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        stack.apply(&plane, &secret(VALUE)).await;
        let host = plane.host.clone();
        plane.stop().await;
        let text = format!("{section}[rest]\nlisten = \"127.0.0.1:0\"\n");
        let config = chassis::config::parse(include_str!("../../default.toml"), &text).unwrap();
        let rotated = control_plane::bootstrap::rotate_master(&config, &host).await.unwrap();
        let plane = stack.start_with("one", &section).await;
        let same = stack.apply(&plane, &secret(VALUE)).await;
        assert_eq!(same.changes[0].action(), change::Action::Unchanged);
        let replaced = lines(&stack, &plane).await;
        let replaced: Vec<_> =
            replaced.iter().filter(|line| line.event == "master_key.replaced").collect();
        assert_eq!(replaced[0].details["master"], rotated.master);
        assert_eq!(verify(&stack, &plane).await.broken, None);
        let data = plane.host.data.clone();
        plane.stop().await;
        std::fs::copy(rotated.aside.unwrap(), data.join("master.key")).unwrap();
        let refused = format!("{:#}", stack.refusal("one", &section).await);
        assert!(refused.contains("sealed with the master key"), "{refused}");
    });
}

#[test]
fn what_was_exported_is_what_is_there() {
    check_both(async |stack, section| {
        let plane = stack.start_with("one", &section).await;
        stack
            .apply(&plane, &format!("{}---\n{}---\n{}", secret(VALUE), tier("Gold", 1), api("a")))
            .await;
        let mut secrets = SecretsClient::new(stack.channel(&plane, "admin"));
        let name = || GetRequest { name: "pw".to_owned(), version: String::new() };
        let got = secrets.get(name()).await.unwrap().into_inner();
        let mut apis = ApisClient::new(stack.channel(&plane, "admin"));
        let api = apis.get(GetRequest { name: "a".to_owned(), version: "1".to_owned() });
        let api = Box::pin(api).await.unwrap().into_inner();
        let texts = [Any::Secret(got), Any::Api(api)]
            .map(|one| plan::to_yaml(&Resource { resource: Some(one) }));
        let answer = stack.apply(&plane, &texts.join("---\n")).await;
        assert!(answer.problems.is_empty(), "{answer:?}");
        assert!(answer.changes.iter().all(|one| one.action() == change::Action::Unchanged));
    });
}
