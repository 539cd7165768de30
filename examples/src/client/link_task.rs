//! The task of a connection: writes requests, reads answers, ends calls whose
//! time is over.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::error::CallError;
use super::link::Link;
use crate::wire::FrameReader;
use crate::wire::buffers::Buffer;

/// Works for `link` until it breaks or is closed.
pub(super) async fn run(stream: TcpStream, link: Arc<Link>, max_frame: usize) {
    // Also when the runtime drops the task: no call waits for ever.
    let ends = Ends(&link);
    let mut task = LinkTask {
        stream,
        link: &link,
        reader: FrameReader::new(max_frame),
        out: None,
        written: 0,
        timer: None,
        wakers: Vec::new(),
        slept: false,
    };
    let error = poll_fn(|cx| task.poll(cx)).await;
    tracing::debug!(%error, "connection ended");
    link.close(&error);
    drop(ends);
}

struct Ends<'a>(&'a Link);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end(&CallError::Cancelled);
    }
}

struct LinkTask<'a> {
    stream: TcpStream,
    link: &'a Link,
    reader: FrameReader,
    out: Option<Buffer>,
    /// How much of `out` has been written.
    written: usize,
    /// Runs out at the next deadline of a call, as last seen.
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    /// Kept for its memory.
    wakers: Vec<Waker>,
    /// Whether it has slept since it last wrote.
    slept: bool,
}

impl LinkTask<'_> {
    /// Completes with the reason when it can go no further.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CallError> {
        // Woken by the first of them, it runs at once. Other callers that are
        // ready go before it, so that their requests go with the same write.
        if std::mem::take(&mut self.slept) && self.link.has_requests() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let found = self.link.collect(&mut self.out);
            if let Err(error) = self.write(cx) {
                return Poll::Ready(CallError::net(error));
            }
            if found.closed {
                return Poll::Ready(CallError::Cancelled);
            }
            match self.reader.poll_fill(cx, &mut self.stream) {
                Poll::Pending => {}
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(CallError::net(io::ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(_)) => {
                    let (frames, rest) = self.reader.frames();
                    self.link.hand_over(frames, &mut self.wakers);
                    if let Err(error) = rest {
                        return Poll::Ready(CallError::ReadFrame(error));
                    }
                    continue;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(CallError::net(error)),
            }
            if self.poll_deadline(found.next_deadline, cx)
                && self.link.park(self.out.is_some(), found.next_deadline, cx)
            {
                self.slept = true;
                return Poll::Pending;
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(buffer) = &self.out {
            let rest = &buffer[self.written..];
            match Pin::new(&mut self.stream).poll_write(cx, rest)? {
                Poll::Pending => break,
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) if count == rest.len() => {
                    self.out = None;
                    self.written = 0;
                }
                Poll::Ready(count) => self.written += count,
            }
        }
        Ok(())
    }

    /// Sees to it that the task is woken at the next deadline; `false` when
    /// that was now.
    ///
    /// The timer follows the next deadline only when that comes nearer: most
    /// calls end before theirs, and all of them together cost one timer.
    fn poll_deadline(&mut self, next: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(next) = next else { return true };
        let (at, timer) = self
            .timer
            .get_or_insert_with(|| (next, Box::pin(tokio::time::sleep_until(next))));
        if next != *at {
            *at = next;
            timer.as_mut().reset(next);
        }
        if timer.as_mut().poll(cx).is_pending() {
            return true;
        }
        self.link.expire(Instant::now(), &mut self.wakers);
        false
    }
}
