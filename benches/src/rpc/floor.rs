//! The floor: a bare tokio loop that answers frames, and nothing else. It
//! knows no method, no deadline, no filter, no figure; it does not even read
//! the head of a request, and the head of its replies is always the same but
//! for the number.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rpc_demo::wire::frame::{self, FIXED_HEAD, Lengths, MAGIC, MAX_FRAME, VERSION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::number::{NUMBER, varint};

const READ: usize = 64 << 10;
/// The protobuf head: the request's number as field 3, raw bytes as field 9.
const HEAD: usize = 8;

/// How requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
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
    let (mut requests, mut replies) = (BytesMut::new(), Vec::new());
    while fill(&mut stream, &mut requests).await? {
        let mut taken = 0;
        while let Some(lengths) = next(&requests[taken..])? {
            reply(&requests[taken..], lengths, &mut replies);
            taken += lengths.frame;
        }
        requests.advance(taken);
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
        while let Some(lengths) = next(&requests)? {
            let request = requests.split_to(lengths.frame);
            let to = Arc::clone(&to);
            tokio::spawn(async move {
                let mut out = Vec::new();
                reply(&request, lengths, &mut out);
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

/// The lengths of the next request, if it has come as a whole.
fn next(requests: &[u8]) -> io::Result<Option<Lengths>> {
    let lengths = frame::measure(requests, MAX_FRAME).map_err(io::Error::other)?;
    Ok(lengths.filter(|there| there.frame <= requests.len()))
}

fn reply(request: &[u8], lengths: Lengths, out: &mut Vec<u8>) {
    let body = &request[FIXED_HEAD + lengths.head..lengths.frame];
    let number = request[NUMBER..].first_chunk().expect("a whole head");
    let mut heads = [0; FIXED_HEAD + HEAD];
    heads[..2].copy_from_slice(&MAGIC.to_be_bytes());
    let length = heads.len() + body.len();
    heads[4..8].copy_from_slice(&(length as u32).to_be_bytes());
    heads[9] = HEAD as u8;
    heads[NUMBER..NUMBER + 4].copy_from_slice(number);
    heads[14] = VERSION;
    heads[FIXED_HEAD] = 3 << 3;
    heads[FIXED_HEAD + 1..FIXED_HEAD + 6].copy_from_slice(&varint(u32::from_be_bytes(*number)));
    heads[FIXED_HEAD + 6..].copy_from_slice(&[9 << 3, 4]);
    out.extend_from_slice(&heads);
    out.extend_from_slice(body);
}
