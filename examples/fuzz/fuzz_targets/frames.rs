//! A stream of any bytes, cut in any way, with a pause at each cut: read as frames,
//! it gives what it gives when it comes in one piece, and what is decoded is encoded
//! the same.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/wire/mod.rs"]
mod wire;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use prost::Message;
use tokio::io::{AsyncRead, ReadBuf};
use wire::json::PrefixedJson;
use wire::protocol::{Codec, Framer, Trpc};
use wire::{FrameError, FrameReader, RequestProtocol, frame};

/// The longest frames: shorter than what one read asks for, and longer.
const MAX: [usize; 2] = [4096, 256 << 10];

/// Gives its bytes in pieces of so many, and before each is to be waited for.
struct Pieces<'a> {
    bytes: &'a [u8],
    piece: usize,
    waited: bool,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.waited = !self.waited;
        if self.waited {
            return Poll::Pending;
        }
        let count = self.piece.min(self.bytes.len()).min(into.remaining());
        into.put_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Poll::Ready(Ok(()))
    }
}

/// The frames of a stream, why there are no more, and whether one is cut off.
fn read<F: Framer + Copy>(
    framer: F,
    bytes: &[u8],
    piece: usize,
    max: usize,
) -> (Vec<Bytes>, Option<FrameError>, bool) {
    let mut reader = FrameReader::of(framer, max);
    let waited = false;
    let mut stream = Pieces {
        bytes,
        piece,
        waited,
    };
    let mut frames = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match reader.poll_fill(&mut cx, &mut stream) {
            Poll::Pending => continue,
            Poll::Ready(Ok(1..)) => {}
            Poll::Ready(_) => break,
        }
        let (mut whole, rest) = reader.frames();
        while let Some(frame) = whole.split(&framer) {
            assert!(frame.len() <= max && !frame.is_empty());
            frames.push(frame);
        }
        if let Err(error) = rest {
            return (frames, Some(error), false);
        }
    }
    let amid = reader.is_amid_frame();
    (frames, None, amid)
}

fn check<F: Framer + Codec + Copy>(
    protocol: F,
    bytes: &[u8],
    piece: usize,
    max: usize,
) -> Vec<Bytes> {
    let (whole, error, amid) = read(protocol, bytes, usize::MAX, max);
    let cut = read(protocol, bytes, piece, max);
    assert_eq!((&whole, amid), (&cut.0, cut.2));
    assert_eq!(error.is_some(), cut.1.is_some());
    for frame in &whole {
        let _ = protocol.decode(frame.clone(), &mut RequestProtocol::default());
    }
    whole
}

fuzz_target!(|input: &[u8]| {
    let Some((&piece, bytes)) = input.split_first() else {
        return;
    };
    let max = MAX[usize::from(piece % 2)];
    let piece = usize::from(piece).max(1);
    check(PrefixedJson, bytes, piece, max);
    for whole in check(Trpc, bytes, piece, max) {
        let mut head = RequestProtocol::default();
        let Ok(incoming) = Trpc.decode(whole.clone(), &mut head) else {
            continue;
        };
        assert_eq!(
            incoming.body.len() + 16 + usize::from(u16::from_be_bytes([whole[8], whole[9]])),
            whole.len()
        );
        let mut again = BytesMut::new();
        let (id, version) = (incoming.id, incoming.version);
        let encoded =
            frame::encode(&mut again, id, version, &head, &incoming.body, usize::MAX);
        if encoded.is_ok() {
            let mut head_back = RequestProtocol::default();
            let back = Trpc.decode(again.freeze(), &mut head_back);
            let back = back.expect("it was just encoded");
            assert_eq!((back.id, back.version), (id, version));
            assert_eq!((head_back, back.body), (head, incoming.body));
        }
    }
});
