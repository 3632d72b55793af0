//! What does a watch say of rows?
//!
//! It is shown several calls at a time, so that it can read what it knows of all of them at once.

use detect::{Call, Finding, Renewal, Watch};

use crate::enrich::address;
use crate::event::{Position, Row};

/// Calls that are shown at a time.
const PART: usize = 64;

/// What a watch says of rows, in their order; `tell` hears it with its row.
pub(super) fn look<'r>(watch: &mut Watch, rows: &'r [Row], mut tell: impl FnMut(&'r Row, Finding)) {
    let mut operations = vec![String::new(); rows.len().min(PART)];
    for rows in rows.chunk_by(|one, next| one.is_call() == next.is_call()) {
        if rows.first().is_some_and(Row::is_call) {
            for rows in rows.chunks(PART) {
                look_at_calls(watch, rows, &mut operations, &mut tell);
            }
            continue;
        }
        // What was refused is nobody's rhythm; key managers look at guesses themselves.
        for row in rows.iter().filter(|row| row.status == 200) {
            for found in watch.renewal(&Renewal {
                at_us: row.at_us,
                user: &row.user,
                client: &row.consumer_key,
                scope: &row.scope,
            }) {
                tell(row, found);
            }
        }
    }
}

/// `operations` is room for names, which one part after the other can use.
fn look_at_calls<'r>(
    watch: &mut Watch,
    rows: &'r [Row],
    operations: &mut [String],
    tell: &mut impl FnMut(&'r Row, Finding),
) {
    for (operation, row) in operations.iter_mut().zip(rows) {
        operation.clear();
        operation.extend([row.method.as_str(), " ", row.operation.as_str()]);
    }
    let calls: Vec<Call<'_>> =
        rows.iter().zip(operations.iter()).map(|(row, operation)| call(row, operation)).collect();
    watch.calls(&calls, |number, it| {
        if let Some(row) = rows.get(number) {
            tell(row, it);
        }
    });
}

fn call<'r>(row: &'r Row, operation: &'r str) -> Call<'r> {
    Call {
        at_us: row.at_us,
        api: &row.api,
        api_version: &row.api_version,
        operation: operation.trim(),
        path: &row.path,
        application: &row.application,
        user: &row.user,
        client: &row.consumer_key,
        address: address::parse(&row.client_ip),
        position: row.position.map(Position::degrees),
        network: row.asn,
        weight: row.weight,
        status: row.status,
        fault: row.fault_code,
        total_us: row.total_us,
        backend_us: row.backend_us,
    }
}
