//! What is told, in the reader's language: titles and bodies by kind, and mails made of them.
//!
//! The words lie in `texts/`, a file a language, and the frame of a mail in `mail.html` and `mail.txt`; they are part of the
//! program. What comes from people (names, titles, questions) goes through the template engine as a value, never as a
//! template, and is escaped in HTML by the engine.

use std::collections::HashMap;

use minijinja::{Environment, context};
use serde::Deserialize;

use crate::error::Error;
use crate::model::kind::{Facts, Kind};

/// Digits of an order's id that people see.
const ORDER_DIGITS: usize = 8;
/// The frame of a mail; the engine escapes by the ending of the name.
const FRAMES: [(&str, &str); 2] =
    [("mail.html", include_str!("../texts/mail.html")), ("mail.txt", include_str!("../texts/mail.txt"))];

/// A language that there are words in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Language {
    Spanish,
    English,
}

/// The words of every kind in every language.
pub(crate) struct Texts {
    engine: Environment<'static>,
    words: HashMap<Language, HashMap<String, Words>>,
    /// Without a trailing slash.
    link_base: String,
}

/// A notification in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) title: String,
    pub(crate) body: String,
    /// Where it leads; absent: nowhere that its reader could see.
    pub(crate) link: Option<String>,
}

/// A mail in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Who reads a mail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) language: Language,
    /// First name; empty: not known.
    pub(crate) name: &'a str,
    /// A guest has no account in which to see anything.
    pub(crate) is_guest: bool,
}

#[derive(Clone, Deserialize)]
struct Words {
    title: String,
    body: String,
    action: String,
}

impl Language {
    const ALL: [(Language, &'static str); 2] = [
        (Language::Spanish, include_str!("../texts/es.toml")),
        (Language::English, include_str!("../texts/en.toml")),
    ];

    /// The language of a tag such as `en` or `en-US`; `None` for one without words.
    pub(crate) fn of(tag: &str) -> Option<Language> {
        match tag.get(..2)?.to_ascii_lowercase().as_str() {
            "es" => Some(Language::Spanish),
            "en" => Some(Language::English),
            _ => None,
        }
    }

    fn tag(self) -> &'static str {
        match self {
            Language::Spanish => "es",
            Language::English => "en",
        }
    }
}

impl Texts {
    /// Reads the words that the program holds.
    pub(crate) fn new(link_base: &str) -> Texts {
        let mut engine = Environment::new();
        for (name, frame) in FRAMES {
            engine.add_template(name, frame).expect("the tests read the frames");
        }
        let words = Language::ALL.map(|(language, file)| {
            (language, toml::from_str(file).expect("the tests read the files of words"))
        });
        Texts { engine, words: words.into(), link_base: link_base.trim_end_matches('/').to_owned() }
    }

    /// A notification in a language.
    ///
    /// # Errors
    /// [`Error::Text`] when a template does not fit what it is filled with; the tests fill each.
    pub(crate) fn told(&self, kind: Kind, facts: &Facts, language: Language) -> Result<Told, Error> {
        let words = self.words(kind, language)?;
        Ok(Told {
            title: one_line(&self.fill(kind, &words.title, facts, language)?),
            body: self.fill(kind, &words.body, facts, language)?,
            link: Some(format!("{}{}", self.link_base, path(kind, facts))),
        })
    }

    /// A mail to a reader; `token` is what a link of security carries.
    ///
    /// # Errors
    /// As [`Texts::told`].
    pub(crate) fn mail(
        &self,
        kind: Kind,
        facts: &Facts,
        reader: Reader<'_>,
        token: Option<&str>,
    ) -> Result<Mail, Error> {
        let Told { title, body, link } = self.told(kind, facts, reader.language)?;
        let link = match token {
            // Tokens are base64url, which a URL takes as it is.
            Some(token) => link.map(|link| format!("{link}?token={token}")),
            None => link.filter(|_| !reader.is_guest),
        };
        let values = context! {
            language => reader.language.tag(),
            name => reader.name,
            title,
            body,
            link,
            action => self.words(kind, reader.language)?.action,
            security => kind.is_security(),
        };
        let frame = |name: &str| {
            let made = self.engine.get_template(name).and_then(|frame| frame.render(&values));
            made.map_err(|source| Error::Text { kind: kind.name(), source })
        };
        Ok(Mail { text: frame("mail.txt")?, html: frame("mail.html")?, subject: title })
    }

    fn words(&self, kind: Kind, language: Language) -> Result<&Words, Error> {
        let words = self.words.get(&language).and_then(|words| words.get(kind.name()));
        words.ok_or_else(|| Error::Text {
            kind: kind.name(),
            source: minijinja::ErrorKind::TemplateNotFound.into(),
        })
    }

    fn fill(&self, kind: Kind, template: &str, facts: &Facts, language: Language) -> Result<String, Error> {
        let values = context! {
            order => short(&facts.order_id),
            what => what(facts, language),
            title => facts.title,
            amount => amount(facts.amount_minor, &facts.currency, language),
            text => facts.text,
            author => facts.author,
            rating => facts.rating,
            to_seller => facts.is_to_seller,
        };
        let filled = self.engine.render_str(template, values);
        filled.map_err(|source| Error::Text { kind: kind.name(), source })
    }
}

/// Where a notification leads, below the base of links.
fn path(kind: Kind, facts: &Facts) -> String {
    match kind {
        Kind::Welcome => "/".to_owned(),
        Kind::VerifyEmail => "/verify-email".to_owned(),
        Kind::PasswordReset => "/reset-password".to_owned(),
        Kind::QuestionAsked | Kind::QuestionAnswered | Kind::PriceDrop | Kind::BackInStock => {
            format!("/publications/{}", facts.publication_id)
        }
        Kind::OperationFailed => format!("/operations/{}", facts.operation_id),
        Kind::OrderPlaced
        | Kind::OrderReceived
        | Kind::PaymentApproved
        | Kind::PaymentRejected
        | Kind::OrderCancelled
        | Kind::OrderExpired
        | Kind::OrderShipped
        | Kind::OrderFinished
        | Kind::OrderRefunded
        | Kind::ReviewReceived => format!("/orders/{}", facts.order_id),
    }
}

/// The end of an order's id, which differs between orders of one moment; the beginning is the time.
fn short(order_id: &str) -> String {
    let start = order_id.len().saturating_sub(ORDER_DIGITS);
    format!("#{}", order_id.get(start..).unwrap_or_default().to_uppercase())
}

fn what(facts: &Facts, language: Language) -> String {
    match (language, facts.others) {
        (Language::Spanish, 0) => format!("«{}»", facts.title),
        (Language::Spanish, others) => format!("«{}» y {others} más", facts.title),
        (Language::English, 0) => format!("“{}”", facts.title),
        (Language::English, others) => format!("“{}” and {others} more", facts.title),
    }
}

/// An amount for people: `ARS 5.980,00` in Spanish, `ARS 5,980.00` in English.
fn amount(minor: i64, currency: &str, language: Language) -> String {
    let (thousands, decimals) = match language {
        Language::Spanish => ('.', ','),
        Language::English => (',', '.'),
    };
    // ISO 4217, for the currencies of Spanish-speaking America without minor units.
    let has_cents = !matches!(currency, "CLP" | "PYG");
    let absolute = minor.unsigned_abs();
    let (units, cents) = if has_cents { (absolute / 100, absolute % 100) } else { (absolute, 0) };
    let digits = units.to_string();
    let mut text = if minor < 0 { format!("{currency} -") } else { format!("{currency} ") };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(thousands);
        }
        text.push(digit);
    }
    if has_cents {
        text.push_str(&format!("{decimals}{cents:02}"));
    }
    text
}

/// A subject is one line: a line break in it would begin a header of its own at a careless mail program.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGES: [Language; 2] = [Language::Spanish, Language::English];

    fn facts() -> Facts {
        Facts {
            order_id: "ord_0192f0c4a5b67c8d9e0f1a2b3c4d5e6f".to_owned(),
            publication_id: "pub_1".to_owned(),
            title: "Radio <b>&</b>".to_owned(),
            others: 2,
            amount_minor: 598_000,
            currency: "ARS".to_owned(),
            text: "¿Anda \"bien\"?".to_owned(),
            author: "beto".to_owned(),
            rating: 4,
            ..Facts::default()
        }
    }

    #[test]
    fn every_kind_has_words_in_every_language_for_both_parties() {
        let texts = Texts::new("https://shop.example/");
        for (kind, language) in
            Kind::ALL.into_iter().flat_map(|kind| LANGUAGES.map(|language| (kind, language)))
        {
            for is_to_seller in [false, true] {
                let facts = Facts { is_to_seller, ..facts() };
                let reader = Reader { language, name: "Ana", is_guest: false };
                let mail = texts.mail(kind, &facts, reader, None).unwrap();
                let told = texts.told(kind, &facts, language).unwrap();
                assert!(
                    !told.title.is_empty() && !told.body.is_empty() && !told.title.contains("{{"),
                    "{told:?}"
                );
                assert!(
                    mail.text.contains("https://shop.example/") && mail.html.contains(">Vitrina<"),
                    "{mail:?}"
                );
            }
        }
        for (language, words) in &texts.words {
            assert_eq!(words.len(), Kind::ALL.len(), "{language:?} has words for what is no kind");
        }
    }

    #[test]
    fn what_people_wrote_is_escaped_in_html_and_plain_elsewhere() {
        let texts = Texts::new("http://x");
        let reader = Reader { language: Language::Spanish, name: "<script>", is_guest: false };
        let mail = texts.mail(Kind::OrderPlaced, &facts(), reader, None).unwrap();
        assert!(mail.text.contains("«Radio <b>&</b>» y 2 más por ARS 5.980,00"), "{}", mail.text);
        assert!(mail.html.contains("Radio &lt;b&gt;&amp;&lt;&#x2f;b&gt;"), "{}", mail.html);
        assert!(!mail.html.contains("<script>") && !mail.html.contains("<b>"), "{}", mail.html);
        assert_eq!(mail.subject, "Recibimos tu pedido #3C4D5E6F");
    }

    #[test]
    fn a_template_in_what_people_wrote_is_text() {
        let texts = Texts::new("http://x");
        let facts = Facts { text: "{{ author }} {% if %}".to_owned(), ..facts() };
        let told = texts.told(Kind::QuestionAsked, &facts, Language::English).unwrap();
        assert_eq!(told.body, "“{{ author }} {% if %}”");
    }

    #[test]
    fn a_link_of_security_carries_the_token_and_a_guest_gets_none() {
        let texts = Texts::new("http://x");
        let reader = Reader { language: Language::English, name: "", is_guest: false };
        let mail = texts.mail(Kind::PasswordReset, &Facts::default(), reader, Some("abc_-1")).unwrap();
        assert!(mail.text.contains("http://x/reset-password?token=abc_-1\n"), "{}", mail.text);
        let guest = Reader { is_guest: true, ..reader };
        let mail = texts.mail(Kind::OrderPlaced, &facts(), guest, None).unwrap();
        assert!(!mail.text.contains("http://x") && !mail.html.contains("http://x"));
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        for (minor, currency, spanish, english) in [
            (598_000, "ARS", "ARS 5.980,00", "ARS 5,980.00"),
            (5, "ARS", "ARS 0,05", "ARS 0.05"),
            (123_456_789, "MXN", "MXN 1.234.567,89", "MXN 1,234,567.89"),
            (1_500, "CLP", "CLP 1.500", "CLP 1,500"),
        ] {
            assert_eq!(amount(minor, currency, Language::Spanish), spanish);
            assert_eq!(amount(minor, currency, Language::English), english);
        }
    }
}
