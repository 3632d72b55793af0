//! What is a value?

/// A data type (section 10.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// Any text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number of any size.
    Integer,
    /// A number of IEEE 754 with 64 bits.
    Double,
    /// A time of day.
    Time,
    /// A day.
    Date,
    /// A point in time.
    DateTime,
    /// A URI.
    AnyUri,
    /// Bytes in hexadecimal digits.
    HexBinary,
    /// Bytes in Base64.
    Base64Binary,
    /// Days, hours, minutes and seconds.
    DayTimeDuration,
    /// Years and months.
    YearMonthDuration,
    /// A distinguished name (RFC 2253).
    X500Name,
    /// A mail address.
    Rfc822Name,
    /// An address, perhaps with a mask and ports.
    IpAddress,
    /// A host name, perhaps with ports.
    DnsName,
    /// A path in the content of a category.
    XPathExpression,
}

impl DataType {
    /// The identifiers; the last two are those of XACML 2.0, which 3.0 keeps (appendix A.4).
    const ALL: [(Self, &'static str); 19] = [
        (Self::String, "http://www.w3.org/2001/XMLSchema#string"),
        (Self::Boolean, "http://www.w3.org/2001/XMLSchema#boolean"),
        (Self::Integer, "http://www.w3.org/2001/XMLSchema#integer"),
        (Self::Double, "http://www.w3.org/2001/XMLSchema#double"),
        (Self::Time, "http://www.w3.org/2001/XMLSchema#time"),
        (Self::Date, "http://www.w3.org/2001/XMLSchema#date"),
        (Self::DateTime, "http://www.w3.org/2001/XMLSchema#dateTime"),
        (Self::AnyUri, "http://www.w3.org/2001/XMLSchema#anyURI"),
        (Self::HexBinary, "http://www.w3.org/2001/XMLSchema#hexBinary"),
        (Self::Base64Binary, "http://www.w3.org/2001/XMLSchema#base64Binary"),
        (Self::DayTimeDuration, "http://www.w3.org/2001/XMLSchema#dayTimeDuration"),
        (Self::YearMonthDuration, "http://www.w3.org/2001/XMLSchema#yearMonthDuration"),
        (Self::X500Name, "urn:oasis:names:tc:xacml:1.0:data-type:x500Name"),
        (Self::Rfc822Name, "urn:oasis:names:tc:xacml:1.0:data-type:rfc822Name"),
        (Self::IpAddress, "urn:oasis:names:tc:xacml:2.0:data-type:ipAddress"),
        (Self::DnsName, "urn:oasis:names:tc:xacml:2.0:data-type:dnsName"),
        (Self::XPathExpression, "urn:oasis:names:tc:xacml:3.0:data-type:xpathExpression"),
        (
            Self::DayTimeDuration,
            "http://www.w3.org/TR/2002/WD-xquery-operators-20020816#dayTimeDuration",
        ),
        (
            Self::YearMonthDuration,
            "http://www.w3.org/TR/2002/WD-xquery-operators-20020816#yearMonthDuration",
        ),
    ];

    /// The type with this identifier.
    pub fn find(identifier: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == identifier).map(|(one, _)| one)
    }

    /// Its name in sentences, as at the end of its identifier.
    pub fn name(self) -> &'static str {
        let identifier = Self::ALL.into_iter().find(|(one, _)| *one == self);
        let identifier = identifier.map_or("", |(_, identifier)| identifier);
        identifier.rsplit(['#', ':']).next().unwrap_or(identifier)
    }

    pub(crate) fn known() -> impl Iterator<Item = String> {
        Self::ALL.into_iter().map(|(_, identifier)| identifier.to_owned())
    }
}
