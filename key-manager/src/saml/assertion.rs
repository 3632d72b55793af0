//! What does an assertion say that was found genuine? (SAML 2.0 core, RFC 7522 section 3)

use uppsala::NodeId;

use super::document::{Document, SAML, SamlError, attribute};
use super::time;

const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// For whom it has to be, and when.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// One of these is the audience.
    pub audiences: &'e [String],
    /// Where it may be brought.
    pub recipient: &'e str,
    /// The attribute with the name of the person; empty: the `NameID`.
    pub subject: &'e str,
    pub skew_seconds: i64,
    /// Unix seconds.
    pub now: i64,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub id: String,
    pub subject: String,
    /// When its person showed who they are, if it says so; Unix seconds.
    pub at: Option<i64>,
    /// When it ends, Unix seconds.
    pub until: i64,
}

impl Document<'_> {
    /// The `Issuer`, before anything is believed.
    pub fn issuer(&self) -> Result<String, SamlError> {
        let missing = SamlError::Missing("Issuer");
        let [issuer] = self.named(self.assertion, SAML, "Issuer")?[..] else { return Err(missing) };
        self.text(issuer)
    }
}

/// Reads an assertion whose signature is good.
pub fn read(document: &Document<'_>, expected: Expected<'_>) -> Result<Said, SamlError> {
    let root = document.element(document.assertion)?;
    if attribute(root, "Version") != Some("2.0") {
        return Err(SamlError::Missing("Version"));
    }
    let [conditions] = document.named(document.assertion, SAML, "Conditions")?[..] else {
        return Err(SamlError::Missing("Conditions"));
    };
    let [subject] = document.named(document.assertion, SAML, "Subject")?[..] else {
        return Err(SamlError::Missing("Subject"));
    };
    let ends = within(document, conditions, expected)?;
    conditions_hold(document, conditions, expected)?;
    let confirmed = confirmed(document, subject, expected)?;
    Ok(Said {
        id: document.id.clone(),
        subject: name(document, subject, expected.subject)?,
        at: authenticated_at(document)?,
        until: ends.map_or(confirmed, |ends| ends.min(confirmed)),
    })
}

/// Whether an element's time has come and is not over; the answer is when it ends, if it says so.
fn within(
    document: &Document<'_>,
    node: NodeId,
    expected: Expected<'_>,
) -> Result<Option<i64>, SamlError> {
    let element = document.element(node)?;
    let at = |name: &'static str| {
        let read = |text: &str| time::parse(text).ok_or(SamlError::Missing(name));
        attribute(element, name).map(read).transpose()
    };
    let (from, until) = (at("NotBefore")?, at("NotOnOrAfter")?);
    let begun = from.is_none_or(|from| from.saturating_sub(expected.skew_seconds) <= expected.now);
    let left = until.is_none_or(|until| expected.now < until.saturating_add(expected.skew_seconds));
    if begun && left { Ok(until) } else { Err(SamlError::Time) }
}

/// Every restriction of the audience has to be met, and nothing else may be there that would limit.
fn conditions_hold(
    document: &Document<'_>,
    conditions: NodeId,
    expected: Expected<'_>,
) -> Result<(), SamlError> {
    let mut restricted = false;
    for condition in document.elements(conditions)? {
        // An assertion is good once here, whether it asks for that or not.
        if document.is(condition, SAML, "OneTimeUse")
            || document.is(condition, SAML, "ProxyRestriction")
        {
            continue;
        }
        if !document.is(condition, SAML, "AudienceRestriction") {
            return Err(SamlError::Condition);
        }
        let mut met = false;
        for audience in document.named(condition, SAML, "Audience")? {
            met |= expected.audiences.contains(&document.text(audience)?);
        }
        if !met {
            return Err(SamlError::Audience);
        }
        restricted = true;
    }
    if restricted { Ok(()) } else { Err(SamlError::Missing("AudienceRestriction")) }
}

/// When the confirmation ends that lets whoever brings the assertion use it here.
fn confirmed(
    document: &Document<'_>,
    subject: NodeId,
    expected: Expected<'_>,
) -> Result<i64, SamlError> {
    let mut refusal = SamlError::Confirmation;
    for confirmation in document.named(subject, SAML, "SubjectConfirmation")? {
        if attribute(document.element(confirmation)?, "Method") != Some(BEARER) {
            continue;
        }
        let [data] = document.named(confirmation, SAML, "SubjectConfirmationData")?[..] else {
            continue;
        };
        if attribute(document.element(data)?, "Recipient") != Some(expected.recipient) {
            continue;
        }
        match within(document, data, expected) {
            Ok(Some(until)) => return Ok(until),
            Ok(None) => {}
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// The name of the person.
fn name(document: &Document<'_>, subject: NodeId, from: &str) -> Result<String, SamlError> {
    let missing = SamlError::Missing("the name of the person");
    if from.is_empty() {
        let [name] = document.named(subject, SAML, "NameID")?[..] else { return Err(missing) };
        return document.text(name);
    }
    let mut values = Vec::new();
    for statement in document.named(document.assertion, SAML, "AttributeStatement")? {
        for one in document.named(statement, SAML, "Attribute")? {
            if attribute(document.element(one)?, "Name") == Some(from) {
                values.extend(document.named(one, SAML, "AttributeValue")?);
            }
        }
    }
    // Of two names neither is the one.
    let [value] = values[..] else { return Err(missing) };
    document.text(value)
}

fn authenticated_at(document: &Document<'_>) -> Result<Option<i64>, SamlError> {
    let statements = document.named(document.assertion, SAML, "AuthnStatement")?;
    let Some(statement) = statements.first() else { return Ok(None) };
    let at = attribute(document.element(*statement)?, "AuthnInstant").and_then(time::parse);
    at.map(Some).ok_or(SamlError::Missing("AuthnInstant"))
}
