//! The reply to `rewrap@quaymaster`: versions checked, changed and failed, and the last failure.

use bytes::{BufMut as _, BytesMut};
use qm_core::ports::bucket::Rewrapped;

use super::Malformed;
use super::cursor::Cursor;
use super::put_string;

/// Appends what follows the id of the reply.
pub fn encode(out: &mut BytesMut, done: &Rewrapped) {
    for count in [done.checked, done.changed, done.failed] {
        out.put_u64(count);
    }
    put_string(
        out,
        done.last_failure.as_deref().unwrap_or_default().as_bytes(),
    );
}

/// What follows the id of the reply.
pub fn decode(body: &mut Cursor) -> Result<Rewrapped, Malformed> {
    let (checked, changed, failed) = (body.u64()?, body.u64()?, body.u64()?);
    let failure = body.string()?;
    let failure = std::str::from_utf8(&failure).map_err(|_| Malformed)?;
    Ok(Rewrapped {
        checked,
        changed,
        failed,
        last_failure: Some(failure.to_owned()).filter(|failure| !failure.is_empty()),
    })
}
