//! How the allocator of glibc is set for a server. It can be told only before a program begins, by
//! its environment: the server begins once more, with the same process id.
//!
//! As it is, every thread gets an arena of its own and gives the memory of a packet back to fault it in
//! again with the next one: a tenth of the CPU of an upload, and twice the memory of 64 clients.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// What is not set by whoever runs us.
const SETTINGS: [(&str, &str); 2] = [
    ("MALLOC_ARENA_MAX", "2"),
    // More than what a session holds between two looks at its socket.
    ("MALLOC_TRIM_THRESHOLD_", "4194304"),
];

/// Returns if everything is set, or cannot be: then it goes on as it is.
pub(crate) fn settle() {
    if !cfg!(target_env = "gnu") {
        return;
    }
    let missing = SETTINGS.map(|setting| std::env::var_os(setting.0).is_none().then_some(setting));
    let missing: Vec<(&str, &str)> = missing.into_iter().flatten().collect();
    if missing.is_empty() {
        return;
    }
    let mut arguments = std::env::args_os();
    let (Ok(program), Some(name)) = (std::env::current_exe(), arguments.next()) else {
        return;
    };
    let _not_begun = Command::new(program)
        .arg0(name)
        .args(arguments)
        .envs(missing)
        .exec();
}
