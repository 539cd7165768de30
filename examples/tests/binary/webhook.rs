//! SIGTERM while the webhook hangs: the alarms that it has not taken are waited for as long
//! as there is time, and told of when it is over.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::rpc_peer::until_blocking;
use crate::served::{Addrs, Served, figure, get, run};

const ALARMS: usize = 5;

/// A server whose webhook posts to this address, and would wait for the answer for a day.
fn served(webhook: SocketAddr, grace: &str) -> (Served, Addrs) {
    let url = format!("http://{webhook}/");
    let options = ["--webhook", &url, "--timeout-webhook", "1day"];
    let more = ["--grace", grace];
    Served::start_with(&[&options[..], &more].concat(), Stdio::piped())
}

/// Has so many alarms raised with one call, and waits until the webhook is all that they
/// wait for.
fn raised(addrs: &Addrs) {
    let point = |disk| {
        json!({"region": "local", "product": "host", "metric": "disk_usage",
            "instance": format!("/{disk}"), "value": 99.0, "time_ms": 1})
    };
    let points: Vec<_> = (0..ALARMS).map(point).collect();
    let body = json!({ "points": points }).to_string();
    let check = addrs["alarm.Check"].to_string();
    let called = run(&["call", "/alarm.Check/Check", &body, "--addr", &check]);
    let reply: Value = serde_json::from_slice(&called.stdout).unwrap();
    assert_eq!(reply["alarms"], ALARMS, "{called:?}");
    for line in [
        "rpc_demo_notifications_delivered_total{channel=\"log\"}",
        "rpc_demo_notifications_delivered_total{channel=\"memory\"}",
        "rpc_demo_notifications_waiting{channel=\"webhook\"}",
    ] {
        until_blocking(|| figure(addrs["admin"], line) == ALARMS as u64);
    }
}

#[test]
fn sigterm_with_a_webhook_that_never_answers_is_over_when_the_grace_is_and_each_alarm_is_told() {
    // It takes connections in, and never answers.
    let webhook = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut served, addrs) = served(webhook.local_addr().unwrap(), "100ms");
    raised(&addrs);
    let _stuck = webhook.accept().unwrap();
    assert_eq!(served.alarms().lines().count(), ALARMS);
    served.signal("TERM");
    let mut said = String::new();
    let mut console = served.child.stderr.take().unwrap();
    console.read_to_string(&mut said).unwrap();
    // By itself, not because the process was ended for it.
    assert!(!said.contains("not stopped"), "{said}");
    let channel = format!("channel=webhook open={ALARMS}");
    let lost = format!("error: {ALARMS} accepted and lost");
    for told in [&*channel, &lost] {
        assert!(said.contains(told), "no {told} in {said}");
    }
    assert_eq!(served.wait().0, Some(1));
}

#[test]
fn sigterm_waits_for_a_webhook_that_answers_after_all() {
    let webhook = TcpListener::bind("127.0.0.1:0").unwrap();
    let (served, addrs) = served(webhook.local_addr().unwrap(), "1h");
    raised(&addrs);
    served.signal("TERM");
    until_blocking(|| get(addrs["admin"], "/readyz").0 != 200);
    let mut received = 0;
    while received < ALARMS {
        let (mut stream, _) = webhook.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}]") {
            let mut more = [0; 4096];
            let count = stream.read(&mut more).unwrap();
            assert_ne!(count, 0, "{}", String::from_utf8_lossy(&request));
            request.extend(&more[..count]);
        }
        let request = String::from_utf8(request).unwrap();
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let batch: Vec<Value> = serde_json::from_str(body).unwrap();
        received += batch.len();
        let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
    }
    assert_eq!((served.wait().0, received), (Some(0), ALARMS));
}
