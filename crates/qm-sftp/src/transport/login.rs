//! How far a peer has come with its login; written by the handler, read by the watch.

use parking_lot::Mutex;
use qm_core::Kind;
use qm_core::ports::access::Principal;
use tokio::sync::Notify;

use super::fault::Progress;
use super::socket::Allowance;

/// The login of one connection.
pub(super) struct Login {
    standing: Mutex<Standing>,
    succeeded: Notify,
    allowance: Allowance,
}

#[derive(Default)]
enum Standing {
    /// It offered nothing.
    #[default]
    Silent,
    /// It was refused, or is to prove what it offered.
    Tried,
    /// It proved a key, and we are deciding.
    Proven,
    /// It could not be let in for a reason that is not its own.
    Hindered,
    /// It is in.
    LoggedIn(Principal),
}

impl Login {
    /// `allowance` ends with success.
    pub(super) fn new(allowance: Allowance) -> Self {
        Self {
            standing: Mutex::default(),
            succeeded: Notify::new(),
            allowance,
        }
    }

    /// The peer offered something.
    pub(super) fn tried(&self) {
        self.change(|standing| match standing {
            Standing::Silent => Standing::Tried,
            unchanged @ (Standing::Tried
            | Standing::Proven
            | Standing::Hindered
            | Standing::LoggedIn(_)) => unchanged,
        });
    }

    /// The peer holds the key that it named; whether that lets it in is being decided.
    pub(super) fn proven(&self) {
        self.change(|standing| match standing {
            Standing::Silent | Standing::Tried => Standing::Proven,
            unchanged @ (Standing::Proven | Standing::Hindered | Standing::LoggedIn(_)) => {
                unchanged
            }
        });
    }

    /// The login was refused. Only some reasons are the peer's own: it does not pay for our faults,
    /// whatever else it tries afterwards.
    pub(super) fn refused(&self, kind: Kind) {
        self.change(|standing| match standing {
            Standing::Silent | Standing::Tried | Standing::Proven => {
                if is_our_fault(kind) {
                    Standing::Hindered
                } else {
                    Standing::Tried
                }
            }
            unchanged @ (Standing::Hindered | Standing::LoggedIn(_)) => unchanged,
        });
    }

    /// The peer is `principal`, and in.
    pub(super) fn succeed(&self, principal: Principal) {
        *self.standing.lock() = Standing::LoggedIn(principal);
        self.allowance.lift();
        self.succeeded.notify_one();
    }

    /// Returns once after [`Login::succeed`].
    pub(super) async fn succeeded(&self) {
        self.succeeded.notified().await;
    }

    /// Who is logged in.
    pub(super) fn principal(&self) -> Option<Principal> {
        match &*self.standing.lock() {
            Standing::LoggedIn(principal) => Some(principal.clone()),
            Standing::Silent | Standing::Tried | Standing::Proven | Standing::Hindered => None,
        }
    }

    pub(super) fn progress(&self) -> Progress {
        match &*self.standing.lock() {
            Standing::Silent => Progress::Silent,
            Standing::Tried => Progress::Tried,
            // A decision that takes longer than the peer may take is our fault.
            Standing::Proven | Standing::Hindered => Progress::Hindered,
            Standing::LoggedIn(_) => Progress::LoggedIn,
        }
    }

    fn change(&self, next: impl FnOnce(Standing) -> Standing) {
        let mut standing = self.standing.lock();
        *standing = next(std::mem::take(&mut standing));
    }
}

/// True if a login refused with an error of this kind says nothing about the peer.
pub(super) fn is_our_fault(kind: Kind) -> bool {
    match kind {
        Kind::Bug | Kind::Limit | Kind::Timeout | Kind::Unavailable => true,
        Kind::AlreadyExists
        | Kind::Conflict
        | Kind::Invalid
        | Kind::NotFound
        | Kind::Refused
        | Kind::Unauthenticated
        | Kind::Unsupported => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::socket::Socket;
    use qm_core::account::SshPublicKey;
    use qm_core::id::AccountName;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAgFpyTroXOefjWz2YW8TWXlqEACCd3CV8kcGlrm+wW x";

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Tried,
        Proven,
        Refused(Kind),
        Succeed,
    }

    #[test]
    fn progress() {
        use Progress as P;
        use Step as S;
        for (steps, expect) in [
            (&[][..], P::Silent),
            (&[S::Tried], P::Tried),
            (&[S::Tried, S::Proven], P::Hindered),
            (
                &[S::Tried, S::Proven, S::Refused(Kind::Unauthenticated)],
                P::Tried,
            ),
            (&[S::Tried, S::Proven, S::Refused(Kind::Limit)], P::Hindered),
            // An agent offers its other keys as well.
            (
                &[
                    S::Tried,
                    S::Proven,
                    S::Refused(Kind::Unavailable),
                    S::Tried,
                    S::Proven,
                    S::Refused(Kind::Unauthenticated),
                ],
                P::Hindered,
            ),
            (
                &[
                    S::Tried,
                    S::Proven,
                    S::Refused(Kind::Timeout),
                    S::Proven,
                    S::Succeed,
                    S::Tried,
                    S::Refused(Kind::Refused),
                ],
                P::LoggedIn,
            ),
        ] {
            let (_socket, shears) = Socket::new(tokio::io::empty());
            let login = Login::new(shears.allowance());
            for step in steps {
                match *step {
                    S::Tried => login.tried(),
                    S::Proven => login.proven(),
                    S::Refused(kind) => login.refused(kind),
                    S::Succeed => login.succeed(Principal {
                        account: AccountName::parse("north").unwrap(),
                        key: SshPublicKey::parse(KEY).unwrap(),
                    }),
                }
            }
            assert_eq!(login.progress(), expect, "{steps:?}");
            assert_eq!(login.principal().is_some(), expect == P::LoggedIn);
        }
    }
}
