//! Which rpcs? Each takes its call apart, asks `app`, and answers.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use vitrina_chassis::{Call, respond};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::users::v1 as proto;
use vitrina_proto::users::v1::users_server::Users;

use crate::app::{App, account, address, bank, departure, device, mail, seller, session, wishlist};

/// Metadata by which the edge names the client that a session is given to: an opaque text, the same for the same client;
/// absent, all clients count as one.
const CLIENT: &str = "x-vitrina-client";
/// Bytes of it that are looked at.
const CLIENT_BYTES_MAX: usize = 256;

/// The service as tonic sees it.
pub(crate) struct Api {
    app: Arc<App>,
}

impl Api {
    /// Over these functions.
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    fn call<T>(&self, request: Request<T>) -> Call<T> {
        Call::from_request(request, &self.app.clock)
    }
}

#[tonic::async_trait]
impl Users for Api {
    async fn register(
        &self,
        request: Request<proto::RegisterRequest>,
    ) -> Result<Response<proto::SessionReply>, Status> {
        let client = client(&request);
        respond(account::register(&self.app, self.call(request), &client).await)
    }

    async fn login(
        &self,
        request: Request<proto::LoginRequest>,
    ) -> Result<Response<proto::SessionReply>, Status> {
        let client = client(&request);
        respond(session::login(&self.app, self.call(request), &client).await)
    }

    async fn refresh(
        &self,
        request: Request<proto::RefreshRequest>,
    ) -> Result<Response<proto::SessionReply>, Status> {
        let client = client(&request);
        respond(session::refresh(&self.app, self.call(request), &client).await)
    }

    async fn logout(&self, request: Request<proto::LogoutRequest>) -> Result<Response<Empty>, Status> {
        respond(session::logout(&self.app, self.call(request)).await)
    }

    async fn verify_email(
        &self,
        request: Request<proto::VerifyEmailRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(mail::verify(&self.app, self.call(request)).await)
    }

    async fn forgot_password(
        &self,
        request: Request<proto::ForgotPasswordRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(mail::forgot(&self.app, self.call(request)).await)
    }

    async fn reset_password(
        &self,
        request: Request<proto::ResetPasswordRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(mail::reset(&self.app, self.call(request)).await)
    }

    async fn get_keys(
        &self,
        request: Request<proto::GetKeysRequest>,
    ) -> Result<Response<proto::KeySet>, Status> {
        respond(session::keys(&self.app, &self.call(request)))
    }

    async fn get_me(&self, request: Request<proto::GetMeRequest>) -> Result<Response<proto::User>, Status> {
        respond(account::get(&self.app, &self.call(request)))
    }

    async fn update_me(
        &self,
        request: Request<proto::UpdateMeRequest>,
    ) -> Result<Response<proto::User>, Status> {
        respond(account::update(&self.app, self.call(request)).await)
    }

    async fn delete_me(&self, request: Request<proto::DeleteMeRequest>) -> Result<Response<Empty>, Status> {
        respond(departure::delete(&self.app, self.call(request)).await)
    }

    async fn export_me(
        &self,
        request: Request<proto::ExportMeRequest>,
    ) -> Result<Response<proto::UserExport>, Status> {
        respond(account::export(&self.app, &self.call(request)))
    }

    async fn list_addresses(
        &self,
        request: Request<proto::ListAddressesRequest>,
    ) -> Result<Response<proto::AddressList>, Status> {
        respond(address::list(&self.app, &self.call(request)))
    }

    async fn create_address(
        &self,
        request: Request<proto::CreateAddressRequest>,
    ) -> Result<Response<proto::Address>, Status> {
        respond(address::create(&self.app, self.call(request)).await)
    }

    async fn update_address(
        &self,
        request: Request<proto::UpdateAddressRequest>,
    ) -> Result<Response<proto::Address>, Status> {
        respond(address::update(&self.app, self.call(request)).await)
    }

    async fn delete_address(
        &self,
        request: Request<proto::DeleteAddressRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(address::delete(&self.app, self.call(request)).await)
    }

    async fn list_devices(
        &self,
        request: Request<proto::ListDevicesRequest>,
    ) -> Result<Response<proto::DeviceList>, Status> {
        respond(device::list(&self.app, &self.call(request)))
    }

    async fn put_device(
        &self,
        request: Request<proto::PutDeviceRequest>,
    ) -> Result<Response<proto::Device>, Status> {
        respond(device::put(&self.app, self.call(request)).await)
    }

    async fn delete_device(
        &self,
        request: Request<proto::DeleteDeviceRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(device::delete(&self.app, self.call(request)).await)
    }

    async fn create_seller(
        &self,
        request: Request<proto::CreateSellerRequest>,
    ) -> Result<Response<proto::Seller>, Status> {
        respond(seller::create(&self.app, self.call(request)).await)
    }

    async fn get_my_seller(
        &self,
        request: Request<proto::GetMySellerRequest>,
    ) -> Result<Response<proto::Seller>, Status> {
        respond(seller::get_mine(&self.app, &self.call(request)))
    }

    async fn update_seller(
        &self,
        request: Request<proto::UpdateSellerRequest>,
    ) -> Result<Response<proto::Seller>, Status> {
        respond(seller::update(&self.app, self.call(request)).await)
    }

    async fn get_seller(
        &self,
        request: Request<proto::GetSellerRequest>,
    ) -> Result<Response<proto::Seller>, Status> {
        respond(seller::get(&self.app, &self.call(request)))
    }

    async fn batch_get_sellers(
        &self,
        request: Request<proto::BatchGetSellersRequest>,
    ) -> Result<Response<proto::SellerList>, Status> {
        respond(seller::get_many(&self.app, &self.call(request)))
    }

    async fn issue_token(
        &self,
        request: Request<proto::IssueTokenRequest>,
    ) -> Result<Response<proto::SessionReply>, Status> {
        respond(session::issue(&self.app, self.call(request)).await)
    }

    async fn get_session(
        &self,
        request: Request<proto::GetSessionRequest>,
    ) -> Result<Response<proto::SessionState>, Status> {
        respond(session::state(&self.app, &self.call(request)))
    }

    async fn list_bank_accounts(
        &self,
        request: Request<proto::ListBankAccountsRequest>,
    ) -> Result<Response<proto::BankAccountList>, Status> {
        respond(bank::list(&self.app, &self.call(request)))
    }

    async fn list_payee_accounts(
        &self,
        request: Request<proto::ListPayeeAccountsRequest>,
    ) -> Result<Response<proto::BankAccountList>, Status> {
        respond(bank::list_payee(&self.app, &self.call(request)))
    }

    async fn create_bank_account(
        &self,
        request: Request<proto::CreateBankAccountRequest>,
    ) -> Result<Response<proto::BankAccount>, Status> {
        respond(bank::create(&self.app, self.call(request)).await)
    }

    async fn get_bank_account(
        &self,
        request: Request<proto::GetBankAccountRequest>,
    ) -> Result<Response<proto::BankAccount>, Status> {
        respond(bank::get(&self.app, &self.call(request)))
    }

    async fn update_bank_account(
        &self,
        request: Request<proto::UpdateBankAccountRequest>,
    ) -> Result<Response<proto::BankAccount>, Status> {
        respond(bank::update(&self.app, self.call(request)).await)
    }

    async fn delete_bank_account(
        &self,
        request: Request<proto::DeleteBankAccountRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(bank::delete(&self.app, self.call(request)).await)
    }

    async fn list_wishlist(
        &self,
        request: Request<proto::ListWishlistRequest>,
    ) -> Result<Response<proto::Wishlist>, Status> {
        respond(wishlist::list(&self.app, &self.call(request)))
    }

    async fn put_wish(
        &self,
        request: Request<proto::PutWishRequest>,
    ) -> Result<Response<proto::Wish>, Status> {
        respond(wishlist::put(&self.app, self.call(request)).await)
    }

    async fn delete_wish(
        &self,
        request: Request<proto::DeleteWishRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(wishlist::delete(&self.app, self.call(request)).await)
    }
}

fn client<T>(request: &Request<T>) -> String {
    let text = request.metadata().get(CLIENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().take(CLIENT_BYTES_MAX).collect()
}
