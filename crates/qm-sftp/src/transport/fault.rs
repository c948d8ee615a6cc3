//! What the end of a connection says about its peer.

use qm_core::ports::access::Offence;

/// How far a peer came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// It did not try to log in.
    Silent,
    /// It tried.
    Tried,
    /// It proved a key of an account, and could not be let in for a reason that is not its own.
    Hindered,
    /// It is logged in.
    LoggedIn,
}

/// The offence, if any, of a peer whose connection ended by itself with `result`. Who is logged in
/// commits none: its neighbours behind the same address would pay for it.
pub(super) fn offence(result: &Result<(), russh::Error>, progress: Progress) -> Option<Offence> {
    let breaks_protocol = result.as_ref().is_err_and(is_protocol_violation);
    match progress {
        Progress::LoggedIn => None,
        Progress::Silent | Progress::Tried | Progress::Hindered if breaks_protocol => {
            Some(Offence::Protocol)
        }
        Progress::Silent if is_incompatible(result) => None,
        Progress::Silent => Some(Offence::NoAuth),
        Progress::Tried => Some(Offence::AuthFailure),
        Progress::Hindered => None,
    }
}

/// An old client is not an attack; its owner calls, and the log tells why.
pub(super) fn is_incompatible(result: &Result<(), russh::Error>) -> bool {
    matches!(result, Err(russh::Error::NoCommonAlgo { .. }))
}

fn is_protocol_violation(error: &russh::Error) -> bool {
    use russh::Error as E;
    matches!(
        error,
        E::Version
            | E::Kex
            | E::KexInit
            | E::PacketAuth
            | E::Inconsistent
            | E::NotAuthenticated
            | E::IndexOutOfBounds
            | E::PacketSize(_)
            | E::WrongChannel
            | E::Pending
            | E::DecryptionError
            | E::Utf8(_)
            | E::StrictKeyExchangeViolation { .. }
            | E::Signature(_)
            | E::SshKey(_)
            | E::SshEncoding(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offences() {
        let cut = || Err(russh::Error::IO(std::io::ErrorKind::ConnectionReset.into()));
        for (result, progress, expect) in [
            (Ok(()), Progress::Silent, Some(Offence::NoAuth)),
            (cut(), Progress::Silent, Some(Offence::NoAuth)),
            (Ok(()), Progress::Tried, Some(Offence::AuthFailure)),
            (cut(), Progress::LoggedIn, None),
            (Ok(()), Progress::LoggedIn, None),
            (Err(russh::Error::Inconsistent), Progress::LoggedIn, None),
            (Ok(()), Progress::Hindered, None),
            (cut(), Progress::Hindered, None),
            (
                Err(russh::Error::Inconsistent),
                Progress::Hindered,
                Some(Offence::Protocol),
            ),
            (
                Err(russh::Error::Inconsistent),
                Progress::Tried,
                Some(Offence::Protocol),
            ),
            (
                Err(russh::Error::PacketSize(usize::MAX)),
                Progress::Silent,
                Some(Offence::Protocol),
            ),
            (
                Err(russh::Error::NoCommonAlgo {
                    kind: russh::AlgorithmKind::Kex,
                    ours: vec![],
                    theirs: vec![],
                }),
                Progress::Silent,
                None,
            ),
            (
                Err(russh::Error::KeepaliveTimeout),
                Progress::LoggedIn,
                None,
            ),
        ] {
            assert_eq!(
                offence(&result, progress),
                expect,
                "{result:?} {progress:?}"
            );
        }
    }
}
