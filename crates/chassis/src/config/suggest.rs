//! Which known name did the writer probably mean?

/// The known name that is nearest to `wrong`, if one is near enough to be worth saying.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_ascii_lowercase();
    let reach = (wrong.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|name| (distance(&wrong, name), name))
        .filter(|(distance, _)| *distance <= reach)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// A name that was cut short, or goes on after the known name ends, is nearer than its length says.
fn distance(wrong: &str, known: &str) -> usize {
    let known = known.to_ascii_lowercase();
    let cut = wrong.len() >= 3 && (known.starts_with(wrong) || wrong.starts_with(&known));
    if cut { 1 } else { strsim::damerau_levenshtein(wrong, &known) }
}

/// The end of a sentence that names the nearest known name, or all of them where they are few.
pub(super) fn hint(wrong: &str, known: &[&str]) -> String {
    match nearest(wrong, known.iter().copied()) {
        Some(name) => format!("; did you mean `{name}`?"),
        None if known.is_empty() => String::new(),
        None if known.len() <= 8 => format!("; known are `{}`", known.join("`, `")),
        None => String::new(),
    }
}
