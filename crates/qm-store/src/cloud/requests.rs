//! Requests that the client library does not make, signed by its signer and sent by its transport.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, StatusCode, request};
use opendal::{Buffer, ErrorKind, HttpTransporter, Operator, Result};
use reqsign_core::{Context, Env as _, OsEnv, ProvideCredentialChain, SignRequest, Signer};
use reqsign_core::{SigningCredential, StaticEnv};
use reqsign_file_read_tokio::TokioFileRead;

use super::store::{CONTROL_LIMIT, FIRST_PAUSE, RETRIES};

pub(super) struct Requests<C: SigningCredential> {
    /// `None` for a store that asks nobody who he is.
    signer: Option<Signer<C>>,
    transport: HttpTransporter,
}

impl<C: SigningCredential> Requests<C> {
    /// `settings` are what the signer reads besides the environment.
    pub(super) fn new(
        operator: &Operator,
        credentials: Option<ProvideCredentialChain<C>>,
        signer: impl SignRequest<Credential = C>,
        settings: &[(&str, &str)],
    ) -> Self {
        let transport = operator.context().http_transport().clone();
        let mut envs = OsEnv.vars();
        for (name, value) in settings {
            envs.insert((*name).to_owned(), (*value).to_owned());
        }
        let context = Context::new()
            .with_file_read(TokioFileRead)
            .with_env(StaticEnv {
                home_dir: OsEnv.home_dir(),
                envs,
            })
            .with_http_send(transport.clone());
        Self {
            signer: credentials.map(|credentials| Signer::new(context, credentials, signer)),
            transport,
        }
    }

    /// Sends until there is an answer that trying again would not change; its headers.
    pub(super) async fn send(
        &self,
        request: impl Fn() -> request::Builder,
        body: &Bytes,
    ) -> Result<HeaderMap> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..RETRIES {
            match self.send_once(request(), body.clone()).await {
                Err(error) if error.is_temporary() => tokio::time::sleep(pause).await,
                result => return result,
            }
            pause *= 2;
        }
        self.send_once(request(), body.clone()).await
    }

    async fn send_once(&self, request: request::Builder, body: Bytes) -> Result<HeaderMap> {
        let request = request
            .header(CONTENT_LENGTH, body.len())
            .body(Buffer::from(body))
            .map_err(|error| failure("a request cannot be built", error))?;
        let (mut parts, body) = request.into_parts();
        if let Some(signer) = &self.signer {
            let signed = signer.sign(&mut parts, None).await;
            signed.map_err(|error| failure("a request cannot be signed", error))?;
        }
        let sent = self.transport.send(Request::from_parts(parts, body));
        let answer = tokio::time::timeout(CONTROL_LIMIT, sent)
            .await
            .map_err(|error| failure("the store does not answer", error).set_temporary())??;
        if answer.status().is_success() {
            return Ok(answer.into_parts().0.headers);
        }
        let text = String::from_utf8_lossy(&answer.body().to_bytes()).into_owned();
        Err(refusal(answer.status(), &text))
    }
}

fn failure(
    sentence: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> opendal::Error {
    opendal::Error::new(ErrorKind::Unexpected, sentence).set_source(source)
}

fn refusal(status: StatusCode, text: &str) -> opendal::Error {
    let kind = match status {
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::PermissionDenied,
        // 409: it exists already, or another copy to it is under way.
        StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => ErrorKind::ConditionNotMatch,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
        _ => ErrorKind::Unexpected,
    };
    let error = opendal::Error::new(kind, format!("{status}: {text}"));
    if status.is_server_error() || kind == ErrorKind::RateLimited {
        return error.set_temporary();
    }
    error
}
