//! Two implementations of DynamoDB in processes of their own: moto, and dynalite. They differ in what
//! they are strict about, so what passes on both does not lean on either.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// It takes no port 0 from its command line.
const DYNALITE: &str = "
const dynalite = require(process.argv[1])({ createTableMs: 0, deleteTableMs: 0 });
dynalite.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${dynalite.address().port}`));
";

/// Ended when it is dropped.
pub(super) struct Server {
    process: Child,
    pub(super) endpoint: String,
}

impl Server {
    pub(super) fn moto() -> Self {
        let mut process = Command::new(peer(std::env::var_os("QM_TEST_PYTHON")))
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let says = process.stderr.take().unwrap();
        Self {
            process,
            endpoint: listens(says),
        }
    }

    pub(super) fn dynalite() -> Self {
        let mut process = Command::new(peer(std::env::var_os("QM_TEST_NODE")))
            .args(["-e", DYNALITE])
            .arg(peer(std::env::var_os("QM_TEST_DYNALITE")))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let says = process.stdout.take().unwrap();
        Self {
            process,
            endpoint: listens(says),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn peer(told: Option<std::ffi::OsString>) -> std::ffi::OsString {
    told.expect("a peer is not installed: run `cargo xtask test`")
}

fn listens(says: impl Read + Send + 'static) -> String {
    let mut lines = BufReader::new(says).lines();
    let endpoint = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            Some(
                line.get(line.find("http://127.0.0.1:")?..)?
                    .trim()
                    .to_owned(),
            )
        })
        .expect("the server did not start");
    // It stops when nobody reads what it says.
    std::thread::spawn(move || lines.for_each(drop));
    endpoint
}
