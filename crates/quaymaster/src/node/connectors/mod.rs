//! The ways to destinations. A connector is kept as long as what it was made of stays the same: the
//! settings and the secrets, which are looked up for every attempt, so that a replaced one counts at
//! once.

mod kept;
#[cfg(test)]
mod tests;

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::stores::{LookedUpStore, UploadMemory};
use kept::Kept;
use qm_connect::{BucketConnector, DirectoryConnector, SftpConnector};
use qm_core::config::{
    BucketDestination, Config, DestinationPlace, Directory, Lookup, LookupPlace, Proxy, S3Place,
    SecretName, Sftp, Table, TableEngine,
};
use qm_core::id::{BucketName, DestinationName};
use qm_core::lookup::{self, LookedUp, LookedUpPlace};
use qm_core::name::Prefix;
use qm_core::ports::access::{Secret, Secrets};
use qm_core::ports::bucket::Buckets;
use qm_core::ports::connector::Connector;
use qm_core::screen::Screen;
use qm_core::{Error, Kind, Result};
use qm_engine::Way;
use qm_tables::{LookupTables, TableConnector};

/// Makes connectors and keeps them.
pub(crate) struct Connectors {
    secrets: Arc<dyn Secrets>,
    tables: LookupTables,
    buckets: Arc<dyn Buckets>,
    /// Of uploads into buckets that lookups find.
    memory: UploadMemory,
    kept: Mutex<Kept>,
}

/// All that a connector knows.
#[derive(Clone, PartialEq)]
enum MadeOf {
    Directory(Directory),
    Bucket(BucketDestination),
    LookedUpBucket {
        place: Box<S3Place>,
        owner_full_control: bool,
    },
    Sftp {
        place: Box<Sftp<Secret>>,
        concurrency: u32,
    },
    Table {
        table: Box<Table<Secret>>,
        /// Of the node.
        tags: BTreeMap<String, String>,
    },
}

impl Connectors {
    pub(super) fn new(
        secrets: Arc<dyn Secrets>,
        buckets: Arc<dyn Buckets>,
        memory: UploadMemory,
    ) -> Self {
        Self {
            secrets,
            tables: LookupTables::default(),
            buckets,
            memory,
            kept: Mutex::default(),
        }
    }

    /// The way to a destination: one of the configuration, or one that a route of it looks up.
    pub(crate) async fn way(&self, config: &Config, name: &DestinationName) -> Result<Way> {
        let Some((_, key)) = name.as_looked_up() else {
            return Ok(Way {
                connector: self.configured(config, name).await?,
                screen: Screen::default(),
                name: None,
                leads_to: None,
            });
        };
        let lookup = config.lookup_of(name).ok_or_else(|| gone(name))?;
        let LookedUp {
            place,
            screen,
            name: target,
        } = self.look_up(lookup, key).await?;
        let (connector, leads_to) = match place {
            LookedUpPlace::Bucket {
                place,
                owner_full_control,
            } => {
                let made_of = MadeOf::LookedUpBucket {
                    place,
                    owner_full_control,
                };
                (self.connector(name, made_of).await?, None)
            }
            LookedUpPlace::Destination(to) => (self.configured(config, &to).await?, Some(to)),
            LookedUpPlace::Sftp(place) => {
                let made_of = MadeOf::Sftp {
                    place,
                    concurrency: lookup.limits.concurrency,
                };
                (self.connector(name, made_of).await?, None)
            }
        };
        Ok(Way {
            connector,
            screen,
            name: target,
            leads_to,
        })
    }

    /// The code for a destination of the configuration, whoever leads there.
    async fn configured(
        &self,
        config: &Config,
        name: &DestinationName,
    ) -> Result<Arc<dyn Connector>> {
        let destination = config.destinations.get(name).ok_or_else(|| gone(name))?;
        let made_of = match &destination.place {
            DestinationPlace::Directory(place) => MadeOf::Directory(place.clone()),
            DestinationPlace::Bucket(place) => MadeOf::Bucket(place.clone()),
            DestinationPlace::Sftp(place) => MadeOf::Sftp {
                place: Box::new(self.with_secrets(place).await?),
                concurrency: destination.limits.concurrency,
            },
            DestinationPlace::Table(table) => MadeOf::Table {
                table: Box::new(self.table_with_secrets(table).await?),
                tags: config.node.tags.clone(),
            },
        };
        self.connector(name, made_of).await
    }

    /// The table of that name, for what only tables can do; `None` if the destination is none.
    pub(crate) async fn table(
        &self,
        config: &Config,
        name: &DestinationName,
    ) -> Result<Option<TableConnector>> {
        let Some(destination) = config.destinations.get(name) else {
            return Err(gone(name));
        };
        match &destination.place {
            DestinationPlace::Table(table) => {
                let table = self.table_with_secrets(table).await?;
                TableConnector::new(table, Arc::clone(&self.buckets)).map(Some)
            }
            DestinationPlace::Directory(_)
            | DestinationPlace::Bucket(_)
            | DestinationPlace::Sftp(_) => Ok(None),
        }
    }

    /// What the secret or the item says that a lookup finds; an error if it says what the lookup does
    /// not allow.
    pub(crate) async fn look_up(&self, lookup: &Lookup, key: &str) -> Result<LookedUp> {
        let tags = &lookup.require_tags;
        let (found, what) = match &lookup.store {
            LookupPlace::Secrets(store) => {
                let secret = self.secrets.look_up(store, key, tags).await?;
                (lookup::parse(&secret), "secret")
            }
            LookupPlace::Table(table) => {
                // A request of the SDK is large, and every way would have room for it.
                let item = Box::pin(self.tables.look_up(table, key, tags)).await?;
                (lookup::parse_item(&item), "item")
            }
        };
        found
            .and_then(|found| found.check_allowed(lookup).map(|()| found))
            .map_err(|error| error.with(what, key.escape_debug()))
    }

    /// Forgets connectors that the configuration has no use for.
    pub(super) fn retain(&self, config: &Config) {
        self.kept.lock().retain(|name| {
            name.as_looked_up().map_or_else(
                || config.destinations.contains_key(name),
                |(route, _)| config.routes.contains_key(&route),
            )
        });
    }

    async fn connector(
        &self,
        name: &DestinationName,
        made_of: MadeOf,
    ) -> Result<Arc<dyn Connector>> {
        if let Some(known) = self.kept.lock().get(name, &made_of) {
            return Ok(known);
        }
        let connector = self.connect(made_of.clone()).await?;
        let mut kept = self.kept.lock();
        // Deliveries that begin at the same time share its connections.
        if let Some(known) = kept.get(name, &made_of) {
            return Ok(known);
        }
        kept.insert(name.clone(), made_of, Arc::clone(&connector));
        Ok(connector)
    }

    async fn connect(&self, made_of: MadeOf) -> Result<Arc<dyn Connector>> {
        Ok(match made_of {
            MadeOf::Directory(place) => Arc::new(DirectoryConnector::new(&place)),
            MadeOf::Bucket(place) => {
                Arc::new(BucketConnector::new(&place, Arc::clone(&self.buckets)))
            }
            MadeOf::LookedUpBucket {
                place,
                owner_full_control,
            } => {
                let config = BucketDestination {
                    bucket: BucketName::parse(&place.bucket)?,
                    // It is in the place already.
                    prefix: Prefix::default(),
                    owner_full_control,
                };
                let store = LookedUpStore::new(*place, self.memory.clone());
                Arc::new(BucketConnector::opening(config, Arc::new(store)))
            }
            MadeOf::Table { table, tags } => {
                let connector = TableConnector::new(*table, Arc::clone(&self.buckets))?;
                Arc::new(connector.tagged(&tags))
            }
            MadeOf::Sftp { place, concurrency } => {
                // Opening a private key with its passphrase is made slow on purpose.
                let made =
                    tokio::task::spawn_blocking(move || SftpConnector::new(*place, concurrency));
                Arc::new(made.await.map_err(|error| {
                    Error::new(Kind::Bug, "setting up the destination broke off").source(error)
                })??)
            }
        })
    }

    async fn table_with_secrets(&self, table: &Table<SecretName>) -> Result<Table<Secret>> {
        let engine = match &table.engine {
            TableEngine::Sqlite { file } => TableEngine::Sqlite { file: file.clone() },
            TableEngine::Postgres { url } => TableEngine::Postgres {
                url: self.secrets.get(url).await?,
            },
            TableEngine::DynamoDb {
                access,
                control,
                order,
            } => TableEngine::DynamoDb {
                access: access.clone(),
                control: control.clone(),
                order: *order,
            },
        };
        Ok(Table {
            engine,
            table: table.table.clone(),
            rows: table.rows.clone(),
            key: table.key.clone(),
            mode: table.mode,
            create: table.create,
            sequence: table.sequence.clone(),
            undo: table.undo,
            rejects: table.rejects.clone(),
            report: table.report.clone(),
        })
    }

    async fn with_secrets(&self, place: &Sftp<SecretName>) -> Result<Sftp<Secret>> {
        let proxy = match &place.proxy {
            None => None,
            Some(proxy) => Some(Proxy {
                kind: proxy.kind,
                host: proxy.host.clone(),
                port: proxy.port,
                login: match &proxy.login {
                    None => None,
                    Some((user, password)) => {
                        Some((user.clone(), self.secrets.get(password).await?))
                    }
                },
            }),
        };
        Ok(Sftp {
            host: place.host.clone(),
            port: place.port,
            user: place.user.clone(),
            private_key: self.secret(place.private_key.as_ref()).await?,
            passphrase: self.secret(place.passphrase.as_ref()).await?,
            password: self.secret(place.password.as_ref()).await?,
            host_keys: place.host_keys.clone(),
            folder: place.folder.clone(),
            create_folders: place.create_folders,
            proxy,
            source_address: place.source_address,
        })
    }

    async fn secret(&self, name: Option<&SecretName>) -> Result<Option<Secret>> {
        match name {
            None => Ok(None),
            Some(name) => self.secrets.get(name).await.map(Some),
        }
    }
}

fn gone(name: &DestinationName) -> Error {
    let message = match name.as_looked_up() {
        None => format!("destination `{name}` is not in the configuration any more"),
        Some((route, _)) => format!("route `{route}` does not look up destinations any more"),
    };
    Error::new(Kind::NotFound, message).during("finding the destination")
}
