//! Where it is kept.
//!
//! | table | key | value |
//! |---|---|---|
//! | `publications` | publication | the publication; never removed, since orders name it |
//! | `by_seller` | seller, publication | nothing; backwards it is "newest first", as ids sort by creation |
//! | `active` | product | its one active publication |
//! | `products` | product | the product as last heard |
//! | `users` | user | the username as last heard |
//! | `wishes` | publication | how many wish for it |
//! | `wished` | publication, user | nothing; makes a wish count once |
//! | `questions` | question | the question with its answer |
//! | `asked` | publication, question | nothing; backwards it is "newest first" |
//! | `unanswered` | seller, question | nothing |
//! | `index_queue` | publication | nothing; what the index has not taken in yet |
//! | `index_name` | – | the name of the one index that has everything but the queue |

use vitrina_chassis::ids::UserId;
use vitrina_storage::Table;

use crate::model::{ProductId, PublicationId, QuestionId};
use crate::store::rows::{
    ListingRow, MarkRow, NameRow, ProductRow, PublicationRow, QuestionRow, UserRow, WishesRow,
};

pub(crate) const PUBLICATIONS: Table<PublicationId, PublicationRow> = Table::new(0x10, "publications");
pub(crate) const BY_SELLER: Table<(UserId, PublicationId), MarkRow> = Table::new(0x11, "by_seller");
pub(crate) const ACTIVE: Table<ProductId, ListingRow> = Table::new(0x12, "active");
pub(crate) const PRODUCTS: Table<ProductId, ProductRow> = Table::new(0x13, "products");
pub(crate) const USERS: Table<UserId, UserRow> = Table::new(0x14, "users");
pub(crate) const WISHES: Table<PublicationId, WishesRow> = Table::new(0x15, "wishes");
pub(crate) const WISHED: Table<(PublicationId, UserId), MarkRow> = Table::new(0x16, "wished");
pub(crate) const QUESTIONS: Table<QuestionId, QuestionRow> = Table::new(0x17, "questions");
pub(crate) const ASKED: Table<(PublicationId, QuestionId), MarkRow> = Table::new(0x18, "asked");
pub(crate) const UNANSWERED: Table<(UserId, QuestionId), MarkRow> = Table::new(0x19, "unanswered");
pub(crate) const INDEX_QUEUE: Table<PublicationId, MarkRow> = Table::new(0x1a, "index_queue");
pub(crate) const INDEX_NAME: Table<(), NameRow> = Table::new(0x1b, "index_name");
