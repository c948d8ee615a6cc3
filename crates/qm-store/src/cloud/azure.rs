//! Azure Blob Storage, `az://`. The client library copies without metadata and without waiting
//! for the end, and changes none: those requests are ours, signed by the library's signer.

use bytes::Bytes;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, Method, Request, request};
use opendal::raw::percent_encode_path;
use opendal::{ErrorKind, Operator, services};
use reqsign_azure_storage::{
    Credential, DefaultCredentialProvider, RequestSigner, StaticCredentialProvider,
};
use reqsign_core::ProvideCredentialChain;
use std::time::Duration;

use super::CloudBucket;
use super::errors::store_error;
use super::metadata::Attributes;
use super::requests::Requests;
use super::store::{Copy, Flavour, Pin, Store};
use qm_core::config::CloudPlace;
use qm_core::{Error, Kind};

/// The newest that the emulator speaks as well.
const API_VERSION: &str = "2022-11-02";
const COPY_STATUS: &str = "x-ms-copy-status";
const COPY_POLL: Duration = Duration::from_millis(500);
/// Within one account a copy is done at once; one that takes longer is looked at again later.
const COPY_LIMIT: Duration = Duration::from_mins(10);

impl CloudBucket {
    /// A container of Azure Blob Storage. `credential` is the key of the account; without one it is
    /// that of the environment or the machine.
    pub fn azure(place: &CloudPlace, credential: Option<&str>) -> qm_core::Result<Self> {
        let endpoint = match (&place.endpoint, &place.account) {
            (Some(endpoint), _) => endpoint.trim_end_matches('/').to_owned(),
            (None, Some(account)) => format!("https://{account}.blob.core.windows.net"),
            (None, None) => {
                return Err(
                    Error::new(Kind::Invalid, "an Azure bucket needs its storage account")
                        .help("write `account = \"…\"` beside the bucket's URL"),
                );
            }
        };
        if credential.is_some() && place.account.is_none() {
            return Err(Error::new(
                Kind::Invalid,
                "the key of an Azure account is useless without the account's name",
            )
            .help("write `account = \"…\"` beside the bucket's URL"));
        }
        let credentials = || {
            let chain = ProvideCredentialChain::new();
            match (&place.account, credential) {
                (Some(account), Some(key)) => {
                    chain.push(StaticCredentialProvider::new_shared_key(account, key))
                }
                _ => chain.push(DefaultCredentialProvider::new()),
            }
        };
        let builder = services::Azblob::default()
            .container(&place.bucket)
            .root(place.prefix.as_str())
            .endpoint(&endpoint)
            .credential_provider_chain(credentials());
        opendal::install_default();
        let operator = Operator::new(builder).map_err(store_error("open a bucket"))?;
        let root = if place.prefix.is_root() {
            String::new()
        } else {
            format!("{}/", place.prefix)
        };
        let base = format!("{endpoint}/{}/{}", place.bucket, percent_encode_path(&root));
        let container = Container {
            base,
            requests: Requests::new(&operator, Some(credentials()), RequestSigner::new(), &[]),
        };
        Ok(Self::on(Store::new(operator, Flavour::Azure(container))))
    }
}

/// A container, from its prefix on.
pub(super) struct Container {
    /// The URL of the prefix.
    base: String,
    requests: Requests<Credential>,
}

impl Container {
    pub(super) async fn copy(&self, copy: &Copy<'_>) -> opendal::Result<()> {
        let request = || {
            let request = self
                .request(Method::PUT, copy.to)
                .header("x-ms-copy-source", self.url(copy.from))
                .header("x-ms-source-if-match", &copy.source.0);
            let request = match copy.replaces {
                Some(pin) => request.header(IF_MATCH, &pin.0),
                None => request.header(IF_NONE_MATCH, "*"),
            };
            with_metadata(request, copy.attributes)
        };
        let told = self.requests.send(request, &Bytes::new()).await?;
        if copy_status(&told) == Some("success") || self.is_complete(copy.to).await? {
            return Ok(());
        }
        Err(opendal::Error::new(
            ErrorKind::Unexpected,
            "the store gave up a copy that it had begun",
        ))
    }

    pub(super) async fn is_complete(&self, path: &str) -> opendal::Result<bool> {
        let request = || self.request(Method::HEAD, path);
        let copied = async {
            loop {
                match copy_status(&self.requests.send(request, &Bytes::new()).await?) {
                    Some("pending") => tokio::time::sleep(COPY_POLL).await,
                    None | Some("success") => return Ok(true),
                    Some(_) => return Ok(false),
                }
            }
        };
        tokio::time::timeout(COPY_LIMIT, copied)
            .await
            .unwrap_or_else(|_| Err(opendal::Error::new(ErrorKind::Unexpected, "still copying")))
    }

    pub(super) async fn set_attributes(
        &self,
        path: &str,
        pin: &Pin,
        attributes: &Attributes,
    ) -> opendal::Result<()> {
        let request = || {
            let url = format!("{}?comp=metadata", self.url(path));
            let request = versioned(Request::put(url)).header(IF_MATCH, &pin.0);
            with_metadata(request, attributes)
        };
        self.requests.send(request, &Bytes::new()).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> request::Builder {
        versioned(Request::builder().method(method).uri(self.url(path)))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{}", self.base, percent_encode_path(path))
    }
}

fn versioned(request: request::Builder) -> request::Builder {
    request.header("x-ms-version", API_VERSION)
}

fn with_metadata(mut request: request::Builder, attributes: &Attributes) -> request::Builder {
    for (name, value) in &attributes.metadata {
        request = request.header(format!("x-ms-meta-{name}"), value);
    }
    request
}

fn copy_status(headers: &HeaderMap) -> Option<&str> {
    headers.get(COPY_STATUS)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_needed() {
        let place = |endpoint: Option<&str>, account: Option<&str>| CloudPlace {
            bucket: "landing".to_owned(),
            prefix: qm_core::name::Prefix::default(),
            endpoint: endpoint.map(str::to_owned),
            account: account.map(str::to_owned),
            credential: None,
        };
        for (place, key, expect) in [
            (place(None, Some("a")), Some("a2V5"), true),
            (place(None, Some("a")), None, true),
            (place(Some("https://store/a"), None), None, true),
            (place(Some("https://store/a"), None), Some("a2V5"), false),
            (place(None, None), None, false),
        ] {
            let opened = CloudBucket::azure(&place, key).map(|_| ());
            assert_eq!(opened.is_ok(), expect, "{place:?}");
        }
    }
}
