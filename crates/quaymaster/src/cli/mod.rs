//! The command line: what can be asked for, and where each question is answered.

mod account;
mod alert;
mod arrival;
mod audit;
pub(crate) mod configuration;
mod delivery;
mod destination;
mod expectation;
mod explain;
mod health;
mod inbox;
mod install;
mod key;
mod ledger;
mod load;
mod metrics;
mod moment;
mod object;
pub(crate) mod serve;
mod simulate;
mod status;
pub(crate) mod table;
mod tables;
mod teardown;
#[cfg(test)]
mod tests;

pub(crate) use account::explain;
use clap::{Args, Parser, Subcommand};
use std::fmt;
use std::path::PathBuf;

/// Files from partners over SFTP: received safely, recorded, delivered, and missed when they do
/// not come.
///
/// Try `quaymaster demo` first: it shows everything in a temporary folder. Then write a
/// configuration, look at it with `check` and `plan`, and `serve` it.
#[derive(Parser)]
#[command(name = "quaymaster", version, max_term_width = 100)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole thing at work in a temporary folder, until Ctrl-C
    Demo(crate::demo::DemoOptions),
    /// Read a configuration and say everything that is wrong with it
    Check(FileArgument),
    /// Show what a configuration would change on the running node
    Plan(FileArgument),
    /// Record a configuration as the new revision; the running node takes it up without a restart
    Apply(FileArgument),
    /// Apply a configuration and serve it until SIGTERM or Ctrl-C
    Serve(serve::ServeOptions),
    /// Show endpoint, fingerprints, buckets, open deliveries and next expectations
    Status(Ledger),
    /// Fail unless the node of this data folder runs and answers: for health checks
    Health(Ledger),
    /// Print numbers as Prometheus reads them: deliveries, rows, dead letters, alerts
    Metrics(Ledger),
    /// Accounts and the keys they log in with
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Files of buckets: list, get, put, remove, bring back; recorded like a partner's
    #[command(subcommand)]
    Object(object::ObjectCommand),
    /// Encryption keys: make, rotate, import, disable, destroy
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// What has arrived
    #[command(subcommand)]
    Arrival(arrival::ArrivalCommand),
    /// What was or is to be delivered, and what failed
    #[command(subcommand)]
    Delivery(delivery::DeliveryCommand),
    /// Where deliveries go: list, and try one
    #[command(subcommand)]
    Destination(destination::DestinationCommand),
    /// Loads of tables: their rows, and taking one back
    #[command(subcommand)]
    Load(load::LoadCommand),
    /// Files of rows for tables: a draft of their declaration, and what of them would be rejected
    #[command(subcommand)]
    Table(tables::TableCommand),
    /// Tell in sentences what became of a delivery
    Explain(explain::ExplainOptions),
    /// Print what would be decided about a file, without doing anything
    Simulate(simulate::SimulateOptions),
    /// What had to arrive by when, and did or did not
    #[command(subcommand)]
    Expectation(expectation::ExpectationCommand),
    /// Alerts, and the messages about them
    #[command(subcommand)]
    Alert(alert::AlertCommand),
    /// What was told of files that others put into watched buckets
    #[command(subcommand)]
    Inbox(inbox::InboxCommand),
    /// Who did or tried what
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Set up this machine: user, folders, configuration and systemd unit (may be repeated)
    Install(install::InstallOptions),
    /// Stop the node and remove what install made; refuses while a bucket still holds files
    Teardown(teardown::TeardownOptions),
}

#[derive(Args)]
pub(crate) struct FileArgument {
    /// The configuration; files of `conf.d` beside it belong to it
    #[arg(env = "QUAYMASTER_CONFIG", default_value = DEFAULT_CONFIG)]
    file: PathBuf,
}

/// A configuration that a command reads, and no more than that.
#[derive(Args)]
pub(crate) struct ConfigOption {
    /// The configuration; files of `conf.d` beside it belong to it
    #[arg(short, long, value_name = "FILE", env = "QUAYMASTER_CONFIG", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
}

/// Which node's ledger a command works on; it need not be running.
#[derive(Args)]
pub(crate) struct Ledger {
    /// The node's configuration; only its data folder is used
    #[arg(short, long, value_name = "FILE", env = "QUAYMASTER_CONFIG", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// The node's data folder, instead of the one that the configuration names
    #[arg(long, value_name = "FOLDER", env = "QUAYMASTER_DATA")]
    data: Option<PathBuf>,
}

/// A command was asked to end before it was done.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl Interrupted {
    /// What shells make of a program that Ctrl-C ended.
    pub(crate) const EXIT_CODE: u8 = 130;
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted; what was not whole is not there")
    }
}

impl std::error::Error for Interrupted {}

/// Where `install` puts it.
pub(crate) const DEFAULT_CONFIG: &str = "/etc/quaymaster/quaymaster.toml";

/// Most rows a list shows unless asked.
const LIST_ROWS: u32 = 50;

impl CommandLine {
    /// What is logged unless `QUAYMASTER_LOG` says otherwise: a server tells what happens, a
    /// command only what goes wrong. russh logs every peer that misbehaves.
    pub(crate) fn log_level(&self) -> &'static str {
        if self.is_server() {
            "info,russh=warn"
        } else {
            "warn,russh=error"
        }
    }

    /// True if it goes on until somebody ends it, with many connections.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.command, Command::Serve(_))
    }

    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Demo(options) => crate::demo::run(options).await,
            Command::Check(argument) => configuration::check(&argument.file),
            Command::Plan(argument) => configuration::plan(&argument.file).await,
            Command::Apply(argument) => configuration::apply(&argument.file).await,
            Command::Serve(options) => serve::run(options).await,
            Command::Status(ledger) => status::run(&ledger).await,
            Command::Health(ledger) => health::run(&ledger).await,
            Command::Metrics(ledger) => metrics::run(&ledger).await,
            Command::Account(command) => command.run().await,
            Command::Object(command) => Box::pin(command.run()).await,
            Command::Key(command) => command.run().await,
            Command::Arrival(command) => command.run().await,
            Command::Delivery(command) => command.run().await,
            Command::Destination(command) => Box::pin(command.run()).await,
            Command::Load(command) => command.run().await,
            Command::Table(command) => command.run(),
            Command::Explain(options) => explain::run(&options).await,
            Command::Simulate(options) => Box::pin(simulate::run(&options)).await,
            Command::Expectation(command) => command.run().await,
            Command::Alert(command) => command.run().await,
            Command::Inbox(command) => command.run().await,
            Command::Audit(command) => command.run().await,
            Command::Install(options) => install::run(&options),
            Command::Teardown(options) => Box::pin(teardown::run(&options)).await,
        }
    }
}
