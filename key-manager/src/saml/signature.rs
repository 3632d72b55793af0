//! Did the issuer sign the whole assertion? (XML Signature, enveloped, exclusive canonical XML)
//!
//! The signature stands in the assertion and points at it; what it names otherwise, how it would have
//! its text changed, and which key it brings along is refused or not looked at. The keys are those that
//! are configured.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra_c14n::C14nMode;
use bergshamra_xml::NodeSet;
use uppsala::NodeId;

use super::document::{DSIG, Document, SamlError, attribute};

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// How an assertion may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    RsaSha256,
    EcdsaSha256,
}

/// A key that an issuer signs with.
#[derive(Clone, Debug)]
pub struct SignerKey {
    pub algorithm: Algorithm,
    /// As X.509 has it: PKCS#1 for RSA, a point for ECDSA.
    pub public: Vec<u8>,
}

impl Algorithm {
    /// In a signature (RFC 6931).
    const fn uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
        }
    }

    fn verifies(self, key: &[u8], text: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self {
            Self::RsaSha256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::EcdsaSha256 => &ECDSA_P256_SHA256_FIXED,
        };
        UnparsedPublicKey::new(algorithm, key).verify(text, signature).is_ok()
    }
}

/// Whether one of `keys` signed the assertion.
pub fn verify(document: &Document<'_>, keys: &[SignerKey]) -> Result<(), SamlError> {
    let form = SamlError::SignatureForm;
    let [signature] = document.named(document.assertion, DSIG, "Signature")?[..] else {
        return Err(SamlError::Shape);
    };
    let parts = document.elements(signature)?;
    let [signed_info, value, rest @ ..] = parts.as_slice() else { return Err(form) };
    let key_info = rest.iter().all(|one| document.is(*one, DSIG, "KeyInfo"));
    let named = document.is(*signed_info, DSIG, "SignedInfo")
        && document.is(*value, DSIG, "SignatureValue");
    if !named || !key_info || rest.len() > 1 {
        return Err(form);
    }
    let parts = document.elements(*signed_info)?;
    let [canonical, method, reference] = parts.as_slice() else { return Err(form) };
    let canonical_prefixes = exclusive(document, *canonical, "CanonicalizationMethod")?;
    let method = algorithm_of(document, *method, "SignatureMethod")?;

    let digested = digest_of(document, *reference, signature)?;
    let text = canonical_text(document, &tree(document, *signed_info), &canonical_prefixes)?;
    let value = decode(&document.text(*value)?)?;
    let mut fitting = keys.iter().filter(|key| key.algorithm.uri() == method).peekable();
    if fitting.peek().is_none() {
        return Err(SamlError::Algorithm);
    }
    let signed = fitting.any(|key| key.algorithm.verifies(&key.public, &text, &value));
    if signed && digested { Ok(()) } else { Err(SamlError::Signature) }
}

/// Whether the digest of the one reference is that of the assertion without its signature.
fn digest_of(
    document: &Document<'_>,
    reference: NodeId,
    signature: NodeId,
) -> Result<bool, SamlError> {
    let form = SamlError::SignatureForm;
    let element = document.element(reference)?;
    let uri = attribute(element, "URI").and_then(|uri| uri.strip_prefix('#'));
    if !document.is(reference, DSIG, "Reference") || uri != Some(document.id.as_str()) {
        return Err(form);
    }
    let parts = document.elements(reference)?;
    let [transforms, method, value] = parts.as_slice() else { return Err(form) };
    let steps = document.elements(*transforms)?;
    let [enveloped, canonical] = steps.as_slice() else { return Err(form) };
    let enveloped = algorithm_of(document, *enveloped, "Transform")?;
    if !document.is(*transforms, DSIG, "Transforms") || enveloped != ENVELOPED {
        return Err(form);
    }
    let prefixes = exclusive(document, *canonical, "Transform")?;
    if algorithm_of(document, *method, "DigestMethod")? != SHA256 {
        return Err(SamlError::Algorithm);
    }
    if !document.is(*value, DSIG, "DigestValue") {
        return Err(form);
    }
    let said = decode(&document.text(*value)?)?;
    let visible = tree(document, document.assertion).subtract(&tree(document, signature));
    let text = canonical_text(document, &visible, &prefixes)?;
    let found = digest::digest(&digest::SHA256, &text);
    Ok(verify_slices_are_equal(found.as_ref(), &said).is_ok())
}

/// The prefixes that an exclusive canonicalization takes along (section 3 of the recommendation).
fn exclusive(document: &Document<'_>, node: NodeId, name: &str) -> Result<Vec<String>, SamlError> {
    if algorithm_of(document, node, name)? != EXCLUSIVE {
        return Err(SamlError::SignatureForm);
    }
    let parts = document.elements(node)?;
    match parts.as_slice() {
        [] => Ok(Vec::new()),
        [list] if document.is(*list, EXCLUSIVE, "InclusiveNamespaces") => {
            let prefixes = attribute(document.element(*list)?, "PrefixList").unwrap_or_default();
            Ok(prefixes.split_whitespace().map(str::to_owned).collect())
        }
        _ => Err(SamlError::SignatureForm),
    }
}

fn algorithm_of(document: &Document<'_>, node: NodeId, name: &str) -> Result<String, SamlError> {
    let found = attribute(document.element(node)?, "Algorithm");
    let found = found.filter(|_| document.is(node, DSIG, name)).map(str::to_owned);
    found.ok_or(SamlError::SignatureForm)
}

fn tree(document: &Document<'_>, node: NodeId) -> NodeSet {
    NodeSet::tree_without_comments(node, &document.tree)
}

fn canonical_text(
    document: &Document<'_>,
    visible: &NodeSet,
    prefixes: &[String],
) -> Result<Vec<u8>, SamlError> {
    let mode = C14nMode::Exclusive;
    let text = bergshamra_c14n::canonicalize_doc(&document.tree, mode, Some(visible), prefixes);
    text.map_err(|_| SamlError::Xml)
}

/// Base64, which XML breaks into lines.
fn decode(text: &str) -> Result<Vec<u8>, SamlError> {
    let plain: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    STANDARD.decode(plain).map_err(|_| SamlError::SignatureForm)
}
