//! What the compiler is not to leave out.

/// Has the compiler believe that somebody looks at what is there.
///
/// As [`black_box`](std::hint::black_box), which puts the pointer on the stack for it: one
/// more store, which is seen in the figures where the processor writes to one cache line
/// in a cycle.
#[inline(always)]
pub fn seen<T>(place: *mut T) {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("/* {} */", in(reg) place, options(nostack, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    std::hint::black_box(place);
}
