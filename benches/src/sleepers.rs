//! A million jobs that sleep for 10 ms, 50,000 at a time: the headline case of
//! ants. Each turn is a process of its own, for the sake of its peak of memory.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_worker::tasks;
use tokio::sync::Semaphore;

use crate::contestant::{Amount, Case, Contestant, Lost, Turn, Unit};
use crate::go::Go;
use crate::process::Process;
use crate::runtime::runtime;
use crate::slots::{Ledger, Slots};

const JOBS: u64 = 1_000_000;
const CAPACITY: usize = 50_000;
const SLEEP: Duration = Duration::from_millis(10);

/// Who lets jobs sleep in this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Our pool of futures.
    Ours,
    /// Our pool of one function.
    OursFunc,
    /// A semaphore before each spawn.
    SemaphoreSpawn,
}

/// The case of this name.
#[must_use]
pub fn case(name: &'static str, go: Option<&Go>) -> Option<Case> {
    if name != "worker/sleepers" {
        return None;
    }
    let this = std::env::current_exe().unwrap_or_default();
    let mut contestants = vec![
        contestant("ours", &this, ["--sleep", "ours"]),
        contestant("ours:func", &this, ["--sleep", "ours-func"]).aside(),
        contestant("semaphore+spawn", &this, ["--sleep", "semaphore-spawn"]),
    ];
    contestants.extend(go.into_iter().flat_map(|go| {
        let program = go.program();
        ["ants", "goroutines", "errgroup"]
            .map(|who| contestant(&format!("go:{who}"), &program, ["sleep", who]))
    }));
    Some(Case {
        name,
        what: "1,000,000 jobs that sleep 10 ms, 50,000 at a time; goroutines: all at once",
        unit: Unit::Seconds,
        beside: &["peak_mb"],
        amount: Amount::Fixed {
            operations: JOBS,
            turns: 7,
            quick: 3,
        },
        contestants,
    })
}

/// Runs `program` for each turn, which prints how many nanoseconds it took and
/// how many bytes were its peak.
fn contestant(who: &str, program: &Path, args: [&'static str; 2]) -> Contestant {
    let program = program.to_owned();
    Contestant::measured(who, move |jobs| {
        let output = Command::new(&program)
            .args(args)
            .arg(jobs.to_string())
            .output();
        let output = output.map_err(|error| Lost(error.to_string()))?;
        let answer = String::from_utf8_lossy(&output.stdout);
        let figures = answer.trim().split_once(' ');
        let parsed = figures.and_then(|(nanos, peak)| {
            Some((nanos.parse::<f64>().ok()?, peak.parse::<f64>().ok()?))
        });
        let Some((nanos, peak)) = parsed.filter(|_| output.status.success()) else {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(Lost(format!("{answer}{error}")));
        };
        Ok(Turn {
            value: nanos / 1e9,
            beside: vec![peak / 1e6],
        })
    })
}

/// Lets so many jobs sleep, and prints what it took.
///
/// # Errors
/// When a job was lost.
pub fn sleep(kind: Kind, jobs: u64) -> Result<(), String> {
    let took = Ledger::default().with(jobs, |slots| {
        let jobs = usize::try_from(jobs).expect("fits the memory");
        let start = Instant::now();
        runtime().block_on(async {
            let all = match kind {
                Kind::Ours => runtime().spawn(ours(slots, jobs)),
                Kind::OursFunc => runtime().spawn(ours_func(slots, jobs)),
                Kind::SemaphoreSpawn => runtime().spawn(semaphore(slots, jobs)),
            };
            all.await.expect("no task panics");
        });
        start.elapsed()
    });
    let took = took.map_err(|lost| lost.to_string())?;
    let peak = Process::this().peak().map_err(|error| error.to_string())?;
    println!("{} {peak}", took.as_nanos());
    Ok(())
}

async fn ours(slots: Slots, jobs: usize) {
    let pool = tasks::Pool::builder().capacity(CAPACITY).build();
    for at in 0..jobs {
        let job = async move {
            tokio::time::sleep(SLEEP).await;
            slots.mark(at);
        };
        assert!(pool.submit(job).await.is_ok(), "the pool is open");
    }
    pool.close(Duration::from_secs(60)).await.expect("jobs end");
}

async fn ours_func(slots: Slots, jobs: usize) {
    let pool = tasks::FuncPool::builder()
        .capacity(CAPACITY)
        .build(move |at: usize| async move {
            tokio::time::sleep(SLEEP).await;
            slots.mark(at);
        });
    for at in 0..jobs {
        assert!(pool.submit(at).await.is_ok(), "the pool is open");
    }
    pool.close(Duration::from_secs(60)).await.expect("jobs end");
}

async fn semaphore(slots: Slots, jobs: usize) {
    let limit = Arc::new(Semaphore::new(CAPACITY));
    for at in 0..jobs {
        let permit = Arc::clone(&limit).acquire_owned().await;
        let permit = permit.expect("is never closed");
        tokio::spawn(async move {
            tokio::time::sleep(SLEEP).await;
            slots.mark(at);
            drop(permit);
        });
    }
    let all = u32::try_from(CAPACITY).expect("a small number");
    let _all = limit.acquire_many(all).await.expect("is never closed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_has_slept_when_it_is_over() {
        for kind in [Kind::Ours, Kind::OursFunc, Kind::SemaphoreSpawn] {
            assert_eq!(sleep(kind, 100), Ok(()));
        }
    }
}
