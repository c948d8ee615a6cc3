//! Values that name a place outside: folders, mail addresses, hosts, secrets.

use qm_core::account::MailboxRoot;
use qm_core::config::{LedgerPlace, ProxyKind, SecretName, service_url};
use qm_core::id::BucketName;
use qm_core::name::Prefix;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use super::problem::Fault;
use super::tree::{Item, Value};
use super::values::text;

/// The longest mail address there is (RFC 5321).
const MAIL_ADDRESS_BYTES_MAX: usize = 254;

/// A folder of this machine; a relative one is meant from the configuration's folder.
pub(super) fn folder(item: &Item, base: &Path) -> Result<PathBuf, Fault> {
    let text = text(item)?;
    path_of(text, base)
}

/// Where a bucket is, as its URL says.
pub(super) enum BucketUrl {
    Directory(PathBuf),
    S3 { bucket: String, prefix: Prefix },
    Gcs { bucket: String, prefix: Prefix },
    Azure { bucket: String, prefix: Prefix },
}

/// A bucket's URL: `file://` and a folder, or a store's scheme, its bucket and where in that our
/// keys begin. What follows `file://` is the path as it is, absolute (`file:///srv/landing`) or
/// relative to the configuration's folder (`file://landing`); nothing in it is decoded.
pub(super) fn bucket_url(item: &Item, base: &Path) -> Result<BucketUrl, Fault> {
    let text = text(item)?;
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Fault::new("not the URL of a bucket").help(format!(
            "did you mean `file://{}`?",
            text.trim_start_matches("file:").escape_debug()
        )));
    };
    let store = || -> Result<(String, Prefix), Fault> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let help = format!("as in {scheme}://company-landing/uploads");
        if !is_store_name(bucket) {
            let fault = Fault::new(format!("`{}` is no bucket's name", bucket.escape_debug()));
            return Err(fault.help(help));
        }
        Ok((bucket.to_owned(), prefix_of(prefix, &help)?))
    };
    match scheme {
        "file" => Ok(BucketUrl::Directory(directory(rest, base)?)),
        "s3" => store().map(|(bucket, prefix)| BucketUrl::S3 { bucket, prefix }),
        "gs" => store().map(|(bucket, prefix)| BucketUrl::Gcs { bucket, prefix }),
        "az" => store().map(|(bucket, prefix)| BucketUrl::Azure { bucket, prefix }),
        _ => Err(
            Fault::new(format!("`{}` is not a store", scheme.escape_debug())).help(
                "file:///srv/landing for a directory, s3://, gs:// or az:// for an object store",
            ),
        ),
    }
}

fn directory(path: &str, base: &Path) -> Result<PathBuf, Fault> {
    if path.trim().is_empty() {
        return Err(Fault::new("no folder behind file://").help("as in file:///srv/landing"));
    }
    path_of(path, base)
}

fn path_of(text: &str, base: &Path) -> Result<PathBuf, Fault> {
    if text.contains('\0') {
        return Err(Fault::new("a path has no NUL in it").help("take the NUL out"));
    }
    Ok(without_dots(&base.join(text)))
}

/// What all three stores take; each has narrower rules of its own and tells of them itself.
fn is_store_name(name: &str) -> bool {
    (3..=222).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The URL of a service.
pub(super) fn endpoint(item: &Item) -> Result<String, Fault> {
    service_url(text(item)?).map(str::to_owned).ok_or_else(|| {
        Fault::new("not the URL of a service").help("as in `https://s3.example.org:9000`")
    })
}

/// `bucket/folder`, what an account sees as its root.
pub(super) fn mailbox(item: &Item) -> Result<MailboxRoot, Fault> {
    let text = text(item)?;
    let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
    let help = "write a bucket and a folder in it, as in `landing/north`";
    Ok(MailboxRoot {
        bucket: BucketName::parse(bucket)?,
        prefix: prefix_of(prefix, help)?,
    })
}

/// The path under which an account sees its mailbox.
pub(super) fn home(item: &Item) -> Result<Prefix, Fault> {
    let text = text(item)?;
    let help = "write the path that the account's programs have, as in `/landing/north`";
    let Some(path) = text.strip_prefix('/') else {
        return Err(Fault::new("a home begins with `/`").help(help));
    };
    prefix_of(path, help)
}

/// A folder within a bucket.
pub(super) fn prefix(item: &Item) -> Result<Prefix, Fault> {
    prefix_of(
        text(item)?,
        "write the folder as it is in the bucket, as in `in/orders`",
    )
}

fn prefix_of(text: &str, help: &str) -> Result<Prefix, Fault> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.starts_with('/') {
        return Err(
            Fault::new("a folder of a bucket does not begin with `/`").help(format!(
                "write `{}`",
                text.trim_start_matches('/').escape_debug()
            )),
        );
    }
    Prefix::parse(text).map_err(|error| Fault::new(error.public_message()).help(help))
}

/// `secret:NAME`. The text itself is in no message: it may be the secret.
pub(super) fn secret(item: &Item) -> Result<SecretName, Fault> {
    let inline = || {
        Fault::new("a secret does not stand in the configuration").help(
            "write `secret:NAME` and put the secret into the file NAME of the [node] secrets folder, \
             or into the environment variable QUAYMASTER_SECRET_NAME",
        )
    };
    let Value::Text(text) = &item.value else {
        return Err(inline());
    };
    let name = text.strip_prefix("secret:").ok_or_else(inline)?;
    let is_well_formed = (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !is_well_formed {
        return Err(Fault::new("not the name of a secret").help(
            "behind `secret:` use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first",
        ));
    }
    Ok(SecretName(name.to_owned()))
}

/// Where the ledger is: `sqlite`, or the secret with the connection string of PostgreSQL.
pub(super) fn ledger(item: &Item) -> Result<LedgerPlace, Fault> {
    let help = "write `sqlite` for one node, or `secret:NAME` and put the connection string (postgres://…) into that secret";
    let text = text(item)?;
    if text == "sqlite" {
        return Ok(LedgerPlace::Sqlite);
    }
    if text.starts_with("secret:") {
        return secret(item).map(LedgerPlace::Postgres);
    }
    // Not shown: it may have a password in it.
    let message = if text.starts_with("postgres") {
        "a connection string does not stand in the configuration"
    } else {
        "not the place of a ledger"
    };
    Err(Fault::new(message).help(help))
}

/// A proxy as its URL says; the password is not in it.
pub(super) struct ProxyUrl {
    pub(super) kind: ProxyKind,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
}

/// `socks5://user@host:port` or `http://user@host:port`. The text itself is in no message: there
/// may be a password in it.
pub(super) fn proxy(item: &Item) -> Result<ProxyUrl, Fault> {
    let bad = || {
        Fault::new("not the URL of a proxy")
            .help("as in `socks5://proxy.example.org:1080` or `http://user@proxy.example.org:3128`")
    };
    let text = text(item)?;
    let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
    let kind = match scheme {
        "socks5" => ProxyKind::Socks5,
        "http" => ProxyKind::HttpConnect,
        _ => return Err(bad()),
    };
    let (user, address) = match rest.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, rest),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err(Fault::new("a password does not stand in the configuration")
            .help("take it out of the URL and add proxy_password = \"secret:NAME\""));
    }
    let (host, port) = address
        .trim_end_matches('/')
        .rsplit_once(':')
        .ok_or_else(bad)?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    let is_right = is_host(host) && user.is_none_or(|user| !user.is_empty());
    let port = port.parse().ok().filter(|port| *port != 0);
    match port {
        Some(port) if is_right => Ok(ProxyUrl {
            kind,
            host: host.to_owned(),
            port,
            user: user.map(str::to_owned),
        }),
        Some(_) | None => Err(bad()),
    }
}

/// An address of this machine to connect from.
pub(super) fn address(item: &Item) -> Result<IpAddr, Fault> {
    let text = text(item)?;
    text.parse().map_err(|_| {
        Fault::new(format!("`{}` is not an IP address", text.escape_debug()))
            .help("write the address alone, as in `203.0.113.7`")
    })
}

/// A mail address; what a server makes of it is its own business.
pub(super) fn mail_address(item: &Item) -> Result<String, Fault> {
    let text = text(item)?;
    let is_plain = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && !"<>()[],;:\\\"@".contains(c))
    };
    let is_address = text.len() <= MAIL_ADDRESS_BYTES_MAX
        && text
            .rsplit_once('@')
            .is_some_and(|(user, host)| is_plain(user) && is_plain(host));
    if is_address {
        return Ok(text.to_owned());
    }
    Err(
        Fault::new(format!("`{}` is not a mail address", text.escape_debug()))
            .help("write the address alone, as in `sre@example.org`"),
    )
}

/// A host by name or address, without port and scheme.
pub(super) fn host(item: &Item) -> Result<String, Fault> {
    let text = text(item)?;
    if is_host(text) {
        return Ok(text.to_owned());
    }
    Err(Fault::new(format!("`{}` is not a host", text.escape_debug()))
        .help("write the name or address alone, as in `mail.example.org`; the port is a key of its own"))
}

fn is_host(text: &str) -> bool {
    let is_name = (1..=253).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    is_name || text.parse::<IpAddr>().is_ok()
}

/// A suffix of temp names.
pub(super) fn temp_suffix(item: &Item) -> Result<String, Fault> {
    let text = text(item)?;
    let is_suffix = text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_punctuation())
        && !text.contains(['/', '\\'])
        && !text.contains(char::is_control)
        && text != ".";
    if is_suffix {
        return Ok(text.to_owned());
    }
    Err(
        Fault::new(format!("`{}` is not a suffix", text.escape_debug()))
            .help("write the end of the name with its dot, as in `.wip`"),
    )
}

/// Removes `.` and resolves `..` by name, as people read paths.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                plain.push(component);
            }
        }
    }
    plain
}
