//! A sandbox that refuses `membarrier(2)`. Alone in its binary: the process remembers it.

#![cfg(all(target_os = "linux", not(any(loom_models, miri))))]

use pool_object::{Pool, static_pool};
use std::{
    mem, ptr,
    sync::atomic::{AtomicUsize, Ordering},
    sync::mpsc,
    thread,
};

/// How often the kernel was asked.
static ASKED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    ASKED.fetch_add(1, Ordering::Relaxed);
}

/// Has this thread's calls of `membarrier` trapped and counted, in place of done. What
/// they return then is the number of the call or its argument, neither of which is 0, so
/// they have failed. `false` where the system has no such filters.
fn forbid_membarrier() -> bool {
    let statement = |code: u32, jump, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf: jump,
        k,
    };
    let membarrier = u32::try_from(libc::SYS_membarrier).unwrap();
    let mut filter = [
        // The call's number, which is the first that a filter is given.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, membarrier),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_TRAP),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).unwrap(),
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: zeros are a `sigaction` without flags and with nothing masked; the handler
    // does what a handler may do; the filter is read in the call, while it is there.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as usize;
        libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut()) == 0
            && libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) == 0
    }
}

#[test]
fn a_refusal_is_remembered_and_own_caches_are_swept_all_the_same() {
    static_pool! {
        static NUMBERS: Pool<u8> = Pool::from_fn(|| 7);
    }
    let pool = Pool::new(|| 7);
    let (cached, wait) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let pool = &pool;
        scope.spawn(move || {
            drop([pool.get(), pool.get()]);
            cached.send(()).unwrap();
            // Until the other is done, or has failed.
            let _ = ended.recv();
        });
        scope.spawn(move || {
            let _end = end;
            wait.recv().unwrap();
            if !forbid_membarrier() {
                eprintln!("no filters of system calls here: not tested");
                return;
            }
            // Two for the other thread, out of reach; ours are swept.
            let own = [pool.get(), pool.get(), pool.get()];
            drop(own);
            pool.clear();
            assert_eq!((pool.stats().idle, pool.stats().dropped.aged), (2, 3));
            let asked = ASKED.load(Ordering::Relaxed);
            assert!(asked > 0, "was refused");

            drop(pool.get());
            pool.trim();
            pool.trim();
            assert_eq!((pool.stats().idle, pool.stats().dropped.aged), (2, 4));
            // Its front stays closed; it is asked for more than once.
            (0..3000).for_each(|_| drop(NUMBERS.get()));
            NUMBERS.clear();
            assert_eq!((NUMBERS.stats().misses, NUMBERS.stats().idle), (1, 0));
            assert_eq!(ASKED.load(Ordering::Relaxed), asked, "asked again");
        });
    });
}
