//! What is noted once a backend is asked?

use std::rc::Rc;

use crate::account::Account;
use crate::handlers::Admission;
use crate::sender::Lane;

/// What a call has to note on its way, whichever of its tries gets through.
pub(super) struct Books<'a> {
    /// Given up when the call counts.
    admission: Option<Admission>,
    pub(super) account: &'a mut Account,
}

impl<'a> Books<'a> {
    pub(super) const fn new(admission: Admission, account: &'a mut Account) -> Self {
        Self { admission: Some(admission), account }
    }

    /// The backend behind `lane` may act on the request from here on, so the call counts, whatever
    /// comes of it.
    pub(super) fn asked(&mut self, lane: &Rc<Lane>) {
        self.account.asked(Rc::clone(lane));
        if let Some(admission) = self.admission.take() {
            admission.settle();
        }
    }
}
