//! The binary as people use it: real processes, real signals, real ports.

mod rpc_peer;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use clap::Parser;
use rpc_demo::cli::Cli;
use serde_json::{Value, json};

fn rpc_demo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rpc-demo"));
    command.args(args).stdin(Stdio::null());
    // Whatever the one who runs the tests has set.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RPC_DEMO_")) {
        command.env_remove(name);
    }
    command
}

fn run(args: &[&str]) -> Output {
    rpc_demo(args).output().expect("the binary starts")
}

/// A server that is ended with the test.
struct Served {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Holds the alarm log.
    _folder: tempfile::TempDir,
}

impl Served {
    /// Starts `serve` on free ports, and waits for its lines.
    fn start(more: &[&str]) -> (Self, std::collections::HashMap<String, SocketAddr>) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("alarms.log");
        let any = "127.0.0.1:0";
        let mut command = rpc_demo(&["serve", "--echo", any, "--check", any, "--notify", any]);
        command
            .args(["--admin", any, "--policies", "2000", "--alarm-log"])
            .arg(log)
            .args(more);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let addrs = std::iter::repeat_with(|| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let words: Vec<_> = line.split_whitespace().collect();
            let ["listening", service, addr] = words[..] else {
                panic!("{line:?}")
            };
            (service.to_owned(), addr.parse().unwrap())
        });
        let addrs = addrs.take(4).collect();
        (
            Self {
                child,
                stdout,
                _folder: folder,
            },
            addrs,
        )
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// The exit status, and what it still had to say.
    fn wait(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Gone already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    http(addr, "GET", path, "")
}

fn http(addr: SocketAddr, method: &str, path: &str, json: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let length = json.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{json}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

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
    let delivered = report["channels"]["log"]["delivered"].as_u64().unwrap();
    let logged = std::fs::read_to_string(log).unwrap();
    assert_eq!(logged.lines().count() as u64, delivered);
    for line in logged.lines() {
        let _: Value = serde_json::from_str(line).expect("a whole object a line");
    }
    let table = String::from_utf8(output.stdout).unwrap();
    for what in [
        "latency",
        "schedule delay of alarm.Check",
        "p99.9",
        "alarms raised",
        "lost",
    ] {
        assert!(table.contains(what), "no {what} in\n{table}");
    }
}

#[test]
fn a_served_system_is_called_looked_at_and_stopped_by_sigterm() {
    let (served, addrs) = Served::start(&[]);
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
    let (status, alarms) = get(addrs["admin"], "/alarms");
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

    assert_eq!(get(addrs["admin"], "/healthz").0, 200);
    assert_eq!(get(addrs["admin"], "/readyz").0, 200);
    let (_, metrics) = get(addrs["admin"], "/metrics");
    assert!(
        metrics.contains("\nrpc_demo_alarms_raised_total 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("# TYPE rpc_demo_schedule_delay_seconds gauge"),
        "{metrics}"
    );

    served.signal("TERM");
    assert_eq!(served.wait(), (Some(0), String::new()));
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
    let pid = load.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    // What was sent after the server had gone ended with an error; nothing
    // was left without an end.
    assert_eq!(load.wait().unwrap().code(), Some(0));
}

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
        (&["--qps", "10", "--peak", "5"], "peak"),
        (
            &["--config", "/nowhere/rpc-demo.toml"],
            "/nowhere/rpc-demo.toml",
        ),
        (&["--json", "/nowhere/report.json"], "/nowhere/report.json"),
        (&["--log", "a=b=c"], "log filter"),
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

/// What the page at `addr` has become after some seconds, in a browser; `None` where
/// there is none.
fn browsed(addr: SocketAddr) -> Option<String> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let Some(browser) = names.into_iter().find(found) else {
        eprintln!("NOT TESTED: the live page in a browser, for there is no chromium here");
        return None;
    };
    let profile = tempfile::tempdir().unwrap();
    let seen = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
        // Time passes there as fast as the page gets its answers.
        .args(["--virtual-time-budget=9000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{addr}/"))
        .output()
        .unwrap();
    Some(String::from_utf8_lossy(&seen.stdout).into_owned())
}

#[test]
fn the_live_page_draws_what_a_browser_sees_of_a_server_under_load() {
    let (served, addrs) = Served::start(&["--control"]);
    let (code, live) = get(addrs["admin"], "/live.json");
    let live: Value = serde_json::from_str(&live).unwrap();
    assert_eq!((code, &live["ready"]), (200, &json!(true)));
    let (code, services) = get(addrs["admin"], "/services");
    let services: Value = serde_json::from_str(&services).unwrap();
    assert_eq!((code, services.as_array().unwrap().len()), (200, 3));
    assert_eq!(services[0]["latency"], json!(null), "there was no call yet");

    let check = addrs["alarm.Check"].to_string();
    let load = ["load", "--check", &check, "--policies", "2000"];
    let mut load = rpc_demo(&[&load[..], &["--qps", "50", "--duration", "30s"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let told = || {
        let (_, live) = get(addrs["admin"], "/live.json");
        serde_json::from_str::<Value>(&live).unwrap()["alarms"]["by_product"].clone()
    };
    while told() == json!({}) {}
    let page = browsed(addrs["admin"]);
    load.kill().unwrap();
    load.wait().unwrap();
    if let Some(page) = page {
        // As many of them may be told as often as the last one that is drawn.
        let list = page.split("id=\"products\"").nth(1).unwrap();
        let Value::Object(told) = told() else {
            panic!("counts by product")
        };
        let list = list.split("</ul>").next().unwrap();
        let named = |product: &&String| list.contains(&format!("<span>{product}</span>"));
        let rows = list.matches("<li>").count();
        assert_eq!(told.keys().filter(named).count(), rows, "{list}");
        assert!(rows > 0, "{page}");
        for drawn in [
            "class=\"ready\">ready</span>",
            "scope=\"row\">alarm.Check</th>",
            "scope=\"row\">alarm.Notify</th>",
            "<path d=\"M",
            "class=\"second\"></path>",
            "alarm.Check: median ",
            "2 min ago</text>",
            " µs</text>",
            "<span>all</span>",
        ] {
            assert!(page.contains(drawn), "no {drawn} in {page}");
        }
    }
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(0));
}

/// Answers with what the admin port that `upstream` yields for each request answers, and
/// not at all where it yields none; so a server can go, and another come, at one address.
fn in_front_of(
    mut upstream: impl FnMut(&str) -> Option<SocketAddr> + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    // Ends with the test.
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut request = String::new();
            let mut reader = BufReader::new(&stream);
            while !request.ends_with("\r\n\r\n") {
                if reader.read_line(&mut request).unwrap_or(0) == 0 {
                    break;
                }
            }
            let Some(path) = request.split(' ').nth(1) else {
                continue;
            };
            let Some(addr) = upstream(path) else { continue };
            let (code, body) = get(addr, path);
            let kind = if path == "/" {
                "text/html"
            } else {
                "application/json"
            };
            let length = body.len();
            let _ = write!(
                &stream,
                "HTTP/1.1 {code} x\r\ncontent-type: {kind}\r\nconnection: close\r\n\
                 content-length: {length}\r\n\r\n{body}"
            );
        }
    });
    addr
}

#[test]
fn the_live_page_says_so_when_the_server_has_gone_and_goes_on_with_the_next_one() {
    let (first, addrs) = Served::start(&[]);
    let admin = addrs["admin"];
    let (mut first, mut asked) = (Some(first), 0);
    let gone = in_front_of(move |path| {
        asked += u32::from(path == "/live.json");
        if asked > 4
            && let Some(served) = first.take()
        {
            served.signal("TERM");
            assert_eq!(served.wait().0, Some(0));
        }
        first.is_some().then_some(admin)
    });
    let Some(page) = browsed(gone) else { return };
    assert!(page.contains("class=\"gone\">no answer since "), "{page}");
    assert!(
        page.contains("alarm.Check</th>"),
        "what was known stays: {page}"
    );

    let (_second, addrs) = Served::start(&[]);
    let (admin, mut asked) = (addrs["admin"], 0);
    let back = in_front_of(move |path| {
        asked += u32::from(path == "/live.json");
        (asked != 4).then_some(admin)
    });
    let page = browsed(back).unwrap();
    assert!(page.contains("class=\"ready\">ready</span>"), "{page}");
    // The time without an answer is left out of the line.
    let connections = page.split("data-draws=\"connections\"").nth(1).unwrap();
    let lines = connections.split("</svg>").next().unwrap();
    assert_eq!(lines.matches("class=\"first\"").count(), 2, "{lines}");
}

#[test]
fn the_steps_of_a_connection_are_shown_in_the_order_in_which_they_happen() {
    let traced = run(&["trace-poll", "--stacks"]);
    let text = String::from_utf8(traced.stdout).unwrap();
    assert_eq!(traced.status.code(), Some(0), "{text}");
    let is_of_a_stack = |line: &&str| line.starts_with("          ");
    let steps = text.lines().skip(1).filter(|line| !is_of_a_stack(line));
    let column = |line: &str, from: usize, to: usize| line[from..to].trim().to_owned();
    let (mut order, mut times) = (Vec::new(), Vec::new());
    for line in steps {
        times.push(column(line, 0, 7).parse::<u64>().unwrap());
        order.push(
            [
                column(line, 9, 15),
                column(line, 17, 27),
                column(line, 29, 35),
            ]
            .join(" "),
        );
    }
    assert!(times.is_sorted(), "{text}");
    let woken = |task: &str| [format!("server {task} wake"), "server  wake".to_owned()];
    let parked = |task: &str| [format!("server {task} park"), "server  park".to_owned()];
    let one = |step: &str| vec![step.to_owned()];
    let expected = [
        &one("server  park")[..],
        &one("main listener listen"),
        &one("main  here"),
        &one("server  wake"),
        &parked("listener"),
        // It connects.
        &one("main  here"),
        &woken("listener"),
        &one("server listener accept"),
        &one("server listener park"),
        &parked("connection"),
        // It calls.
        &one("main  here"),
        &woken("connection"),
        &one("server connection read"),
        &one("server connection write"),
        &parked("connection"),
        // It closes.
        &one("main  here"),
        &woken("connection"),
        &one("server connection read"),
        &one("server  park"),
    ];
    assert_eq!(order, expected.concat(), "{text}");
    if cfg!(target_os = "linux") {
        let registered = text.matches("tells of IN OUT ERR HUP RDHUP ET").count();
        assert_eq!(registered, 2, "{text}");
    }
    // The way to a waker is the one that the page tells of.
    let page = include_str!("../NETPOLL.md");
    for function in [
        "dispatch_event",
        "Driver::turn",
        "park_driver",
        "Context::run",
    ] {
        let callers = text.lines().filter(is_of_a_stack);
        assert_eq!(
            callers.filter(|line| line.contains(function)).count(),
            3,
            "{function} in {text}"
        );
        assert!(page.contains(function), "{function}");
    }
}

#[test]
fn the_readme_names_files_that_are_there_and_commands_that_are_understood() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = include_str!("../README.md");
    let quoted = |line: &'static str| line.split('`').skip(1).step_by(2);
    let (mut files, mut commands) = (0, 0);
    for line in readme.lines().filter(|line| line.starts_with('|')) {
        let mut beside = folder.to_owned();
        for words in quoted(line) {
            if words.starts_with("src/") || words.ends_with(".rs") {
                // A name alone is beside the file before it.
                let at = if words.contains('/') { folder } else { &beside };
                let path = at.join(words);
                assert!(path.exists(), "{words}, in {line}");
                beside = path.parent().unwrap().to_owned();
                files += 1;
            } else if let Some(args) = words.strip_prefix("cargo run --release -p rpc-demo") {
                let args = args.trim_start_matches(" --").split('\'').enumerate();
                // Every other part is in quotes.
                let args = args.flat_map(|(nth, part)| match nth % 2 {
                    0 => part.split_whitespace().collect(),
                    _ => vec![part],
                });
                let parsed = Cli::try_parse_from(std::iter::once("rpc-demo").chain(args));
                assert!(parsed.is_ok(), "{words}: {parsed:?}");
                commands += 1;
            }
        }
    }
    // It has been read at all.
    assert!(
        files > 20 && commands > 5,
        "{files} files, {commands} commands"
    );
}

#[test]
fn config_prints_what_is_in_effect_and_where_it_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demo.toml");
    std::fs::write(&file, "qps = 5.0\nseed = 4\n").unwrap();
    let path = file.to_str().unwrap();
    let mut command = rpc_demo(&["--config", path, "config", "--peak", "7"]);
    let printed = command.env("RPC_DEMO_SEED", "9").output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    for line in ["qps = 5.0", "peak = 7.0", "seed = 9", "policies = 1000000"] {
        assert!(
            text.lines().any(|printed| printed == line),
            "{line}: {text}"
        );
    }
    std::fs::write(&file, "qps = 5.0\nsped = 4\n").unwrap();
    let refused = run(&["--config", path, "config"]);
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(told.contains("line 2") && told.contains("sped"), "{told}");
}

#[test]
fn the_admin_port_tells_the_config_and_changes_what_is_logged() {
    let (served, addrs) = Served::start(&["--control"]);
    let (code, config) = get(addrs["admin"], "/config");
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!((code, &config["policies"]), (200, &json!(2000)));
    assert_eq!(config["control"], json!(true));
    let filter = |json: &str| http(addrs["admin"], "PUT", "/loglevel", json);
    let debug = r#"{"filter":"rpc_demo=debug"}"#;
    assert_eq!(filter(debug), (200, debug.to_owned()));
    assert_eq!(get(addrs["admin"], "/loglevel"), (200, debug.to_owned()));
    let (code, told) = filter(r#"{"filter":"rpc_demo=loud"}"#);
    assert!(code == 400 && told.contains("log filter"), "{code} {told}");
    let (code, told) = filter("{}");
    assert!(code == 400 && told.contains("error"), "{code} {told}");
    let (code, metrics) = get(addrs["admin"], "/metrics");
    let ended = "rpc_demo_service_requests_total{service=\"Echo\",end=\"ok\"} 0";
    assert!(code == 200 && metrics.contains(ended), "{metrics}");
    assert_eq!(get(addrs["admin"], "/loglevel"), (200, debug.to_owned()));
    let (code, connections) = get(addrs["admin"], "/connections");
    assert_eq!((code, connections.as_str()), (200, "[]"));
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (served, addrs) = Served::start(&["--grace", "10m"]);
    // A reply that is not read keeps the server from being done.
    let mut stuck = TcpStream::connect(addrs["Echo"]).unwrap();
    let head = rpc_peer::head(1, rpc_peer::ECHO, rpc_peer::RAW);
    let request = rpc_peer::request(&head, &vec![7; 8 << 20]);
    stuck.write_all(&request).unwrap();
    served.signal("TERM");
    while get(addrs["admin"], "/readyz").0 == 200 {}
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(143));
}
