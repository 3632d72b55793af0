//! Which other backends take a part of an API's calls?

use std::collections::BTreeSet;
use std::sync::Arc;

use turnpike_proto::config::v1::{Variant, Variants};

use super::api::unknown;
use super::backend::{EndpointPlan, compile_endpoint};
use super::matching::compile_match;
use super::named::Named;
use crate::problem::{At, Problems, shown};
use crate::resource::is_name;
use crate::router::{Asked, Conditions, Constraints};

pub use turnpike_proto::config::v1::variants::SplitBy;

const MAX_CHOICES: usize = 20;

/// The variants of an API, ready to be chosen from.
#[derive(Debug)]
pub struct VariantsPlan {
    /// What keeps to one variant.
    pub split_by: SplitBy,
    /// Those that ask for something, in their order.
    asking: Vec<(Conditions, u32, VariantPlan)>,
    /// Those that take a share of all other calls.
    sharing: Vec<(u32, VariantPlan)>,
}

/// Backends that take calls instead of the API's own.
#[derive(Clone, Debug)]
pub struct VariantPlan {
    /// Its name.
    pub name: Arc<str>,
    /// For production keys; `None`: those stay with the API's own.
    pub production: Option<Arc<EndpointPlan>>,
    /// For sandbox keys; `None`: those stay with the API's own.
    pub sandbox: Option<Arc<EndpointPlan>>,
}

impl VariantsPlan {
    /// Every endpoint that a variant may send calls to.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Arc<EndpointPlan>> {
        self.all().flat_map(|variant| variant.production.iter().chain(&variant.sandbox))
    }

    /// Shares with `old` the endpoints of equal names that did not change.
    pub(super) fn share(&mut self, old: &Self) {
        let asking = self.asking.iter_mut().map(|(_, _, variant)| variant);
        for new in asking.chain(self.sharing.iter_mut().map(|(_, variant)| variant)) {
            let Some(old) = old.all().find(|old| old.name == new.name) else { continue };
            for (new, old) in
                [(&mut new.production, &old.production), (&mut new.sandbox, &old.sandbox)]
            {
                if *new == *old {
                    new.clone_from(old);
                }
            }
        }
    }

    /// All variants: first those that ask for something.
    pub fn all(&self) -> impl Iterator<Item = &VariantPlan> {
        let asking = self.asking.iter().map(|(_, _, variant)| variant);
        asking.chain(self.sharing.iter().map(|(_, variant)| variant))
    }

    /// The variant for a call; `None`: the API's own backends. `draw` is a number that is spread
    /// evenly over what `split_by` keeps together.
    pub fn choose(&self, call: &dyn Asked, draw: u64) -> Option<&VariantPlan> {
        let mut percent = u32::try_from(draw % 100).unwrap_or_default();
        let asked = self.asking.iter().find(|(asks, _, _)| asks.fit(call));
        if let Some((_, weight, variant)) = asked {
            return (percent < *weight).then_some(variant);
        }
        for (weight, variant) in &self.sharing {
            if percent < *weight {
                return Some(variant);
            }
            percent -= weight;
        }
        None
    }
}

/// The plan; `None` where there are no variants.
pub(crate) fn compile_variants(
    variants: Option<&Variants>,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> Option<Arc<VariantsPlan>> {
    let variants = variants?;
    let split_by = SplitBy::try_from(variants.split_by).unwrap_or_else(|_| {
        problems.add(&at.name("splitBy"), unknown(variants.split_by), "");
        SplitBy::Call
    });
    let list = at.name("choices");
    if variants.choices.is_empty() || variants.choices.len() > MAX_CHOICES {
        let reason = format!("there are {}, from 1 to {MAX_CHOICES}", variants.choices.len());
        problems.add(&list, reason, "leave out `variants`, or name some");
        return None;
    }
    let mut plan = VariantsPlan { split_by, asking: Vec::new(), sharing: Vec::new() };
    let (mut names, mut constraints) = (BTreeSet::new(), Constraints::default());
    for (index, choice) in variants.choices.iter().enumerate() {
        let here = list.index(index);
        if !names.insert(choice.name.as_str()) {
            problems.add(&here.name("name"), "the name stands twice", "choose another one");
        }
        let variant = compile_choice(choice, named, &here, problems);
        let asks = choice.r#match.as_ref();
        match compile_match(asks, &mut constraints, &here.name("match"), problems) {
            Some(asks) => {
                let weight = if choice.weight == 0 { 100 } else { choice.weight };
                plan.asking.push((asks, weight, variant));
            }
            None => plan.sharing.push((choice.weight, variant)),
        }
    }
    let sum: u64 = plan.sharing.iter().map(|(weight, _)| u64::from(*weight)).sum();
    if sum > 100 {
        let reason = format!("the weights sum up to {sum} percent, at most 100");
        problems.add(&list, reason, "what is left goes to `endpoints`");
    }
    Some(Arc::new(plan))
}

fn compile_choice(
    choice: &Variant,
    named: Named<'_>,
    at: &At<'_>,
    problems: &mut Problems,
) -> VariantPlan {
    if !is_name(&choice.name) {
        let reason = format!("`{}` is no name", shown(&choice.name));
        problems.add(&at.name("name"), reason, "write for example `canary`");
    }
    if choice.weight > 100 {
        problems.add(&at.name("weight"), "a weight is a percentage, at most 100", "");
    }
    if choice.weight == 0 && choice.r#match.is_none() {
        let suggestion = "give it a `weight` or a `match`";
        problems.add(at, "no call would ever reach this variant", suggestion);
    }
    if choice.production.is_none() && choice.sandbox.is_none() {
        let suggestion = "write `production: { urls: [ … ] }`";
        problems.add(at, "a variant needs a backend", suggestion);
    }
    let mut compile = |name, endpoint: Option<&_>| {
        endpoint.and_then(|it| compile_endpoint(it, named, &at.name(name), problems)).map(Arc::new)
    };
    VariantPlan {
        name: choice.name.as_str().into(),
        production: compile("production", choice.production.as_ref()),
        sandbox: compile("sandbox", choice.sandbox.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use turnpike_proto::config::v1::{Condition, Endpoint, Match, condition};

    use super::*;

    /// A call with one field.
    struct Field(&'static str);

    impl Asked for Field {
        fn field(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
            name == "x-canary" && test(self.0.as_bytes())
        }

        fn query(&self) -> Option<&str> {
            None
        }
    }

    /// `choices` are "name weight" or "name weight value-of-x-canary".
    fn variants(choices: &[&str]) -> Variants {
        let choice = |text: &&str| {
            let mut words = text.split(' ');
            let (name, weight) = (words.next().unwrap(), words.next().unwrap());
            let headers = words.map(|value| Condition {
                name: "X-Canary".to_owned(),
                test: Some(condition::Test::Exact(value.to_owned())),
            });
            let headers: Vec<_> = headers.collect();
            Variant {
                name: name.to_owned(),
                weight: weight.parse().unwrap(),
                r#match: (!headers.is_empty()).then(|| Match { headers, ..Match::default() }),
                production: Some(Endpoint {
                    urls: vec!["http://127.0.0.1:1".to_owned()],
                    ..Endpoint::default()
                }),
                sandbox: None,
            }
        };
        Variants { split_by: 0, choices: choices.iter().map(choice).collect() }
    }

    /// The variants of the draws 0 to 99, as "name×count" in the order in which they come.
    #[track_caller]
    fn check(choices: &[&str], field: &'static str, expected: &str) {
        let mut problems = Problems::default();
        let plan =
            compile_variants(Some(&variants(choices)), Named::NONE, &At::ROOT, &mut problems)
                .unwrap();
        assert!(problems.is_empty(), "{:?}", problems.into_list());
        let mut told: Vec<(String, usize)> = Vec::new();
        for draw in 0..100 {
            let chosen = plan.choose(&Field(field), draw);
            let name = chosen.map_or("own", |variant| &*variant.name).to_owned();
            match told.last_mut() {
                Some((known, count)) if *known == name => *count += 1,
                _ => told.push((name, 1)),
            }
        }
        let told: Vec<String> =
            told.iter().map(|(name, count)| format!("{name} {count}")).collect();
        assert_eq!(told.join(", "), expected);
    }

    #[test]
    fn weights_are_percentages_and_the_rest_stays() {
        check(&["a 10", "b 5"], "", "a 10, b 5, own 85");
        check(&["a 60", "b 40"], "", "a 60, b 40");
        check(&["a 1"], "", "a 1, own 99");
    }

    #[test]
    fn who_asks_is_served_before_anything_is_split() {
        let choices = ["a 10", "b 0 yes", "c 30 maybe"];
        check(&choices, "yes", "b 100");
        check(&choices, "maybe", "c 30, own 70");
        check(&choices, "no", "a 10, own 90");
    }

    #[track_caller]
    fn refused(variants: &Variants, said: &str) {
        let mut problems = Problems::default();
        compile_variants(Some(variants), Named::NONE, &At::ROOT, &mut problems);
        let shown: Vec<String> = problems.into_list().iter().map(crate::describe).collect();
        assert!(shown.iter().any(|line| line.contains(said)), "{said} in {shown:?}");
    }

    #[test]
    fn variants_that_cannot_be_meant_are_refused() {
        refused(&variants(&["a 60", "b 41"]), "choices: the weights sum up to 101 percent");
        refused(&variants(&["a 0"]), "choices[0]: no call would ever reach this variant");
        refused(&variants(&["a 1", "a 1"]), "choices[1].name: the name stands twice");
        refused(&variants(&["a 101 x"]), "choices[0].weight: a weight is a percentage");
        refused(&variants(&[]), "choices: there are 0");
        let mut without = variants(&["a 1"]);
        without.choices[0].production = None;
        refused(&without, "choices[0]: a variant needs a backend");
    }
}
