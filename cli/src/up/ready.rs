//! Does a program serve already?

use std::time::Duration;

use bytes::Bytes;
use chassis::clock::Clock;
use http::Request;
use url::Url;

use super::process::Program;
use crate::https;

const PAUSE: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_secs(2);

/// Returns once the program's page answers 200.
pub(super) async fn wait(program: &Program, clock: &Clock) {
    let Ok(http) = https::client(clock, PATIENCE, &[]) else { return };
    let Ok(url) = Url::parse(&program.ready) else { return };
    loop {
        let answer = http.send(&url, Request::builder(), Bytes::new()).await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        clock.sleep(PAUSE).await;
    }
}
