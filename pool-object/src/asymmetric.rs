//! A pair of fences of which one side pays for both.
//!
//! `light` and `heavy` together order as two `SeqCst` fences do: of a thread that
//! stores `a`, is at `light`, and loads `b`, and another that stores `b`, is at
//! `heavy`, and loads `a`, at least one sees the other's store. Where Linux has
//! `membarrier(2)`, `light` only keeps the compiler from reordering, and `heavy` has
//! every running thread of the process execute a fence wherever it is; a thread that
//! does not run has passed one as it was put to sleep. Elsewhere both are fences.

#[cfg(all(target_os = "linux", not(any(loom_models, miri))))]
mod fences {
    use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};

    /// A kernel or a sandbox that refuses the call once is not asked again by this
    /// process. (A thread may be in a sandbox of its own; then all go without.) That it
    /// was granted is not remembered: a sandbox may come later, and half way through a
    /// sweep is too late to find out. Carries no data, hence relaxed.
    static REFUSED: AtomicBool = AtomicBool::new(false);

    #[inline(always)]
    pub fn light() {
        compiler_fence(Ordering::SeqCst);
    }

    /// Whether `heavy` can be used: an old kernel has no `membarrier`, a sandbox may
    /// refuse it.
    pub fn available() -> bool {
        if REFUSED.load(Ordering::Relaxed) {
            return false;
        }
        // A process is registered once; after that the first call is all.
        let granted = heavy_succeeds()
            || membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && heavy_succeeds();
        if !granted {
            REFUSED.store(true, Ordering::Relaxed);
        }
        granted
    }

    /// Only once [`available`] has said so.
    pub fn heavy() {
        if !heavy_succeeds() {
            // Half way through a sweep there is no way on and none back.
            std::process::abort();
        }
    }

    fn heavy_succeeds() -> bool {
        membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
    }

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes two integers and touches no memory of ours.
        (unsafe { libc::syscall(libc::SYS_membarrier, command, 0) }) == 0
    }
}

#[cfg(not(all(target_os = "linux", not(any(loom_models, miri)))))]
mod fences {
    use crate::sync::{Ordering, fence};

    #[inline(always)]
    pub fn light() {
        fence(Ordering::SeqCst);
    }

    pub const fn available() -> bool {
        true
    }

    pub fn heavy() {
        fence(Ordering::SeqCst);
    }
}

pub use fences::{available, heavy, light};
