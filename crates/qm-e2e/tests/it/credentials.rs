//! As whom S3 is asked: credentials from each place where AWS's own tools look for them, and the
//! role that is assumed with them. STS is moto's; the metadata of an instance is the test's own.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::clients::python;
use qm_e2e::{HttpProxy, Moto, World, binary, run};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use crate::support::Outcome;

const MAKE_BUCKET: &str = "
import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')
s3.create_bucket(Bucket='landing')
";
const ENVIRONMENT: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT"),
    ("AWS_SECRET_ACCESS_KEY", "secret"),
];
const PROFILES: &str = "
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key = secret
[landing]
aws_access_key_id = AKIDPROFILE
aws_secret_access_key = secret
";
const ROLE: &str = "arn:aws:iam::123456789012:role/landing";
/// What the instance gives whoever has its token.
const INSTANCE: &str = r#"{"Code":"Success","LastUpdated":"2026-11-20T00:00:00Z","Type":"AWS-HMAC",
"AccessKeyId":"AKIDINSTANCE","SecretAccessKey":"secret","Token":"session",
"Expiration":"2100-01-01T00:00:00Z"}"#;

/// Who signed requests to which service.
type Signers = BTreeSet<(String, String)>;

/// A bucket on S3 that a destination names, and what passes on the way to it.
struct Cloud {
    world: World,
    proxy: HttpProxy,
    _moto: Moto,
    _folder: tempfile::TempDir,
}

impl Cloud {
    /// With more lines in the bucket's table.
    fn start(lines: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let moto = Moto::start(folder.path())?;
        let mut make = python()?;
        make.args(["-c", MAKE_BUCKET, &moto.url()]);
        run(&mut make)?.ok()?;
        let proxy = HttpProxy::start(moto.address())?;
        let mut world = World::new()?;
        world
            .configuration
            .set("bucket.landing", r#"url = "s3://landing""#)
            .set("bucket.landing", r#"region = "us-east-1""#)
            .set("bucket.landing", &format!("endpoint = {:?}", proxy.url()))
            .set("destination.copy", r#"kind = "bucket""#)
            .set("destination.copy", r#"bucket = "landing""#);
        for line in lines {
            world.configuration.set("bucket.landing", line);
        }
        world.write_configuration()?;
        Ok(Self {
            world,
            proxy,
            _moto: moto,
            _folder: folder,
        })
    }

    /// Tries the bucket in this environment, with nothing of the test's own.
    fn signers(&self, environment: &[(&str, &str)]) -> Result<Signers> {
        let mut command = Command::new(binary()?);
        command
            .args(["destination", "test", "copy"])
            .env_clear()
            .env("HOME", self.world.path(""))
            .env("QUAYMASTER_CONFIG", self.world.configuration_file())
            .env("AWS_ENDPOINT_URL_STS", self.proxy.url())
            .envs(environment.iter().copied());
        run(&mut command)?.ok()?;
        let credentials = self.proxy.take_credentials();
        credentials.iter().map(|used| signer(used)).collect()
    }

    /// The access keys that STS gave.
    fn given(&self) -> Vec<String> {
        let answers = self.proxy.answers();
        let keys = answers.iter().filter_map(|answer| {
            let (_, rest) = answer.split_once("<AccessKeyId>")?;
            Some(rest.split_once('<')?.0.to_owned())
        });
        keys.collect()
    }

    /// Everything was asked of S3 by whoever has this access key.
    fn check(&self, environment: &[(&str, &str)], access_key: &str) -> Outcome {
        let found = self.signers(environment)?;
        let expected = Signers::from([pair("s3", access_key)]);
        ensure!(found == expected, "{found:?} instead of {expected:?}");
        Ok(())
    }

    fn write_profiles(&self) -> Outcome {
        let folder = self.world.path(".aws");
        fs::create_dir(&folder)?;
        fs::write(folder.join("credentials"), PROFILES)?;
        Ok(())
    }
}

fn pair(service: &str, access_key: &str) -> (String, String) {
    (service.to_owned(), access_key.to_owned())
}

/// Of `ACCESS-KEY/DATE/REGION/SERVICE/aws4_request`.
fn signer(credential: &str) -> Result<(String, String)> {
    let words: Vec<&str> = credential.split('/').collect();
    let [access_key, _, _, service, _] = words[..] else {
        anyhow::bail!("{credential}");
    };
    Ok(pair(service, access_key))
}

#[test]
fn foreign_credentials_of_the_environment_are_used() -> Outcome {
    let cloud = Cloud::start(&[])?;
    cloud.write_profiles()?;
    cloud.check(&ENVIRONMENT, "AKIDENVIRONMENT")
}

#[test]
fn foreign_credentials_of_a_profile_are_used() -> Outcome {
    let cloud = Cloud::start(&[])?;
    cloud.write_profiles()?;
    cloud.check(&[], "AKIDDEFAULT")?;
    cloud.check(&[("AWS_PROFILE", "landing")], "AKIDPROFILE")
}

#[test]
fn foreign_credentials_of_a_profile_that_the_bucket_names_go_before_the_environment() -> Outcome {
    let cloud = Cloud::start(&[r#"profile = "landing""#])?;
    cloud.write_profiles()?;
    cloud.check(&[], "AKIDPROFILE")?;
    cloud.check(&ENVIRONMENT, "AKIDPROFILE")
}

#[test]
fn foreign_credentials_of_an_instance_are_used() -> Outcome {
    let cloud = Cloud::start(&[])?;
    let instance = instance()?;
    let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.as_str())];
    cloud.check(&environment, "AKIDINSTANCE")
}

#[test]
fn foreign_credentials_of_a_web_identity_are_used() -> Outcome {
    let cloud = Cloud::start(&[])?;
    let token = cloud.world.path("token");
    fs::write(&token, "a token that the cluster signed")?;
    let token = token.to_str().context("our folders are text")?;
    let environment = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_ROLE_SESSION_NAME", "landing"),
    ];
    let found = cloud.signers(&environment)?;
    // What is asked of STS is not signed: the token says who asks.
    let given: Signers = cloud.given().iter().map(|key| pair("s3", key)).collect();
    ensure!(!given.is_empty() && found == given, "{found:?}, {given:?}");
    Ok(())
}

#[test]
fn foreign_a_role_is_assumed_with_the_credentials_that_are_found() -> Outcome {
    let role = format!("role = {ROLE:?}");
    let cloud = Cloud::start(&[&role, r#"external_id = "agreed upon""#])?;
    let found = cloud.signers(&ENVIRONMENT)?;
    let given = cloud.given();
    let (sts, s3): (Signers, Signers) = found.into_iter().partition(|(to, _)| to == "sts");
    assert_eq!(sts, Signers::from([pair("sts", "AKIDENVIRONMENT")]));
    let is_given = |(_, key): &(String, String)| given.contains(key);
    ensure!(
        !s3.is_empty() && s3.iter().all(is_given),
        "{s3:?}, {given:?}"
    );
    Ok(())
}

/// The metadata service of an instance that has a role; ends with the process.
fn instance() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // Whoever hangs up has its answer or does not want it.
            let _ = tell(&client);
        }
    });
    Ok(url)
}

fn tell(mut client: &TcpStream) -> Outcome {
    let mut head = String::new();
    let mut from = BufReader::new(client);
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let head = head.to_ascii_lowercase();
    let has_token = head.contains("\r\nx-aws-ec2-metadata-token: of-the-instance\r\n");
    let asked = head.split(" http/").next().unwrap_or_default();
    let (status, body) = match asked {
        "put /latest/api/token" => ("200 OK", "of-the-instance"),
        "get /latest/meta-data/iam/security-credentials/" if has_token => ("200 OK", "landing"),
        "get /latest/meta-data/iam/security-credentials/landing" if has_token => {
            ("200 OK", INSTANCE)
        }
        _ if has_token => ("404 Not Found", ""),
        _ => ("401 Unauthorized", ""),
    };
    write!(
        client,
        "HTTP/1.1 {status}\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}
