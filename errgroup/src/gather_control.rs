//! What cancels a gather from outside, and what its failure does there: as `control` of a
//! group.

use tokio::time::Instant;

use crate::control::time;
use crate::gather::Gather;
use crate::handle::Handle;

impl<T: Send + 'static, E: Send + 'static> Gather<T, E> {
    /// Cancels the gather at that time, unless it has ended; what was not done by
    /// then is [`Cancelled`](crate::Outcome::Cancelled) or
    /// [`NotStarted`](crate::Outcome::NotStarted). There is no error of it, unlike that of
    /// [`Group::deadline`](crate::Group::deadline): what there is by then is the result.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub fn deadline(self, at: Instant) -> Self {
        self.cancel_when(time(at))
    }

    /// Cancels the gather by hand when `event` is ready; as
    /// [`Group::cancel_when`](crate::Group::cancel_when): it is dropped when the gather is
    /// cancelled or ends, and [`wait`](Self::wait) goes on with its panic.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let gather = errgroup::Gather::<u32, String>::new().cancel_when(stopped);
    /// gather.spawn(std::future::pending());
    /// drop(stop);
    /// assert_eq!(gather.wait().await.done(), 0);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn cancel_when<F>(self, event: F) -> Self
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.with_group(|group| group.cancel_when(event))
    }

    /// If this gather fails, cancels that group, too, by hand and before
    /// [`wait`](Self::wait) of this one can return; as
    /// [`Group::escalate_to`](crate::Group::escalate_to). It fails by an error or a panic
    /// under the policy [`FirstError`](crate::Policy::FirstError); under the others these
    /// are outcomes like any other, and stay here.
    ///
    /// The other one may be that of a gather: [`GatherHandle::group`](crate::GatherHandle::group).
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let all = errgroup::Group::<String>::new();
    /// let pages = errgroup::Gather::<u32, &str>::new().escalate_to(&all.handle());
    /// pages.spawn(async { Err("no such page") });
    /// assert_eq!(pages.wait().await.failed(), 1);
    /// assert!(all.is_cancelled());
    /// # });
    /// ```
    pub fn escalate_to<P: Send + 'static>(self, parent: &Handle<P>) -> Self {
        self.with_group(|group| group.escalate_to(parent))
    }
}

impl<E: Send + 'static> Handle<E> {
    /// A new gather that is cancelled when this group is cancelled or has ended; as
    /// [`child`](Self::child). Its failure is contained, unless it is told to
    /// [`escalate_to`](Gather::escalate_to) this one.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use errgroup::{Group, Policy};
    ///
    /// let parent = Group::<String>::new();
    /// let replicas = parent.handle().child_gather::<_, &str>().policy(Policy::FirstSuccess);
    /// replicas.spawn(async { Err("down") });
    /// replicas.spawn(async { Ok("up") });
    /// assert_eq!(replicas.wait().await.first_done(), Ok("up"));
    /// assert!(!parent.is_cancelled());
    /// # });
    /// ```
    pub fn child_gather<T, C>(&self) -> Gather<T, C>
    where
        T: Send + 'static,
        C: Send + 'static,
    {
        Gather::over(self.child())
    }
}
