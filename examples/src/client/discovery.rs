//! Where the servers are.

use std::io;
use std::net::SocketAddr;

use futures::future::BoxFuture;

/// Tells where the servers of a service are now. It is asked again and again.
pub trait Discovery: Send + Sync + 'static {
    /// The addresses, in any order. None at all is taken for a hiccup: those
    /// that are known are kept.
    ///
    /// # Errors
    /// When they cannot be found out; those that are known are kept.
    fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>>;
}

/// Addresses that do not change.
impl Discovery for Vec<SocketAddr> {
    fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// The addresses of a name, such as `alarm-check.prod:8001`: how Kubernetes
/// tells the pods of a headless service.
#[derive(Clone, Debug)]
pub struct Dns(pub String);

impl Discovery for Dns {
    fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Ok(tokio::net::lookup_host(&self.0).await?.collect()) })
    }
}
