//! A bucket on S3: what the configuration has of one, but for what is the node's own.

use super::{Fields, LookedUpPlace};
use crate::Result;
use crate::config::{AwsAccess, S3Encryption, S3Place, service_url};
use crate::id::BucketName;
use crate::name::Prefix;
use std::collections::BTreeMap;

impl Fields {
    pub(super) fn bucket(&self) -> Result<LookedUpPlace> {
        if self.given("remote_dir").is_some() {
            // Left alone, the file would go where nobody means it to go.
            return Err(self.wrong(
                "remote_dir",
                "is for SFTP: write the folder into `url` or `remote_name`",
            ));
        }
        let (bucket, prefix) = self.url()?;
        let access = self.access()?;
        let is_foreign = access.endpoint.is_some();
        Ok(LookedUpPlace::Bucket {
            place: Box::new(S3Place {
                bucket,
                prefix,
                access,
                path_style: self.truth("path_style")?.unwrap_or(is_foreign),
                encryption: self.encryption()?,
                checksums: self.truth("checksums")?.unwrap_or(!is_foreign),
                tags: BTreeMap::new(),
            }),
            owner_full_control: self.owner_full_control()?,
        })
    }

    /// The bucket's name and the folder in it. Nothing but S3 is taken: least of all a folder of
    /// this machine.
    fn url(&self) -> Result<(String, Prefix)> {
        let url = self.text("url")?.ok_or_else(|| self.lacks("url"))?;
        let wrong = || {
            self.wrong(
                "url",
                "is not that of a bucket on S3: s3://, its name, perhaps `/` and a folder",
            )
        };
        let rest = url.strip_prefix("s3://").ok_or_else(wrong)?;
        let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
        let folder = folder.strip_suffix('/').unwrap_or(folder);
        let (Ok(name), Ok(prefix)) = (BucketName::parse(bucket), Prefix::parse(folder)) else {
            return Err(wrong());
        };
        Ok((name.as_str().to_owned(), prefix))
    }

    fn access(&self) -> Result<AwsAccess> {
        let owned = |name: &'static str| -> Result<Option<String>> {
            Ok(self.text(name)?.map(str::to_owned))
        };
        let endpoint = match self.text("endpoint")? {
            None => None,
            Some(url) => Some(
                service_url(url)
                    .ok_or_else(|| self.wrong("endpoint", "is not the URL of a service"))?
                    .to_owned(),
            ),
        };
        Ok(AwsAccess {
            endpoint,
            region: owned("region")?,
            // Profiles are the node's own.
            profile: None,
            role: owned("role")?,
            external_id: owned("external_id")?,
        })
    }

    fn encryption(&self) -> Result<S3Encryption> {
        let key_id = self.text("kms_key_id")?.map(str::to_owned);
        let way = self.text("server_side_encryption")?;
        match (way, key_id) {
            (None, None) => Ok(S3Encryption::BucketDefault),
            (Some("s3"), None) => Ok(S3Encryption::S3),
            (Some("kms"), key_id) => Ok(S3Encryption::Kms(key_id)),
            (None | Some("s3"), Some(_)) => Err(self.wrong(
                "kms_key_id",
                "is there, and `server_side_encryption` is not `kms`",
            )),
            (Some(_), _) => Err(self.wrong("server_side_encryption", "is neither `s3` nor `kms`")),
        }
    }

    fn owner_full_control(&self) -> Result<bool> {
        match self.text("acl")? {
            None => Ok(false),
            Some("bucket-owner-full-control") => Ok(true),
            Some(_) => Err(self.wrong("acl", "is not `bucket-owner-full-control`")),
        }
    }
}
