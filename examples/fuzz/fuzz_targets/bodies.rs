//! Bodies of any bytes, said to be compressed in any way: decompressed to no
//! more than is let in; and what is compressed comes back.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/wire/mod.rs"]
mod wire;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wire::Encoding;
use wire::compress::{compress, decompress};

const MAX: usize = 64 << 10;

fuzz_target!(|input: &[u8]| {
    let Some((&kind, body)) = input.split_first() else {
        return;
    };
    let encoding = Encoding(u32::from(kind % 9));
    if let Ok(bytes) = decompress(encoding, Bytes::copy_from_slice(body), MAX) {
        assert!(bytes.len() <= MAX || encoding == Encoding::NONE);
    }
    if let Ok(Some(small)) = compress(encoding, body) {
        let back = decompress(encoding, small, body.len()).expect("it was just compressed");
        assert_eq!(back, body);
    }
});
