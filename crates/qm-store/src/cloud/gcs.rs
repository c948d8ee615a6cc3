//! Google Cloud Storage, `gs://`: through its JSON interface.

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use opendal::options::{ComposeOptions, ComposeSourceOptions};
use opendal::raw::percent_encode_path;
use opendal::{Operator, services};
use reqsign_core::ProvideCredentialChain;
use reqsign_google::{Credential, DefaultCredentialProvider, RequestSigner};

use super::CloudBucket;
use super::errors::store_error;
use super::google::{self, SCOPE};
use super::metadata::Attributes;
use super::requests::Requests;
use super::store::{Copy, Flavour, Pin, Store};
use qm_core::config::CloudPlace;
use qm_core::{Error, Kind, Result};

const ENDPOINT: &str = "https://storage.googleapis.com";

impl CloudBucket {
    /// A bucket of Google Cloud Storage. `credential` is the JSON of a service account (or of what
    /// else Google's own tools take); without one it is that of the environment or the machine. A
    /// token is a password: an endpoint without TLS is asked without any, as emulators are.
    pub fn gcs(place: &CloudPlace, credential: Option<&str>) -> Result<Self> {
        let endpoint = place.endpoint.as_deref().unwrap_or(ENDPOINT);
        let endpoint = endpoint.trim_end_matches('/');
        let is_plain = endpoint.starts_with("http://");
        if is_plain && credential.is_some() {
            return Err(Error::new(
                Kind::Refused,
                "a credential is not sent to an endpoint without TLS",
            )
            .help("write the endpoint with `https://`, or leave out the credential"));
        }
        let credentials = || {
            let chain = ProvideCredentialChain::new();
            Ok(match credential {
                Some(credential) => google::with_credential(chain, credential)?,
                None => chain.push(DefaultCredentialProvider::new()),
            })
        };
        let builder = services::Gcs::default()
            .bucket(&place.bucket)
            .root(place.prefix.as_str())
            .endpoint(endpoint);
        // The credential and no other: one that does not work must not become the machine's.
        let builder = match credential {
            _ if is_plain => builder.skip_signature(),
            Some(_) => builder
                .credential_provider_chain(credentials()?)
                .disable_config_load()
                .disable_vm_metadata(),
            None => builder,
        };
        opendal::install_default();
        let operator = Operator::new(builder).map_err(store_error("open a bucket"))?;
        let objects = Objects {
            base: format!("{endpoint}/storage/v1/b/{}/o/", place.bucket),
            root: match place.prefix.as_str() {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
            requests: Requests::new(
                &operator,
                (!is_plain).then(credentials).transpose()?,
                RequestSigner::new("storage").with_scope(SCOPE),
                &[("GOOGLE_SCOPE", SCOPE)],
            ),
        };
        Ok(Self::on(Store::new(operator, Flavour::Google(objects))))
    }
}

/// The objects of a bucket, from its prefix on.
pub(super) struct Objects {
    base: String,
    root: String,
    requests: Requests<Credential>,
}

impl Objects {
    pub(super) async fn set_attributes(
        &self,
        path: &str,
        pin: &Pin,
        attributes: &Attributes,
    ) -> opendal::Result<()> {
        let name = percent_encode_path(&format!("{}{path}", self.root)).replace('/', "%2F");
        let url = format!("{}{name}?ifGenerationMatch={}", self.base, pin.0);
        let request = || Request::patch(&url).header(CONTENT_TYPE, "application/json");
        let body = serde_json::json!({
            "contentType": attributes.content_type,
            "metadata": attributes.metadata,
        });
        let body = Bytes::from(body.to_string());
        self.requests.send(request, &body).await.map(drop)
    }
}

/// Composing an object of one part moves no bytes, whatever their size, and is the one copy that
/// takes new metadata.
pub(super) async fn copy(operator: &Operator, copy: &Copy<'_>) -> opendal::Result<()> {
    let source = ComposeSourceOptions {
        version: Some(copy.source.0.clone()),
        ..ComposeSourceOptions::default()
    };
    let options = ComposeOptions {
        content_type: copy.attributes.content_type.clone(),
        user_metadata: Some(copy.attributes.metadata.clone()),
        if_not_exists: copy.replaces.is_none(),
        if_version_match: copy.replaces.map(|pin| pin.0.clone()),
        ..ComposeOptions::default()
    };
    operator
        .compose_options([(copy.from, source)], copy.to, options)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_not_sent_in_clear() {
        let place = |endpoint: &str| CloudPlace {
            bucket: "landing".to_owned(),
            prefix: qm_core::name::Prefix::default(),
            endpoint: Some(endpoint.to_owned()),
            account: None,
            credential: None,
        };
        let user =
            r#"{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"t"}"#;
        let refused = CloudBucket::gcs(&place("http://store"), Some(user)).map(|_| ());
        assert_eq!(refused.unwrap_err().kind(), Kind::Refused);
        assert!(CloudBucket::gcs(&place("http://store"), None).is_ok());
        assert!(CloudBucket::gcs(&place("https://store"), Some(user)).is_ok());
    }
}
