//! How it is read, and the parts that several commits share.
//!
//! Nothing is written here by itself: a function either answers a question or adds to the commit of the request.

pub(crate) mod rows;

use vitrina_storage::{Commit, Key, PAGE_ROWS_MAX, Row, Scan, Store, Table, prefix};

use crate::error::Error;
use crate::keys::{BOOKS, Book, DEPARTED, EMAILS, SELLERS, SESSIONS, SessionId, USERNAMES, USERS, UserId};
use crate::model::Login;
use crate::store::rows::{BookRow, OwnerRow, SellerRow, SessionRow, UserRow};

/// A session that stands, led by its account.
pub(crate) type Standing = (Row<UserRow>, Row<SessionRow>);

/// A living account.
///
/// # Errors
/// [`Error::Unauthenticated`] when there is none of this id: whoever calls with its token is nobody any more.
pub(crate) fn user(store: &Store, user_id: UserId) -> Result<Row<UserRow>, Error> {
    find_user(store, user_id)?.ok_or(Error::Unauthenticated)
}

/// A living account, or `None`.
pub(crate) fn find_user(store: &Store, user_id: UserId) -> Result<Option<Row<UserRow>>, Error> {
    Ok(USERS.get(store, &user_id)?.filter(|row| row.value.deleted_at_ms.is_none()))
}

/// Whose an address or a username is.
pub(crate) fn owner(store: &Store, login: &Login) -> Result<Option<UserId>, Error> {
    let row = match login {
        Login::Email(folded) => EMAILS.get(store, folded)?,
        Login::Username(folded) => USERNAMES.get(store, folded)?,
    };
    row.map(|row| owner_id(&row.value)).transpose()
}

/// An index entry of a user.
pub(crate) fn owned_by(user_id: UserId) -> OwnerRow {
    OwnerRow { user_id: user_id.bytes().to_vec() }
}

/// The seller profile of a living account.
pub(crate) fn seller(store: &Store, user_id: UserId) -> Result<Option<Row<SellerRow>>, Error> {
    Ok(SELLERS.get(store, &user_id)?)
}

/// A session, if it stands.
pub(crate) fn session(
    store: &Store,
    user_id: UserId,
    session_id: SessionId,
) -> Result<Option<Standing>, Error> {
    let (Some(user), Some(session)) =
        (find_user(store, user_id)?, SESSIONS.get(store, &(user_id, session_id))?)
    else {
        return Ok(None);
    };
    let stands = session.value.epoch == user.value.session_epoch;
    Ok(stands.then_some((user, session)))
}

/// All rows of a user in a table; every list's bound is below a page's.
pub(crate) fn all<P, V>(
    store: &Store,
    table: &Table<(UserId, P), V>,
    user_id: UserId,
) -> Result<Vec<(P, Row<V>)>, Error>
where
    P: Key,
    V: prost::Message + Default,
{
    let rows = table.scan(store, Scan::first(prefix(&user_id), PAGE_ROWS_MAX))?;
    Ok(rows.into_iter().map(|((_, part), row)| (part, row)).collect())
}

/// Accounts whose leftovers are still to be removed, a page of them.
pub(crate) fn departed(store: &Store) -> Result<Vec<UserId>, Error> {
    let rows = DEPARTED.scan(store, Scan::first(Vec::new(), PAGE_ROWS_MAX))?;
    Ok(rows.into_iter().map(|(user_id, _)| user_id).collect())
}

/// Counts one row more into a list.
///
/// # Errors
/// [`Error::TooMany`] when the list is full.
pub(crate) fn count_in(store: &Store, commit: &mut Commit, user_id: UserId, book: Book) -> Result<(), Error> {
    let rows = expect_book(store, commit, user_id, book)?;
    if rows >= book.rows_max() {
        return Err(Error::TooMany { what: book.what(), max: book.rows_max() });
    }
    commit.put(&BOOKS, &(user_id, book as u8), &BookRow { rows: rows + 1 });
    Ok(())
}

/// Counts one row less.
pub(crate) fn count_out(
    store: &Store,
    commit: &mut Commit,
    user_id: UserId,
    book: Book,
) -> Result<(), Error> {
    let rows = expect_book(store, commit, user_id, book)?;
    commit.put(&BOOKS, &(user_id, book as u8), &BookRow { rows: rows.saturating_sub(1) });
    Ok(())
}

/// Removes a book; the commit conflicts with whoever adds to the list meanwhile.
pub(crate) fn close_book(
    store: &Store,
    commit: &mut Commit,
    user_id: UserId,
    book: Book,
) -> Result<(), Error> {
    expect_book(store, commit, user_id, book)?;
    commit.delete(&BOOKS, &(user_id, book as u8));
    Ok(())
}

fn expect_book(store: &Store, commit: &mut Commit, user_id: UserId, book: Book) -> Result<u32, Error> {
    let key = (user_id, book as u8);
    match BOOKS.get(store, &key)? {
        Some(row) => {
            commit.expect(&BOOKS, &key, row.version);
            Ok(row.value.rows)
        }
        None => {
            commit.expect_absent(&BOOKS, &key);
            Ok(0)
        }
    }
}

fn owner_id(row: &OwnerRow) -> Result<UserId, Error> {
    let bytes =
        row.user_id.as_slice().try_into().map_err(|_| Error::Index { table: "emails or usernames" })?;
    Ok(UserId::from_bytes(bytes))
}
