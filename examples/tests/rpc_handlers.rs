//! Handlers that fail, panic, take too long, or are too many.

mod rpc_peer;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use rpc_demo::server::{Context, Failure, ServerOptions, Service};
use rpc_demo::wire::{Code, RequestProtocol};
use rpc_peer::{
    ECHO, Peer, WAIT, both, echo, gated, head, pool, request, requests, start, start_with,
};

#[tokio::test]
async fn a_handlers_error_reaches_the_caller_with_its_codes() {
    let service = || {
        echo()
            .raw("Business", |_, _| async {
                Err(Failure::business(-7, "no such policy"))
            })
            .raw("Auth", |_, _| async {
                Err(Failure::framework(Code::SERVER_AUTH, "who are you"))
            })
    };
    for service in both(service, pool(4, 100)) {
        let (server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        let reply = peer.call(&head(1, "/rpcdemo.Echo/Business", 4), b"").await;
        assert_eq!((reply.head.ret, reply.head.func_ret), (0, -7));
        assert_eq!(reply.head.error_msg, "no such policy");
        let reply = peer.call(&head(2, "/rpcdemo.Echo/Auth", 4), b"").await;
        assert_eq!((reply.head.ret, reply.head.func_ret), (41, 0));
        for id in 3..6 {
            assert_eq!(peer.call(&head(id, ECHO, 4), b"well").await.head.ret, 0);
        }
        peer.call(&head(6, "/rpcdemo.Echo/Quack", 4), b"").await;
        let stats = server.stats();
        assert_eq!(stats.errors, [(-7, 1), (12, 1), (41, 1)].into());
        // Errors, latency, success: of each method, and what is no method of no one.
        let golden = |name: &str| {
            let mut methods = stats.services[0].methods.iter();
            let of = methods.find(|method| method.name.ends_with(name)).unwrap();
            (of.succeeded, of.latency.count, of.errors.clone())
        };
        assert_eq!(golden("/Auth"), (0, 1, [(41, 1)].into()));
        assert_eq!(golden("/Business"), (0, 1, [(-7, 1)].into()));
        assert_eq!(golden("/Echo"), (3, 3, [].into()));
        assert_eq!(stats.services[0].succeeded, 3);
    }
}

/// Panics as it is dropped.
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

#[tokio::test]
async fn a_panic_is_code_31_and_costs_neither_connection_nor_worker() {
    let service = || {
        echo()
            .raw("Early", |_, _| -> std::future::Ready<_> {
                panic!("before the future")
            })
            .raw("First", |_, _| async { panic!("in the first poll") })
            .raw("Later", |_, _| async {
                tokio::task::yield_now().await;
                panic!("in a later poll")
            })
            .raw("Drop", |_, _| async {
                let _mine = Mine;
                std::future::pending().await
            })
            .method_timeout("Drop", Duration::from_millis(20))
    };
    for service in both(service, pool(1, 100)) {
        let (server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        for round in 0..3 {
            for (at, method) in ["Early", "First", "Later", "Drop"].into_iter().enumerate() {
                let method = format!("/rpcdemo.Echo/{method}");
                let reply = peer.call(&head(at as u32 + 1, &method, 4), b"").await;
                assert!([31, 21].contains(&reply.head.ret), "{method}: {reply:?}");
                assert_eq!(reply.head.ret == 21, method.ends_with("Drop"));
            }
            assert_eq!(peer.call(&head(9, ECHO, 4), b"on").await.body, b"on");
            assert_eq!(server.stats().panics, 4 * (round + 1));
        }
        assert_eq!(server.stats().connections, 1);
        drop(peer);
        let drained = server.shutdown(Duration::from_secs(60)).await;
        assert_eq!(
            (drained.accepted, drained.replied, drained.lost),
            (15, 15, 0)
        );
    }
}

fn tells_remaining() -> Service {
    let remaining =
        |context: Context, _| async move { Ok(context.remaining().as_secs().to_string().into()) };
    echo().raw("Plain", remaining).raw("Short", remaining)
}

#[tokio::test]
async fn the_deadline_is_the_least_of_the_services_the_methods_and_the_callers() {
    const HOUR: u64 = 3600;
    let hours = |hours: u64| Duration::from_secs(hours * HOUR);
    let service = || {
        tells_remaining()
            .timeout(hours(20))
            .method_timeout("Short", hours(10))
    };
    for service in both(service, pool(4, 100)) {
        let (_server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        for (method, caller, least) in [
            ("Plain", 0, 20),
            ("Short", 0, 10),
            ("Plain", 15, 15),
            ("Short", 15, 10),
            ("Short", 5, 5),
            ("Plain", 30, 20),
        ] {
            let timeout = (hours(caller).as_millis()) as u32;
            let head = RequestProtocol {
                timeout,
                ..head(1, &format!("/rpcdemo.Echo/{method}"), 4)
            };
            let reply = peer.call(&head, b"").await;
            let left: u64 = String::from_utf8(reply.body).unwrap().parse().unwrap();
            // Rounded down, and minutes would have had to pass for less.
            assert!(
                (least * HOUR - 600..least * HOUR).contains(&left),
                "{method} {caller}: {left}"
            );
        }
    }
}

#[tokio::test]
async fn a_method_cannot_take_longer_than_its_service() {
    let service = tells_remaining()
        .timeout(Duration::from_secs(3600))
        .method_timeout("Short", Duration::from_secs(7200));
    let (_server, addr) = start(service).await;
    let reply = Peer::connect(addr)
        .await
        .call(&head(1, "/rpcdemo.Echo/Short", 4), b"")
        .await;
    let left: u64 = String::from_utf8(reply.body).unwrap().parse().unwrap();
    assert!(left < 3600, "{left}");
}

#[tokio::test]
async fn a_deadline_that_passes_is_told_code_21_for_the_servers_and_24_for_the_callers() {
    let service = || {
        echo()
            .raw("Never", |_, _| std::future::pending())
            .raw("Short", |_, _| std::future::pending())
            .method_timeout("Short", Duration::from_millis(30))
            .timeout(Duration::from_secs(3600))
    };
    for service in both(service, pool(4, 100)) {
        let (server, addr) = start(service).await;
        let mut peer = Peer::connect(addr).await;
        for (method, caller, code) in [("Short", 0, 21), ("Short", 60_000, 21), ("Never", 30, 24)] {
            let head = RequestProtocol {
                timeout: caller,
                ..head(1, &format!("/rpcdemo.Echo/{method}"), 4)
            };
            let reply = peer.call(&head, b"").await;
            assert_eq!(reply.head.ret, code, "{method} {caller}");
        }
        assert_eq!(server.stats().errors, [(21, 2), (24, 1)].into());
        assert_eq!(peer.call(&head(2, ECHO, 4), b"on").await.body, b"on");
    }
}

#[tokio::test]
async fn replies_do_not_wait_with_a_handler_that_comes_after_them() {
    let (service, gate, _) = gated(echo().inline());
    let (_server, addr) = start(service).await;
    let mut peer = Peer::connect(addr).await;
    let mut two = request(&head(1, ECHO, 4), b"first");
    two.extend(request(&head(2, WAIT, 4), b"second"));
    peer.send(&two).await;
    assert_eq!(peer.reply().await.body, b"first");
    gate.add_permits(1);
    assert_eq!(peer.reply().await.body, b"second");
}

#[tokio::test]
async fn in_line_who_waits_behind_another_for_too_long_is_refused_when_its_turn_comes() {
    let (service, gate, mut starts) = gated(echo().inline());
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let service = service.raw("Count", move |_, body| {
        count.fetch_add(1, SeqCst);
        async { Ok(body) }
    });
    let (_server, addr) = start(service.timeout(Duration::from_secs(3600))).await;
    let mut peer = Peer::connect(addr).await;
    let hasty = RequestProtocol {
        timeout: 1,
        ..head(2, "/rpcdemo.Echo/Count", 4)
    };
    let patient = head(3, "/rpcdemo.Echo/Count", 4);
    let mut all = request(&head(1, WAIT, 4), b"");
    all.extend(request(&hasty, b""));
    all.extend(request(&patient, b""));
    peer.send(&all).await;
    starts.recv().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    gate.add_permits(1);
    // One after the other, as they came.
    for (id, code) in [(1, 0), (2, 24), (3, 0)] {
        let reply = peer.reply().await;
        assert_eq!((reply.id, reply.head.ret), (id, code), "{reply:?}");
    }
    assert_eq!(handled.load(SeqCst), 1);
}

#[tokio::test]
async fn a_full_pool_is_code_22_and_it_recovers() {
    let (service, gate, mut starts) = gated(echo().pooled(pool(1, 1)));
    let (server, addr) = start(service).await;
    let mut peer = Peer::connect(addr).await;
    let wait = |id| request(&head(id, WAIT, 4), b"waited");
    peer.send(&wait(1)).await;
    starts.recv().await.unwrap();
    // The worker is busy: one waits, the others are too many.
    peer.send(&[wait(2), wait(3), wait(4)].concat()).await;
    for id in [3, 4] {
        let reply = peer.reply().await;
        assert_eq!((reply.id, reply.head.ret), (id, 22));
    }
    gate.add_permits(2);
    for id in [1, 2] {
        let reply = peer.reply().await;
        assert_eq!(
            (reply.id, reply.head.ret, &reply.body[..]),
            (id, 0, &b"waited"[..])
        );
    }
    assert_eq!(peer.call(&head(5, ECHO, 4), b"on").await.body, b"on");
    let stats = server.stats();
    assert_eq!((stats.accepted, stats.replied, stats.in_flight), (5, 5, 0));
    assert_eq!(stats.errors, [(22, 2)].into());
    // Those that ran, and no others, have a schedule delay.
    assert_eq!(stats.services[0].delay.unwrap().count, 3);
    assert_eq!(stats.services[0].latency.count, 3);
}

#[tokio::test]
async fn no_more_than_so_many_requests_of_one_connection_are_under_way() {
    const MOST: usize = 4;
    let running = Arc::new(AtomicUsize::new(0));
    let service = echo().pooled(pool(64, 64)).raw("Count", move |_, body| {
        let running = Arc::clone(&running);
        async move {
            let others = running.fetch_add(1, SeqCst);
            assert!(others < MOST, "{others} others at the same time");
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, SeqCst);
            Ok(body)
        }
    });
    let options = ServerOptions {
        max_in_flight: MOST,
        ..ServerOptions::default()
    };
    let (_server, addr) = start_with(service, options).await;
    let mut peer = Peer::connect(addr).await;
    let all = requests(1..=200, "/rpcdemo.Echo/Count", b"");
    peer.send(&all).await;
    for _ in 1..=200 {
        let reply = peer.reply().await;
        assert_eq!(reply.head.ret, 0, "{reply:?}");
    }
}

#[tokio::test]
async fn parameters_are_recycled() {
    let (server, addr) = start(echo().pooled(pool(4, 100))).await;
    let mut peer = Peer::connect(addr).await;
    let before = server.stats().pools.params;
    for id in 1..=100 {
        peer.call(&head(id, ECHO, 4), b"").await;
    }
    let after = server.stats().pools.params;
    // The first on each thread are made; other tests of this process count as well, and
    // only add to both.
    let (hits, misses) = (
        after.hits.total() - before.hits.total(),
        after.misses - before.misses,
    );
    assert!(hits >= 95, "{hits} of them reused, {misses} made");
}
