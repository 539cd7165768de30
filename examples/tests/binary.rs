//! The binary as people use it: real processes, real signals, real ports.

mod rpc_peer;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

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
        Self::start_with(more, Stdio::null())
    }

    fn start_with(
        more: &[&str],
        stderr: Stdio,
    ) -> (Self, std::collections::HashMap<String, SocketAddr>) {
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
            .stderr(stderr)
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
    // Check has answered before Notify tells anybody.
    let (status, alarms) = loop {
        let (status, alarms) = get(addrs["admin"], "/alarms");
        if alarms != "[]" {
            break (status, alarms);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
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
    let method = "service=\"alarm.Check\",method=\"/alarm.Check/Check\"";
    for figure in [
        "# TYPE rpc_demo_schedule_delay_seconds gauge".to_owned(),
        format!("rpc_demo_method_requests_total{{{method},end=\"ok\"}} 1"),
        format!("rpc_demo_method_latency_seconds{{{method},quantile=\"0.99\"}} "),
        "rpc_demo_service_requests_total{service=\"Echo\",end=\"ok\"} 1".to_owned(),
        "rpc_demo_service_errors_total{service=\"Echo\",code=\"12\"} 1".to_owned(),
        "rpc_demo_requests_waiting{service=\"alarm.Notify\"} 0".to_owned(),
        "rpc_demo_client_messages_total{client=\"alarm.Notify\",code=\"0\"} 1".to_owned(),
        "rpc_demo_client_connection_updates_total{client=\"alarm.Notify\",reason=\"added\"} 1"
            .to_owned(),
        "rpc_demo_client_batch_bytes{client=\"alarm.Notify\",quantile=\"1\"} ".to_owned(),
        "rpc_demo_client_batch_seconds{client=\"alarm.Notify\",quantile=\"1\"} ".to_owned(),
    ] {
        let found = metrics.lines().any(|line| line.starts_with(&figure));
        assert!(found, "no {figure} in {metrics}");
    }
    let pending = format!(
        "rpc_demo_client_pending{{client=\"alarm.Notify\",server=\"{}\"}} 0",
        addrs["alarm.Notify"]
    );
    assert!(metrics.contains(&pending), "no {pending} in {metrics}");

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
                if let Some(example) = args.strip_prefix(" --example ") {
                    let name = example.split(' ').next().unwrap();
                    let path = folder.join("examples").join(name).with_extension("rs");
                    assert!(path.exists(), "{words}, in {line}");
                    commands += 1;
                    continue;
                }
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
    let mut command = rpc_demo(&["--config", path, "config", "--peak", "7", "--log", "info"]);
    let printed = command.env("RPC_DEMO_SEED", "9").output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    let file_said = format!("{path}, line 1");
    for (value, source) in [
        ("qps = 5.0", &*file_said),
        ("peak = 7.0", "flag --peak"),
        // The file says it too.
        ("seed = 9", "environment, RPC_DEMO_SEED"),
        ("policies = 1000000", "default"),
        ("admin = \"127.0.0.1:8080\"", "default"),
        ("slow-check = \"1s\"", "default"),
        ("[[log]]", "flag --log"),
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
        ("policies = 0", 2, "policies: "),
        ("webhook = \"ftp://x\"", 2, "ftp://x"),
        ("qps = ", 2, "value"),
        ("echo = \"nowhere\"", 2, "address"),
        ("[[log]]\nto = \"kafka\"", 3, "kafka"),
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
    let (code, told) = filter(r#"{"filter":"rpc_demo=loud"}"#);
    assert!(code == 400 && told.contains("log filter"), "{code} {told}");
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

/// Sends so many requests at once, and reads as many replies.
fn calls(addr: SocketAddr, method: &str, count: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let mut peer = rpc_peer::Peer::connect(addr).await;
        let requests = (1..=count)
            .flat_map(|id| rpc_peer::request(&rpc_peer::head(id, method, rpc_peer::RAW), b""));
        peer.send(&requests.collect::<Vec<u8>>()).await;
        for _ in 0..count {
            peer.reply().await;
        }
    });
}

/// The value of a figure on `/metrics`.
fn figure(admin: SocketAddr, name: &str) -> u64 {
    let (_, metrics) = get(admin, "/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
    value.trim().parse().unwrap()
}

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
    while TcpStream::connect(admin).is_ok() {}
    let mut said = String::new();
    let mut console = served.child.stderr.take().unwrap();
    console.read_to_string(&mut said).unwrap();
    let failed = said.lines().filter(|line| line.contains("request failed"));
    assert_eq!(failed.count(), 10_000);
    assert!(said.lines().last().unwrap().contains("stopped"), "{said}");
    assert_eq!(served.wait().0, Some(0));
}
