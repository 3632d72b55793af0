//! Which way has a request come, as the `Forwarded` fields of RFC 7239 tell it?

use http::HeaderMap;

/// What one proxy says of the request as it came to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// `for`: who sent it; empty: not said.
    pub from: String,
    /// `host`: what it asked for; empty: not said.
    pub host: String,
    /// `proto`: the scheme; empty: not said.
    pub proto: String,
}

/// The hops, the first proxy's first. Where the fields cannot be read nothing is known.
pub fn elements(headers: &HeaderMap) -> Vec<Hop> {
    let mut hops = Vec::new();
    for field in headers.get_all("forwarded") {
        let Some(more) = field.to_str().ok().and_then(read) else { return Vec::new() };
        hops.extend(more);
    }
    hops
}

fn read(field: &str) -> Option<Vec<Hop>> {
    let (mut hops, mut hop, mut rest) = (Vec::new(), Hop::default(), field);
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        let slot = match name.trim().to_ascii_lowercase().as_str() {
            "for" => Some(&mut hop.from),
            "host" => Some(&mut hop.host),
            "proto" => Some(&mut hop.proto),
            _ => None,
        };
        if let Some(slot) = slot {
            *slot = value;
        }
        let after = after.trim_start();
        match after.chars().next() {
            None => {
                hops.push(hop);
                return Some(hops);
            }
            Some(';') => {}
            Some(',') => hops.push(std::mem::take(&mut hop)),
            Some(_) => return None,
        }
        rest = after.get(1..)?;
    }
}

/// A token or a quoted string, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at_checked(end)?;
        return (!token.contains('"')).then(|| (token.to_owned(), rest));
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (place, letter) in quoted.char_indices() {
        match letter {
            _ if escaped => {
                value.push(letter);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((value, quoted.get(place + 1..)?)),
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each hop as "for host proto", with `-` for what is not said.
    #[track_caller]
    fn check(field: &str, expected: Option<&str>) {
        let hops = read(field).map(|hops| {
            let or = |text: String| if text.is_empty() { "-".to_owned() } else { text };
            let shown = |hop: Hop| format!("{} {} {}", or(hop.from), or(hop.host), or(hop.proto));
            hops.into_iter().map(shown).collect::<Vec<_>>().join(" | ")
        });
        assert_eq!(hops.as_deref(), expected);
    }

    #[test]
    fn each_proxy_adds_an_element() {
        check("for=192.0.2.1", Some("192.0.2.1 - -"));
        check("For=a;PROTO=https;by=x;host=h, for=b", Some("a h https | b - -"));
        check("for=a , for=b", Some("a - - | b - -"));
    }

    #[test]
    fn quotes_hold_what_would_end_a_token() {
        check(r#"for="[2001:db8::1]:80";host="a,b""#, Some("[2001:db8::1]:80 a,b -"));
        check(r#"for="a\"b""#, Some(r#"a"b - -"#));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for field in ["", "for", "for=\"a", "for=a\"b", "for=a b=c", "for=a,", ","] {
            check(field, None);
        }
    }
}
