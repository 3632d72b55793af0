//! How many vectors of a group are judged as they must be?

use jose::{Algorithm, KeySet, verify};
use serde_json::Value;

use crate::made::{Holder, NOW, expect};

pub(crate) struct Group {
    name: &'static str,
    passed: usize,
    wrong: Vec<String>,
}

impl Group {
    pub(crate) const fn of(name: &'static str) -> Self {
        Self { name, passed: 0, wrong: Vec::new() }
    }

    /// Judges a token that says it is of `holder`.
    pub(crate) fn check(&mut self, case: &str, token: &str, holder: &Holder, believed: bool) {
        let algorithm = holder.key.algorithm();
        let judged = verify(token, &holder.keys, &expect(&[algorithm]), NOW);
        self.note(&format!("{algorithm}: {case}: {judged:?}"), judged.is_ok() == believed);
    }

    /// Judges a key set: whether it has a key that may verify signatures of `algorithm`.
    pub(crate) fn check_keys(
        &mut self,
        case: &str,
        set: &str,
        algorithm: Algorithm,
        kid: Option<&str>,
        taken: bool,
    ) {
        let read = KeySet::parse(set);
        let found = read.as_ref().is_ok_and(|keys| keys.find(kid, algorithm).is_some());
        self.note(&format!("{algorithm}: {case}: {read:?}"), found == taken);
    }

    /// The same of one key that stands alone in its set, without `kid`.
    pub(crate) fn check_key(&mut self, case: &str, jwk: &Value, algorithm: Algorithm, taken: bool) {
        let set = serde_json::json!({ "keys": [jwk] }).to_string();
        self.check_keys(case, &set, algorithm, None, taken);
    }

    pub(crate) fn note(&mut self, case: &str, right: bool) {
        if right {
            self.passed += 1;
        } else {
            self.wrong.push(case.to_owned());
        }
    }

    /// The end of the group, which has at least so many vectors.
    #[track_caller]
    pub(crate) fn ends(self, least: usize) {
        let Self { name, passed, wrong } = self;
        eprintln!("{name}: {passed} passed, {} failed", wrong.len());
        assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
        assert!(passed >= least, "{name} has only {passed} vectors");
    }
}
