//! Connecting, and what the socket does by itself to find out that its peer has gone.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection over which nothing goes is asked after so long whether its peer is there,
const IDLE: Duration = Duration::from_secs(15);
/// and then after each of these.
const AGAIN: Duration = Duration::from_secs(5);
/// For so long a peer may leave what was sent unacknowledged (its kernel, not its program).
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// A connection to `addr`, made in time.
pub(super) async fn connect(addr: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let stream = timeout(within, TcpStream::connect(addr)).await??;
    // Requests go out in batches as it is; they need not wait.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let keep_alive = TcpKeepalive::new().with_time(IDLE).with_interval(AGAIN);
    socket.set_tcp_keepalive(&keep_alive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_looks_whether_the_peer_is_there() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stream = connect(addr, Duration::from_secs(60)).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }
}
