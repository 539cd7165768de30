//! A service's listener: accepts connections and starts their tasks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use super::connection;
use super::registry::Registry;
use super::running::Running;
use super::session::Session;

/// How long to wait after an accept has failed; twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Accepts until it is dropped, which closes the port.
pub(super) async fn accept(listener: TcpListener, running: Arc<Running>, registry: Arc<Registry>) {
    let mut wait = FIRST_WAIT;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                wait = FIRST_WAIT;
                if let Err(error) = prepare(&stream, running.options.keep_alive) {
                    tracing::debug!(%peer, %error, "its options cannot be set");
                }
                let session = Arc::new(Session::new(Arc::clone(&running), peer));
                let registered = registry.enter(&session);
                tokio::spawn(connection::serve(stream, session, registered));
            }
            // The peer has given up meanwhile; the listener is well.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Often too many open files: some will be closed.
                tracing::warn!(service = %running.name, %error, ?wait, "accept failed");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
}

fn prepare(stream: &TcpStream, keep_alive: Option<Duration>) -> io::Result<()> {
    // Replies go out in batches as it is; they need not wait.
    stream.set_nodelay(true)?;
    if let Some(period) = keep_alive {
        let keep_alive = TcpKeepalive::new().with_time(period).with_interval(period);
        SockRef::from(stream).set_tcp_keepalive(&keep_alive)?;
    }
    Ok(())
}
