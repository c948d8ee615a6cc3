//! `quaymaster demo`: the whole thing at work in a temporary folder, nothing asked, nothing left.

mod mail_catcher;
mod show;
mod upload;

use anyhow::Context as _;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::cli::{configuration, serve};
use crate::node::{Durability, Node, NodeOptions};
use crate::system::SystemClock;
use qm_core::ports::clock::Clock as _;
use qm_sftp::HostKey;

/// How long after the node listens south's file is due: time to read what came before.
const DUE_AFTER: SignedDuration = SignedDuration::from_secs(6);
/// Begins what the node is told only once it listens.
const EXPECTED: &str = "# Both must upload every day";

#[derive(Args)]
pub(crate) struct DemoOptions {
    /// Port to listen on; a free one unless given
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// Two agencies: north uploads, south forgets.
struct Scene {
    folder: tempfile::TempDir,
}

pub(crate) async fn run(options: DemoOptions) -> anyhow::Result<()> {
    let scene = Scene {
        folder: tempfile::Builder::new()
            .prefix("quaymaster-demo-")
            .tempdir()
            .context("making a temporary folder")?,
    };
    println!(
        "Everything happens in {} and is removed at the end.\n",
        scene.path().display()
    );
    let (mail_address, mails) = mail_catcher::start().await?;
    scene.write_keys()?;
    let config_file = scene.write_config(options.port, mail_address, None)?;
    let config = configuration::load(&config_file)?.config;
    let node = Node::start(NodeOptions {
        config,
        durability: Durability::Full,
    })
    .await?;
    println!("1. The gateway listens on sftp://{}.", node.sftp_address());
    println!("   Agency north uploads report.csv over SFTP:");
    // However long the start took: a file that was due before it would not be missed.
    let due = SystemClock.now().saturating_add(DUE_AFTER)?;
    scene.write_config(options.port, mail_address, Some(due))?;
    let config = configuration::load(&config_file)?.config;
    configuration::record(node.ledger(), &config).await?;

    let show = tokio::spawn(show::run(node.ledger().clone(), mails, scene.share()));
    let csv = scene.csv()?;
    upload::run(
        &scene.key("north"),
        "north",
        node.sftp_address(),
        node.fingerprint(),
        &csv,
    )
    .await?;
    println!(
        "   Agency south must upload by {} UTC and does not.",
        due.strftime("%H:%M:%S")
    );
    invite(&scene, node.sftp_address(), &config_file);

    serve::stop_signal().await?;
    println!("\nStopping.");
    show.abort();
    node.stop().await?;
    let folder = scene.path().to_owned();
    scene
        .folder
        .close()
        .with_context(|| format!("removing {}", folder.display()))?;
    println!("Removed {}.", folder.display());
    Ok(())
}

fn invite(scene: &Scene, address: SocketAddr, config: &Path) {
    // Who builds it finds it nowhere else.
    let program = std::env::current_exe().unwrap_or_else(|_| "quaymaster".into());
    println!(
        "\nTry it yourself while this runs:\n\
         \n  sftp -P {} -i {} -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={} north@127.0.0.1\
         \n  {} status -c {}\n\
         \nCtrl-C ends it and removes everything.\n",
        address.port(),
        scene.key("north").display(),
        scene.path().join("known_hosts").display(),
        program.display(),
        config.display()
    );
}

impl Scene {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn key(&self, account: &str) -> PathBuf {
        self.path().join(format!("{account}.key"))
    }

    fn share(&self) -> PathBuf {
        self.path().join("share")
    }

    /// A key pair for each agency, as they would make it themselves.
    fn write_keys(&self) -> anyhow::Result<()> {
        for account in ["north", "south"] {
            let key = HostKey::generate().map_err(crate::cli::explain)?;
            let pem = key.to_pem().map_err(crate::cli::explain)?;
            crate::node::write_private(&self.key(account), pem.as_bytes())?;
            let public = format!(
                "{} {account}\n",
                key.public_line().map_err(crate::cli::explain)?
            );
            std::fs::write(self.path().join(format!("{account}.pub")), public)?;
        }
        std::fs::create_dir(self.share())?;
        Ok(())
    }

    /// Until there is a time, nothing is due.
    fn write_config(
        &self,
        port: u16,
        mail: SocketAddr,
        due: Option<Timestamp>,
    ) -> anyhow::Result<PathBuf> {
        let mut template = include_str!("quaymaster.toml");
        if due.is_none() {
            (template, _) = template.split_once(EXPECTED).context("what is expected")?;
        }
        let due = due.map(|due| due.strftime("%H:%M:%S").to_string());
        let public =
            |account: &str| std::fs::read_to_string(self.path().join(format!("{account}.pub")));
        let text = template
            .replace("NORTH_KEY", public("north")?.trim())
            .replace("SOUTH_KEY", public("south")?.trim())
            .replace("SFTP_PORT", &port.to_string())
            .replace("MAIL_PORT", &mail.port().to_string())
            .replace("DUE", &due.unwrap_or_default());
        let file = self.path().join("quaymaster.toml");
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        Ok(file)
    }

    fn csv(&self) -> anyhow::Result<PathBuf> {
        let file = self.path().join("report.csv");
        std::fs::write(
            &file,
            "id,date,amount\n1,2026-11-20,12.50\n2,2026-11-20,99.00\n",
        )?;
        Ok(file)
    }
}
