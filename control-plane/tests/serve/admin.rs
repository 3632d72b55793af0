//! What may be stored, by whom, and what is refused?

use tonic::{Code, Status};
use turnpike_proto::admin::v1::apis_client::ApisClient;
use turnpike_proto::admin::v1::secrets_client::SecretsClient;
use turnpike_proto::admin::v1::tiers_client::TiersClient;
use turnpike_proto::admin::v1::xacml_policy_sets_client::XacmlPolicySetsClient;
use turnpike_proto::admin::v1::{
    ApplyRequest, DeleteRequest, DeleteResponse, GetRequest, ListRequest,
};
use turnpike_proto::config::v1::resource::Resource as Any;
use turnpike_proto::config::v1::{Metadata, Secret, SecretSpec, Tier, XacmlPolicySet};

use crate::stack::{Plane, Stack, api, apis, check, resources, tier};

pub(crate) async fn delete_api(
    stack: &Stack,
    plane: &Plane,
    name: &str,
    version: &str,
) -> Result<DeleteResponse, Status> {
    let request = DeleteRequest { name: name.to_owned(), version: version.to_owned(), revision: 0 };
    let mut client = ApisClient::new(stack.channel(plane, "admin"));
    client.delete(request).await.map(tonic::Response::into_inner)
}

fn a_tier(name: &str) -> Tier {
    match resources(&tier(name, 5)).remove(0).resource {
        Some(Any::Tier(tier)) => tier,
        other => panic!("{other:?}"),
    }
}

fn get(name: &str) -> GetRequest {
    GetRequest { name: name.to_owned(), version: String::new() }
}

#[test]
fn what_is_put_is_got_with_its_revision_and_times() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("first", 1)).await;
        let mut tiers = TiersClient::new(stack.channel(&plane, "admin"));
        let put = tiers.put(a_tier("Gold")).await.unwrap().into_inner();
        let got = tiers.get(get("Gold")).await.unwrap().into_inner();
        assert_eq!(put, got);
        let metadata = got.metadata.unwrap();
        assert_eq!(metadata.revision, 2);
        assert!(metadata.created_at.is_some() && metadata.created_at == metadata.updated_at);
    });
}

#[test]
fn a_writer_who_has_read_an_older_revision_is_refused() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let mut tiers = TiersClient::new(stack.channel(&plane, "admin"));
        let mut mine = tiers.get(get("Gold")).await.unwrap().into_inner();
        stack.apply(&plane, &tier("Gold", 2)).await;
        mine.spec.as_mut().unwrap().description = "mine".to_owned();
        let refused = tiers.put(mine.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Aborted);
        mine.metadata.as_mut().unwrap().revision = 2;
        let stored = tiers.put(mine).await.unwrap().into_inner().metadata.unwrap();
        assert_eq!(stored.revision, 3);
        assert!(stored.created_at.unwrap().seconds <= stored.updated_at.unwrap().seconds);
    });
}

#[test]
fn two_writes_that_are_wrong_only_together_are_not_both_stored() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("first", 1)).await;
        // The same context under two names.
        let one = |name: &str| api(name).replace(&format!("context: /{name}"), "context: /same");
        let (a, b) = (one("a"), one("b"));
        let (a, b) =
            futures_util::future::join(stack.apply(&plane, &a), stack.apply(&plane, &b)).await;
        let stored = [&a, &b].iter().filter(|answer| answer.problems.is_empty()).count();
        assert_eq!(stored, 1, "{a:?} {b:?}");
    });
}

#[test]
fn problems_are_told_with_their_fields_and_nothing_is_stored() {
    check(async |stack| {
        let plane = stack.start().await;
        let dangling = api("a").replace("spec: {", "spec: {tiers: [Platinum], ");
        let answer = stack.apply(&plane, &format!("{}---\n{dangling}", tier("Gold", 1))).await;
        assert_eq!((answer.revision, answer.changes.len()), (0, 0));
        let problem = &answer.problems[0];
        assert_eq!(
            (problem.resource.as_str(), problem.field.as_str()),
            ("Api/a:1", "spec.tiers[0]")
        );
        let mut apis = ApisClient::new(stack.channel(&plane, "admin"));
        let Some(Any::Api(api)) = resources(&dangling).remove(0).resource else { panic!() };
        let refused = Box::pin(apis.put(api)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = String::from_utf8_lossy(refused.details()).into_owned();
        assert!(
            details.contains("turnpike.config.v1.Problem") && details.contains("spec.tiers[0]")
        );
    });
}

#[test]
fn a_dry_run_answers_like_the_real_one_and_stores_nothing() {
    check(async |stack| {
        let plane = stack.start().await;
        let dry = ApplyRequest { dry_run: true, ..ApplyRequest::default() };
        let answer = stack.apply_with(&plane, &api("a"), dry).await.unwrap();
        assert_eq!((answer.revision, answer.changes.len()), (0, 1));
        assert_eq!(stack.apply(&plane, &api("a")).await.revision, 1);
    });
}

#[test]
fn what_others_refer_to_is_not_removed() {
    check(async |stack| {
        let plane = stack.start().await;
        let offered = api("a").replace("spec: {", "spec: {tiers: [Gold], ");
        stack.apply(&plane, &format!("{}---\n{offered}", tier("Gold", 1))).await;
        let mut tiers = TiersClient::new(stack.channel(&plane, "admin"));
        let request = DeleteRequest { name: "Gold".to_owned(), ..DeleteRequest::default() };
        let refused = tiers.delete(request.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        delete_api(&stack, &plane, "a", "1").await.unwrap();
        assert_eq!(tiers.delete(request.clone()).await.unwrap().into_inner().revision, 3);
        assert_eq!(tiers.delete(request).await.unwrap_err().code(), Code::NotFound);
    });
}

#[test]
fn pages_follow_each_other_and_labels_choose() {
    check(async |stack| {
        let plane = stack.start().await;
        let odd = |n: usize| {
            let labels = if n % 2 == 1 { "labels: {odd: yes}, " } else { "" };
            api(&format!("api{n:02}")).replace("metadata: {", &format!("metadata: {{{labels}"))
        };
        let all: Vec<String> = (0..25).map(odd).collect();
        stack.apply(&plane, &all.join("---\n")).await;
        let mut client = ApisClient::new(stack.channel(&plane, "admin"));
        let mut request = ListRequest { page_size: 10, ..ListRequest::default() };
        let mut names = Vec::new();
        loop {
            let page = client.list(request.clone()).await.unwrap().into_inner();
            names.extend(page.items.into_iter().map(|item| item.metadata.unwrap().name));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(names, (0..25).map(|n| format!("api{n:02}")).collect::<Vec<_>>());
        let labels = [("odd".to_owned(), "yes".to_owned())].into();
        let request = ListRequest { labels, ..ListRequest::default() };
        assert_eq!(client.list(request).await.unwrap().into_inner().items.len(), 12);
    });
}

#[test]
fn a_secret_is_never_read_back_and_lies_sealed_on_disk() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("first", 1)).await;
        let mut secrets = SecretsClient::new(stack.channel(&plane, "admin"));
        let value = "correct horse battery staple".to_owned();
        let secret = Secret {
            metadata: Some(Metadata { name: "pw".to_owned(), ..Metadata::default() }),
            spec: Some(SecretSpec { value: value.clone(), sha256: String::new() }),
            ..Secret::default()
        };
        let put = secrets.put(secret).await.unwrap().into_inner();
        let got = secrets.get(get("pw")).await.unwrap().into_inner();
        for answer in [&put, &got] {
            let spec = answer.spec.as_ref().unwrap();
            assert!(spec.value.is_empty() && spec.sha256.len() == 64);
        }
        // What was read can be put back: the digest stands for the value.
        let mut back = got;
        back.metadata.as_mut().unwrap().labels.insert("kept".to_owned(), "yes".to_owned());
        secrets.put(back).await.unwrap();
        let file = std::fs::read(plane.host.data.join("resources.redb")).unwrap();
        assert!(!file.windows(value.len()).any(|window| window == value.as_bytes()));
    });
}

#[test]
fn a_policy_set_is_listed_without_its_texts_and_goes_back_with_their_digests() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("first", 1)).await;
        let mut sets = XacmlPolicySetsClient::new(stack.channel(&plane, "admin"));
        let given = match resources(POLICIES).remove(0).resource {
            Some(Any::XacmlPolicySet(set)) => set,
            other => panic!("{other:?}"),
        };
        sets.put(given.clone()).await.unwrap();
        let got = sets.get(get("readers")).await.unwrap().into_inner();
        let text = |set: &XacmlPolicySet| set.spec.as_ref().unwrap().documents[0].text.clone();
        assert_eq!(text(&got), text(&given));
        let page = sets.list(ListRequest::default()).await.unwrap().into_inner();
        let mut listed = page.items.into_iter().next().unwrap();
        assert_eq!(text(&listed), "");
        listed.metadata.as_mut().unwrap().labels.insert("kept".to_owned(), "yes".to_owned());
        let put = sets.put(listed).await.unwrap().into_inner();
        assert_eq!(text(&put), text(&given));
        let mut broken = given;
        let documents = &mut broken.spec.as_mut().unwrap().documents;
        documents[0].text = documents[0].text.replace("Permit", "Alow");
        let refused = sets.put(broken).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains("spec.documents[0].text"), "{refused}");
    });
}

const POLICIES: &str = "
apiVersion: turnpike/v1
kind: XacmlPolicySet
metadata: { name: readers }
spec:
  documents:
    - text: |
        <Policy xmlns='urn:oasis:names:tc:xacml:3.0:core:schema:wd-17' PolicyId='readers' Version='1.0'
            RuleCombiningAlgId='urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:deny-unless-permit'>
          <Target/>
          <Rule RuleId='read' Effect='Permit'/>
        </Policy>
";

#[test]
fn administration_is_for_administrators_and_holders_of_the_token() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("Gold", 1)).await;
        let mut tiers = TiersClient::new(stack.channel(&plane, "gateway"));
        let refused = tiers.get(get("Gold")).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let token = std::fs::read_to_string(plane.host.data.join("admin.token")).unwrap();
        for (shown, code) in [(token.as_str(), Code::Ok), ("wrong", Code::Unauthenticated)] {
            let mut request = tonic::Request::new(get("Gold"));
            let field = format!("Bearer {shown}").parse().unwrap();
            request.metadata_mut().insert("authorization", field);
            let answer = tiers.get(request).await;
            assert_eq!(answer.err().map_or(Code::Ok, |status| status.code()), code);
        }
    });
}

#[test]
fn many_writers_at_once_lose_nothing() {
    check(async |stack| {
        let plane = stack.start().await;
        stack.apply(&plane, &tier("first", 1)).await;
        let writes = (0..40).map(|n| {
            let (stack, plane) = (&stack, &plane);
            async move { stack.apply(plane, &api(&format!("api{n:02}"))).await }
        });
        let answers = futures_util::future::join_all(writes).await;
        let mut revisions: Vec<u64> = answers.iter().map(|answer| answer.revision).collect();
        revisions.sort_unstable();
        assert_eq!(revisions, (2..42).collect::<Vec<u64>>());
        let mut client = ApisClient::new(stack.channel(&plane, "admin"));
        let page = client.list(ListRequest::default()).await.unwrap().into_inner();
        assert_eq!(page.items.len(), 40);
    });
}

#[test]
fn thousands_of_resources_are_applied_at_once() {
    check(async |stack| {
        let plane = stack.start().await;
        let answer = stack.apply(&plane, &apis((0..3000).map(|n| format!("api{n}")))).await;
        assert_eq!((answer.revision, answer.changes.len()), (1, 3000));
    });
}
