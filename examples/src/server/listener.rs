//! A service's listener: accepts connections and starts their tasks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use tokio_util::sync::CancellationToken;

use super::connection;
use super::registry::Registry;
use super::running::Running;
use super::session::Session;
use crate::sampled;

/// How long to wait after an accept has failed; twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// So many probes in a row may be unanswered.
#[cfg(target_os = "linux")]
const PROBES: u32 = 3;

/// Connections that the kernel may take in before they are accepted here; it has a
/// limit of its own, mostly of as many.
const BACKLOG: u32 = 4096;

/// Listens at the first address that can be had.
pub(super) async fn bind(addr: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let mut refused = io::ErrorKind::AddrNotAvailable.into();
    for addr in lookup_host(addr).await? {
        match bind_to(addr) {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn bind_to(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // One that has just stopped may have connections that are not quite gone.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Accepts connections, and starts their tasks.
pub(super) struct Acceptor {
    pub(super) running: Arc<Running>,
    pub(super) registry: Arc<Registry>,
}

impl Acceptor {
    /// Accepts until it is to stop, and then what the kernel has taken in: to close the
    /// port cuts off who waits there.
    pub(super) async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let mut wait = FIRST_WAIT;
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => {
                    wait = FIRST_WAIT;
                    self.take_in(stream, peer);
                }
                // The peer has given up meanwhile; the listener is well.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Often too many open files: some will be closed.
                    self.running.count_accept_failure();
                    let service = &self.running.name;
                    sampled!(10, warn, %service, %error, ?wait, "accept failed");
                    stop.run_until_cancelled(tokio::time::sleep(wait)).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
        if let Err(error) = self.accept_waiting(listener) {
            tracing::warn!(%error, "who waited to be accepted is cut off");
        }
    }

    /// Accepts until nobody waits. The kernel itself is asked: the runtime knows only
    /// of those that it was told of.
    fn accept_waiting(&self, listener: TcpListener) -> io::Result<()> {
        let listener = listener.into_std()?;
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    stream.set_nonblocking(true)?;
                    self.take_in(TcpStream::from_std(stream)?, peer);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Ok(()),
                    _ => return Err(error),
                },
            }
        }
    }

    fn take_in(&self, stream: TcpStream, peer: SocketAddr) {
        let options = &self.running.options;
        let session = Arc::new(Session::new(Arc::clone(&self.running), peer));
        let Some(registered) = self.registry.enter(&session, options.max_connections) else {
            self.running.count_broken("crowded");
            sampled!(10, warn, %peer, "too many connections; it is closed");
            return;
        };
        if let Err(error) = prepare(&stream, options.keep_alive) {
            tracing::debug!(%peer, %error, "its options cannot be set");
        }
        tokio::spawn(connection::serve(stream, session, registered));
    }
}

fn prepare(stream: &TcpStream, keep_alive: Option<Duration>) -> io::Result<()> {
    // Replies go out in batches as it is; they need not wait.
    stream.set_nodelay(true)?;
    let Some(period) = keep_alive else {
        return Ok(());
    };
    let socket = SockRef::from(stream);
    let keep_alive = TcpKeepalive::new().with_time(period).with_interval(period);
    #[cfg(target_os = "linux")]
    let keep_alive = keep_alive.with_retries(PROBES);
    socket.set_tcp_keepalive(&keep_alive)?;
    // While something is unacknowledged there are no probes, but repetitions, which go on
    // for a quarter of an hour. (Who takes no replies for so long is closed by that too.)
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(period.saturating_mul(PROBES + 1)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[tokio::test]
    async fn the_kernel_takes_every_time_that_may_be_said() {
        let listener = bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
        let stream = stream.unwrap();
        for said in ["1s", "32767s"] {
            let cli = Cli::parse_from(["rpc-demo", "--keep-alive", said]);
            let options = cli.options.settle().unwrap().server_options();
            prepare(&stream, options.keep_alive).unwrap();
        }
    }

    #[tokio::test]
    async fn the_kernel_looks_whether_the_peer_is_there_with_and_without_a_reply_under_way() {
        let listener = bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (_peer, accepted) = tokio::join!(TcpStream::connect(addr), listener.accept());
        let (stream, _) = accepted.unwrap();
        let socket = SockRef::from(&stream);
        prepare(&stream, None).unwrap();
        assert!(stream.nodelay().unwrap() && !socket.keepalive().unwrap());
        let period = Duration::from_secs(15);
        prepare(&stream, Some(period)).unwrap();
        assert!(socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        {
            assert_eq!(socket.tcp_keepalive_time().unwrap(), period);
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), period);
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
            let unacknowledged = socket.tcp_user_timeout().unwrap();
            assert_eq!(unacknowledged, Some(4 * period));
        }
    }
}
