//! What was delivered is taken away again, and what broken-off attempts left of it.

use qm_core::Result;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::ports::connector::Fence;
use qm_sftp_wire::Status;
use qm_sftp_wire::client::{Client, call, refusal};

use super::faults::{fault, is_answer};
use super::names::Names;
use super::{evidence, upload};
use crate::names::{AWAY, NOT_OURS};

/// Only what is recognised as one of `copies` goes. A server has no step that looks and removes: what
/// the partner puts there in between goes with it.
pub(super) async fn remove(
    client: &mut Client,
    names: &Names,
    copies: &[Delivery],
    fence: &dyn Fence,
) -> Result<String> {
    for copy in copies {
        if copy.state != DeliveryState::Delivered {
            discard_temp(client, names, copy).await?;
        }
    }
    let shown = match client.call(call::stat(&names.target)).await {
        Ok(shown) => shown,
        Err(error) if refusal(&error) == Some(Status::NoSuchFile) => return Ok(AWAY.to_owned()),
        Err(error) => {
            return Err(fault(
                "looking for what was delivered",
                &names.target,
                error,
            ));
        }
    };
    for copy in copies {
        let version = &copy.version;
        let may_be_it = shown.size_bytes == version.size_bytes
            && shown.modified.as_second() == i64::from(upload::modified_seconds(version));
        if !may_be_it {
            continue;
        }
        let is_it = evidence::is_same(client, &names.target, version).await;
        let is_it = is_it.map_err(|e| fault("looking for what was delivered", &names.target, e))?;
        if is_it {
            fence.check().await?;
            return match client.call(call::remove(&names.target)).await {
                Ok(()) => Ok(format!("removed, with SHA-256 {}", version.sha256)),
                Err(error) if refusal(&error) == Some(Status::NoSuchFile) => Ok(AWAY.to_owned()),
                Err(error) => Err(fault("removing", &names.target, error)),
            };
        }
    }
    Ok(NOT_OURS.to_owned())
}

/// Most servers have none: the delivery that left it has gone on with it.
async fn discard_temp(client: &mut Client, names: &Names, copy: &Delivery) -> Result<()> {
    let temp = Names::for_delivery(names.target.clone(), copy.id).temp;
    match client.call(call::remove(&temp)).await {
        Err(error) if !is_answer(&error) => {
            Err(fault("removing what an attempt left", &temp, error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
