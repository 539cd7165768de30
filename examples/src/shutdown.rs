//! The wish to stop: ctrl-c, or the SIGTERM that Kubernetes sends to a pod.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell says of a process that a signal ended: 128 and its number.
const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// The next one: its name, and the exit status that goes with it.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", INTERRUPTED),
            _ = self.terminate.recv() => ("SIGTERM", TERMINATED),
        }
    }
}

/// Completes at the first ctrl-c or SIGTERM after the call. Whoever sends a second
/// one does not want to wait: it ends the process at once.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn requested() -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    Ok(async move {
        let (signal, _) = signals.next().await;
        tracing::info!(signal, "stopping");
        tokio::spawn(async move {
            let (signal, status) = signals.next().await;
            tracing::warn!(signal, "not waiting any longer");
            std::process::exit(status);
        });
    })
}
