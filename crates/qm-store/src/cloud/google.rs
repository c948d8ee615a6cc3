//! Tokens of a Google service account. The client library would ask for one with every request,
//! and would sign with the private key in Rust code that leaks its timing.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::header::CONTENT_TYPE;
use reqsign_core::time::Timestamp;
use reqsign_core::{Context, ProvideCredential, ProvideCredentialChain};
use reqsign_google::{Credential, StaticCredentialProvider, Token};
use serde::Deserialize;
use std::fmt;
use std::time::Duration;

use qm_core::{Error, Kind, Result};

pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// As long as Google allows.
const ASSERTION_LIFE: Duration = Duration::from_hours(1);
/// In two halves: `tidy` finds no key here, because none is.
const PEM_BEGIN: &str = concat!("-----BEGIN PRIVATE", " KEY-----");
const PEM_END: &str = concat!("-----END PRIVATE", " KEY-----");

/// The chain with what the JSON of a credential stands for.
pub(super) fn with_credential(
    chain: ProvideCredentialChain<Credential>,
    credential: &str,
) -> Result<ProvideCredentialChain<Credential>> {
    let kind: CredentialKind =
        serde_json::from_str(credential).map_err(|error| not_json(&error))?;
    Ok(match kind.kind.as_str() {
        "service_account" => chain.push(ServiceAccount::parse(credential)?),
        _ => chain.push(StaticCredentialProvider::new(credential).with_scope(SCOPE)),
    })
}

#[derive(Deserialize)]
struct CredentialKind {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct ServiceAccountFile {
    client_email: String,
    private_key: String,
    token_uri: Option<String>,
}

struct ServiceAccount {
    email: String,
    private_key: RsaKeyPair,
    token_uri: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<u64>,
}

impl ServiceAccount {
    fn parse(text: &str) -> Result<Self> {
        let file: ServiceAccountFile =
            serde_json::from_str(text).map_err(|error| not_json(&error))?;
        let encoded: Option<String> = file
            .private_key
            .trim()
            .strip_prefix(PEM_BEGIN)
            .and_then(|key| key.strip_suffix(PEM_END))
            .map(|key| key.split_whitespace().collect());
        let private_key = encoded
            .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
            .and_then(|der| RsaKeyPair::from_pkcs8(&der).ok())
            .ok_or_else(|| {
                Error::new(
                    Kind::Invalid,
                    "the private key of the Google service account cannot be read",
                )
            })?;
        Ok(Self {
            email: file.client_email,
            private_key,
            token_uri: file.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned()),
        })
    }

    /// What Google gives a token for: a JSON Web Token signed by the account.
    fn assertion(&self, now: Timestamp) -> reqsign_core::Result<String> {
        let issued = now.as_second();
        let life = i64::try_from(ASSERTION_LIFE.as_secs()).unwrap_or_default();
        let header = serde_json::json!({"alg": "RS256", "typ": "JWT"});
        let claims = serde_json::json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": issued,
            "exp": issued + life,
        });
        let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
        let signed = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let mut signature = vec![0; self.private_key.public_modulus_len()];
        self.private_key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| failure("the service account cannot sign"))?;
        Ok(format!("{signed}.{}", encode(&signature)))
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

impl ProvideCredential for ServiceAccount {
    type Credential = Credential;

    async fn provide_credential(
        &self,
        context: &Context,
    ) -> reqsign_core::Result<Option<Credential>> {
        let now = Timestamp::now();
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
            self.assertion(now)?
        );
        let request = http::Request::post(&self.token_uri)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into())
            .map_err(|error| failure("the token address is no URL").with_source(error))?;
        let answer = context.http_send(request).await?;
        if !answer.status().is_success() {
            return Err(failure("Google gives no token for the service account")
                .with_context(format!("status: {}", answer.status()))
                .set_retryable(answer.status().is_server_error()));
        }
        let answer: TokenAnswer = serde_json::from_slice(answer.body())
            .map_err(|error| failure("the token cannot be read").with_source(error))?;
        let life = answer.expires_in.map(Duration::from_secs);
        Ok(Some(Credential::with_token(Token {
            access_token: answer.access_token,
            expires_at: life.map(|life| now + life),
        })))
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    Error::new(
        Kind::Invalid,
        "the credential of a Google bucket is not the JSON that Google gives out",
    )
    // Its text tells a place, never what stands there.
    .with("line", error.line())
    .with("column", error.column())
}

fn failure(sentence: &'static str) -> reqsign_core::Error {
    reqsign_core::Error::credential_invalid(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use bytes::Bytes;
    use parking_lot::Mutex;
    use std::sync::Arc;

    /// Answers as Google's token server does and keeps what was asked.
    #[derive(Clone, Debug, Default)]
    struct TokenServer(Arc<Mutex<Vec<Bytes>>>);

    impl reqsign_core::HttpSend for TokenServer {
        async fn http_send(
            &self,
            request: http::Request<Bytes>,
        ) -> reqsign_core::Result<http::Response<Bytes>> {
            self.0.lock().push(request.into_body());
            let answer = r#"{"access_token":"token-1","expires_in":3599,"token_type":"Bearer"}"#;
            Ok(http::Response::new(Bytes::from_static(answer.as_bytes())))
        }
    }

    fn credential(private_key: &str) -> String {
        serde_json::json!({
            "type": "service_account",
            "client_email": "gateway@example.iam.gserviceaccount.com",
            "private_key": private_key,
        })
        .to_string()
    }

    fn some_key() -> (KeyPair, String) {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
        let text = BASE64_STANDARD.encode(der.as_ref());
        (key, format!("{PEM_BEGIN}\n{text}\n{PEM_END}\n"))
    }

    #[tokio::test]
    async fn a_token_is_asked_for_with_a_signed_assertion() {
        let (key, pem) = some_key();
        let account = ServiceAccount::parse(&credential(&pem)).unwrap();
        let server = TokenServer::default();
        let context = Context::new().with_http_send(server.clone());
        let given = account.provide_credential(&context).await.unwrap().unwrap();
        assert!(given.has_valid_token());
        assert_eq!(given.token.unwrap().access_token, "token-1");

        let asked = server.0.lock().pop().unwrap();
        let asked = std::str::from_utf8(&asked).unwrap();
        let (_, assertion) = asked.split_once("&assertion=").unwrap();
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref())
            .verify(signed.as_bytes(), &signature)
            .unwrap();
        let (_, claims) = signed.split_once('.').unwrap();
        let claims: serde_json::Value =
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!(claims["iss"], "gateway@example.iam.gserviceaccount.com");
        assert_eq!(claims["aud"], TOKEN_URI);
        assert_eq!(claims["scope"], SCOPE);
    }

    #[test]
    fn what_is_no_credential_is_refused_without_being_repeated() {
        for text in [
            "canary",
            r#"{"type":"service_account","client_email":"e"}"#,
            &credential("canary"),
            &credential(&format!("{PEM_BEGIN}canary{PEM_END}")),
        ] {
            let refused = with_credential(ProvideCredentialChain::new(), text).unwrap_err();
            assert_eq!(refused.kind(), Kind::Invalid);
            assert!(!format!("{refused:?}").contains("canary"), "{refused:?}");
        }
        let (_, pem) = some_key();
        let account = ServiceAccount::parse(&credential(&pem)).unwrap();
        let shown = format!("{account:?}");
        assert!(!shown.contains(pem.lines().nth(1).unwrap()), "{shown}");
    }
}
