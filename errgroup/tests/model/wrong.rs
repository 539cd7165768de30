//! What was seen to be wrong inside a tree, where a panic would be one of its tasks'.

use std::sync::{Arc, Mutex};

use crate::tree::{At, End, Tree};

#[derive(Clone, Default)]
pub(crate) struct Wrong(Arc<Mutex<Vec<String>>>);

impl Wrong {
    pub(crate) fn unless(&self, right: bool, what: &str) {
        if !right {
            self.0.lock().unwrap().push(what.to_owned());
        }
    }

    /// In place of an end.
    pub(crate) fn say(&self, what: &str) -> End {
        self.unless(false, what);
        End::Done
    }

    /// A child has come to that end, and then its parent was cancelled or not.
    pub(crate) fn of_a_child(
        &self,
        tree: &Tree,
        at: At,
        end: &End,
        escalates: bool,
        cancelled: bool,
    ) {
        self.unless(
            cancelled || !escalates || *end == End::Done,
            "a failure has not escalated by the child's end",
        );
        self.unless(
            tree.allows(end, at),
            &format!("a child's end that it cannot come to: {end:?}"),
        );
        let only = tree.only_end().filter(|_| !cancelled);
        self.unless(
            only.is_none_or(|only| only == *end),
            &format!("a child that nobody cancelled: {end:?}"),
        );
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
