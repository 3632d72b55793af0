//! What was found, how bad is it, and why is it thought so?

/// The kinds of alarm, by the names that users of API managers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// Answers take longer than they did.
    AbnormalResponseTime,
    /// The backend takes longer than it did.
    AbnormalBackendTime,
    /// A client calls more often than it did.
    AbnormalRequestsPerMin,
    /// A client takes steps that it never took.
    RequestPatternChanged,
    /// A client comes from where it never came from.
    UnusualIpAccess,
    /// Tokens are renewed out of rhythm.
    AbnormalRefresh,
    /// An application uses less than it did.
    AbnormalTierUsage,
    /// An application, or a person, meets its limit again and again.
    FrequentTierLimitHitting,
    /// An API answers slowly, or not at all, again and again.
    ApiHealthMonitor,
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

impl Alarm {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AbnormalResponseTime => "AbnormalResponseTime",
            Self::AbnormalBackendTime => "AbnormalBackendTime",
            Self::AbnormalRequestsPerMin => "AbnormalRequestsPerMin",
            Self::RequestPatternChanged => "RequestPatternChanged",
            Self::UnusualIpAccess => "UnusualIPAccess",
            Self::AbnormalRefresh => "AbnormalRefresh",
            Self::AbnormalTierUsage => "AbnormalTierUsage",
            Self::FrequentTierLimitHitting => "FrequentTierLimitHitting",
            Self::ApiHealthMonitor => "ApiHealthMonitor",
        }
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::RequestPatternChanged | Self::AbnormalRefresh | Self::ApiHealthMonitor => {
                Severity::Severe
            }
            Self::AbnormalResponseTime | Self::AbnormalRequestsPerMin | Self::UnusualIpAccess => {
                Severity::Moderate
            }
            Self::AbnormalBackendTime
            | Self::AbnormalTierUsage
            | Self::FrequentTierLimitHitting => Severity::Mild,
        }
    }
}
