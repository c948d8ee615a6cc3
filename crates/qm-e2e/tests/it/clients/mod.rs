//! Unmodified clients upload, download, list, rename and delete.

mod held_back;
mod keys;
mod lftp;
mod openssh;
mod paramiko;
mod psftp;
mod rclone;
mod resume;
mod scp;
