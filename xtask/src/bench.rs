//! Builds what is measured and hands over to the measuring program.

use anyhow::{Context, Result, bail};

use crate::measured::Measured;
use crate::test::{
    install_database, install_gateway, install_python, install_rclone, install_servers,
    install_sqlite,
};
use crate::workspace::{self, Workspace};

/// What is measured.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Subject {
    /// Over folders beside OpenSSH.
    #[default]
    Front,
    /// Over an S3 bucket beside rclone.
    Store,
    /// What goes out, beside OpenSSH's `sftp`.
    Deliver,
    /// What goes into tables, beside each database's own tool.
    Load,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Store => "store",
            Self::Deliver => "deliver",
            Self::Load => "load",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Front => "The SFTP front, beside OpenSSH",
            Self::Store => "The SFTP front over an S3 bucket, beside rclone",
            Self::Deliver => "Deliveries, beside OpenSSH's sftp",
            Self::Load => "Loads into tables, beside each database's own tool",
        }
    }
}

/// What was asked for.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Options {
    subject: Subject,
    /// Passed on to the measuring program.
    passed_on: Vec<String>,
    /// Without our server: shows that the harness works and what this machine gives.
    is_reference_only: bool,
    /// Keep the table.
    is_recorded: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "front" => options.subject = Subject::Front,
                "store" => options.subject = Subject::Store,
                "deliver" => options.subject = Subject::Deliver,
                "load" => options.subject = Subject::Load,
                "--quick" => options.passed_on.push(argument.clone()),
                "--only" => {
                    let part = rest.next().context("`--only` needs a part of a name")?;
                    options.passed_on.extend([argument.clone(), part.clone()]);
                }
                "--reference-only" => options.is_reference_only = true,
                "--record" => options.is_recorded = true,
                other => bail!("unknown argument `{other}` of bench"),
            }
        }
        Ok(options)
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut bench = workspace.cargo();
    bench.args(["run", "--quiet", "--package", "qm-bench"]);
    match options.subject {
        Subject::Front | Subject::Store | Subject::Deliver => install_servers()?,
        // It reads rows itself, and is measured.
        Subject::Load => {
            bench.arg("--release");
        }
    }
    bench.arg("--").arg(options.subject.name());
    match options.subject {
        Subject::Front => {}
        Subject::Store => install_rclone()?,
        Subject::Deliver => install_database()?,
        Subject::Load => {
            install_database()?;
            install_sqlite()?;
            let python = install_python(&workspace.target)?;
            bench.arg("--python").arg(python);
        }
    }
    match options.subject {
        Subject::Front | Subject::Load => {}
        Subject::Store | Subject::Deliver => {
            let gateway = install_gateway(&workspace.target)?;
            bench.arg("--gateway").arg(gateway);
        }
    }
    bench
        .arg("--disk")
        .arg(workspace.target.join("bench"))
        .args(&options.passed_on);
    if !options.is_reference_only {
        workspace::run(
            workspace
                .cargo()
                .args(["build", "--release", "--package", "quaymaster"]),
        )?;
        bench.arg("--server").arg(workspace.release_binary());
    }
    let text = workspace::told(&mut bench)?;
    if options.is_recorded {
        let name = options.subject.name();
        let measured = Measured {
            name,
            title: options.subject.title(),
            command: &format!("cargo xtask bench {name} --record"),
            text: &text,
        };
        measured.write(workspace)?;
    }
    Ok(())
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
        assert_eq!(parse("--only bulk").unwrap().passed_on, ["--only", "bulk"]);
        assert!(parse("--only").is_err());
        assert_eq!(parse("store").unwrap().subject, Subject::Store);
        assert_eq!(parse("deliver").unwrap().subject, Subject::Deliver);
        assert_eq!(parse("load").unwrap().subject, Subject::Load);
        assert!(parse("--reference-only").unwrap().is_reference_only);
        assert!(parse("load --record").unwrap().is_recorded);
        assert!(parse("engine").is_err());
    }
}
