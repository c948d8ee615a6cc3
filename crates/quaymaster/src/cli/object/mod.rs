//! `quaymaster object …`: files of buckets, through the same intake and audit as partners' uploads,
//! whether the node runs or not.

mod door;
mod get;
mod list;
mod progress;
mod pump;
mod put;
mod remote;
mod remove;
mod rename;
mod tree;
mod versions;

use clap::{Args, Subcommand};
use std::path::PathBuf;

use super::{Interrupted, Ledger, serve};
pub(crate) use door::Door;
use progress::Progress;
use qm_sftp::client::Client;
use remote::Remote;

#[derive(Subcommand)]
pub(crate) enum ObjectCommand {
    /// List buckets, folders and files
    #[command(visible_alias = "list", after_help = LIST_EXAMPLES)]
    Ls {
        /// A bucket, a folder or a file; all buckets if left out
        #[arg(value_name = "BUCKET[/KEY]")]
        place: Option<Remote>,
        /// With size and time of the last change
        #[arg(short, long)]
        long: bool,
        /// With everything below, by full names
        #[arg(short, long)]
        recursive: bool,
        #[command(flatten)]
        node: Options,
    },
    /// Fetch a file, or with -r all that is below a folder
    ///
    /// What is fetched appears under its name only when it is whole; a file that has the name is
    /// replaced then.
    #[command(after_help = GET_EXAMPLES)]
    Get {
        /// The file, or with -r the folder
        #[arg(value_name = "BUCKET/KEY")]
        from: Remote,
        /// Where to; `-` for standard output. Its own name in this folder if left out
        #[arg(value_name = "FILE")]
        to: Option<PathBuf>,
        /// A folder: what is in it is put into FILE, a folder too
        #[arg(short, long)]
        recursive: bool,
        #[command(flatten)]
        node: Options,
    },
    /// Put a file into a bucket, or with -r all that is below a folder
    ///
    /// It arrives as a partner's upload does: recorded, routed and delivered. Folders that are
    /// missing are made. Nothing appears under the name before all of it is there.
    #[command(after_help = PUT_EXAMPLES)]
    Put {
        /// The file; `-` for standard input
        #[arg(value_name = "FILE")]
        from: PathBuf,
        /// The name it gets; a bucket, a folder or a name with `/` behind keeps the file's own
        #[arg(value_name = "BUCKET/KEY")]
        to: Remote,
        /// Replace what is there
        #[arg(long)]
        overwrite: bool,
        /// A folder: what is in it is put below KEY
        #[arg(short, long)]
        recursive: bool,
        #[command(flatten)]
        node: Options,
    },
    /// Remove files, or with -r folders and all that is in them
    #[command(visible_alias = "remove", after_help = REMOVE_EXAMPLES)]
    Rm {
        /// What to remove
        #[arg(value_name = "BUCKET/KEY", required = true)]
        places: Vec<Remote>,
        /// Folders, with all that is in them
        #[arg(short, long)]
        recursive: bool,
        /// Do it; without this -r only says what it would remove
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        node: Options,
    },
    /// Give a file or an empty folder another name in the same bucket
    #[command(visible_alias = "rename", after_help = RENAME_EXAMPLES)]
    Mv {
        /// The name it has
        #[arg(value_name = "BUCKET/KEY")]
        from: Remote,
        /// The name it gets; a folder, or a name with `/` behind, keeps the last part
        #[arg(value_name = "BUCKET/NEW-KEY")]
        to: Remote,
        /// Replace what has that name
        #[arg(long)]
        overwrite: bool,
        #[command(flatten)]
        node: Options,
    },
    /// List the versions of a file, the current one and those that are kept
    #[command(after_help = VERSIONS_EXAMPLES)]
    Versions {
        /// The file; it may have been removed
        #[arg(value_name = "BUCKET/KEY")]
        place: Remote,
        #[command(flatten)]
        node: Options,
    },
    /// Bring back a version that is kept; the current one is kept in its place
    #[command(after_help = VERSIONS_EXAMPLES)]
    Restore {
        /// The file; it may have been removed
        #[arg(value_name = "BUCKET/KEY")]
        place: Remote,
        /// The version, as `versions` lists it; the newest that is kept if left out
        #[arg(long, value_name = "ID")]
        version: Option<qm_core::id::VersionId>,
        #[command(flatten)]
        node: Options,
    },
}

/// Options of all of them.
#[derive(Args)]
pub(crate) struct Options {
    /// Say nothing but errors and what was asked for
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    ledger: Ledger,
}

const LIST_EXAMPLES: &str = "\
Examples:
  quaymaster object ls                     all buckets
  quaymaster object ls landing/north -l    a folder, with sizes and times
  quaymaster object ls landing -r          everything in a bucket, as names that other commands take";

const GET_EXAMPLES: &str = "\
Examples:
  quaymaster object get landing/north/a.csv             into ./a.csv
  quaymaster object get landing/north/a.csv /tmp/       into /tmp/a.csv
  quaymaster object get landing/north/a.csv - | head    to standard output
  quaymaster object get -r landing/north copy           all of a folder into ./copy";

const PUT_EXAMPLES: &str = "\
Examples:
  quaymaster object put a.csv landing/north/                   as landing/north/a.csv
  quaymaster object put a.csv landing/north/b.csv --overwrite  in place of what is there
  pg_dump db | quaymaster object put - landing/dumps/db.sql    from standard input
  quaymaster object put -r reports landing/reports             all of a folder";

const REMOVE_EXAMPLES: &str = "\
Examples:
  quaymaster object rm landing/north/a.csv landing/north/b.csv
  quaymaster object rm -r landing/old          says what that would remove
  quaymaster object rm -r landing/old --yes    removes it

Whether what was removed can be restored is for the bucket's `keep_versions` to say.";

const RENAME_EXAMPLES: &str = "\
Examples:
  quaymaster object mv landing/in/a.csv landing/in/b.csv
  quaymaster object mv landing/in/a.csv landing/done/";

const VERSIONS_EXAMPLES: &str = "\
Examples:
  quaymaster object versions landing/north/a.csv
  quaymaster object restore landing/north/a.csv
  quaymaster object restore landing/north/a.csv --version 01JD7Q5Z8M3V9K2N4P6R8T0W1X";

impl ObjectCommand {
    /// However it ends, it ends in order: a session that is cut publishes nothing.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let options = self.options();
        let progress = Progress::new(options.quiet);
        let (mut client, door) = interruptible(Door::enter(&options.ledger)).await?;
        let done = interruptible(self.execute(&mut client, &progress)).await;
        drop(client);
        let left = door.leave().await;
        done.and(left)
    }

    async fn execute(self, client: &mut Client, progress: &Progress) -> anyhow::Result<()> {
        match self {
            Self::Ls {
                place,
                long,
                recursive,
                node: _,
            } => {
                let place = place.unwrap_or_default();
                list::run(client, &place, list::Form { long, recursive }).await
            }
            Self::Get {
                from,
                to,
                recursive: false,
                node: _,
            } => get::one(client, progress, &from, to).await,
            Self::Get {
                from,
                to,
                recursive: true,
                node: _,
            } => get::all(client, progress, &from, to).await,
            Self::Put {
                from,
                to,
                overwrite,
                recursive,
                node: _,
            } => {
                let existing = remote::existing(overwrite);
                if recursive {
                    put::all(client, progress, &from, &to, existing).await
                } else {
                    put::one(client, progress, &from, &to, existing).await
                }
            }
            Self::Rm {
                places,
                recursive: false,
                yes: _,
                node: _,
            } => remove::files(client, progress, &places).await,
            Self::Rm {
                places,
                recursive: true,
                yes,
                node: _,
            } => remove::trees(client, progress, &places, yes).await,
            Self::Mv {
                from,
                to,
                overwrite,
                node: _,
            } => rename::run(client, progress, &from, &to, remote::existing(overwrite)).await,
            Self::Versions { place, node: _ } => versions::list(client, &place).await,
            Self::Restore {
                place,
                version,
                node: _,
            } => versions::restore(client, progress, &place, version).await,
        }
    }

    fn options(&self) -> &Options {
        match self {
            Self::Ls { node, .. }
            | Self::Get { node, .. }
            | Self::Put { node, .. }
            | Self::Rm { node, .. }
            | Self::Mv { node, .. }
            | Self::Versions { node, .. }
            | Self::Restore { node, .. } => node,
        }
    }
}

/// Dropped at Ctrl-C or SIGTERM, whatever it waits for.
pub(crate) async fn interruptible<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        done = work => done,
        stopped = serve::stop_signal() => {
            stopped?;
            Err(Interrupted.into())
        }
    }
}
