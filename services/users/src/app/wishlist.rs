//! The caller's wishlist.

use vitrina_chassis::{Answer, Call, Decision, page, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::users::v1::{DeleteWishRequest, ListWishlistRequest, PutWishRequest, Wish, Wishlist};
use vitrina_storage::Commit;

use super::App;
use crate::error::Error;
use crate::keys::{Book, PublicationId, USERS, UserId, WISHES};
use crate::store::rows::WishRow;
use crate::{events, store, wire};

/// A page of the wishlist, newest first.
///
/// The whole list is read and sorted: at 500 rows that costs less than an order index costs each write.
pub(crate) fn list(app: &App, call: &Call<ListWishlistRequest>) -> Result<Answer<Wishlist>, Error> {
    let user_id = call.caller.require_user()?;
    store::user(&app.store, user_id)?;
    let limit = page::limit(call.request.limit)?;
    let after: Option<(u64, PublicationId)> =
        page::after(call.request.cursor.as_deref().unwrap_or_default())?;
    let rows = newest_first(app, user_id)?.into_iter().map(|(id, row)| ((row.created_at_ms, id), row));
    let rest: Vec<_> =
        rows.filter(|(place, _)| after.is_none_or(|after| *place < after)).take(limit + 1).collect();
    let (rows, next_cursor) = page::cut(rest, limit, |(place, _)| place);
    Ok(Answer::new(Wishlist {
        items: rows.iter().map(|((_, id), row)| wire::wish(*id, row)).collect(),
        next_cursor,
    }))
}

/// Wishes for a publication; whether it exists is not asked, since it may be gone a moment later anyway.
pub(crate) async fn put(app: &App, call: Call<PutWishRequest>) -> Result<Answer<Wish>, Error> {
    let user_id = call.caller.require_user()?;
    let id: PublicationId = wire::id("publication", &call.request.publication_id)?;
    unit(&app.store, &call, "vitrina.users.v1.Users/PutWish", || {
        let user = store::user(&app.store, user_id)?;
        if let Some(row) = WISHES.get(&app.store, &(user_id, id))? {
            return Ok(Decision::unchanged(Answer::new(wire::wish(id, &row.value))));
        }
        let row = WishRow { created_at_ms: call.now_ms };
        let mut commit = Commit::new();
        store::count_in(&app.store, &mut commit, user_id, Book::Wishes)?;
        commit.expect(&USERS, &user_id, user.version);
        commit.expect_absent(&WISHES, &(user_id, id)).put(&WISHES, &(user_id, id), &row);
        commit.emit(events::wish_added(user_id, id));
        let answer = Answer::new(wire::wish(id, &row)).changed(format!("wishlist:{user_id}"));
        Ok::<_, Error>(Decision::new(commit, answer))
    })
    .await
}

/// Takes a wish back.
pub(crate) async fn delete(app: &App, call: Call<DeleteWishRequest>) -> Result<Answer<Empty>, Error> {
    let user_id = call.caller.require_user()?;
    let Ok(id) = call.request.publication_id.parse::<PublicationId>() else {
        return Ok(Answer::new(Empty {}));
    };
    unit(&app.store, &call, "vitrina.users.v1.Users/DeleteWish", || {
        let Some(row) = WISHES.get(&app.store, &(user_id, id))? else {
            return Ok(Decision::unchanged(Answer::new(Empty {})));
        };
        // Of a deleted account the leftovers are being removed already.
        store::user(&app.store, user_id)?;
        let mut commit = Commit::new();
        store::count_out(&app.store, &mut commit, user_id, Book::Wishes)?;
        commit.expect(&WISHES, &(user_id, id), row.version).delete(&WISHES, &(user_id, id));
        commit.emit(events::wish_removed(user_id, id));
        Ok::<_, Error>(Decision::new(commit, Answer::new(Empty {}).changed(format!("wishlist:{user_id}"))))
    })
    .await
}

/// The whole wishlist.
pub(crate) fn newest_first(app: &App, user_id: UserId) -> Result<Vec<(PublicationId, WishRow)>, Error> {
    let rows = store::all(&app.store, &WISHES, user_id)?;
    let mut rows: Vec<_> = rows.into_iter().map(|(id, row)| (id, row.value)).collect();
    rows.sort_by_key(|(id, row)| std::cmp::Reverse((row.created_at_ms, *id)));
    Ok(rows)
}
