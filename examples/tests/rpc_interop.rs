//! An unmodified trpc-go client and server against ours. They are built from
//! `interop/` and need `go`: `.ci/interop` runs them.

mod served;

use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use rpc_demo::client::{CallError, CallOptions, Client, ClientOptions};
use rpc_demo::server::{Context, Failure, PoolOptions, Server, ServerOptions, Service};
use rpc_demo::wire::{Code, ContentType, Encoding};
use served::Served;
use tokio::task::JoinSet;

const NEEDS_GO: &str = "built from examples/interop";
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the servers let a call take, on either side.
const SERVER_TIMEOUT: Duration = Duration::from_millis(300);
const MANY: usize = 200_000;
const AT_ONCE: usize = 128;
const SIZES: [usize; 8] = [0, 1, 255, 256, 4 << 10, (64 << 10) + 1, 1 << 20, 8 << 20];

/// A message that is both protobuf and JSON.
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Text {
    #[prost(string, tag = "1")]
    text: String,
}

/// The program of `interop/`.
fn trpc_go() -> Command {
    static PROGRAM: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("interop");
        let built = Command::new("go")
            .args(["build", "-o"])
            .args([program.as_os_str(), ".".as_ref()])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/interop"))
            .status();
        assert!(built.expect("go is installed").success(), "{NEEDS_GO}");
        program
    });
    Command::new(program)
}

/// The service that the program expects to find, and has itself.
fn service() -> Service {
    let bang = |_: Context, request: Text| async move {
        let text = request.text + "!";
        Ok::<_, Failure>(Text { text })
    };
    let notes = Arc::new(AtomicUsize::new(0));
    let noted = Arc::clone(&notes);
    Service::new("Interop", "interop.Test")
        .timeout(PATIENCE)
        .raw("Raw", |_, body| async move { Ok(body) })
        .method("Json", bang)
        .method("Proto", bang)
        .raw("Beside", |context, body| async move {
            for (key, value) in context.metadata() {
                context.set_metadata(format!("{key}-back"), value.clone());
            }
            context.set_attachment([context.attachment(), &b"!"[..]].concat());
            Ok(body)
        })
        .raw("Slow", |_, _| std::future::pending())
        .method_timeout("Slow", SERVER_TIMEOUT)
        .raw("Fail", |_, _| async {
            Err(Failure::business(-7, "not today"))
        })
        .raw("Big", |_, _| async { Ok(vec![0; 11 << 20].into()) })
        .raw("Note", move |_, body| {
            notes.fetch_add(1, Relaxed);
            async { Ok(body) }
        })
        .raw("Notes", move |_, _| {
            let count = noted.load(Relaxed).to_string();
            async { Ok(count.into()) }
        })
}

#[test]
#[ignore = "needs go; .ci/interop runs it"]
fn a_trpc_go_client_is_served() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = PoolOptions {
        capacity: 128,
        queue: 4096,
    };
    for (service, calls) in [
        (service().inline(), MANY),
        (service().pooled(pool), MANY / 10),
    ] {
        let (mut server, any) = (Server::new(ServerOptions::default()), "127.0.0.1:0");
        let addr = runtime.block_on(server.serve(service, any)).unwrap();
        let client = trpc_go()
            .args(["client", &addr.to_string(), &calls.to_string()])
            .status();
        assert!(client.unwrap().success());
        let drained = runtime.block_on(server.shutdown(PATIENCE));
        assert!(drained.accepted > calls as u64, "{drained:?}");
        assert_eq!(drained.lost, 0, "{drained:?}");
    }
}

#[test]
#[ignore = "needs go; .ci/interop runs it"]
fn sigterm_cuts_no_call_of_a_trpc_go_client() {
    for mode in ["pooled", "multiplexed"] {
        // However long a caller stands still meanwhile.
        let (served, addrs) = Served::start(&["--farewell", "1h", "--grace", "1h"]);
        let mut client = trpc_go();
        let mut client = client
            .args(["until-told", &addrs["Echo"].to_string(), mode])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built");
        let mut lines = BufReader::new(client.stdout.take().expect("it is piped")).lines();
        let at_full_speed = lines.next().expect("it says so").unwrap();
        assert_eq!(at_full_speed, "at full speed");
        served.signal("TERM");
        let said = lines.map_while(Result::ok).collect::<Vec<_>>();
        assert!(client.wait().unwrap().success(), "{mode}: {said:?}");
        // 1 would say that something accepted was lost.
        assert_eq!(served.wait().0, Some(0), "{mode}: {said:?}");
    }
}

/// A trpc-go server, which ends with this.
struct Peer {
    child: Child,
    /// Held open: trpc-go logs a line as it starts, and ends if nobody could read it.
    _output: Lines<BufReader<ChildStdout>>,
    addr: SocketAddr,
}

impl Peer {
    fn start() -> Self {
        let mut server = trpc_go();
        server
            .arg("server")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = server.spawn().expect("it was built");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let addr = output
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.parse().ok());
        Self {
            child,
            _output: output,
            addr: addr.expect("it tells where it listens"),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn options() -> CallOptions {
    CallOptions {
        timeout: PATIENCE,
        ..CallOptions::default()
    }
}

async fn raw(client: &Client, method: &str, body: Bytes) -> Result<Bytes, CallError> {
    let method = format!("/interop.Test/{method}");
    client
        .call_raw(&method, ContentType::RAW, body, &options())
        .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs go; .ci/interop runs it"]
async fn a_trpc_go_server_is_called() {
    let peer = Peer::start();
    let multiplexed = ClientOptions::default();
    let pooled = ClientOptions {
        connections: 16,
        exclusive: true,
        ..multiplexed.clone()
    };
    for (nth, options) in (1..).zip([multiplexed, pooled]) {
        let client = Client::new(peer.addr, options);
        bodies(&client).await;
        beside(&client).await;
        failures(&client, peer.addr).await;
        one_way(&client, nth).await;
        many(&client).await;
    }
}

async fn bodies(client: &Client) {
    for encoding in Encoding::ALL.into_iter().chain([Encoding::NONE]) {
        for size in SIZES {
            let text: String = (0..size as u32)
                .map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 28) as u8))
                .collect();
            let options = CallOptions {
                encoding,
                ..options()
            };
            let back = client
                .call_raw(
                    "/interop.Test/Raw",
                    ContentType::RAW,
                    text.clone().into(),
                    &options,
                )
                .await;
            assert!(back.unwrap() == text, "{encoding}, {size}");
            for (method, content_type) in [
                ("/interop.Test/Json", ContentType::JSON),
                ("/interop.Test/Proto", ContentType::PROTOBUF),
            ] {
                let options = CallOptions {
                    content_type,
                    ..options.clone()
                };
                let request = Text { text: text.clone() };
                let back: Text = client.call(method, &request, &options).await.unwrap();
                assert!(
                    back.text == text.clone() + "!",
                    "{encoding}, {size}, {content_type}"
                );
            }
        }
    }
}

async fn beside(client: &Client) {
    let binary = Bytes::from_static(&[0, 255]);
    let options = CallOptions {
        meta: [
            ("binary".into(), binary.clone()),
            ("empty".into(), Bytes::new()),
        ]
        .into(),
        attachment: Bytes::from_static(b"attached"),
        encoding: Encoding::GZIP,
        ..options()
    };
    let body = Bytes::from(vec![7; 1000]);
    let answer = client
        .call_whole(
            "/interop.Test/Beside",
            ContentType::RAW,
            body.clone(),
            &options,
        )
        .await
        .unwrap();
    assert_eq!(
        (answer.body, &answer.attachment[..]),
        (body, &b"attached!"[..])
    );
    assert_eq!(answer.meta.get("binary-back"), Some(&binary));
    assert_eq!(answer.meta.get("empty-back"), Some(&Bytes::new()));
}

async fn failures(client: &Client, addr: SocketAddr) {
    let code = async |method, body| raw(client, method, body).await.unwrap_err().code();
    assert_eq!(code("Slow", Bytes::new()).await, Code::SERVER_TIMEOUT);
    assert_eq!(code("Nothing", Bytes::new()).await, Code::NO_METHOD);
    assert_eq!(code("Fail", Bytes::new()).await, Code(-7));
    assert_eq!(code("Big", Bytes::new()).await, Code::SERVER_ENCODE);
    assert_eq!(
        code("Json", Bytes::from_static(b"{")).await,
        Code::SERVER_DECODE
    );
    let big = Bytes::from(vec![0; 11 << 20]);
    assert_eq!(code("Raw", big.clone()).await, Code::CLIENT_ENCODE);

    // What this side would let go and the other does not let in.
    let daring = ClientOptions {
        max_frame: 20 << 20,
        ..ClientOptions::default()
    };
    let daring = Client::new(addr, daring);
    let error = raw(&daring, "Raw", big).await.unwrap_err();
    assert_eq!(error.code(), Code::CLIENT_NET, "{error}");

    let short = CallOptions {
        timeout: Duration::from_millis(50),
        ..options()
    };
    let error = client
        .call_raw("/interop.Test/Slow", ContentType::RAW, Bytes::new(), &short)
        .await
        .unwrap_err();
    // It tells nobody when the caller's time is over.
    assert_eq!(error.code(), Code::CLIENT_TIMEOUT);
    assert_eq!(raw(client, "Raw", "on".into()).await.unwrap(), "on");
}

async fn one_way(client: &Client, nth: usize) {
    for _ in 0..100 {
        let body = Bytes::from_static(b"psst");
        client
            .send_one_way("/interop.Test/Note", ContentType::RAW, body, &options())
            .await
            .unwrap();
    }
    let all = (100 * nth).to_string();
    let arrived = async {
        while raw(client, "Notes", Bytes::new()).await.unwrap() != all {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, arrived)
        .await
        .expect("all arrive");
}

async fn many(client: &Client) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, next) = (client.clone(), Arc::clone(&next));
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= MANY / 2 {
                    return;
                }
                let body = Bytes::from(number.to_string());
                assert_eq!(raw(&client, "Raw", body.clone()).await.unwrap(), body);
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
}
