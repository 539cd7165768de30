//! The RPC core: a frame there and back, and a call over loopback.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use rpc_demo::alarm::service::{self, ECHO};
use rpc_demo::client::{CallOptions, Client, ClientOptions};
use rpc_demo::server::{Server, ServerOptions};
use rpc_demo::wire::frame::{MAX_FRAME, VERSION};
use rpc_demo::wire::{ContentType, FrameReader, RequestProtocol, frame};

const BODY: [u8; 128] = [7; 128];

fn frames(criterion: &mut Criterion) {
    let head = RequestProtocol {
        request_id: 7,
        timeout: 1000,
        func: Bytes::from_static(ECHO.as_bytes()),
        ..RequestProtocol::default()
    };
    let mut out = BytesMut::new();
    let encode = |out: &mut BytesMut| {
        out.clear();
        frame::encode(out, 7, VERSION, &head, &BODY, MAX_FRAME).expect("fits a frame");
    };
    criterion.bench_function("rpc/frame/encode", |bench| bench.iter(|| encode(&mut out)));
    encode(&mut out);
    let encoded = out.freeze();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    criterion.bench_function("rpc/frame/decode", |bench| {
        bench.iter(|| {
            let mut reader = FrameReader::new(MAX_FRAME);
            let mut source = &encoded[..];
            let filled = std::future::poll_fn(|cx| reader.poll_fill(cx, &mut source));
            runtime.block_on(filled).expect("memory is read");
            let (mut frames, rest) = reader.frames();
            rest.expect("a frame");
            let frame = frames.next().expect("a frame");
            RequestProtocol::decode(frame.head()).expect("a head")
        });
    });
}

fn echo(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let _guard = runtime.enter();
    let mut server = Server::new(ServerOptions::default());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let addr = runtime
        .block_on(server.serve(service::echo(), any))
        .expect("a free port");
    let client = Client::new(addr, ClientOptions::default());
    let options = CallOptions::default();
    let body = Bytes::from_static(&BODY);
    let mut group = criterion.benchmark_group("rpc/echo");
    for calls in [1, 64] {
        group.throughput(Throughput::Elements(calls));
        group.bench_function(format!("{calls} at a time"), |bench| {
            bench.iter(|| {
                let one = |_| client.call_raw(ECHO, ContentType::RAW, body.clone(), &options);
                let all = futures::future::try_join_all((0..calls).map(one));
                assert!(runtime.block_on(all).expect("every call is answered")[0] == body);
            });
        });
    }
}

criterion_group!(benches, frames, echo);
criterion_main!(benches);
