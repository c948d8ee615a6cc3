//! How the allocator of glibc is set for a server. It can be told only before a program begins, by
//! its environment: the server begins once more, with the same process id.
//!
//! As it is, every thread gets an arena of its own, and 64 clients leave three times the memory in
//! them; and what is freed at an arena's end goes back to the system at once, to be asked for, page by
//! page, by the next packet: a twelfth of an upload's CPU time. Who says so much says all: glibc no longer
//! learns then which sizes come again and again, and would map the buffer of every read anew, which is
//! two fifths of a download's CPU time.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

const SETTINGS: [(&str, &str); 3] = [
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_MMAP_THRESHOLD_", "4194304"),
    ("MALLOC_TRIM_THRESHOLD_", "1048576"),
];

/// Returns if all is set, or it cannot be set: then the server goes on as it is. What somebody else
/// has set stays.
pub(crate) fn settle() {
    let missing = SETTINGS.map(|setting| std::env::var_os(setting.0).is_none().then_some(setting));
    let missing: Vec<_> = missing.into_iter().flatten().collect();
    if !cfg!(target_env = "gnu") || missing.is_empty() {
        return;
    }
    let mut arguments = std::env::args_os();
    let (Ok(program), Some(called)) = (std::env::current_exe(), arguments.next()) else {
        return;
    };
    let _not_begun = Command::new(program)
        .arg0(called)
        .args(arguments)
        .envs(missing)
        .exec();
}
