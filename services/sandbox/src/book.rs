//! What the sandbox knows: the journal, read into memory.
//!
//! Mails, pushes and card tokens are bounded in number, idempotency keys in age. Payments and preferences are not: losing one
//! would look to the shop like a provider that forgets money. A kilobyte or two each, they allow for some hundred thousand.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::fcm::Push;
use crate::mercadopago::{CardToken, Payment, Preference};
use crate::notice::Notice;
use crate::sendgrid::Mail;

/// Mails, pushes and card tokens kept, each: enough to look at; the oldest leave first.
const RECENT_MAX: usize = 10_000;

/// How long an idempotency key is remembered, as long as MercadoPago does.
const ANSWER_MS: u64 = 24 * 60 * 60 * 1_000;

/// First number of payments, refunds and notifications: as many digits as MercadoPago's have.
const FIRST_ID: u64 = 1_320_000_000;

/// One fact in the journal. What has an id replaces what had it before.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Record {
    Payment(Payment),
    Preference(Preference),
    CardToken(CardToken),
    Answer(Answer),
    Notice(Notice),
    /// The notification was answered by 2xx or given up.
    NoticeDone {
        id: u64,
    },
    Mail(Mail),
    Push(Push),
}

/// What was answered under an idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Method, path and key.
    pub(crate) key: String,
    /// SHA-256 of the request's body, in hex.
    pub(crate) fingerprint: String,
    pub(crate) status: u16,
    pub(crate) body: serde_json::Value,
    pub(crate) at_ms: u64,
}

/// The sum of all records.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) payments: BTreeMap<u64, Payment>,
    pub(crate) preferences: HashMap<String, Preference>,
    /// Payments by their `external_reference`, oldest first.
    pub(crate) by_reference: HashMap<String, Vec<u64>>,
    pub(crate) notices: BTreeMap<u64, Notice>,
    pub(crate) mails: VecDeque<Mail>,
    pub(crate) pushes: VecDeque<Push>,
    card_tokens: VecDeque<CardToken>,
    answers: HashMap<String, Answer>,
    answer_ages: VecDeque<(u64, String)>,
    last_id: u64,
}

impl Book {
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::Payment(payment) => self.apply_payment(payment),
            Record::Preference(preference) => {
                self.preferences.insert(preference.id.clone(), preference);
            }
            Record::CardToken(token) => push_bounded(&mut self.card_tokens, token),
            Record::Answer(answer) => self.apply_answer(answer),
            Record::Notice(notice) => {
                self.last_id = self.last_id.max(notice.id);
                self.notices.insert(notice.id, notice);
            }
            Record::NoticeDone { id } => {
                self.last_id = self.last_id.max(id);
                self.notices.remove(&id);
            }
            Record::Mail(mail) => push_bounded(&mut self.mails, mail),
            Record::Push(push) => push_bounded(&mut self.pushes, push),
        }
    }

    /// Numbers that nothing has yet. Whoever takes some must write what has them.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u64> + use<> {
        self.last_id.max(FIRST_ID) + 1..
    }

    pub(crate) fn answer(&self, key: &str) -> Option<&Answer> {
        self.answers.get(key)
    }

    pub(crate) fn card_token(&self, id: &str) -> Option<&CardToken> {
        self.card_tokens.iter().rev().find(|token| token.id == id)
    }

    /// Everything that still matters, as records that give the same book.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let last = Record::NoticeDone { id: self.last_id };
        std::iter::once(last)
            .chain(self.preferences.values().cloned().map(Record::Preference))
            .chain(self.payments.values().cloned().map(Record::Payment))
            .chain(self.card_tokens.iter().cloned().map(Record::CardToken))
            .chain(
                self.answer_ages
                    .iter()
                    .filter_map(|(_, key)| self.answers.get(key).cloned())
                    .map(Record::Answer),
            )
            .chain(self.mails.iter().cloned().map(Record::Mail))
            .chain(self.pushes.iter().cloned().map(Record::Push))
            .chain(self.notices.values().cloned().map(Record::Notice))
    }

    fn apply_payment(&mut self, payment: Payment) {
        let newest = payment.refunds.iter().map(|refund| refund.id).max().unwrap_or(0).max(payment.id);
        self.last_id = self.last_id.max(newest);
        let is_new = !self.payments.contains_key(&payment.id);
        if let Some(reference) = payment.external_reference.as_ref().filter(|_| is_new) {
            self.by_reference.entry(reference.clone()).or_default().push(payment.id);
        }
        self.payments.insert(payment.id, payment);
    }

    fn apply_answer(&mut self, answer: Answer) {
        while let Some((at_ms, _)) = self.answer_ages.front() {
            if at_ms + ANSWER_MS > answer.at_ms {
                break;
            }
            if let Some((_, key)) = self.answer_ages.pop_front() {
                self.answers.remove(&key);
            }
        }
        self.answer_ages.push_back((answer.at_ms, answer.key.clone()));
        self.answers.insert(answer.key.clone(), answer);
    }
}

fn push_bounded<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == RECENT_MAX {
        list.pop_front();
    }
    list.push_back(item);
}
