//! Which values may a key have?

use std::time::Duration;

use chassis::config::duration;
use chassis::outbound::Allowed;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::domain::{Scopes, TokenAlgorithm};
use crate::endpoint::{Issuer, Mfa, PasskeyUse, SignUp};
use crate::grant::GrantKind;
use crate::registration::Access;

pub(super) fn exceptions<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Allowed>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

pub(super) fn access<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Access, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

pub(super) fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scopes, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    Scopes::collect(texts.iter().map(String::as_str)).map_err(D::Error::custom)
}

/// Names of grants that there are; absolute URIs may be those of plug-ins.
pub(super) fn grants<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    for name in names.iter().filter(|name| url::Url::parse(name).is_err()) {
        name.parse::<GrantKind>().map_err(D::Error::custom)?;
    }
    Ok(names)
}

pub(super) fn issuer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Issuer, D::Error> {
    Issuer::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn algorithm<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<TokenAlgorithm, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

pub(super) fn audience<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    let audience = Vec::<String>::deserialize(deserializer)?;
    if audience.is_empty() || audience.iter().any(String::is_empty) {
        return Err(D::Error::custom("a token is for somebody: name at least one audience"));
    }
    Ok(audience)
}

/// Less than 7 MiB is no protection, and more than 1 GiB no server.
pub(super) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let kib = u32::deserialize(deserializer)?;
    let fits = (7 * 1024..=1024 * 1024).contains(&kib);
    fits.then_some(kib).ok_or_else(|| D::Error::custom("a hash takes 7168 to 1048576 KiB"))
}

pub(super) fn passes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let passes = u32::deserialize(deserializer)?;
    let fits = (1..=100).contains(&passes);
    fits.then_some(passes).ok_or_else(|| D::Error::custom("a hash takes 1 to 100 passes"))
}

pub(super) fn signup<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignUp, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "off" => Ok(SignUp::Off),
        "approval" => Ok(SignUp::Approval),
        "on" => Ok(SignUp::On),
        _ => Err(D::Error::custom("this is off, approval or on")),
    }
}

pub(super) fn passkeys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PasskeyUse, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "off" => Ok(PasskeyUse::Off),
        "second" => Ok(PasskeyUse::Second),
        "login" => Ok(PasskeyUse::Login),
        _ => Err(D::Error::custom("this is off, second or login")),
    }
}

pub(super) fn mfa<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mfa, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "off" => Ok(Mfa::Off),
        "optional" => Ok(Mfa::Optional),
        "required" => Ok(Mfa::Required),
        _ => Err(D::Error::custom("this is off, optional or required")),
    }
}

pub(super) fn times<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let times = f64::deserialize(deserializer)?;
    if times.is_finite() && times >= 1.0 {
        return Ok(times);
    }
    Err(D::Error::custom("this is at least 1"))
}

/// Whole seconds, because `exp` counts them.
pub(super) fn life<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let life = duration::deserialize(deserializer)?;
    let seconds = u32::try_from(life.as_secs()).ok().filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| D::Error::custom("this lasts at least a second, and at most 136 years"))
}

pub(super) fn addresses<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Issuer>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| Issuer::parse(text).map_err(D::Error::custom)).collect()
}

/// Whole seconds; more than a minute would be no difference between clocks any more.
pub(super) fn skew<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let skew = duration::deserialize(deserializer)?;
    let seconds = u32::try_from(skew.as_secs()).ok().filter(|seconds| *seconds <= 60);
    seconds.ok_or_else(|| D::Error::custom("clocks may differ by 60 seconds at most"))
}

/// At least a second.
pub(super) fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let span = duration::deserialize(deserializer)?;
    if span.as_secs() == 0 {
        return Err(D::Error::custom("this lasts at least a second"));
    }
    Ok(span)
}

/// A key that a provider has taken back is not believed for longer (KM-094).
pub(super) fn five_minutes_at_most<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let span = span(deserializer)?;
    if span > Duration::from_mins(5) {
        return Err(D::Error::custom("this lasts five minutes at most"));
    }
    Ok(span)
}

/// Whole seconds, at least one.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    life(deserializer).map(i64::from)
}

/// A grace is short, or a stolen token is as good as its successor (KM-071).
pub(super) fn grace<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let grace = duration::deserialize(deserializer)?.as_secs();
    i64::try_from(grace)
        .ok()
        .filter(|grace| *grace <= 60)
        .ok_or_else(|| D::Error::custom("the grace of a refresh token is at most 60s"))
}
