//! tokio's sockets, telling what becomes of each operation, and wakers that tell
//! who calls them.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::interest::Interest;
use super::trace::{Event, Trace};

/// A listener whose steps are told.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    addr: SocketAddr,
    told: Told,
}

/// A connection whose steps are told.
#[derive(Debug)]
pub struct Connection {
    inner: TcpStream,
    told: Told,
}

/// Where the steps of a task are told.
#[derive(Clone, Debug)]
struct Told {
    trace: Arc<Trace>,
    task: &'static str,
}

impl Listener {
    /// Listens at any free port of the loopback interface.
    ///
    /// # Errors
    /// When there is none.
    pub async fn bind(trace: &Arc<Trace>) -> io::Result<Self> {
        let inner = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let (addr, fd) = (inner.local_addr()?, inner.as_raw_fd());
        let told = Told {
            trace: Arc::clone(trace),
            task: "listener",
        };
        told.tell(Event::Listens(fd, addr, Interest::of(fd)));
        Ok(Self { inner, addr, told })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The next connection. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// Those of `accept4`.
    pub async fn accept(&self) -> io::Result<Connection> {
        let operation = "poll_accept";
        let accepted = poll_fn(|cx| {
            self.told
                .poll(cx, operation, |cx| self.inner.poll_accept(cx))
        });
        let (inner, peer) = accepted.await?;
        let fd = inner.as_raw_fd();
        self.told.tell(Event::Accepted(fd, peer, Interest::of(fd)));
        let told = Told {
            task: "connection",
            ..self.told.clone()
        };
        Ok(Connection { inner, told })
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { inner, told } = self.get_mut();
        let before = buffer.filled().len();
        let read = |cx: &mut Context<'_>| Pin::new(inner).poll_read(cx, buffer);
        ready!(told.poll(cx, "poll_read", read))?;
        told.tell(Event::Read(buffer.filled().len() - before));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, told } = self.get_mut();
        let write = |cx: &mut Context<'_>| Pin::new(inner).poll_write(cx, bytes);
        let count = ready!(told.poll(cx, "poll_write", write))?;
        told.tell(Event::Wrote(count));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl Told {
    fn tell(&self, event: Event) {
        self.trace.tell(self.task, event);
    }

    /// Polls with a waker that tells when it is called, and tells if it was left.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        operation: &'static str,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let waker = Waker::from(Arc::new(ToldWaker {
            inner: cx.waker().clone(),
            told: self.clone(),
            operation,
        }));
        let polled = poll(&mut Context::from_waker(&waker));
        if polled.is_pending() {
            self.tell(Event::Pending(operation));
        }
        polled
    }
}

/// The waker of a task, and who to tell.
struct ToldWaker {
    inner: Waker,
    told: Told,
    operation: &'static str,
}

impl Wake for ToldWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.told.tell(Event::Woken(self.operation));
        self.inner.wake_by_ref();
    }
}
