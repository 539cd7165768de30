//! The wish to stop: ctrl-c, or the SIGTERM that Kubernetes sends to a pod.
//!
//! Signals are heard by a thread that does nothing else. `tokio::signal` hears them in
//! the runtime, on the thread that looks for its events, and a handler that blocks that
//! very thread would make the process deaf: to a second signal, and to the first one.

use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;
use tokio::sync::oneshot;

use crate::{logging, say};

/// What a shell adds to the number of the signal that ended a process.
const SIGNALLED: i32 = 128;
/// The exit status of a stop that was not over in time.
const STUCK: i32 = 1;
/// What a stop may take beyond the time that it was given, for what it does at last.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// What the log has when the process is ended at once.
const HURRY: Duration = Duration::from_millis(200);

/// Completes at the first ctrl-c or SIGTERM after the call. Whoever sends a second
/// one does not want to wait: it ends the process at once, with 128 and its number as
/// the exit status. And if the stop, which may take `grace`, is not over some seconds
/// after that, the process is ended with status 1, whatever holds it up.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn requested(grace: Duration) -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let (told, stop) = oneshot::channel();
    let listener = std::thread::Builder::new().name("signals".into());
    listener.spawn(move || {
        let mut signals = signals.forever();
        let Some(first) = signals.next() else { return };
        tracing::info!(signal = name(first), "stopping");
        std::thread::spawn(move || {
            std::thread::sleep(grace.saturating_add(LAST_WORDS));
            say::err(format_args!("error: not stopped within {grace:?}, ended"));
            end(STUCK);
        });
        // Nobody there who waits for it: then the process is about to end.
        let _ = told.send(());
        let Some(second) = signals.next() else { return };
        tracing::warn!(signal = name(second), "not waiting any longer");
        end(SIGNALLED + second);
    })?;
    Ok(async move {
        if stop.await.is_err() {
            // The thread has gone, and nobody asks to stop any more.
            std::future::pending::<()>().await;
        }
    })
}

fn name(signal: i32) -> &'static str {
    signal_name(signal).unwrap_or("unknown")
}

fn end(status: i32) -> ! {
    logging::flush_within(HURRY);
    std::process::exit(status)
}
