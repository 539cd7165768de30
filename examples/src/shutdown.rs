//! The wish to stop: ctrl-c, or the SIGTERM that Kubernetes sends to a pod.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// What a shell says of a process that a signal ended: 128 and its number.
const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;
/// Of a stop that was not over in time.
const STUCK: i32 = 1;
/// What a stop may take beyond the time that it was given, for what it does at last.
const LAST_WORDS: Duration = Duration::from_secs(5);

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
/// one does not want to wait: it ends the process at once. And if the stop, which may
/// take `grace`, is not over some seconds after that, the process is ended with status
/// 1: by a thread that looks at nothing else, for a handler that blocks its thread can
/// hold up a whole runtime.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn requested(grace: Duration) -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let (told, stop) = oneshot::channel();
    // In a task, so that it is heard whatever its caller is at.
    tokio::spawn(async move {
        let (signal, _) = signals.next().await;
        tracing::info!(signal, "stopping");
        std::thread::spawn(move || {
            std::thread::sleep(grace.saturating_add(LAST_WORDS));
            eprintln!("error: not stopped within {grace:?}, ended");
            std::process::exit(STUCK);
        });
        // Nobody there who waits for it: then the process is about to end.
        let _ = told.send(());
        let (signal, status) = signals.next().await;
        tracing::warn!(signal, "not waiting any longer");
        std::process::exit(status);
    });
    Ok(async move {
        if stop.await.is_err() {
            // The runtime goes, and this with it.
            std::future::pending::<()>().await;
        }
    })
}
