//! What a new start finds, and what nodes leave behind that are no more: changes of names that
//! were recorded and not finished, and bytes that nothing refers to any more.

use std::collections::HashSet;

use crate::{Intake, Shared};
use qm_core::id::BucketName;
use qm_core::name::ObjectPath;
use qm_core::operation::{Operation, StagedToken};
use qm_core::ports::bucket::Bucket;
use qm_core::{Error, Kind, Result};

/// What recovery did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Recovered {
    /// Name operations that were completed.
    pub completed: u32,
    /// Name operations that could not be completed and are recorded as failed.
    pub failed: u32,
    /// Staged bytes of uploads that were never answered, removed.
    pub discarded: u32,
}

/// What [`Intake::take_over`] did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TakenOver {
    /// Name operations that were completed.
    pub completed: u32,
    /// Name operations that could not be completed and are recorded as failed.
    pub failed: u32,
    /// Name operations that cannot be completed now: to be asked for again.
    pub postponed: u32,
}

impl Intake {
    /// Completes the changes of names that nodes had begun whose lease is over; while fronts are
    /// open. What they had staged is left to their own next start.
    pub async fn take_over(&self) -> Result<TakenOver> {
        let mut taken = TakenOver::default();
        for operation in self.shared.parts.ledger.pending().await? {
            match self.finish(&operation).await {
                Ok(None) => {}
                Ok(Some(Ended::Completed)) => taken.completed += 1,
                Ok(Some(Ended::Failed)) => taken.failed += 1,
                Err(error) => {
                    tracing::warn!(
                        object.key = %operation.path.key, operation = operation.seq.0, error = error.chain(),
                        "A change of a name that another node began cannot be completed now"
                    );
                    taken.postponed += 1;
                }
            }
        }
        Ok(taken)
    }

    /// `None` if it is one of our own, which has ended meanwhile.
    async fn finish(&self, operation: &Operation) -> Result<Option<Ended>> {
        let shared = &self.shared;
        let bucket = shared.bucket(&operation.path.bucket)?;
        let _held = shared
            .locks
            .names(shared.names_of(&*bucket, operation))
            .await;
        // Our own are pending only while their names are locked.
        let pending = shared.parts.ledger.pending().await?;
        if !pending.iter().any(|still| still.seq == operation.seq) {
            return Ok(None);
        }
        shared.finish(&*bucket, operation).await.map(Some)
    }

    /// Completes what a crash left half done in these buckets. Before the first front opens:
    /// nothing else may touch them meanwhile.
    pub async fn recover(&self, buckets: &[BucketName]) -> Result<Recovered> {
        let recovered = self.recover_beside_others().await?;
        Ok(Recovered {
            discarded: self.discard_leftovers(buckets).await?,
            ..recovered
        })
    }

    /// The same where other nodes share the buckets: staged bytes that no row speaks of may be what
    /// one of them is receiving, so they stay.
    pub async fn recover_beside_others(&self) -> Result<Recovered> {
        let mut recovered = Recovered::default();
        let shared = &self.shared;
        let hidden = shared.parts.ledger.hidden().await?;
        for (path, version) in &hidden {
            if let Some(bucket) = shared.parts.buckets.get(&path.bucket) {
                bucket.remember(path, version).await?;
            }
        }
        for operation in shared.parts.ledger.pending().await? {
            let bucket = shared
                .parts
                .buckets
                .get(&operation.path.bucket)
                .ok_or_else(|| {
                    Error::new(
                        Kind::Unavailable,
                        format!(
                            "bucket `{}` has an unfinished change but is not configured",
                            operation.path.bucket
                        ),
                    )
                    .help("bring the bucket back into the configuration and start again")
                })?;
            let failure = bucket.run(&operation).await.err();
            // Only what is certain is recorded: the client may have been told that it is done.
            if let Some(error) = failure
                .as_ref()
                .filter(|error| is_of_the_moment(error.kind()))
            {
                return Err(Error::new(
                    error.kind(),
                    format!(
                        "bucket `{}` cannot complete what was begun before the last stop",
                        operation.path.bucket
                    ),
                )
                .help("start again when its place can be reached")
                .with("cause", error.chain()));
            }
            let reason = failure.as_ref().map(Error::chain);
            shared.conclude(&operation, reason.as_deref()).await?;
            match failure {
                None => recovered.completed += 1,
                Some(_) => recovered.failed += 1,
            }
        }
        let partials = shared.parts.ledger.partials().await?;
        for partial in &partials {
            shared.open.broke_off(&partial.account, &partial.path);
        }
        Ok(recovered)
    }

    async fn discard_leftovers(&self, buckets: &[BucketName]) -> Result<u32> {
        let shared = &self.shared;
        let mut discarded = 0;
        let referred = self.referred().await?;
        for name in buckets {
            let bucket = shared.bucket(name)?;
            if bucket.needs_token() && shared.parts.rules.is_watched(name) {
                // Others upload there too, and the store does not say whose an upload is.
                continue;
            }
            for token in bucket.leftovers().await? {
                if !referred.contains(&token) {
                    bucket.discard(&token).await?;
                    discarded += 1;
                }
            }
        }
        Ok(discarded)
    }

    /// Staged bytes that a row in the ledger speaks of.
    async fn referred(&self) -> Result<HashSet<StagedToken>> {
        let ledger = &self.shared.parts.ledger;
        let partials = ledger.partials().await?;
        let hidden = ledger.hidden().await?;
        let parked = partials.into_iter().map(|partial| partial.parked.token);
        Ok(parked
            .chain(hidden.into_iter().filter_map(|(_, version)| version.staged))
            .collect())
    }
}

impl Shared {
    /// Completes what another node had begun on names that are locked by the caller, and that are its
    /// own by now: its lease is over.
    pub(crate) async fn finish_taken_over(
        &self,
        bucket: &dyn Bucket,
        locked: &[ObjectPath],
    ) -> Result<()> {
        if !self.parts.is_shared {
            return Ok(());
        }
        for operation in self.parts.ledger.pending().await? {
            let names = self.names_of(bucket, &operation);
            if names.iter().all(|name| locked.contains(name)) {
                self.finish(bucket, &operation).await?;
            }
        }
        Ok(())
    }

    /// The names that are locked while the operation runs.
    fn names_of(&self, bucket: &dyn Bucket, operation: &Operation) -> Vec<ObjectPath> {
        let lands_on = ObjectPath {
            bucket: operation.path.bucket.clone(),
            key: operation.lands_on().clone(),
        };
        let mut names = vec![operation.path.clone(), lands_on];
        names.extend(self.detour(bucket, &operation.path, None));
        names
    }

    async fn finish(&self, bucket: &dyn Bucket, operation: &Operation) -> Result<Ended> {
        let failure = bucket.run(operation).await.err();
        let failure = match failure {
            Some(error) if is_of_the_moment(error.kind()) => return Err(error),
            failure => failure.as_ref().map(Error::chain),
        };
        self.conclude(operation, failure.as_deref()).await?;
        Ok(match failure {
            None => Ended::Completed,
            Some(_) => Ended::Failed,
        })
    }
}

/// How a name operation ended.
enum Ended {
    Completed,
    Failed,
}

/// Whether the same may work at the next start.
fn is_of_the_moment(kind: Kind) -> bool {
    match kind {
        Kind::Limit | Kind::Timeout | Kind::Unavailable => true,
        Kind::AlreadyExists
        | Kind::Bug
        | Kind::Conflict
        | Kind::Invalid
        | Kind::NotFound
        | Kind::Refused
        | Kind::Unauthenticated
        | Kind::Unsupported => false,
    }
}
