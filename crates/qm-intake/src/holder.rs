//! Whose mailbox it is: an account of the configuration, or an operator of the node.

use std::sync::Arc;

use crate::Rules;
use qm_core::account::Account;
use qm_core::id::AccountName;
use qm_core::{Error, Kind, Result};

#[derive(Clone)]
pub(crate) enum Holder {
    /// An account, with the rights it has at the moment of asking.
    Account(AccountName),
    /// An operator, who may everything in one bucket.
    Operator(Arc<Account>),
}

impl Holder {
    /// The account as it is in the running revision.
    pub(crate) fn account(&self, rules: &dyn Rules) -> Result<Arc<Account>> {
        match self {
            Self::Account(name) => rules
                .account(name)
                .ok_or_else(|| Error::new(Kind::Refused, "your account does not exist any more")),
            Self::Operator(account) => Ok(Arc::clone(account)),
        }
    }

    pub(crate) fn name(&self) -> &AccountName {
        match self {
            Self::Account(name) => name,
            Self::Operator(account) => &account.name,
        }
    }

    /// The account that arrivals are recorded with: an operator is none.
    pub(crate) fn recorded(&self) -> Option<AccountName> {
        match self {
            Self::Account(name) => Some(name.clone()),
            Self::Operator(_) => None,
        }
    }

    /// Whether what breaks off waits for its owner to come back.
    pub(crate) fn may_resume(&self) -> bool {
        matches!(self, Self::Account(_))
    }
}
