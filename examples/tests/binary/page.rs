//! The live page, in a browser.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::rpc_peer::until_blocking;
use crate::served::{Served, figure, get, rpc_demo};

/// What the page at `addr` has become after some seconds, in a browser; `None` where
/// there is none.
fn browsed(addr: SocketAddr) -> Option<String> {
    browsed_with(&addr.to_string(), &[])
}

fn browsed_with(page: &str, more: &[&str]) -> Option<String> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    let Some(browser) = names.into_iter().find(found) else {
        let is_ci = std::env::var_os("CI").is_some();
        assert!(
            !is_ci,
            "there is no chromium here, without which no page is tested"
        );
        eprintln!("NOT TESTED: the live page in a browser, for there is no chromium here");
        return None;
    };
    let profile = tempfile::tempdir().unwrap();
    let seen = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
        // Time passes there as fast as the page gets its answers.
        .args(["--virtual-time-budget=9000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(more)
        .arg(format!("http://{page}"))
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
    let mut load = rpc_demo(&[&load[..], &["--qps", "50", "--duration", "2m"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let told = || {
        let (_, live) = get(addrs["admin"], "/live.json");
        serde_json::from_str::<Value>(&live).unwrap()["alarms"]["by_product"].clone()
    };
    until_blocking(|| told() != json!({}));
    // Calls of each level, and Notify's, which are as urgent, are told apart.
    let ran = |(service, priority): &(&str, u8)| {
        let labels = format!("service=\"{service}\",priority=\"{priority}\",end=\"ran\"");
        let (_, metrics) = get(addrs["admin"], "/metrics");
        let line = format!("rpc_demo_control_requests_total{{{labels}}}");
        metrics.contains(&line) && figure(addrs["admin"], &line) > 0
    };
    for of in [10, 20, 40].map(|priority| ("alarm.Check", priority)) {
        until_blocking(|| ran(&of));
    }
    until_blocking(|| [10, 20, 40].iter().any(|&of| ran(&("alarm.Notify", of))));
    let level = "rpc_demo_admitted_level{service=\"alarm.Check\"}";
    assert!(figure(addrs["admin"], level) > 0);
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
            "2 min ago</text>",
            "<span>all</span>",
        ] {
            assert!(page.contains(drawn), "no {drawn} in {page}");
        }
        // What is slowest is named, whichever it is.
        for note in ["latency", "delay"] {
            let note = page.split(&format!("id=\"{note}\">")).nth(1).unwrap();
            let slowest = ["alarm.Check: median ", "alarm.Notify: median "];
            assert!(slowest.iter().any(|it| note.starts_with(it)), "{page}");
        }
        // An axis of times, of whichever length they are.
        let times = [" µs</text>", " ms</text>", " s</text>"];
        assert!(times.iter().any(|time| page.contains(time)), "{page}");
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
            let (code, body) = match path {
                "/phone" => (200, PHONE.to_owned()),
                _ => get(addr, path),
            };
            let kind = if ["/", "/phone"].contains(&path) {
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

/// The page as it is on a phone, and what is to be known of it.
const PHONE: &str = include_str!("phone.html");

#[test]
fn the_live_page_fits_a_phone_and_is_dark_where_that_is_wanted() {
    let (served, addrs) = Served::start(&[]);
    let admin = addrs["admin"];
    let page = in_front_of(move |_| Some(admin));
    let phone = page.to_string() + "/phone";
    let dark = ["--blink-settings=preferredColorScheme=0"];
    if let Some(seen) = browsed_with(&phone, &dark) {
        let seen = seen.split("id=\"seen\">").nth(1).unwrap();
        let seen = seen.split('<').next().unwrap();
        assert_eq!(
            seen,
            "rows 3, empty 0, columns 1, 390 wide, rgb(232, 236, 243) on rgb(14, 18, 24)"
        );
    }
    served.signal("TERM");
    assert_eq!(served.wait().0, Some(0));
}

#[test]
fn the_live_page_needs_no_other_file() {
    let page = rpc_demo::live::PAGE;
    for outside in [
        "src=",
        "@import",
        "url(",
        "<link rel=\"stylesheet",
        "import ",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    // The name of what an SVG is leads nowhere.
    let named = page.matches("http://www.w3.org/2000/svg").count();
    assert_eq!(page.matches("://").count(), named);
    for link in page.split("href=\"").skip(1) {
        assert!(
            link.starts_with('/') || link.starts_with("data:,"),
            "{link}"
        );
    }
}
