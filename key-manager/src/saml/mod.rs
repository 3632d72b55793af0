//! Is this SAML assertion genuine, and what does it say? (SAML 2.0, XML Signature)
//!
//! One shape is read and no other: an `Assertion` as the whole document, with one signature over the
//! whole of it. What was signed is what is read; there is no second place to look (KM-040).
//! `document` reads the XML, `signature` checks it, `time` reads its times, `assertion` what it says.

mod assertion;
mod document;
mod signature;
mod time;

pub use assertion::{Expected, Said, read};
pub use document::{Document, SamlError};
pub use signature::{Algorithm, SignerKey, verify};
