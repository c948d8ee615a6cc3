//! A running front with fakes behind it.

use parking_lot::Mutex;
use qm_core::account::SshPublicKey;
use qm_sftp::{HostKey, Server, SftpConfig};
use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, PrivateKey};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::fake::access::Access;
use crate::fake::{Fake, Open};

/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// The account of all tests.
pub(crate) const USER: &str = "north";

/// A running front.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) fake: Arc<Fake>,
    pub(crate) access: Arc<Access>,
    /// A key that may log in.
    pub(crate) key: PrivateKey,
    pub(crate) host_key: HostKey,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut SftpConfig)) -> Self {
        let bell = Arc::new(Notify::new());
        let fake = Arc::new(Fake {
            bell: Arc::clone(&bell),
            ..Fake::default()
        });
        let access = Arc::new(Access {
            bell,
            ..Access::default()
        });
        let host_key = HostKey::generate().unwrap();
        let mut config = SftpConfig {
            address: "127.0.0.1:0".parse().unwrap(),
            connections_max: 100,
            login_deadline: SftpConfig::LOGIN_DEADLINE,
            idle: Duration::from_mins(30),
            host_keys: vec![host_key.clone()],
        };
        change(&mut config);
        let listening = Server {
            config,
            mailboxes: Arc::new(Open(Arc::clone(&fake))),
            authenticator: Arc::clone(&access) as _,
            gate: Arc::clone(&access) as _,
            clock: Arc::clone(&fake) as _,
        }
        .bind()
        .await
        .unwrap();
        let address = listening.local_address();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(listening.run(async {
            // A dropped house stops as well.
            let _ = stopped.await;
        }));
        let house = Self {
            address,
            fake,
            access,
            key: new_key(),
            host_key,
            running: Mutex::new(Some((stop, task))),
        };
        house.allow(&house.key.public_key().to_openssh().unwrap());
        house
    }

    /// Lets the owner of a public key in.
    pub(crate) fn allow(&self, public_line: &str) {
        let key = SshPublicKey::parse(public_line).unwrap();
        self.access.keys.lock().push((USER.to_owned(), key));
    }

    /// Stops it and waits until it has.
    pub(crate) async fn stop(&self) {
        let (stop, task) = self.running.lock().take().unwrap();
        stop.send(()).unwrap();
        tokio::time::timeout(DEADLINE, task)
            .await
            .expect("the server stops in time")
            .unwrap();
    }

    /// Waits until `is_so`, which depends on the fakes.
    pub(crate) async fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let rung = self.access.bell.notified();
                tokio::pin!(rung);
                rung.as_mut().enable();
                if is_so(self) {
                    return;
                }
                rung.await;
            }
        };
        assert!(
            tokio::time::timeout(DEADLINE, waiting).await.is_ok(),
            "in vain: {what}"
        );
    }
}

pub(crate) fn new_key() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
}
