//! Which characters make a text look like another one?
//!
//! What has no width or turns the direction of writing is seen by nobody and changes what everybody
//! reads: a name on a page for people has none of it (Unicode Technical Report 36, section 3.5).

/// Whether a character may not stand in a name that people read.
pub const fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}
