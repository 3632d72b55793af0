//! What does a refresh token look like, and which family does it name? (KM-061)
//!
//! `kmrt_`, then identifier and secret in base 62, then a checksum. Every character counts: a token
//! that is cut, longer or changed anywhere is none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

const PREFIX: &str = "kmrt_";
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 16 bytes that name the family, 32 that nobody can guess.
const BYTES: usize = 48;
/// 62^65 is the first power beyond 2^384.
const BODY: usize = 65;
/// 62^6 is the first power beyond 2^32.
const CHECK: usize = 6;

/// A name for what comes from one authorization.
pub fn new_family_id() -> String {
    chassis::random::token(16)
}

/// A new refresh token of a family. `None`: that is no family.
pub fn new_refresh_token(family: &str) -> Option<Zeroizing<String>> {
    let mut number = Zeroizing::new([0; BYTES]);
    let id = URL_SAFE_NO_PAD.decode(family).ok().filter(|id| id.len() == 16)?;
    let secret = Zeroizing::new(chassis::random::bytes::<32>());
    let bytes = id.iter().chain(secret.iter());
    number.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    let mut text = Zeroizing::new(format!("{PREFIX}{}", encode(number.as_mut(), BODY)));
    let check = checksum(&text);
    text.push_str(&check);
    Some(text)
}

/// The family that a refresh token says it is of. `None`: it is no refresh token of ours.
pub fn family_of(token: &str) -> Option<String> {
    let (signed, check) = token.split_at_checked(PREFIX.len().checked_add(BODY)?)?;
    if check != checksum(signed) {
        return None;
    }
    let number = Zeroizing::new(decode(signed.strip_prefix(PREFIX)?)?);
    Some(URL_SAFE_NO_PAD.encode(number.get(..16)?))
}

fn checksum(text: &str) -> String {
    encode(&mut crc32fast::hash(text.as_bytes()).to_be_bytes(), CHECK)
}

/// `number` in `length` digits to base 62; it is 0 afterwards.
fn encode(number: &mut [u8], length: usize) -> String {
    let mut digits = Vec::with_capacity(length);
    for _ in 0..length {
        let mut rest = 0_u32;
        for byte in number.iter_mut() {
            let value = rest << 8 | u32::from(*byte);
            // `rest` is below 62, so the quotient fits.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        digits.push(usize::try_from(rest).ok().and_then(|rest| LETTERS.get(rest)).copied());
    }
    digits.into_iter().rev().flatten().map(char::from).collect()
}

fn decode(text: &str) -> Option<[u8; BYTES]> {
    let mut number = [0; BYTES];
    for letter in text.bytes() {
        let digit = LETTERS.iter().position(|known| *known == letter)?;
        let mut carry = u32::try_from(digit).ok()?;
        for byte in number.iter_mut().rev() {
            let value = u32::from(*byte) * 62 + carry;
            *byte = u8::try_from(value & 0xff).ok()?;
            carry = value >> 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_family_in_its_full_length_only() {
        let family = new_family_id();
        let token = new_refresh_token(&family).expect("a token");
        assert_eq!(token.len(), PREFIX.len() + BODY + CHECK);
        assert_eq!(family_of(&token), Some(family.clone()));
        for end in 0..token.len() {
            let cut = token.get(..end).expect("a part");
            assert_eq!(family_of(cut), None, "cut at {end}");
        }
        assert_eq!(family_of(&format!("{}0", token.as_str())), None);
        for at in 0..token.len() {
            let mut changed = token.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("text");
            assert_eq!(family_of(&changed), None, "changed at {at}");
        }
        let swapped = token.replace(char::is_lowercase, "A");
        assert_eq!(family_of(&swapped), None);
        let other = new_refresh_token(&family).expect("a token");
        assert_ne!(token.as_str(), other.as_str());
    }

    #[test]
    fn a_number_beyond_48_bytes_is_refused() {
        let body = format!("{PREFIX}{}", "z".repeat(BODY));
        assert_eq!(family_of(&format!("{body}{}", checksum(&body))), None);
        assert!(new_refresh_token("short").is_none());
    }
}
