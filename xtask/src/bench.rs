//! Builds what is measured and hands over to the measuring program.

use anyhow::{Result, bail};

use crate::test::{install_gateway, install_rclone, install_servers};
use crate::workspace::{self, Workspace};

/// What was asked for.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Options {
    /// Over an S3 bucket beside rclone, not over folders beside OpenSSH.
    is_store: bool,
    /// Passed on to the measuring program.
    passed_on: Vec<String>,
    /// Without our server: shows that the harness works and what this machine gives.
    is_reference_only: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "front" => options.is_store = false,
                "store" => options.is_store = true,
                "--quick" => options.passed_on.push(argument.clone()),
                "--reference-only" => options.is_reference_only = true,
                other => bail!("unknown argument `{other}` of bench"),
            }
        }
        Ok(options)
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    install_servers()?;
    let mut bench = workspace.cargo();
    bench
        .args(["run", "--quiet", "--package", "qm-bench", "--", "--disk"])
        .arg(workspace.target.join("bench"))
        .args(&options.passed_on);
    if options.is_store {
        install_rclone()?;
        let gateway = install_gateway(&workspace.target)?;
        bench.args(["store", "--gateway"]).arg(gateway);
    }
    if !options.is_reference_only {
        workspace::run(
            workspace
                .cargo()
                .args(["build", "--release", "--package", "quaymaster"]),
        )?;
        bench.arg("--server").arg(workspace.release_binary());
    }
    workspace::run(&mut bench)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let parse = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            Options::parse(&words)
        };
        assert_eq!(parse("").unwrap(), Options::default());
        assert_eq!(parse("front").unwrap(), Options::default());
        assert_eq!(parse("front --quick").unwrap().passed_on, ["--quick"]);
        assert!(parse("store").unwrap().is_store);
        assert!(parse("--reference-only").unwrap().is_reference_only);
        assert!(parse("engine").is_err());
    }
}
