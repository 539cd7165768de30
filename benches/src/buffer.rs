//! Byte buffers: written, made shared bytes, dropped.

use std::cell::Cell;
use std::ops::Deref;
use std::time::Instant;

use bytes::{BufMut, BytesMut};
use pool_object::BufferPool;

use crate::contestant::Contestant;

const SIZE: usize = 4096;

/// Payloads that begin at another place each time: how fast 4 KiB are copied depends on
/// where they lie.
struct Payloads {
    source: Box<[u8]>,
    offset: Cell<usize>,
}

impl Payloads {
    fn new() -> Self {
        Self {
            source: vec![7; 2 * SIZE].into(),
            offset: Cell::new(0),
        }
    }

    fn next(&self) -> &[u8] {
        self.offset.set((self.offset.get() + 1037) % SIZE);
        &self.source[self.offset.get()..][..SIZE]
    }
}

/// Those of `object/buffer/4k`.
#[must_use]
pub fn contestants() -> Vec<Contestant> {
    fn contestant<B: Deref<Target = [u8]>>(
        who: &str,
        written: impl Fn(&[u8]) -> B + 'static,
    ) -> Contestant {
        let payloads = Payloads::new();
        Contestant::new(who, move |count| {
            let start = Instant::now();
            for _ in 0..count {
                std::hint::black_box(&*written(payloads.next()));
            }
            Ok(start.elapsed())
        })
    }
    static OURS: BufferPool = BufferPool::new();
    vec![
        contestant("ours", |payload| {
            let mut buffer = OURS.get(SIZE);
            buffer.put_slice(payload);
            buffer.freeze()
        }),
        contestant("BytesMut", |payload| {
            let mut buffer = BytesMut::with_capacity(SIZE);
            buffer.put_slice(payload);
            buffer.freeze()
        }),
        contestant("Vec", |payload| {
            let mut buffer = Vec::with_capacity(SIZE);
            buffer.extend_from_slice(payload);
            bytes::Bytes::from(buffer)
        }),
    ]
}
