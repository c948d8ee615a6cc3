//! Executes the requests of one session in the order of receipt, to its end.

use super::Session;
use super::inlet::{Inlet, Input, Peer};
use super::outlet::{Outlet, Unsent};
use super::unit::Unit;
use crate::life::Life;
use crate::limits::{LAST_WORDS, REPLIES_BYTES};
use crate::ops::{self, Flow};
use crate::wire::FramingError;
use qm_sftp_wire::Status;

/// How a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The client closed it or left.
    Finished,
    /// The connection is to end.
    Stopped,
    /// An upload failed; clients that do not check replies notice a closed channel.
    UploadFailed,
    /// The client broke the protocol.
    Broken(&'static str),
}

/// Serves a session to its end. Open uploads are abandoned when this returns.
pub(crate) async fn serve(
    mut session: Session,
    input: Input,
    mut outlet: Outlet,
    life: &Life,
) -> Outcome {
    let mut inlet = Inlet::new(input, life.backlog());
    let executed = execute_all(&mut session, &mut inlet, &mut outlet, life).await;
    let outcome = match executed {
        Ok(outcome) => outcome,
        Err(End::Framing(FramingError(what))) => Outcome::Broken(what),
        Err(End::Unsent(Unsent::Stopped)) => Outcome::Stopped,
        Err(End::Unsent(Unsent::Unread)) => Outcome::Broken("it reads no replies"),
    };
    // Dropped first: a connection must not wait for a channel that receives no more.
    drop(inlet);
    session.handles.abandon_uploads().await;
    outlet.close(u32::from(outcome != Outcome::Finished)).await;
    outcome
}

enum End {
    Framing(FramingError),
    Unsent(Unsent),
}

impl From<FramingError> for End {
    fn from(error: FramingError) -> Self {
        Self::Framing(error)
    }
}

impl From<Unsent> for End {
    fn from(unsent: Unsent) -> Self {
        Self::Unsent(unsent)
    }
}

async fn execute_all(
    session: &mut Session,
    inlet: &mut Inlet,
    outlet: &mut Outlet,
    life: &Life,
) -> Result<Outcome, End> {
    let mut is_greeted = false;
    loop {
        inlet.fill().await?;
        if life.is_stopped() {
            return Ok(Outcome::Stopped);
        }
        let Some(unit) = inlet.take_unit() else {
            outlet.send(&mut session.replies, inlet, life).await?;
            // Sending may have received more.
            inlet.fill().await?;
            if !inlet.is_empty() {
                continue;
            }
            if inlet.peer() != Peer::Open {
                return Ok(Outcome::Finished);
            }
            tokio::select! {
                () = inlet.receive() => continue,
                () = life.stopped() => return Ok(Outcome::Stopped),
            }
        };
        if is_greeted == matches!(unit, Unit::Init) {
            return Err(FramingError("a greeting out of place").into());
        }
        is_greeted = true;
        let is_quick = unit.is_quick();
        if !is_quick {
            outlet.send(&mut session.replies, inlet, life).await?;
        }
        life.touch();
        let flow = execute(session, unit).await;
        life.touch();
        match flow {
            Flow::Continue => {}
            Flow::Close => {
                hear_out(session, inlet, outlet, life).await?;
                return Ok(Outcome::UploadFailed);
            }
        }
        if !is_quick || session.replies.size_bytes() >= REPLIES_BYTES {
            outlet.send(&mut session.replies, inlet, life).await?;
        }
    }
}

/// After a failed WRITE: the client is given the time to read why. WRITEs that it had sent
/// already are refused too; at anything else, and at the latest after [`LAST_WORDS`], the channel
/// closes unanswered, which no client takes for success.
async fn hear_out(
    session: &mut Session,
    inlet: &mut Inlet,
    outlet: &mut Outlet,
    life: &Life,
) -> Result<(), End> {
    let deadline = tokio::time::Instant::now() + LAST_WORDS;
    loop {
        inlet.fill().await?;
        while let Some(unit) = inlet.take_unit() {
            let Unit::Writes { ids, .. } = unit else {
                outlet.send(&mut session.replies, inlet, life).await?;
                return Ok(());
            };
            for id in ids {
                session
                    .replies
                    .status(id, Status::Failure, "this upload has failed");
            }
        }
        outlet.send(&mut session.replies, inlet, life).await?;
        if !inlet.is_empty() {
            continue;
        }
        if inlet.peer() != Peer::Open {
            return Ok(());
        }
        tokio::select! {
            () = inlet.receive() => {}
            () = life.stopped() => return Ok(()),
            () = tokio::time::sleep_until(deadline) => return Ok(()),
        }
    }
}

async fn execute(session: &mut Session, unit: Unit) -> Flow {
    match unit {
        Unit::Init => {
            session.replies.version(session.who.greeting());
            Flow::Continue
        }
        Unit::Malformed { id } => {
            session.replies.status(
                id,
                Status::BadMessage,
                "the request could not be understood",
            );
            Flow::Continue
        }
        Unit::Single { id, operation } => {
            ops::answer(session, id, operation).await;
            Flow::Continue
        }
        Unit::Reads { handle, requests } => {
            ops::read(session, handle, &requests).await;
            Flow::Continue
        }
        Unit::Writes {
            handle,
            ids,
            chunks,
        } => ops::write(session, handle, &ids, chunks).await,
    }
}
