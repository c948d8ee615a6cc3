//! A key of AWS KMS. KMS makes an intermediate key; data keys are wrapped by it here, so that a
//! thousand small files are one call and not a thousand. It is used again until its time or its
//! number of uses is over; its ciphertext lies in each envelope.

mod faults;
mod opened;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use jiff::Timestamp;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use super::material::Material;
use super::wrap::{self, Binding};
use faults::fault;
use opened::{Lifetime, Opened};
use qm_core::config::AwsAccess;
use qm_core::id::{EncryptionKeyName, VersionId};
use qm_core::ports::clock::Clock;
use qm_core::ports::encryption::{DataKey, Envelope};
use qm_core::{Error, Kind, Result};

/// Bytes whose intermediate key leaked are at most those of so many versions.
const USES_MAX: u32 = 10_000;
/// KMS counts its generations itself; in an envelope there is one.
const GENERATION: u32 = 1;
/// Shown in the key's policy and in the trail of KMS; a ciphertext of one name opens under no other.
const CONTEXT: &str = "quaymaster-encryption-key";
/// KMS answers within milliseconds; an upload must not wait for one that does not.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// All repetitions together.
const CALLS_TIMEOUT: Duration = Duration::from_secs(20);

/// A key of AWS KMS.
pub(super) struct KmsKey {
    name: EncryptionKeyName,
    key_id: String,
    access: AwsAccess,
    cache: Duration,
    clock: Arc<dyn Clock>,
    client: OnceCell<Client>,
    /// Not held while KMS makes one: uploads must not wait in a row for a KMS that does not answer.
    current: Mutex<Option<Current>>,
    opened: Mutex<Opened>,
}

/// The intermediate key in use.
struct Current {
    intermediate: Arc<Intermediate>,
    wrapping: Vec<u8>,
    lifetime: Lifetime,
    uses: u32,
}

/// A key that wraps data keys, made by KMS.
struct Intermediate {
    material: Material,
    origin: Origin,
}

/// Which key of KMS, and which of its rotations.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Origin {
    key: Option<String>,
    material: Option<String>,
}

impl KmsKey {
    pub(super) fn new(
        name: EncryptionKeyName,
        key_id: String,
        access: AwsAccess,
        cache: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            name,
            key_id,
            access,
            cache,
            clock,
            client: OnceCell::new(),
            current: Mutex::default(),
            opened: Mutex::default(),
        }
    }

    /// True if it is the key with these settings.
    pub(super) fn is(&self, key_id: &str, access: &AwsAccess, cache: Duration) -> bool {
        self.key_id == key_id && self.access == *access && self.cache == cache
    }

    pub(super) async fn wrap(&self, version: VersionId, key: &DataKey) -> Result<Envelope> {
        let (intermediate, wrapping) = self.current().await?;
        let binding = Binding {
            version,
            encryption_key: &self.name,
            generation: GENERATION,
        };
        Ok(Envelope {
            version,
            encryption_key: self.name.clone(),
            generation: GENERATION,
            data_key: wrap::wrap(&intermediate.material, binding, key)?,
            wrapping,
        })
    }

    pub(super) async fn open(&self, envelope: &Envelope) -> Result<DataKey> {
        let intermediate = self.intermediate(envelope).await?;
        let binding = Binding::of(envelope);
        wrap::unwrap(&intermediate.material, binding, &envelope.data_key)
    }

    /// True if the envelope is under the same key of KMS, and the same rotation of it, as a new one.
    pub(super) async fn is_newest(&self, envelope: &Envelope) -> Result<bool> {
        let of_envelope = self.intermediate(envelope).await?;
        let (newest, _) = self.current().await?;
        Ok(of_envelope.origin == newest.origin)
    }

    /// Intermediate keys whose time is over must not stay in memory.
    pub(super) fn forget_expired(&self) {
        let now = self.clock.now();
        self.opened.lock().forget_expired(now);
        self.current
            .lock()
            .take_if(|current| !current.lifetime.contains(now));
    }

    /// The intermediate key for new data keys, and its ciphertext.
    async fn current(&self) -> Result<(Arc<Intermediate>, Vec<u8>)> {
        let now = self.clock.now();
        if let Some(found) = self.use_current(now) {
            return Ok(found);
        }
        let (intermediate, wrapping) = self.generate().await?;
        let lifetime = Lifetime::of(now, self.cache);
        self.opened
            .lock()
            .insert(&wrapping, Arc::clone(&intermediate), lifetime);
        *self.current.lock() = Some(Current {
            intermediate: Arc::clone(&intermediate),
            wrapping: wrapping.clone(),
            lifetime,
            uses: 1,
        });
        Ok((intermediate, wrapping))
    }

    fn use_current(&self, now: Timestamp) -> Option<(Arc<Intermediate>, Vec<u8>)> {
        let mut current = self.current.lock();
        current.take_if(|current| current.uses >= USES_MAX || !current.lifetime.contains(now));
        let current = current.as_mut()?;
        current.uses += 1;
        Some((Arc::clone(&current.intermediate), current.wrapping.clone()))
    }

    /// The intermediate key that wraps an envelope's data key.
    async fn intermediate(&self, envelope: &Envelope) -> Result<Arc<Intermediate>> {
        let now = self.clock.now();
        if let Some(found) = self.opened.lock().get(&envelope.wrapping, now) {
            return Ok(found);
        }
        let intermediate = Arc::new(self.decrypt(&envelope.wrapping).await?);
        self.opened.lock().insert(
            &envelope.wrapping,
            Arc::clone(&intermediate),
            Lifetime::of(now, self.cache),
        );
        Ok(intermediate)
    }

    async fn generate(&self) -> Result<(Arc<Intermediate>, Vec<u8>)> {
        let answer = self
            .client()
            .await?
            .generate_data_key()
            .key_id(&self.key_id)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(CONTEXT, self.name.as_str())
            .send()
            .await
            .map_err(|error| self.fault("make a key in AWS KMS", error))?;
        let origin = Origin {
            key: answer.key_id,
            material: answer.key_material_id,
        };
        let intermediate = self.intermediate_of(answer.plaintext, origin)?;
        let wrapping = answer.ciphertext_blob.ok_or_else(|| self.unreadable())?;
        Ok((Arc::new(intermediate), wrapping.into_inner()))
    }

    /// KMS finds the key by the ciphertext: the configuration's may be another one by now.
    async fn decrypt(&self, wrapping: &[u8]) -> Result<Intermediate> {
        if wrapping.is_empty() {
            return Err(wrap::changed());
        }
        let answer = self
            .client()
            .await?
            .decrypt()
            .ciphertext_blob(Blob::new(wrapping))
            .encryption_context(CONTEXT, self.name.as_str())
            .send()
            .await
            .map_err(|error| self.fault("open a key in AWS KMS", error))?;
        let origin = Origin {
            key: answer.key_id,
            material: answer.key_material_id,
        };
        self.intermediate_of(answer.plaintext, origin)
    }

    fn intermediate_of(&self, plaintext: Option<Blob>, origin: Origin) -> Result<Intermediate> {
        let plaintext = Zeroizing::new(plaintext.map(Blob::into_inner).unwrap_or_default());
        let material = Material::from_slice(&plaintext).ok_or_else(|| self.unreadable())?;
        Ok(Intermediate { material, origin })
    }

    async fn client(&self) -> Result<&Client> {
        self.client
            .get_or_try_init(|| async {
                let config = qm_aws::sdk_config(&self.access).await?;
                let timeouts = TimeoutConfig::builder()
                    .operation_attempt_timeout(CALL_TIMEOUT)
                    .operation_timeout(CALLS_TIMEOUT)
                    .build();
                let config = aws_sdk_kms::config::Builder::from(&config)
                    .timeout_config(timeouts)
                    .build();
                Ok(Client::from_conf(config))
            })
            .await
    }

    fn fault<E>(&self, operation: &'static str, error: faults::CallError<E>) -> Error
    where
        E: faults::ServiceError,
    {
        fault(&self.name, operation, error).with("key_id", &self.key_id)
    }

    fn unreadable(&self) -> Error {
        Error::new(
            Kind::Unavailable,
            format!(
                "AWS KMS gave no usable key for encryption key `{}`",
                self.name
            ),
        )
    }
}
