//! The caller's account. Required: the user. Optional: seller profile, unread notifications, open orders.

use tonic::{Code, Status};
use vitrina_proto::notifications::v1::CountUnreadRequest;
use vitrina_proto::orders::v1::{ListOrdersRequest, Order, OrderState};
use vitrina_proto::storefront::v1::AccountPage;
use vitrina_proto::users::v1::{GetMeRequest, GetMySellerRequest, Seller, User};

use super::{Missing, Pages};

/// Orders looked at for open ones: the newest.
const ORDERS_SHOWN: u32 = 20;

pub(super) async fn page(pages: &Pages) -> Result<AccountPage, Status> {
    let (user, seller, unread, orders) =
        tokio::join!(user(pages), seller(pages), unread(pages), open_orders(pages));
    let user = user?;
    let mut missing = Missing::default();
    Ok(AccountPage {
        user: Some(user),
        seller: missing.optional("seller", seller).flatten(),
        unread_notifications: missing.optional("unreadNotifications", unread),
        open_orders: missing.optional("openOrders", orders).unwrap_or_default(),
        degraded: missing.0,
    })
}

async fn user(pages: &Pages) -> Result<User, Status> {
    let scope = &pages.scope;
    let reply = scope
        .repeat("vitrina.users.v1.Users/GetMe", || {
            let mut client = pages.clients.users.clone();
            let request = scope.request(GetMeRequest {});
            async move { client.get_me(request).await }
        })
        .await?;
    Ok(reply.into_inner())
}

/// `None` for a user who does not sell.
async fn seller(pages: &Pages) -> Result<Option<Seller>, Status> {
    let scope = pages.optional();
    let reply = scope
        .repeat("vitrina.users.v1.Users/GetMySeller", || {
            let mut client = pages.clients.users.clone();
            let request = scope.request(GetMySellerRequest {});
            async move { client.get_my_seller(request).await }
        })
        .await;
    match reply {
        Ok(reply) => Ok(Some(reply.into_inner())),
        Err(fault) if fault.code() == Code::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

async fn unread(pages: &Pages) -> Result<u32, Status> {
    let scope = pages.optional();
    let user_id = pages.user()?;
    let reply = scope
        .repeat("vitrina.notifications.v1.Notifications/CountUnread", || {
            let mut client = pages.clients.notifications.clone();
            let request = scope.request(CountUnreadRequest { user_id: user_id.clone() });
            async move { client.count_unread(request).await }
        })
        .await?;
    Ok(reply.into_inner().unread)
}

async fn open_orders(pages: &Pages) -> Result<Vec<Order>, Status> {
    let scope = pages.optional();
    let reply = scope
        .repeat("vitrina.orders.v1.Orders/ListOrders", || {
            let mut client = pages.clients.orders.clone();
            let request = scope
                .request(ListOrdersRequest { limit: Some(ORDERS_SHOWN), ..ListOrdersRequest::default() });
            async move { client.list_orders(request).await }
        })
        .await?;
    let orders = reply.into_inner().items;
    Ok(orders.into_iter().filter(is_open).collect())
}

fn is_open(order: &Order) -> bool {
    matches!(
        order.state(),
        OrderState::Created
            | OrderState::Reserved
            | OrderState::AwaitingPayment
            | OrderState::Paid
            | OrderState::Shipped
            | OrderState::Refunding
    )
}
