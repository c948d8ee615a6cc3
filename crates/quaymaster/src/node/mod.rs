//! One node: [`Node::start`] reads as the table of contents of the program.

mod alone;
mod buckets;
mod files;
mod lock;
mod operator;
mod revisions;
mod running;
mod watches;

use anyhow::Context as _;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cli::configuration;
use crate::system::{RandomIdentifiers, SystemClock};
pub(crate) use alone::{Alone, Start};
use files::host_key;
pub(crate) use files::{make_data_folder, write_private};
use lock::DataLock;
pub(crate) use operator::connect as connect_operator;
use qm_access::{
    Directory, EnvironmentSecrets, FolderSecrets, KeyAuthenticator, Limits, SecretStores, Throttle,
};
use qm_core::config::Config;
use qm_core::id::BucketName;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{AccountKeys as _, AddedKey, NodeReport, Nodes as _, Revisions as _};
use qm_engine::{NoticeReconciler, Wake};
use qm_intake::{Intake, Parts};
use qm_ledger::{SqliteLedger, SqliteOptions};
use qm_sftp::{Listening, Server, SftpConfig};
pub(crate) use qm_store::Durability;
pub(crate) use running::Running;

/// How often the node says in the ledger that it is alive.
const ALIVE_EVERY: Duration = Duration::from_secs(10);

/// Every commit wakes the reconcilers, but under load not each one: a scan costs as much CPU as
/// recording a file, and nobody notices a delivery that begins so much later.
const WAKE_EVERY: Duration = Duration::from_millis(50);

/// A running node.
pub(crate) struct Node {
    ledger: Arc<SqliteLedger>,
    report: NodeReport,
    authenticator: Arc<KeyAuthenticator>,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
    _lock: DataLock,
}

/// What a node is started with.
pub(crate) struct NodeOptions {
    /// Its configuration; becomes the newest revision.
    pub(crate) config: Config,
    /// Whether what is received is synced.
    pub(crate) durability: Durability,
}

impl Node {
    /// Starts everything; when it returns, clients can connect.
    pub(crate) async fn start(options: NodeOptions) -> anyhow::Result<Self> {
        let data = options.config.node.data.clone();
        make_data_folder(&data)?;
        raise_descriptor_limit();
        let lock = DataLock::take(&data)?;
        let ledger = Arc::new(open_ledger_with(&data, options.durability)?);
        let revision = configuration::record(&ledger, &options.config).await?;
        let secrets = Arc::new(secret_stores(&options.config)?);
        let node_id = files::node_id(&data)?;
        let running = Running::new(
            revision.number,
            options.config,
            options.durability,
            secrets,
            Arc::clone(&ledger) as _,
            node_id,
        )
        .await?;
        let running = Arc::new(running);
        ledger
            .taken_up(revision.number, None, SystemClock.now())
            .await?;

        let intake = recovered_intake(&ledger, &running).await?;
        let access = Access::new(&ledger, &running).await?;
        let (front, fingerprint) = bind(&running.config(), &data, intake.clone(), &access).await?;
        let door = operator::Door::open(&data)?;
        let report = NodeReport {
            sftp_address: front.local_address(),
            fingerprints: vec![fingerprint],
            process: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: SystemClock.now(),
            alive_at: Some(SystemClock.now()),
        };
        ledger.report(report.clone()).await?;

        let authenticator = Arc::clone(&access.authenticator);
        let (shutdown, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(front.run(until_stopped(stopping.clone())));
        tasks.spawn(door.run(Arc::new(intake), Arc::clone(&ledger) as _, stopping.clone()));
        let ports = engine_ports(&ledger, &running);
        let notice = NoticeReconciler::new(ports.clone(), Arc::new(RandomIdentifiers));
        tasks.spawn(qm_engine::run_one(
            Arc::new(notice),
            ports.clone(),
            stopping.clone(),
        ));
        tasks.spawn(qm_engine::run(ports, stopping.clone()));
        tasks.spawn(watches::keep(
            Arc::clone(&ledger),
            Arc::clone(&running),
            stopping.clone(),
        ));
        tasks.spawn(stay_alive(
            Arc::clone(&ledger),
            Arc::clone(&running),
            report.clone(),
            stopping.clone(),
        ));
        tasks.spawn(revisions::follow(
            Arc::clone(&ledger),
            running,
            access,
            report.clone(),
            stopping,
        ));
        Ok(Self {
            ledger,
            report,
            authenticator,
            shutdown,
            tasks,
            _lock: lock,
        })
    }

    /// Where clients connect.
    pub(crate) fn sftp_address(&self) -> SocketAddr {
        self.report.sftp_address
    }

    /// What its host key looks like to a client.
    pub(crate) fn fingerprint(&self) -> &str {
        self.report.fingerprints.first().map_or("", String::as_str)
    }

    /// The node's ledger.
    pub(crate) fn ledger(&self) -> &Arc<SqliteLedger> {
        &self.ledger
    }

    /// Lets nobody in any more, ends sessions (their open uploads can be resumed), lets attempts
    /// that run end, and closes the ledger.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a part of the node failed")?;
        }
        self.authenticator.flush().await;
        self.ledger
            .report(NodeReport {
                alive_at: None,
                ..self.report
            })
            .await?;
        Ok(())
    }
}

/// Who may come in, kept up to date.
pub(crate) struct Access {
    directory: Arc<Directory>,
    throttle: Arc<Throttle>,
    authenticator: Arc<KeyAuthenticator>,
    added: Mutex<Vec<AddedKey>>,
}

impl Access {
    async fn new(ledger: &Arc<SqliteLedger>, running: &Running) -> anyhow::Result<Self> {
        let directory = Arc::new(Directory::default());
        let clock = Arc::new(SystemClock);
        let audit = Arc::clone(ledger);
        let authenticator = Arc::new(KeyAuthenticator::new(
            Arc::clone(&directory),
            audit,
            clock.clone(),
        ));
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).context("reading random numbers")?;
        let throttle = Throttle::new(limits(&running.config()), clock, u64::from_ne_bytes(seed));
        let access = Self {
            directory,
            throttle: Arc::new(throttle),
            authenticator,
            added: Mutex::default(),
        };
        access.update(ledger, &running.config()).await?;
        Ok(access)
    }

    /// Takes up accounts and limits of a revision and the keys that were added; true if these
    /// are others than before.
    pub(crate) async fn update(
        &self,
        ledger: &SqliteLedger,
        config: &Config,
    ) -> anyhow::Result<bool> {
        let added = ledger.keys().await?;
        self.directory
            .update(config.accounts.values().cloned().collect(), added.clone());
        self.throttle.set_limits(limits(config));
        Ok(std::mem::replace(&mut *self.added.lock(), added.clone()) != added)
    }
}

fn limits(config: &Config) -> Limits {
    Limits::new(
        config.sftp.connections_max,
        config.sftp.connections_per_account_max,
    )
}

/// Where the ledger of a data folder is.
pub(crate) fn ledger_file(data: &Path) -> PathBuf {
    data.join("ledger.sqlite")
}

/// The ledger of a data folder, beside whoever else has it open.
pub(crate) fn open_ledger(data: &Path) -> anyhow::Result<SqliteLedger> {
    open_ledger_with(data, Durability::Full)
}

fn open_ledger_with(data: &Path, durability: Durability) -> anyhow::Result<SqliteLedger> {
    let options = SqliteOptions {
        is_durable: durability == Durability::Full,
        ..SqliteOptions::default()
    };
    let file = ledger_file(data);
    SqliteLedger::open(&file, options)
        .map_err(|error| anyhow::anyhow!("{}: {}", file.display(), error.chain()))
}

async fn recovered_intake(
    ledger: &Arc<SqliteLedger>,
    running: &Arc<Running>,
) -> anyhow::Result<Intake> {
    let intake = Intake::new(Parts {
        ledger: Arc::clone(ledger) as _,
        buckets: Arc::clone(running) as _,
        rules: Arc::clone(running) as _,
        clock: Arc::new(SystemClock),
        identifiers: Arc::new(RandomIdentifiers),
    });
    let buckets: Vec<BucketName> = running.config().buckets.keys().cloned().collect();
    let recovered = intake
        .recover(&buckets)
        .await
        .map_err(crate::cli::explain)?;
    if recovered != qm_intake::Recovered::default() {
        tracing::warn!(
            completed = recovered.completed,
            failed = recovered.failed,
            discarded = recovered.discarded,
            "The last run was cut off; what it left half done was completed"
        );
    }
    Ok(intake)
}

async fn bind(
    config: &Config,
    data: &Path,
    intake: Intake,
    access: &Access,
) -> anyhow::Result<(Listening, String)> {
    let host_key = host_key(data)?;
    let fingerprint = host_key.fingerprint();
    let server = Server {
        config: SftpConfig {
            address: config.sftp.address,
            connections_max: config.sftp.connections_max,
            login_deadline: SftpConfig::LOGIN_DEADLINE,
            idle: config.sftp.idle,
            host_keys: vec![host_key],
        },
        mailboxes: Arc::new(intake),
        authenticator: Arc::clone(&access.authenticator) as _,
        gate: Arc::clone(&access.throttle) as _,
        clock: Arc::new(SystemClock),
    };
    Ok((
        server.bind().await.map_err(crate::cli::explain)?,
        fingerprint,
    ))
}

fn engine_ports(ledger: &Arc<SqliteLedger>, running: &Arc<Running>) -> qm_engine::Ports {
    let wake = Wake::default();
    let mut changes = ledger.changes();
    let waker = wake.clone();
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            waker.wake();
            tokio::time::sleep(WAKE_EVERY).await;
        }
    });
    qm_engine::Ports {
        ledger: Arc::clone(ledger) as _,
        buckets: Arc::clone(running) as _,
        outside: Arc::clone(running) as _,
        clock: Arc::new(SystemClock),
        config: running.watch(),
        wake,
    }
}

fn secret_stores(config: &Config) -> anyhow::Result<SecretStores> {
    Ok(SecretStores {
        folder: config.node.secrets.clone().map(FolderSecrets::new),
        environment: EnvironmentSecrets::from_variables(std::env::vars_os())?,
    })
}

/// As many open files as the system lets us have: each session needs some, and the usual soft
/// limit of 1,024 is for programs that use `select`.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        tracing::warn!(%error, "The limit of open files stays as it is");
    }
}

async fn until_stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the node is gone, which is the same.
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn stay_alive(
    ledger: Arc<SqliteLedger>,
    running: Arc<Running>,
    report: NodeReport,
    stopping: watch::Receiver<bool>,
) {
    let stopped = until_stopped(stopping);
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(ALIVE_EVERY) => {}
        }
        running.tend_keys();
        let alive = NodeReport {
            alive_at: Some(SystemClock.now()),
            ..report.clone()
        };
        if let Err(error) = ledger.report(alive).await {
            tracing::warn!(
                error = error.chain(),
                "The node could not say that it is alive"
            );
        }
    }
}
