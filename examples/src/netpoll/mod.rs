#![doc = include_str!("../../NETPOLL.md")]
//!
//! # How it is traced
//!
//! The server is a runtime with one worker thread, whose [sockets](socket) and wakers
//! tell what happens to them; the runtime tells when its thread parks. The client is
//! the thread that asked, with sockets that block. It waits for the server to have
//! parked before each thing it does, so that there is one order of events.

pub mod interest;
pub mod socket;
pub mod trace;

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tokio::io::AsyncWriteExt;

use crate::wire::frame::{self, FIXED_HEAD, MAX_FRAME, VERSION};
use crate::wire::{FrameReader, RequestProtocol, ResponseProtocol};
use socket::{Connection, Listener};
use trace::{Entry, Event, PATIENCE, Trace};

/// Makes one call to a server of its own, on the loopback interface, and tells what
/// happened, in order. With `stacks`, also who called the wakers.
///
/// Blocks the thread until the call is over, at most some seconds.
///
/// # Errors
/// When there is no runtime to be had, or no socket.
pub fn trace(stacks: bool) -> io::Result<Vec<Entry>> {
    let trace = Arc::new(Trace::new(stacks));
    let (parks, runs) = (Arc::clone(&trace), Arc::clone(&trace));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("server")
        .on_thread_park(move || parks.tell("", Event::ThreadParks))
        .on_thread_unpark(move || runs.tell("", Event::ThreadRuns))
        .enable_io()
        .build()?;
    trace.until_parked()?;
    let listener = runtime.block_on(Listener::bind(&trace))?;
    let addr = listener.addr();
    trace.tell("", Event::Here("spawns the listener's task".to_owned()));
    runtime.spawn(accept(listener));
    trace.until_parked()?;
    call(&trace, addr)?;
    trace.until_parked()?;
    // Before the runtime goes, and its tasks with it.
    Ok(trace.take())
}

async fn accept(listener: Listener) -> io::Result<()> {
    loop {
        let connection = listener.accept().await?;
        tokio::spawn(serve(connection));
    }
}

/// Echoes, until the peer closes.
async fn serve(mut connection: Connection) -> io::Result<()> {
    let mut reader = FrameReader::new(MAX_FRAME);
    while poll_fn(|cx| reader.poll_fill(cx, &mut connection)).await? > 0 {
        let (frames, rest) = reader.frames();
        let mut replies = Vec::new();
        for frame in frames {
            let (id, version) = (frame.id, frame.version);
            let head = ResponseProtocol {
                request_id: id,
                ..ResponseProtocol::default()
            };
            frame::encode(
                &mut replies,
                id,
                version,
                &head,
                &frame.into_body(),
                MAX_FRAME,
            )
            .map_err(io::Error::other)?;
        }
        connection.write_all(&replies).await?;
        rest.map_err(io::Error::other)?;
    }
    Ok(())
}

/// What a client does, with sockets that block.
fn call(trace: &Trace, addr: SocketAddr) -> io::Result<()> {
    let here = |what: String| trace.tell("", Event::Here(what));
    here(format!("connects to {addr}"));
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    trace.until_parked()?;

    let head = RequestProtocol {
        request_id: 1,
        func: Bytes::from_static(b"/rpcdemo.Echo/Echo"),
        ..RequestProtocol::default()
    };
    let body = br#"{"hello": "world"}"#;
    let mut request = Vec::new();
    frame::encode(&mut request, 1, VERSION, &head, body, MAX_FRAME).map_err(io::Error::other)?;
    here(format!("sends a request of {} bytes", request.len()));
    stream.write_all(&request)?;
    trace.until_parked()?;

    let mut fixed = [0; FIXED_HEAD];
    stream.read_exact(&mut fixed)?;
    let lengths = frame::measure(&fixed, MAX_FRAME).map_err(io::Error::other)?;
    let lengths = lengths.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut rest = vec![0; lengths.frame - FIXED_HEAD];
    stream.read_exact(&mut rest)?;
    let (head, echoed) = rest.split_at(lengths.head);
    let head = ResponseProtocol::decode(head).map_err(io::Error::other)?;
    if (head.request_id, echoed) != (1, &body[..]) {
        return Err(io::Error::other("the reply is not the request's"));
    }
    here(format!(
        "has the reply, {} bytes, and closes",
        lengths.frame
    ));
    drop(stream);
    Ok(())
}
