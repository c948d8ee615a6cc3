//! versitygw: an S3 server over a folder, and a third implementation beside s3s and moto. It checks
//! signatures, as S3 does.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

use super::world::{ACCESS_KEY, SECRET_KEY};

const START_LIMIT: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(20);

/// Ended when it is dropped.
pub(super) struct Gateway {
    process: Child,
    pub(super) endpoint: String,
    _folder: TempDir,
}

impl Gateway {
    /// With one empty bucket.
    pub(super) async fn start(bucket: &str) -> Self {
        let program = std::env::var_os("QM_TEST_VERSITYGW")
            .expect("QM_TEST_VERSITYGW does not name an S3 server: run `cargo xtask test`");
        let folder = tempfile::tempdir().unwrap();
        let (objects, metadata) = (
            folder.path().join("objects"),
            folder.path().join("metadata"),
        );
        std::fs::create_dir_all(objects.join(bucket)).unwrap();
        std::fs::create_dir(&metadata).unwrap();
        // It cannot be asked for any free port, so it gets one that was free a moment ago.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let process = Command::new(program)
            .args([
                "--quiet",
                "--port",
                &address.to_string(),
                "posix",
                "--sidecar",
            ])
            .arg(&metadata)
            .arg(&objects)
            .env("ROOT_ACCESS_KEY_ID", ACCESS_KEY)
            .env("ROOT_SECRET_ACCESS_KEY", SECRET_KEY)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut gateway = Self {
            process,
            endpoint: format!("http://{address}"),
            _folder: folder,
        };
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            let ended = gateway.process.try_wait().unwrap();
            assert_eq!(ended, None, "the S3 server ended");
            assert!(Instant::now() < deadline, "the S3 server did not come up");
            tokio::time::sleep(PAUSE).await;
        }
        gateway
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
