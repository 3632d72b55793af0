//! How does an answer say what the cache did?
//!
//! The `Cache-Status` field of RFC 9211.

use std::fmt::Write as _;

use http::HeaderValue;

use crate::storing::NotKept;

/// Why a request went on to its server (RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// The cache was told to stay out of it.
    Bypass,
    /// The method is not one that is answered from the cache.
    Method,
    /// Nothing is kept under the target.
    UriMiss,
    /// What is kept under the target does not fit the request.
    VaryMiss,
    /// The request wants to know from the server.
    Request,
    /// What is kept is stale.
    Stale,
}

/// What the cache did for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// It answered; so many milliseconds of freshness were left.
    Hit {
        /// Milliseconds of freshness; negative: how stale the answer is.
        left: i64,
    },
    /// Another request that was on its way already brought the answer.
    Collapsed {
        /// Why that one went on.
        forwarded: Forwarded,
    },
    /// The server was asked.
    Asked {
        /// Why.
        forwarded: Forwarded,
        /// Its status, where the client sees another.
        status: Option<u16>,
        /// Whether the answer is kept, or why not.
        kept: Result<(), Option<NotKept>>,
    },
}

impl Handling {
    /// The field's value.
    pub fn value(self) -> Option<HeaderValue> {
        let mut text = "turnpike".to_owned();
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Hit { left } => write!(text, "; hit; ttl={}", left.div_euclid(1000)),
            Self::Collapsed { forwarded } => {
                write!(text, "; fwd={}; collapsed", forwarded.word())
            }
            Self::Asked { forwarded, status, kept } => {
                let _ = write!(text, "; fwd={}", forwarded.word());
                if let Some(status) = status {
                    let _ = write!(text, "; fwd-status={status}");
                }
                match kept {
                    Ok(()) => write!(text, "; stored"),
                    Err(Some(why)) => write!(text, "; detail={}", why.word()),
                    Err(None) => Ok(()),
                }
            }
        };
        HeaderValue::try_from(text).ok()
    }
}

impl Forwarded {
    const fn word(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(handling: Handling, expected: &str) {
        assert_eq!(handling.value().unwrap().to_str().unwrap(), expected);
    }

    #[test]
    fn what_was_done_is_said_in_the_words_of_the_rfc() {
        check(Handling::Hit { left: 5_500 }, "turnpike; hit; ttl=5");
        check(Handling::Hit { left: -1 }, "turnpike; hit; ttl=-1");
        let forwarded = Forwarded::UriMiss;
        check(Handling::Collapsed { forwarded }, "turnpike; fwd=uri-miss; collapsed");
        let asked = |status, kept| Handling::Asked { forwarded, status, kept };
        check(asked(None, Ok(())), "turnpike; fwd=uri-miss; stored");
        check(asked(Some(304), Ok(())), "turnpike; fwd=uri-miss; fwd-status=304; stored");
        let why = Err(Some(NotKept::NoStore));
        check(asked(None, why), "turnpike; fwd=uri-miss; detail=no-store");
        check(asked(None, Err(None)), "turnpike; fwd=uri-miss");
    }
}
