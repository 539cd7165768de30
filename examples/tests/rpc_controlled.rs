//! Services whose workers are controlled: who is next, and who is told that it is not.

mod rpc_peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pool_worker::overload::{Codel, Control, Dagor, Level};
use rpc_demo::client::{CallOptions, Client, ClientOptions};
use rpc_demo::server::{PRIORITY, Server};
use rpc_demo::urgency::ADMITTED;
use rpc_demo::wire::{Code, ContentType, RequestProtocol};
use rpc_peer::{ECHO, Peer, WAIT, echo, gated, head, pool, start};
use tokio::sync::Semaphore;

/// A service that is controlled and has one worker, and what lets `Wait` end.
async fn controlled(control: Control) -> (Server, SocketAddr, Arc<Semaphore>) {
    let (service, gate, _) = gated(echo().controlled(pool(1, 10), control));
    let (server, addr) = start(service).await;
    (server, addr, gate)
}

fn of_priority(id: u32, method: &str, priority: u8) -> RequestProtocol {
    let mut head = head(id, method, 4);
    let told = Bytes::from(priority.to_string());
    head.trans_info.insert(PRIORITY.to_owned(), told);
    head
}

/// Waits until so many run and so many wait.
async fn until(server: &Server, running: usize, queued: usize) {
    let so_many = || {
        let stats = server.stats().services[0].control.clone().unwrap();
        (stats.total.running, stats.total.queued) == (running, queued)
    };
    rpc_peer::until(so_many).await;
}

/// Has the only worker wait with this request until it is let.
async fn occupy(server: &Server, peer: &mut Peer, id: u32) {
    let wait = of_priority(id, WAIT, 0);
    peer.send(&rpc_peer::request(&wait, b"")).await;
    until(server, 1, 0).await;
}

#[tokio::test]
async fn the_urgent_overtake_and_the_late_are_told_so() {
    let (server, addr, gate) = controlled(Control::new()).await;
    let mut peer = Peer::connect(addr).await;
    occupy(&server, &mut peer, 1).await;
    let mut late = of_priority(4, ECHO, 1);
    late.timeout = 1;
    for head in [of_priority(2, ECHO, 9), of_priority(3, ECHO, 5), late] {
        peer.send(&rpc_peer::request(&head, b"")).await;
    }
    // It is told in time, though no worker comes.
    let reply = peer.reply().await;
    assert_eq!(
        (reply.id, reply.head.ret),
        (4, 24),
        "it is the caller's time"
    );
    until(&server, 1, 2).await;
    gate.add_permits(1);
    for id in [1, 3, 2] {
        let reply = peer.reply().await;
        assert_eq!((reply.id, reply.head.ret), (id, 0));
    }
}

#[tokio::test]
async fn the_less_urgent_are_refused_with_code_22_under_overload() {
    // Any wait is too long, and two requests are a window.
    let dagor = Dagor::new(Duration::ZERO).window(Duration::from_secs(60), 2);
    let (server, addr, _gate) = controlled(Control::new().dagor(dagor)).await;
    let mut peer = Peer::connect(addr).await;
    for id in 0..2 {
        let reply = peer.call(&of_priority(id, ECHO, 20), b"").await;
        assert_eq!(reply.head.ret, 0);
    }
    let refused = peer.call(&of_priority(2, ECHO, 20), b"").await;
    assert_eq!(refused.head.ret, 22);
    assert!(refused.head.error_msg.starts_with(b"overloaded"));
    let urgent = peer.call(&of_priority(3, ECHO, 3), b"").await;
    assert_eq!(urgent.head.ret, 0);
    let control = server.stats().services[0].control.clone().unwrap();
    assert!(control.level.business() <= 20);
}

#[tokio::test]
async fn the_least_urgent_makes_room_in_a_full_queue_and_is_told_so() {
    let (server, addr, gate) = controlled(Control::new()).await;
    let mut peer = Peer::connect(addr).await;
    occupy(&server, &mut peer, 1).await;
    for id in 10..20 {
        let head = of_priority(id, ECHO, id as u8);
        peer.send(&rpc_peer::request(&head, b"")).await;
    }
    until(&server, 1, 10).await;
    // Less urgent than all that wait, and more.
    for (id, priority, told) in [(20, 20, 20), (21, 5, 19), (22, 5, 18)] {
        let head = of_priority(id, ECHO, priority);
        peer.send(&rpc_peer::request(&head, b"")).await;
        let reply = peer.reply().await;
        assert_eq!((reply.id, reply.head.ret), (told, 22));
    }
    gate.add_permits(1);
    for id in [1, 21, 22].into_iter().chain(10..18) {
        let reply = peer.reply().await;
        assert_eq!((reply.id, reply.head.ret), (id, 0));
    }
}

#[tokio::test]
async fn what_waits_in_a_standing_queue_is_shed_with_code_22() {
    // Any wait is too long.
    let codel = Codel::new(Duration::from_nanos(1), Duration::from_millis(1));
    let (server, addr, gate) = controlled(Control::new().codel(codel)).await;
    let mut peer = Peer::connect(addr).await;
    let mut shed = 0;
    while shed == 0 {
        let wait = of_priority(1, WAIT, 0);
        peer.send(&rpc_peer::request(&wait, b"")).await;
        // It may be shed itself.
        tokio::select! {
            () = until(&server, 1, 0) => {}
            reply = peer.reply() => {
                assert_eq!((reply.id, reply.head.ret), (1, 22));
                shed += 1;
                break;
            }
        }
        for id in 2..8 {
            peer.send(&rpc_peer::request(&of_priority(id, ECHO, 0), b""))
                .await;
        }
        until(&server, 1, 6).await;
        gate.add_permits(1);
        for _ in 1..8 {
            let reply = peer.reply().await;
            if reply.head.ret != 0 {
                assert_eq!(reply.head.ret, 22, "{:?}", reply.head.error_msg);
                shed += 1;
            }
        }
    }
    let control = server.stats().services[0].control.clone().unwrap();
    assert_eq!(control.total.shed, shed);
}

/// Any wait is too long, and this many requests are a window, in which the level stands.
const WINDOW: u32 = 8;

fn impatient() -> Control {
    let dagor = Dagor::new(Duration::ZERO);
    Control::new().dagor(dagor.window(Duration::from_secs(60), WINDOW))
}

/// A service that lets in only what is more urgent than 40, from the next request on.
async fn overloaded() -> (Server, SocketAddr, Arc<Semaphore>, Peer) {
    let (server, addr, gate) = controlled(impatient()).await;
    let mut peer = Peer::connect(addr).await;
    for id in 0..WINDOW {
        let reply = peer.call(&of_priority(id, ECHO, 40), b"").await;
        assert_eq!(reply.head.ret, 0);
        assert!(!reply.head.trans_info.contains_key(ADMITTED));
    }
    (server, addr, gate, peer)
}

#[tokio::test]
async fn answers_and_refusals_tell_what_is_let_in_under_overload() {
    let (_server, _, _gate, mut peer) = overloaded().await;
    for (id, priority, ret) in [(20, 40, 22), (21, 3, 0)] {
        let reply = peer.call(&of_priority(id, ECHO, priority), b"").await;
        assert_eq!(reply.head.ret, ret);
        let told = String::from_utf8(reply.head.trans_info[ADMITTED].to_vec()).unwrap();
        let told = Level::from_number(told.parse().unwrap());
        assert!(Level::of(39, 126) < told && told < Level::of(40, 127));
    }
}

#[tokio::test]
async fn a_client_does_not_send_what_would_be_refused() {
    let (server, addr, _gate) = controlled(impatient()).await;
    let heedless = ClientOptions {
        refuse_early: false,
        ..ClientOptions::default()
    };
    let heedless = Client::new(addr, heedless);
    let client = Client::new(addr, ClientOptions::default());
    let call = async |client: &Client, priority: u8| {
        let told = Bytes::from(priority.to_string());
        let options = CallOptions {
            meta: [(PRIORITY.to_owned(), told)].into(),
            ..CallOptions::default()
        };
        let call = client.call_raw(ECHO, ContentType::RAW, Bytes::new(), &options);
        call.await.map_err(|error| error.code())
    };
    for _ in 0..WINDOW {
        assert_eq!(call(&client, 40).await, Ok(Bytes::new()));
    }
    assert_eq!(client.admitted(), Level::ALL);
    // The first is told by the server, the others by the client itself.
    let overloaded = Err(Code::SERVER_OVERLOAD);
    assert_eq!(call(&client, 40).await, overloaded);
    assert!(client.admitted() < Level::of(40, 127));
    assert_eq!(call(&client, 40).await, Err(Code::CLIENT_OVERLOAD));
    assert_eq!(call(&client, 3).await, Ok(Bytes::new()));
    assert_eq!(call(&client, 40).await, Err(Code::CLIENT_OVERLOAD));
    assert_eq!(server.stats().accepted, u64::from(WINDOW) + 2);
    // One that does not heed what it is told asks each time.
    assert_eq!(call(&heedless, 40).await, overloaded);
    assert_eq!(call(&heedless, 40).await, overloaded);
    assert_eq!(server.stats().accepted, u64::from(WINDOW) + 4);
}

#[tokio::test]
async fn the_urgent_are_answered_while_others_are_refused_by_a_pool_that_stalls() {
    let (server, _, gate, mut peer) = overloaded().await;
    occupy(&server, &mut peer, 20).await;
    for id in 21..24 {
        peer.send(&rpc_peer::request(&of_priority(id, ECHO, 1), b""))
            .await;
    }
    until(&server, 1, 3).await;
    for id in 24..27 {
        let reply = peer.call(&of_priority(id, ECHO, 40), b"").await;
        assert_eq!((reply.id, reply.head.ret), (id, 22));
    }
    gate.add_permits(1);
    for id in 20..24 {
        let reply = peer.reply().await;
        assert_eq!((reply.id, reply.head.ret), (id, 0));
    }
}
