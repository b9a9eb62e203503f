//! What is true: the values of an account that cannot be wrong once they exist, and the rules between them.
//!
//! Pure: no clock, no randomness, no wire type. A value is parsed once, in `wire`, and trusted afterwards.

pub(crate) mod bank;
pub(crate) mod session;

/// Characters of a password; the upper bound keeps the work of one hash bounded.
pub(crate) const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=128;
/// Most addresses of a user: more than a household needs, few enough for one answer.
pub(crate) const ADDRESSES_MAX: u32 = 20;
/// Most push devices of a user.
pub(crate) const DEVICES_MAX: u32 = 20;
/// Most bank accounts of a seller.
pub(crate) const BANK_ACCOUNTS_MAX: u32 = 10;
/// Most publications on a wishlist; see `domain.md`.
pub(crate) const WISHES_MAX: u32 = 500;
/// Most sessions of a user at once; the least recently used one gives way. With a row and an event each, ending all of
/// them stays far below the 1,000 rows of a commit.
pub(crate) const SESSIONS_MAX: usize = 50;

/// Why a text is no value of a type: a stable code and a sentence for the person who typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) code: &'static str,
    pub(crate) detail: &'static str,
}

/// An e-mail address as it was given; compared by [`Email::folded`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Email(String);

/// A username as it was given; compared by [`Username::folded`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Username(String);

/// The language of mails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    /// Spanish.
    #[default]
    Es,
    /// English.
    En,
}

/// How a push provider names a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DeviceKind {
    /// A registration token.
    #[default]
    Token,
    /// A Firebase installation id.
    Fid,
}

/// Whether a seller sells at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SellerStatus {
    /// Sells.
    Active,
    /// Shows the profile, sells nothing.
    Paused,
}

/// How one logs in: an e-mail address has an `@`, a username cannot have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// Folded e-mail address.
    Email(String),
    /// Folded username.
    Username(String),
}

impl Email {
    /// An address that can be written to.
    ///
    /// Only the form is checked (RFC 5321 lengths, one `@`, labels of the domain): whether it exists is found out by
    /// the mail with the token, so a stricter grammar would only refuse real people.
    ///
    /// # Errors
    /// [`Wrong`] when the form is not that of an address.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        const FORM: Wrong = Wrong { code: "invalid_email", detail: "must be an e-mail address" };
        let chars = text.chars().count();
        if !(3..=254).contains(&chars) {
            return Err(Wrong { code: "length", detail: "must have 3 to 254 characters" });
        }
        let (local, domain) = text.rsplit_once('@').ok_or(FORM)?;
        let is_local_good = (1..=64).contains(&local.chars().count())
            && local.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"@<>()[],;:\\\"".contains(c));
        let is_label_good = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        if is_local_good && domain.split('.').all(is_label_good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(FORM)
        }
    }

    /// The address as it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is unique.
    pub(crate) fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Username {
    /// 3 to 32 letters (ASCII), digits, `_`, `-`, `.`.
    ///
    /// # Errors
    /// [`Wrong`] for another length or another character.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        if !(3..=32).contains(&text.chars().count()) {
            return Err(Wrong { code: "length", detail: "must have 3 to 32 characters" });
        }
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
            return Err(Wrong {
                code: "invalid_username",
                detail: "may have letters, digits, `_`, `-` and `.` only",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is unique.
    pub(crate) fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl Language {
    /// The language of a code.
    ///
    /// # Errors
    /// [`Wrong`] for a language in which no mails are written.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        match text {
            "es" => Ok(Self::Es),
            "en" => Ok(Self::En),
            _ => Err(Wrong { code: "invalid_value", detail: "must be `es` or `en`" }),
        }
    }

    /// Its code.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Es => "es",
            Self::En => "en",
        }
    }
}

impl DeviceKind {
    /// The kind of a code.
    ///
    /// # Errors
    /// [`Wrong`] for an unknown kind.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        match text {
            "token" => Ok(Self::Token),
            "fid" => Ok(Self::Fid),
            _ => Err(Wrong { code: "invalid_value", detail: "must be `token` or `fid`" }),
        }
    }

    /// Its code.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Fid => "fid",
        }
    }
}

impl Login {
    /// Tells an address from a username; a text that is neither finds no account and needs no answer of its own.
    pub(crate) fn parse(text: &str) -> Self {
        if text.contains('@') {
            Self::Email(text.to_lowercase())
        } else {
            Self::Username(text.to_ascii_lowercase())
        }
    }
}

/// Whether `country` is of the form of ISO 3166-1 alpha-2. The list itself is not kept: it changes, and a wrong code
/// costs the shipper a question, not the shop a loss.
pub(crate) fn is_country(country: &str) -> bool {
    country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase())
}

/// Whether `token` can be a push token: 1 to 512 visible ASCII characters, so that it fits a key.
pub(crate) fn is_device_token(token: &str) -> bool {
    (1..=512).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_usual_form_are_taken() {
        for good in [
            "a@b",
            "ana@example.com",
            "Ana.Maria+shop@mail.example.com.ar",
            "ñandú@correo.ar",
            "o'neil@x-y.io",
        ] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.com", "b.".repeat(130));
        for bad in [
            "",
            "ab",
            "ana",
            "@example.com",
            "ana@",
            "a na@example.com",
            "a@b@c",
            "ana@-x.com",
            "ana@x..com",
            "ana@ex\nample.com",
            &long_local,
            &long,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_compared_without_case() {
        let one = Email::parse("Ana@Example.COM").unwrap();
        let two = Email::parse("ana@example.com").unwrap();
        assert_eq!(one.folded(), two.folded());
        assert_eq!(one.as_str(), "Ana@Example.COM");
        assert_eq!(Username::parse("Ana_1").unwrap().folded(), "ana_1");
    }

    #[test]
    fn usernames_have_three_to_thirty_two_plain_characters() {
        for good in ["ana", "a.b-c_9", &"x".repeat(32)] {
            assert!(Username::parse(good).is_ok(), "{good}");
        }
        for bad in ["an", "a b", "a@b", "ñandú", &"x".repeat(33)] {
            assert!(Username::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_login_with_an_at_is_an_address() {
        assert_eq!(Login::parse("Ana@X.com"), Login::Email("ana@x.com".into()));
        assert_eq!(Login::parse("ANA"), Login::Username("ana".into()));
    }

    #[test]
    fn countries_are_two_capitals() {
        assert!(is_country("AR"));
        for bad in ["ar", "ARG", "A", "", "A1"] {
            assert!(!is_country(bad), "{bad}");
        }
    }
}
