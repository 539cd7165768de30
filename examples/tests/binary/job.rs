//! The main job, and load from another process.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::Value;

use crate::rpc_peer::address;
use crate::served::{Served, rpc_demo, run, signal};

#[test]
fn the_main_job_ends_by_itself_reports_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (report, log) = (
        folder.path().join("report.json"),
        folder.path().join("alarms.log"),
    );
    // A load that a busy machine answers in time too.
    let load = ["--duration", "2s", "--qps", "200", "--peak", "400"];
    let output = rpc_demo(&load)
        .args(["--policies", "5000", "--json"])
        .arg(&report)
        .arg("--alarm-log")
        .arg(&log)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["lost"], 0, "{report}");
    assert_eq!(report["errors"], 0, "{report}");
    for figure in ["calls", "host_points", "alarms"] {
        assert!(report[figure].as_u64().unwrap() > 0, "{figure} in {report}");
    }
    for figure in ["latency_us", "schedule_delay_us"] {
        let at = |quantile: &str| report[figure][quantile].as_f64().unwrap();
        assert!(
            at("p50") <= at("p99") && at("p99") <= at("max"),
            "{figure} in {report}"
        );
    }
    let echo = &report["echo"];
    assert!(echo["calls"].as_u64().unwrap() > 0, "{echo}");
    assert_eq!(echo["errors_by_code"], serde_json::json!({}), "{echo}");
    assert_eq!(echo["latency_us"]["count"], echo["calls"], "{echo}");
    // Each call of which there were too many has had one end.
    let overload = &report["overload"];
    let mut all = 0;
    for class in ["urgent", "usual", "background"] {
        let class = &overload["classes"][class];
        let count = |of: &Value| of.as_u64().unwrap();
        let ends = ["served", "not_sent", "refused", "late"].map(|end| count(&class[end]));
        let ends: u64 = ends.into_iter().sum();
        assert_eq!(ends, count(&class["calls"]), "{overload}");
        all += ends;
    }
    // A ninth of the time, at 4,000 a second.
    assert_eq!(
        (all, &overload["unanswered"]),
        (888, &0.into()),
        "{overload}"
    );
    let delivered = report["channels"]["log"]["delivered"].as_u64().unwrap();
    let logged = std::fs::read_to_string(log).unwrap();
    assert_eq!(logged.lines().count() as u64, delivered);
    for line in logged.lines() {
        let _: Value = serde_json::from_str(line).expect("a whole object a line");
    }
    let table = String::from_utf8(output.stdout).unwrap();
    for what in [
        "alarm.Check (us)",
        "Echo (us)",
        "overload: 4,000 calls/s for 2,000",
        "not let in",
        "schedule delay of alarm.Check",
        "p99.9",
        "alarms raised",
        "lost",
    ] {
        assert!(table.contains(what), "no {what} in\n{table}");
    }
}

#[test]
fn ctrl_c_ends_the_main_job_with_a_report_and_without_the_overload() {
    let folder = tempfile::tempdir().unwrap();
    let (report, log) = (
        folder.path().join("report.json"),
        folder.path().join("alarms.log"),
    );
    let mut job = rpc_demo(&["--duration", "1h", "--qps", "200", "--policies", "5000"]);
    job.arg("--json").arg(&report).arg("--alarm-log").arg(log);
    let job = job.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut job = job.spawn().unwrap();
    let mut progress = BufReader::new(job.stderr.take().unwrap()).lines();
    let is_sending = |line: std::io::Result<String>| line.unwrap().contains("calls/s");
    assert!(progress.any(is_sending));
    signal(job.id(), "INT");
    // Whoever writes there is not to wait.
    let rest: Vec<_> = progress.map_while(Result::ok).collect();
    let output = job.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{rest:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert!(report["calls"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(
        (&report["lost"], &report["overload"]),
        (&0.into(), &Value::Null)
    );
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.contains("lost") && !table.contains("overload"),
        "{table}"
    );
}

#[test]
fn load_from_another_process_is_answered_and_sigterm_under_it_loses_nothing() {
    let (served, addrs) = Served::start(&[]);
    let check = addrs["alarm.Check"].to_string();
    let sent = run(&[
        "load",
        "--check",
        &check,
        "--policies",
        "2000",
        "--duration",
        "1s",
    ]);
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");

    let mut load = rpc_demo(&["load", "--check", &check, "--policies", "2000"]);
    let mut load = load
        .args(["--duration", "1m"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(load.stderr.take().unwrap());
    let mut line = String::new();
    progress.read_line(&mut line).unwrap();
    assert!(line.contains("calls/s"), "{line}");
    served.signal("TERM");
    assert_eq!(
        served.wait().0,
        Some(0),
        "exit status 1 would be something lost"
    );

    while !line.ends_with(" errors\n") || line.ends_with(" 0 errors\n") {
        line.clear();
        assert!(progress.read_line(&mut line).unwrap() > 0, "it goes on");
    }
    signal(load.id(), "INT");
    // What was sent after the server had gone ended with an error, of which it tells; nothing
    // was left without an end.
    let mut said = String::new();
    progress.read_to_string(&mut said).unwrap();
    assert_eq!(load.wait().unwrap().code(), Some(1));
    let last = said.lines().last();
    assert!(
        last.is_some_and(|line| line.ends_with(" calls failed")),
        "{said}"
    );
}

#[test]
fn load_on_a_server_that_is_not_there_fails() {
    let nowhere = address().to_string();
    let sent = run(&["load", "--check", &nowhere, "--duration", "100ms"]);
    let said = String::from_utf8(sent.stderr).unwrap();
    assert_eq!(sent.status.code(), Some(1), "{said}");
    assert!(said.ends_with(" calls failed\n"), "{said}");
}
