//! How the allocator of glibc is set for a server. It can be told only before a program begins, by
//! its environment: the server begins once more, with the same process id.
//!
//! As it is, every thread gets an arena of its own, and 64 clients leave three times the memory in them.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

const ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

/// Returns if somebody has set it, or it cannot be set: then the server goes on as it is.
pub(crate) fn settle() {
    let (name, value) = ARENAS;
    if !cfg!(target_env = "gnu") || std::env::var_os(name).is_some() {
        return;
    }
    let mut arguments = std::env::args_os();
    let (Ok(program), Some(called)) = (std::env::current_exe(), arguments.next()) else {
        return;
    };
    let _not_begun = Command::new(program)
        .arg0(called)
        .args(arguments)
        .env(name, value)
        .exec();
}
