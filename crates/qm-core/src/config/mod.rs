//! The configuration as types. Text becomes this once, in the binary; a revision in the ledger is
//! this, serialised.

mod bucket;
mod declaration;
mod destination;
mod route;
mod table;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::account::Account;
use crate::expectation::Expectation;
use crate::id::{
    AccountName, BucketName, DeclarationName, DestinationName, EncryptionKeyName, ExpectationName,
    NotifierName, RouteName,
};
use crate::message_text::Texts;
use crate::name::ObjectPath;
use crate::retry::RetryPolicy;

pub use bucket::{
    AwsAccess, Bucket, BucketPlace, CloudPlace, S3Encryption, S3Place, Watch, service_url,
};
pub use declaration::{
    Column, ColumnSource, ColumnType, DecimalMark, Declaration, Encoding, MaxRejected,
    OtherColumns, RowFormat,
};
pub use destination::{
    BreakerPolicy, BucketDestination, Destination, DestinationLimits, DestinationPlace, Directory,
    Proxy, ProxyKind, SecretStore, Sftp,
};
pub use route::{
    AfterDelivery, Deliver, Lookup, LookupPlace, LookupTable, OnFailure, Propagate, Route,
};
pub use table::{LoadMode, Rejects, RejectsFormat, RowOrder, Table, TableEngine};

/// One revision of the configuration.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Config {
    /// This node.
    pub node: Node,
    /// The SFTP front.
    pub sftp: SftpListen,
    /// Places for objects.
    pub buckets: BTreeMap<BucketName, Bucket>,
    /// What wraps the data keys of sealed buckets.
    pub encryption_keys: BTreeMap<EncryptionKeyName, EncryptionKey>,
    /// Logins, over all partners.
    pub accounts: BTreeMap<AccountName, Account>,
    /// What must arrive by when.
    pub expectations: BTreeMap<ExpectationName, Expectation>,
    /// Who can be told.
    pub notifiers: BTreeMap<NotifierName, Notifier>,
    /// What happens to arrivals.
    pub routes: BTreeMap<RouteName, Route>,
    /// Where deliveries go.
    pub destinations: BTreeMap<DestinationName, Destination>,
    /// What the rows of files are.
    #[serde(default)]
    pub declarations: BTreeMap<DeclarationName, Declaration>,
    /// What messages say in place of the usual.
    #[serde(default)]
    pub texts: Texts,
}

/// This node.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Node {
    /// Ledger, host keys, lock.
    pub data: PathBuf,
    /// A folder with one file a secret.
    pub secrets: Option<PathBuf>,
    /// Where encryption keys lie that no cloud holds.
    pub encryption_keys: PathBuf,
    /// Who is told what is nobody else's: dead letters of routes without `alert`, broken-off
    /// uploads, faults of the node.
    pub alert: Vec<NotifierName>,
    /// How long a broken-off upload can be resumed.
    pub partial_kept: Duration,
    /// How long a broken-off upload may rest before somebody is told.
    pub partial_alert_after: Duration,
    /// From so many dead letters on somebody is told of their number; `None` for never.
    pub dead_letters_alert: Option<u32>,
    /// A dead letter that nobody took care of for so long is told of; `None` for never.
    #[serde(default)]
    pub dead_letters_alert_after: Option<Duration>,
    /// A delivery that has been open for so long is told of; `None` for never.
    pub undelivered_alert_after: Option<Duration>,
    /// How long a dead letter waits for a redrive before it is purged, which is told; `None` for
    /// ever.
    #[serde(default)]
    pub dead_letters_kept: Option<Duration>,
    /// Where the ledger is.
    pub ledger: LedgerPlace,
    /// What operators call this by: environment, project, the commit of its configuration.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Where the ledger is.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub enum LedgerPlace {
    /// SQLite in the data folder: this node is the only one.
    #[default]
    Sqlite,
    /// PostgreSQL, shared by any number of nodes: the secret with the connection string.
    Postgres(SecretName),
}

/// The SFTP front.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SftpListen {
    /// Where it listens.
    pub address: SocketAddr,
    /// Most authenticated and unauthenticated connections together.
    pub connections_max: u32,
    /// Most connections of one account.
    pub connections_per_account_max: u32,
    /// A session without traffic ends after this time.
    pub idle: Duration,
    /// The secret with the server's private key in OpenSSH form; `None` for one that the node makes
    /// in its data folder. Nodes that share a ledger must show the same.
    pub host_key: Option<SecretName>,
}

/// What wraps the data keys of sealed buckets.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum EncryptionKey {
    /// Made here, in a file.
    File,
    /// Made by the customer, imported wrapped.
    Imported,
    /// A key of AWS KMS.
    AwsKms {
        /// Key id, ARN or alias.
        key_id: String,
        /// How to reach it.
        access: AwsAccess,
        /// How long a data key it made may be used again.
        cache: Duration,
    },
}

/// Who can be told.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Notifier {
    /// Mail over SMTP.
    Email(Email),
}

/// Mail over SMTP.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Email {
    /// Addresses.
    pub to: Vec<String>,
    /// Sender's address.
    pub from: String,
    /// Host of the SMTP server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// User name and the name of the secret with the password.
    pub login: Option<SmtpLogin>,
    /// A file with further certificate authorities in PEM form.
    pub ca_file: Option<PathBuf>,
    /// When a failed mail is tried again.
    pub retry: RetryPolicy,
}

/// How a connection to an SMTP server is protected.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum SmtpSecurity {
    /// Not at all; for a relay on the same machine.
    Plain,
    /// STARTTLS, required.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// A login at an SMTP server.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SmtpLogin {
    /// User name.
    pub user: String,
    /// The secret, by name.
    pub password: SecretName,
}

/// A secret by name (`secret:NAME` in the configuration), resolved at use.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SecretName(pub String);

impl Config {
    /// An object as messages name it: where a bucket on S3 has it, else by the bucket's name here.
    pub fn link(&self, path: &ObjectPath) -> String {
        match self.buckets.get(&path.bucket).map(|bucket| &bucket.place) {
            Some(place @ BucketPlace::S3(_)) => format!("{place}/{}", path.key),
            Some(BucketPlace::Directory(_) | BucketPlace::Gcs(_) | BucketPlace::Azure(_))
            | None => format!("s3://{path}"),
        }
    }

    /// The same for another node of those that share the ledger: what belongs to one node alone
    /// is as in `own`.
    #[must_use]
    pub fn at_node(self, own: &Self) -> Self {
        let Node {
            data,
            secrets,
            encryption_keys,
            ..
        } = own.node.clone();
        Self {
            node: Node {
                data,
                secrets,
                encryption_keys,
                ..self.node
            },
            sftp: SftpListen {
                address: own.sftp.address,
                ..self.sftp
            },
            ..self
        }
    }

    /// The account whose mailbox a folder of a bucket belongs to: the one with the deepest root.
    pub fn account_of(
        &self,
        bucket: &BucketName,
        prefix: &crate::name::Prefix,
    ) -> Option<&Account> {
        self.accounts
            .values()
            .filter(|a| a.mailbox.bucket == *bucket && prefix.is_within(&a.mailbox.prefix))
            .max_by_key(|a| a.mailbox.prefix.as_str().len())
    }

    /// True if what goes to a destination is added to what is there, so that no version of a file
    /// takes the place of another. One that is looked up does not, nor one that there is not.
    pub fn adds(&self, name: &DestinationName) -> bool {
        let found = self.destinations.get(name);
        let table = found.and_then(|destination| destination.place.as_table());
        table.is_some_and(|table| table.mode == LoadMode::Append)
    }

    /// How much a destination is given at a time: one of the configuration, or one that a route of
    /// the configuration looks up.
    pub fn destination_limits(&self, name: &DestinationName) -> Option<&DestinationLimits> {
        if name.as_looked_up().is_some() {
            return self.lookup_of(name).map(|lookup| &lookup.limits);
        }
        self.destinations.get(name).map(|found| &found.limits)
    }

    /// How a route of the configuration looks this destination up, if one does.
    pub fn lookup_of(&self, name: &DestinationName) -> Option<&Lookup> {
        let (route, _) = name.as_looked_up()?;
        match &self.routes.get(&route)?.deliver {
            Deliver::To(_) => None,
            Deliver::LookUp(lookup) => Some(lookup),
        }
    }
}

#[cfg(test)]
mod tests;
