//! One upload over real SFTP: by the machine's own `sftp` if it has one, else by ours.

use anyhow::{Context as _, bail};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

/// Uploads the file into the account's root.
pub(super) async fn run(
    key: &Path,
    user: &str,
    address: SocketAddr,
    host: &str,
    file: &Path,
) -> anyhow::Result<()> {
    match with_openssh(key, user, address, file).await {
        Err(error)
            if error
                .downcast_ref::<std::io::Error>()
                .is_some_and(is_missing) =>
        {
            println!("   (this machine has no sftp client; Quaymaster's own is used)");
            with_ours(key, user, address, host, file).await
        }
        result => result,
    }
}

fn is_missing(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

async fn with_openssh(
    key: &Path,
    user: &str,
    address: SocketAddr,
    file: &Path,
) -> anyhow::Result<()> {
    let folder = file.parent().context("the file has a folder")?;
    let known_hosts = format!(
        "UserKnownHostsFile={}",
        folder.join("known_hosts").display()
    );
    let batch = folder.join("upload.batch");
    std::fs::write(&batch, format!("put {}\nls -l\n", file.display()))?;
    let output = Command::new("sftp")
        .args([
            "-q",
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=accept-new",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
        ])
        .arg(known_hosts)
        .arg("-i")
        .arg(key)
        .args(["-P", &address.port().to_string(), "-b"])
        .arg(&batch)
        .arg(format!("{user}@{}", address.ip()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        println!("     {line}");
    }
    if !output.status.success() {
        bail!(
            "sftp failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

async fn with_ours(
    key: &Path,
    user: &str,
    address: SocketAddr,
    host: &str,
    file: &Path,
) -> anyhow::Result<()> {
    let pem = std::fs::read_to_string(key)?;
    let key = qm_sftp::HostKey::parse(&pem).map_err(crate::cli::explain)?;
    let name = file
        .file_name()
        .context("the file has a name")?
        .to_string_lossy();
    let content = std::fs::read(file)?;
    qm_sftp::client::put(address, user, key, host, &name, &content)
        .await
        .map_err(crate::cli::explain)?;
    println!("     put {name}");
    Ok(())
}
