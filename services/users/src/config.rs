//! What can be set.

/// Settings of the users service.
///
/// It has no `Debug`: it holds the master key.
#[derive(Clone)]
pub struct Config {
    /// The key that all others are derived from: the access tokens' signing key, the sealing of bank accounts, refresh
    /// tokens. Losing it makes sealed numbers unreadable and ends every session; it never is in the store.
    pub master_key: [u8; 32],
    /// Which signing key is in use, 1 or more. Raising it by one makes a new key; the one before stays published, so that
    /// tokens signed with it are good until they expire.
    pub signing_generation: u32,
    /// Cost of a password hash.
    pub password_cost: PasswordCost,
    /// Password hashes computed at once; each holds `password_cost.memory_kib` of memory and one core.
    pub password_hashes_max: usize,
    /// Milliseconds that a request waits for its turn to hash, before it is told to come back: less than the 10 s that the
    /// contract gives the rpcs with a password, so that a crowd queues and whoever waits in vain is told so.
    pub password_wait_ms: u64,
    /// Life of an access token in seconds.
    pub access_token_s: u32,
    /// Life of a refresh token in milliseconds, counted anew at each rotation.
    pub refresh_token_ms: u64,
    /// Life of the token that verifies an e-mail address, in milliseconds.
    pub verify_token_ms: u64,
    /// Life of the token that resets a password, in milliseconds.
    pub reset_token_ms: u64,
    /// Least milliseconds between two mails of the same kind to one user, so that nobody can flood another's mailbox.
    pub mail_pause_ms: u64,
}

/// Parameters of argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB, 8 or more.
    pub memory_kib: u32,
    /// Passes over the memory, 1 or more.
    pub passes: u32,
}

impl PasswordCost {
    /// The second recommendation of OWASP's password storage cheat sheet (2025): 19 MiB, 2 passes.
    pub const RECOMMENDED: Self = Self { memory_kib: 19_456, passes: 2 };
    /// The least that argon2 takes: for tests only.
    pub const LEAST: Self = Self { memory_kib: 8, passes: 1 };
}

impl Config {
    /// The defaults of `domain.md` with this master key.
    pub fn new(master_key: [u8; 32]) -> Self {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        Self {
            master_key,
            signing_generation: 1,
            password_cost: PasswordCost::RECOMMENDED,
            password_hashes_max: 4,
            password_wait_ms: 8_000,
            access_token_s: 600,
            refresh_token_ms: 30 * DAY_MS,
            verify_token_ms: DAY_MS,
            reset_token_ms: 60 * 60 * 1000,
            mail_pause_ms: 60_000,
        }
    }
}
