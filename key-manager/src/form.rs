//! What stands in a form, strictly read?
//!
//! `application/x-www-form-urlencoded` as RFC 6749 appendix B has it. Nothing is guessed: a
//! parameter that comes twice, a broken escape, NUL or bytes that are no UTF-8 refuse the whole
//! form (KM-022).

/// The parameters of a request, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("a percent sign is not followed by two hexadecimal digits")]
    Escape,
    #[error("a parameter is not UTF-8, or holds NUL")]
    Text,
    #[error("the parameter `{0}` comes twice")]
    Repeated(String),
    #[error("there are more than {} parameters", Form::MOST)]
    TooMany,
}

impl Form {
    /// The most parameters of one form.
    pub const MOST: usize = 64;

    /// The parameters that may come more than once (RFC 8707 section 2, RFC 8693 section 2.1).
    const REPEATABLE: [&str; 2] = ["resource", "audience"];

    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut form = Self::default();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            form.put(name, value)?;
        }
        Ok(form)
    }

    /// Adds a parameter that was not in the body.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), FormError> {
        if value.contains('\0') {
            return Err(FormError::Text);
        }
        self.put(name.to_owned(), value.to_owned())
    }

    fn put(&mut self, name: String, value: String) -> Result<(), FormError> {
        if !Self::may_repeat(&name) && self.holds(&name) {
            return Err(FormError::Repeated(name));
        }
        if self.0.len() >= Self::MOST {
            return Err(FormError::TooMany);
        }
        self.0.push((name, value));
        Ok(())
    }

    /// Whether a parameter may come more than once.
    pub fn may_repeat(name: &str) -> bool {
        Self::REPEATABLE.contains(&name)
    }

    /// The same but for some parameters.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Self(kept.cloned().collect())
    }

    /// As the body of a form.
    pub fn to_text(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    /// The value of a parameter. One without a value counts as left out (RFC 6749 section 3.2).
    pub fn find(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter that may come more than once.
    pub fn all<'form>(&'form self, name: &str) -> impl Iterator<Item = &'form str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn holds(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

/// Undoes `+` and `%XX`.
pub fn decode(text: &[u8]) -> Result<String, FormError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = rest.next().and_then(hexadecimal).ok_or(FormError::Escape)?;
                let low = rest.next().and_then(hexadecimal).ok_or(FormError::Escape)?;
                high << 4 | low
            }
            other => other,
        });
    }
    if bytes.contains(&0) {
        return Err(FormError::Text);
    }
    String::from_utf8(bytes).map_err(|_| FormError::Text)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `read` is the form as `name=value` lines, or the refusal.
    #[track_caller]
    fn check(body: &str, read: &str) {
        let said = match Form::parse(body.as_bytes()) {
            Ok(Form(pairs)) => {
                let lines: Vec<_> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
                lines.join("\n")
            }
            Err(refusal) => format!("{refusal:?}"),
        };
        assert_eq!(said, read);
    }

    #[test]
    fn plus_and_percent_are_undone_once() {
        check("a=b+c&d=%2B%252b&e%20=%C3%A4", "a=b c\nd=+%2b\ne =ä");
        check("a=b=c&d&&e=", "a=b=c\nd=\ne=");
    }

    #[test]
    fn a_repeated_parameter_refuses_the_form() {
        check("scope=a&scope=b", "Repeated(\"scope\")");
        check("a=1&a=", "Repeated(\"a\")");
        check("unknown=1&unknown=1", "Repeated(\"unknown\")");
        check("%61=1&a=1", "Repeated(\"a\")");
        check("resource=a&resource=b", "resource=a\nresource=b");
    }

    #[test]
    fn what_is_no_text_refuses_the_form() {
        for body in ["a=%", "a=%4", "a=%zz", "a=%+1"] {
            check(body, "Escape");
        }
        for body in ["a=%00", "a=%ff", "a=%c0%af", "a=%ed%a0%80"] {
            check(body, "Text");
        }
    }

    #[test]
    fn a_form_is_bounded() {
        let many: Vec<_> = (0..=Form::MOST).map(|n| format!("p{n}=1")).collect();
        check(&many.join("&"), "TooMany");
    }

    #[test]
    fn a_parameter_without_a_value_counts_as_left_out() {
        let form = Form::parse(b"scope=&resource=&resource=a").expect("a form");
        assert_eq!((form.find("scope"), form.find("resource")), (None, Some("a")));
    }
}
