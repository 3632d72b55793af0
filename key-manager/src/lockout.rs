//! May somebody try again? (KM-102)
//!
//! Failures are counted for a name and for a network, whatever it was that failed there: a page, a
//! parameter of a token request, or a grant of the operator's. They stand in the store, so all processes
//! count together.

use std::net::IpAddr;

use crate::domain::{UserName, network};
use crate::store::{Failures, Store, StoreError};
use crate::vault::Pepper;

/// How many failures are free.
#[derive(Clone, Copy, Debug)]
pub struct LockoutRules {
    /// For one name.
    pub name: Failures,
    /// For one network.
    pub network: Failures,
}

/// Who has failed too often, as it stands at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Lockout<'l> {
    pub store: &'l dyn Store,
    pub pepper: &'l Pepper,
    pub rules: LockoutRules,
    /// Unix seconds.
    pub now: i64,
}

impl Lockout<'_> {
    /// Whether somebody has to wait before they may log in.
    pub async fn is_locked_out(&self, name: &UserName) -> Result<bool, StoreError> {
        let key = self.pepper.digest(Failures::BY_NAME, name.as_str());
        Ok(self.store.blocked_until(&key, self.now).await?.is_some())
    }

    /// How long somebody from there has to wait, in seconds; at least 1.
    pub async fn wait(&self, name: &UserName, address: Option<IpAddr>) -> Result<u32, StoreError> {
        let by_name = self.pepper.digest(Failures::BY_NAME, name.as_str());
        let by_network = self.pepper.digest(Failures::BY_NETWORK, &network(address));
        let by_name = self.store.blocked_until(&by_name, self.now).await?;
        let by_network = self.store.blocked_until(&by_network, self.now).await?;
        let until = by_name.max(by_network).unwrap_or(self.now);
        Ok(u32::try_from(until.saturating_sub(self.now)).unwrap_or(1).max(1))
    }

    /// Counts a try from a network before it is made. `false`: the network has to wait.
    pub async fn begin(&self, address: Option<IpAddr>) -> Result<bool, StoreError> {
        let key = self.pepper.digest(Failures::BY_NETWORK, &network(address));
        self.store.begin_attempt(&key, &self.rules.network, self.now).await
    }

    /// The try that was counted did not fail.
    pub async fn end(&self, address: Option<IpAddr>) -> Result<(), StoreError> {
        let key = self.pepper.digest(Failures::BY_NETWORK, &network(address));
        self.store.end_attempt(&key, false).await
    }

    /// It failed for somebody, too.
    pub async fn failed_for(&self, name: &UserName) -> Result<(), StoreError> {
        let key = self.pepper.digest(Failures::BY_NAME, name.as_str());
        self.store.begin_attempt(&key, &self.rules.name, self.now).await?;
        Ok(())
    }
}
