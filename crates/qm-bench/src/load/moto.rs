//! moto as Amazon DynamoDB, which counts what it is asked.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Says where it listens; answers `/counts` itself, a line an operation.
const PROGRAM: &str = "
import collections, sys, threading
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
counts, lock = collections.Counter(), threading.Lock()
inner = DomainDispatcherApplication(create_backend_app)
def counted(environ, start_response):
    if environ['PATH_INFO'] == '/counts':
        body = ''.join(f'{name} {count}\\n' for name, count in counts.items()).encode()
        start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
        return [body]
    with lock:
        counts[environ.get('HTTP_X_AMZ_TARGET', 'none').rsplit('.', 1)[-1]] += 1
    return inner(environ, start_response)
server = make_server('127.0.0.1', 0, counted, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
";

/// It ends with this value.
pub(super) struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    pub(super) fn start(python: &Path) -> Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", PROGRAM])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting moto")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("moto's port")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let Ok(port) = line.trim().parse() else {
            crate::server::stop(&mut child);
            bail!("moto did not start");
        };
        Ok(Self { child, port })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How often each operation was asked for so far.
    pub(super) fn counts(&self) -> Result<BTreeMap<String, u64>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(b"GET /counts HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .context("no answer of moto's")?;
        body.lines()
            .map(|line| {
                let (name, count) = line.split_once(' ').context("a count of moto's")?;
                Ok((name.to_owned(), count.parse()?))
            })
            .collect()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        crate::server::stop(&mut self.child);
    }
}
