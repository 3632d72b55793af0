//! Does a block turn away whom its rule means, and nobody else?

use std::fmt::Write as _;

use super::*;

const RULES: &str = "
  - { name: sharing, spec: { type: KeySharing, block: { for: 60s, what: client } } }
  - { name: bots, spec: { type: BotDetection, block: { for: 60s, what: address } } }
  - { name: here, spec: { type: KeySharing, apis: [orders], block: { for: 60s, what: user } } }
  - { name: there, spec: { type: KeySharing, applications: [shop, gone], block: { for: 60s, what: user } } }
  - { name: maybe, spec: { type: RequestPatternChanged, block: { for: 60s, what: user, mode: propose } } }
  - { name: gone, spec: { type: KeySharing, applications: [none], block: { for: 60s, what: user } } }
  - { name: quiet, spec: { type: AbnormalErrorRate } }";

fn objects() -> Objects {
    let mut yaml =
        "apiVersion: turnpike/v1\nkind: Application\nmetadata: {name: shop}\nspec: {}\n".to_owned();
    for line in RULES.lines().filter_map(|line| line.trim().strip_prefix("- { name: ")) {
        let (name, spec) = line.split_once(", spec: ").unwrap();
        let spec = spec.strip_suffix(" }").unwrap();
        let _ = write!(
            yaml,
            "---\napiVersion: turnpike/v1\nkind: AlertRule\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        );
    }
    let (resources, problems) = plan::read_document(&yaml, "");
    assert!(problems.is_empty(), "{problems:?}");
    plan::admit(&Objects::new(), &resources, &[]).unwrap().objects
}

fn asked(words: &str) -> (Asked, i64) {
    let [now, rule, alert, subject] = words.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{words}")
    };
    let (rule, alert, subject) = (rule.to_owned(), alert.to_owned(), subject.to_owned());
    (Asked { rule, alert, subject, message: "Two\nlines.".to_owned() }, now.parse().unwrap())
}

/// Each line asks for a block, `time rule alert subject`, and behind `=>` stands what comes of it; a
/// policy is shown by whom it means, when it ends, and how many there are by then.
#[track_caller]
fn check(story: &str) {
    let mut objects = objects();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (words, expected) = line.split_once(" => ").unwrap();
        let (asked, now) = asked(words);
        let said = match written(&objects, &asked, now) {
            Ok(beside) => {
                objects = beside.admitted.unwrap().objects;
                let (block, spec) = ours(&objects).max_by_key(|(block, _)| block.until).unwrap();
                let DenyPolicySpec { apis, applications, users, clients, addresses, .. } = spec;
                let whom = [apis, applications, users, clients, addresses].concat().join(" ");
                let count = ours(&objects).count();
                format!("{} {whom} until {} of {count}", block.policy, block.until)
            }
            Err(BlockError::Manage(ManageError::Refused(problems))) => problems[0].field.clone(),
            Err(BlockError::Proposed(block)) => block.proposal.trim().replace('\n', "|"),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expected, "{words}");
    }
}

#[test]
fn whom_the_rule_means_is_turned_away_for_as_long_as_it_says() {
    check(
        "100 sharing a1 c-7 => alert-KeySharing-a1 c-7 until 160 of 1
         101 bots b1 198.51.100.0/24 => alert-BotDetection-b1 198.51.100.0/24 until 161 of 2
         102 here a2 ann => alert-KeySharing-a2 orders:* ann until 162 of 3
         103 there a3 ann => alert-KeySharing-a3 shop ann until 163 of 4",
    );
}

#[test]
fn nobody_is_turned_away_whom_no_rule_means() {
    check(
        "100 quiet a1 c-7 => there is no AlertRule `quiet` that blocks
         100 other a1 c-7 => there is no AlertRule `other` that blocks
         100 bots a1 ann => spec.addresses[0]
         100 gone a1 ann => spec.applications[0]",
    );
}

#[test]
fn who_is_turned_away_already_is_not_turned_away_twice() {
    check(
        "100 sharing a1 c-7 => alert-KeySharing-a1 c-7 until 160 of 1
         110 sharing a1 c-7 => DenyPolicy `alert-KeySharing-a1` does it already
         110 sharing a2 c-7 => DenyPolicy `alert-KeySharing-a1` does it already
         110 sharing a3 c-8 => alert-KeySharing-a3 c-8 until 170 of 2",
    );
}

#[test]
fn what_is_proposed_is_told_and_not_written() {
    check(
        "100 maybe a1 ann => apiVersion: turnpike/v1|kind: DenyPolicy|metadata:|  name: alert-RequestPatternChanged-a1|spec:|  expiresAt: 1970-01-01T00:02:40Z|  reason: 'AlertRule maybe, alert a1: Two lines.'|  users:|  - ann
         101 sharing a2 c-7 => alert-KeySharing-a2 c-7 until 161 of 1",
    );
}

#[test]
fn those_whose_time_is_over_make_room() {
    check(
        "100 sharing a1 c-7 => alert-KeySharing-a1 c-7 until 160 of 1
         160 sharing a2 c-7 => alert-KeySharing-a2 c-7 until 220 of 1
         220 sharing a2 c-7 => alert-KeySharing-a2 c-7 until 280 of 1",
    );
}

#[test]
fn alerts_turn_away_only_so_many() {
    let mut story = String::new();
    for n in 1..=MOST {
        let _ = write!(story, "100 sharing a{n} c{n} => ");
        // All end at the same time, so the policy with the greatest name is shown.
        let shown = (1..=n).map(|n| format!("a{n}")).max().unwrap();
        let whom = shown.replace('a', "c");
        let _ = writeln!(story, "alert-KeySharing-{shown} {whom} until 160 of {n}");
    }
    story += "100 sharing z z => 100 are blocked by alerts already, and there may be no more\n";
    check(&story);
}
