//! Every rpc that is somebody's own refuses who is nobody.

use tonic::Code;
use vitrina_proto::orders::v1 as pb;
use vitrina_proto::routes::{Auth, ROUTES, Service};

use crate::mall::{Mall, check_refused};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in() {
    let mall = Mall::open().await;
    let mut tested = Vec::new();
    macro_rules! refuses {
        ($($rpc:ident $name:literal $request:expr),* $(,)?) => {$(
            check_refused(mall.client().$rpc($request).await.map(drop), Code::Unauthenticated, "unauthenticated");
            tested.push($name);
        )*};
    }
    let order = || pb::OrderRequest { id: "ord_1".into() };
    let review = || pb::CreateReviewRequest { id: "ord_1".into(), rating: 5, text: None };
    let returned = || pb::CreateReturnRequest { id: "ord_1".into(), reason: "x".into() };
    refuses!(
        merge_cart "MergeCart" pb::MergeCartRequest::default(),
        buy_now "BuyNow" pb::BuyNowRequest::default(),
        list_orders "ListOrders" pb::ListOrdersRequest::default(),
        get_order "GetOrder" order(),
        cancel_order "CancelOrder" order(),
        confirm_payment "ConfirmPayment" order(),
        ship_order "ShipOrder" order(),
        finish_order "FinishOrder" order(),
        retry_payment "RetryPayment" order(),
        create_refund "CreateRefund" pb::CreateRefundRequest { id: "ord_1".into(), ..Default::default() },
        list_refunds "ListRefunds" order(),
        create_return "CreateReturn" returned(),
        create_review "CreateReview" review(),
        get_review "GetReview" order(),
        watch_order "WatchOrder" order(),
        get_operation "GetOperation" pb::OperationRequest { id: "opr_1".into() },
    );
    // A return is found before its order, so it does not exist for nobody.
    let decide = pb::UpdateReturnRequest { id: "ret_1".into(), state: "accepted".into() };
    check_refused(mall.client().update_return(decide).await, Code::NotFound, "not_found");
    tested.push("UpdateReturn");
    // A cart exists for who has its token or owns it.
    macro_rules! hides {
        ($($rpc:ident $name:literal $request:expr),* $(,)?) => {$(
            check_refused(mall.client().$rpc($request).await.map(drop), Code::NotFound, "not_found");
            tested.push($name);
        )*};
    }
    let (id, line_id) = (|| "car_1".to_owned(), || "lin_1".to_owned());
    let item =
        || pb::AddCartItemRequest { id: id(), publication_id: "pub_1".into(), variant_id: None, quantity: 1 };
    let checkout = || pb::CheckoutRequest {
        id: id(),
        payment_method: 2,
        guest_email: Some("gus@example.com".into()),
        ..Default::default()
    };
    hides!(
        get_cart "GetCart" pb::GetCartRequest { id: id() },
        add_cart_item "AddCartItem" item(),
        update_cart_item "UpdateCartItem"
            pb::UpdateCartItemRequest { id: id(), line_id: line_id(), quantity: 1 },
        delete_cart_item "DeleteCartItem" pb::DeleteCartItemRequest { id: id(), line_id: line_id() },
        checkout "Checkout" checkout(),
    );
    let wanted = ROUTES
        .iter()
        .filter(|route| route.service == Service::Orders && matches!(route.auth, Auth::User | Auth::Guest));
    let untested: Vec<_> = wanted
        .map(|route| route.rpc)
        .filter(|rpc| !tested.iter().any(|name| rpc.ends_with(&format!("/{name}"))))
        .collect();
    assert_eq!(untested, Vec::<&str>::new());
}
