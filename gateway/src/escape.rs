//! How are bytes written in paths and queries (RFC 3986 §2.1)?

/// Undoes percent-encoding; in a `query` a `+` is a space.
pub fn decoded(text: &str, query: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digits = after.first_chunk::<2>().and_then(|two| str::from_utf8(two).ok());
        let escaped = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (byte, escaped) {
            (b'%', Some(escaped)) => {
                out.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) if query => out.push(b' '),
            _ => out.push(*byte),
        }
    }
    out
}

/// Escapes all but unreserved characters and those in `besides`.
pub fn encoded(bytes: &[u8], besides: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |four: u8| char::from(DIGITS.get(usize::from(four)).copied().unwrap_or(b'0'));
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || besides.contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}
