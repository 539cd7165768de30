//! What is said to it, and what is wrong with that.

use std::net::TcpListener;

use rpc_demo::alarm::service::CHECK;

use crate::calls;
use crate::rpc_peer::{Peer, RAW, head, request};
use crate::served::{Served, get, rpc_demo, run};

#[test]
fn bad_input_gets_one_line_and_exit_status_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let any = "127.0.0.1:0";
    for (args, word) in [
        (&["--quack"][..], "--quack"),
        (&["--policies", "0"], "policies"),
        (&["--policies", "7000001"], "7000000"),
        (&["--duration", "soon"], "soon"),
        (&["--duration", "3651d"], "3650 days"),
        (&["serve", "--grace", "300000000000y"], "3650 days"),
        (
            &["call", "/rpcdemo.Echo/Echo", "{}", "--timeout", "11y"],
            "3650 days",
        ),
        (&["--qps", "10", "--peak", "5"], "peak"),
        (
            &["--config", "/nowhere/rpc-demo.toml"],
            "/nowhere/rpc-demo.toml",
        ),
        (&["--json", "/nowhere/report.json"], "/nowhere/report.json"),
        (&["--log", "a=b=c"], "log filter"),
        (&["--log", "wran"], "log filter: \"wran\" is no level"),
        (
            &["serve", "--workers", "1", "--queue", "1048576"],
            "1048576",
        ),
        (&["serve", "--workers", "0"], "workers"),
        (&["serve", "--workers", "1048577"], "1048576"),
        (&["serve", "--max-frame", "9999999999"], "4294967295"),
        (&["serve", "--max-connections", "0"], "max-connections"),
        (&["serve", "--idle", "0s"], "idle"),
        (
            &["serve", "--timeout-check", "0s"],
            "timeout-check must be above 0",
        ),
        (
            &["serve", "--check", "127.0.0.1:8002"],
            "check and notify are both at 127.0.0.1:8002 (check: flag --check)",
        ),
        (
            &["--echo", "0.0.0.0:8001", "--admin", "127.0.0.1:8001"],
            "echo and admin are both at",
        ),
        (&["serve", "--keep-alive", "10h"], "32767s (keep-alive: "),
        (&["serve", "--keep-alive", "500ms"], "from 1s"),
        (&["call", "/rpcdemo.Echo/Echo", "{"], "JSON"),
        (
            &[
                "serve", "--echo", &taken, "--check", any, "--notify", any, "--admin", any,
            ],
            &taken,
        ),
        (
            &[
                "serve", "--echo", any, "--check", any, "--notify", any, "--admin", &taken,
            ],
            &taken,
        ),
    ] {
        let output = run(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        let errors: Vec<_> = stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(errors.len(), 1, "{args:?}: {stderr}");
        assert!(errors[0].contains(word), "{args:?}: {stderr}");
    }
}

#[test]
fn config_prints_what_is_in_effect_and_where_it_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.toml");
    let text = "qps = 5.0\nseed = 4\n[method-timeout]\n\"/alarm.Check/Check\" = \"20ms\"\n";
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let mut command = rpc_demo(&["--config", path, "config", "--peak", "7", "--log", "info"]);
    command
        .args(["--idle", "1m"])
        .env("RPC_DEMO_MAX_FRAME", "65536");
    let printed = command.env("RPC_DEMO_SEED", "9").output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    let (file_said, table_said) = (format!("{path}, line 1"), format!("{path}, line 3"));
    for (value, source) in [
        ("qps = 5.0", &*file_said),
        ("peak = 7.0", "flag --peak"),
        // The file says it too.
        ("seed = 9", "environment, RPC_DEMO_SEED"),
        ("policies = 1000000", "default"),
        ("admin = \"127.0.0.1:8080\"", "default"),
        ("slow-check = \"1s\"", "default"),
        ("[[log]]", "flag --log"),
        ("idle = \"1m\"", "flag --idle"),
        ("max-frame = 65536", "environment, RPC_DEMO_MAX_FRAME"),
        ("lame-duck = \"0s\"", "default"),
        ("[method-timeout]", &*table_said),
    ] {
        let said = |line: &str| line.split_once(" # ") == Some((&*format!("{value:<40}"), source));
        assert!(text.lines().any(said), "{value} {source}: {text}");
    }
    // It is a config file itself.
    std::fs::write(&file, &text).unwrap();
    let again = run(&["--config", path, "config"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    // A flag before the command wins over the environment too.
    let mut command = rpc_demo(&["--seed", "8", "config"]);
    let printed = command.env("RPC_DEMO_SEED", "9").output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("\nseed = 8 "), "{text}");

    for (mistake, line, word) in [
        ("sped = 4", 2, "sped"),
        ("qps = \"many\"", 2, "many"),
        ("duration = \"soon\"", 2, "soon"),
        ("duration = \"3651d\"", 2, "3650 days"),
        ("policies = 0", 2, "policies: "),
        ("webhook = \"ftp://x\"", 2, "ftp://x"),
        ("qps = ", 2, "value"),
        ("echo = \"nowhere\"", 2, "address"),
        ("[[log]]\nto = \"kafka\"", 3, "kafka"),
        (
            "[method-timeout]\n\"/alarm.Check/Quack\" = \"1s\"",
            2,
            "Quack",
        ),
        (
            "[method-timeout]\n\"/alarm.Check/Check\" = \"0s\"",
            2,
            "method-timeout must be above 0",
        ),
        ("[[log]]\nto = \"file\"", 2, "no path"),
        (
            "[[log]]\nto = \"console\"\nlevel = \"a=b=c\"",
            4,
            "log filter",
        ),
    ] {
        std::fs::write(&file, format!("# a comment\n{mistake}\n")).unwrap();
        let refused = run(&["--config", path, "config"]);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{mistake}: {told}");
        let line = format!("{path}, line {line}");
        assert!(
            told.contains(&line) && told.contains(word),
            "{mistake}: {told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    std::fs::write(&file, "qps = 5.0\nsped = 4\n").unwrap();
    let refused = run(&["--config", path, "config"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(told.contains("line 2") && told.contains("sped"), "{told}");
}

#[test]
fn what_is_said_of_connections_and_times_is_kept_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.toml");
    let text = "[method-timeout]\n\"/alarm.Check/Check\" = \"1ns\"\n";
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    let limits = ["--max-frame", "4096", "--max-connections", "1"];
    let more = ["--idle", "300ms", "--config", path];
    let (served, addrs) = Served::start(&[&limits[..], &more].concat());
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    // It is told of from the first time on.
    let has_broken = |reason| {
        let name = "rpc_demo_connections_broken_total{service=\"alarm.Check\",reason=";
        let (_, metrics) = get(addrs["admin"], "/metrics");
        metrics.contains(&format!("{name}\"{reason}\"}} "))
    };
    // One that is let in, as none is before the last one has been closed for being idle.
    let let_in = async || loop {
        let mut peer = Peer::connect(addrs["alarm.Check"]).await;
        peer.send(&request(&head(1, CHECK, RAW), b"x")).await;
        if let Some(reply) = peer.next().await {
            // Its time is over before a worker begins with it.
            assert_eq!(reply.head.ret, 21, "{reply:?}");
            break peer;
        }
    };
    runtime.block_on(async {
        // It may have been idle for too long before the next one comes, where processes stand
        // still at times.
        while !has_broken("crowded") {
            let peer = let_in().await;
            let mut other = Peer::connect(addrs["alarm.Check"]).await;
            assert!(other.next().await.is_none(), "there is one already");
            peer.closed().await;
        }
        while !has_broken("too_long") {
            let mut peer = let_in().await;
            peer.send(&request(&head(2, CHECK, RAW), &[0; 4096])).await;
            assert!(peer.next().await.is_none(), "a frame too long");
        }
    });
    let (_, services) = get(addrs["admin"], "/services");
    // In microseconds.
    let no_time = "\"timeouts\":{\"/alarm.Check/Check\":0.001}";
    assert!(services.contains(no_time), "{services}");
    assert!(has_broken("idle"));
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(0));
}

#[test]
fn to_ask_what_is_in_effect_begins_no_log() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.toml");
    let log = folder.path().join("logs").join("demo.log");
    let text = format!("[[log]]\nto = \"file\"\npath = {log:?}\nkeep = 1\n");
    std::fs::write(&file, text).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let printed = run(&[&config[..], &["config"]].concat());
    assert_eq!(printed.status.code(), Some(0), "{printed:?}");
    assert!(!log.parent().unwrap().exists());
    // Who works has one.
    let (served, _) = Served::start(&config);
    assert_eq!(std::fs::read_dir(log.parent().unwrap()).unwrap().count(), 1);
    drop(served);
}

#[test]
fn pools_as_large_as_they_may_be_are_served_with() {
    for more in [
        &["--workers", "1", "--queue", "1048575"][..],
        &["--workers", "1048576", "--queue", "0", "--control"],
    ] {
        let (served, addrs) = Served::start(more);
        calls(addrs["alarm.Check"], "/alarm.Check/Check", 1);
        served.signal("TERM");
        assert_eq!(served.wait().0, Some(0));
    }
}

#[test]
fn times_as_long_as_they_may_be_are_waited_for() {
    let long = [
        "--grace",
        "3650d",
        "--idle",
        "3650d",
        "--farewell",
        "3650d",
        "--timeout-check",
        "3650d",
        "--dedup",
        "3650d",
        "--control",
    ];
    let (served, addrs) = Served::start(&long);
    let addr = addrs["alarm.Check"].to_string();
    let body = ["/alarm.Check/Check", "{}", "--addr", &addr];
    let called = run(&[&["call", "--timeout", "3650d"], &body[..]].concat());
    assert_eq!(called.status.code(), Some(0), "{called:?}");
    // Who tells no time of its own.
    calls(addrs["alarm.Check"], "/alarm.Check/Check", 1);
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(0));
}
