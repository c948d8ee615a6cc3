//! AWS as moto's server speaks it, over the wire.

use qm_core::config::AwsAccess;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Says on which port it listens, which the server itself only logs.
const PROGRAM: &str = "
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
server = make_server('127.0.0.1', 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
";

/// Ended when it is dropped.
pub(crate) struct Moto {
    process: Child,
    pub(crate) access: AwsAccess,
}

impl Moto {
    pub(crate) fn start() -> Self {
        let python = std::env::var_os("QM_TEST_PYTHON")
            .expect("QM_TEST_PYTHON does not name a Python that has moto: run `cargo xtask test`");
        let mut process = Command::new(python)
            .args(["-c", PROGRAM])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        Self {
            process,
            access: access(&format!("http://127.0.0.1:{}", port.trim())),
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a server on this machine is reached.
pub(crate) fn access(endpoint: &str) -> AwsAccess {
    AwsAccess {
        endpoint: Some(endpoint.to_owned()),
        region: Some("us-east-1".to_owned()),
        ..AwsAccess::default()
    }
}
