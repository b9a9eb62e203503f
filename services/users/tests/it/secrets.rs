//! What must not be readable in the store's files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tonic::Request;
use vitrina_proto::users::v1::{HolderIdentity, LoginRequest, RefreshRequest, UpdateBankAccountRequest};

use crate::bank::{CBU, bank_account};
use crate::shop::{PASSWORD, Shop, keyed, registration};

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_lies_in_the_files_of_the_store() {
    let mut shop = Shop::open().await;
    let first =
        shop.users.register(keyed(Request::new(registration("ana")), "k1")).await.unwrap().into_inner();
    let ana = shop.seller("eva").await;
    let made =
        shop.users.create_bank_account(keyed(ana.call(bank_account(CBU)), "k2")).await.unwrap().into_inner();
    let change = UpdateBankAccountRequest {
        id: made.id,
        holder_identity: Some(HolderIdentity { r#type: "CUIT".into(), number: "27301234563".into() }),
        ..UpdateBankAccountRequest::default()
    };
    shop.users.update_bank_account(keyed(ana.call(change), "k3")).await.unwrap();
    let login = LoginRequest { login: "ana".into(), password: PASSWORD.into() };
    let second = shop.users.login(keyed(Request::new(login), "k4")).await.unwrap().into_inner();
    let request = Request::new(RefreshRequest { refresh_token: second.refresh_token.clone() });
    let third = shop.users.refresh(keyed(request, "k5")).await.unwrap().into_inner();

    let Shop { running, dir, .. } = shop;
    running.drain(Duration::from_secs(30)).await;
    let bytes = bytes_below(&dir.path().join("store"));
    assert!(holds(&bytes, "ana@example.com"), "what is kept in clear is found");
    let mut secrets =
        vec![PASSWORD.to_owned(), CBU.to_owned(), "30123456".to_owned(), "27301234563".to_owned()];
    for reply in [first, second, third] {
        secrets.extend([reply.access_token, reply.refresh_token]);
    }
    for secret in secrets {
        assert!(!holds(&bytes, &secret), "{secret}");
    }
}

fn bytes_below(path: &Path) -> Vec<u8> {
    if path.is_file() {
        return fs::read(path).unwrap();
    }
    fs::read_dir(path).unwrap().flat_map(|entry| bytes_below(&entry.unwrap().path())).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
