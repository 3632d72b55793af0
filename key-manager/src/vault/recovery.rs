//! What does a person use when the telephone is gone?
//!
//! Ten codes of 80 random bits, each good once. That many bits need no slow hash.

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

/// How many there are.
const CODES: usize = 10;

/// New ones, as they are shown once: four groups of four letters and digits.
pub fn new_recovery_codes() -> Vec<Zeroizing<String>> {
    let one = || {
        let text = BASE32_NOPAD.encode(&chassis::random::bytes::<10>()).to_lowercase();
        let groups: Vec<&str> =
            (0..4).filter_map(|group| text.get(group * 4..group * 4 + 4)).collect();
        Zeroizing::new(groups.join("-"))
    };
    (0..CODES).map(|_| one()).collect()
}

/// A code as somebody typed it, in the form that is digested; `None`: it is none.
pub fn recovery_code(typed: &str) -> Option<String> {
    let plain: String = typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .flat_map(char::to_lowercase)
        .take(17)
        .collect();
    (plain.len() == 16).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_differ_and_are_read_however_they_are_typed() {
        let codes = new_recovery_codes();
        assert_eq!(codes.len(), CODES);
        let mut plain: Vec<_> = codes.iter().filter_map(|code| recovery_code(code)).collect();
        plain.sort();
        plain.dedup();
        assert_eq!(plain.len(), CODES);
        assert_eq!(recovery_code(" ABCD efgh-ijkl mnop "), Some("abcdefghijklmnop".to_owned()));
        assert_eq!(recovery_code("123456"), None);
        assert_eq!(recovery_code(&"a".repeat(1000)), None);
    }
}
