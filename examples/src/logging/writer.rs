//! The thread that writes the lines of a sink.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

/// How often a queue that is full is asked for a place.
const MARK_AGAIN: Duration = Duration::from_millis(20);

/// The thread that writes the lines of a sink, and their queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: NonBlocking,
    caught_up: Receiver<()>,
    guard: WorkerGuard,
}

impl Writer {
    /// Starts it: it writes `to` what comes into the queue of so many lines, and counts
    /// what fails.
    pub(super) fn start(
        to: impl Write + Send + 'static,
        queue: usize,
        failed: Arc<AtomicU64>,
    ) -> Self {
        let (mark, caught_up) = mpsc::channel();
        let (queue, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(queue)
            .thread_name("log")
            .finish(Watched { to, failed, mark });
        Self {
            queue,
            caught_up,
            guard,
        }
    }

    /// Where lines are put into its queue.
    pub(super) fn queue(&self) -> NonBlocking {
        self.queue.clone()
    }

    /// Blocks until what has been accepted is written, or the `end`.
    pub(super) fn finish(mut self, end: Instant) {
        // An empty line is a mark: it is behind all that was accepted before it.
        while Instant::now() < end {
            // Not accepted while the queue is full: then again.
            let _ = self.queue.write(b"");
            if self.caught_up.recv_timeout(MARK_AGAIN).is_ok() {
                return;
            }
        }
        // It would wait for a second more.
        std::mem::forget(self.guard);
    }
}

/// What a sink writes to: counts what fails, of which `tracing-appender` says nothing,
/// and tells when it comes to a mark.
struct Watched<W> {
    to: W,
    failed: Arc<AtomicU64>,
    mark: Sender<()>,
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line)?;
        Ok(line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        if line.is_empty() {
            // Nobody there who waits for it: it took too long.
            let _ = self.mark.send(());
            return Ok(());
        }
        let written = self.to.write_all(line);
        if written.is_err() {
            self.failed.fetch_add(1, Relaxed);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_written_is_counted() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let failed = Arc::<AtomicU64>::default();
        let (mark, marks) = mpsc::channel();
        let mut to = Watched {
            to: Full,
            failed: Arc::clone(&failed),
            mark,
        };
        assert!(to.write_all(b"a line\n").is_err());
        assert_eq!(failed.load(Relaxed), 1);
        assert!(marks.try_recv().is_err());
        to.write_all(b"").unwrap();
        marks.try_recv().unwrap();
    }
}
