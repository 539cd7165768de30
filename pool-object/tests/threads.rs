//! One pool, several threads.

mod tracked;

use pool_object::{Guard, Pool, static_pool};
use std::{
    cell::Cell,
    sync::{Arc, Barrier, atomic::Ordering},
    thread,
};
use tracked::Tracked;

#[test]
fn what_one_thread_returns_another_finds() {
    let pool = Pool::new(|| 0);
    let out: Vec<_> = (0..200).map(|_| pool.get()).collect();
    thread::scope(|scope| {
        scope.spawn(move || drop(out)).join().unwrap();
    });
    let found = std::iter::from_fn(|| pool.try_get().map(Guard::detach)).count();
    assert_eq!(found, 200, "the thread that ended gave its cache back");
    assert_eq!(pool.stats().idle, 0);
}

#[test]
fn a_living_thread_shares_all_but_its_cache() {
    let pool = Pool::new(|| 0);
    let out: Vec<_> = (0..200).map(|_| pool.get()).collect();
    let (returned, checked) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            drop(out);
            returned.wait();
            checked.wait();
        });
        returned.wait();
        let found = std::iter::from_fn(|| pool.try_get().map(Guard::detach)).count();
        assert!((200 - 33..200).contains(&found), "{found}");
        assert_eq!(pool.stats().idle as usize, 200 - found);
        checked.wait();
        worker.join().unwrap();
    });
}

#[test]
fn dropping_a_pool_drops_what_every_thread_cached() {
    const THREADS: usize = 4;
    let alive = Arc::default();
    let pool = Arc::new(Pool::new({
        let alive = Arc::clone(&alive);
        move || Tracked::new(&alive)
    }));
    let (cached, checked) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let pool = Arc::clone(&pool);
            scope.spawn(|| {
                let out: Vec<_> = (0..10).map(|_| pool.take()).collect();
                out.into_iter().for_each(|object| pool.put(object));
                drop(pool);
                cached.wait();
                checked.wait();
            });
        }
        cached.wait();
        assert!(alive.load(Ordering::Relaxed) >= 10);
        drop(pool);
        assert_eq!(alive.load(Ordering::Relaxed), 0, "the threads still live");
        checked.wait();
    });
}

#[test]
fn an_object_that_may_not_be_shared_may_be_pooled() {
    let pool: Pool<Cell<u8>> = Pool::from_fn(|| Cell::new(1));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let cell = pool.get();
                    cell.set(cell.get() ^ 1);
                    assert!(cell.get() <= 1);
                }
            });
        }
    });
    assert_eq!(pool.stats().hits.total() + pool.stats().misses, 2000);
}

#[test]
fn a_thread_whose_shard_is_empty_takes_from_anothers() {
    let pool = Pool::new(|| 0);
    let out: Vec<_> = (0..100).map(|_| pool.get()).collect();
    drop(out);
    thread::scope(|scope| {
        // Its shard is the one after that of the first thread that used the pool.
        let other = scope.spawn(|| {
            let first = pool.get();
            let hits = pool.stats().hits;
            assert_eq!((hits.stolen, hits.total()), (1, 1));
            // From now on that one is its own.
            let more: Vec<_> = (0..20).map(|_| pool.get()).collect();
            let hits = pool.stats().hits;
            assert_eq!((hits.stolen, hits.shard), (1, 1));
            drop((first, more));
        });
        other.join().unwrap();
    });
}

#[test]
fn guards_of_each_kind_may_be_held_across_an_await() {
    static_pool! {
        static NAMES: Pool<String> = Pool::from_fn(String::new);
    }
    static POOL: Pool<String> = Pool::from_fn(String::new);
    // What may not be shared may be sent all the same.
    static CELLS: Pool<Cell<u8>> = Pool::from_fn(|| Cell::new(0));
    fn assert_send<F: Future + Send>(future: F) -> F {
        future
    }
    let owned = Arc::new(Pool::new(String::new));
    let all = assert_send(async move {
        let mut guards = (POOL.get(), NAMES.get(), owned.get_owned(), CELLS.get());
        tokio::task::yield_now().await;
        guards.0.push('a');
        guards.1.push('b');
        guards.2.push('c');
        guards.3.set(1);
        drop(guards);
        owned.stats().idle + CELLS.stats().idle
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let idle = runtime.block_on(async { tokio::spawn(all).await.unwrap() });
    assert_eq!(idle, 2);
    assert_eq!((POOL.stats().idle, NAMES.stats().idle), (1, 1));
}
