//! The wire: what is encoded is what is read, however it is cut.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use prost::Message;
use rpc_demo::wire::frame::{self, FrameError, Lengths};
use rpc_demo::wire::json::PrefixedJson;
use rpc_demo::wire::{Codec, FrameReader, Framer, RequestProtocol, ResponseProtocol, Trpc};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

const MAX: usize = 1 << 20;

#[test]
fn a_frame_is_encoded_as_the_protocol_says() {
    let mut out = BytesMut::new();
    let head = ResponseProtocol {
        request_id: 5,
        attachment_size: 1,
        ..Default::default()
    };
    frame::encode(&mut out, 0x0102_0304, 1, &head, b"body", MAX).unwrap();
    let expected = [
        &[0x09, 0x30, 0, 0, 0, 0, 0, 24, 0, 4, 1, 2, 3, 4, 1, 0][..],
        // request_id is tag 3, attachment_size is tag 12: 11 is skipped
        &[3 << 3, 5, 12 << 3, 1],
        b"body",
    ];
    assert_eq!(out, expected.concat());
}

#[test]
fn a_head_of_nothing_but_defaults_is_not_empty() {
    let mut out = BytesMut::new();
    frame::encode(&mut out, 0, 0, &ResponseProtocol::default(), b"", MAX).unwrap();
    assert_ne!(out[8..10], [0, 0]);
    assert_eq!(
        ResponseProtocol::decode(&out[16..]).unwrap(),
        ResponseProtocol::default()
    );
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_written() {
    let mut out = BytesMut::new();
    let head = RequestProtocol {
        callee: Bytes::from(vec![0; 65_536]),
        ..Default::default()
    };
    let error = frame::encode(&mut out, 1, 1, &head, b"", MAX).unwrap_err();
    assert!(matches!(error, FrameError::HeadTooLong { .. }), "{error}");
    let head = RequestProtocol::default();
    let error = frame::encode(&mut out, 1, 1, &head, &[0; 100], 117).unwrap_err();
    assert_eq!(
        error,
        FrameError::TooLong {
            length: 118,
            max: 117
        }
    );
    assert!(out.is_empty());
    frame::encode(&mut out, 1, 1, &head, &[0; 100], 118).unwrap();
}

fn messages() -> impl Strategy<Value = Vec<(u32, RequestProtocol, Vec<u8>)>> {
    let head = (
        any::<u32>(),
        any::<u32>(),
        ".{0,40}",
        any::<Vec<u8>>(),
        ".{0,9}",
    )
        .prop_map(|(request_id, timeout, func, value, key)| RequestProtocol {
            request_id,
            timeout,
            func: func.into(),
            trans_info: [(key, value.into())].into(),
            ..RequestProtocol::default()
        });
    let body = prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..300),
        1 => (30_000..200_000usize).prop_map(|length| vec![7; length]),
    ];
    proptest::collection::vec((any::<u32>(), head, body), 1..20)
}

/// Gives its bytes cut at these lengths, over and over, and lets the reader wait at each
/// cut.
struct Cut<'a, C> {
    bytes: &'a [u8],
    cuts: C,
    waited: bool,
}

impl<C: Iterator<Item = usize> + Unpin> AsyncRead for Cut<'_, C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.waited = !self.waited;
        if self.waited {
            return Poll::Pending;
        }
        // Nothing at all would be the end.
        let cut = self.cuts.next().unwrap_or(1).max(1);
        let count = cut.min(self.bytes.len()).min(into.remaining());
        into.put_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Poll::Ready(Ok(()))
    }
}

/// The frames of a stream that is cut at these lengths.
fn frames_of<F: Framer>(framer: F, bytes: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut reader = FrameReader::of(framer, 8 * MAX);
    let mut stream = Cut {
        bytes,
        // The last one, so that it comes to an end some time.
        cuts: cuts.iter().copied().chain([20_000]).cycle(),
        waited: false,
    };
    let mut cx = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    loop {
        match reader.poll_fill(&mut cx, &mut stream) {
            Poll::Pending => continue,
            Poll::Ready(Ok(0)) => break,
            Poll::Ready(count) => assert!(count.unwrap() > 0),
        }
        let (mut frames, rest) = reader.frames();
        rest.unwrap();
        while let Some(frame) = frames.split(reader.framer()) {
            all.push(frame);
        }
    }
    assert!(!reader.is_amid_frame());
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn frames_are_read_as_they_were_written_however_they_are_cut(
        messages in messages(),
        cut in prop_oneof![1..50usize, 1000..70_000usize],
    ) {
        let mut bytes = BytesMut::new();
        for (id, head, body) in &messages {
            frame::encode(&mut bytes, *id, 1, head, body, MAX).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(async {
            // A pipe of this size is never read further than that at once.
            let (mut write, mut read) = tokio::io::duplex(cut.min(bytes.len()));
            let writing = async { write.write_all(&bytes).await.unwrap(); drop(write) };
            let reading = async {
                let mut reader = FrameReader::new(MAX);
                let mut all = Vec::new();
                while poll_fn(|cx| reader.poll_fill(cx, &mut read)).await.unwrap() > 0 {
                    let (frames, rest) = reader.frames();
                    rest.unwrap();
                    all.extend(frames);
                }
                assert!(!reader.is_amid_frame());
                all
            };
            futures::join!(writing, reading).1
        });
        prop_assert_eq!(read.len(), messages.len());
        for (frame, (id, head, body)) in read.into_iter().zip(&messages) {
            prop_assert_eq!(frame.id, *id);
            let mut read = RequestProtocol::default();
            frame.read_head(&mut read).unwrap();
            prop_assert_eq!(&read, head);
            prop_assert_eq!(&frame.into_body()[..], &body[..]);
        }
    }

    #[test]
    fn a_stream_is_read_the_same_wherever_it_is_cut(
        messages in messages(),
        cuts in proptest::collection::vec(prop_oneof![0..40usize, 100..60_000usize], 1..60),
    ) {
        let mut bytes = BytesMut::new();
        for (id, head, body) in &messages {
            frame::encode(&mut bytes, *id, 1, head, body, MAX).unwrap();
        }
        let whole = frames_of(Trpc, &bytes, &[bytes.len()]);
        prop_assert_eq!(whole.len(), messages.len());
        prop_assert_eq!(&frames_of(Trpc, &bytes, &cuts), &whole);

        let mut bytes = Vec::new();
        for (id, _, body) in &messages {
            let text = String::from_utf8_lossy(body);
            let json = serde_json::json!({"id": id, "method": "/a/b", "body": text});
            let json = json.to_string();
            bytes.extend((json.len() as u32).to_be_bytes());
            bytes.extend(json.as_bytes());
        }
        let whole = frames_of(PrefixedJson, &bytes, &[bytes.len()]);
        prop_assert_eq!(whole.len(), messages.len());
        prop_assert_eq!(&frames_of(PrefixedJson, &bytes, &cuts), &whole);
        for (frame, (id, _, body)) in whole.iter().zip(&messages) {
            let incoming = PrefixedJson.decode(frame.clone(), &mut RequestProtocol::default());
            let incoming = incoming.unwrap_or_else(|_| panic!("{frame:?} is not read"));
            prop_assert_eq!(incoming.id, *id);
            let text: String = serde_json::from_slice(&incoming.body).unwrap();
            prop_assert_eq!(text, String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn any_bytes_are_a_frame_or_the_beginning_of_one_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
        magic in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if magic && bytes.len() > 3 {
            bytes[..4].copy_from_slice(&[0x09, 0x30, 0, 0]);
        }
        if let Ok(Some(Lengths { frame, head })) = frame::measure(&bytes, MAX) {
            prop_assert!((16..=MAX).contains(&frame));
            prop_assert!(head <= frame - 16);
        }
    }
}
