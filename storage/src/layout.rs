//! Where the store keeps what is its own, beside the tables of the service.
//!
//! | key | value |
//! |---|---|
//! | `10..=EF` … | rows of the service's tables |
//! | `F0` seq | outbox row: the message |
//! | `F1` message id | inbox mark: the number of the commit that handled it |
//! | `F2` commit number, message id | empty; the inbox marks by age |
//! | `F3` caller, rpc, key | idempotency record |
//! | `F4` created at ms, caller, rpc, key | empty; the records by age |
//! | `F5` time in ms | checkpoint: the number of the last commit at that time, by which inbox marks get an age |
//! | `FD` | head: the counters of the store, rewritten in every group of commits |
//! | `FE` key, part | a part of a value that is too long for one row |

use crate::key::{Key, encode_text};
use crate::records::IdempotencyKey;

pub(crate) const TABLES_FIRST: u8 = 0x10;
pub(crate) const TABLES_LAST: u8 = 0xEF;
pub(crate) const OUTBOX: u8 = 0xF0;
pub(crate) const INBOX: u8 = 0xF1;
pub(crate) const INBOX_BY_AGE: u8 = 0xF2;
pub(crate) const IDEMPOTENCY: u8 = 0xF3;
pub(crate) const IDEMPOTENCY_BY_AGE: u8 = 0xF4;
pub(crate) const CHECKPOINT: u8 = 0xF5;
pub(crate) const HEAD: [u8; 1] = [0xFD];
pub(crate) const PART: u8 = 0xFE;

pub(crate) fn outbox(seq: u64) -> Vec<u8> {
    with(OUTBOX, |out| seq.encode(out))
}

pub(crate) fn inbox(message_id: &str) -> Vec<u8> {
    with(INBOX, |out| encode_text(message_id, out))
}

pub(crate) fn inbox_by_age(commit: u64, message_id: &str) -> Vec<u8> {
    with(INBOX_BY_AGE, |out| {
        commit.encode(out);
        encode_text(message_id, out);
    })
}

pub(crate) fn idempotency(key: &IdempotencyKey) -> Vec<u8> {
    with(IDEMPOTENCY, |out| encode_idempotency(key, out))
}

pub(crate) fn idempotency_by_age(created_at_ms: u64, key: &IdempotencyKey) -> Vec<u8> {
    with(IDEMPOTENCY_BY_AGE, |out| {
        created_at_ms.encode(out);
        encode_idempotency(key, out);
    })
}

pub(crate) fn checkpoint(now_ms: u64) -> Vec<u8> {
    with(CHECKPOINT, |out| now_ms.encode(out))
}

pub(crate) fn part(key: &[u8], index: u16) -> Vec<u8> {
    with(PART, |out| {
        out.extend_from_slice(key);
        index.encode(out);
    })
}

fn encode_idempotency(key: &IdempotencyKey, out: &mut Vec<u8>) {
    encode_text(&key.caller, out);
    encode_text(&key.rpc, out);
    encode_text(&key.key, out);
}

fn with(table: u8, rest: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![table];
    rest(&mut out);
    out
}
