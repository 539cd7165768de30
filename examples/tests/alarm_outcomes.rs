//! The main job's report has one outcome for each alarm that was raised.

use std::process::{Command, Stdio};

use serde_json::Value;

#[test]
fn every_alarm_of_the_main_job_has_an_outcome_and_the_live_page_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let mut job = Command::new(env!("CARGO_BIN_EXE_rpc-demo"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RPC_DEMO_")) {
        job.env_remove(name);
    }
    // A load that a busy machine answers in time too.
    job.args(["--duration", "2s", "--qps", "200", "--peak", "400"])
        .args(["--policies", "5000", "--json"])
        .arg(&report)
        .arg("--alarm-log")
        .arg(folder.path().join("alarms.log"));
    let output = job.stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.contains("live page at http://127.0.0.1:"),
        "{stderr}"
    );

    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let count = |figure: &str| report[figure].as_u64().unwrap();
    let outcomes = [
        "suppressed",
        "duplicates",
        "stale",
        "untellable",
        "told",
        "untold",
    ];
    assert!(count("told") > 0, "{report}");
    assert_eq!(
        outcomes.map(count).iter().sum::<u64>(),
        count("alarms"),
        "{report}"
    );
    assert_eq!(count("lost"), 0, "{report}");
}
