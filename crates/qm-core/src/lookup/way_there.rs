//! How the server is reached: by way of a proxy, and from an address of this machine.

use std::net::IpAddr;

use super::{Fields, is_host};
use crate::Result;
use crate::config::{Proxy, ProxyKind};
use crate::ports::access::Secret;

const NO_PROXY: &str =
    "is not one: socks5:// or http://, perhaps a user and `@`, then the host and its port";

impl Fields {
    pub(super) fn proxy(&self) -> Result<Option<Proxy<Secret>>> {
        let password = self.secret(&["proxy_password"])?;
        let Some(url) = self.text("proxy")? else {
            return match password {
                None => Ok(None),
                Some(_) => Err(self.wrong("proxy_password", "is there, and no `proxy`")),
            };
        };
        let (kind, user, host, port) = parsed(url).ok_or_else(|| self.wrong("proxy", NO_PROXY))?;
        let login = match (user, password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some((user, password)),
            (Some(_), None) => {
                return Err(self.wrong("proxy", "has a user, and no `proxy_password` is there"));
            }
            (None, Some(_)) => {
                return Err(self.wrong("proxy_password", "is there, and no user in `proxy`"));
            }
        };
        Ok(Some(Proxy {
            kind,
            host,
            port,
            login,
        }))
    }

    pub(super) fn source_address(&self) -> Result<Option<IpAddr>> {
        let text = self.text("source_address")?;
        text.map(|text| {
            text.parse()
                .map_err(|_| self.wrong("source_address", "is not an IP address"))
        })
        .transpose()
    }
}

/// Kind, user, host and port. A password does not stand in it: users are shown.
fn parsed(url: &str) -> Option<(ProxyKind, Option<String>, String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let kind = match scheme {
        "socks5" => ProxyKind::Socks5,
        "http" => ProxyKind::HttpConnect,
        _ => return None,
    };
    let (user, address) = match rest.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, rest),
    };
    let is_user =
        |user: &str| !user.is_empty() && !user.contains(|c: char| c == ':' || c.is_control());
    let (host, port) = address.trim_end_matches('/').rsplit_once(':')?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
    (user.is_none_or(is_user) && is_host(host))
        .then(|| (kind, user.map(str::to_owned), host.to_owned(), port))
}
