//! Which device is it, and how much is asked of it at a time?

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::HsmError;

/// `[keys.pkcs11]`, checked.
#[derive(Clone, Debug)]
pub struct HsmRules {
    pub(super) module: PathBuf,
    pub(super) which: Which,
    pub(super) pin_file: PathBuf,
    pub(super) sessions: usize,
    pub(super) waiting: usize,
    pub(super) timeout: Duration,
}

/// A token of the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    Label(String),
    Slot(u64),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "`{label}`"),
            Self::Slot(slot) => write!(f, "in slot {slot}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HsmRulesError {
    #[error("name the token by either `token` or `slot`")]
    Which,
    #[error("`slot` is a number")]
    Slot,
    #[error("`pin_file` is missing")]
    Pin,
    #[error("`sessions` is at least 1")]
    Sessions,
}

impl HsmRules {
    pub fn new(
        module: PathBuf,
        (token, slot): (String, &str),
        pin_file: PathBuf,
        (sessions, waiting): (usize, usize),
        timeout: Duration,
    ) -> Result<Self, HsmRulesError> {
        let which = match (token.is_empty(), slot.is_empty()) {
            (false, true) => Which::Label(token),
            (true, false) => Which::Slot(slot.parse().map_err(|_| HsmRulesError::Slot)?),
            _ => return Err(HsmRulesError::Which),
        };
        if pin_file.as_os_str().is_empty() {
            return Err(HsmRulesError::Pin);
        }
        if sessions == 0 {
            return Err(HsmRulesError::Sessions);
        }
        Ok(Self { module, which, pin_file, sessions, waiting, timeout })
    }

    /// The first line of the file, which only its owner may read.
    pub(super) fn pin(&self) -> Result<Zeroizing<String>, HsmError> {
        let path = || self.pin_file.display().to_string();
        let failed = |source| HsmError::PinFile { path: path(), source };
        let mode = std::fs::metadata(&self.pin_file).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(HsmError::OpenPinFile { path: path() });
        }
        let text = Zeroizing::new(std::fs::read_to_string(&self.pin_file).map_err(failed)?);
        Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        token: &str,
        slot: &str,
        pin: &str,
        sessions: usize,
        said: &Result<Which, HsmRulesError>,
    ) {
        let rules = HsmRules::new(
            PathBuf::from("/lib/module.so"),
            (token.to_owned(), slot),
            PathBuf::from(pin),
            (sessions, 1),
            Duration::from_secs(1),
        );
        assert_eq!(&rules.map(|rules| rules.which), said);
    }

    #[test]
    fn a_token_is_named_once_and_has_a_pin() {
        check("keys", "", "pin", 1, &Ok(Which::Label("keys".to_owned())));
        check("", "7", "pin", 1, &Ok(Which::Slot(7)));
        check("", "", "pin", 1, &Err(HsmRulesError::Which));
        check("keys", "7", "pin", 1, &Err(HsmRulesError::Which));
        check("", "x", "pin", 1, &Err(HsmRulesError::Slot));
        check("keys", "", "", 1, &Err(HsmRulesError::Pin));
        check("keys", "", "pin", 0, &Err(HsmRulesError::Sessions));
    }

    #[test]
    fn a_pin_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let pin_file = folder.path().join("pin");
        std::fs::write(&pin_file, "1234\nmore\n").expect("a file");
        let which = ("keys".to_owned(), "");
        let second = Duration::from_secs(1);
        let rules = HsmRules::new(PathBuf::from("m"), which, pin_file.clone(), (1, 1), second);
        let rules = rules.expect("rules");
        let allow = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&pin_file, permissions).expect("a mode");
        };
        allow(0o640);
        assert!(matches!(rules.pin(), Err(HsmError::OpenPinFile { .. })));
        allow(0o400);
        assert_eq!(rules.pin().expect("a PIN").as_str(), "1234");
    }
}
