//! The wish to stop: ctrl-c, or the SIGTERM that Kubernetes sends to a pod.

use tokio::signal::unix::{SignalKind, signal};

/// Completes at the first ctrl-c or SIGTERM after the call.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn requested() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        tracing::info!(signal = name, "stopping");
    })
}
