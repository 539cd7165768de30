//! A file to which lines are added, or one after the other, each with its time in its name.
//!
//! `tracing-appender` has such files too, but takes for its own, and removes, whatever has a
//! name that begins as theirs do.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::spec::Rotation;

/// Writes to the file of now.
#[derive(Debug)]
pub(super) struct Rolling<C> {
    folder: PathBuf,
    name: OsString,
    rotation: Rotation,
    keep: Option<usize>,
    clock: C,
    /// Which one `file` is of.
    period: u64,
    file: File,
}

impl<C: Fn() -> SystemTime> Rolling<C> {
    /// Opens the file of now, at `path`, where it rolls with the time behind its name. So
    /// many files are kept; all when nothing is said.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn open(
        path: &Path,
        rotation: Rotation,
        keep: Option<usize>,
        clock: C,
    ) -> io::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(folder)?;
        let now = clock();
        let file = append(&folder.join(named(name, rotation, now)))?;
        let rolling = Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
            rotation,
            keep,
            clock,
            period: period(rotation, now),
            file,
        };
        rolling.prune(now);
        Ok(rolling)
    }

    /// Begins another file when it is time.
    fn roll(&mut self) {
        let now = (self.clock)();
        let period = period(self.rotation, now);
        if period == self.period {
            return;
        }
        let path = self.folder.join(named(&self.name, self.rotation, now));
        // While there cannot be another one, the last one is written to: no line is lost.
        let Ok(file) = append(&path) else { return };
        (self.file, self.period) = (file, period);
        self.prune(now);
    }

    /// Removes the oldest files beyond those that are kept, of which that of now is one.
    /// Only what has a name that this rotation gives is its own.
    fn prune(&self, now: SystemTime) {
        let (Some(keep), Ok(entries)) = (self.keep, fs::read_dir(&self.folder)) else {
            return;
        };
        let current = named(&self.name, self.rotation, now);
        let mut others: Vec<_> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .map(|entry| entry.file_name())
            .filter(|name| *name != current && is_named(name, &self.name, self.rotation))
            .collect();
        // As the times in their names.
        others.sort_unstable();
        let gone = (others.len() + 1).saturating_sub(keep);
        for name in others.into_iter().take(gone) {
            // One that cannot be removed is tried again with the next file.
            let _ = fs::remove_file(self.folder.join(name));
        }
    }
}

impl<C: Fn() -> SystemTime> Write for Rolling<C> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.roll();
        self.file.write(line)
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.roll();
        self.file.write_all(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// How long a file is written to, and how a time looks in its name.
fn every(rotation: Rotation) -> Option<(Duration, &'static str)> {
    const MINUTE: u64 = 60;
    let (seconds, form) = match rotation {
        Rotation::Never => return None,
        Rotation::Minutely => (MINUTE, "0000-00-00-00-00"),
        Rotation::Hourly => (60 * MINUTE, "0000-00-00-00"),
        Rotation::Daily => (24 * 60 * MINUTE, "0000-00-00"),
    };
    Some((Duration::from_secs(seconds), form))
}

/// The number of the file of `now`.
fn period(rotation: Rotation, now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    every(rotation).map_or(0, |(length, _)| since.as_secs() / length.as_secs())
}

/// The name of the file of `now`, in UTC.
fn named(name: &OsStr, rotation: Rotation, now: SystemTime) -> OsString {
    let mut named = name.to_owned();
    if let Some((_, form)) = every(rotation) {
        let time = humantime::format_rfc3339_seconds(now).to_string();
        let time = time.replace(['T', ':'], "-");
        named.push(".");
        named.push(&time[..form.len()]);
    }
    named
}

/// Whether a file of this name may be one of those that are called `name`.
fn is_named(file: &OsStr, name: &OsStr, rotation: Rotation) -> bool {
    let Some((_, form)) = every(rotation) else {
        return false;
    };
    let rest = file.as_encoded_bytes();
    let rest = rest.strip_prefix(name.as_encoded_bytes());
    let Some(time) = rest.and_then(|rest| rest.strip_prefix(b".")) else {
        return false;
    };
    let alike = |(byte, form): (&u8, u8)| match form {
        b'0' => byte.is_ascii_digit(),
        _ => *byte == form,
    };
    time.len() == form.len() && time.iter().zip(form.bytes()).all(alike)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_file_is_begun_with_each_period_and_the_last_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        // 2026-11-29T00:00:00Z
        let start = 1_795_910_400;
        for (rotation, seconds, kept) in [
            (
                Rotation::Minutely,
                60,
                ["2026-11-29-00-03", "2026-11-29-00-04"],
            ),
            (Rotation::Hourly, 3_600, ["2026-11-29-03", "2026-11-29-04"]),
            (Rotation::Daily, 86_400, ["2026-12-02", "2026-12-03"]),
        ] {
            let folder = folder.path().join(seconds.to_string());
            let now = Arc::new(AtomicU64::new(start));
            let time = Arc::clone(&now);
            let clock = move || UNIX_EPOCH + Duration::from_secs(time.load(Relaxed));
            let mut log = Rolling::open(&folder.join("a.log"), rotation, Some(2), clock).unwrap();
            for nth in 0..5 {
                now.store(start + nth * seconds, Relaxed);
                log.write_all(format!("first of {nth}\n").as_bytes())
                    .unwrap();
                now.fetch_add(seconds - 1, Relaxed);
                log.write_all(format!("last of {nth}\n").as_bytes())
                    .unwrap();
            }
            let kept = kept.map(|time| format!("a.log.{time}"));
            assert_eq!(names(&folder), kept);
            for (name, nth) in kept.iter().zip(3..) {
                let text = fs::read_to_string(folder.join(name)).unwrap();
                assert_eq!(text, format!("first of {nth}\nlast of {nth}\n"));
            }
        }
    }

    #[test]
    fn files_whose_names_begin_the_same_are_not_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let others = [
            "demo-2026-11-01",
            "demo.2026-11-01-00",
            "demo.2026-11-01.gz",
            "demo.key",
            "demo.key.2026-11-01",
            "demo.toml",
        ];
        for name in others {
            fs::write(folder.join(name), "mine").unwrap();
        }
        fs::write(folder.join("demo.2026-11-01"), "old").unwrap();
        fs::create_dir(folder.join("demo.2026-11-02")).unwrap();
        let clock = || UNIX_EPOCH + Duration::from_secs(1_795_910_400);
        let path = folder.join("demo");
        Rolling::open(&path, Rotation::Never, Some(1), clock).unwrap();
        assert_eq!(names(folder).len(), others.len() + 3);
        Rolling::open(&path, Rotation::Daily, Some(1), clock).unwrap();
        let mut left = [&others[..], &["demo", "demo.2026-11-02", "demo.2026-11-29"]].concat();
        left.sort_unstable();
        assert_eq!(names(folder), left);
    }
}
