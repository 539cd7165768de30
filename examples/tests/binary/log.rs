//! What it logs, and where.

use std::io::Read;
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use crate::calls;
use crate::rpc_peer::{self, until_blocking};
use crate::served::{Served, figure, get, http};

#[test]
fn each_log_has_its_level_and_format_and_is_written_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("demo.toml"), folder.path().join("a.log"));
    let text = format!(
        "slow-echo = \"0s\"\n\
         [[log]]\nto = \"file\"\npath = {log:?}\nrotation = \"never\"\nformat = \"json\"\n\
         [[log]]\nto = \"memory\"\nlevel = \"warn\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let (served, addrs) = Served::start(&["--config", config.to_str().unwrap()]);
    let admin = addrs["admin"];

    calls(addrs["Echo"], rpc_peer::ECHO, 40);
    let (code, lines) = get(admin, "/logs");
    assert_eq!(code, 200);
    // At warn there are slow requests and nothing else: ten a second, the rest counted.
    let slow = lines.lines().count() as u64;
    let suppressed = figure(admin, "rpc_demo_log_lines_suppressed_total");
    assert_eq!(slow + suppressed, 40, "{lines}");
    assert!(slow >= 10 && suppressed > 0, "{lines}");
    for line in lines.lines() {
        for word in [
            "slow request",
            "service=\"Echo\"",
            "queued_us=",
            "ran_us=",
            "peer=127",
        ] {
            assert!(line.contains(word), "no {word} in {line}");
        }
    }
    http(
        admin,
        "PUT",
        "/loglevel",
        r#"{"filter":"off","sink":"memory"}"#,
    );
    calls(addrs["Echo"], rpc_peer::ECHO, 1);
    assert_eq!(get(admin, "/logs").1, lines);

    served.signal("TERM");
    assert_eq!(served.wait().0, Some(0));
    let written = std::fs::read_to_string(log).unwrap();
    let written: Vec<Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).expect("a whole object a line"))
        .collect();
    let of = |message: &str| {
        written
            .iter()
            .filter(|line| line["message"] == message)
            .count()
    };
    assert!(of("slow request") as u64 >= slow, "{written:?}");
    assert_eq!(of("listening"), 3);
    assert_eq!(written.last().unwrap()["message"], "stopped", "{written:?}");
}

#[test]
fn a_console_that_nobody_reads_holds_up_no_request_and_what_is_dropped_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("demo.toml");
    let text = "[[log]]\nto = \"console\"\nlevel = \"debug\"\nqueue = 16\n";
    std::fs::write(&config, text).unwrap();
    let options = ["--config", config.to_str().unwrap()];
    let (mut served, addrs) = Served::start_with(&options, Stdio::piped());
    let full = "rpc_demo_log_lines_dropped_total{sink=\"console\",reason=\"full\"}";
    // Each is a line, and a pipe takes 64 KiB.
    calls(addrs["Echo"], "/rpcdemo.Echo/Quack", 4_000);
    assert!(figure(addrs["admin"], full) > 0);
    let mut console = served.child.stderr.take().unwrap();
    served.signal("TERM");
    let mut said = String::new();
    console.read_to_string(&mut said).unwrap();
    assert!(said.contains("request failed"), "{said}");
    assert_eq!(served.wait().0, Some(0));
}

#[test]
fn what_a_log_has_accepted_is_written_before_the_process_ends() {
    let (mut served, addrs) = Served::start_with(&["--log", "rpc_demo=debug"], Stdio::piped());
    let admin = addrs["admin"];
    // They wait in the queue, for a pipe takes 64 KiB.
    calls(addrs["Echo"], "/rpcdemo.Echo/Quack", 10_000);
    let full = "rpc_demo_log_lines_dropped_total{sink=\"console\",reason=\"full\"}";
    assert_eq!(figure(admin, full), 0);
    served.signal("TERM");
    until_blocking(|| TcpStream::connect(admin).is_err());
    let mut said = String::new();
    let mut console = served.child.stderr.take().unwrap();
    console.read_to_string(&mut said).unwrap();
    let failed = said.lines().filter(|line| line.contains("request failed"));
    assert_eq!(failed.count(), 10_000);
    assert!(said.lines().last().unwrap().contains("stopped"), "{said}");
    assert_eq!(served.wait().0, Some(0));
}
