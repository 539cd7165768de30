//! Who runs the nodes: one ready node after another.
//!
//! A chain is one driver, and so are many nodes that do not wait; a driver whose
//! node has to wait waits with it, and another one is started for what is ready.
//!
//! No ready node is forgotten: who makes nodes ready is a driver, and goes on
//! until it finds none; if it has to wait before that, it gives them back and
//! says whether there is a driver for them ([`Ready`](super::ready::Ready)).
//!
//! Who calls another driver makes way for it: a task spawned by a task waits in a slot of
//! its thread that no other thread looks into.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::ready::{UNKNOWN, WORTH};
use super::run::Run;
use super::work::{Ended, Job};
use crate::current;

/// Nodes that one poll runs before the runtime's other tasks have the thread.
const BURST: usize = 128;

pub(super) struct Driver<E: Send + 'static> {
    run: Arc<Run<E>>,
    /// The node that waits.
    node: Option<Running<E>>,
    /// Nodes to run next.
    batch: VecDeque<usize>,
    /// How long the last one took.
    pace: Duration,
    /// It has called another driver, which its thread keeps for itself until this one
    /// is out of the way.
    called: bool,
}

struct Running<E> {
    at: usize,
    /// Until it has ended.
    job: Option<Job<E>>,
    started: Duration,
    waits: bool,
}

impl<E: Send + 'static> Driver<E> {
    /// `run` has counted this driver.
    pub(super) fn new(run: Arc<Run<E>>) -> Self {
        Self {
            run,
            node: None,
            batch: VecDeque::new(),
            pace: UNKNOWN,
            called: false,
        }
    }

    /// Runs what is ready until one has to wait; that one, and whatever is not
    /// done by then, goes on in a task of its own.
    pub(super) async fn run_here(mut self) {
        let polled = std::future::poll_fn(|cx| {
            let _entered = current::enter(self.run.number());
            Poll::Ready(Pin::new(&mut self).poll(cx))
        });
        let polled = polled.await;
        match polled {
            Poll::Ready(result) => self.run.conclude(result),
            Poll::Pending => Arc::clone(&self.run).spawn(self),
        }
    }

    fn next(&mut self) -> Option<usize> {
        if self.batch.is_empty() {
            let (taken, start) = self.run.ready.take(&mut self.batch, self.pace);
            self.call_if(start);
            if !taken {
                return None;
            }
        }
        self.batch.pop_front()
    }

    fn call_if(&mut self, start: bool) {
        if start {
            self.called = true;
            self.run.start_driver();
        }
    }

    /// Lets others have what it took with it.
    #[cold]
    fn give_back(&mut self) {
        let start = self.run.ready.give_back(&mut self.batch, self.pace);
        self.call_if(start);
    }
}

impl<E: Send + 'static> Future for Driver<E> {
    /// Failed if a node did whose failure ends the flow.
    type Output = Result<(), ()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        let this = &mut *self;
        // When the last node ended, the next one starts.
        let mut now = None;
        for _ in 0..BURST {
            let mut running = match this.node.take() {
                Some(running) => running,
                None => {
                    if this.run.is_cancelled() {
                        return Poll::Ready(Ok(()));
                    }
                    let Some(at) = this.next() else {
                        return Poll::Ready(Ok(()));
                    };
                    if this.called {
                        // Not to be begun here: it may be the one that is long.
                        this.batch.push_front(at);
                        break;
                    }
                    Running {
                        at,
                        job: this.run.begin(at),
                        started: now.unwrap_or_else(|| this.run.elapsed()),
                        waits: false,
                    }
                }
            };
            let Poll::Ready((attempts, ended)) = this.run.poll(&mut running.job, cx) else {
                if !std::mem::replace(&mut running.waits, true)
                    && this.run.ready.wait(&mut this.batch)
                {
                    this.run.start_driver();
                }
                this.node = Some(running);
                return Poll::Pending;
            };
            if running.waits {
                this.run.ready.resume();
            }
            let end = this.run.elapsed();
            now = Some(end);
            this.pace = end.saturating_sub(running.started);
            let times = (running.started, end);
            if !this.run.ended(running.at, times, attempts, ended) {
                return Poll::Ready(Err(()));
            }
            if this.pace >= WORTH && !this.batch.is_empty() {
                // Taken as if they were short, which the last one was not.
                this.give_back();
            }
            let settled = this.run.settle(running.at, this.pace, &mut this.batch);
            if let Some(start) = settled {
                // To make many ready takes longer than many a node.
                now = None;
                this.call_if(start);
            }
        }
        this.give_back();
        this.called = false;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<E: Send + 'static> Drop for Driver<E> {
    /// With a node only if the flow was cancelled.
    fn drop(&mut self) {
        if let Some(running) = self.node.take()
            && let Some(job) = running.job
        {
            let attempts = job.attempts();
            let ended = Ended::Dropped.and_gone(job);
            let times = (running.started, self.run.elapsed());
            self.run.ended(running.at, times, attempts, ended);
        }
    }
}
