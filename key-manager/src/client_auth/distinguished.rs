//! Does a certificate's subject have the distinguished name that was registered?
//!
//! The registered text is RFC 4514: the last part of the certificate's name comes first. Types are
//! compared as object identifiers and values letter by letter; nothing is folded or guessed.

use x509_parser::x509::X509Name;

/// A relative distinguished name: types and values, sorted.
type Relative = Vec<(String, String)>;

/// The short names of RFC 4514 section 3, and `SERIALNUMBER` and `E`, which are common.
const TYPES: [(&str, &str); 11] = [
    ("CN", "2.5.4.3"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("C", "2.5.4.6"),
    ("STREET", "2.5.4.9"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("E", "1.2.840.113549.1.9.1"),
];

/// Whether `subject` is the name that `expected` writes.
pub(super) fn is(subject: &X509Name<'_>, expected: &str) -> bool {
    parse(expected).is_some_and(|expected| shown(subject) == Some(expected))
}

/// Whether a text is a distinguished name that a certificate can have.
pub(super) fn is_name(text: &str) -> bool {
    parse(text).is_some()
}

/// As in the certificate. `None`: a value is no text.
fn shown(subject: &X509Name<'_>) -> Option<Vec<Relative>> {
    let mut name = Vec::new();
    for relative in subject.iter_rdn() {
        let mut parts = Vec::new();
        for part in relative.iter() {
            parts.push((part.attr_type().to_id_string(), part.as_str().ok()?.to_owned()));
        }
        parts.sort();
        name.push(parts);
    }
    Some(name)
}

/// As registered, in the order of the certificate.
fn parse(text: &str) -> Option<Vec<Relative>> {
    let mut name = vec![Relative::new()];
    let mut rest = text.chars().peekable();
    loop {
        let kind: String = std::iter::from_fn(|| rest.next_if(|next| *next != '=')).collect();
        rest.next()?;
        let (value, end) = value(&mut rest)?;
        name.last_mut()?.push((identifier(kind.trim())?, value));
        match end {
            None => break,
            Some(',') => name.push(Relative::new()),
            Some(_) => {}
        }
    }
    for relative in &mut name {
        relative.sort();
    }
    name.reverse();
    Some(name)
}

fn identifier(kind: &str) -> Option<String> {
    let short = TYPES.iter().find(|(short, _)| short.eq_ignore_ascii_case(kind));
    let dotted = !kind.is_empty()
        && kind.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()));
    match short {
        Some((_, identifier)) => Some((*identifier).to_owned()),
        None => dotted.then(|| kind.to_owned()),
    }
}

/// A value without its escapes, and what ended it: `,`, `+` or the end of the text.
fn value(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<(String, Option<char>)> {
    let mut bytes = Vec::new();
    // How much of it stays when spaces at the end that nobody escaped are dropped.
    let mut kept = 0;
    while rest.next_if_eq(&' ').is_some() {}
    if rest.peek() == Some(&'#') {
        return None;
    }
    let mut letter = [0; 4];
    let end = loop {
        match rest.next() {
            None => break None,
            Some(end @ (',' | '+')) => break Some(end),
            Some('"' | ';' | '<' | '>' | '\0') => return None,
            Some('\\') => {
                bytes.extend(escaped(rest)?);
                kept = bytes.len();
            }
            Some(plain) => {
                bytes.extend_from_slice(plain.encode_utf8(&mut letter).as_bytes());
                if plain != ' ' {
                    kept = bytes.len();
                }
            }
        }
    };
    bytes.truncate(kept);
    let value = String::from_utf8(bytes).ok().filter(|value| !value.is_empty())?;
    Some((value, end))
}

/// What follows a backslash: a character with a meaning, or two hexadecimal digits.
fn escaped(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Vec<u8>> {
    let first = rest.next()?;
    if " \"#+,;<=>\\".contains(first) {
        return Some(vec![u8::try_from(first).ok()?]);
    }
    let (high, low) = (first.to_digit(16)?, rest.next()?.to_digit(16)?);
    Some(vec![u8::try_from(high << 4 | low).ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `read` is the name in the order of the certificate, or "-".
    #[track_caller]
    fn check(text: &str, read: &str) {
        let said = parse(text).map_or("-".to_owned(), |name| {
            let relative = |parts: &Relative| {
                let parts: Vec<_> = parts.iter().map(|(k, v)| format!("{k}={v}")).collect();
                parts.join("+")
            };
            name.iter().map(relative).collect::<Vec<_>>().join("/")
        });
        assert_eq!(said, read, "{text}");
    }

    #[test]
    fn a_name_is_written_backwards() {
        check("CN=app,O=Acme,C=DE", "2.5.4.6=DE/2.5.4.10=Acme/2.5.4.3=app");
        check("cn=app, o=Acme Ltd ", "2.5.4.10=Acme Ltd/2.5.4.3=app");
        check("UID=7+CN=app", "0.9.2342.19200300.100.1.1=7+2.5.4.3=app");
        check("1.3.6.1.4.1.1466.0=x", "1.3.6.1.4.1.1466.0=x");
    }

    #[test]
    fn escapes_are_undone_once() {
        check(r"CN=a\,b\+c\\d", r"2.5.4.3=a,b+c\d");
        check(r"CN=L\C4\8Di\ ", "2.5.4.3=Lči ");
        check(r"CN=a=b", "2.5.4.3=a=b");
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in
            ["", "CN", "CN=", "=x", "CN=a,", "XX=a", "CN=#0401", "CN=\"a\"", r"CN=a\", "CN=a;O=b"]
        {
            check(text, "-");
        }
        check(r"CN=\ff", "-");
    }
}
