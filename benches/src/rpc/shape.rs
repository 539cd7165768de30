//! The shape of a load.

use bytes::Bytes;

/// How many calls are under way, and what they carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Connections.
    pub connections: usize,
    /// Calls under way on each of them, at most 256.
    pub depth: usize,
    /// Bytes that are sent and come back.
    pub body: usize,
}

impl Shape {
    /// A body of its own for each number: its first eight bytes.
    #[must_use]
    pub fn body(self, number: u64) -> Bytes {
        let mut body = vec![0xA5; self.body];
        body[..8].copy_from_slice(&number.to_be_bytes());
        body.into()
    }

    /// How many of `calls` are made by the connection, or the task, that is
    /// the `nth` of `count`.
    #[must_use]
    pub fn share(calls: u64, nth: usize, count: usize) -> u64 {
        let (nth, count) = (nth as u64, count as u64);
        calls / count + u64::from(nth < calls % count)
    }
}

#[cfg(test)]
mod tests {
    use super::Shape;

    #[test]
    fn the_shares_are_all_of_it() {
        for calls in [0, 1, 63, 64, 1000] {
            let shares = (0..64).map(|nth| Shape::share(calls, nth, 64));
            assert_eq!(shares.sum::<u64>(), calls);
        }
    }
}
