//! Threads that may block. Waking another thread for each small step of a commit costs more than
//! the steps: whoever has a thread for the whole of it says so here, and what runs on it need not
//! look for another.

use std::cell::Cell;

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on this thread, which may block: [`may_block`] is true meanwhile.
pub fn allowed<T>(work: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            MAY_BLOCK.set(self.0);
        }
    }
    let _reset = Reset(MAY_BLOCK.replace(true));
    work()
}

/// True if the caller runs within [`allowed`].
pub fn may_block() -> bool {
    MAY_BLOCK.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_the_work_also_by_panic() {
        assert!(!may_block());
        assert!(allowed(|| allowed(may_block) && may_block()));
        assert!(!may_block());
        let panicked = std::panic::catch_unwind(|| allowed(|| panic!("on purpose")));
        assert!(panicked.is_err() && !may_block());
    }
}
