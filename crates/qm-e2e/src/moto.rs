//! AWS as moto's server speaks it, over the wire.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use crate::clients::python;
use crate::process::Background;

/// With what makes it answer as S3 does; then it says on which port it listens, which the server
/// itself only logs.
const PROGRAM: &str = concat!(
    include_str!("../../../recipes/s3_corrected.py"),
    "
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print('listening on', server.server_port, flush=True)
server.serve_forever()
"
);
/// moto reads the service from the credential's scope and believes it.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/kms/aws4_request, \
                             SignedHeaders=host, Signature=0";

/// A server that speaks S3, KMS, SQS and others.
#[derive(Debug)]
pub struct Moto {
    address: SocketAddr,
    _process: Background,
}

impl Moto {
    /// On a free port; what it prints goes to `folder`.
    pub fn start(folder: &Path) -> Result<Self> {
        let mut command = python()?;
        command.args(["-c", PROGRAM]);
        let mut process = Background::start(&mut command, folder, "moto")?;
        let port: u16 = process.wait_for("moto listens", |said| {
            let (_, rest) = said.split_once("listening on ")?;
            rest.split_once('\n')?.0.parse().ok()
        })?;
        Ok(Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            _process: process,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Calls KMS as an administrator would, by the name of the operation.
    pub fn kms(&self, operation: &str, request: &Value) -> Result<Value> {
        let body = request.to_string();
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: kms.us-east-1.amazonaws.com\r\nConnection: close\r\n\
             Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: TrentService.{operation}\r\n\
             Authorization: {AUTHORIZATION}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .context("moto gave no answer")?;
        ensure!(head.contains(" 200 "), "{operation}: {answer}");
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(body).with_context(|| format!("{operation}: {body}"))
    }
}
