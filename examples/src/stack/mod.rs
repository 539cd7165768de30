//! The services, the admin port and what they share, started and stopped
//! together.

mod figures;
mod start;

pub use figures::{StackFigures, Watch};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::admin::Admin;
use crate::alarm::store::PolicyStore;
use crate::alarm::webhook::Receiver;
use crate::config::Settings;
use crate::server::{BindError, Server, Service};

/// Why the services did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A service's address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The admin port's address cannot be had.
    #[error("admin port: cannot listen at {addr}: {source}")]
    Admin {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The alarm log cannot be written.
    #[error("alarm log {}: {source}", path.display())]
    AlarmLog {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The local webhook receiver did not start.
    #[error("webhook receiver: {0}")]
    Receiver(std::io::Error),
}

/// The running whole.
#[derive(Debug)]
pub struct Stack {
    /// Echo and Check, which are stopped first.
    front: Server,
    /// Notify, which Check calls.
    back: Server,
    admin: Admin,
    receiver: Option<Receiver>,
    watch: Watch,
    addrs: Addrs,
    /// Between the end of being ready and the closing of the ports.
    lame_duck: Duration,
}

/// Where everything listens.
#[derive(Clone, Copy, Debug)]
pub struct Addrs {
    /// Echo.
    pub echo: SocketAddr,
    /// `alarm.Check`.
    pub check: SocketAddr,
    /// `alarm.Notify`.
    pub notify: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
}

impl Stack {
    /// Starts everything; `admin` is told when it is ready. The policies are awaited
    /// beside what does not need them.
    ///
    /// # Errors
    /// When an address or the alarm log cannot be had.
    ///
    /// # Panics
    /// When loading the policies panics.
    pub async fn start(
        settings: &Settings,
        policies: impl Future<Output = Arc<PolicyStore>> + Send + 'static,
        admin: Admin,
    ) -> Result<Self, StartError> {
        start::start(settings, policies, admin).await
    }

    /// Where everything listens.
    #[must_use]
    pub fn addrs(&self) -> Addrs {
        self.addrs
    }

    /// Serves one more service, at the front, until the stop.
    ///
    /// # Errors
    /// When it cannot listen at `addr`.
    pub async fn serve<L>(
        &mut self,
        service: Service<L>,
        addr: SocketAddr,
    ) -> Result<SocketAddr, BindError> {
        self.front.serve(service, addr).await
    }

    /// Whoever looks on.
    #[must_use]
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Stops gracefully, within `grace`: not ready any more, for the lame-duck pause if
    /// there is one; no new work; what was accepted is finished, from the front to the
    /// back, hooks included; then everything is closed.
    ///
    /// Returns the last figures.
    pub async fn stop(self, grace: Duration) -> StackFigures {
        let end = tokio::time::Instant::now() + grace;
        let left = || end.saturating_duration_since(tokio::time::Instant::now());
        self.admin.not_ready();
        tokio::time::sleep(self.lame_duck.min(grace)).await;
        self.front.shutdown(left()).await;
        self.back.shutdown(left()).await;
        if let Some(receiver) = self.receiver {
            receiver.stop(left().min(Duration::from_millis(200))).await;
        }
        self.admin
            .stop(left().min(Duration::from_millis(200)))
            .await;
        self.watch.figures()
    }
}
