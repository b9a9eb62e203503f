//! When a refresh token is good: the rules of rotation.
//!
//! A session is a family of refresh tokens, numbered by generation. Only the newest is good. An older one that comes
//! back means that two parties hold the family, and it ends; except shortly after a rotation and from the same
//! client, because an answer may be lost on its way: then the client gets the same successor again.

/// Time in which the predecessor of the newest token is forgiven, in ms; see `domain.md`.
pub(crate) const GRACE_MS: u64 = 20_000;

/// What a session knows when one of its tokens is shown.
#[derive(Clone, Debug)]
pub(crate) struct Family<'a> {
    /// Generation of the newest token; the first is 1.
    pub(crate) generation: u32,
    /// When the newest token was given, in ms since the epoch.
    pub(crate) rotated_at_ms: u64,
    /// When the newest token stops being good.
    pub(crate) expires_at_ms: u64,
    /// Who got the newest token.
    pub(crate) client: &'a [u8],
}

/// What to do with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Give the next generation.
    Rotate,
    /// Give the newest token once more.
    Repeat,
    /// End the session: somebody else holds a token of it.
    Reused,
    /// The session ran out.
    Expired,
    /// A generation that was never given.
    Unknown,
}

/// Judges a token of `generation`, shown by `client` at `now_ms`.
pub(crate) fn judge(family: &Family<'_>, generation: u32, client: &[u8], now_ms: u64) -> Verdict {
    if now_ms >= family.expires_at_ms {
        return Verdict::Expired;
    }
    if generation == family.generation {
        return Verdict::Rotate;
    }
    if generation > family.generation {
        return Verdict::Unknown;
    }
    let is_predecessor = generation + 1 == family.generation;
    let is_in_grace = now_ms <= family.rotated_at_ms.saturating_add(GRACE_MS);
    if is_predecessor && is_in_grace && client == family.client { Verdict::Repeat } else { Verdict::Reused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_token_is_good() {
        let family =
            Family { generation: 3, rotated_at_ms: 1_000_000, expires_at_ms: 9_000_000, client: b"phone" };
        for (generation, client, now_ms, verdict) in [
            (3, "phone", 1_000_001, Verdict::Rotate),
            (3, "laptop", 2_000_000, Verdict::Rotate),
            (3, "phone", 9_000_000, Verdict::Expired),
            (2, "phone", 1_000_000 + GRACE_MS, Verdict::Repeat),
            (2, "phone", 1_000_001 + GRACE_MS, Verdict::Reused),
            (2, "laptop", 1_000_001, Verdict::Reused),
            (1, "phone", 1_000_001, Verdict::Reused),
            (4, "phone", 1_000_001, Verdict::Unknown),
        ] {
            assert_eq!(
                judge(&family, generation, client.as_bytes(), now_ms),
                verdict,
                "{generation} {client} {now_ms}"
            );
        }
    }
}
