//! Sessions that ended before their access tokens expire.
//!
//! They come from two sides: the answer of a log-out that passed through this edge (before its caller has the answer),
//! and the event `session.ended` for log-outs at other edges. An entry is dropped once every token of the session has
//! expired. A restart forgets them, so a new edge asks the users service about tokens older than itself.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::token::Claims;

/// Longest life of an access token (10 min, `design/domain.md`) with room for clocks that differ.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// Entries kept at a time, about 100 MB at worst; past that the oldest go first.
const ENTRIES_MAX: usize = 500_000;

/// New entries after which those out of date are looked for.
const SWEEP_EVERY: usize = 1_024;

/// The ended sessions.
#[derive(Debug, Default)]
pub(crate) struct Revoked {
    inner: RwLock<Inner>,
}

/// Whether a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As far as is known here it goes on.
    Stands,
    /// It is over.
    Ended,
    /// Its token is of the very second in which all sessions of the user ended: it may be the first of a new one, since
    /// tokens count whole seconds. The users service knows.
    Unsure,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<String, Instant>,
    /// When all sessions of a user ended, in seconds since 1970.
    users: HashMap<String, (u64, Instant)>,
    added: usize,
}

impl Revoked {
    /// Ends one session.
    pub(crate) fn end_session(&self, session: &str) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.sessions.insert(session.to_owned(), Instant::now());
        inner.sweep();
    }

    /// Ends all sessions of a user whose tokens were issued before that time.
    pub(crate) fn end_user(&self, user: &str, ended_at_s: u64) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let entry = inner.users.entry(user.to_owned()).or_insert((ended_at_s, Instant::now()));
        *entry = (entry.0.max(ended_at_s), Instant::now());
        inner.sweep();
    }

    /// How it stands with the session of a token.
    pub(crate) fn standing(&self, claims: &Claims) -> Standing {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        if inner.sessions.contains_key(&claims.session) {
            return Standing::Ended;
        }
        match inner.users.get(&claims.user) {
            Some((ended_at_s, _)) => match claims.issued_at_s.cmp(ended_at_s) {
                Ordering::Less => Standing::Ended,
                Ordering::Equal => Standing::Unsure,
                Ordering::Greater => Standing::Stands,
            },
            None => Standing::Stands,
        }
    }
}

impl Inner {
    fn sweep(&mut self) {
        self.added += 1;
        if !self.added.is_multiple_of(SWEEP_EVERY) {
            return;
        }
        self.sessions.retain(|_, at| at.elapsed() < REMEMBERED);
        self.users.retain(|_, (_, at)| at.elapsed() < REMEMBERED);
        if self.sessions.len() > ENTRIES_MAX {
            let mut ages: Vec<Instant> = self.sessions.values().copied().collect();
            ages.sort_unstable();
            let oldest_kept = ages[ages.len() - ENTRIES_MAX];
            self.sessions.retain(|_, at| *at >= oldest_kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(session: &str, issued_at_s: u64) -> Claims {
        Claims {
            user: "usr_1".into(),
            session: session.into(),
            roles: vec![],
            issued_at_s,
            expires_at_s: u64::MAX,
        }
    }

    #[test]
    fn an_ended_session_stays_ended() {
        let revoked = Revoked::default();
        revoked.end_session("a");
        assert_eq!(revoked.standing(&claims("a", 9)), Standing::Ended);
        assert_eq!(revoked.standing(&claims("b", 9)), Standing::Stands);
    }

    #[test]
    fn ending_all_sessions_spares_the_ones_begun_later() {
        let revoked = Revoked::default();
        revoked.end_user("usr_1", 10);
        assert_eq!(revoked.standing(&claims("a", 9)), Standing::Ended);
        assert_eq!(revoked.standing(&claims("a", 10)), Standing::Unsure);
        assert_eq!(revoked.standing(&claims("a", 11)), Standing::Stands);
    }
}
