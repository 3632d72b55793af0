//! What follows when an alert is raised?

use std::collections::BTreeMap;

use detect::Alarm as Kind;

use super::rules::{Answer, Applied};

/// What follows, by the kind of alert and the API.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    usual: BTreeMap<Kind, Answer>,
    by_api: BTreeMap<String, BTreeMap<Kind, Answer>>,
}

impl Answers {
    /// What these rules say. A rule for an API that leaves something out says it as the one for all.
    pub fn new(rules: &[Applied]) -> Self {
        let mut answers = Self::default();
        for rule in rules.iter().filter(|rule| rule.apis.is_empty()) {
            answers.usual.insert(rule.kind, rule.answer.clone());
        }
        for rule in rules {
            let usual = answers.usual.get(&rule.kind).cloned().unwrap_or_default();
            let own = rule.answer.clone();
            let answer = Answer {
                severity: own.severity.or(usual.severity),
                block: own.block.or(usual.block),
            };
            for api in &rule.apis {
                let of_api = answers.by_api.entry(api.clone()).or_default();
                of_api.insert(rule.kind, answer.clone());
            }
        }
        answers
    }

    /// What follows an alert of a kind that was raised at a call to `api`.
    pub fn of(&self, kind: Kind, api: &str) -> Answer {
        let own = self.by_api.get(api).and_then(|kinds| kinds.get(&kind));
        own.or_else(|| self.usual.get(&kind)).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use detect::Setting;

    use super::*;
    use crate::alert::history::Severity;
    use crate::alert::rules::{Block, Whom};

    /// Rules as `API|* severity|- whom|-`.
    fn rule(words: &&str) -> Applied {
        let [api, severity, whom] = words.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{words}")
        };
        let whom = match whom {
            "user" => Some(Whom::User),
            "client" => Some(Whom::Client),
            _ => None,
        };
        let block = whom.map(|whom| Block { rule: (*words).to_owned(), whom });
        let severity = (severity == "severe").then_some(Severity::Severe);
        Applied {
            name: (*words).to_owned(),
            kind: Kind::KeySharing,
            apis: if api == "*" { Vec::new() } else { vec![api.to_owned()] },
            setting: Setting::default(),
            answer: Answer { severity, block },
        }
    }

    /// What follows at `orders`, and the rule that says whom it blocks.
    #[track_caller]
    fn check(rules: &[&str], severity: Option<Severity>, block: Option<(&str, Whom)>) {
        let answers = Answers::new(&rules.iter().map(rule).collect::<Vec<_>>());
        let Answer { severity: said, block: blocks } = answers.of(Kind::KeySharing, "orders");
        let blocks = blocks.as_ref().map(|block| (block.rule.as_str(), block.whom));
        assert_eq!((said, blocks), (severity, block));
        assert_eq!(answers.of(Kind::BotDetection, "orders"), Answer::default());
    }

    #[test]
    fn a_rule_for_an_api_says_the_rest_as_the_one_for_all() {
        check(&[], None, None);
        check(&["* severe user"], Some(Severity::Severe), Some(("* severe user", Whom::User)));
        check(
            &["orders - client", "* severe user"],
            Some(Severity::Severe),
            Some(("orders - client", Whom::Client)),
        );
        check(&["users severe user"], None, None);
    }
}
