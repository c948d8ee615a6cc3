//! Tests of parts together and of the whole. Those named `foreign_*` need clients and servers
//! that are not ours; `cargo xtask test` installs them.

mod access;
mod clients;
mod clock_jumps;
mod credentials;
mod deliver;
mod disk_full;
mod encryption;
mod full_tables;
mod installed;
mod intake;
mod kill;
mod leading;
mod loading;
mod long_files;
mod lookups;
mod lookups_of_buckets;
mod names;
mod object;
mod operate;
mod originals;
mod packaging;
mod policy;
mod power_cut;
mod push;
mod readme;
mod requests;
mod shared_ledger;
mod support;
mod synced;
mod tables;
mod teardown;
mod told_rows;
mod trying;
mod watching;
