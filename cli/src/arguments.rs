//! What can be asked of `turnpike`? The whole command line, and nothing else.

use clap::{Parser, Subcommand};

use crate::applications::Keys;
use crate::kept::Home;
use crate::output::Format;
use crate::{
    alerts, analytics, apply, approvals, audit, automation, backend, blocks, completion, detect,
    diff, explain, export, history, import, lifecycle, limits, people, resources, revocations,
    rollouts, rpc, signing_keys, states, subscriptions, tokens, up,
};

/// Runs and manages Turnpike, an API gateway with its key manager, control plane and analytics.
#[derive(Debug, Parser)]
#[command(name = "turnpike", version, max_term_width = 100, subcommand_required = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) connection: rpc::Options,
    #[command(flatten)]
    pub(crate) home: Home,
    /// Form of the answer
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "table",
        global = true,
        help_heading = "Options of every command"
    )]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the four services on this machine until Ctrl-C
    Up(up::Options),
    /// Put the resources of files in force, all of them or none
    Apply(apply::Options),
    /// Changes that are put in force in waves of gateways
    #[command(subcommand)]
    Rollouts(rollouts::Command),
    /// Show resources
    Get(resources::Get),
    /// Show how gateways are doing with a resource
    Describe(resources::Describe),
    /// Remove a resource
    Delete(resources::Delete),
    /// Show what files would change, or what has changed between two revisions
    Diff(diff::Diff),
    /// Write what is stored into files
    Export(export::Export),
    /// Show who changed what, when and why
    History(history::History),
    /// Put a resource, or all of them, back to what they were
    Rollback(history::Rollback),
    /// Make resources out of a definition, or of the configuration of another gateway
    Import(import::Import),
    /// Show where an API or a product is in its life, or take a step in it
    Lifecycle(lifecycle::Lifecycle),
    /// Make a new version of an API or a product; it serves nobody until it is published
    Version(lifecycle::Version),
    /// What waits for a decision, and deciding about it
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// Allow an application to call an API
    Subscribe(subscriptions::Subscribe),
    /// Turn away the calls of a subscription, or of an application, a user, a client or an address
    Block(blocks::Block),
    /// Let in again what was blocked
    Unblock(blocks::Unblock),
    /// Clients and keys of applications, and keys for trying APIs out
    #[command(subcommand)]
    Keys(Keys),
    /// Show how third-party key managers are doing
    KeyManagers,
    /// Get an access token for an application, with a key that was generated here
    Token(tokens::Options),
    /// Sign in at the provider that the control plane names
    Login,
    /// Forget the sign-in, here and at the provider
    Logout,
    /// Show who one is for the control plane, and what one may do
    Whoami,
    /// Tokens with which programs administer
    #[command(subcommand)]
    Tokens(automation::Command),
    /// End access tokens before their time
    Revoke(revocations::Revoke),
    /// Keys that the key manager signs with
    #[command(subcommand)]
    Key(signing_keys::Command),
    /// People who log in at the key manager
    #[command(subcommand)]
    User(people::User),
    /// Applications in which people log in
    #[command(subcommand)]
    Client(people::Client),
    /// Show what would become of a call, and which rule decides
    Explain(explain::Explain),
    /// Show what each gateway serves
    Gateways,
    /// States of the configuration as files, for gateways that start without a control plane
    #[command(subcommand)]
    State(states::Command),
    /// Show how much of its limits an application has used, or let them begin afresh
    Limits(limits::Limits),
    /// Ask what happened
    #[command(subcommand)]
    Analytics(analytics::Question),
    /// What somebody should look at
    #[command(subcommand)]
    Alerts(alerts::Command),
    /// What happened at the key manager, or at the control plane
    Audit(audit::Audit),
    /// Score how unusual each point of a recorded series is
    Detect(detect::Detect),
    /// Print what makes a shell complete the words of `turnpike`
    Completion {
        /// The shell
        shell: completion::Shell,
    },
    /// Answer calls from the examples of a definition, as a backend for trying things out
    SampleBackend(backend::Options),
    #[command(hide = true)]
    RunChild(up::RunChild),
}

impl Command {
    /// Whether it asks as whoever is signed in, where somebody is.
    pub(crate) const fn is_of_a_person(&self) -> bool {
        let runs = matches!(self, Self::Up(_) | Self::SampleBackend(_) | Self::RunChild(_));
        !runs && !matches!(self, Self::Login | Self::Logout)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_does_not_contradict_itself() {
        Arguments::command().debug_assert();
    }

    #[track_caller]
    fn check(line: &str, understood: bool) {
        let parsed = Arguments::try_parse_from(line.split(' '));
        assert_eq!(parsed.is_ok(), understood, "{line}: {:?}", parsed.err());
    }

    #[test]
    fn the_commands_of_the_contract_are_understood() {
        for line in [
            "turnpike up --data d --sample",
            "turnpike apply -f f --dry-run --wait all --timeout 30s",
            "turnpike apply -f d --set shop --prune --yes --reason r",
            "turnpike apply -f d --prune -l team=shop",
            "turnpike diff -f d --set shop --prune",
            "turnpike diff Tier Gold --from 3 --to 4",
            "turnpike diff --from 3",
            "turnpike export -d d --revisions",
            "turnpike history",
            "turnpike history Api orders:1.0.0 --by admin/vm --since 7d --limit 5",
            "turnpike rollback Tier Gold --to 7 --dry-run",
            "turnpike rollback --all --to 7 --reason r --keep-secrets",
            "turnpike audit --service control-plane verify --known 1:x",
            "turnpike apply -f f --wait quorum",
            "turnpike apply -f f --rollout 5,25,100 --guard errors=1%,latency=+20%,for=30s",
            "turnpike apply -f f --rollout 100 --step-by-step --wait all --timeout 1h",
            "turnpike apply -f f --rollout 10,100 --group canary",
            "turnpike rollouts list",
            "turnpike rollouts show x",
            "turnpike rollouts abort x --reason r",
            "turnpike rollouts continue x",
            "turnpike describe api orders:1.0.0",
            "turnpike get Api orders:1.0.0 -o json",
            "turnpike delete Tier Gold",
            "turnpike import openapi f --name n --version 1 --context /c --endpoint http://e",
            "turnpike import f --to out.yaml --report json",
            "turnpike import apictl d --environment dev --apply --wait all",
            "turnpike completion zsh",
            "turnpike apply -f f --partial",
            "turnpike lifecycle n:1",
            "turnpike lifecycle n:1 publish --deprecate-old --require-resubscription --reason r",
            "turnpike lifecycle n:1 deploy-as-a-prototype --wait all --timeout 5s",
            "turnpike version n:1 2 --default",
            "turnpike approvals list --all",
            "turnpike approvals approve w1 --reason r",
            "turnpike approvals reject w1",
            "turnpike subscribe --app a --api n:1 --tier Gold",
            "turnpike block s --production-only --wait all",
            "turnpike block --app a --ip 10.0.0.0/8 --for 1h --reason r",
            "turnpike unblock s",
            "turnpike unblock --user u",
            "turnpike keys generate --app a --type sandbox --key-manager k",
            "turnpike token --app a --grant client_credentials --scope s",
            "turnpike keys generate --app a --allow-ip 10.0.0.0/8 --allow-ip ::1 --allow-domain *.a",
            "turnpike revoke t --token bearer --server https://127.0.0.1:1",
            "turnpike revoke --client c",
            "turnpike revoke --user s",
            "turnpike revoke --app a",
            "turnpike user add ann --password-file f --claim email=a@b --claim email_verified=true",
            "turnpike user claims id --claim address={\"country\":\"CH\"} --claim roles=[\"a\"]",
            "turnpike client add shop --redirect-uri https://a.example/cb --scope a --public",
            "turnpike client secret add c --label l --expires 90d",
            "turnpike client secret list c",
            "turnpike client secret remove c -x",
            "turnpike key list",
            "turnpike key rotate --at-once",
            "turnpike key revoke -_kid",
            "turnpike gateways -o yaml",
            "turnpike state export f --label a=b --label c=d=e",
            "turnpike limits --app a --api n:1 --user u -o json",
            "turnpike limits reset --app a --user u",
            "turnpike keys test-key --api n:1 --api m:2 --expires 15m --type sandbox",
            "turnpike keys list --app a",
            "turnpike explain GET /orders/1.0/x -H a:b --gateway https://g",
            "turnpike explain POST https://g/x -H a:b -H c:d -o json",
            "turnpike analytics usage --api n --app a --since 1h --interval 1m",
            "turnpike login",
            "turnpike logout",
            "turnpike whoami -o json",
            "turnpike tokens create ci --role publisher --expires 90d --kind Api --object Api/a:*",
            "turnpike tokens create r --read-only --owner team:a --tenant t",
            "turnpike tokens list",
            "turnpike tokens revoke ci",
            "turnpike client add cli --public --device",
            "turnpike analytics geo",
            "turnpike analytics geo --detail city,asn -o csv",
            "turnpike analytics throttled --since 2026-11-30 --until 2026-11-30T08:00:00Z",
            "turnpike analytics devices --limit 5",
            "turnpike analytics backends --where status=500 --interval 1m",
            "turnpike analytics top user --measure sum_response_bytes --limit 3",
            "turnpike analytics query --by api,status --measure calls,p95_total --where path^=/a",
            "turnpike analytics compare --by api --before 2026-11-29 --order -calls",
            "turnpike analytics logs --where status!=200 --slower-than 1s --limit 5000",
            "turnpike analytics logs --request-id 0123456789abcdef0123456789abcdef",
            "turnpike analytics tail --api n --where status=500..599 -o json",
            "turnpike analytics report --month 2026-10 --format pdf --file f.pdf",
            "turnpike alerts watch",
            "turnpike detect --csv series.csv",
            "turnpike detect --csv -",
        ] {
            check(line, true);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check("turnpike subscribe --app a --api orders", false);
        check("turnpike lifecycle n:1 explode", false);
        check("turnpike lifecycle n", false);
        check("turnpike version n:1", false);
        check("turnpike analytics usage --since 5", false);
        check("turnpike analytics query --where status", false);
        check("turnpike analytics query --where =200", false);
        check("turnpike analytics top", false);
        check("turnpike analytics report --month 2026-13", false);
        check("turnpike analytics report --month october", false);
        check("turnpike token --app a --grant password", false);
        check("turnpike revoke", false);
        check("turnpike revoke t --client c", false);
        check("turnpike revoke --user s --app a", false);
        check("turnpike user add ann --password p", false);
        check("turnpike user claims id --claim email", false);
        check("turnpike client add shop", false);
        check("turnpike apply", false);
        check("turnpike apply -f d --prune", false);
        check("turnpike apply -f d --yes", false);
        check("turnpike diff", false);
        check("turnpike diff Tier", false);
        check("turnpike diff Tier Gold", false);
        check("turnpike diff -f d --from 3", false);
        check("turnpike rollback Tier Gold", false);
        check("turnpike rollback Tier Gold --all --to 3", false);
        check("turnpike apply -f f --guard errors=1%", false);
        check("turnpike apply -f f --rollout 0,100", false);
        check("turnpike apply -f f --group canary", false);
        check("turnpike limits", false);
        check("turnpike state export", false);
        check("turnpike state export f --label a", false);
        check("turnpike limits reset", false);
        check("turnpike import", false);
        check("turnpike import a b c", false);
        check("turnpike import f --to o --apply", false);
        check("turnpike completion tcsh", false);
        check("turnpike limits --app a --api n", false);
        check("turnpike keys test-key", false);
        check("turnpike keys test-key --api n", false);
        check("turnpike explain GET", false);
        check("turnpike explain HEAD /x", false);
        check("turnpike explain GET /x -H a", false);
        check("turnpike", false);
    }
}
