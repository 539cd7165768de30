//! The last lines, in memory, for `/logs`.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

use super::spec::LogFormat;

/// Keeps the last lines. A clone is the same ring.
///
/// Written under a lock, which is never held over anything but the move of a line: it
/// needs no thread of its own, and `/logs` tells what has just been said.
#[derive(Clone, Debug)]
pub(super) struct Ring(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: Mutex<VecDeque<Arc<[u8]>>>,
    keep: usize,
    format: LogFormat,
}

impl Ring {
    pub(super) fn new(keep: usize, format: LogFormat) -> Self {
        Self(Arc::new(Shared {
            lines: Mutex::default(),
            keep,
            format,
        }))
    }

    /// What is kept, oldest first.
    pub(super) fn lines(&self) -> (String, LogFormat) {
        // Put together when the lock is free again.
        let lines: Vec<_> = self.0.lines.lock().iter().cloned().collect();
        let text = lines.concat();
        (String::from_utf8_lossy(&text).into_owned(), self.0.format)
    }
}

/// A line comes as one write.
impl Write for &Ring {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let kept = Arc::from(line);
        let mut lines = self.0.lines.lock();
        lines.push_back(kept);
        let gone = (lines.len() > self.0.keep).then(|| lines.pop_front());
        drop(lines);
        drop(gone);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Ring {
    type Writer = &'a Ring;

    fn make_writer(&'a self) -> &'a Ring {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_in_their_order() {
        let ring = Ring::new(2, LogFormat::Text);
        for line in ["one\n", "two\n", "three\n"] {
            ring.make_writer().write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(ring.lines(), ("two\nthree\n".to_owned(), LogFormat::Text));
    }
}
