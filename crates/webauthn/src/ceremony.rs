//! A passkey is set up, or shows itself: is everything as it should be? (§7.1, §7.2)

use aws_lc_rs::digest::{SHA256, digest};

use crate::Refusal;
use crate::cbor::{self, Item};
use crate::client_data;
use crate::data::Data;
use crate::key::Key;

/// For whom passkeys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The RP ID: a host name.
    pub id: String,
    /// Where our pages are, like `https://id.example:9453`; compared byte for byte.
    pub origins: Vec<String>,
}

/// A passkey that was set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its identifier; another one of anybody has another.
    pub id: Vec<u8>,
    /// Its public key as a `COSE_Key`.
    pub key: Vec<u8>,
    /// How often it has signed; 0: it does not count.
    pub counter: u32,
    /// Whether it knew its person, by a code or a finger.
    pub verified: bool,
    /// Whether it may be copied to other devices of its person.
    pub synced: bool,
}

/// A passkey that showed itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// How often it has signed. Whoever keeps it refuses one that has not grown, unless both are 0: the
    /// passkey may have a double.
    pub counter: u32,
    /// Whether it knew its person, by a code or a finger.
    pub verified: bool,
}

/// What comes out of `navigator.credentials.create`.
pub fn register(
    site: &Site,
    challenge: &[u8],
    client_data: &[u8],
    attestation_object: &[u8],
) -> Result<Made, Refusal> {
    client_data::check(client_data, "webauthn.create", challenge, site)?;
    let broken = Refusal::AuthenticatorData;
    let (object, rest) = cbor::read(attestation_object).ok_or(broken)?;
    let Some(Item::Bytes(bytes)) = object.get(&Item::Text("authData")) else { return Err(broken) };
    if !rest.is_empty() || !matches!(object.get(&Item::Text("fmt")), Some(Item::Text(_))) {
        return Err(broken);
    }
    let data = there(site, bytes)?;
    let (id, key) = data.made.ok_or(broken)?;
    Key::read(key)?;
    Ok(Made {
        id: id.to_vec(),
        key: key.to_vec(),
        counter: data.counter,
        verified: data.is_verified(),
        synced: data.is_backup_eligible(),
    })
}

/// What comes out of `navigator.credentials.get`, of the passkey with the key `key`, of which it is known
/// whether it is `synced`.
pub fn assert(
    site: &Site,
    challenge: &[u8],
    (key, synced): (&[u8], bool),
    client_data: &[u8],
    authenticator_data: &[u8],
    signature: &[u8],
) -> Result<Shown, Refusal> {
    client_data::check(client_data, "webauthn.get", challenge, site)?;
    let data = there(site, authenticator_data)?;
    let hash = digest(&SHA256, client_data);
    let message = [authenticator_data, hash.as_ref()].concat();
    Key::read(key)?.verify(&message, signature)?;
    if data.is_backup_eligible() != synced {
        return Err(Refusal::Backup);
    }
    Ok(Shown { counter: data.counter, verified: data.is_verified() })
}

fn there<'b>(site: &Site, bytes: &'b [u8]) -> Result<Data<'b>, Refusal> {
    let data = Data::read(bytes)?;
    if data.site != digest(&SHA256, site.id.as_bytes()).as_ref() {
        return Err(Refusal::Site);
    }
    if !data.is_present() {
        return Err(Refusal::NobodyThere);
    }
    Ok(data)
}

#[cfg(test)]
#[path = "ceremony_tests.rs"]
mod tests;
