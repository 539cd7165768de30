//! The wire: what is encoded is what is read, however it is cut.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use prost::Message;
use rpc_demo::wire::frame::{self, FrameError, Lengths};
use rpc_demo::wire::{FrameReader, RequestProtocol, ResponseProtocol};
use tokio::io::AsyncWriteExt;

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
            prop_assert_eq!(&RequestProtocol::decode(frame.head()).unwrap(), head);
            prop_assert_eq!(&frame.into_body()[..], &body[..]);
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
