//! Loads one file into one table, without a server around it: what is measured, and what is killed.
//!
//! `printf 'TABLE\nMODE\nFILE.csv\nDATABASE\n' | cargo run --release -p qm-tables --example load`; the
//! database is a file of `SQLite` or a connection string of `PostgreSQL`. Columns are declared by what their names end
//! in: `_integer`, `_decimal`, `_boolean`, `_date`, `_timestamp`; the first is the key.
//!
//! MODE is `append`, `replace` or `upsert`; behind it may stand `keyed` (a replacement by key), `kept` (so that it can
//! be taken back), `undo` (take it back instead), `bounded` (`SQLite`
//! may not allocate more than 8 MiB). `made:ROWS:FIRST:TEXT` instead of a file makes as many rows while they
//! are read, from that number on, with a text that begins so: no disk and no memory holds them.

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
use std::io::Write as _;
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

/// Rows that are made when they are read.
struct Made {
    rows: u64,
    first: u64,
    text: String,
}

const HEADER: &str = "id_integer,name\n";
/// Of each row, whatever its number.
const ROW_BYTES: u64 = 72;

impl Made {
    fn parse(told: &str) -> Option<Self> {
        let mut parts = told.splitn(3, ':');
        Some(Self {
            rows: parts.next()?.parse().ok()?,
            first: parts.next()?.parse().ok()?,
            text: parts.next().filter(|text| text.len() < 40)?.to_owned(),
        })
    }
}

#[async_trait]
impl Content for Made {
    fn size_bytes(&self) -> u64 {
        HEADER.len() as u64 + self.rows * ROW_BYTES
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let end = self.size_bytes().min(offset + u64::from(length));
        let mut text = Vec::with_capacity(length as usize + 2 * 72);
        // Whole rows, of which what was asked for is cut out.
        let header = HEADER.len() as u64;
        let row = offset.saturating_sub(header) / ROW_BYTES;
        let begin = if offset < header {
            0
        } else {
            header + row * ROW_BYTES
        };
        if offset < header {
            text.extend_from_slice(HEADER.as_bytes());
        }
        let mut number = self.first + row;
        let width = 60 - self.text.len();
        while begin + (text.len() as u64) < end {
            writeln!(text, "{number:010},{}{number:0width$}", self.text)
                .map_err(|error| Error::io("make a row", error))?;
            number += 1;
        }
        let of = |at: u64| usize::try_from(at.saturating_sub(begin)).unwrap_or_default();
        Ok(Bytes::copy_from_slice(
            text.get(of(offset)..of(end)).unwrap_or_default(),
        ))
    }
}

struct Open;

/// Says that only the commit is left; whoever kills it listens.
#[async_trait]
impl Fence for Open {
    async fn check(&self) -> Result<()> {
        let _ = writeln!(std::io::stderr(), "settled");
        Ok(())
    }
}

/// Says how far it is, likewise.
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
    let (mode, wishes) = mode.split_once(' ').unwrap_or((mode.as_str(), ""));
    let mode = match mode {
        "append" => LoadMode::Append,
        "replace" => LoadMode::Replace,
        "upsert" => LoadMode::Upsert,
        _ => return Err("MODE is append, replace or upsert".into()),
    };
    let is_wished = |word: &str| wishes.split(' ').any(|wish| wish == word);
    // For the whole process, by whichever connection.
    let _bound = is_wished("bounded").then(bound).transpose()?;
    let engine = if database.contains('=') || database.contains("://") {
        TableEngine::Postgres {
            url: Secret::new(database.clone()),
        }
    } else {
        TableEngine::Sqlite {
            file: database.into(),
        }
    };
    let content = open(path)?;
    let columns = columns(&*content).await?;
    let is_keyed = mode == LoadMode::Upsert || is_wished("keyed");
    let key = is_keyed.then(|| columns[0].name.clone());
    let table = Table {
        engine,
        table: table.clone(),
        rows: Declaration {
            columns,
            ..Declaration::default()
        },
        key: key.into_iter().collect(),
        mode,
        create: true,
        sequence: None,
        undo: is_wished("kept"),
        rejects: None,
        report: Vec::new(),
    };
    let delivery = delivery(&*content).await?;
    let connector = TableConnector::new(
        table,
        Arc::new(BTreeMap::<BucketName, Arc<dyn Bucket>>::new()),
    )?;
    if is_wished("undo") {
        let said = connector.undo(&delivery).await;
        let said = said.map_err(|error| error.chain())?;
        return Ok(writeln!(std::io::stdout(), "{said}")?);
    }
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
    let said = match connector.deliver(&shipment, &*content, &Open).await {
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

fn bound() -> rusqlite::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open_in_memory()?;
    let bytes: i64 =
        connection.query_row("PRAGMA hard_heap_limit = 8388608", [], |row| row.get(0))?;
    assert_eq!(bytes, 8_388_608, "SQLite was built without limits");
    Ok(connection)
}

fn open(path: &str) -> std::result::Result<Box<dyn Content>, Box<dyn std::error::Error>> {
    if let Some(told) = path.strip_prefix("made:") {
        let made =
            Made::parse(told).ok_or("made:ROWS:FIRST:TEXT, the text shorter than 40 bytes")?;
        return Ok(Box::new(made));
    }
    let file = File::open(path)?;
    Ok(Box::new(Local {
        size_bytes: file.metadata()?.len(),
        file,
    }))
}

/// The header is not longer than that.
const HEADER_MAX: u32 = 64 * 1024;

async fn columns(content: &dyn Content) -> Result<Vec<Column>> {
    let begin = content.read(0, HEADER_MAX).await?;
    let header = begin
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let header = String::from_utf8_lossy(header).into_owned();
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
async fn delivery(
    content: &dyn Content,
) -> std::result::Result<Delivery, Box<dyn std::error::Error>> {
    let (mut digest, mut size_bytes) = (Context::new(&SHA256), 0);
    loop {
        let bytes = content.read(size_bytes, 1024 * 1024).await?;
        if bytes.is_empty() {
            break;
        }
        size_bytes += bytes.len() as u64;
        digest.update(&bytes);
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
