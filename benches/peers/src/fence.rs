//! What keeps a processor from doing two things at once.
#![allow(unsafe_code)]

/// Returns when all that was to be loaded is there; at once where no instruction for that is known
/// here.
#[inline(always)]
pub fn wait_for_loads() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this architecture has SSE2.
    unsafe {
        std::arch::x86_64::_mm_lfence();
    }
}
