//! What is said of an error, with everything that lies behind it?

/// The error and its causes, parted by colons.
pub fn causes(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<Link>>);

    #[test]
    fn every_cause_is_said_once() {
        let deep = Link("disk full", None);
        assert_eq!(causes(&deep), "disk full");
        let error = Link("not written", Some(Box::new(Link("no room", Some(Box::new(deep))))));
        assert_eq!(causes(&error), "not written: no room: disk full");
    }
}
