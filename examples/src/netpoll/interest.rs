//! What the kernel's epoll has been asked to tell of a socket, as it says itself.

use std::fmt;
use std::os::fd::RawFd;

/// The bits of `epoll_event.events`, of Linux's ABI.
const BITS: [(u32, &str); 7] = [
    (0x1, "IN"),
    (0x2, "PRI"),
    (0x4, "OUT"),
    (0x8, "ERR"),
    (0x10, "HUP"),
    (0x2000, "RDHUP"),
    (1 << 31, "ET"),
];

/// An entry of an epoll instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The epoll instance.
    pub epoll: RawFd,
    /// What is told: `EPOLLIN` and so on.
    pub events: u32,
}

impl Interest {
    /// Of the first epoll instance of this process that watches `fd`. `None` when there is
    /// none, or no `/proc` that tells.
    #[must_use]
    pub fn of(fd: RawFd) -> Option<Self> {
        let described = std::fs::read_dir("/proc/self/fdinfo").ok()?;
        described.filter_map(Result::ok).find_map(|entry| {
            let epoll = entry.file_name().to_str()?.parse().ok()?;
            let text = std::fs::read_to_string(entry.path()).ok()?;
            let events = text.lines().find_map(|line| events_of(line, fd))?;
            Some(Self { epoll, events })
        })
    }
}

/// What a line such as `tfd: 9 events: 8000201d data: ...` says of `fd`.
fn events_of(line: &str, fd: RawFd) -> Option<u32> {
    let mut words = line.split_whitespace();
    let is_of_it = words.next()? == "tfd:" && words.next()?.parse() == Ok(fd);
    (is_of_it && words.next()? == "events:")
        .then(|| u32::from_str_radix(words.next()?, 16).ok())
        .flatten()
}

impl fmt::Display for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoll {} tells of", self.epoll)?;
        let told = BITS.iter().filter(|(bit, _)| self.events & bit != 0);
        told.into_iter()
            .try_for_each(|(_, name)| write!(f, " {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_understood_and_another_is_not() {
        let line = "tfd:        9 events: 8000201d data:     7f00deadbeef  pos:0 ino:3a2 sdev:8";
        let interest = Interest {
            epoll: 4,
            events: events_of(line, 9).unwrap(),
        };
        assert_eq!(
            interest.to_string(),
            "epoll 4 tells of IN OUT ERR HUP RDHUP ET"
        );
        assert_eq!(events_of(line, 8), None);
        assert_eq!(events_of("pos:\t0", 0), None);
    }
}
