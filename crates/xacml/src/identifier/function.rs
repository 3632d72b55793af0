//! What is done with values?

use std::fmt;

const PREFIX: &str = "urn:oasis:names:tc:xacml:";

/// A function of the standard (section 10.2.8, and A.4 for those that it keeps and discourages).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    version: &'static str,
    name: &'static str,
}

impl Function {
    /// The function with this identifier.
    pub fn find(identifier: &str) -> Option<Self> {
        let (version, rest) = identifier.strip_prefix(PREFIX)?.split_once(':')?;
        let name = rest.strip_prefix("function:")?;
        let (version, names) = ALL.into_iter().find(|(known, _)| *known == version)?;
        let name = names.split_whitespace().find(|known| *known == name)?;
        Some(Self { version, name })
    }

    /// The version of XACML that defined it: `1.0`, `2.0` or `3.0`.
    pub const fn version(self) -> &'static str {
        self.version
    }

    /// Its name, as at the end of its identifier.
    pub const fn name(self) -> &'static str {
        self.name
    }

    pub(crate) fn known() -> impl Iterator<Item = String> {
        let of = |(version, names): (&'static str, &'static str)| {
            names.split_whitespace().map(move |name| Self { version, name }.to_string())
        };
        ALL.into_iter().flat_map(of)
    }
}

impl fmt::Display for Function {
    /// The identifier.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:function:{}", self.version, self.name)
    }
}

const ALL: [(&str, &str); 3] = [("3.0", OF_3_0), ("2.0", OF_2_0), ("1.0", OF_1_0)];

const OF_1_0: &str = "
    string-equal boolean-equal integer-equal double-equal date-equal time-equal dateTime-equal
    anyURI-equal x500Name-equal rfc822Name-equal hexBinary-equal base64Binary-equal
    dayTimeDuration-equal yearMonthDuration-equal
    integer-add double-add integer-subtract double-subtract integer-multiply double-multiply
    integer-divide double-divide integer-mod integer-abs double-abs round floor
    string-normalize-space string-normalize-to-lower-case double-to-integer integer-to-double
    or and n-of not
    integer-greater-than integer-greater-than-or-equal integer-less-than
    integer-less-than-or-equal
    double-greater-than double-greater-than-or-equal double-less-than double-less-than-or-equal
    string-greater-than string-greater-than-or-equal string-less-than string-less-than-or-equal
    time-greater-than time-greater-than-or-equal time-less-than time-less-than-or-equal
    dateTime-greater-than dateTime-greater-than-or-equal dateTime-less-than
    dateTime-less-than-or-equal
    date-greater-than date-greater-than-or-equal date-less-than date-less-than-or-equal
    dateTime-add-dayTimeDuration dateTime-add-yearMonthDuration dateTime-subtract-dayTimeDuration
    dateTime-subtract-yearMonthDuration date-add-yearMonthDuration date-subtract-yearMonthDuration
    string-one-and-only string-bag-size string-is-in string-bag
    boolean-one-and-only boolean-bag-size boolean-is-in boolean-bag
    integer-one-and-only integer-bag-size integer-is-in integer-bag
    double-one-and-only double-bag-size double-is-in double-bag
    time-one-and-only time-bag-size time-is-in time-bag
    date-one-and-only date-bag-size date-is-in date-bag
    dateTime-one-and-only dateTime-bag-size dateTime-is-in dateTime-bag
    anyURI-one-and-only anyURI-bag-size anyURI-is-in anyURI-bag
    hexBinary-one-and-only hexBinary-bag-size hexBinary-is-in hexBinary-bag
    base64Binary-one-and-only base64Binary-bag-size base64Binary-is-in base64Binary-bag
    dayTimeDuration-one-and-only dayTimeDuration-bag-size dayTimeDuration-is-in dayTimeDuration-bag
    yearMonthDuration-one-and-only yearMonthDuration-bag-size yearMonthDuration-is-in
    yearMonthDuration-bag
    x500Name-one-and-only x500Name-bag-size x500Name-is-in x500Name-bag
    rfc822Name-one-and-only rfc822Name-bag-size rfc822Name-is-in rfc822Name-bag
    string-intersection string-at-least-one-member-of string-union string-subset string-set-equals
    boolean-intersection boolean-at-least-one-member-of boolean-union boolean-subset
    boolean-set-equals
    integer-intersection integer-at-least-one-member-of integer-union integer-subset
    integer-set-equals
    double-intersection double-at-least-one-member-of double-union double-subset double-set-equals
    time-intersection time-at-least-one-member-of time-union time-subset time-set-equals
    date-intersection date-at-least-one-member-of date-union date-subset date-set-equals
    dateTime-intersection dateTime-at-least-one-member-of dateTime-union dateTime-subset
    dateTime-set-equals
    anyURI-intersection anyURI-at-least-one-member-of anyURI-union anyURI-subset anyURI-set-equals
    hexBinary-intersection hexBinary-at-least-one-member-of hexBinary-union hexBinary-subset
    hexBinary-set-equals
    base64Binary-intersection base64Binary-at-least-one-member-of base64Binary-union
    base64Binary-subset base64Binary-set-equals
    dayTimeDuration-intersection dayTimeDuration-at-least-one-member-of dayTimeDuration-union
    dayTimeDuration-subset dayTimeDuration-set-equals
    yearMonthDuration-intersection yearMonthDuration-at-least-one-member-of
    yearMonthDuration-union yearMonthDuration-subset yearMonthDuration-set-equals
    x500Name-intersection x500Name-at-least-one-member-of x500Name-union x500Name-subset
    x500Name-set-equals
    rfc822Name-intersection rfc822Name-at-least-one-member-of rfc822Name-union rfc822Name-subset
    rfc822Name-set-equals
    any-of all-of any-of-any all-of-any any-of-all all-of-all map
    x500Name-match rfc822Name-match string-regexp-match
    xpath-node-count xpath-node-equal xpath-node-match
";

const OF_2_0: &str = "
    string-concatenate uri-string-concatenate time-in-range
    anyURI-regexp-match ipAddress-regexp-match dnsName-regexp-match rfc822Name-regexp-match
    x500Name-regexp-match
    ipAddress-one-and-only ipAddress-bag-size ipAddress-bag
    dnsName-one-and-only dnsName-bag-size dnsName-bag
";

const OF_3_0: &str = "
    dayTimeDuration-equal yearMonthDuration-equal string-equal-ignore-case
    dateTime-add-dayTimeDuration dateTime-add-yearMonthDuration dateTime-subtract-dayTimeDuration
    dateTime-subtract-yearMonthDuration date-add-yearMonthDuration date-subtract-yearMonthDuration
    boolean-from-string string-from-boolean integer-from-string string-from-integer
    double-from-string string-from-double time-from-string string-from-time
    date-from-string string-from-date dateTime-from-string string-from-dateTime
    anyURI-from-string string-from-anyURI
    dayTimeDuration-from-string string-from-dayTimeDuration
    yearMonthDuration-from-string string-from-yearMonthDuration
    x500Name-from-string string-from-x500Name rfc822Name-from-string string-from-rfc822Name
    ipAddress-from-string string-from-ipAddress dnsName-from-string string-from-dnsName
    string-starts-with anyURI-starts-with string-ends-with anyURI-ends-with
    string-contains anyURI-contains string-substring anyURI-substring
    dayTimeDuration-one-and-only dayTimeDuration-bag-size dayTimeDuration-is-in dayTimeDuration-bag
    yearMonthDuration-one-and-only yearMonthDuration-bag-size yearMonthDuration-is-in
    yearMonthDuration-bag
    dayTimeDuration-intersection dayTimeDuration-at-least-one-member-of dayTimeDuration-union
    dayTimeDuration-subset dayTimeDuration-set-equals
    yearMonthDuration-intersection yearMonthDuration-at-least-one-member-of
    yearMonthDuration-union yearMonthDuration-subset yearMonthDuration-set-equals
    any-of all-of any-of-any map
    xpath-node-count xpath-node-equal xpath-node-match access-permitted
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_function_is_found_by_its_identifier_and_stands_once() {
        let all: Vec<String> = Function::known().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        for identifier in &all {
            assert_eq!(Function::find(identifier).unwrap().to_string(), *identifier);
        }
        let of = |version: &str| {
            let prefix = format!("{PREFIX}{version}:");
            all.iter().filter(|identifier| identifier.starts_with(&prefix)).count()
        };
        // 253 of section 10.2.8: 171, 13 and 69. The rest is kept from earlier versions: of 1.0 the
        // durations (2 + 8 + 10), dates and durations (6), the bags that have newer forms (4) and
        // XPath (3); of 2.0 one concatenation.
        assert_eq!((of("1.0"), of("2.0"), of("3.0")), (171 + 33, 13 + 1, 69));
        for unknown in ["urn:oasis:names:tc:xacml:2.0:function:string-equal", "string-equal", ""] {
            assert_eq!(Function::find(unknown), None);
        }
    }
}
