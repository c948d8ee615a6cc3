//! Loads one file into one table, without a server around it: what is measured, and what is killed.
//!
//! `printf 'TABLE\nMODE\nFILE.csv\nDATABASE\n' | cargo run --release -p qm-tables --example load`; the
//! database is a file of `SQLite` or a connection string of `PostgreSQL`. Columns are declared by what their names end
//! in: `_integer`, `_decimal`, `_boolean`, `_date`, `_timestamp`; the first is the key.

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use qm_core::config::{
    Column, ColumnSource, ColumnType, Declaration, LoadMode, Table, TableEngine,
};
use qm_core::delivery::{Delivery, DeliveryState, Effect, Outcome};
use qm_core::id::{
    ArrivalSeq, BucketName, DeliveryId, DestinationName, NodeName, RevisionNumber, RouteName,
    Sha256Digest, VersionId,
};
use qm_core::load::Counts;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::Version;
use qm_core::ports::access::Secret;
use qm_core::ports::bucket::{Bucket, Content};
use qm_core::ports::connector::{Connector as _, Fence, RowProgress, Shipment};
use qm_core::ports::encryption::Envelope;
use qm_core::template::Facts;
use qm_core::{Error, Result};
use qm_tables::TableConnector;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Instant;

/// A file of this machine.
struct Local {
    file: File,
    size_bytes: u64,
}

#[async_trait]
impl Content for Local {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let mut bytes = vec![0; length as usize];
        let read = self.file.read_at(&mut bytes, offset);
        bytes.truncate(read.map_err(|error| Error::io("read the file", error))?);
        Ok(bytes.into())
    }
}

struct Open;

#[async_trait]
impl Fence for Open {
    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// Says how far it is; whoever kills it listens.
#[derive(Debug)]
struct Aloud;

impl RowProgress for Aloud {
    fn rows(&self, counts: Counts) {
        // Nobody need listen.
        let _ = writeln!(std::io::stderr(), "{} rows", counts.read);
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let told: Vec<String> = std::io::stdin().lines().collect::<std::io::Result<_>>()?;
    let [table, mode, path, database] = told.as_slice() else {
        return Err("four lines: TABLE, MODE, FILE.csv, DATABASE".into());
    };
    let mode = match mode.as_str() {
        "append" => LoadMode::Append,
        "replace" => LoadMode::Replace,
        "upsert" => LoadMode::Upsert,
        _ => return Err("MODE is append, replace or upsert".into()),
    };
    let engine = if database.contains('=') || database.contains("://") {
        TableEngine::Postgres {
            url: Secret::new(database.clone()),
        }
    } else {
        TableEngine::Sqlite {
            file: database.into(),
        }
    };
    let columns = columns(path)?;
    let key = match mode {
        LoadMode::Upsert => vec![columns[0].name.clone()],
        LoadMode::Append | LoadMode::Replace => Vec::new(),
    };
    let table = Table {
        engine,
        table: table.clone(),
        rows: Declaration {
            columns,
            ..Declaration::default()
        },
        key,
        mode,
        create: true,
        sequence: None,
        undo: false,
        rejects: None,
        report: Vec::new(),
    };
    let delivery = delivery(path)?;
    let connector = TableConnector::new(
        table,
        Arc::new(BTreeMap::<BucketName, Arc<dyn Bucket>>::new()),
    )?;
    let file = File::open(path)?;
    let content = Local {
        size_bytes: file.metadata()?.len(),
        file,
    };
    let shipment = Shipment {
        delivery: &delivery,
        target: "table",
        facts: Facts {
            path: &delivery.source,
            partner: None,
            arrived_at: delivery.arrived_at,
        },
        pace: None,
        progress: Some(&Aloud),
    };
    let began = Instant::now();
    let said = match connector.deliver(&shipment, &content, &Open).await {
        Outcome::Loaded(load) => load.note(),
        Outcome::Delivered(note) => note,
        Outcome::Failed(error) | Outcome::Unclear(error) | Outcome::Rejected(error) => {
            return Err(error.chain().into());
        }
    };
    let mut out = std::io::stdout();
    writeln!(out, "{said}; {:.2} s", began.elapsed().as_secs_f64())?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn columns(path: &str) -> std::io::Result<Vec<Column>> {
    let mut header = String::new();
    BufReader::new(File::open(path)?).read_line(&mut header)?;
    let column = |name: &str| {
        let kind = name.rsplit('_').next().and_then(|end| {
            let known = ColumnType::ALL.iter().find(|(word, _)| *word == end);
            known.map(|(_, kind)| *kind)
        });
        Column {
            name: name.to_owned(),
            source: ColumnSource::Header(name.to_owned()),
            kind: kind.unwrap_or(ColumnType::Text),
            required: false,
            default: None,
            format: None,
            zone: None,
        }
    };
    Ok(header.trim_end().split(',').map(column).collect())
}

/// One delivery a file: the same file is the same delivery.
fn delivery(path: &str) -> std::result::Result<Delivery, Box<dyn std::error::Error>> {
    let mut file = File::open(path)?;
    let (mut digest, mut size_bytes) = (Context::new(&SHA256), 0);
    let mut buffer = vec![0; 1024 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        size_bytes += read as u64;
        digest.update(buffer.get(..read).unwrap_or_default());
    }
    let digest: [u8; 32] = digest.finish().as_ref().try_into()?;
    let id = VersionId::from_parts(0, u128::from(u64::from_be_bytes(digest[..8].try_into()?)));
    let (route, destination) = (RouteName::parse("load")?, DestinationName::parse("table")?);
    let at = jiff::Timestamp::UNIX_EPOCH;
    Ok(Delivery {
        id: DeliveryId::derive(id, &route, &destination),
        arrival: ArrivalSeq(1),
        source: ObjectPath {
            bucket: BucketName::parse("local")?,
            key: ObjectKey::parse("file.csv")?,
        },
        version: Version {
            id,
            size_bytes,
            sha256: Sha256Digest(digest),
            identity: String::new(),
            staged: None,
            received_at: at,
        },
        route,
        destination,
        target: "table".to_owned(),
        effect: Effect::Put,
        state: DeliveryState::Running {
            node: NodeName::parse("node")?,
        },
        attempts: 1,
        possible_duplicate: false,
        fence: 1,
        last_error: None,
        revision: RevisionNumber(1),
        arrived_at: at,
        created_at: at,
        updated_at: at,
    })
}
