//! Random operations on several threads, against a model that is too simple to be wrong.
//!
//! The threads take turns, so the model knows at every step who holds what; the stress
//! tests and the loom models are there for what happens at once.

#![cfg(not(loom_models))]

use pool_object::{OwnedGuard, Policy, Pool};
use proptest::prelude::*;
use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

const THREADS: usize = 3;

/// The numbers of all objects that are alive, how many were ever made, and what is to
/// panic when it is called next.
#[derive(Default, Debug)]
struct Ledger {
    alive: BTreeSet<usize>,
    made: usize,
    broken: Option<Call>,
}

/// The callers' code that a pool runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Create,
    Reset,
    Weigh,
    Drop,
}

/// What broken code panics with.
struct Broken;

/// Panics if this call is to, without the hook, which would print.
fn call(ledger: &Mutex<Ledger>, call: Call) {
    // Another panic on top would end the process.
    if !thread::panicking()
        && lock(ledger)
            .broken
            .take_if(|broken| *broken == call)
            .is_some()
    {
        resume_unwind(Box::new(Broken));
    }
}

/// Also after a panic elsewhere, so that this is the one that is reported.
fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Numbered {
    number: usize,
    weight: usize,
    ledger: Arc<Mutex<Ledger>>,
}

impl Drop for Numbered {
    fn drop(&mut self) {
        let was_alive = lock(&self.ledger).alive.remove(&self.number);
        assert!(was_alive, "dropped twice");
        call(&self.ledger, Call::Drop);
    }
}

impl Numbered {
    fn new(ledger: &Arc<Mutex<Ledger>>) -> Self {
        let mut books = lock(ledger);
        let number = books.made;
        books.made += 1;
        books.alive.insert(number);
        Self {
            number,
            weight: 1 + number % 3,
            ledger: Arc::clone(ledger),
        }
    }
}

struct Numbers(Arc<Mutex<Ledger>>);

impl Policy<Numbered> for Numbers {
    fn create(&self) -> Numbered {
        call(&self.0, Call::Create);
        Numbered::new(&self.0)
    }

    fn reset(&self, object: &mut Numbered) -> bool {
        call(&self.0, Call::Reset);
        object.number % 11 != 10
    }

    fn weigh(&self, object: &Numbered) -> usize {
        call(&self.0, Call::Weigh);
        object.weight
    }
}

type Numbering = Pool<Numbered, Numbers>;

#[derive(Clone, Debug)]
enum Step {
    Get(usize),
    TryGet,
    /// Gets one, but what would make it fails; and drops it.
    GetOrFail,
    /// Drops the guard at this place among those out, wherever it was taken.
    Return(usize),
    /// Drops so many of them.
    ReturnMany(usize),
    Panic(usize),
    /// Uses so many, one after the other, each where it is.
    UseInPlace(usize),
    /// Takes the object out of the guard at this place, for good.
    Detach(usize),
    /// Puts in one that the pool has not made.
    Bring,
    Prewarm(usize),
    Clear,
    Trim,
    SetMaxIdle(usize),
    /// Has the next call of this kind panic, in whichever step it comes.
    Break(Call),
    /// Ends the thread; another takes its place.
    End,
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        6 => (1..60usize).prop_map(Step::Get),
        2 => Just(Step::TryGet),
        1 => Just(Step::GetOrFail),
        3 => (0..100usize).prop_map(Step::Return),
        4 => (0..100usize).prop_map(Step::ReturnMany),
        1 => (0..100usize).prop_map(Step::Panic),
        2 => (1..4usize).prop_map(Step::UseInPlace),
        1 => (0..100usize).prop_map(Step::Detach),
        2 => Just(Step::Bring),
        1 => (0..20usize).prop_map(Step::Prewarm),
        1 => Just(Step::Clear),
        2 => Just(Step::Trim),
        1 => (0..150usize).prop_map(Step::SetMaxIdle),
        4 => prop::sample::select(vec![Call::Create, Call::Reset, Call::Weigh, Call::Drop])
            .prop_map(Step::Break),
        1 => Just(Step::End),
    ];
    prop::collection::vec((0..THREADS, step), 1..60)
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does one job after another while the caller waits for each.
struct Worker {
    jobs: mpsc::Sender<Job>,
    done: mpsc::Receiver<()>,
    thread: thread::JoinHandle<()>,
}

impl Worker {
    fn start() -> Self {
        let (jobs, todo) = mpsc::channel::<Job>();
        let (tell, done) = mpsc::channel();
        let thread = thread::spawn(move || {
            for job in todo {
                job();
                tell.send(()).unwrap();
            }
        });
        Self { jobs, done, thread }
    }

    /// What the job returned; `None` if it ran into what is broken.
    fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> Option<R> {
        let (give, result) = mpsc::channel();
        let job = move || {
            let ended = catch_unwind(AssertUnwindSafe(job));
            give.send(ended)
                .unwrap_or_else(|_| unreachable!("is waited for"));
        };
        self.jobs.send(Box::new(job)).unwrap();
        self.done.recv().unwrap();
        match result.recv().unwrap() {
            Ok(result) => Some(result),
            Err(panic) if panic.is::<Broken>() => None,
            Err(panic) => resume_unwind(panic),
        }
    }

    fn end(self) {
        drop(self.jobs);
        self.thread.join().unwrap();
    }
}

fn play(max_idle: usize, steps: Vec<(usize, Step)>) {
    let ledger = Arc::default();
    let pool = Pool::new(Numbers(Arc::clone(&ledger)))
        .max_idle(max_idle)
        // Or a slow machine has trims that the model knows nothing of.
        .trim_when_full(Duration::MAX);
    let pool: Arc<Numbering> = Arc::new(pool);
    let mut workers: Vec<Worker> = (0..THREADS).map(|_| Worker::start()).collect();
    let mut out: Vec<OwnedGuard<Numbered, Numbers>> = Vec::new();
    let mut numbers_out = BTreeSet::new();
    // What came back since the last trim or clear, which the next trim leaves.
    let mut fresh = BTreeSet::new();
    let (mut bound, mut bound_before) = (max_idle, 0);
    let (mut kept_ahead, mut brought, mut taken_away) = (0, 0, 0);
    for (thread, step) in steps {
        let worker = &workers[thread];
        let with_pool = Arc::clone(&pool);
        match step {
            Step::Get(count) => {
                let get = move || {
                    (0..count)
                        .map(|_| with_pool.get_owned())
                        .collect::<Vec<_>>()
                };
                for guard in worker.run(get).into_iter().flatten() {
                    assert!(numbers_out.insert(guard.number), "handed out twice");
                    out.push(guard);
                }
            }
            Step::TryGet => {
                let made = lock(&ledger).made;
                if let Some(guard) = worker.run(move || with_pool.try_get_owned()).flatten() {
                    assert!(numbers_out.insert(guard.number), "handed out twice");
                    out.push(guard);
                }
                assert_eq!(lock(&ledger).made, made);
            }
            Step::GetOrFail => {
                let get = move || {
                    let guard = with_pool.get_or_try_else(|| Err::<Numbered, ()>(()));
                    guard.ok().map(|guard| guard.number)
                };
                fresh.extend(worker.run(get).flatten());
            }
            Step::Return(place) if !out.is_empty() => {
                let guard = out.swap_remove(place % out.len());
                numbers_out.remove(&guard.number);
                fresh.insert(guard.number);
                worker.run(move || drop(guard));
            }
            Step::ReturnMany(count) => {
                let guards = out.split_off(out.len().saturating_sub(count));
                guards.iter().for_each(|guard| {
                    numbers_out.remove(&guard.number);
                    fresh.insert(guard.number);
                });
                worker.run(move || drop(guards));
            }
            Step::Panic(place) if !out.is_empty() => {
                let guard = out.swap_remove(place % out.len());
                let number = guard.number;
                numbers_out.remove(&number);
                worker.run(move || {
                    let _guard = guard;
                    resume_unwind(Box::new(Broken))
                });
                assert!(!lock(&ledger).alive.contains(&number));
            }
            Step::UseInPlace(count) => {
                let used = worker.run(move || {
                    (0..count)
                        .map(|_| with_pool.with(|object| object.number))
                        .collect::<Vec<_>>()
                });
                let used = used.unwrap_or_default();
                assert!(used.iter().all(|number| !numbers_out.contains(number)));
                fresh.extend(used);
            }
            Step::Detach(place) if !out.is_empty() => {
                let guard = out.swap_remove(place % out.len());
                numbers_out.remove(&guard.number);
                worker.run(move || drop(OwnedGuard::detach(guard)));
                taken_away += 1;
            }
            Step::Bring => {
                let object = Numbered::new(&ledger);
                fresh.insert(object.number);
                worker.run(move || with_pool.put(object));
                brought += 1;
            }
            Step::Prewarm(count) => {
                let before = pool.stats().idle;
                let kept = worker.run(move || with_pool.prewarm(count));
                let more = pool.stats().idle - before;
                assert!(kept.is_none_or(|kept| kept as u64 == more));
                kept_ahead += more;
            }
            Step::Clear => {
                worker.run(move || with_pool.clear());
                assert_eq!(pool.stats().idle, 0);
                fresh.clear();
            }
            Step::Trim => {
                fresh.retain(|number| lock(&ledger).alive.contains(number));
                worker.run(move || with_pool.trim());
                assert!(fresh.is_subset(&lock(&ledger).alive), "trimmed though used");
                fresh.clear();
            }
            Step::SetMaxIdle(to) => {
                bound_before = bound_before.max(bound);
                bound = to;
                worker.run(move || with_pool.set_max_idle(to));
            }
            Step::Break(call) => lock(&ledger).broken = Some(call),
            Step::End => std::mem::replace(&mut workers[thread], Worker::start()).end(),
            Step::Return(_) | Step::Panic(_) | Step::Detach(_) => {}
        }

        let stats = pool.stats();
        let (alive, made) = {
            let ledger = lock(&ledger);
            (ledger.alive.clone(), ledger.made as u64)
        };
        // Whatever panicked on the way: what was made is idle, or out, or was dropped for
        // a reason that is told.
        assert!(numbers_out.is_subset(&alive), "dropped while out");
        let idle = usize::try_from(stats.idle).unwrap();
        assert_eq!(idle + out.len(), alive.len(), "{stats:?}");
        assert_eq!(made - brought, stats.misses + stats.prewarmed, "{stats:?}");
        let gone = made - alive.len() as u64 - taken_away;
        assert_eq!(stats.dropped.total(), gone, "{stats:?}");
        // What was idle came back, or was made ahead and found a place.
        let dropped = stats.dropped;
        let was_idle = stats.hits.total() + dropped.aged + dropped.lowered + stats.idle;
        assert_eq!(stats.returned(), was_idle - kept_ahead, "{stats:?}");
        // A slot keeps its places, for what weighs up to 3, when the bound is lowered.
        let bound = bound.max(bound_before.min(3 * THREADS)) as u64;
        assert!(stats.idle_weight <= bound, "{stats:?}");
    }
    lock(&ledger).broken = None;
    drop(workers.drain(..).map(Worker::end).collect::<Vec<_>>());
    drop(out);
    drop(pool);
    assert!(lock(&ledger).alive.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pool_does_what_its_model_does(max_idle in 0..150usize, steps in steps()) {
        play(max_idle, steps);
    }
}
