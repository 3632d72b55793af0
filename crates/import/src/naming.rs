//! What is a thing called here that has another name there?

/// A name of ours made of a text: what cannot stand in a name parts words, which `-` joins. `None`:
/// nothing is left of it.
pub(crate) fn name_of(text: &str) -> Option<String> {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let words: Vec<&str> = text.split(|c| !kept(c)).filter(|word| !word.is_empty()).collect();
    let joined = words.join("-");
    let name: String = joined.trim_start_matches(['.', '_', '-']).chars().take(128).collect();
    (!name.is_empty()).then_some(name)
}

/// A context made of a name.
pub(crate) fn context_of(name: &str) -> String {
    format!("/{}", name.to_ascii_lowercase())
}

/// A path as a context: with a slash at the start and none at the end.
pub(crate) fn context_from(path: &str) -> String {
    format!("/{}", path.trim_matches('/'))
}

/// A description of ours: at most 4096 bytes.
pub(crate) fn described(text: &str) -> String {
    let mut kept = String::new();
    for c in text.trim().chars() {
        if kept.len() + c.len_utf8() > 4_096 {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(name_of(text).as_deref(), expected);
    }

    #[test]
    fn names_are_made_of_what_may_stand_in_one() {
        check("Pet Store: v2", Some("Pet-Store-v2"));
        check("_hidden", Some("hidden"));
        check("käse", Some("k-se"));
        check("  ", None);
        check("/", None);
    }
}
