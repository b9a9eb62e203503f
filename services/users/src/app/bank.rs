//! A seller's bank accounts.
//!
//! The answer that is kept under an idempotency key, and the fingerprint of the request, hold neither the account number
//! nor the holder's identity number: those stand in the store sealed only, and are put into the reply afterwards.

use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::users::v1::{
    BankAccount, BankAccountList, CreateBankAccountRequest, DeleteBankAccountRequest, GetBankAccountRequest,
    HolderIdentity, ListBankAccountsRequest, ListPayeeAccountsRequest, Scheme as WireScheme,
    UpdateBankAccountRequest,
};
use vitrina_storage::{Commit, Id16, Row};

use super::App;
use crate::error::Error;
use crate::keys::{BANK_ACCOUNTS, BANK_NUMBERS, BankAccountId, Book, SELLERS, UserId};
use crate::model::bank::{Scheme, masked};
use crate::store::rows::BankAccountRow;
use crate::{store, wire};

/// What a bank account is called in an answer.
const WHAT: &str = "bank account";
/// Names of the sealed fields, bound into them.
const NUMBER: &str = "bank_account.number";
const IDENTITY: &str = "bank_account.identity";

/// All accounts, numbers masked.
pub(crate) fn list(
    app: &App,
    call: &Call<ListBankAccountsRequest>,
) -> Result<Answer<BankAccountList>, Error> {
    let user_id = call.caller.require_user()?;
    seller(app, user_id)?;
    let rows = store::all(&app.store, &BANK_ACCOUNTS, user_id)?;
    let items = rows.iter().map(|(id, row)| shown_masked(app, user_id, *id, &row.value));
    Ok(Answer::new(BankAccountList { items: items.collect::<Result<_, _>>()? }))
}

/// All accounts of a seller in full, for the buyer of an order: the service of orders knows who that is.
pub(crate) fn list_payee(
    app: &App,
    call: &Call<ListPayeeAccountsRequest>,
) -> Result<Answer<BankAccountList>, Error> {
    call.caller.require_system()?;
    let seller_id: UserId = wire::id("seller", &call.request.seller_id)?;
    let rows = store::all(&app.store, &BANK_ACCOUNTS, seller_id)?;
    let items = rows.iter().map(|(id, row)| shown_in_full(app, seller_id, *id, &row.value));
    Ok(Answer::new(BankAccountList { items: items.collect::<Result<_, _>>()? }))
}

/// Adds an account; its number is unique for the seller.
pub(crate) async fn create(
    app: &App,
    call: Call<CreateBankAccountRequest>,
) -> Result<Answer<BankAccount>, Error> {
    let user_id = call.caller.require_user()?;
    let new = wire::bank_account(&call.request)?;
    let id = BankAccountId::at(call.now_ms);
    let blind = app.vault.blind(user_id, new.number.reveal());
    let row = BankAccountRow {
        version: 1,
        bank_name: new.bank_name,
        holder_name: new.holder_name,
        identity_type: new.identity_type,
        identity_number: app.vault.seal(user_id, IDENTITY, &new.identity_number)?,
        account_type: new.account_type.as_str().to_owned(),
        scheme: wire_scheme(new.number.scheme()).into(),
        number: app.vault.seal(user_id, NUMBER, new.number.reveal())?,
        last_four: new.number.last_four().to_owned(),
        number_chars: new.number.reveal().len() as u32,
        blind_index: blind.0.to_vec(),
    };
    let call = call.with(CreateBankAccountRequest {
        number: app.vault.stand_in(new.number.reveal()),
        holder_identity: call.request.holder_identity.clone().map(|identity| stand_in(app, identity)),
        ..call.request.clone()
    });
    let draft = unit(&app.store, &call, "vitrina.users.v1.Users/CreateBankAccount", || {
        let seller = seller(app, user_id)?;
        if BANK_NUMBERS.get(&app.store, &(user_id, blind))?.is_some() {
            return Err(Error::BankAccountExists);
        }
        let mut commit = Commit::new();
        store::count_in(&app.store, &mut commit, user_id, Book::BankAccounts)?;
        // The profile goes with the account of the user, so its version also guards against a deletion meanwhile.
        commit.expect(&SELLERS, &user_id, seller.version);
        commit.expect_absent(&BANK_NUMBERS, &(user_id, blind)).put(
            &BANK_NUMBERS,
            &(user_id, blind),
            &store::owned_by(user_id),
        );
        commit.expect_absent(&BANK_ACCOUNTS, &(user_id, id)).put(&BANK_ACCOUNTS, &(user_id, id), &row);
        Ok(Decision::new(commit, drafted(id, &row)))
    })
    .await?;
    completed(app, user_id, draft)
}

/// One account; in full when its owner asks for it.
pub(crate) fn get(app: &App, call: &Call<GetBankAccountRequest>) -> Result<Answer<BankAccount>, Error> {
    let user_id = call.caller.require_user()?;
    seller(app, user_id)?;
    let id = wire::id(WHAT, &call.request.id)?;
    let row = BANK_ACCOUNTS.get(&app.store, &(user_id, id))?.ok_or(Error::NotFound(WHAT))?.value;
    let shown = if call.request.reveal { shown_in_full } else { shown_masked };
    Ok(Answer::new(shown(app, user_id, id, &row)?).version(row.version.into()))
}

/// Changes an account; its number stays.
pub(crate) async fn update(
    app: &App,
    call: Call<UpdateBankAccountRequest>,
) -> Result<Answer<BankAccount>, Error> {
    let user_id = call.caller.require_user()?;
    let id: BankAccountId = wire::id(WHAT, &call.request.id)?;
    let patch = wire::bank_patch(&call.request)?;
    let sealed =
        patch.identity.as_ref().map(|(_, number)| app.vault.seal(user_id, IDENTITY, number)).transpose()?;
    let call = call.with(UpdateBankAccountRequest {
        holder_identity: call.request.holder_identity.clone().map(|identity| stand_in(app, identity)),
        ..call.request.clone()
    });
    let draft = unit(&app.store, &call, "vitrina.users.v1.Users/UpdateBankAccount", || {
        seller(app, user_id)?;
        let old = BANK_ACCOUNTS.get(&app.store, &(user_id, id))?.ok_or(Error::NotFound(WHAT))?;
        call.check_version(old.value.version.into())?;
        let mut row = old.value;
        row.version += 1;
        row.bank_name = patch.bank_name.clone().unwrap_or(row.bank_name);
        row.holder_name = patch.holder_name.clone().unwrap_or(row.holder_name);
        row.identity_type = patch.identity.as_ref().map_or(row.identity_type, |(kind, _)| kind.clone());
        row.identity_number = sealed.clone().unwrap_or(row.identity_number);
        row.account_type = patch.account_type.map_or(row.account_type, |kind| kind.as_str().to_owned());
        let mut commit = Commit::new();
        commit.expect(&BANK_ACCOUNTS, &(user_id, id), old.version).put(&BANK_ACCOUNTS, &(user_id, id), &row);
        Ok::<_, Error>(Decision::new(commit, drafted(id, &row)))
    })
    .await?;
    completed(app, user_id, draft)
}

/// Removes an account.
pub(crate) async fn delete(app: &App, call: Call<DeleteBankAccountRequest>) -> Result<Answer<Empty>, Error> {
    let user_id = call.caller.require_user()?;
    let id: BankAccountId = wire::id(WHAT, &call.request.id)?;
    unit(&app.store, &call, "vitrina.users.v1.Users/DeleteBankAccount", || {
        seller(app, user_id)?;
        let old = BANK_ACCOUNTS.get(&app.store, &(user_id, id))?.ok_or(Error::NotFound(WHAT))?;
        call.check_version(old.value.version.into())?;
        let blind = old
            .value
            .blind_index
            .as_slice()
            .try_into()
            .map_err(|_| Error::Index { table: "bank numbers" })?;
        let mut commit = Commit::new();
        store::count_out(&app.store, &mut commit, user_id, Book::BankAccounts)?;
        commit.expect(&BANK_ACCOUNTS, &(user_id, id), old.version).delete(&BANK_ACCOUNTS, &(user_id, id));
        commit.delete(&BANK_NUMBERS, &(user_id, Id16(blind)));
        Ok(Decision::new(commit, Answer::new(Empty {})))
    })
    .await
}

/// An account with its whole number.
pub(crate) fn shown_in_full(
    app: &App,
    user_id: UserId,
    id: BankAccountId,
    row: &BankAccountRow,
) -> Result<BankAccount, Error> {
    let number = app.vault.open(user_id, NUMBER, &row.number)?;
    Ok(wire::bank(id, row, number, identity(app, user_id, row)?))
}

fn shown_masked(
    app: &App,
    user_id: UserId,
    id: BankAccountId,
    row: &BankAccountRow,
) -> Result<BankAccount, Error> {
    Ok(wire::bank(id, row, masked_number(row), identity(app, user_id, row)?))
}

fn drafted(id: BankAccountId, row: &BankAccountRow) -> Answer<BankAccount> {
    Answer::new(wire::bank(id, row, masked_number(row), String::new())).version(row.version.into())
}

/// Puts the holder's identity into a draft; after a replay of what was removed meanwhile it stays out.
fn completed(
    app: &App,
    user_id: UserId,
    mut draft: Answer<BankAccount>,
) -> Result<Answer<BankAccount>, Error> {
    let id = wire::id(WHAT, &draft.reply.id)?;
    if let Some(row) = BANK_ACCOUNTS.get(&app.store, &(user_id, id))?
        && let Some(holder) = draft.reply.holder_identity.as_mut()
    {
        holder.number = identity(app, user_id, &row.value)?;
    }
    Ok(draft)
}

fn identity(app: &App, user_id: UserId, row: &BankAccountRow) -> Result<String, Error> {
    app.vault.open(user_id, IDENTITY, &row.identity_number)
}

fn masked_number(row: &BankAccountRow) -> String {
    masked(row.number_chars as usize, &row.last_four)
}

fn stand_in(app: &App, identity: HolderIdentity) -> HolderIdentity {
    HolderIdentity { number: app.vault.stand_in(&identity.number), ..identity }
}

fn seller(app: &App, user_id: UserId) -> Result<Row<crate::store::rows::SellerRow>, Error> {
    store::user(&app.store, user_id)?;
    store::seller(&app.store, user_id)?.ok_or(Error::NotSeller)
}

fn wire_scheme(scheme: Scheme) -> WireScheme {
    match scheme {
        Scheme::Cbu => WireScheme::Cbu,
        Scheme::Cvu => WireScheme::Cvu,
        Scheme::Clabe => WireScheme::Clabe,
        Scheme::Iban => WireScheme::Iban,
    }
}
