//! A month as an object for programs.

use super::month::{Counts, Monthly, MonthlyRow};

#[derive(serde::Serialize)]
struct Written<'a> {
    month: String,
    notes: &'a [String],
    total: Counts,
    rows: &'a [MonthlyRow],
}

/// Writes a month.
pub fn json(monthly: &Monthly) -> serde_json::Result<Vec<u8>> {
    let Monthly { month, total, rows, notes } = monthly;
    let mut text = serde_json::to_vec_pretty(&Written {
        month: month.to_string(),
        notes,
        total: *total,
        rows,
    })?;
    text.push(b'\n');
    Ok(text)
}
