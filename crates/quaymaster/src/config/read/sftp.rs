//! The keys of a destination of kind `sftp`.

use qm_core::config::{Proxy, SecretName, Sftp};
use qm_core::host_key;
use qm_core::template::Template;

use crate::config::places::{self, ProxyUrl};
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::tree::Item;
use crate::config::values::{self, text};

const PORT: u16 = 22;
/// Where a login lands.
const FOLDER: &str = ".";

pub(super) fn sftp(section: &mut Section<'_>, report: &mut Report) -> Option<Sftp<SecretName>> {
    let host = section.required(report, "host", places::host);
    let port = section.optional(report, "port", values::port);
    let user = section.required(report, "user", user);
    let private_key = section.optional(report, "private_key", places::secret);
    let passphrase = section.optional(report, "passphrase", places::secret);
    let password = section.optional(report, "password", places::secret);
    check_login(section, report);
    let host_keys = host_keys(section, report);
    let folder = section.optional(report, "folder", values::template);
    let create_folders = section.optional(report, "create_folders", values::truth);
    let proxy = proxy(section, report);
    let source_address = section.optional(report, "source_address", places::address);
    let folder = folder.or_else(|| Template::parse(FOLDER).ok())?;
    Some(Sftp {
        host: host?,
        port: port.unwrap_or(PORT),
        user: user?,
        private_key,
        passphrase,
        password,
        host_keys: host_keys?,
        folder,
        create_folders: create_folders.unwrap_or(false),
        proxy,
        source_address,
    })
}

fn user(item: &Item) -> Result<String, Fault> {
    let text = text(item)?;
    if text.chars().any(char::is_control) {
        return Err(Fault::new("a user name has no control characters")
            .help("write it as the server's operator told it, as in \"us\""));
    }
    Ok(text.to_owned())
}

fn check_login(section: &Section<'_>, report: &mut Report) {
    if !section.has("private_key") && !section.has("password") {
        let fault = Fault::new(format!(
            "[{}] needs `private_key` or `password`",
            section.title()
        ));
        let help =
            "as in private_key = \"secret:NAME\", the secret being the text of the key's file";
        report.say(section.place(), fault.help(help));
    }
    if section.has("passphrase") && !section.has("private_key") {
        let fault = Fault::new("passphrase: there is no `private_key` that it opens")
            .help("add the private key, or leave the passphrase out");
        report.say_of(&section.key("passphrase"), fault);
    }
}

/// Without one anybody could be the server, so there must be one.
fn host_keys(section: &mut Section<'_>, report: &mut Report) -> Option<Vec<String>> {
    if !section.has("host_keys") {
        let fault = Fault::new(format!("[{}] needs `host_keys`", section.title()));
        let help = "`ssh-keyscan -p PORT HOST` shows them; compare the fingerprint (`ssh-keygen -lf FILE`) with what the \
                    partner tells you by another way, then write host_keys = [\"ssh-ed25519 AAAA…\"]";
        report.say(section.place(), fault.help(help));
        // Asked for all the same: it is a known key.
        return section.optional(report, "host_keys", |_| Ok(Vec::new()));
    }
    let lists = section.filled_list(
        report,
        "host_keys",
        |item| Ok(host_key::parse(text(item)?)?),
        "no server would be believed",
    )?;
    Some(lists.into_iter().flatten().collect())
}

fn proxy(section: &mut Section<'_>, report: &mut Report) -> Option<Proxy<SecretName>> {
    let url = section.optional(report, "proxy", places::proxy);
    let password = section.optional(report, "proxy_password", places::secret);
    let is_password_told = section.has("proxy_password");
    let missing = match &url {
        Some(ProxyUrl { user: Some(_), .. }) if !is_password_told => Some((
            "proxy",
            "the user of the proxy has no password",
            "add proxy_password = \"secret:NAME\", or take the user out of the URL",
        )),
        Some(ProxyUrl { user: None, .. }) if is_password_told => Some((
            "proxy_password",
            "nobody logs in with it",
            "write the user into the URL, as in proxy = \"socks5://user@proxy.example.org:1080\"",
        )),
        None if is_password_told && !section.has("proxy") => Some((
            "proxy_password",
            "there is no `proxy`",
            "add proxy = \"socks5://user@proxy.example.org:1080\", or leave the password out",
        )),
        Some(_) | None => None,
    };
    if let Some((key, message, help)) = missing {
        let fault = Fault::new(format!("{key}: {message}")).help(help);
        report.say_of(&section.key(key), fault);
    }
    let ProxyUrl {
        kind,
        host,
        port,
        user,
    } = url?;
    Some(Proxy {
        kind,
        host,
        port,
        login: user.zip(password),
    })
}
