//! What a process costs, as Linux tells it.

use std::fs;
use std::io;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// A running process.
#[derive(Clone, Copy, Debug)]
pub struct Process(u32);

impl Process {
    /// The process of this number.
    #[must_use]
    pub fn new(id: u32) -> Self {
        Self(id)
    }

    /// The process that asks.
    #[must_use]
    pub fn this() -> Self {
        Self(std::process::id())
    }

    /// How long its threads have been running on a CPU, all together, in the
    /// kernel and out of it.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn cpu(self) -> io::Result<Duration> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.0.cast_signed()))?;
        Ok(clock_gettime(clock)?.into())
    }

    /// Bytes of it that are in memory.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn resident(self) -> io::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most bytes of it that ever were in memory.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn peak(self) -> io::Result<u64> {
        self.status("VmHWM:")
    }

    /// Keeps all threads it has now on one CPU of those that it may use.
    ///
    /// # Errors
    /// When there is no such process, or the system does not let it.
    pub fn on_one_cpu(self) -> io::Result<OnOneCpu> {
        let all = sched_getaffinity(Pid::from_raw(self.0.cast_signed()))?;
        let mut one = CpuSet::new();
        let first = (0..CpuSet::count()).find(|&cpu| all.is_set(cpu).unwrap_or(false));
        one.set(first.unwrap_or(0))?;
        self.keep_on(&one)?;
        Ok(OnOneCpu { process: self, all })
    }

    fn keep_on(self, cpus: &CpuSet) -> io::Result<()> {
        for thread in fs::read_dir(format!("/proc/{}/task", self.0))? {
            let id = thread?.file_name().to_string_lossy().parse();
            let thread = Pid::from_raw(id.map_err(io::Error::other)?);
            match sched_setaffinity(thread, cpus) {
                // It has ended meanwhile.
                Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn status(self, field: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{field} is not told"));
        Ok(kib.ok_or_else(missing)? * 1024)
    }
}

/// Keeps the calling thread on the CPU of this number among those that it may use, counted
/// round. Where the system does not let it, it stays where it is put.
pub fn stay_on_cpu(number: usize) {
    let this = Pid::from_raw(0);
    let Ok(all) = sched_getaffinity(this) else {
        return;
    };
    let mine: Vec<_> = (0..CpuSet::count())
        .filter(|&cpu| all.is_set(cpu).unwrap_or(false))
        .collect();
    let mut one = CpuSet::new();
    if one.set(mine[number % mine.len()]).is_ok() {
        let _ = sched_setaffinity(this, &one);
    }
}

/// A process that is kept on one CPU until this is dropped.
#[derive(Debug)]
pub struct OnOneCpu {
    process: Process,
    all: CpuSet,
}

impl Drop for OnOneCpu {
    fn drop(&mut self) {
        // A process that has gone needs none.
        let _ = self.process.keep_on(&self.all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_costs_grows_with_what_it_does() {
        let this = Process::this();
        let (cpu, peak) = (this.cpu().unwrap(), this.peak().unwrap());
        let memory = vec![1_u8; 64 << 20];
        assert_eq!(
            memory.iter().map(|&byte| usize::from(byte)).sum::<usize>(),
            64 << 20
        );
        assert!(this.cpu().unwrap() > cpu);
        assert!(this.peak().unwrap() >= peak);
        assert!(this.resident().unwrap() >= 64 << 20);
        assert!(this.peak().unwrap() >= this.resident().unwrap() / 2);
    }

    #[test]
    fn a_process_that_is_not_there_is_told() {
        assert!(Process::new(u32::MAX >> 1).resident().is_err());
    }

    #[test]
    fn a_process_is_kept_on_one_cpu_for_as_long_as_it_is_said() {
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = Process::new(other.id());
        let cpus = || {
            let set = sched_getaffinity(Pid::from_raw(other.id().cast_signed())).unwrap();
            let is_set = |&cpu: &usize| set.is_set(cpu).unwrap();
            (0..CpuSet::count()).filter(is_set).count()
        };
        let before = cpus();
        let kept = process.on_one_cpu().unwrap();
        assert_eq!(cpus(), 1);
        drop(kept);
        assert_eq!(cpus(), before);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
