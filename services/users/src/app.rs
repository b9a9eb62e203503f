//! What happens on a request: one function per rpc, load → decide → commit → reply.

pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod bank;
pub(crate) mod contact;
pub(crate) mod departure;
pub(crate) mod device;
pub(crate) mod mail;
pub(crate) mod seller;
pub(crate) mod session;
pub(crate) mod wishlist;

use vitrina_chassis::{Clock, Context};
use vitrina_storage::Store;

use crate::config::Config;
use crate::error::Error;
use crate::secret::access::AccessTokens;
use crate::secret::password::Passwords;
use crate::secret::refresh::RefreshTokens;
use crate::secret::vault::Vault;

/// What the functions of this room share; without state of its own.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) access: AccessTokens,
    pub(crate) refresh: RefreshTokens,
    pub(crate) vault: Vault,
    /// Of what other services open too.
    pub(crate) shared: vitrina_chassis::Vault,
    pub(crate) passwords: Passwords,
}

impl App {
    /// Derives the keys and computes one password hash.
    ///
    /// # Errors
    /// [`Error::Hash`] for a cost that argon2 does not take.
    pub(crate) fn new(context: &Context, config: Config) -> Result<Self, Error> {
        Ok(Self {
            store: context.store.clone(),
            clock: context.clock.clone(),
            access: AccessTokens::new(&config),
            refresh: RefreshTokens::new(&config.master_key),
            vault: Vault::new(&config.master_key),
            shared: vitrina_chassis::Vault::new(&config.master_key),
            passwords: Passwords::new(&config)?,
            config,
        })
    }
}
