//! A month on pages to print.
//!
//! A4 across, in Courier, which every reader has and in which columns are as wide as their letters.
//! The text is text: it can be searched and copied.

use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str};

use super::month::{Counts, Monthly};

/// A4 across, in points.
const PAGE: Rect = Rect { x1: 0.0, y1: 0.0, x2: 842.0, y2: 595.0 };
const MARGIN: f32 = 36.0;
const TITLE: f32 = 14.0;
const SIZE: f32 = 7.2;
const LINE: f32 = 10.0;
/// Lines of the table on a page, its heads included.
const LINES: usize = 46;
const FONT: Name<'static> = Name(b"F1");
const BOLD: Name<'static> = Name(b"F2");

/// Heads and widths in letters; from the fifth on they are numbers and stand to the right. A letter
/// is 0.6 of the size wide: with the gaps this is the width of the page.
const COLUMNS: [(&str, usize); 11] = [
    ("API", 26),
    ("VERSION", 12),
    ("APPLICATION", 26),
    ("OWNER", 22),
    ("CALLS", 12),
    ("ERRORS", 10),
    ("THROTTLED", 10),
    ("BYTES IN", 14),
    ("BYTES OUT", 14),
    ("P50 MS", 10),
    ("P95 MS", 10),
];
const NAMES: usize = 4;

/// Writes a month.
pub fn pdf(monthly: &Monthly) -> Vec<u8> {
    let lines: Vec<[String; 11]> = monthly
        .rows
        .iter()
        .map(|row| cells([&row.api, &row.version, &row.application, &row.owner], row.counts))
        .chain([cells(["total", "", "", ""], monthly.total)])
        .collect();
    let pages: Vec<&[[String; 11]]> = lines.chunks(LINES - 1).collect();
    let mut refs = (1..).map(Ref::new);
    let mut next = || refs.next().unwrap_or(Ref::new(1));
    let (catalog, tree, font, bold, about) = (next(), next(), next(), next(), next());
    let numbered: Vec<(Ref, Ref)> = pages.iter().map(|_| (next(), next())).collect();
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    let kids = numbered.iter().map(|(page, _)| *page);
    let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids(kids).count(count);
    for (at, (lines, (page, content))) in pages.iter().zip(&numbered).enumerate() {
        let mut written = pdf.page(*page);
        written.media_box(PAGE).parent(tree).contents(*content);
        written.resources().fonts().pair(FONT, font).pair(BOLD, bold);
        written.finish();
        let foot = format!("page {} of {}", at + 1, pages.len());
        pdf.stream(*content, &draw(monthly, lines, &foot));
    }
    for (font, name) in [(font, &b"Courier"[..]), (bold, b"Courier-Bold")] {
        pdf.type1_font(font).base_font(Name(name)).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    let title = title(monthly);
    pdf.document_info(about).title(pdf_writer::TextStr(&title));
    pdf.finish()
}

fn title(monthly: &Monthly) -> String {
    format!("API calls in {}", monthly.month)
}

fn draw(monthly: &Monthly, lines: &[[String; 11]], foot: &str) -> Vec<u8> {
    let mut content = Content::new();
    let mut y = PAGE.y2 - MARGIN - TITLE;
    say(&mut content, BOLD, TITLE, y, &title(monthly));
    for note in &monthly.notes {
        y -= LINE;
        say(&mut content, FONT, SIZE, y, note);
    }
    y -= 2.0 * LINE;
    say(&mut content, BOLD, SIZE, y, &line(&COLUMNS.map(|(head, _)| head.to_owned())));
    for cells in lines {
        y -= LINE;
        say(&mut content, FONT, SIZE, y, &line(cells));
    }
    say(&mut content, FONT, SIZE, MARGIN - LINE, foot);
    content.finish().into_vec()
}

fn say(content: &mut Content, font: Name<'_>, size: f32, y: f32, text: &str) {
    content.begin_text();
    content.set_font(font, size);
    content.next_line(MARGIN, y);
    content.show(Str(&letters(text)));
    content.end_text();
}

fn cells(names: [&str; NAMES], counts: Counts) -> [String; 11] {
    let [api, version, application, owner] = names.map(str::to_owned);
    let milliseconds = |us: u64| format!("{}.{:02}", us / 1_000, us % 1_000 / 10);
    [
        api,
        version,
        application,
        owner,
        counts.calls.to_string(),
        counts.errors.to_string(),
        counts.throttled.to_string(),
        counts.request_bytes.to_string(),
        counts.response_bytes.to_string(),
        milliseconds(counts.p50_us),
        milliseconds(counts.p95_us),
    ]
}

/// Cells in their columns. A name that is too long ends with `…`.
fn line(cells: &[String; 11]) -> String {
    let mut line = String::new();
    for (at, (cell, (_, width))) in cells.iter().zip(COLUMNS).enumerate() {
        let padded = match (at < NAMES, cell.chars().count() > width) {
            (true, true) => {
                let kept: String = cell.chars().take(width - 1).collect();
                format!("{kept}…")
            }
            (true, false) => format!("{cell:<width$}"),
            (false, _) => format!("{cell:>width$}"),
        };
        line.push_str(&padded);
        line.push(' ');
    }
    line
}

/// Bytes of `WinAnsiEncoding`; what it lacks is `?`.
fn letters(text: &str) -> Vec<u8> {
    let byte = |letter: char| match letter {
        ' '..='~' | '\u{a0}'..='ÿ' => u8::try_from(u32::from(letter)).unwrap_or(b'?'),
        '€' => 0x80,
        '…' => 0x85,
        '–' => 0x96,
        '—' => 0x97,
        _ => b'?',
    };
    text.trim_end().chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER_PERMISSIVE;

    use super::*;
    use crate::report::monthly::{Month, MonthlyRow};

    /// What the pages say, line by line, read out of the objects of the file: `(text) Tj`, or
    /// `<digits> Tj` where it is not ASCII.
    fn read(file: &[u8]) -> Vec<String> {
        let latin = |bytes: &[u8]| bytes.iter().map(|&byte| char::from(byte)).collect::<String>();
        let file = latin(file);
        let line = |before: &str| {
            let before = before.trim_end();
            if let Some(text) = before.strip_suffix(')') {
                return Some(text.rsplit_once('(')?.1.to_owned());
            }
            let digits = before.strip_suffix('>')?.rsplit_once('<')?.1;
            Some(latin(&HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?))
        };
        file.split("Tj").filter_map(line).collect()
    }

    fn month(rows: usize, name: &str) -> Monthly {
        let counts = Counts { calls: 3, p50_us: 12_345, ..Counts::default() };
        let row = |n: usize| MonthlyRow {
            api: format!("api{n}"),
            version: "1.0.0".to_owned(),
            application: name.to_owned(),
            owner: "ann".to_owned(),
            counts,
        };
        Monthly {
            month: Month::of(2026, 10).unwrap(),
            total: counts,
            rows: (0..rows).map(row).collect(),
            notes: vec!["A note.".to_owned()],
        }
    }

    /// A month with so many rows has so many pages, each with its title, heads and number.
    #[track_caller]
    fn check(rows: usize, pages: usize) {
        let lines = read(&pdf(&month(rows, "shop")));
        let count = |wanted: &str| lines.iter().filter(|line| line.starts_with(wanted)).count();
        assert_eq!(count("API calls in 2026-10"), pages);
        assert_eq!(count("API        "), pages);
        assert_eq!(count("A note."), pages);
        assert_eq!(count(&format!("page {pages} of {pages}")), 1);
        assert_eq!(count("api"), rows);
        assert_eq!(count("total"), 1);
    }

    #[test]
    fn a_table_goes_over_as_many_pages_as_it_needs() {
        check(0, 1);
        check(44, 1);
        check(45, 2);
        check(500, 12);
    }

    #[test]
    fn names_are_shown_as_far_as_the_font_and_the_column_go() {
        let lines = read(&pdf(&month(1, "Zürich 東京")));
        assert!(lines.iter().any(|line| line.contains("Z\u{fc}rich ??")), "{lines:?}");
        let long = "x".repeat(40);
        let lines = read(&pdf(&month(1, &long)));
        let cut = format!("{}\u{85} ann", "x".repeat(25));
        assert!(lines.iter().any(|line| line.contains(&cut)), "{lines:?}");
    }
}
