//! The object pools: take an object, touch it, give it back.

use std::sync::{Arc, Barrier, LazyLock, Mutex, mpsc};
use std::time::Instant;

use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;
use pool_object::{Policy, Pool, static_pool};
use regex_automata::util::pool::Pool as RegexPool;

use crate::buffer;
use crate::contestant::{Case, Contestant};
use crate::process::stay_on_cpu;
use crate::seen::seen;

/// What is pooled: a buffer of 4 KiB.
type Buffer = Vec<u8>;

const SIZE: usize = 4096;

fn make() -> Buffer {
    Vec::with_capacity(SIZE)
}

#[inline]
fn touch(buffer: &mut Buffer) {
    buffer.push(1);
    seen(buffer.as_mut_ptr());
}

/// A buffer, by itself or on cache lines of its own.
trait Holder: From<Buffer> + Send + Sync + 'static {
    fn buffer(&mut self) -> &mut Buffer;
}

impl Holder for Buffer {
    #[inline]
    fn buffer(&mut self) -> &mut Buffer {
        self
    }
}

impl Holder for CachePadded<Buffer> {
    #[inline]
    fn buffer(&mut self) -> &mut Buffer {
        self
    }
}

fn make_holder<B: Holder>() -> B {
    make().into()
}

/// Makes and clears the buffers of our pools.
#[derive(Clone, Copy, Debug)]
struct Buffers;

impl<B: Holder> Policy<B> for Buffers {
    fn create(&self) -> B {
        make_holder()
    }

    fn reset(&self, holder: &mut B) -> bool {
        holder.buffer().clear();
        true
    }
}

static_pool! {
    static STATIC: Pool<Buffer, Buffers> = Pool::new(Buffers);
}

/// The object case of this name.
#[must_use]
pub fn case(name: &'static str) -> Option<Case> {
    let (what, contestants) = match name {
        "object/get_put/1t" => ("get, touch, put; one thread", get_put::<Buffer>(&OneThread)),
        "object/get_put/2t" => (
            "get, touch, put; two threads, wall time",
            get_put::<CachePadded<Buffer>>(&TwoThreads),
        ),
        "object/static/1t" => ("get, touch, put; pool in a static", in_static()),
        "object/handoff" => ("made on one thread, dropped on another", handoff()),
        "object/buffer/4k" => (
            "buffer of 4 KiB written, frozen, dropped",
            buffer::contestants(),
        ),
        _ => return None,
    };
    Some(Case::timed(name, what, contestants))
}

/// Runs an operation so many times.
trait Threads {
    fn contestant<S: Sync + 'static>(
        &self,
        who: &str,
        shared: S,
        operation: impl Fn(&S) + Send + Sync + Copy + 'static,
    ) -> Contestant;
}

struct OneThread;

impl Threads for OneThread {
    fn contestant<S: Sync + 'static>(
        &self,
        who: &str,
        shared: S,
        operation: impl Fn(&S) + Send + Sync + Copy + 'static,
    ) -> Contestant {
        Contestant::new(who, move |count| {
            let start = Instant::now();
            for _ in 0..count {
                operation(&shared);
            }
            Ok(start.elapsed())
        })
    }
}

struct TwoThreads;

impl Threads for TwoThreads {
    fn contestant<S: Sync + 'static>(
        &self,
        who: &str,
        shared: S,
        operation: impl Fn(&S) + Send + Sync + Copy + 'static,
    ) -> Contestant {
        Contestant::new(who, move |count| {
            let shared = &shared;
            let begin = Barrier::new(2);
            Ok(std::thread::scope(|scope| {
                let begin = &begin;
                let threads = [0, 1].map(|cpu| {
                    scope.spawn(move || {
                        // Both on one, and they would take turns.
                        stay_on_cpu(cpu);
                        begin.wait();
                        let start = Instant::now();
                        for _ in 0..count / 2 {
                            operation(shared);
                        }
                        (start, Instant::now())
                    })
                });
                let times = threads.map(|thread| thread.join().expect("no operation panics"));
                let [(one, _), (other, _)] = times;
                let [(_, this), (_, that)] = times;
                this.max(that) - one.min(other)
            }))
        })
    }
}

/// Pools that leave their objects where they are have them in a `B`; those that move them
/// have none of its padding to move.
fn get_put<B: Holder>(threads: &impl Threads) -> Vec<Contestant> {
    let clear: fn(&mut B) = |holder| holder.buffer().clear();
    vec![
        threads.contestant("ours", Pool::new(Buffers), |pool: &Pool<B, Buffers>| {
            pool.with(|holder| touch(holder.buffer()));
        }),
        threads
            .contestant(
                "ours:guard",
                Pool::new(Buffers),
                |pool: &Pool<B, Buffers>| {
                    touch(pool.get().buffer());
                },
            )
            .aside(),
        threads.contestant(
            "lockfree-object-pool",
            lockfree_object_pool::LinearObjectPool::new(make_holder::<B>, clear),
            |pool| touch(pool.pull().buffer()),
        ),
        threads.contestant("object-pool", object_pool::Pool::new(32, make), |pool| {
            let mut buffer = pool.pull(make);
            touch(&mut buffer);
            buffer.clear();
        }),
        threads.contestant(
            "opool",
            opool::Pool::new_prefilled(32, OpoolBuffers),
            |pool: &opool::Pool<OpoolBuffers, B>| touch(pool.get().buffer()),
        ),
        threads.contestant(
            "regex-automata",
            RegexPool::new(make_holder::<B> as fn() -> B),
            |pool: &RegexPool<B>| {
                let mut holder = pool.get();
                touch(holder.buffer());
                holder.buffer().clear();
            },
        ),
        threads.contestant(
            "ArrayQueue",
            ArrayQueue::new(32),
            |queue: &ArrayQueue<Buffer>| {
                let mut buffer = queue.pop().unwrap_or_else(make);
                touch(&mut buffer);
                buffer.clear();
                // Full: the buffer goes, as the bound wants it.
                let _ = queue.push(buffer);
            },
        ),
        threads.contestant(
            "Mutex<Vec>",
            Mutex::new(Vec::new()),
            |pool: &Mutex<Vec<Buffer>>| {
                let taken = pool.lock().expect("no one panics").pop();
                let mut buffer = taken.unwrap_or_else(make);
                touch(&mut buffer);
                buffer.clear();
                pool.lock().expect("no one panics").push(buffer);
            },
        ),
        threads.contestant("malloc", (), |()| touch(&mut make())),
    ]
}

struct OpoolBuffers;

impl<B: Holder> opool::PoolAllocator<B> for OpoolBuffers {
    fn allocate(&self) -> B {
        make_holder()
    }

    fn reset(&self, holder: &mut B) {
        holder.buffer().clear();
    }
}

fn in_static() -> Vec<Contestant> {
    static LAZY: LazyLock<lockfree_object_pool::LinearObjectPool<Buffer>> = LazyLock::new(|| {
        lockfree_object_pool::LinearObjectPool::new(make, |buffer: &mut Buffer| buffer.clear())
    });
    static OBJECTS: LazyLock<object_pool::Pool<Buffer>> =
        LazyLock::new(|| object_pool::Pool::new(32, make));
    static OPOOL: LazyLock<opool::Pool<OpoolBuffers, Buffer>> =
        LazyLock::new(|| opool::Pool::new_prefilled(32, OpoolBuffers));
    static QUEUE: LazyLock<ArrayQueue<Buffer>> = LazyLock::new(|| ArrayQueue::new(32));
    static REGEX: LazyLock<RegexPool<Buffer>> =
        LazyLock::new(|| RegexPool::new(make as fn() -> Buffer));
    static MUTEX: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());
    static PLAIN: Pool<Buffer, Buffers> = Pool::new(Buffers);
    vec![
        OneThread.contestant("ours", (), |()| STATIC.with(touch)),
        OneThread
            .contestant("ours:guard", (), |()| touch(&mut STATIC.get()))
            .aside(),
        OneThread
            .contestant("ours:plain static", (), |()| PLAIN.with(touch))
            .aside(),
        OneThread.contestant("lockfree-object-pool", (), |()| touch(&mut LAZY.pull())),
        OneThread.contestant("object-pool", (), |()| {
            let mut buffer = OBJECTS.pull(make);
            touch(&mut buffer);
            buffer.clear();
        }),
        OneThread.contestant("opool", (), |()| touch(&mut OPOOL.get())),
        OneThread.contestant("ArrayQueue", (), |()| {
            let mut buffer = QUEUE.pop().unwrap_or_else(make);
            touch(&mut buffer);
            buffer.clear();
            let _ = QUEUE.push(buffer);
        }),
        OneThread.contestant("regex-automata", (), |()| {
            let mut buffer = REGEX.get();
            touch(&mut buffer);
            buffer.clear();
        }),
        OneThread.contestant("Mutex<Vec>", (), |()| {
            let taken = MUTEX.lock().expect("no one panics").pop();
            let mut buffer = taken.unwrap_or_else(make);
            touch(&mut buffer);
            buffer.clear();
            MUTEX.lock().expect("no one panics").push(buffer);
        }),
        OneThread.contestant("malloc", (), |()| touch(&mut make())),
    ]
}

/// Sends what `take` gives to another thread, which drops it.
fn through_channel<T: Send + 'static>(
    who: &str,
    take: impl Fn() -> T + 'static,
    drop: impl Fn(T) + Send + Copy + 'static,
) -> Contestant {
    Contestant::new(who, move |count| {
        let (send, receive) = mpsc::sync_channel::<T>(1024);
        let start = Instant::now();
        let consumer = std::thread::spawn(move || {
            let mut received = 0;
            for object in receive {
                drop(object);
                received += 1;
            }
            received
        });
        for _ in 0..count {
            send.send(take()).expect("the consumer goes on to the end");
        }
        std::mem::drop(send);
        let received: u64 = consumer.join().expect("no drop panics");
        let took = start.elapsed();
        if received == count {
            Ok(took)
        } else {
            Err(crate::contestant::Lost(format!(
                "{received} of {count} objects came over"
            )))
        }
    })
}

fn handoff() -> Vec<Contestant> {
    let ours: &'static Pool<Buffer, Buffers> = Box::leak(Box::new(Pool::new(Buffers)));
    let lockfree = Arc::new(lockfree_object_pool::LinearObjectPool::new(
        make,
        |buffer: &mut Buffer| buffer.clear(),
    ));
    let objects = Arc::new(object_pool::Pool::new(2048, make));
    let opool = opool::Pool::new_prefilled(2048, OpoolBuffers).to_rc();
    let queue: &'static ArrayQueue<Buffer> = Box::leak(Box::new(ArrayQueue::new(2048)));
    let mutex: &'static Mutex<Vec<Buffer>> = Box::leak(Box::default());
    vec![
        through_channel(
            "ours",
            move || {
                let mut buffer = ours.get();
                touch(&mut buffer);
                buffer
            },
            drop,
        ),
        through_channel(
            "lockfree-object-pool",
            move || {
                let mut buffer = lockfree.pull_owned();
                touch(&mut buffer);
                buffer
            },
            drop,
        ),
        through_channel(
            "object-pool",
            move || {
                let mut buffer = objects.pull_owned(make);
                touch(&mut buffer);
                buffer
            },
            |mut buffer| buffer.clear(),
        ),
        through_channel(
            "opool",
            move || {
                let mut buffer = opool.clone().get_rc();
                touch(&mut buffer);
                buffer
            },
            drop,
        ),
        through_channel(
            "ArrayQueue",
            move || {
                let mut buffer = queue.pop().unwrap_or_else(make);
                touch(&mut buffer);
                buffer
            },
            |mut buffer| {
                buffer.clear();
                let _ = queue.push(buffer);
            },
        ),
        through_channel(
            "Mutex<Vec>",
            move || {
                let taken = mutex.lock().expect("no one panics").pop();
                let mut buffer = taken.unwrap_or_else(make);
                touch(&mut buffer);
                buffer
            },
            |mut buffer| {
                buffer.clear();
                mutex.lock().expect("no one panics").push(buffer);
            },
        ),
        through_channel(
            "malloc",
            || {
                let mut buffer = make();
                touch(&mut buffer);
                buffer
            },
            drop,
        ),
    ]
}
