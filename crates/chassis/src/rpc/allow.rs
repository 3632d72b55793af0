//! Which services may call a gRPC service, and which of its methods?
//!
//! Nobody who is not in the table: a service cannot be registered without one.

/// Who may call; by the name in the caller's certificate.
#[derive(Clone, Debug)]
pub struct Allow {
    callers: Callers,
    methods: Vec<(&'static str, Vec<&'static str>)>,
}

#[derive(Clone, Debug)]
enum Callers {
    Everybody,
    Anyone,
    Only(Vec<&'static str>),
}

impl Allow {
    /// Only services of these names.
    pub fn only(names: &[&'static str]) -> Self {
        Self { callers: Callers::Only(names.to_vec()), methods: Vec::new() }
    }

    /// Also who has no certificate: the service itself asks who calls.
    pub const fn everybody() -> Self {
        Self { callers: Callers::Everybody, methods: Vec::new() }
    }

    /// Everyone who has a certificate of our authority.
    pub fn anyone() -> Self {
        Self { callers: Callers::Anyone, methods: Vec::new() }
    }

    /// Only these methods, each for services of these names: one that is added later is nobody's until
    /// it has a row.
    pub fn methods(rows: &[(&'static str, &[&'static str])]) -> Self {
        rows.iter().fold(Self::only(&[]), |allow, (method, names)| allow.method(method, names))
    }

    /// For one method (`Revoke`), only services of these names, whatever else is said.
    #[must_use]
    pub fn method(mut self, method: &'static str, names: &[&'static str]) -> Self {
        self.methods.push((method, names.to_vec()));
        self
    }

    /// Whether somebody without a certificate gets as far as the service.
    pub const fn needs_no_certificate(&self) -> bool {
        matches!(self.callers, Callers::Everybody)
    }

    /// Whether `caller` may call `method`.
    pub fn permits(&self, caller: &str, method: &str) -> bool {
        let of_method = self.methods.iter().find(|(name, _)| *name == method);
        match (of_method, &self.callers) {
            (Some((_, names)), _) | (None, Callers::Only(names)) => names.contains(&caller),
            (None, Callers::Anyone | Callers::Everybody) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allow: &Allow, call: &str, permitted: bool) {
        let (caller, method) = call.split_once(' ').expect("caller and method");
        assert_eq!(allow.permits(caller, method), permitted, "{call}");
    }

    #[test]
    fn who_is_not_in_the_table_may_not_call() {
        let allow = Allow::only(&["gateway"]);
        check(&allow, "gateway Watch", true);
        check(&allow, "admin Watch", false);
        check(&Allow::only(&[]), "gateway Watch", false);
        check(&Allow::anyone(), "admin Check", true);
        check(&Allow::everybody(), "admin Check", true);
        assert!(Allow::everybody().needs_no_certificate());
        assert!(!Allow::anyone().needs_no_certificate());
    }

    #[test]
    fn a_method_without_a_row_is_nobodys() {
        let allow = Allow::methods(&[("Watch", &["gateway"]), ("Revoke", &["admin", "gateway"])]);
        check(&allow, "gateway Watch", true);
        check(&allow, "admin Watch", false);
        check(&allow, "admin Revoke", true);
        for caller in ["gateway", "admin", ""] {
            check(&allow, &format!("{caller} Added"), false);
        }
    }

    #[test]
    fn a_method_with_its_own_row_ignores_the_row_of_the_service() {
        let allow = Allow::only(&["gateway"]).method("Revoke", &["admin"]);
        check(&allow, "gateway Watch", true);
        check(&allow, "gateway Revoke", false);
        check(&allow, "admin Revoke", true);
        check(&allow, "admin Watch", false);
    }
}
