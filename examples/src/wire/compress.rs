//! Compressed bodies, in every encoding that trpc-go has.

use std::fmt;
use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use lz4_flex::block;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};

/// How a body is compressed (`content_encoding`). Those that are not named
/// here are kept as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Encoding(pub u32);

impl Encoding {
    /// Not at all.
    pub const NONE: Self = Self(0);
    /// gzip.
    pub const GZIP: Self = Self(1);
    /// Snappy's stream format, by its old number.
    pub const SNAPPY: Self = Self(2);
    /// zlib.
    pub const ZLIB: Self = Self(3);
    /// Snappy's stream format.
    pub const SNAPPY_STREAM: Self = Self(4);
    /// Snappy's block format.
    pub const SNAPPY_BLOCK: Self = Self(5);
    /// LZ4's frame format (`stream` in trpc-go).
    pub const LZ4_FRAME: Self = Self(6);
    /// LZ4's block format, without the length of what is compressed.
    pub const LZ4_BLOCK: Self = Self(7);

    /// All that are spoken here, but for none.
    pub const ALL: [Self; 7] = [
        Self::GZIP,
        Self::SNAPPY,
        Self::ZLIB,
        Self::SNAPPY_STREAM,
        Self::SNAPPY_BLOCK,
        Self::LZ4_FRAME,
        Self::LZ4_BLOCK,
    ];
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::NONE => "no compression",
            Self::GZIP => "gzip",
            Self::ZLIB => "zlib",
            Self::SNAPPY | Self::SNAPPY_STREAM => "snappy (stream)",
            Self::SNAPPY_BLOCK => "snappy (block)",
            Self::LZ4_FRAME => "lz4 (frame)",
            Self::LZ4_BLOCK => "lz4 (block)",
            Self(other) => return write!(f, "content encoding {other}"),
        })
    }
}

/// Why a body cannot be compressed or decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompressError {
    /// There is no such encoding here.
    #[error("{0} is not spoken here")]
    Unknown(Encoding),
    /// It is not what its encoding says.
    #[error("{encoding}: {source}")]
    Corrupt {
        /// What it says it is.
        encoding: Encoding,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It would be longer than is let in: a bomb, perhaps. No more than that
    /// has been decompressed.
    #[error("{encoding}: more than {max} bytes when decompressed")]
    TooLong {
        /// How it is compressed.
        encoding: Encoding,
        /// What is let in, in bytes.
        max: usize,
    },
}

/// What trpc-go allows for: it gives up on an LZ4 block that grows by more.
const LZ4_BLOCK_GROWTH: usize = 10;
/// What a decompressed body begins with, in bytes; it grows with what comes.
const FIRST: usize = 16 * 1024;

/// Compresses `body`; `None` when it should travel as it is: when it is
/// empty, or of a kind that peers would not take.
///
/// # Errors
/// When the encoding is not spoken here.
pub fn compress(encoding: Encoding, body: &[u8]) -> Result<Option<Bytes>, CompressError> {
    if body.is_empty() || encoding == Encoding::NONE {
        return Ok(None);
    }
    let out = Vec::with_capacity(body.len() / 4 + 64);
    let compressed = match encoding {
        Encoding::GZIP => {
            written(GzEncoder::new(out, Compression::fast()), body).and_then(GzEncoder::finish)
        }
        Encoding::ZLIB => {
            written(ZlibEncoder::new(out, Compression::fast()), body).and_then(ZlibEncoder::finish)
        }
        Encoding::SNAPPY | Encoding::SNAPPY_STREAM => {
            written(snap::write::FrameEncoder::new(out), body).and_then(|encoder| {
                encoder
                    .into_inner()
                    .map_err(snap::write::IntoInnerError::into_error)
            })
        }
        Encoding::SNAPPY_BLOCK => snap::raw::Encoder::new()
            .compress_vec(body)
            .map_err(io::Error::other),
        Encoding::LZ4_FRAME => written(FrameEncoder::new(out), body)
            .and_then(|encoder| encoder.finish().map_err(io::Error::other)),
        Encoding::LZ4_BLOCK => {
            let compressed = block::compress(body);
            if compressed.len().saturating_mul(LZ4_BLOCK_GROWTH) < body.len() {
                return Ok(None);
            }
            Ok(compressed)
        }
        other => return Err(CompressError::Unknown(other)),
    };
    compressed
        .map(|bytes| Some(bytes.into()))
        .map_err(|error| corrupt(encoding, error))
}

fn written<W: Write>(mut encoder: W, body: &[u8]) -> io::Result<W> {
    encoder.write_all(body)?;
    Ok(encoder)
}

/// Decompresses `body`, to at most `max` bytes. What is empty stays so, as in
/// trpc-go.
///
/// # Errors
/// When it is not what `encoding` says, or longer than `max`. What a body says of its
/// length is believed up to `max` and no further; beside that there is what an encoding
/// needs to look back, 4 MiB at most (blocks of LZ4 frames).
pub fn decompress(encoding: Encoding, body: Bytes, max: usize) -> Result<Bytes, CompressError> {
    match encoding {
        Encoding::NONE => Ok(body),
        Encoding(..=7) if body.is_empty() => Ok(body),
        Encoding::GZIP => read(encoding, MultiGzDecoder::new(&body[..]), max),
        Encoding::ZLIB => read(encoding, ZlibDecoder::new(&body[..]), max),
        Encoding::SNAPPY | Encoding::SNAPPY_STREAM => {
            read(encoding, snap::read::FrameDecoder::new(&body[..]), max)
        }
        Encoding::LZ4_FRAME => read(encoding, FrameDecoder::new(&body[..]), max),
        Encoding::SNAPPY_BLOCK => snappy_block(&body, max),
        Encoding::LZ4_BLOCK => lz4_block(&body, max),
        other => Err(CompressError::Unknown(other)),
    }
}

fn read(encoding: Encoding, from: impl Read, max: usize) -> Result<Bytes, CompressError> {
    let mut out = Vec::with_capacity(FIRST.min(max));
    // One more than is let in tells that there is more.
    let most = (max as u64).saturating_add(1);
    let count = from.take(most).read_to_end(&mut out);
    if count.map_err(|error| corrupt(encoding, error))? > max {
        return Err(CompressError::TooLong { encoding, max });
    }
    Ok(out.into())
}

fn snappy_block(body: &[u8], max: usize) -> Result<Bytes, CompressError> {
    let encoding = Encoding::SNAPPY_BLOCK;
    let length = snap::raw::decompress_len(body).map_err(|error| corrupt(encoding, error))?;
    if length > max {
        return Err(CompressError::TooLong { encoding, max });
    }
    snap::raw::Decoder::new()
        .decompress_vec(body)
        .map(Bytes::from)
        .map_err(|error| corrupt(encoding, error))
}

/// The format does not say how long it will be: tried with more each time.
fn lz4_block(body: &[u8], max: usize) -> Result<Bytes, CompressError> {
    let encoding = Encoding::LZ4_BLOCK;
    let mut room = body.len().saturating_mul(LZ4_BLOCK_GROWTH).min(max);
    loop {
        match block::decompress(body, room) {
            Ok(out) => return Ok(out.into()),
            Err(block::DecompressError::OutputTooSmall { .. }) if room < max => {
                room = room.saturating_mul(4).min(max);
            }
            Err(block::DecompressError::OutputTooSmall { .. }) => {
                return Err(CompressError::TooLong { encoding, max });
            }
            Err(error) => return Err(corrupt(encoding, error)),
        }
    }
}

#[cold]
fn corrupt(
    encoding: Encoding,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> CompressError {
    CompressError::Corrupt {
        encoding,
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 20;

    #[test]
    fn what_is_compressed_comes_back() {
        let texts = [
            Vec::new(),
            vec![7],
            b"some words, some words again".repeat(40),
            vec![0; MAX],
            (0..MAX as u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
                .collect(),
        ];
        for encoding in Encoding::ALL {
            for text in &texts {
                let Some(small) = compress(encoding, text).unwrap() else {
                    assert!(text.is_empty() || encoding == Encoding::LZ4_BLOCK);
                    continue;
                };
                let back = decompress(encoding, small, MAX).unwrap();
                assert!(back[..] == text[..], "{encoding}");
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit_and_one_byte_less_is_let_in() {
        for encoding in Encoding::ALL {
            let bomb = if encoding == Encoding::LZ4_BLOCK {
                block::compress(&vec![0; MAX]).into()
            } else {
                compress(encoding, &vec![0; MAX]).unwrap().unwrap()
            };
            assert!(bomb.len() < MAX / 10, "{encoding}");
            let refused = decompress(encoding, bomb.clone(), MAX - 1).unwrap_err();
            assert!(
                matches!(refused, CompressError::TooLong { .. }),
                "{refused}"
            );
            assert_eq!(decompress(encoding, bomb, MAX).unwrap().len(), MAX);
        }
    }

    #[test]
    fn what_is_cut_or_spoiled_is_refused_and_never_panics() {
        let text: Vec<u8> = (0..90u8).flat_map(|n| [n, 3, 3, 3, 3, 3, 3]).collect();
        for encoding in Encoding::ALL {
            let whole = compress(encoding, &text).unwrap().unwrap();
            for cut in 1..whole.len() {
                // The streams of some end wherever a part of them ends.
                if let Ok(part) = decompress(encoding, whole.slice(..cut), MAX) {
                    assert!(text.starts_with(&part), "{encoding} cut at {cut}");
                }
                let mut spoiled = whole.to_vec();
                spoiled[cut] ^= 0x55;
                let _ = decompress(encoding, spoiled.into(), MAX);
            }
        }
        let other = decompress(Encoding(9), Bytes::from_static(b"x"), MAX).unwrap_err();
        assert_eq!(other.to_string(), "content encoding 9 is not spoken here");
    }
}
