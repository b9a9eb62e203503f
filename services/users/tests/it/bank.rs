//! A seller's bank accounts.

use tonic::{Code, Request};
use vitrina_chassis::Caller;
use vitrina_proto::users::v1::{
    CreateBankAccountRequest, DeleteBankAccountRequest, GetBankAccountRequest, HolderIdentity,
    ListBankAccountsRequest, ListPayeeAccountsRequest, Scheme, UpdateBankAccountRequest,
};

use crate::shop::{Shop, check_fields, check_refused, if_match, keyed};

pub(crate) const CBU: &str = "2850590940090418135201";

pub(crate) fn bank_account(number: &str) -> CreateBankAccountRequest {
    CreateBankAccountRequest {
        bank_name: "Banco Macro".into(),
        holder_name: "Ana García".into(),
        holder_identity: Some(HolderIdentity { r#type: "DNI".into(), number: "30123456".into() }),
        account_type: "SAVINGS".into(),
        scheme: Scheme::Cbu.into(),
        number: number.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_masked_unless_its_owner_asks() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    let made = shop
        .users
        .create_bank_account(ana.call(bank_account("28505909-40090418135201")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(made.number, "******************5201");
    assert_eq!(made.holder_identity.clone().unwrap().number, "30123456");
    let list =
        shop.users.list_bank_accounts(ana.call(ListBankAccountsRequest {})).await.unwrap().into_inner().items;
    assert_eq!(list, std::slice::from_ref(&made));
    for (reveal, number) in [(false, made.number.as_str()), (true, CBU)] {
        let request = GetBankAccountRequest { id: made.id.clone(), reveal };
        assert_eq!(shop.users.get_bank_account(ana.call(request)).await.unwrap().into_inner().number, number);
    }
    let eva = shop.seller("eva").await;
    let foreign = GetBankAccountRequest { id: made.id, reveal: true };
    check_refused(shop.users.get_bank_account(eva.call(foreign)).await, Code::NotFound, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_told_in_full_to_other_services_only() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    shop.users.create_bank_account(ana.call(bank_account(CBU))).await.unwrap();
    let wanted = || ListPayeeAccountsRequest { seller_id: ana.id.clone() };
    for refused in [ana.call(wanted()), Request::new(wanted())] {
        let refused = shop.users.list_payee_accounts(refused).await;
        check_refused(refused, Code::PermissionDenied, "services_only");
    }
    let mut by_system = Request::new(wanted());
    Caller::system().to_metadata(by_system.metadata_mut());
    let told = shop.users.list_payee_accounts(by_system).await.unwrap().into_inner().items;
    assert_eq!(told.iter().map(|account| account.number.as_str()).collect::<Vec<_>>(), [CBU]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    let empty = shop.users.create_bank_account(ana.call(CreateBankAccountRequest::default())).await;
    check_fields(empty, &["bankName", "holderName", "holderIdentity", "accountType", "scheme", "number"]);
    let identity = HolderIdentity { r#type: String::new(), number: "12-3".into() };
    let bad = CreateBankAccountRequest {
        holder_identity: Some(identity),
        ..bank_account("2850590940090418135202")
    };
    let refused = shop.users.create_bank_account(ana.call(bad)).await;
    check_fields(refused, &["holderIdentity.type", "holderIdentity.number", "number"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_unique_for_its_seller_and_may_come_back() {
    let mut shop = Shop::open().await;
    let (ana, eva, bob) = (shop.seller("ana").await, shop.seller("eva").await, shop.register("bob").await);
    let made = shop.users.create_bank_account(ana.call(bank_account(CBU))).await.unwrap().into_inner();
    let again = shop.users.create_bank_account(ana.call(bank_account(CBU))).await;
    check_refused(again, Code::Aborted, "bank_account_exists");
    shop.users.create_bank_account(eva.call(bank_account(CBU))).await.unwrap();
    let no_seller = shop.users.create_bank_account(bob.call(bank_account(CBU))).await;
    check_refused(no_seller, Code::PermissionDenied, "not_a_seller");
    shop.users.delete_bank_account(ana.call(DeleteBankAccountRequest { id: made.id })).await.unwrap();
    shop.users.create_bank_account(ana.call(bank_account(CBU))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_changes_but_for_its_number() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    let made =
        shop.users.create_bank_account(keyed(ana.call(bank_account(CBU)), "k")).await.unwrap().into_inner();
    let replayed =
        shop.users.create_bank_account(keyed(ana.call(bank_account(CBU)), "k")).await.unwrap().into_inner();
    assert_eq!(replayed, made);
    let change = UpdateBankAccountRequest {
        id: made.id.clone(),
        account_type: Some("CHECKING".into()),
        holder_identity: Some(HolderIdentity { r#type: "CUIT".into(), number: "27301234563".into() }),
        ..UpdateBankAccountRequest::default()
    };
    let stale = shop.users.update_bank_account(if_match(ana.call(change.clone()), "4")).await;
    check_refused(stale, Code::FailedPrecondition, "version_mismatch");
    let changed = shop.users.update_bank_account(ana.call(change)).await.unwrap().into_inner();
    assert_eq!(
        (changed.version, changed.account_type.as_str(), changed.number),
        (2, "CHECKING", made.number)
    );
    assert_eq!(changed.holder_identity.unwrap().number, "27301234563");
    let bad = UpdateBankAccountRequest {
        id: made.id,
        account_type: Some("GOLD".into()),
        clear: vec!["bank_name".into()],
        ..UpdateBankAccountRequest::default()
    };
    check_fields(shop.users.update_bank_account(ana.call(bad)).await, &["accountType", "bankName"]);
}
