//! The end of a connection: the last replies reach the peer, and each request is accounted
//! for.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::Connection;
use crate::server::outbox::Phase;
use crate::wire::buffers::{self, READ};

/// How long the peer has to close its side; what it still sends is thrown
/// away. Closing with bytes unread would cut off the last replies.
const LINGER: Duration = Duration::from_millis(500);

impl Connection {
    /// Says that there are no more replies, and gives the peer time to read
    /// them and to close.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        if self.late {
            // A peer that does not stop sending is not waited for.
            let farewell = self.session.running.options.farewell;
            timeout(farewell, self.farewell()).await.unwrap_or(Ok(()))?;
            self.last_frame().await?;
        }
        self.stream.shutdown().await?;
        if self.ended {
            return Ok(());
        }
        let rest = async {
            let mut thrown_away = buffers::get(READ);
            while buffers::either!(&mut thrown_away, to => self.stream.read_buf(to).await?) > 0 {
                thrown_away.clear();
            }
            Ok(())
        };
        // A peer that does not close is not waited for.
        timeout(LINGER, rest).await.unwrap_or(Ok(()))
    }

    /// Goes on refusing what comes late, until the peer closes or speaks something else.
    async fn farewell(&mut self) -> io::Result<()> {
        while self.open {
            self.flush().await?;
            let count = poll_fn(|cx| self.reader.poll_fill(cx, &mut self.stream)).await?;
            self.take_in(count);
        }
        self.flush().await
    }

    /// Waits for the rest of a request that has come in part, so that its caller is told,
    /// too; one that comes behind it is not waited for.
    async fn last_frame(&mut self) -> io::Result<()> {
        while self.open && self.out.is_empty() && self.reader.is_amid_frame() {
            match poll_fn(|cx| self.poll_rest(cx)).await {
                Some(count) => self.take_in(count?),
                None => return Ok(()),
            }
        }
        // A peer that takes no replies is not waited for.
        timeout(LINGER, self.flush()).await.unwrap_or(Ok(()))
    }

    /// Reads once, unless the peer has been idle for too long, or the server waits no more.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<usize>>> {
        loop {
            if let Poll::Ready(count) = self.reader.poll_fill(cx, &mut self.stream) {
                return Poll::Ready(Some(count));
            }
            if self.phase >= Phase::Leaving {
                return Poll::Ready(None);
            }
            if self.session.outbox.park(self.phase, false, cx) {
                return self.poll_idle(cx).map(|_idle| None);
            }
            self.collect();
        }
    }
}

/// Whatever ends the connection, each of its requests is accounted for.
impl Drop for Connection {
    fn drop(&mut self) {
        let left = self.session.outbox.close();
        let figures = &self.session.figures;
        figures.lost.add(self.out.ended.lost + left.ended.lost);
        let open = figures.open();
        if self.phase == Phase::Closing {
            figures.lost.add(open);
        } else {
            figures.abandoned.add(open);
        }
    }
}
