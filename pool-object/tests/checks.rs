//! Finding misuse.
#![cfg(feature = "checks")]

use pool_object::{Checks, Guard, Policy, Pool, static_pool};

#[test]
fn some_objects_are_dropped_at_random() {
    let pool = Pool::new(|| 0).checks(Checks::none().drop_one_in(4));
    (0..10_000).for_each(|_| drop(pool.get()));
    let dropped = pool.stats().dropped.refused;
    assert!((1500..3500).contains(&dropped), "{dropped}");
    assert_eq!(dropped + pool.stats().idle, pool.stats().misses);
}

#[test]
fn what_comes_back_is_poisoned_after_its_reset() {
    struct Pages;
    impl Policy<[u8; 4]> for Pages {
        fn create(&self) -> [u8; 4] {
            [0; 4]
        }
        fn poison(&self, page: &mut [u8; 4]) {
            *page = [0xDB; 4];
        }
    }
    let pool = Pool::new(Pages).checks(Checks::none().poison());
    drop(pool.get());
    assert_eq!(*pool.get(), [0xDB; 4]);
    let trusting = Pool::new(Pages);
    drop(trusting.get());
    assert_eq!(*trusting.get(), [0; 4]);
}

#[test]
fn loans_are_known_until_they_are_back() {
    let pool = Pool::new(String::new).checks(Checks::none().track_loans());
    let line = line!() + 1;
    let (one, other) = (pool.get(), pool.get_or_else(String::new));
    let loans = pool.loans();
    assert!(
        loans
            .iter()
            .all(|loan| loan.taken_at.line() == line && loan.taken_at.file() == file!())
    );
    assert_eq!(loans.len(), 2);
    drop(one);
    drop(Guard::detach(other));
    assert!(pool.loans().is_empty());
    std::mem::forget(pool.get());
    assert_eq!(pool.loans().len(), 1);
}

#[test]
fn a_use_is_a_loan_for_as_long_as_it_lasts() {
    static_pool! {
        static NAMES: Pool<String> = Pool::from_fn(String::new)
            .checks(Checks::none().track_loans());
    }
    let pool = Pool::new(String::new).checks(Checks::none().track_loans());
    for _ in 0..3 {
        pool.with(|_| assert_eq!(pool.loans()[0].taken_at.line(), line!()));
        NAMES.with(|_| assert_eq!(NAMES.loans()[0].taken_at.line(), line!()));
        assert!(pool.loans().is_empty() && NAMES.loans().is_empty());
    }
}

const LEAKS: u32 = line!() + 2;
fn leak(pool: &Pool<String>) {
    std::mem::forget(pool.get());
}

/// What a program writes to standard error that leaks a guard: this test
/// itself, in a process of its own.
#[test]
fn a_leaked_guard_is_reported_as_the_pool_goes() {
    const CHILD: &str = "POOL_OBJECT_LEAK_A_GUARD";
    let checks = Checks::none().track_loans();
    if std::env::var_os(CHILD).is_some() {
        let pool = Pool::<String>::default().checks(checks);
        drop(pool.get());
        leak(&pool);
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("a_leaked_guard_is_reported_as_the_pool_goes")
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    let written = String::from_utf8(child.stderr).unwrap();
    let reports: Vec<_> = written
        .lines()
        .filter(|line| line.starts_with("pool-object: a guard was leaked"))
        .collect();
    assert_eq!(reports.len(), 1, "{written}");
    let place = format!("taken at {}:{LEAKS}:", file!());
    assert!(reports[0].contains(&place), "{written}");
}

#[cfg(feature = "bytes")]
mod buffers {
    use bytes::BufMut;
    use pool_object::{BufferPool, Checks};

    #[test]
    fn some_are_dropped_at_random() {
        let pool = BufferPool::new().checks(Checks::none().drop_one_in(4));
        (0..10_000).for_each(|_| drop(pool.get(100)));
        let dropped = pool.stats().dropped.refused;
        assert!((1500..3500).contains(&dropped), "{dropped}");
    }

    #[test]
    fn what_a_former_user_wrote_is_poisoned() {
        let pool = BufferPool::new().checks(Checks::none().poison());
        pool.get(256).put_bytes(7, 256);
        let mut buf = pool.get(256);
        assert_eq!(pool.stats().hits.total(), 1);
        let chunk = buf.chunk_mut();
        // SAFETY: the memory is the one written above, and poisoned whole since.
        let left = unsafe { std::slice::from_raw_parts(chunk.as_mut_ptr(), chunk.len()) };
        assert!(left.iter().all(|&byte| byte == 0xDB));
    }

    #[test]
    fn loans_are_known_until_the_memory_is_home() {
        static POOL: BufferPool = BufferPool::new().checks(Checks::none().track_loans());
        let line = line!() + 1;
        let (mut one, other) = (POOL.get(10), POOL.get(2 << 20));
        let lines = || {
            POOL.loans()
                .iter()
                .map(|loan| loan.taken_at.line())
                .collect::<Vec<_>>()
        };
        assert_eq!(lines(), [line, line]);
        assert_eq!(POOL.loans()[0].taken_at.file(), file!());
        drop(other);
        one.put_bytes(1, 1000);
        let frozen = one.freeze();
        assert_eq!(lines(), [line], "also when it has grown and was frozen");
        drop(frozen);
        assert!(lines().is_empty());
        drop(POOL.get(10).into_vec());
        assert!(lines().is_empty());
    }
}
