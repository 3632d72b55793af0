//! What follows when an alert is raised?

use std::collections::{BTreeMap, HashMap};

use detect::Alarm as Kind;

use super::rules::{Answer, Applied};

/// What follows, by the kind of alert, the API and the application.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// By the names of both; empty: all.
    by_both: BTreeMap<Kind, HashMap<String, HashMap<String, Answer>>>,
}

impl Answers {
    /// What these rules say.
    pub fn new(rules: &[Applied]) -> Self {
        let mut answers = Self::default();
        for rule in rules {
            let of_kind = answers.by_both.entry(rule.kind).or_default();
            for (api, application) in rule.named() {
                let of_api = of_kind.entry(api.to_owned()).or_default();
                of_api.insert(application.to_owned(), rule.answer.clone());
            }
        }
        answers
    }

    /// What follows an alert of a kind that was raised at a call of an application to `api`; each may be
    /// empty. What a rule leaves out is said by the one that names less, as with [`detect::Rules::of`].
    pub fn of(&self, kind: Kind, api: &str, application: &str) -> Answer {
        let of_kind = self.by_both.get(&kind);
        let said = |(api, application): (&str, &str)| of_kind?.get(api)?.get(application);
        let own = [(api, application), ("", application), (api, ""), ("", "")];
        let mut answer = Answer::default();
        for said in own.into_iter().filter_map(said) {
            answer.severity = answer.severity.or(said.severity);
            answer.block = answer.block.or_else(|| said.block.clone());
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use detect::Setting;

    use super::*;
    use crate::alert::history::Severity;
    use crate::alert::rules::{Block, Whom};

    /// Rules as `API|*[/APPLICATION] severity|- whom|-`.
    fn rule(words: &&str) -> Applied {
        let [named, severity, whom] = words.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{words}")
        };
        let whom = match whom {
            "user" => Some(Whom::User),
            "client" => Some(Whom::Client),
            _ => None,
        };
        let block = whom.map(|whom| Block { rule: (*words).to_owned(), whom });
        let severity = (severity == "severe").then_some(Severity::Severe);
        let (api, application) = named.split_once('/').unwrap_or((named, "*"));
        let list = |name: &str| if name == "*" { Vec::new() } else { vec![name.to_owned()] };
        Applied {
            name: (*words).to_owned(),
            kind: Kind::KeySharing,
            apis: list(api),
            applications: list(application),
            setting: Setting::default(),
            answer: Answer { severity, block },
        }
    }

    /// What follows for `shop` at `orders`, and the rule that says whom it blocks.
    #[track_caller]
    fn check(rules: &[&str], severity: Option<Severity>, block: Option<(&str, Whom)>) {
        let answers = Answers::new(&rules.iter().map(rule).collect::<Vec<_>>());
        let Answer { severity: said, block: blocks } =
            answers.of(Kind::KeySharing, "orders", "shop");
        let blocks = blocks.as_ref().map(|block| (block.rule.as_str(), block.whom));
        assert_eq!((said, blocks), (severity, block));
        assert_eq!(answers.of(Kind::BotDetection, "orders", "shop"), Answer::default());
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

    #[test]
    fn what_names_more_says_it_first() {
        let (both, shop) = ("orders/shop - user", "*/shop severe client");
        let severe = Some(Severity::Severe);
        check(&["orders - user", shop], severe, Some((shop, Whom::Client)));
        check(&[shop, both], severe, Some((both, Whom::User)));
        check(&["*/other severe user", "users/shop severe user"], None, None);
    }
}
