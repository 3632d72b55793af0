//! In which `XPath` are the paths of a policy written?

/// A version of `XPath` (section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XPathVersion {
    /// `XPath` 1.0.
    One,
    /// `XPath` 2.0.
    Two,
}

impl XPathVersion {
    /// The identifiers, in both spellings that are written for `XPath` 1.0.
    const ALL: [(Self, &'static str); 3] = [
        (Self::One, "http://www.w3.org/TR/1999/REC-xpath-19991116"),
        (Self::One, "http://www.w3.org/TR/1999/Rec-xpath-19991116"),
        (Self::Two, "http://www.w3.org/TR/2007/REC-xpath20-20070123"),
    ];

    /// The version with this identifier.
    pub fn find(identifier: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == identifier).map(|(version, _)| version)
    }

    pub(crate) fn known() -> impl Iterator<Item = String> {
        Self::ALL.into_iter().map(|(_, identifier)| identifier.to_owned())
    }
}
