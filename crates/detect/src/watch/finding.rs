//! What was found, how bad is it, and why is it thought so?

use serde::{Deserialize, Serialize};

/// The kinds of alarm, by the names that users of API managers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Alarm {
    /// Answers take longer than they did.
    AbnormalResponseTime,
    /// The backend takes longer than it did.
    AbnormalBackendTime,
    /// An application calls more often than it did, much less often, or no more.
    AbnormalRequestsPerMin,
    /// More calls fail than did.
    AbnormalErrorRate,
    /// A caller takes steps that it never took.
    RequestPatternChanged,
    /// A caller comes from where it never came from.
    #[serde(rename = "UnusualIPAccess")]
    UnusualIpAccess,
    /// A caller is in two places at once.
    ImpossibleTravel,
    /// Tokens are renewed out of rhythm, or in masses.
    AbnormalRefresh,
    /// An application uses less than it did.
    AbnormalTierUsage,
    /// An application, or a person, meets its limit again and again.
    FrequentTierLimitHitting,
    /// An API answers slowly, or not at all, again and again.
    ApiHealthMonitor,
    /// An API that did not answer well does again.
    ApiAvailability,
    /// A caller goes through the objects of an operation.
    ObjectEnumeration,
    /// One key is used from many networks.
    KeySharing,
    /// An address tries what is not there, or what it may not have.
    BotDetection,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// 1.
    Severe,
    /// 2.
    Moderate,
    /// 3.
    Mild,
}

/// Something that somebody should look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What.
    pub alarm: Alarm,
    /// When, in microseconds since the Unix epoch.
    pub at_us: i64,
    /// About whom or what, with names: `api`, `application`, `user` …
    pub about: Vec<(&'static str, String)>,
    /// One sentence for people.
    pub message: String,
    /// What it was concluded from: names and values.
    pub evidence: Vec<(&'static str, String)>,
}

/// What the knobs of a kind mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knobs {
    /// What is told in the fixed mode: beyond the threshold.
    pub fixed: &'static str,
    /// The unit of the threshold.
    pub unit: &'static str,
    /// The threshold where none is set.
    pub threshold: f64,
    /// What is told in the learned mode.
    pub learned: &'static str,
    /// What has to be seen before anything is told, in the unit that the texts name.
    pub learning: u64,
}

impl Alarm {
    /// All kinds.
    pub const ALL: [Self; 15] = [
        Self::AbnormalResponseTime,
        Self::AbnormalBackendTime,
        Self::AbnormalRequestsPerMin,
        Self::AbnormalErrorRate,
        Self::RequestPatternChanged,
        Self::UnusualIpAccess,
        Self::ImpossibleTravel,
        Self::AbnormalRefresh,
        Self::AbnormalTierUsage,
        Self::FrequentTierLimitHitting,
        Self::ApiHealthMonitor,
        Self::ApiAvailability,
        Self::ObjectEnumeration,
        Self::KeySharing,
        Self::BotDetection,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AbnormalResponseTime => "AbnormalResponseTime",
            Self::AbnormalBackendTime => "AbnormalBackendTime",
            Self::AbnormalRequestsPerMin => "AbnormalRequestsPerMin",
            Self::AbnormalErrorRate => "AbnormalErrorRate",
            Self::RequestPatternChanged => "RequestPatternChanged",
            Self::UnusualIpAccess => "UnusualIPAccess",
            Self::ImpossibleTravel => "ImpossibleTravel",
            Self::AbnormalRefresh => "AbnormalRefresh",
            Self::AbnormalTierUsage => "AbnormalTierUsage",
            Self::FrequentTierLimitHitting => "FrequentTierLimitHitting",
            Self::ApiHealthMonitor => "ApiHealthMonitor",
            Self::ApiAvailability => "ApiAvailability",
            Self::ObjectEnumeration => "ObjectEnumeration",
            Self::KeySharing => "KeySharing",
            Self::BotDetection => "BotDetection",
        }
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::RequestPatternChanged
            | Self::ImpossibleTravel
            | Self::AbnormalRefresh
            | Self::ObjectEnumeration => Severity::Severe,
            Self::AbnormalResponseTime
            | Self::AbnormalRequestsPerMin
            | Self::AbnormalErrorRate
            | Self::UnusualIpAccess
            | Self::KeySharing
            | Self::BotDetection
            | Self::ApiHealthMonitor => Severity::Moderate,
            Self::AbnormalBackendTime
            | Self::AbnormalTierUsage
            | Self::FrequentTierLimitHitting
            | Self::ApiAvailability => Severity::Mild,
        }
    }

    /// Whether it is about what an application does.
    pub const fn names_application(self) -> bool {
        match self {
            Self::AbnormalRequestsPerMin
            | Self::RequestPatternChanged
            | Self::UnusualIpAccess
            | Self::ImpossibleTravel
            | Self::AbnormalTierUsage
            | Self::FrequentTierLimitHitting
            | Self::ObjectEnumeration
            | Self::KeySharing => true,
            Self::AbnormalResponseTime
            | Self::AbnormalBackendTime
            | Self::AbnormalErrorRate
            | Self::AbnormalRefresh
            | Self::ApiHealthMonitor
            | Self::ApiAvailability
            | Self::BotDetection => false,
        }
    }

    /// What can be set.
    pub const fn knobs(self) -> Knobs {
        let (fixed, unit, threshold, learned, learning) = match self {
            Self::AbnormalResponseTime => (
                "a call takes longer",
                "milliseconds",
                1000.0,
                "more calls of a minute than usual take longer than the operation ever did, or its mean has moved by half; calls of the operation are learnt",
                20,
            ),
            Self::AbnormalBackendTime => (
                "the backend takes longer",
                "milliseconds",
                1000.0,
                "as AbnormalResponseTime, for the backend's part",
                20,
            ),
            Self::AbnormalRequestsPerMin => (
                "an application calls an API version more often in a minute",
                "calls",
                1000.0,
                "many more in a minute, far fewer in a quarter of an hour, or none for minutes, than of late and than yesterday and a week ago; minutes are learnt",
                3,
            ),
            Self::AbnormalErrorRate => (
                "a larger share of the calls of a minute ends with 5xx, of twenty calls or more",
                "share from 0 to 1",
                0.1,
                "three or more calls of a minute, and many more than usual, end with 5xx; calls of the API are learnt",
                20,
            ),
            Self::RequestPatternChanged => (
                "a step after another is as rare or rarer",
                "probability from 0 to 1",
                0.05,
                "three of the last eight steps were never taken before; calls of the caller are learnt",
                500,
            ),
            Self::UnusualIpAccess => (
                "a call comes from an address that the caller never used, or not for so long",
                "days",
                30.0,
                "as fixed, for callers that do not come from new addresses all the time; calls of the caller are learnt",
                500,
            ),
            Self::ImpossibleTravel => (
                "a caller is more than 500 km away faster than this",
                "kilometres an hour",
                900.0,
                "as fixed, for people, where they never were of late and not within one network",
                0,
            ),
            Self::AbnormalRefresh => (
                "a client gets more tokens for one person and scope in an hour",
                "renewals",
                60.0,
                "a renewal comes much sooner or later than ever, or a client asks much more often in a minute; renewals are learnt",
                20,
            ),
            Self::AbnormalTierUsage => (
                "each of five days has fewer calls of an application to an API version",
                "calls a day",
                10.0,
                "each of five days has fewer than 29 of the 30 days before; days are learnt",
                35,
            ),
            Self::FrequentTierLimitHitting => (
                "a limit refuses more calls in an hour",
                "refusals",
                10.0,
                "as fixed, and more than twice as many as in the caller's usual hours",
                0,
            ),
            Self::ApiHealthMonitor => (
                "so many calls in a row end with 5xx, or take longer than AbnormalResponseTime allows in its fixed mode",
                "calls",
                5.0,
                "as fixed, and more in a row than the usual share of failures makes in a million calls",
                0,
            ),
            Self::ApiAvailability => (
                "an API of which ApiHealthMonitor told answers well again, and failed nowhere for so long",
                "minutes",
                10.0,
                "as fixed",
                0,
            ),
            Self::ObjectEnumeration => (
                "a caller asks one operation for more different paths in ten minutes",
                "paths",
                500.0,
                "more than 200 different ones, and more than four times the caller's largest ten minutes",
                3,
            ),
            Self::KeySharing => (
                "one client is used for one person from more networks (/24, /48) in ten minutes",
                "networks",
                10.0,
                "more than ten, and more than four times the largest ten minutes before",
                3,
            ),
            Self::BotDetection => (
                "one address makes more calls in ten minutes that no API takes, or that are refused with 401, 403 or 404",
                "calls",
                100.0,
                "more than 30 different paths are refused so",
                0,
            ),
        };
        Knobs { fixed, unit, threshold, learned, learning }
    }
}
