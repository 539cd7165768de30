//! A node with options, before it is added.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::graph::Flow;
use super::inputs::Inputs;
use super::node::Node;
use super::retry::Retry;
use super::work::{Failure, Framed, Job, Once, Options, Parts};

/// A node that is being described; [`add`](Self::add) puts it into the flow.
///
/// ```
/// use std::time::Duration;
/// use errgroup::flow::{Flow, Retry};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let mut flow = Flow::<&str>::new();
/// let mut failures = 2;
/// let price = flow
///     .step("price", (), move |()| {
///         let fails = failures > 0;
///         failures -= i32::from(fails);
///         async move { if fails { Err("busy") } else { Ok(7) } }
///     })
///     .retry(Retry::times(5).pause(Duration::from_millis(1), Duration::from_millis(10)))
///     .timeout(Duration::from_secs(1))
///     .fallback(|_| Ok(0))
///     .add();
/// let report = flow.run().await;
/// assert_eq!((report.get(price).as_deref(), report.node(price).attempts), (Some(&7), 3));
/// # });
/// ```
#[must_use = "a step that is not added does not run"]
pub struct Step<'f, I: Inputs, F, T, E> {
    flow: &'f mut Flow<E>,
    name: Cow<'static, str>,
    inputs: I,
    function: F,
    /// `None` for a node without any, as most are.
    options: Option<Options<I::Values, T, E>>,
}

impl<'f, I, F, R, T, E> Step<'f, I, F, T, E>
where
    I: Inputs,
    F: FnMut(I::Values) -> R + Send + 'static,
    R: Future<Output = Result<T, E>> + Send + 'static,
    T: Send + Sync + 'static,
    E: Send + 'static,
{
    pub(super) fn new(
        flow: &'f mut Flow<E>,
        name: Cow<'static, str>,
        inputs: I,
        function: F,
    ) -> Self {
        Self {
            flow,
            name,
            inputs,
            function,
            options: None,
        }
    }

    fn options(&mut self) -> &mut Options<I::Values, T, E> {
        self.options.get_or_insert_with(Options::new)
    }

    /// Tries again after an error or a timeout.
    pub fn retry(self, retry: Retry) -> Self {
        self.retry_if(retry, |_| true)
    }

    /// Tries again after a timeout, and after an error that is worth it.
    pub fn retry_if(
        mut self,
        retry: Retry,
        worth_it: impl FnMut(&E) -> bool + Send + 'static,
    ) -> Self {
        self.options().retry = Some((retry, Box::new(worth_it)));
        self
    }

    /// Drops each attempt that takes longer than this. Needs a runtime with
    /// time enabled.
    pub fn timeout(mut self, each_attempt: Duration) -> Self {
        self.options().timeout = Some(each_attempt);
        self
    }

    /// Asks, once the inputs are there, whether the node shall run at all; if
    /// not it is [`Skipped`](super::State::Skipped), and so is who needs it.
    pub fn when(mut self, wanted: impl FnOnce(&I::Values) -> bool + Send + 'static) -> Self {
        self.options().when = Some(Box::new(wanted));
        self
    }

    /// What to do when the last attempt has failed: another output, or an error.
    pub fn fallback(
        mut self,
        instead: impl FnOnce(Failure<E>) -> Result<T, E> + Send + 'static,
    ) -> Self {
        self.options().fallback = Some(Box::new(instead));
        self
    }

    /// Puts the node into the flow.
    ///
    /// # Panics
    ///
    /// If an input is a node of another flow.
    pub fn add(self) -> Node<T> {
        let Self {
            flow,
            name,
            inputs,
            function,
            options,
        } = self;
        flow.push(name, inputs, |inputs| -> Job<E> {
            match options {
                None => Box::pin(Once::new(inputs, function)),
                Some(options) => Box::pin(Framed::new(Parts {
                    inputs,
                    function,
                    options,
                })),
            }
        })
    }
}

impl<I: Inputs, F, T, E> fmt::Debug for Step<'_, I, F, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
