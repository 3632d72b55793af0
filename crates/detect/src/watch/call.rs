//! What is known of a call, and of a token that was issued?

use std::net::IpAddr;

/// One call, as far as alerts need it. A text that is not known is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'c> {
    /// When it came, in microseconds since the Unix epoch.
    pub at_us: i64,
    /// Name of the API.
    pub api: &'c str,
    /// Its version.
    pub api_version: &'c str,
    /// Method and path template, `GET /items/{id}`.
    pub operation: &'c str,
    /// The path that was asked for.
    pub path: &'c str,
    /// Name of the application.
    pub application: &'c str,
    /// The person.
    pub user: &'c str,
    /// Consumer key of the client.
    pub client: &'c str,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// Where that is: degrees north and degrees east.
    pub position: Option<(f64, f64)>,
    /// Number of the autonomous system of the address; 0: unknown.
    pub network: u32,
    /// For how many calls this one stands, because others like it were left out; 0 counts as 1.
    pub weight: u32,
    /// What was answered; 0: the client left before.
    pub status: u32,
    /// The gateway's own fault; 0: the backend's answer.
    pub fault: u32,
    /// From its first byte to the last of its answer.
    pub total_us: u64,
    /// The backend's part; 0: none was asked.
    pub backend_us: u64,
}

impl<'c> Call<'c> {
    /// The client as whose calls these count; empty: as those of the application.
    pub(super) const fn client_alone(&self) -> &'c str {
        if self.application.is_empty() { self.client } else { "" }
    }

    /// For how many calls it stands; at least 1.
    pub(super) const fn calls(&self) -> u32 {
        if self.weight == 0 { 1 } else { self.weight }
    }
}

/// A token that was issued.
#[derive(Clone, Copy, Debug, Default)]
pub struct Renewal<'c> {
    /// When, in microseconds since the Unix epoch.
    pub at_us: i64,
    /// For whom.
    pub user: &'c str,
    /// To which client.
    pub client: &'c str,
    /// For which scopes.
    pub scope: &'c str,
}
