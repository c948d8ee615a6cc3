//! One node: [`Node::start`] reads as the table of contents of the program.

mod access;
mod alone;
mod buckets;
mod connectors;
mod files;
mod ledger;
mod lock;
mod operator;
mod revisions;
mod running;
mod stores;
mod trial;
mod watches;

use anyhow::Context as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::cli::configuration;
use crate::system::{RandomIdentifiers, SystemClock};
use access::Access;
pub(crate) use alone::{Alone, Start};
pub(crate) use connectors::Connectors;
pub(crate) use files::{make_data_folder, refuse_root, write_private};
pub(crate) use ledger::{OpenLedger, OpenedBy, ledger_file};
pub(crate) use lock::DataLock;
pub(crate) use operator::connect as connect_operator;
use qm_access::{EnvironmentSecrets, FolderSecrets, KeyAuthenticator, SecretStores};
use qm_core::Kind;
use qm_core::config::Config;
use qm_core::id::BucketName;
use qm_core::ports::access::Secrets as _;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::NodeReport;
use qm_core::ports::source::Sources;
use qm_engine::{NoticeReconciler, Ports, Wake};
use qm_intake::{Intake, Parts, TakenOver};
use qm_sftp::{HostKey, Listening, Server, SftpConfig};
pub(crate) use qm_store::Durability;
pub(crate) use running::Running;
pub(crate) use trial::{connectors_for, one_bucket};

/// How often the node says in the ledger that it is alive: some times within the lease of a shared
/// ledger.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// How often a node looks for what others left behind that are gone.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(5);

/// Every commit wakes the reconcilers, but under load not each one: a scan costs as much CPU as
/// recording a file, and nobody notices a delivery that begins so much later.
const WAKE_EVERY: Duration = Duration::from_millis(50);

/// A running node.
pub(crate) struct Node {
    ledger: OpenLedger,
    report: NodeReport,
    authenticator: Arc<KeyAuthenticator>,
    intake: Intake,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Apart from the others: what they finish at the end counts only while the node is alive.
    alive: JoinHandle<()>,
    _lock: DataLock,
}

/// The reconcilers, and beside them the one that reads the inbox.
fn start_engine(tasks: &mut JoinSet<()>, ports: Ports, stopping: &watch::Receiver<bool>) {
    let notice = NoticeReconciler::new(ports.clone(), Arc::new(RandomIdentifiers));
    let (of_notice, stopped) = (ports.clone(), stopping.clone());
    tasks.spawn(qm_engine::run_one(Arc::new(notice), of_notice, stopped));
    tasks.spawn(qm_engine::run(ports, stopping.clone()));
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
        let ledger = OpenLedger::of(&options.config, OpenedBy::Node, options.durability).await?;
        let (revision, config) = configuration::in_force(&ledger, options.config).await?;
        let secrets = Arc::new(secret_stores(&config)?);
        let node_id = files::node_id(&data)?;
        let running = Running::new(
            revision.number,
            config,
            options.durability,
            secrets,
            ledger.rows(),
            node_id,
        )
        .await?;
        let running = Arc::new(running);
        ledger
            .taken_up(revision.number, None, SystemClock.now())
            .await?;

        let intake = recovered_intake(&ledger, &running).await?;
        let access = Arc::new(Access::new(&ledger, &running).await?);
        let host_key = host_key(&running.config()).await?;
        let (front, fingerprint) =
            bind(&running.config(), host_key, intake.clone(), &access).await?;
        let door = operator::Door::open(&data)?;
        let report = first_report(&data, front.local_address(), fingerprint)?;
        match ledger.report(report.clone()).await {
            // It took longer than a lease to come so far; there is a new one now.
            Err(error) if error.kind() == Kind::Conflict => {}
            reported => reported?,
        }

        let tags = crate::config::plan::tagged(&running.config().node.tags).unwrap_or_default();
        tracing::info!(revision = revision.number.0, tags, "The node runs");
        let authenticator = Arc::clone(&access.authenticator);
        let sources: Arc<dyn Sources> = Arc::new(intake.clone());
        let (shutdown, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(front.run(until_stopped(stopping.clone())));
        tasks.spawn(door.run(Arc::new(intake.clone()), ledger.rows(), stopping.clone()));
        let ports = engine_ports(&ledger, &running, sources);
        start_engine(&mut tasks, ports, &stopping);
        tasks.spawn(watches::keep(
            ledger.clone(),
            Arc::clone(&running),
            stopping.clone(),
        ));
        let alive = tokio::spawn(stay_alive(
            ledger.clone(),
            Arc::clone(&running),
            Arc::clone(&access),
            report.clone(),
        ));
        if ledger.is_shared() {
            tasks.spawn(take_over(intake.clone(), stopping.clone()));
        }
        tasks.spawn(revisions::follow(
            ledger.clone(),
            running,
            access,
            report.clone(),
            stopping,
        ));
        Ok(Self {
            ledger,
            report,
            authenticator,
            intake,
            shutdown,
            tasks,
            alive,
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
    pub(crate) fn ledger(&self) -> &OpenLedger {
        &self.ledger
    }

    /// Lets nobody in any more, ends sessions (their open uploads can be resumed), lets attempts
    /// that run end, and closes the ledger.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.shutdown.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a part of the node failed")?;
        }
        self.alive.abort();
        self.authenticator.flush().await;
        self.intake.flush().await;
        self.ledger
            .report(NodeReport {
                alive_at: None,
                ..self.report
            })
            .await?;
        Ok(())
    }
}

async fn recovered_intake(ledger: &OpenLedger, running: &Arc<Running>) -> anyhow::Result<Intake> {
    let intake = Intake::new(Parts {
        ledger: ledger.rows(),
        is_shared: ledger.is_shared(),
        buckets: Arc::clone(running) as _,
        rules: Arc::clone(running) as _,
        clock: Arc::new(SystemClock),
        identifiers: Arc::new(RandomIdentifiers),
    });
    let buckets: Vec<BucketName> = running.config().buckets.keys().cloned().collect();
    let recovered = if ledger.is_shared() {
        intake.recover_beside_others().await
    } else {
        intake.recover(&buckets).await
    };
    let recovered = recovered.map_err(crate::cli::explain)?;
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

fn first_report(
    data: &Path,
    sftp_address: SocketAddr,
    fingerprint: String,
) -> anyhow::Result<NodeReport> {
    let now = SystemClock.now();
    Ok(NodeReport {
        node: ledger::node_name(data)?,
        sftp_address,
        fingerprints: vec![fingerprint],
        process: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now,
        alive_at: Some(now),
    })
}

/// The host key that the configuration names, which nodes share; else the node's own.
async fn host_key(config: &Config) -> anyhow::Result<HostKey> {
    let Some(name) = &config.sftp.host_key else {
        return files::host_key(&config.node.data);
    };
    let secret = secret_stores(config)?.get(name).await;
    let secret = secret.map_err(crate::cli::explain)?;
    HostKey::parse(secret.reveal())
        .map_err(crate::cli::explain)
        .with_context(|| format!("reading the host key from secret:{}", name.0))
}

async fn bind(
    config: &Config,
    host_key: HostKey,
    intake: Intake,
    access: &Access,
) -> anyhow::Result<(Listening, String)> {
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

fn engine_ports(ledger: &OpenLedger, running: &Arc<Running>, sources: Arc<dyn Sources>) -> Ports {
    let wake = Wake::default();
    let mut changes = ledger.changes();
    let waker = wake.clone();
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            waker.wake();
            tokio::time::sleep(WAKE_EVERY).await;
        }
    });
    Ports {
        ledger: ledger.rows(),
        buckets: Arc::clone(running) as _,
        outside: Arc::clone(running) as _,
        sources,
        clock: Arc::new(SystemClock),
        config: running.watch(),
        wake,
    }
}

fn secret_stores(config: &Config) -> anyhow::Result<SecretStores> {
    Ok(SecretStores {
        folder: config.node.secrets.clone().map(FolderSecrets::new),
        environment: EnvironmentSecrets::from_variables(std::env::vars_os())?,
        ..SecretStores::default()
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

/// Completes what other nodes leave half done, until this one stops.
async fn take_over(intake: Intake, stopping: watch::Receiver<bool>) {
    let stopped = until_stopped(stopping);
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(TAKE_OVER_EVERY) => {}
        }
        match intake.take_over().await {
            Ok(taken) if taken == TakenOver::default() => {}
            Ok(taken) => tracing::warn!(
                completed = taken.completed,
                failed = taken.failed,
                postponed = taken.postponed,
                "Took over what a node that is gone had begun"
            ),
            Err(error) => tracing::warn!(
                error = error.chain(),
                "What other nodes left cannot be looked at now"
            ),
        }
    }
}

async fn stay_alive(
    ledger: OpenLedger,
    running: Arc<Running>,
    access: Arc<Access>,
    report: NodeReport,
) {
    loop {
        tokio::time::sleep(ALIVE_EVERY).await;
        running.tend_keys();
        if let Err(error) = access.say_alive(&ledger, &running, &report).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "The node could not say that it is alive"
            );
        }
    }
}
