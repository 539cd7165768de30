//! A group that is cancelled with another one.

use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::cause::Cause;
use crate::engine::Engine;
use crate::group::Group;
use crate::handle::Handle;
use crate::shared::Shared;

/// Waits for the cancel of the parent as a task would, but is no task: woken by who cancels
/// the parent, it cancels the child there and then.
struct Follower<E>(Arc<Shared<E>>);

impl<E: Send + 'static> Wake for Follower<E> {
    fn wake(self: Arc<Self>) {
        self.0.cancel(Cause::Cancelled);
    }
}

/// The place that a follower has with its parent, and leaves with the child's owner.
struct Following<P: Send + 'static> {
    parent: Handle<P>,
    key: Option<usize>,
}

impl<P: Send + 'static> Drop for Following<P> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.parent.shared.state.forget_cancelled(key);
        }
    }
}

/// What it is to the child: something to be dropped.
pub(crate) trait Follows: Send + Sync {}

impl<P: Send + 'static> Follows for Following<P> {}

impl<E: Send + 'static> Group<E> {
    /// The group is cancelled when `parent` is, or has ended.
    pub(crate) fn follow<P: Send + 'static>(mut self, parent: &Handle<P>) -> Self {
        let follower = Arc::new(Follower(Arc::clone(&self.handle.shared)));
        let (waker, parent) = (Waker::from(follower), parent.clone());
        let mut following = Following { parent, key: None };
        let state = &following.parent.shared.state;
        if state
            .poll_cancelled(&mut following.key, &Context::from_waker(&waker))
            .is_ready()
        {
            self.cancel();
        }
        self.follows = Some(Box::new(following));
        self
    }
}
