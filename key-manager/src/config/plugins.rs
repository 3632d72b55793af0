//! Which programs of the operator are asked?

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use chassis::config::duration;
use serde::Deserialize;

use crate::grant::{GrantKind, is_reserved};
use crate::rpc::HandlerRules;

/// `[plugins]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginsConfig {
    pub grants: Vec<GrantPluginConfig>,
}

/// `[[plugins.grants]]`: one that judges token requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantPluginConfig {
    /// In its certificate.
    pub name: String,
    /// `https://HOST:PORT`.
    pub address: String,
    pub types: Vec<String>,
    #[serde(default)]
    pub claims: Vec<String>,
    /// Whether its word counts that a person agreed.
    #[serde(default)]
    pub consent: bool,
    #[serde(default = "two_seconds", with = "duration")]
    pub timeout: Duration,
    #[serde(default = "sixty_four")]
    pub at_once: usize,
}

const fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

const fn sixty_four() -> usize {
    64
}

impl PluginsConfig {
    /// Each with the address where it is.
    pub fn handlers(&self) -> anyhow::Result<Vec<(&str, HandlerRules)>> {
        let (mut names, mut types) = (BTreeSet::new(), BTreeSet::new());
        for one in &self.grants {
            let name = &one.name;
            ensure!(names.insert(name), "plugins.grants: `{name}` comes twice");
            ensure!(!one.types.is_empty(), "plugins.grants: {name}: `types` is empty");
            for grant in &one.types {
                let wrong = || format!("plugins.grants: {name}: `{grant}`");
                ensure!(is_type(grant), "{} is no absolute URI", wrong());
                ensure!(grant.parse::<GrantKind>().is_err(), "{} is built in", wrong());
                ensure!(types.insert(grant), "{} comes twice", wrong());
            }
            let reserved = one.claims.iter().find(|claim| is_reserved(claim));
            ensure!(
                reserved.is_none(),
                "plugins.grants: {name}: the claim `{}` is given by the key manager alone",
                reserved.map_or("", String::as_str)
            );
            let limits = (1..=30_000).contains(&one.timeout.as_millis()) && one.at_once > 0;
            ensure!(
                limits,
                "plugins.grants: {name}: `timeout` is 1ms to 30s, and `at_once` at least 1"
            );
        }
        Ok(self.grants.iter().map(|one| (one.address.as_str(), one.rules())).collect())
    }
}

impl GrantPluginConfig {
    fn rules(&self) -> HandlerRules {
        HandlerRules {
            name: self.name.clone(),
            timeout: self.timeout,
            at_once: self.at_once,
            types: self.types.clone(),
            claims: self.claims.clone(),
            consent: self.consent,
        }
    }
}

/// As RFC 6749 section 4.5 has grants of others: an absolute URI.
fn is_type(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    plain && text.len() <= 256 && url::Url::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `said`: what is refused, or "" where nothing is.
    #[track_caller]
    fn check(text: &str, said: &str) {
        let config: PluginsConfig = toml::from_str(text).expect("a configuration");
        let refusal = config.handlers().map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(refusal.is_empty(), said.is_empty(), "{refusal}");
        assert!(refusal.contains(said), "{refusal}");
    }

    fn one(name: &str, types: &str, more: &str) -> String {
        let address = "https://127.0.0.1:7000";
        format!("[[grants]]\nname = {name:?}\naddress = {address:?}\ntypes = {types}\n{more}\n")
    }

    #[test]
    fn a_plugin_serves_what_nobody_else_does() {
        let kiosk = one("kiosk", "['urn:a:kiosk']", "");
        check("grants = []", "");
        check(&kiosk, "");
        check(&one("kiosk", "[]", ""), "`types` is empty");
        check(&one("kiosk", "['kiosk']", ""), "no absolute URI");
        check(&one("kiosk", "['password']", ""), "no absolute URI");
        let own = "['urn:ietf:params:oauth:grant-type:token-exchange']";
        check(&one("kiosk", own, ""), "built in");
        check(&format!("{kiosk}{kiosk}"), "`kiosk` comes twice");
        check(&format!("{kiosk}{}", one("other", "['urn:a:kiosk']", "")), "comes twice");
        check(&one("kiosk", "['urn:a:kiosk']", "claims = ['sub']"), "key manager alone");
        check(&one("kiosk", "['urn:a:kiosk']", "timeout = '1m'"), "1ms to 30s");
        check(&one("kiosk", "['urn:a:kiosk']", "at_once = 0"), "at least 1");
    }
}
