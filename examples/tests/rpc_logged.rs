//! What is logged of requests, and where their ids go.

mod rpc_peer;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use errgroup::Group;
use parking_lot::Mutex;
use pool_worker::tasks::Pool;
use rpc_peer::{ECHO, Peer, WAIT, both, echo, gated, head, pool, request, start, until};
use tracing::subscriber::DefaultGuard;

/// The lines that are logged in this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn of(level: tracing::Level) -> (Self, DefaultGuard) {
        let lines = Self::default();
        let written = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || written.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// Those in which there is `word`.
    fn with(&self, word: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().clone()).unwrap();
        let lines = text.lines().filter(|line| line.contains(word));
        lines.map(str::to_owned).collect()
    }
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test]
async fn what_a_task_logs_that_a_handler_has_spawned_has_the_id_and_span_of_the_request() {
    let (lines, _guard) = Lines::of(tracing::Level::DEBUG);
    let workers = Arc::new(Pool::new(1));
    for service in both(echo, pool(1, 1)) {
        let workers = Arc::clone(&workers);
        let service = service.raw("Spawn", move |_, body| {
            let workers = Arc::clone(&workers);
            async move {
                let group = Group::<io::Error>::new();
                group.spawn(async {
                    tokio::task::yield_now().await;
                    tracing::info!("said in a group");
                    Ok(())
                });
                group.wait().await.unwrap();
                let job = async { tracing::info!("said in a pool") };
                workers.spawn(job).await.unwrap().await.unwrap();
                Ok(body)
            }
        });
        let (_server, addr) = start(service).await;
        let mut head = head(1, "/rpcdemo.Echo/Spawn", 4);
        let said = [("request-id", ID), ("traceparent", PARENT)];
        head.trans_info = said.map(|(key, said)| (key.to_owned(), said.into())).into();
        let reply = Peer::connect(addr).await.call(&head, b"x").await;
        assert_eq!(reply.head.ret, 0, "{reply:?}");
    }
    for said in ["said in a group", "said in a pool"] {
        let said = lines.with(said);
        assert_eq!(said.len(), 2, "{said:?}");
        for word in [ID, "parent=\"00f067aa0ba902b7\"", " span="] {
            assert!(said.iter().all(|line| line.contains(word)), "{said:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_waits_for_too_long_is_logged_though_it_is_not_handled() {
    let (lines, _guard) = Lines::of(tracing::Level::WARN);
    let service = echo().pooled(pool(1, 1)).slow(Duration::ZERO);
    let (service, gate, mut starts) = gated(service);
    let (server, addr) = start(service).await;
    let mut peer = Peer::connect(addr).await;
    peer.send(&request(&head(1, WAIT, 4), b"")).await;
    starts.recv().await.unwrap();
    // It waits until its caller does no longer.
    let mut expires = head(2, ECHO, 4);
    expires.timeout = 1;
    peer.send(&request(&expires, b"")).await;
    until(|| server.stats().accepted == 2).await;
    // There is no place for this one.
    let refused = peer.call(&head(3, ECHO, 4), b"").await;
    assert_eq!((refused.id, refused.head.ret), (3, 22));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    gate.add_permits(1);
    for (id, code) in [(1, 0), (2, 24)] {
        let reply = peer.reply().await;
        assert_eq!((reply.id, reply.head.ret), (id, code), "{reply:?}");
    }
    let slow = lines.with("slow request");
    for code in ["code=0", "code=22", "code=24"] {
        let said = slow.iter().filter(|line| line.contains(code)).count();
        assert_eq!(said, 1, "{code} in {slow:?}");
    }
}
