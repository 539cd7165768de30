//! The number of a call, as it stands in a frame twice.

/// Where it stands in the fixed head, in four bytes.
pub(super) const NUMBER: usize = 10;

/// As protobuf writes it, in five bytes, which is the shortest way only for a
/// number whose highest bit is set.
pub(super) fn varint(number: u32) -> [u8; 5] {
    std::array::from_fn(|at| {
        let bits = (number >> (7 * at)) as u8 & 0x7f;
        if at == 4 { bits } else { bits | 0x80 }
    })
}

#[cfg(test)]
mod tests {
    use prost::encoding::decode_varint;

    #[test]
    fn it_reads_as_it_was() {
        for number in [0, 1, 1 << 31, u32::MAX] {
            let decoded = decode_varint(&mut &super::varint(number)[..]);
            assert_eq!(decoded, Ok(u64::from(number)));
        }
    }
}
