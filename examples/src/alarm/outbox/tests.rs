//! What becomes of alarms on their way, whatever Notify does.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::super::check::Checker;
use super::super::message::{AlarmState, CheckReply, CheckRequest, NotifyReply, Point};
use super::super::service::{self, CHECK};
use super::super::store::StoreBuilder;
use super::*;
use parking_lot::Mutex;

use crate::client::{BalancedOptions, Client, ClientOptions};
use crate::server::{Context, Failure, PoolOptions, Server, ServerOptions, Service};
use crate::urgency::{PRIORITY, USER};
use crate::wire::Code;

/// Of one series, so that they go by one lane.
fn series(sequences: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = Alarm> {
    sequences.map(|sequence| Alarm {
        policy: 7,
        sequence,
        ..Alarm::default()
    })
}

/// A server that is told of alarms, after so many refusals; and what it was told.
async fn notify(refusals: u32) -> (Server, Outbox, Arc<Mutex<Vec<Vec<u64>>>>) {
    notify_with(refusals, ServerOptions::default()).await
}

async fn notify_with(
    refusals: u32,
    options: ServerOptions,
) -> (Server, Outbox, Arc<Mutex<Vec<Vec<u64>>>>) {
    let told = Arc::<Mutex<Vec<Vec<u64>>>>::default();
    let (calls, left) = (Arc::clone(&told), Arc::new(AtomicU32::new(refusals)));
    let service = Service::new("alarm.Notify", "alarm.Notify").method(
        "Notify",
        move |_: Context, request: NotifyRequest| {
            let refused = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
            let sequences = request.alarms.iter().map(|alarm| alarm.sequence);
            if refused.is_err() {
                calls.lock().push(sequences.collect());
            }
            async move {
                match refused {
                    Ok(_) => Err(Failure::framework(Code::SERVER_SYSTEM, "not now")),
                    Err(_) => Ok(NotifyReply::default()),
                }
            }
        },
    );
    let mut server = Server::new(options);
    let addr = server.serve(service, "127.0.0.1:0").await;
    let client = Balanced::new(vec![addr.unwrap()], BalancedOptions::default()).await;
    (server, Outbox::new(client), told)
}

#[tokio::test]
async fn what_waits_goes_with_one_call_and_none_is_lost_when_it_fails() {
    let (_server, outbox, told) = notify(2).await;
    let outbox = Arc::new(outbox);
    series(1..=3).for_each(|alarm| outbox.put(alarm));
    assert_eq!((outbox.waiting(), outbox.acknowledged()), (3, 0));
    outbox.close();
    Arc::clone(&outbox).consume().await;
    assert_eq!((outbox.waiting(), outbox.acknowledged()), (0, 3));
    assert_eq!(*told.lock(), [[1, 2, 3]]);
}

#[tokio::test]
async fn a_call_is_as_urgent_as_its_most_urgent_alarm_and_of_the_trace_of_its_first() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let service = Service::new("alarm.Notify", "alarm.Notify").method(
        "Notify",
        move |context: Context, _: NotifyRequest| {
            let said = [PRIORITY, USER, TRACEPARENT];
            let said = said.map(|key| context.metadata()[key].clone());
            tell.send(said).unwrap();
            async { Ok(NotifyReply::default()) }
        },
    );
    let mut server = Server::new(ServerOptions::default());
    let addr = server.serve(service, "127.0.0.1:0").await;
    let client = Balanced::new(vec![addr.unwrap()], BalancedOptions::default()).await;
    let outbox = Arc::new(Outbox::new(client));
    for (sequence, priority, user) in [(1, "20", "a"), (2, "10", "b"), (3, "40", "c")] {
        let request = super::Context::new("id").with(PRIORITY, priority);
        let request = request.with(TRACEPARENT, format!("span of {user}"));
        let put = || series(sequence..=sequence).for_each(|alarm| outbox.put(alarm));
        request.with(USER, user).call(put);
    }
    outbox.close();
    outbox.consume().await;
    assert_eq!(told.recv().await.unwrap(), ["10", "b", "span of a"]);
}

#[tokio::test]
async fn so_many_go_with_a_call_at_most_and_in_their_order() {
    let (_server, outbox, told) = notify(1).await;
    let outbox = Arc::new(outbox);
    let most = 2 * CALL as u64 + 1;
    series(1..=most).for_each(|alarm| outbox.put(alarm));
    outbox.close();
    outbox.consume().await;
    let sizes: Vec<_> = told.lock().iter().map(Vec::len).collect();
    assert_eq!(sizes, [CALL, CALL, 1]);
    assert!(told.lock().concat().into_iter().eq(1..=most));
}

/// The last word on a series is its last state, though the call with the one before
/// was refused.
#[tokio::test]
async fn what_recovers_while_its_alarm_is_refused_is_told_after_it() {
    let (_server, outbox, told) = notify(1).await;
    let outbox = Arc::new(outbox);
    let consumer = tokio::spawn(Arc::clone(&outbox).consume());
    let states = [AlarmState::Firing, AlarmState::Recovered];
    for (state, sequence) in states.into_iter().zip(1..) {
        outbox.put(Alarm {
            state: state.into(),
            ..series(sequence..=sequence).next().unwrap()
        });
        // The second comes while the first is in a call.
        while outbox.client().pending.values().all(|calls| *calls == 0) && told.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    }
    outbox.close();
    consumer.await.unwrap();
    assert_eq!(told.lock().concat(), [1, 2]);
}

#[tokio::test]
async fn names_that_fit_into_no_frame_together_go_one_after_the_other() {
    let (_server, outbox, told) = notify(0).await;
    let outbox = Arc::new(outbox);
    let long = |length: usize| Point {
        region: "x".repeat(length),
        ..Point::default()
    };
    let lengths = [4 << 20, 11 << 20, 4 << 20, 4 << 20];
    for (length, alarm) in lengths.into_iter().zip(series(1..=4)) {
        outbox.put(Alarm {
            point: Some(long(length)),
            ..alarm
        });
    }
    outbox.close();
    Arc::clone(&outbox).consume().await;
    assert_eq!(told.lock().concat(), [1, 3, 4]);
    // The second is longer than any frame.
    assert_eq!((outbox.waiting(), outbox.acknowledged()), (0, 3));
}

#[tokio::test]
async fn a_consumer_that_is_dropped_leaves_what_it_had_waiting() {
    let (_server, outbox, told) = notify(u32::MAX).await;
    let outbox = Arc::new(outbox);
    series(1..=5).for_each(|alarm| outbox.put(alarm));
    let consumer = tokio::spawn(Arc::clone(&outbox).consume());
    while outbox.client().messages.is_empty() {
        tokio::task::yield_now().await;
    }
    consumer.abort();
    assert!(consumer.await.unwrap_err().is_cancelled());
    assert_eq!(outbox.waiting(), 5);
    // Tasks of a group that is dropped end a little later.
    while outbox
        .lanes
        .iter()
        .map(|lane| lane.take(9).things.len())
        .sum::<usize>()
        < 5
    {
        tokio::task::yield_now().await;
    }
    assert!(told.lock().is_empty());
}

#[tokio::test]
async fn check_refuses_while_too_much_waits() {
    let (_notify, outbox, told) = notify(0).await;
    let outbox = Arc::new(outbox);
    series(1..=MOST).for_each(|alarm| outbox.put(alarm));
    let checker = Arc::new(Checker::new(Arc::new(StoreBuilder::default().finish())));
    let pool = PoolOptions {
        capacity: 1,
        queue: 10,
    };
    let check = service::check(checker, Arc::clone(&outbox), pool);
    let mut server = Server::new(ServerOptions::default());
    let addr = server.serve(check, "127.0.0.1:0").await;
    let client = Client::new(addr.unwrap(), ClientOptions::default());
    let call = || async {
        let options = CallOptions::default();
        let request = CheckRequest::default();
        let reply = client.call::<_, CheckReply>(CHECK, &request, &options);
        reply.await.map_err(|error| error.code())
    };
    assert_eq!(call().await, Err(Code::SERVER_OVERLOAD));
    outbox.close();
    Arc::clone(&outbox).consume().await;
    assert_eq!(told.lock().concat().len() as u64, MOST);
    assert_eq!(call().await, Ok(CheckReply::default()));
}

/// Where frames may be shorter than this client knows, the connection is closed at each
/// that is too long.
#[tokio::test]
async fn alarms_for_which_the_server_closes_the_connection_go_in_ever_smaller_parts() {
    let options = ServerOptions {
        max_frame: 1024,
        ..ServerOptions::default()
    };
    let (_server, outbox, told) = notify_with(0, options).await;
    let outbox = Arc::new(outbox);
    series(1..=400).for_each(|alarm| outbox.put(alarm));
    outbox.close();
    let consumed = tokio::time::timeout(Duration::from_secs(60), Arc::clone(&outbox).consume());
    consumed.await.expect("all are handed over");
    assert_eq!((outbox.waiting(), outbox.acknowledged()), (0, 400));
    assert!(told.lock().concat().into_iter().eq(1..=400));
}
