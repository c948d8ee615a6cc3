//! moto's server: it checks no signature and no checksum, but knows versions, encryption and
//! life-cycle rules.

use aws_sdk_s3::Client;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::world::somebody_else;

/// With what makes it answer as S3 does; the recipe's server reads the same.
const CORRECTED: &str = concat!(
    include_str!("../../../../../recipes/s3_corrected.py"),
    "\nimport sys\nfrom moto.server import main\n\nmain(sys.argv[1:])\n"
);

/// Ended when it is dropped.
pub(super) struct Moto {
    process: Child,
    pub(super) endpoint: String,
    /// What other people use.
    pub(super) client: Client,
}

impl Moto {
    pub(super) async fn start() -> Self {
        let python = std::env::var_os("QM_TEST_PYTHON")
            .expect("QM_TEST_PYTHON does not name a Python that has moto: run `cargo xtask test`");
        let mut process = Command::new(python)
            .args(["-c", CORRECTED, "-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let endpoint = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("Running on ")?.1.trim().to_owned()))
            .expect("moto did not start");
        // It stops when nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        let client = somebody_else(&endpoint).await;
        Self {
            process,
            endpoint,
            client,
        }
    }

    pub(super) async fn make_bucket(&self, name: &str) {
        self.client
            .create_bucket()
            .bucket(name)
            .send()
            .await
            .unwrap();
    }

    pub(super) async fn make_versioned_bucket(&self, name: &str) {
        use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
        self.make_bucket(name).await;
        let enabled = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        self.client
            .put_bucket_versioning()
            .bucket(name)
            .versioning_configuration(enabled)
            .send()
            .await
            .unwrap();
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
