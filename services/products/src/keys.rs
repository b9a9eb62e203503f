//! Where it is kept.
//!
//! | table | key | value |
//! |---|---|---|
//! | `products` | product | the product with its stock; never removed, since orders name it |
//! | `by_seller` | seller, product | nothing; backwards it is "newest first", as ids sort by creation |
//! | `skus` | seller, sku | whose it is; makes a sku unique and an import repeatable |
//! | `low_stock` | seller, units available, product | nothing; only up to `LOW_STOCK_MAX` units |
//! | `publications` | publication | its product and state, as last heard |
//! | `listings` | product | its active publication |
//! | `reservations` | order | what it holds |
//! | `leases` | end in ms, order | nothing; the held reservations, first to end first |
//! | `adjustments` | product, its version | who moved its stock by how much and why |

use vitrina_chassis::ids::UserId;
use vitrina_storage::Table;

use crate::model::{OrderId, ProductId, PublicationId};
use crate::store::rows::{
    AdjustmentRow, ListingRow, MarkRow, ProductRow, PublicationRow, ReservationRow, SkuRow,
};

/// The products.
pub(crate) const PRODUCTS: Table<ProductId, ProductRow> = Table::new(0x10, "products");
/// The products of a seller that are not deleted.
pub(crate) const BY_SELLER: Table<(UserId, ProductId), MarkRow> = Table::new(0x11, "by_seller");
/// The skus of a seller.
pub(crate) const SKUS: Table<(UserId, String), SkuRow> = Table::new(0x12, "skus");
/// The products of a seller that are running out.
pub(crate) const LOW_STOCK: Table<(UserId, u32, ProductId), MarkRow> = Table::new(0x13, "low_stock");
/// The publications that were heard of.
pub(crate) const PUBLICATIONS: Table<PublicationId, PublicationRow> = Table::new(0x14, "publications");
/// The active publication of a product.
pub(crate) const LISTINGS: Table<ProductId, ListingRow> = Table::new(0x15, "listings");
/// The reservations of orders.
pub(crate) const RESERVATIONS: Table<OrderId, ReservationRow> = Table::new(0x16, "reservations");
/// The leases that run.
pub(crate) const LEASES: Table<(u64, OrderId), MarkRow> = Table::new(0x17, "leases");
/// The history of stock adjustments.
pub(crate) const ADJUSTMENTS: Table<(ProductId, u64), AdjustmentRow> = Table::new(0x18, "adjustments");
