//! The floor: a bare tokio loop that answers frames, and nothing else. It
//! knows no method, no deadline, no filter, no figure.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use rpc_demo::wire::frame::{self, FIXED_HEAD, Lengths, MAX_FRAME, VERSION};
use rpc_demo::wire::{ContentType, ResponseProtocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

const READ: usize = 64 << 10;

/// How requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All that one read brought, by one write.
    Inline,
    /// Each by a task of its own.
    Spawn,
}

/// Answers whoever connects.
pub(super) async fn serve(listener: TcpListener, answer: Answer) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let served = match answer {
                Answer::Inline => inline(stream).await,
                Answer::Spawn => spawned(stream).await,
            };
            if let Err(error) = served {
                eprintln!("the floor: {error}");
            }
        });
    }
}

async fn inline(mut stream: TcpStream) -> io::Result<()> {
    let (mut requests, mut replies) = (BytesMut::new(), BytesMut::new());
    while fill(&mut stream, &mut requests).await? {
        while let Some(request) = take(&mut requests)? {
            reply(&request, &mut replies);
        }
        stream.write_all(&replies).await?;
        replies.clear();
    }
    Ok(())
}

async fn spawned(stream: TcpStream) -> io::Result<()> {
    let (mut from, to) = stream.into_split();
    let to = Arc::new(Mutex::new(to));
    let mut requests = BytesMut::new();
    while fill(&mut from, &mut requests).await? {
        while let Some(request) = take(&mut requests)? {
            let to = Arc::clone(&to);
            tokio::spawn(async move {
                let mut out = BytesMut::new();
                reply(&request, &mut out);
                // A peer that is gone wants no reply.
                let _ = to.lock().await.write_all(&out).await;
            });
        }
    }
    Ok(())
}

async fn fill(from: &mut (impl AsyncReadExt + Unpin), requests: &mut BytesMut) -> io::Result<bool> {
    requests.reserve(READ);
    Ok(from.read_buf(requests).await? > 0)
}

/// A request's number, and its body.
struct Request {
    number: u32,
    head: usize,
    frame: BytesMut,
}

fn take(requests: &mut BytesMut) -> io::Result<Option<Request>> {
    let lengths = frame::measure(requests, MAX_FRAME).map_err(io::Error::other)?;
    let Some(Lengths { frame, head }) = lengths.filter(|there| there.frame <= requests.len())
    else {
        return Ok(None);
    };
    let frame = requests.split_to(frame);
    let number = u32::from_be_bytes([frame[10], frame[11], frame[12], frame[13]]);
    Ok(Some(Request {
        number,
        head,
        frame,
    }))
}

fn reply(request: &Request, out: &mut BytesMut) {
    let head = ResponseProtocol {
        request_id: request.number,
        content_type: ContentType::RAW.0,
        ..ResponseProtocol::default()
    };
    let body = &request.frame[FIXED_HEAD + request.head..];
    let encoded = frame::encode(out, request.number, VERSION, &head, body, MAX_FRAME);
    encoded.expect("a body that came in a frame");
}
