//! The admin port, and the services as it tells of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Output;

use rpc_demo::admin::Admin;
use serde_json::{Value, json};

use crate::rpc_peer::until_blocking;
use crate::served::{Served, figure, get, http, run};

#[test]
fn a_served_system_is_called_looked_at_and_stopped_by_sigterm() {
    let (served, addrs) = Served::start(&["--timeout-check", "15s"]);
    let call = |service: &str, method: &str, body: &Value| {
        let addr = addrs[service].to_string();
        run(&["call", method, &body.to_string(), "--addr", &addr])
    };
    let answer = |output: &Output| serde_json::from_slice::<Value>(&output.stdout).unwrap();

    let body = json!({"any": ["json", 1]});
    let echoed = call("Echo", "/rpcdemo.Echo/Echo", &body);
    assert_eq!(answer(&echoed), body);

    let point = json!({"region": "local", "product": "host", "metric": "disk_usage",
        "instance": "/", "value": 99.0, "time_ms": 1});
    let checked = call(
        "alarm.Check",
        "/alarm.Check/Check",
        &json!({"points": [point]}),
    );
    assert_eq!(answer(&checked)["alarms"], 1, "{checked:?}");
    // Check has answered before Notify tells anybody.
    let told = || get(addrs["admin"], "/alarms");
    until_blocking(|| told().1 != "[]");
    let (status, alarms) = told();
    assert_eq!(status, 200);
    assert!(
        alarms.contains("disk_usage") && alarms.contains("critical"),
        "{alarms}"
    );

    let unknown = call("Echo", "/rpcdemo.Echo/Quack", &body);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("12"),
        "{unknown:?}"
    );

    // One that stays, and one that speaks something else.
    let open = TcpStream::connect(addrs["Echo"]).unwrap();
    let mut other = TcpStream::connect(addrs["Echo"]).unwrap();
    other.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let _ = other.read_to_end(&mut Vec::new());
    drop(other);
    let connections = "rpc_demo_connections{server=\"front\"}";
    until_blocking(|| figure(addrs["admin"], connections) == 1);
    assert_eq!(get(addrs["admin"], "/healthz").0, 200);
    assert_eq!(get(addrs["admin"], "/readyz").0, 200);
    let pending = format!(
        "rpc_demo_client_pending{{client=\"alarm.Notify\",server=\"{}\"}} 0",
        addrs["alarm.Notify"]
    );
    // Check's client hears of its call only once Notify has begun to tell people.
    let answered = "rpc_demo_client_messages_total{client=\"alarm.Notify\",code=\"0\"} 1";
    let mut metrics = String::new();
    until_blocking(|| {
        (_, metrics) = get(addrs["admin"], "/metrics");
        metrics.contains(answered) && metrics.contains(&pending)
    });
    assert!(
        metrics.contains("\nrpc_demo_alarms_raised_total 1\n"),
        "{metrics}"
    );
    let method = "service=\"alarm.Check\",method=\"/alarm.Check/Check\"";
    for figure in [
        "# TYPE rpc_demo_schedule_delay_seconds histogram".to_owned(),
        "rpc_demo_schedule_delay_seconds_count{service=\"alarm.Check\"} 1".to_owned(),
        format!("rpc_demo_method_latency_seconds_bucket{{{method},le=\"+Inf\"}} 1"),
        format!("rpc_demo_method_requests_total{{{method},end=\"ok\"}} 1"),
        format!("rpc_demo_method_latency_seconds_bucket{{{method},le=\"1.073741824\"}} "),
        format!("rpc_demo_method_latency_seconds_sum{{{method}}} "),
        "rpc_demo_service_requests_total{service=\"Echo\",end=\"ok\"} 1".to_owned(),
        "rpc_demo_service_errors_total{service=\"Echo\",code=\"12\"} 1".to_owned(),
        "rpc_demo_requests_waiting{service=\"alarm.Notify\"} 0".to_owned(),
        "rpc_demo_client_connection_updates_total{client=\"alarm.Notify\",reason=\"added\"} 1"
            .to_owned(),
        "rpc_demo_client_batch_bytes{client=\"alarm.Notify\",quantile=\"1\"} ".to_owned(),
        "rpc_demo_client_batch_seconds{client=\"alarm.Notify\",quantile=\"1\"} ".to_owned(),
    ] {
        let found = metrics.lines().any(|line| line.starts_with(&figure));
        assert!(found, "no {figure} in {metrics}");
    }

    for family in [
        "connections_broken_total{service=\"Echo\",reason=\"magic\"} 1",
        "accept_failures_total{service=\"Echo\"} 0",
        "requests_abandoned_total{server=\"front\"} 0",
        "requests_lost_total{server=\"front\"} 0",
        "connections{server=\"front\"} 1",
        "bytes_read_total{server=\"front\"} ",
        "bytes_written_total{server=\"front\"} ",
        "object_pool_hits_total{pool=\"buffers of frames\"} ",
        "object_pool_misses_total{pool=\"parameters of requests\"} ",
        "object_pool_idle{pool=\"buffers of frames\"} ",
        "object_pool_dropped_total{pool=\"buffers of frames\"} ",
        "alarms_stale_total 0",
        "alarms_untold_total 0",
        "alarms_untellable_total 0",
        "notifications_no_room_total{channel=\"webhook\"} 0",
        "notifications_waiting{channel=\"log\"} ",
    ] {
        let family = format!("rpc_demo_{family}");
        let mut found = metrics
            .lines()
            .filter_map(|line| line.strip_prefix(&*family));
        let value = found
            .next()
            .unwrap_or_else(|| panic!("no {family} in {metrics}"));
        // What is open here has been counted in bytes.
        assert!(
            !family.contains("bytes_") || value != "0",
            "{family}{value}"
        );
    }
    let (code, connections) = get(addrs["admin"], "/connections");
    let connections: Value = serde_json::from_str(&connections).unwrap();
    let open = open.local_addr().unwrap().to_string();
    let ours = connections
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["peer"] == json!(open));
    let ours = ours.unwrap_or_else(|| panic!("no {open} in {connections}"));
    assert_eq!((code, &ours["service"]), (200, &json!("Echo")));
    assert_eq!(
        (&ours["accepted"], &ours["in_flight"]),
        (&json!(0), &json!(0))
    );

    let (_, services) = get(addrs["admin"], "/services");
    let services: Value = serde_json::from_str(&services).unwrap();
    let check = services
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "alarm.Check");
    let check = check.unwrap_or_else(|| panic!("no alarm.Check in {services}"));
    assert_eq!(check["addr"], json!(addrs["alarm.Check"].to_string()));
    assert_eq!(check["protocol"], "Trpc");
    assert_eq!(check["timeouts"], json!({"/alarm.Check/Check": 1.5e7}));

    served.signal("TERM");
    assert_eq!(served.wait(), (Some(0), String::new()));
}

#[test]
fn the_admin_port_tells_the_config_and_changes_what_is_logged() {
    let (served, addrs) = Served::start(&["--control"]);
    let (code, config) = get(addrs["admin"], "/config");
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!((code, &config["policies"]), (200, &json!(2000)));
    assert_eq!(config["control"], json!(true));
    let filter = |json: &str| http(addrs["admin"], "PUT", "/loglevel", json);
    let all = r#"{"console":"rpc_demo=debug","memory":"rpc_demo=debug"}"#;
    assert_eq!(
        filter(r#"{"filter":"rpc_demo=debug"}"#),
        (200, all.to_owned())
    );
    let one = r#"{"console":"error","memory":"rpc_demo=debug"}"#;
    assert_eq!(
        filter(r#"{"filter":"error","sink":"console"}"#),
        (200, one.to_owned())
    );
    assert_eq!(get(addrs["admin"], "/loglevel"), (200, one.to_owned()));
    for wrong in ["rpc_demo=loud", "debgu", ""] {
        let (code, told) = filter(&json!({ "filter": wrong }).to_string());
        assert!(code == 400 && told.contains("log filter"), "{code} {told}");
    }
    let (code, told) = filter(r#"{"filter":"warn","sink":"kafka"}"#);
    assert!(code == 404 && told.contains("kafka"), "{code} {told}");
    let (code, told) = filter("{}");
    assert!(code == 400 && told.contains("error"), "{code} {told}");
    let (code, metrics) = get(addrs["admin"], "/metrics");
    let ended = "rpc_demo_service_requests_total{service=\"Echo\",end=\"ok\"} 0";
    assert!(code == 200 && metrics.contains(ended), "{metrics}");
    assert_eq!(get(addrs["admin"], "/loglevel"), (200, one.to_owned()));
    let (code, connections) = get(addrs["admin"], "/connections");
    assert_eq!((code, connections.as_str()), (200, "[]"));
    let (code, told) = get(addrs["admin"], "/quack");
    assert!(code == 404 && told.contains("no /quack"), "{code} {told}");
    let (code, told) = http(addrs["admin"], "PUT", "/metrics", "{}");
    assert!(code == 405 && told.contains("no PUT"), "{code} {told}");
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(0));
}

#[test]
fn while_it_loads_it_is_alive_and_not_ready() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let admin = runtime.block_on(Admin::start(([127, 0, 0, 1], 0).into()));
    let server = admin.unwrap();
    let admin = server.addr();
    assert_eq!(get(admin, "/healthz").0, 200);
    let not_ready = json!({"ready": false}).to_string();
    for path in ["/readyz", "/config"] {
        assert_eq!(get(admin, path), (503, not_ready.clone()), "{path}");
    }
    for path in ["/services", "/connections", "/alarms"] {
        assert_eq!(get(admin, path), (200, "[]".to_owned()), "{path}");
    }
}
