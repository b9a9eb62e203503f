//! Numbers of bank accounts and their check digits.
//!
//! | scheme | form | check | source |
//! |---|---|---|---|
//! | CBU, CVU | 22 digits: 8 (entity, branch, check) + 14 (account, check) | weights 7 1 3 9 from the left resp. 3 9 7 1, modulo 10 | BCRA, Com. “A” 2559 and “A” 6510 |
//! | CLABE | 18 digits | weights 3 7 1, each product modulo 10 | Banco de México, SPEI rules |
//! | IBAN | country, 2 check digits, up to 30 letters and digits | modulo 97 is 1, length of the country | ISO 13616 |
//!
//! A CVU is a number of the CBU's form whose entity is `000`; a CBU never has that entity.

use super::Wrong;

/// How an account number is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Argentine bank account.
    Cbu,
    /// Argentine account at a payment service provider.
    Cvu,
    /// Mexican bank account.
    Clabe,
    /// International bank account number.
    Iban,
}

/// What kind of account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountType {
    /// A savings account.
    Savings,
    /// A checking account.
    Checking,
}

/// A number whose check digits were verified, without separators, letters in capitals.
///
/// It has no `Debug` that prints it, so that it cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccountNumber {
    scheme: Scheme,
    digits: String,
}

const LENGTH: Wrong = Wrong { code: "length", detail: "does not have the length of this scheme" };
const FORM: Wrong =
    Wrong { code: "invalid_format", detail: "has characters or a prefix that this scheme does not have" };
const CHECK: Wrong =
    Wrong { code: "check_digit", detail: "its check digits do not match: there is a typing error in it" };
const COUNTRY: Wrong = Wrong { code: "invalid_country", detail: "its country does not use IBAN" };

/// Longest text looked at: the longest IBAN has 34 characters, and separators may double it.
const TEXT_BYTES_MAX: usize = 80;

/// Lengths by country: SWIFT's IBAN registry, release 98.
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

impl AccountType {
    /// The type of a code.
    ///
    /// # Errors
    /// [`Wrong`] for an unknown one.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        match text {
            "SAVINGS" => Ok(Self::Savings),
            "CHECKING" => Ok(Self::Checking),
            _ => Err(Wrong { code: "invalid_value", detail: "must be `SAVINGS` or `CHECKING`" }),
        }
    }

    /// Its code.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Savings => "SAVINGS",
            Self::Checking => "CHECKING",
        }
    }
}

impl AccountNumber {
    /// The number in `text`; spaces and dashes are dropped.
    ///
    /// # Errors
    /// [`Wrong`] for a wrong length, form or check digit.
    pub(crate) fn parse(scheme: Scheme, text: &str) -> Result<Self, Wrong> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(LENGTH);
        }
        let digits: String =
            text.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_uppercase()).collect();
        match scheme {
            Scheme::Cbu | Scheme::Cvu => check_cbu(&decimal(&digits, 22)?, scheme)?,
            Scheme::Clabe => check_clabe(&decimal(&digits, 18)?)?,
            Scheme::Iban => check_iban(&digits)?,
        }
        Ok(Self { scheme, digits })
    }

    /// How it is built.
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The number in full: a secret.
    pub(crate) fn reveal(&self) -> &str {
        &self.digits
    }

    /// The last four characters.
    pub(crate) fn last_four(&self) -> &str {
        &self.digits[self.digits.len() - 4..]
    }
}

/// A number of `chars` characters of which only the last four are known.
pub(crate) fn masked(chars: usize, last_four: &str) -> String {
    let mut text = "*".repeat(chars.saturating_sub(last_four.len()));
    text.push_str(last_four);
    text
}

fn decimal(text: &str, length: usize) -> Result<Vec<u32>, Wrong> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(10)).collect::<Option<_>>().ok_or(FORM)?;
    if digits.len() == length { Ok(digits) } else { Err(LENGTH) }
}

fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights.iter().cycle()).map(|(digit, weight)| digit * weight % 10).sum()
}

fn is_checked(digits: &[u32], weights: &[u32]) -> bool {
    digits.split_last().is_some_and(|(check, rest)| (10 - weighted(rest, weights) % 10) % 10 == *check)
}

fn check_cbu(digits: &[u32], scheme: Scheme) -> Result<(), Wrong> {
    let is_virtual = digits.iter().take(3).all(|digit| *digit == 0);
    if is_virtual != (scheme == Scheme::Cvu) {
        return Err(FORM);
    }
    let (entity, account) = digits.split_at(8);
    if is_checked(entity, &[7, 1, 3, 9]) && is_checked(account, &[3, 9, 7, 1]) { Ok(()) } else { Err(CHECK) }
}

fn check_clabe(digits: &[u32]) -> Result<(), Wrong> {
    if is_checked(digits, &[3, 7, 1]) { Ok(()) } else { Err(CHECK) }
}

fn check_iban(text: &str) -> Result<(), Wrong> {
    if !text.is_ascii() || text.len() < 15 {
        return Err(if text.is_ascii() { LENGTH } else { FORM });
    }
    let (country, rest) = text.split_at(2);
    let is_formed = country.bytes().all(|b| b.is_ascii_uppercase())
        && rest.bytes().take(2).all(|b| b.is_ascii_digit())
        && rest.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    if !is_formed {
        return Err(FORM);
    }
    let length = IBAN_LENGTHS.iter().find(|(code, _)| *code == country).ok_or(COUNTRY)?.1;
    if text.len() != length {
        return Err(LENGTH);
    }
    // ISO 7064: the first four characters go last, letters count as 10 to 35, the whole modulo 97 is 1.
    let remainder =
        text[4..].chars().chain(text[..4].chars()).filter_map(|c| c.to_digit(36)).fold(0, |sum, value| {
            let shift = if value > 9 { 100 } else { 10 };
            (sum * shift + value) % 97
        });
    if remainder == 1 { Ok(()) } else { Err(CHECK) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published examples: BCRA and vendors' documentation, Banco de México, the IBAN registry.
    const GOOD: &[(Scheme, &str)] = &[
        (Scheme::Cbu, "2850590940090418135201"),
        (Scheme::Cbu, "28505909 40090418135201"),
        (Scheme::Cvu, "0000003100010000000009"),
        (Scheme::Clabe, "032180000118359719"),
        (Scheme::Clabe, "002115016003269411"),
        (Scheme::Iban, "GB82 WEST 1234 5698 7654 32"),
        (Scheme::Iban, "DE89370400440532013000"),
        (Scheme::Iban, "es9121000418450200051332"),
        (Scheme::Iban, "FR1420041010050500013M02606"),
        (Scheme::Iban, "NO9386011117947"),
    ];

    #[test]
    fn published_numbers_are_taken() {
        for (scheme, text) in GOOD {
            assert_eq!(AccountNumber::parse(*scheme, text).err(), None, "{text}");
        }
    }

    #[test]
    fn every_single_wrong_digit_is_found() {
        for (scheme, text) in GOOD {
            let good: Vec<char> = text.chars().collect();
            for place in (0..good.len()).filter(|place| good[*place].is_ascii_digit()) {
                for digit in ('0'..='9').filter(|digit| *digit != good[place]) {
                    let mut bad = good.clone();
                    bad[place] = digit;
                    let bad: String = bad.into_iter().collect();
                    assert!(AccountNumber::parse(*scheme, &bad).is_err(), "{bad}");
                }
            }
        }
    }

    #[test]
    fn wrong_forms_are_named() {
        for (scheme, text, wrong) in [
            (Scheme::Cbu, "", LENGTH),
            (Scheme::Cbu, "285059094009041813520", LENGTH),
            (Scheme::Cbu, "28505909400904181352O1", FORM),
            (Scheme::Cbu, "0000003100010000000009", FORM),
            (Scheme::Cvu, "2850590940090418135201", FORM),
            (Scheme::Clabe, "032180000118359710", CHECK),
            (Scheme::Iban, "GB82WEST1234569876543", LENGTH),
            (Scheme::Iban, "US82WEST12345698765432", COUNTRY),
            (Scheme::Iban, "8282WEST12345698765432", FORM),
            (Scheme::Iban, "GB82WEST1234569876543ñ", FORM),
            (Scheme::Iban, "GB82WEST12345698765433", CHECK),
        ] {
            assert_eq!(AccountNumber::parse(scheme, text).err(), Some(wrong), "{text}");
        }
        assert_eq!(AccountNumber::parse(Scheme::Iban, &"1".repeat(100_000)).err(), Some(LENGTH));
    }

    #[test]
    fn a_mask_shows_the_last_four() {
        let number = AccountNumber::parse(Scheme::Clabe, "0321-8000-0118-359719").unwrap();
        assert_eq!(masked(18, number.last_four()), "**************9719");
        assert_eq!(number.reveal(), "032180000118359719");
        assert_eq!(number.scheme(), Scheme::Clabe);
    }
}
