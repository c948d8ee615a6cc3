//! The live view of accounts and their keys.

use parking_lot::RwLock;
use qm_core::account::{Account, SshPublicKey};
use qm_core::id::AccountName;
use qm_core::ports::ledger::AddedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// Accounts and keys as they are now. Cheap to ask; replaced as a whole, so that nobody sees half
/// an update.
#[derive(Debug, Default)]
pub struct Directory {
    current: RwLock<Arc<Accounts>>,
}

#[derive(Debug, Default)]
struct Accounts {
    by_name: HashMap<String, Arc<Account>>,
    by_credential: HashMap<Credential, Holder>,
}

/// One lookup answers for user and key together: an unknown user and a wrong key are the same
/// miss and take the same time.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Credential {
    user: String,
    fingerprint: String,
}

#[derive(Debug)]
struct Holder {
    account: Arc<Account>,
    key: SshPublicKey,
}

impl Directory {
    /// With these accounts and the keys that were added while running.
    pub fn new(accounts: Vec<Account>, added: Vec<AddedKey>) -> Self {
        let directory = Self::default();
        directory.update(accounts, added);
        directory
    }

    /// Replaces everything. Added keys of accounts that are not there are ignored: they wait in
    /// the ledger for the account to come back.
    pub fn update(&self, accounts: Vec<Account>, added: Vec<AddedKey>) {
        let mut added_of: HashMap<AccountName, Vec<SshPublicKey>> = HashMap::new();
        for entry in added {
            added_of.entry(entry.account).or_default().push(entry.key);
        }
        let mut next = Accounts::default();
        for account in accounts {
            let account = Arc::new(account);
            let added = added_of.remove(&account.name).unwrap_or_default();
            for key in account.ssh_keys.iter().cloned().chain(added) {
                next.by_credential.insert(
                    Credential::of(account.name.as_str(), &key),
                    Holder {
                        account: Arc::clone(&account),
                        key,
                    },
                );
            }
            next.by_name
                .insert(account.name.as_str().to_owned(), account);
        }
        *self.current.write() = Arc::new(next);
    }

    /// The account of that name.
    pub fn account(&self, name: &AccountName) -> Option<Arc<Account>> {
        self.current.read().by_name.get(name.as_str()).cloned()
    }

    /// The account that the user name means, if the key is one of its keys.
    pub(crate) fn holder(&self, user: &str, key: &SshPublicKey) -> Option<Arc<Account>> {
        let wanted = Credential::of(user, key);
        let current = Arc::clone(&self.current.read());
        let holder = current.by_credential.get(&wanted)?;
        // The fingerprint is an index, the key itself the proof.
        (holder.key == *key).then(|| Arc::clone(&holder.account))
    }

    /// True if there is an account of that name, whatever its keys. Only for records, never for
    /// an answer to the peer.
    pub(crate) fn has_user(&self, user: &str) -> bool {
        self.current.read().by_name.contains_key(user)
    }
}

impl Credential {
    fn of(user: &str, key: &SshPublicKey) -> Self {
        Self {
            user: user.to_owned(),
            fingerprint: key.fingerprint(),
        }
    }
}
