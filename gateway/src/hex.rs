//! How do bytes look in hexadecimal digits?
//!
//! In lower case, as names of calls, traces and digests are written.

/// A name of 16 bytes.
pub fn hex(name: [u8; 16]) -> [u8; 32] {
    let mut text = [0; 32];
    let (pairs, _) = text.as_chunks_mut();
    for (pair, byte) in pairs.iter_mut().zip(name) {
        *pair = digits(byte);
    }
    text
}

/// Bytes of any number.
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| digits(*byte)).map(char::from).collect()
}

const fn digits(byte: u8) -> [u8; 2] {
    [digit(byte >> 4), digit(byte & 15)]
}

const fn digit(half: u8) -> u8 {
    // Without a branch, so that all digits of a name are made at once.
    b'0' + half + (half > 9) as u8 * (b'a' - b'0' - 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_of_a_byte_has_its_digit() {
        let name = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xf0";
        let expected = "00112233445566778899aabbccddeef0";
        assert_eq!(hex(name).as_slice(), expected.as_bytes());
        assert_eq!(text(&name), expected);
        assert_eq!(text(&[]), "");
    }
}
