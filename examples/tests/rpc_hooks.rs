//! What the application does at the end of a shutdown.

mod rpc_peer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use rpc_demo::server::Server;
use rpc_peer::{LONG, Peer, WAIT, gated, head, pooled, request, requests, start, stop};
use tokio::sync::mpsc;

#[tokio::test]
async fn hooks_run_in_their_order_when_no_handler_does_and_nothing_in_a_channel_is_lost() {
    let (produce, mut channel) = mpsc::unbounded_channel::<u32>();
    let (service, gate, mut starts) = gated(pooled());
    let handlers = Arc::new(AtomicU32::new(0));
    let (running, sender) = (Arc::clone(&handlers), produce.clone());
    let service = service.raw("Produce", move |_, body: Bytes| {
        running.fetch_add(1, Relaxed);
        let (running, sender) = (Arc::clone(&running), sender.clone());
        async move {
            tokio::task::yield_now().await;
            sender.send(body.len() as u32).unwrap();
            running.fetch_sub(1, Relaxed);
            Ok(body)
        }
    });
    let (mut server, addr) = start(service).await;
    let (last, order) = mpsc::unbounded_channel();
    let told = last.clone();
    server.on_shutdown("production has stopped", LONG, move || async move {
        assert_eq!(handlers.load(Relaxed), 0);
        drop(produce);
        told.send("stopped").map_err(|_| "nobody listens")
    });
    let (told, consumed) = (last, Arc::new(AtomicU32::new(0)));
    let count = Arc::clone(&consumed);
    server.on_shutdown("the consumer has ended", LONG, move || async move {
        // It begins late: all of it is in the channel.
        while let Ok(length) = channel.try_recv() {
            count.fetch_add(length, Relaxed);
        }
        told.send("consumed").map_err(|_| "nobody listens")
    });
    let mut peer = Peer::connect(addr).await;
    peer.send(&request(&head(1, WAIT, 4), b"")).await;
    starts.recv().await.unwrap();
    let calls = requests(2..=9, "/rpcdemo.Echo/Produce", b"four");
    peer.send(&calls).await;
    for _ in 2..=9 {
        peer.reply().await;
    }
    let stopping = stop(server, addr, LONG).await;
    // Not before the last handler has ended.
    assert!(order.is_empty());
    gate.add_permits(1);
    let drained = stopping.await.unwrap();
    assert_eq!((drained.lost, drained.failed_hooks), (0, 0));
    assert_eq!(consumed.load(Relaxed), 8 * 4);
    assert_eq!(all(order), ["stopped", "consumed"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_panics_or_overruns_is_counted_and_the_others_run() {
    let mut server = Server::new(rpc_demo::server::ServerOptions::default());
    let (ran, order) = mpsc::unbounded_channel();
    let hook = |name: &'static str, result: Result<(), &'static str>| {
        let ran = ran.clone();
        move || async move {
            ran.send(name).unwrap();
            result
        }
    };
    server.on_shutdown("fails", LONG, hook("fails", Err("no")));
    server.on_shutdown("panics", LONG, || async {
        panic!("no") as Result<(), String>
    });
    let overruns = hook("overruns", Ok(()));
    server.on_shutdown("overruns", Duration::from_secs(1), || async {
        overruns().await?;
        std::future::pending::<Result<(), &str>>().await
    });
    server.on_shutdown(
        "uses the time up",
        LONG * 2,
        std::future::pending::<Result<(), String>>,
    );
    // There is a moment for it all the same.
    server.on_shutdown("ends well", LONG, hook("ends well", Ok(())));
    assert_eq!(server.shutdown(LONG).await.failed_hooks, 4);
    drop(ran);
    assert_eq!(all(order), ["fails", "overruns", "ends well"]);
}

fn all<T>(mut channel: mpsc::UnboundedReceiver<T>) -> Vec<T> {
    std::iter::from_fn(|| channel.try_recv().ok()).collect()
}
