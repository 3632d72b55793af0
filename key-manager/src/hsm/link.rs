//! One session with the device: what is said in it?
//!
//! The only file that speaks PKCS#11. It blocks, and is called where that holds up nobody.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use jose::PublicHalf;

use super::rules::{HsmRules, Which};
use super::{HsmError, Made};
use crate::domain::TokenAlgorithm;

/// What a key is called in the device, for people who look into it.
const LABEL: &str = "turnpike signing key";
/// So many keys are known by their handles.
const KNOWN: usize = 64;

/// The curves as their object identifiers in DER; for Ed25519 also as its name, which older devices
/// want (PKCS#11 2.40 with the draft of curves).
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
const ED25519_NAME: &[u8] = b"\x13\x0cedwards25519";

/// The library that speaks for the device.
#[derive(Debug)]
pub(super) struct Module {
    library: Pkcs11,
    rules: HsmRules,
}

impl Module {
    pub(super) fn open(rules: HsmRules) -> Result<Self, HsmError> {
        let named =
            |source| HsmError::Module { module: rules.module.display().to_string(), source };
        let library = Pkcs11::new(&rules.module).map_err(named)?;
        begin(&library).map_err(named)?;
        Ok(Self { library, rules })
    }

    /// Opens a session and says who we are.
    pub(super) fn link(&self) -> Result<Link, HsmError> {
        let session = match self.session() {
            // Some devices want to be spoken to anew after they were away.
            Err(HsmError::Failed(Error::Pkcs11(RvError::CryptokiNotInitialized, _))) => {
                begin(&self.library)?;
                self.session()?
            }
            other => other?,
        };
        let pin = AuthPin::from(self.rules.pin()?.as_str());
        match session.login(UserType::User, Some(&pin)) {
            // Another session of this process has.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(Error::Pkcs11(
                RvError::PinIncorrect
                | RvError::PinLocked
                | RvError::PinExpired
                | RvError::PinInvalid
                | RvError::PinLenRange,
                _,
            )) => return Err(HsmError::Pin),
            Err(other) => return Err(other.into()),
        }
        Ok(Link { session, known: HashMap::new() })
    }

    /// Forgets every session and everything that the library knows. Nobody else may use it meanwhile.
    pub(super) fn anew(&self) -> Result<(), HsmError> {
        // What is not begun needs no end.
        if let Err(error) = self.library.clone().finalize() {
            tracing::debug!(error = error.to_string(), "the PKCS#11 module was not ended");
        }
        Ok(begin(&self.library)?)
    }

    fn session(&self) -> Result<Session, HsmError> {
        Ok(self.library.open_rw_session(self.slot()?)?)
    }

    /// Where the token is now: it may come back in another slot.
    fn slot(&self) -> Result<Slot, HsmError> {
        let which = &self.rules.which;
        let mut found = Vec::new();
        for slot in self.library.get_slots_with_token()? {
            let same = match which {
                Which::Slot(wanted) => slot.id() == *wanted,
                Which::Label(wanted) => {
                    self.library.get_token_info(slot)?.label().trim_end() == wanted
                }
            };
            found.extend(same.then_some(slot));
        }
        match found.as_slice() {
            [slot] => Ok(*slot),
            [] => Err(HsmError::NoToken(which.to_string())),
            _ => Err(HsmError::Several(which.to_string())),
        }
    }
}

fn begin(library: &Pkcs11) -> Result<(), Error> {
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        other => other,
    }
}

/// A session in which we are logged in.
#[derive(Debug)]
pub(super) struct Link {
    session: Session,
    known: HashMap<Arc<[u8]>, ObjectHandle>,
}

impl Link {
    /// Makes a key that can be used in the device and not be taken out of it.
    pub(super) fn generate(&self, algorithm: TokenAlgorithm) -> Result<Made, HsmError> {
        let object: Arc<[u8]> = Arc::from(chassis::random::bytes::<16>().as_slice());
        let failed = |source| HsmError::Generation { algorithm, source };
        let mut forms = kinds(algorithm).into_iter();
        let mut made = self.generate_as(forms.next(), &object);
        for kind in forms {
            if made.is_ok() {
                break;
            }
            made = self.generate_as(Some(kind), &object);
        }
        let (public, _) = made.map_err(failed)?;
        let Some(public) = self.public(algorithm, public)? else {
            self.destroy(&object)?;
            return Err(HsmError::Unreadable(algorithm));
        };
        Ok(Made { object, public })
    }

    fn generate_as(
        &self,
        kind: Option<Kind>,
        object: &[u8],
    ) -> Result<(ObjectHandle, ObjectHandle), Error> {
        let Some(Kind { mechanism, key_type, more }) = kind else {
            return Err(Error::NotSupported);
        };
        let both = || {
            [
                Attribute::Token(true),
                Attribute::KeyType(key_type),
                Attribute::Id(object.to_vec()),
                Attribute::Label(LABEL.as_bytes().to_vec()),
            ]
        };
        let public: Vec<_> = both()
            .into_iter()
            .chain(more)
            .chain([Attribute::Verify(true), Attribute::Private(false)])
            .collect();
        let private: Vec<_> = both()
            .into_iter()
            .chain([
                Attribute::Sign(true),
                Attribute::Private(true),
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
            ])
            .collect();
        self.session.generate_key_pair(&mechanism, &public, &private)
    }

    fn public(
        &self,
        algorithm: TokenAlgorithm,
        key: ObjectHandle,
    ) -> Result<Option<PublicHalf>, HsmError> {
        let wanted = match algorithm {
            TokenAlgorithm::Rs256 | TokenAlgorithm::Ps256 => {
                vec![AttributeType::Modulus, AttributeType::PublicExponent]
            }
            _ => vec![AttributeType::EcPoint],
        };
        let attributes = self.session.get_attributes(key, &wanted)?;
        let (mut point, mut modulus, mut exponent) = (Vec::new(), Vec::new(), Vec::new());
        for attribute in attributes {
            match attribute {
                Attribute::EcPoint(bytes) => point = bytes,
                Attribute::Modulus(bytes) => modulus = bytes,
                Attribute::PublicExponent(bytes) => exponent = bytes,
                _ => {}
            }
        }
        Ok(match algorithm {
            TokenAlgorithm::Rs256 => {
                PublicHalf::of_numbers(jose::Algorithm::RS256, &modulus, &exponent)
            }
            TokenAlgorithm::Ps256 => {
                PublicHalf::of_numbers(jose::Algorithm::PS256, &modulus, &exponent)
            }
            TokenAlgorithm::Es256 => {
                PublicHalf::of_point(jose::Algorithm::ES256, content(&point, 65))
            }
            TokenAlgorithm::Es384 => {
                PublicHalf::of_point(jose::Algorithm::ES384, content(&point, 97))
            }
            TokenAlgorithm::EdDsa => PublicHalf::of_ed25519(content(&point, 32)),
        })
    }

    /// As it stands in a JWS (RFC 7518 section 3).
    pub(super) fn sign(
        &mut self,
        algorithm: TokenAlgorithm,
        object: &Arc<[u8]>,
        message: &[u8],
    ) -> Result<Vec<u8>, HsmError> {
        let key = self.find(object)?;
        // ECDSA that hashes is newer than many devices are.
        let (mechanism, data, length) = match algorithm {
            TokenAlgorithm::Es256 => (Mechanism::Ecdsa, hash(&digest::SHA256, message), Some(64)),
            TokenAlgorithm::Es384 => (Mechanism::Ecdsa, hash(&digest::SHA384, message), Some(96)),
            TokenAlgorithm::Rs256 => (Mechanism::Sha256RsaPkcs, message.to_vec(), None),
            TokenAlgorithm::Ps256 => {
                let rules = PkcsPssParams {
                    hash_alg: MechanismType::SHA256,
                    mgf: PkcsMgfType::MGF1_SHA256,
                    s_len: 32.into(),
                };
                (Mechanism::Sha256RsaPkcsPss(rules), message.to_vec(), None)
            }
            TokenAlgorithm::EdDsa => {
                let rules = EddsaParams::new(EddsaSignatureScheme::Pure);
                (Mechanism::Eddsa(rules), message.to_vec(), Some(64))
            }
        };
        let signature = self.session.sign(&mechanism, key, &data)?;
        match length {
            Some(length) if signature.len() != length => Err(HsmError::Signature),
            _ => Ok(signature),
        }
    }

    /// Whether the private key is there.
    pub(super) fn has(&mut self, object: &Arc<[u8]>) -> Result<bool, HsmError> {
        match self.find(object) {
            Ok(_) => Ok(true),
            Err(HsmError::NoKey(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Removes both halves; what is not there is no error.
    pub(super) fn destroy(&self, object: &[u8]) -> Result<(), HsmError> {
        for key in self.session.find_objects(&[Attribute::Id(object.to_vec())])? {
            self.session.destroy_object(key)?;
        }
        Ok(())
    }

    fn find(&mut self, object: &Arc<[u8]>) -> Result<ObjectHandle, HsmError> {
        if let Some(key) = self.known.get(object) {
            return Ok(*key);
        }
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(object.to_vec())];
        let found = self.session.find_objects(&template)?;
        let key = found.first().copied();
        let key = key.ok_or_else(|| HsmError::NoKey(data_encoding::HEXLOWER.encode(object)))?;
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(Arc::clone(object), key);
        Ok(key)
    }
}

/// How the device is asked for a key.
struct Kind {
    mechanism: Mechanism<'static>,
    key_type: KeyType,
    more: Vec<Attribute>,
}

/// In the order in which they are tried.
fn kinds(algorithm: TokenAlgorithm) -> Vec<Kind> {
    let curve = |mechanism, key_type, name: &[u8]| Kind {
        mechanism,
        key_type,
        more: vec![Attribute::EcParams(name.to_vec())],
    };
    match algorithm {
        TokenAlgorithm::Es256 => vec![curve(Mechanism::EccKeyPairGen, KeyType::EC, P256)],
        TokenAlgorithm::Es384 => vec![curve(Mechanism::EccKeyPairGen, KeyType::EC, P384)],
        TokenAlgorithm::EdDsa => {
            let edwards = |name| curve(Mechanism::EccEdwardsKeyPairGen, KeyType::EC_EDWARDS, name);
            vec![edwards(ED25519), edwards(ED25519_NAME)]
        }
        TokenAlgorithm::Rs256 | TokenAlgorithm::Ps256 => vec![Kind {
            mechanism: Mechanism::RsaPkcsKeyPairGen,
            key_type: KeyType::RSA,
            more: vec![
                Attribute::ModulusBits(2048.into()),
                Attribute::PublicExponent(vec![1, 0, 1]),
            ],
        }],
    }
}

fn hash(with: &'static digest::Algorithm, message: &[u8]) -> Vec<u8> {
    digest::digest(with, message).as_ref().to_vec()
}

/// A point, which stands in a DER octet string, or at some devices by itself.
fn content(bytes: &[u8], length: usize) -> &[u8] {
    match bytes {
        [0x04, tagged, rest @ ..] if usize::from(*tagged) == length && rest.len() == length => rest,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], length: usize, found: &[u8]) {
        assert_eq!(content(bytes, length), found);
    }

    #[test]
    fn a_point_is_found_with_and_without_its_wrapping() {
        check(&[0x04, 3, 4, 8, 9], 3, &[4, 8, 9]);
        check(&[4, 8, 9], 3, &[4, 8, 9]);
        check(&[0x04, 2, 8, 9], 3, &[0x04, 2, 8, 9]);
        check(&[], 3, &[]);
    }
}
