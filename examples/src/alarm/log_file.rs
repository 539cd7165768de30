//! The channel that is a file of JSON lines.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use pool_object::{Policy, Pool};

use super::channel::{Batch, Channel, DeliveryError};
use super::policy::ChannelKind;

/// Clears a line buffer as it comes back, and drops one that a burst made huge.
#[derive(Debug)]
struct Lines;

impl Policy<Vec<u8>> for Lines {
    fn create(&self) -> Vec<u8> {
        Vec::with_capacity(4096)
    }

    fn reset(&self, lines: &mut Vec<u8>) -> bool {
        lines.clear();
        lines.capacity() <= 256 * 1024
    }
}

static LINES: Pool<Vec<u8>, Lines> = Pool::new(Lines);

/// The figures of the pool of line buffers.
#[must_use]
pub fn line_buffers() -> pool_object::Stats {
    LINES.stats()
}

/// A file with a JSON object a line. It is written by threads that may block.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    lines: Arc<Mutex<WholeLines<File>>>,
}

impl LogFile {
    /// Appends to the file at `path`, which is made if it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self {
            path: path.to_owned(),
            lines: Arc::new(Mutex::new(WholeLines::new(file))),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has a thread that may block work on the file.
    async fn work(
        &self,
        work: impl FnOnce(&mut WholeLines<File>) -> io::Result<()> + Send + 'static,
    ) -> Result<(), DeliveryError> {
        let lines = Arc::clone(&self.lines);
        let worked = tokio::task::spawn_blocking(move || work(&mut lines.lock())).await;
        Ok(worked.map_err(io::Error::from)??)
    }
}

impl Channel for LogFile {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Log
    }

    fn deliver(&self, batch: Batch) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(self.work(move |file| {
            let mut lines = LINES.get();
            for notification in batch.iter() {
                serde_json::to_writer(&mut *lines, notification)?;
                lines.push(b'\n');
            }
            file.append(&lines)
        }))
    }

    /// The file is on the disk, not only in the kernel.
    fn close(&self) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(self.work(|file| file.out.sync_all()))
    }
}

/// Lines of which none is cut, though writing may fail in the middle of one.
#[derive(Debug)]
struct WholeLines<W> {
    out: W,
    /// The rest of a line that was cut: it is written before anything else.
    rest: Vec<u8>,
}

impl<W: Write> WholeLines<W> {
    fn new(out: W) -> Self {
        let rest = Vec::new();
        Self { out, rest }
    }

    /// Appends whole lines, with one write if all goes well. After an error they may be
    /// appended again: some of them are there twice then, but each is whole.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let rest = std::mem::take(&mut self.rest);
        self.write(&rest, false)?;
        self.write(lines, true)
    }

    /// `whole` says whether the last line so far is.
    fn write(&mut self, mut bytes: &[u8], mut whole: bool) -> io::Result<()> {
        while !bytes.is_empty() {
            let error = match self.out.write(bytes) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    whole = bytes[count - 1] == b'\n';
                    bytes = &bytes[count..];
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            if !whole {
                let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
                self.rest = lines.next().unwrap_or_default().to_vec();
            }
            return Err(error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk {
        written: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.written.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_did_not_fit_is_made_whole_by_the_next_write_wherever_it_was_cut() {
        const LINES: &[u8] = b"{1}\n{22}\n{3}\n";
        for first in 0..LINES.len() {
            for second in 0..LINES.len() {
                let disk = Disk {
                    written: Vec::new(),
                    room: first,
                };
                let mut lines = WholeLines::new(disk);
                lines.append(LINES).unwrap_err();
                lines.out.room = second;
                let again = lines.append(LINES);
                lines.out.room = usize::MAX;
                if again.is_err() {
                    lines.append(LINES).unwrap();
                }
                let written = std::str::from_utf8(&lines.out.written).unwrap();
                assert!(written.ends_with("{1}\n{22}\n{3}\n"), "{written}");
                let known = ["{1}", "{22}", "{3}"];
                assert!(
                    written.lines().all(|line| known.contains(&line)),
                    "{written}"
                );
            }
        }
    }
}
