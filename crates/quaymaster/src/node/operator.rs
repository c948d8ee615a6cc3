//! The operators' door: a socket in the data folder that takes the same requests as the SFTP front,
//! so that what operators do goes through intake and audit. The kernel says who is there.

use anyhow::Context as _;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::until_stopped;
use crate::system::SystemClock;
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::Audit;
use qm_core::ports::mailbox::Mailboxes;
use qm_sftp::OperatorSession;

const SOCKET: &str = "operator.sock";
/// The kernel's limit for a socket's address, without the closing zero.
const ADDRESS_BYTES_MAX: usize = 107;
/// Commands at a time: people and their scripts, and whoever asks whether the node is well, who must
/// not wait for them.
const SESSIONS_MAX: usize = 64;
/// After a peer that may not come in, or for want of descriptors: neither fills the log.
const PAUSE: Duration = Duration::from_millis(100);

/// The door of a node.
pub(super) struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Opens it. The lock of the data folder is held, so a socket that is there is nobody's.
    pub(super) fn open(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(SOCKET);
        let open = || -> io::Result<UnixListener> {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let (address, _folder) = address(data)?;
            let listener = UnixListener::bind(address)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = open().with_context(|| format!("listening on {}", path.display()))?;
        Ok(Self { listener, path })
    }

    /// Serves operators until the node stops and every upload of theirs is over.
    pub(super) async fn run(
        self,
        mailboxes: Arc<dyn Mailboxes>,
        audit: Arc<dyn Audit>,
        stopping: watch::Receiver<bool>,
    ) {
        let mut sessions = JoinSet::new();
        let stopped = until_stopped(stopping.clone());
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                () = &mut stopped => break,
                Some(ended) = sessions.join_next() => if let Err(error) = ended {
                    tracing::error!(%error, "An operator's session failed");
                },
                accepted = self.listener.accept(), if sessions.len() < SESSIONS_MAX => {
                    match accepted.and_then(|(stream, _)| Ok((stream.peer_cred()?.uid(), stream))) {
                        Ok((uid, stream)) if may_enter(uid) => {
                            let mailboxes = Arc::clone(&mailboxes);
                            let stopping = stopping.clone();
                            sessions.spawn(serve(stream, uid, mailboxes, stopping));
                        }
                        Ok((uid, _)) => {
                            refuse(uid, &*audit).await;
                            tokio::time::sleep(PAUSE).await;
                        }
                        Err(error) => {
                            tracing::error!(%error, "An operator could not be let in");
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                }
            }
        }
        drop(self.listener);
        // The next start removes it otherwise.
        let _ = fs::remove_file(&self.path);
        while sessions.join_next().await.is_some() {}
    }
}

/// A connection to the node of a data folder; `None` if none runs.
pub(crate) async fn connect(data: &Path) -> anyhow::Result<Option<UnixStream>> {
    let connecting = async {
        let (address, _folder) = address(data)?;
        UnixStream::connect(address).await
    };
    let error = match connecting.await {
        Ok(stream) => return Ok(Some(stream)),
        Err(error) => error,
    };
    let socket = data.join(SOCKET);
    if matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    ) {
        return Ok(None);
    }
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Err(error).context(format!(
            "only root and the node's own user may enter {}\n  help: run this as the node's user: sudo -u USER quaymaster …",
            socket.display()
        ));
    }
    Err(error).with_context(|| format!("connecting to {}", socket.display()))
}

/// The name of a Unix user. Who may come in is root or the node's user, and both are in the
/// machine's own list.
pub(crate) fn user_name(uid: u32) -> String {
    known_user(uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// The same, as `sudo -u` takes it.
pub(super) fn user_for_sudo(uid: u32) -> String {
    known_user(uid).unwrap_or_else(|| format!("#{uid}"))
}

fn known_user(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&users, uid)
}

fn name_in(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found: u32 = fields.nth(1)?.parse().ok()?;
        (found == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

/// The socket's address. A folder whose path is too long for one is named by its descriptor, which
/// must be open until the address was used.
fn address(data: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let path = data.join(SOCKET);
    if path.as_os_str().len() <= ADDRESS_BYTES_MAX {
        return Ok((path, None));
    }
    let folder = File::open(data)?;
    let short = format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd());
    Ok((short.into(), Some(folder)))
}

fn may_enter(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

async fn serve(
    stream: UnixStream,
    uid: u32,
    mailboxes: Arc<dyn Mailboxes>,
    stopping: watch::Receiver<bool>,
) {
    let operator = user_name(uid);
    match mailboxes.open_operator(&operator).await {
        Ok(mailbox) => {
            let session = OperatorSession {
                operator,
                mailbox,
                clock: Arc::new(SystemClock),
            };
            session.serve(stream, until_stopped(stopping)).await;
        }
        Err(error) => tracing::error!(
            operator,
            error = error.chain(),
            "An operator's mailbox cannot be opened"
        ),
    }
}

async fn refuse(uid: u32, audit: &dyn Audit) {
    let actor = user_name(uid);
    tracing::warn!(
        uid,
        actor,
        "Only root and the node's own user are operators"
    );
    let record = AuditRecord {
        at: SystemClock.now(),
        actor,
        source: None,
        activity: Activity::AuthFailure,
        subject: SOCKET.to_owned(),
        decision: Decision::Denied("only root and the node's own user are operators".to_owned()),
    };
    if let Err(error) = audit.append(record).await {
        tracing::error!(
            error = error.chain(),
            "A refused operator could not be recorded"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7::\nqm:x:998:998::/var/lib/qm:/sbin/nologin\n";
        for (uid, expect) in [(0, Some("root")), (998, Some("qm")), (7, None), (99, None)] {
            assert_eq!(name_in(users, uid).as_deref(), expect);
        }
    }

    #[tokio::test]
    async fn a_door_is_found_however_long_the_path_and_a_stale_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        for below in ["short".to_owned(), format!("{0}/{0}", "long".repeat(40))] {
            let data = folder.path().join(below);
            fs::create_dir_all(&data).unwrap();
            assert!(connect(&data).await.unwrap().is_none());
            let door = Door::open(&data).unwrap();
            let mode = fs::metadata(data.join(SOCKET))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(connect(&data).await.unwrap().is_some());
            drop(door);
            assert!(data.join(SOCKET).exists());
            assert!(connect(&data).await.unwrap().is_none());
            Door::open(&data).unwrap();
        }
    }
}
