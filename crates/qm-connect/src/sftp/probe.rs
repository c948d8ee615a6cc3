//! `destination test`: every step of a delivery with a small file, told in words.

use qm_core::delivery::Outcome;
use qm_core::ports::connector::Finding;
use qm_core::{Error, Kind, Result};
use qm_sftp_wire::client::{Client, call};
use qm_sftp_wire::extension;

use super::faults::fault;
use super::names::{Names, join};
use super::publish::Way;
use super::session::{Line, Session};
use super::{SftpConnector, publish, trial, upload};
use qm_core::ports::findings::Findings;

const CONTENT: &[u8] =
    b"quaymaster tests whether it can deliver here; this file is removed at once\n";
/// Of another length, which tells them apart under the name.
const NEWER: &[u8] = b"quaymaster tests whether a newer file can replace an older one here\n";

pub(super) async fn probe(connector: &SftpConnector) -> Vec<Finding> {
    let mut findings = Findings::default();
    let result = try_all(connector, &mut findings).await;
    findings.ended(result)
}

async fn try_all(connector: &SftpConnector, findings: &mut Findings) -> Result<()> {
    let mut session = log_in(connector, findings).await?;
    let client = &mut session.client;
    let (folder, made) = folder(connector, client, findings).await?;
    let written = write(connector, client, &folder, findings).await;
    for folder in made.iter().rev() {
        let removed = client.call(call::remove_folder(folder)).await;
        // The failure that came first is the one that is told.
        if written.is_ok() {
            findings.begin("remove the folder");
            removed.map_err(|error| fault("removing the folder", folder, error))?;
            findings.found(format!("{} is gone again", folder.escape_debug()));
        }
    }
    session.farewell().await;
    written
}

async fn log_in(connector: &SftpConnector, findings: &mut Findings) -> Result<Session> {
    let dialer = &connector.dialer;
    findings.begin("connect");
    let (stream, words) = dialer.reach.connect(dialer.patience.connect).await?;
    findings.found(words);
    findings.begin("host key");
    let (stream, line) = Line::of(stream)?;
    let mut greeted = dialer.login.greet(stream, dialer.patience.login).await?;
    let pins = dialer.login.pins.len();
    findings.found(format!("{}, one of {pins} pinned", greeted.host_key));
    findings.begin("login");
    let limit = dialer.patience.login;
    let how = dialer.login.prove(&mut greeted.handle, limit).await?;
    findings.found(format!("as {} {how}", dialer.login.user.escape_debug()));
    findings.begin("sftp");
    let session = dialer.begin_sftp(greeted.handle, line).await?;
    findings.found(abilities(&session.client));
    Ok(session)
}

fn abilities(client: &Client) -> String {
    let mut offered: Vec<&str> = [extension::POSIX_RENAME, extension::FSYNC, extension::LIMITS]
        .into_iter()
        .filter(|name| client.offers(name))
        .collect();
    if upload::offers_digests(client) {
        offered.push(extension::CHECK_FILE);
    }
    let offered = match &offered[..] {
        [] => "nothing beyond version 3".to_owned(),
        some => some.join(", "),
    };
    format!(
        "offers {offered}; takes {} bytes in a write",
        client.write_bytes_max()
    )
}

/// The folder as far as it is the same for every file, and what of it had to be made.
async fn folder(
    connector: &SftpConnector,
    client: &mut Client,
    findings: &mut Findings,
) -> Result<(String, Vec<String>)> {
    findings.begin("folder");
    let template = connector.folder.as_str();
    let (folder, more) = match template.split_once('{') {
        None => (template, ""),
        Some((fixed, _)) => (
            fixed.rsplit_once('/').map_or("", |(folder, _)| folder),
            "; what is below it depends on the file",
        ),
    };
    let path = if folder.is_empty() { "." } else { folder };
    let made = match client.call(call::stat(path)).await {
        Ok(_) => Vec::new(),
        Err(error) if error.kind() == Kind::NotFound && connector.create_folders => {
            upload::make_folders(client, folder).await?
        }
        Err(error) => return Err(fault("looking for the folder", folder, error)),
    };
    let shown = client.call(call::real_path(path)).await;
    let shown = shown.unwrap_or_else(|_| path.to_owned());
    let verb = if made.is_empty() {
        "is there"
    } else {
        "was made"
    };
    findings.found(format!("{} {verb}{more}", shown.escape_debug()));
    Ok((folder.to_owned(), made))
}

async fn write(
    connector: &SftpConnector,
    client: &mut Client,
    folder: &str,
    findings: &mut Findings,
) -> Result<()> {
    let mut mark = [0; 8];
    aws_lc_rs::rand::fill(&mut mark)
        .map_err(|_| Error::new(Kind::Unavailable, "there is no randomness for a name"))?;
    let mark = format!("{:016x}", u64::from_be_bytes(mark));
    let names = Names::beside(join(folder, &format!(".quaymaster-test-{mark}")), &mark);
    if let Err(error) = write_and_replace(connector, client, &names, findings).await {
        // Whoever was silent is not waited for twice more.
        if error.kind() != Kind::Timeout {
            let _ = client.call(call::remove(&names.temp)).await;
            let _ = client.call(call::remove(&names.target)).await;
        }
        return Err(error);
    }
    findings.begin("remove");
    let removed = client.call(call::remove(&names.target)).await;
    removed.map_err(|error| fault("removing the test file", &names.target, error))?;
    findings.found("the test file is gone again".to_owned());
    Ok(())
}

/// As a delivery does it, and then a newer one of the same name.
async fn write_and_replace(
    connector: &SftpConnector,
    client: &mut Client,
    names: &Names,
    findings: &mut Findings,
) -> Result<()> {
    let version = trial::version(CONTENT);
    findings.begin("write");
    let synced = trial::put(client, &names.temp, CONTENT).await?;
    findings.found(format!("{} bytes arrived", CONTENT.len()));
    findings.begin("make durable");
    findings.found(trial::durable(synced, &names.temp)?.to_owned());
    findings.begin("set the time");
    let is_dated = trial::date(client, &names.temp, &version).await?;
    findings.found(trial::words_of_dating(is_dated).to_owned());
    findings.begin("verify");
    findings.found(trial::verify(client, names, &version).await?);
    findings.begin("rename");
    let way = name(connector, client, names, CONTENT).await?;
    findings.found(format!("by {}", way.words()));
    findings.begin("know again");
    let known = trial::know_again(client, &names.target, &version, is_dated).await?;
    findings.found(known);
    findings.begin("replace");
    let synced = trial::put(client, &names.temp, NEWER).await?;
    trial::durable(synced, &names.temp)?;
    let way = name(connector, client, names, NEWER).await?;
    findings.found(way.words_of_replacing().to_owned());
    Ok(())
}

/// Gives the temp file its name, and looks at what is under it then.
async fn name(
    connector: &SftpConnector,
    client: &mut Client,
    names: &Names,
    content: &[u8],
) -> Result<Way> {
    let named = publish::publish(client, names, &connector.known_way).await;
    let (way, looked) = named.map_err(cause)?;
    let size_bytes = content.len() as u64;
    publish::look_again(client, names, looked, size_bytes).await?;
    Ok(way)
}

/// Why it was not named.
fn cause(outcome: Outcome) -> Error {
    match outcome {
        Outcome::Failed(error) | Outcome::Unclear(error) | Outcome::Rejected(error) => error,
        Outcome::Delivered(words) => Error::new(Kind::Bug, words),
        Outcome::Loaded(load) => Error::new(Kind::Bug, load.note()),
    }
}
