//! Who calls, as the edge has verified it and tells the services in the metadata of the call.
//!
//! Services believe these values: only the edge (and `orders`) can reach them. Nothing here reads a token.

use sha2::{Digest, Sha256};
use tonic::metadata::MetadataMap;

use crate::fault::Fault;
use crate::ids::UserId;

/// Metadata of a call from the edge to a service, and of its answer. All lower case and ASCII.
pub mod metadata {
    /// Id of the user: `usr_…`.
    pub const USER: &str = "x-vitrina-user";
    /// Comma separated: `seller`, `admin`; `system` when a service calls on its own account.
    pub const ROLES: &str = "x-vitrina-roles";
    /// Id of the session that the token belongs to.
    pub const SESSION: &str = "x-vitrina-session";
    /// Token of a cart without a user.
    pub const CART_TOKEN: &str = "x-vitrina-cart-token";
    /// Key under which the request is answered once.
    pub const IDEMPOTENCY_KEY: &str = "x-vitrina-idempotency-key";
    /// Version that the entity must have.
    pub const IF_MATCH: &str = "x-vitrina-if-match";
    /// Id of the request at the edge.
    pub const REQUEST_ID: &str = "x-vitrina-request-id";
    /// Language that the client prefers: `es`, `en`.
    pub const LANGUAGE: &str = "x-vitrina-language";
    /// In answers: comma separated tags of what was changed, `publication:pub_…`.
    pub const CHANGED: &str = "x-vitrina-changed";
    /// In answers: version of the entity.
    pub const VERSION: &str = "x-vitrina-version";
    /// In answers: `true` when a stored answer was given again.
    pub const REPLAYED: &str = "x-vitrina-replayed";
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Nobody known, a user, or a service.
    pub kind: CallerKind,
    /// Token of a cart without a user; may come along with a user, who then takes the cart over.
    pub cart_token: Option<String>,
}

/// The kinds of callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// Nobody known.
    Anonymous,
    /// A user with a valid token.
    User {
        /// Who.
        user_id: UserId,
        /// May sell.
        is_seller: bool,
        /// May do everything.
        is_admin: bool,
        /// The session that the token belongs to.
        session_id: Option<String>,
    },
    /// A service, on its own account.
    System,
}

impl Caller {
    /// Nobody known.
    pub fn anonymous() -> Caller {
        Caller { kind: CallerKind::Anonymous, cart_token: None }
    }

    /// A service.
    pub fn system() -> Caller {
        Caller { kind: CallerKind::System, cart_token: None }
    }

    /// A user without any role, for tests and replays.
    pub fn user(user_id: UserId) -> Caller {
        let kind = CallerKind::User { user_id, is_seller: false, is_admin: false, session_id: None };
        Caller { kind, cart_token: None }
    }

    /// A user who may sell.
    pub fn seller(user_id: UserId) -> Caller {
        let kind = CallerKind::User { user_id, is_seller: true, is_admin: false, session_id: None };
        Caller { kind, cart_token: None }
    }

    /// A user who may do everything.
    pub fn admin(user_id: UserId) -> Caller {
        let kind = CallerKind::User { user_id, is_seller: false, is_admin: true, session_id: None };
        Caller { kind, cart_token: None }
    }

    /// Reads the caller. A user id that is not one counts as nobody: the least that can be given.
    pub fn from_metadata(map: &MetadataMap) -> Caller {
        let roles = text(map, metadata::ROLES).unwrap_or_default();
        let has = |role| roles.split(',').any(|given| given.trim() == role);
        let user_id = text(map, metadata::USER).and_then(|id| id.parse().ok());
        let kind = match user_id {
            Some(user_id) => CallerKind::User {
                user_id,
                is_seller: has("seller"),
                is_admin: has("admin"),
                session_id: text(map, metadata::SESSION).map(str::to_owned),
            },
            None if has("system") => CallerKind::System,
            None => CallerKind::Anonymous,
        };
        Caller { kind, cart_token: text(map, metadata::CART_TOKEN).map(str::to_owned) }
    }

    /// Puts the caller into the metadata of a call: the inverse of [`Caller::from_metadata`].
    pub fn to_metadata(&self, map: &mut MetadataMap) {
        let mut set = |name: &'static str, value: &str| {
            // What does not fit into a header cannot have come out of one: ids, role names and tokens always do.
            if let Ok(value) = value.parse() {
                map.insert(name, value);
            }
        };
        match &self.kind {
            CallerKind::Anonymous => {}
            CallerKind::System => set(metadata::ROLES, "system"),
            CallerKind::User { user_id, is_seller, is_admin, session_id } => {
                set(metadata::USER, &user_id.to_string());
                let roles = [(*is_seller, "seller"), (*is_admin, "admin")];
                let roles: Vec<_> = roles.into_iter().filter_map(|(has, role)| has.then_some(role)).collect();
                set(metadata::ROLES, &roles.join(","));
                if let Some(session_id) = session_id {
                    set(metadata::SESSION, session_id);
                }
            }
        }
        if let Some(token) = &self.cart_token {
            set(metadata::CART_TOKEN, token);
        }
    }

    /// The user, if one calls.
    pub fn user_id(&self) -> Option<UserId> {
        match self.kind {
            CallerKind::User { user_id, .. } => Some(user_id),
            CallerKind::Anonymous | CallerKind::System => None,
        }
    }

    /// The session of the user, if one calls and the token named it.
    pub fn session_id(&self) -> Option<&str> {
        match &self.kind {
            CallerKind::User { session_id, .. } => session_id.as_deref(),
            CallerKind::Anonymous | CallerKind::System => None,
        }
    }

    /// Whether a user with the role of an admin calls.
    pub fn is_admin(&self) -> bool {
        matches!(self.kind, CallerKind::User { is_admin: true, .. })
    }

    /// Whether a user with the role of a seller calls.
    pub fn is_seller(&self) -> bool {
        matches!(self.kind, CallerKind::User { is_seller: true, .. })
    }

    /// Whether this user calls.
    pub fn is_user(&self, user_id: UserId) -> bool {
        self.user_id() == Some(user_id)
    }

    /// The user who calls.
    ///
    /// # Errors
    /// Unauthenticated when none does.
    pub fn require_user(&self) -> Result<UserId, Fault> {
        self.user_id().ok_or_else(|| Fault::unauthenticated("log in first"))
    }

    /// The seller who calls.
    ///
    /// # Errors
    /// Unauthenticated without a user, forbidden for one who is no seller.
    pub fn require_seller(&self) -> Result<UserId, Fault> {
        let user_id = self.require_user()?;
        if self.is_seller() {
            Ok(user_id)
        } else {
            Err(Fault::forbidden("not_a_seller", "only sellers may do this"))
        }
    }

    /// The admin who calls.
    ///
    /// # Errors
    /// Unauthenticated without a user, forbidden for one who is no admin.
    pub fn require_admin(&self) -> Result<UserId, Fault> {
        let user_id = self.require_user()?;
        if self.is_admin() {
            Ok(user_id)
        } else {
            Err(Fault::forbidden("not_an_admin", "only admins may do this"))
        }
    }

    /// Another service, on its own account.
    ///
    /// # Errors
    /// Forbidden for everybody else: what only services ask each other is no user's business, whatever the user may do.
    pub fn require_system(&self) -> Result<(), Fault> {
        match self.kind {
            CallerKind::System => Ok(()),
            CallerKind::Anonymous | CallerKind::User { .. } => {
                Err(Fault::forbidden("services_only", "only other services may do this"))
            }
        }
    }

    /// Whose idempotency keys these are, so that two callers cannot meet under one key. It is kept with the records, so a cart's
    /// token, which opens the cart and its orders, goes into it as its SHA-256 only.
    pub fn scope(&self) -> String {
        match (&self.kind, &self.cart_token) {
            (CallerKind::User { user_id, .. }, _) => user_id.to_string(),
            (CallerKind::System, _) => "system".to_owned(),
            (CallerKind::Anonymous, Some(token)) => {
                let digest = Sha256::digest(token.as_bytes());
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("cart:{hex}")
            }
            (CallerKind::Anonymous, None) => "anonymous".to_owned(),
        }
    }
}

/// A metadata value that is there, is ASCII and is not empty.
pub(crate) fn text<'a>(map: &'a MetadataMap, name: &str) -> Option<&'a str> {
    map.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_reads_back_from_the_metadata() {
        let user_id = UserId::generate();
        let with_session =
            CallerKind::User { user_id, is_seller: true, is_admin: true, session_id: Some("s1".into()) };
        for caller in [
            Caller::anonymous(),
            Caller::system(),
            Caller::user(user_id),
            Caller { kind: with_session, cart_token: Some("c".into()) },
        ] {
            let mut map = MetadataMap::new();
            caller.to_metadata(&mut map);
            assert_eq!(Caller::from_metadata(&map), caller);
        }
    }

    #[test]
    fn a_user_id_that_is_none_is_nobody() {
        let mut map = MetadataMap::new();
        map.insert(metadata::USER, "root".parse().unwrap());
        map.insert(metadata::ROLES, "admin".parse().unwrap());
        assert_eq!(Caller::from_metadata(&map), Caller::anonymous());
    }
}
