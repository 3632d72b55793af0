//! What did each stage of a call say, and where is it told?

use http::Response;

use super::facts::{Facts, facts};
use super::say::{Step, document, fields};
use super::stage::{Stage, Verdict};
use super::view::View;
use crate::account::Account;
use crate::body::Body;

/// Tells how a call was judged: in place of the answer where an explanation is asked for, and beside it
/// otherwise.
pub fn tell(view: &View, account: &mut Account, response: &mut Response<Body>) {
    if view.explains() {
        account.explained();
    }
    let steps: Vec<Step> = Stage::ALL
        .into_iter()
        .map(|stage| {
            let Facts { told, asked } = facts(stage, view, account, response.headers());
            Step { stage, verdict: verdict(stage, view, asked), told }
        })
        .collect();
    if view.explains() {
        document(view, &steps, response);
    } else {
        fields(view, &steps, response.headers_mut());
    }
}

fn verdict(stage: Stage, view: &View, asked: bool) -> Verdict {
    let passed = match &view.refusal {
        Some(refusal) if refusal.stage == stage => return Verdict::Refused,
        Some(refusal) => refusal.until.is_some_and(|until| stage <= until),
        // What the gateway answers itself, and nobody refuses, has met its API and no more.
        None => view.target.is_some() || stage == Stage::Api,
    };
    match (passed, asked) {
        (false, _) => Verdict::NotReached,
        (true, true) => Verdict::Passed,
        (true, false) => Verdict::NotAsked,
    }
}
