//! By which rules are stored calls looked at again?
//!
//! Whatever is wrong with a rule is answered with the place of it.

use std::time::Duration;

use detect::{Alarm, Mode, Override, Rules, Setting};
use tonic::Status;
use turnpike_proto::usage::v1;

use super::from_filter::{duration_us, refused};

const MOST: usize = 1000;
const LONGEST_NAME: usize = 256;

/// The rules of a replay: what is not set is as documented. Of each kind of thing `series` are known.
pub fn rules(asked: v1::AlertRules, series: usize) -> Result<Rules, Status> {
    let v1::AlertRules { suppression, settings } = asked;
    if settings.len() > MOST {
        return Err(refused("rules.settings", &format!("are more than {MOST}")));
    }
    let mut rules = Rules::default().with_series(series);
    let suppression = span("rules.suppression", suppression)?;
    let usual = Setting { suppression, ..Setting::default() };
    for alarm in Alarm::ALL {
        rules.set(alarm, &usual).map_err(|error| Status::invalid_argument(error.to_string()))?;
    }
    let (all, own): (Vec<_>, Vec<_>) =
        settings.into_iter().enumerate().partition(|(_, setting)| is_for_all(setting));
    for (number, setting) in all.into_iter().chain(own) {
        let at = format!("rules.settings[{number}]");
        let different = different(&at, setting)?;
        let set = if different.api.is_empty() && different.application.is_empty() {
            rules.set(different.alarm, &different.setting)
        } else {
            rules.set_for(&different)
        };
        set.map_err(|error| Status::invalid_argument(format!("{at}: {error}")))?;
    }
    Ok(rules)
}

fn is_for_all(setting: &v1::AlertSetting) -> bool {
    setting.api.is_empty() && setting.application.is_empty()
}

fn different(at: &str, asked: v1::AlertSetting) -> Result<Override<Duration>, Status> {
    let mode = asked.mode.map(|_| match asked.mode() {
        v1::alert_type::Mode::Learned => Mode::Learned,
        v1::alert_type::Mode::Fixed => Mode::Fixed,
    });
    let alarm = Alarm::ALL.into_iter().find(|alarm| alarm.name() == asked.r#type);
    let alarm = alarm.ok_or_else(|| refused(&format!("{at}.type"), "is no type of alert"))?;
    for (field, name) in [("api", &asked.api), ("application", &asked.application)] {
        if name.len() > LONGEST_NAME {
            return Err(refused(&format!("{at}.{field}"), "is longer than any name"));
        }
    }
    let suppression = span(&format!("{at}.suppression"), asked.suppression)?;
    let v1::AlertSetting { api, application, enabled, threshold, sensitivity, learning, .. } =
        asked;
    let setting = Setting { enabled, mode, threshold, sensitivity, learning, suppression };
    Ok(Override { api, application, alarm, setting })
}

fn span(field: &str, span: Option<prost_types::Duration>) -> Result<Option<Duration>, Status> {
    let Some(span) = span else { return Ok(None) };
    let micros = duration_us(span).and_then(|us| u64::try_from(us).ok());
    let micros = micros.ok_or_else(|| refused(field, "is no span of time"))?;
    Ok(Some(Duration::from_micros(micros)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(kind: &str, api: &str, threshold: f64) -> v1::AlertSetting {
        v1::AlertSetting {
            r#type: kind.to_owned(),
            api: api.to_owned(),
            threshold: Some(threshold),
            mode: Some(v1::alert_type::Mode::Fixed.into()),
            ..v1::AlertSetting::default()
        }
    }

    /// The thresholds of the response times of an API and of another one, or why there are none.
    #[track_caller]
    fn check(settings: Vec<v1::AlertSetting>, expected: &str) {
        let seconds = prost_types::Duration { seconds: 60, nanos: 0 };
        let asked = v1::AlertRules { suppression: Some(seconds), settings };
        let said = match rules(asked, 10) {
            Ok(rules) => {
                let of = |api| rules.of(Alarm::AbnormalResponseTime, api, "");
                let (own, other) = (of("orders"), of("users"));
                assert_eq!((own.quiet_us, other.quiet_us), (60_000_000, 60_000_000));
                format!("{} {}", own.threshold, other.threshold)
            }
            Err(status) => status.message().to_owned(),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn what_is_set_for_one_api_stands_over_what_is_set_for_all() {
        let kind = "AbnormalResponseTime";
        check(vec![], "1000 1000");
        check(vec![setting(kind, "orders", 5.0), setting(kind, "", 7.0)], "5 7");
    }

    #[test]
    fn what_no_rule_can_be_is_refused_with_its_place() {
        check(vec![setting("Odd", "", 1.0)], "rules.settings[0].type is no type of alert");
        check(
            vec![setting("AbnormalErrorRate", "orders", 2.0)],
            "rules.settings[0]: AbnormalErrorRate: threshold must be a number above 0 and at most 1",
        );
        let shop = v1::AlertSetting {
            application: "shop".to_owned(),
            ..setting("AbnormalErrorRate", "", 0.5)
        };
        let said = "AbnormalErrorRate: it names no application, so none can have a rule of its own";
        check(vec![shop], &format!("rules.settings[0]: {said}"));
        let many = vec![setting("AbnormalErrorRate", "", 0.5); 1001];
        check(many, "rules.settings are more than 1000");
    }
}
