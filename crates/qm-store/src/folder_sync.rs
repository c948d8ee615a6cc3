//! Group sync of folders: callers that wait for the same folder share one fsync, which begins
//! after the last of them asked.

use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// One gate a folder that is being synced now.
#[derive(Default)]
pub(crate) struct FolderSyncs {
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_running: bool,
    /// Syncs begun.
    begun: u64,
    /// The last sync that ended.
    ended: u64,
    /// The last sync that failed. Never cleared: whoever waited for it or an earlier one must not
    /// take a later success for its own.
    failed: Option<(u64, io::ErrorKind, Option<i32>)>,
    /// Callers behind a running sync.
    queued: usize,
}

impl FolderSyncs {
    /// Returns after a sync of `folder` that began after this call did.
    pub(crate) fn sync(
        &self,
        folder: &str,
        sync: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let gate = Arc::clone(self.gates.lock().entry(folder.to_owned()).or_default());
        let result = gate.pass(sync);
        let mut gates = self.gates.lock();
        // The map and us: nobody else holds it, and nobody can get it while the map is locked.
        if Arc::strong_count(&gate) == 2 {
            gates.remove(folder);
        }
        result
    }
}

impl Gate {
    fn pass(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock();
        let mine = state.begun + 1;
        state.queued += 1;
        while state.is_running && state.ended < mine {
            self.changed.wait(&mut state);
        }
        state.queued -= 1;
        if state.ended >= mine {
            return match state.failed {
                Some((number, _, Some(code))) if number >= mine => {
                    Err(io::Error::from_raw_os_error(code))
                }
                Some((number, kind, None)) if number >= mine => Err(kind.into()),
                _ => Ok(()),
            };
        }
        state.is_running = true;
        state.begun += 1;
        let number = state.begun;
        drop(state);
        let result = sync();
        let mut state = self.state.lock();
        state.is_running = false;
        state.ended = number;
        if let Err(error) = &result {
            state.failed = Some((number, error.kind(), error.raw_os_error()));
        }
        self.changed.notify_all();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::thread;

    #[test]
    fn those_who_wait_share_the_next_sync() {
        let syncs = FolderSyncs::default();
        let count = AtomicUsize::new(0);
        let begun = Barrier::new(2);
        let (release, released) = mpsc::channel::<()>();
        let (syncs, begun, count) = (&syncs, &begun, &count);
        thread::scope(|scope| {
            scope.spawn(move || {
                syncs.sync("f", || {
                    begun.wait();
                    released.recv().unwrap();
                    Ok(())
                })
            });
            begun.wait();
            let waiters: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        syncs.sync("f", || {
                            count.fetch_add(1, Ordering::SeqCst);
                            Ok(())
                        })
                    })
                })
                .collect();
            while syncs.gates.lock()["f"].state.lock().queued < 8 {
                thread::yield_now();
            }
            release.send(()).unwrap();
            for waiter in waiters {
                waiter.join().unwrap().unwrap();
            }
        });
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert!(syncs.gates.lock().is_empty());
    }

    #[test]
    fn a_failure_reaches_the_caller() {
        let failed = FolderSyncs::default().sync("f", || Err(io::Error::from_raw_os_error(5)));
        assert_eq!(failed.unwrap_err().raw_os_error(), Some(5));
    }
}
