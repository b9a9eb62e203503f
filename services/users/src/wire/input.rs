//! Requests to values that cannot be wrong.

use std::str::FromStr;

use vitrina_chassis::Fault;
use vitrina_chassis::check::Fields;
use vitrina_proto::users::v1 as proto;

use crate::model::bank::{AccountNumber, AccountType, Scheme};
use crate::model::{
    DeviceKind, Email, Language, Login, PASSWORD_CHARS, SellerStatus, Username, Wrong, is_country,
    is_device_token,
};
use crate::store::rows::AddressRow;

/// A new account.
pub(crate) struct Registration {
    pub(crate) email: Email,
    pub(crate) username: Username,
    pub(crate) password: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) language: Language,
}

/// What changes in an account; absent fields stay.
pub(crate) struct AccountPatch {
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email: Option<Email>,
    pub(crate) language: Option<Language>,
}

/// What changes in an address, checked.
pub(crate) struct AddressPatch(proto::UpdateAddressRequest);

/// A new bank account.
pub(crate) struct NewBankAccount {
    pub(crate) bank_name: String,
    pub(crate) holder_name: String,
    pub(crate) identity_type: String,
    pub(crate) identity_number: String,
    pub(crate) account_type: AccountType,
    pub(crate) number: AccountNumber,
}

/// What changes in a bank account; absent fields stay.
pub(crate) struct BankPatch {
    pub(crate) bank_name: Option<String>,
    pub(crate) holder_name: Option<String>,
    /// Type and number.
    pub(crate) identity: Option<(String, String)>,
    pub(crate) account_type: Option<AccountType>,
}

/// The id of a path; one that cannot be an id is that of something unknown.
pub(crate) fn id<T: FromStr>(what: &str, text: &str) -> Result<T, Fault> {
    text.parse().map_err(|_| Fault::not_found(what))
}

/// Checks a registration.
pub(crate) fn registration(request: &proto::RegisterRequest) -> Result<Registration, Fault> {
    let mut fields = Fields::new();
    let email = parsed(&mut fields, "email", &request.email, Email::parse);
    let username = parsed(&mut fields, "username", &request.username, Username::parse);
    fields.text("password", &request.password, PASSWORD_CHARS);
    fields.text("firstName", &request.first_name, 1..=100);
    fields.text("lastName", &request.last_name, 1..=100);
    let language =
        request.language.as_deref().map(|text| parsed(&mut fields, "language", text, Language::parse));
    let language = language.unwrap_or(Some(Language::default()));
    finished(fields, email.zip(username).zip(language)).map(|((email, username), language)| Registration {
        email,
        username,
        password: request.password.clone(),
        first_name: request.first_name.clone(),
        last_name: request.last_name.clone(),
        language,
    })
}

/// Checks a login. A text that cannot be a login is one that nobody has, so only its absence is a wrong field; the bound
/// keeps absurd ones from being hashed.
pub(crate) fn login(request: &proto::LoginRequest) -> Result<Login, Fault> {
    let mut fields = Fields::new();
    fields.text("login", &request.login, 1..=254);
    fields.ensure("password", !request.password.is_empty(), "required", "must not be empty");
    let fits = request.password.chars().count() <= *PASSWORD_CHARS.end();
    fields.ensure("password", fits, "too_long", "must have at most 128 characters");
    fields.finish()?;
    Ok(Login::parse(&request.login))
}

/// Checks the change of an account.
pub(crate) fn account_patch(request: &proto::UpdateMeRequest) -> Result<AccountPatch, Fault> {
    let mut fields = Fields::new();
    optional(&mut fields, "firstName", request.first_name.as_deref(), 1..=100);
    optional(&mut fields, "lastName", request.last_name.as_deref(), 1..=100);
    let email = request.email.as_deref().and_then(|text| parsed(&mut fields, "email", text, Email::parse));
    let language =
        request.language.as_deref().and_then(|text| parsed(&mut fields, "language", text, Language::parse));
    clear(&mut fields, &request.clear, &[]);
    fields.finish()?;
    Ok(AccountPatch {
        first_name: request.first_name.clone(),
        last_name: request.last_name.clone(),
        email,
        language,
    })
}

/// Checks that a text is given at all: whether it is the right one is told in another way, or not at all.
pub(crate) fn given(field: &str, text: &str) -> Result<(), Fault> {
    let mut fields = Fields::new();
    fields.text(field, text, 1..=1_000);
    fields.finish()
}

/// Checks the reset of a password.
pub(crate) fn password_reset(request: &proto::ResetPasswordRequest) -> Result<(), Fault> {
    let mut fields = Fields::new();
    fields.text("token", &request.token, 1..=256);
    fields.text("password", &request.password, PASSWORD_CHARS);
    fields.finish()
}

/// Checks a new address.
pub(crate) fn new_address(request: &proto::CreateAddressRequest) -> Result<AddressRow, Fault> {
    let mut fields = Fields::new();
    fields.text("recipient", &request.recipient, 1..=100);
    fields.text("street", &request.street, 1..=200);
    optional(&mut fields, "extra", request.extra.as_deref(), 0..=100);
    fields.text("city", &request.city, 1..=100);
    fields.text("region", &request.region, 1..=100);
    fields.text("postalCode", &request.postal_code, 1..=16);
    country(&mut fields, &request.country);
    optional(&mut fields, "phone", request.phone.as_deref(), 0..=32);
    fields.finish()?;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    Ok(AddressRow {
        version: 1,
        recipient: request.recipient.clone(),
        street: request.street.clone(),
        extra: given(&request.extra),
        city: request.city.clone(),
        region: request.region.clone(),
        postal_code: request.postal_code.clone(),
        country: request.country.clone(),
        phone: given(&request.phone),
    })
}

/// Checks the change of an address.
pub(crate) fn address_patch(request: &proto::UpdateAddressRequest) -> Result<AddressPatch, Fault> {
    let mut fields = Fields::new();
    optional(&mut fields, "recipient", request.recipient.as_deref(), 1..=100);
    optional(&mut fields, "street", request.street.as_deref(), 1..=200);
    optional(&mut fields, "extra", request.extra.as_deref(), 0..=100);
    optional(&mut fields, "city", request.city.as_deref(), 1..=100);
    optional(&mut fields, "region", request.region.as_deref(), 1..=100);
    optional(&mut fields, "postalCode", request.postal_code.as_deref(), 1..=16);
    if let Some(text) = &request.country {
        country(&mut fields, text);
    }
    optional(&mut fields, "phone", request.phone.as_deref(), 0..=32);
    clear(&mut fields, &request.clear, &["extra", "phone"]);
    fields.finish()?;
    Ok(AddressPatch(request.clone()))
}

impl AddressPatch {
    /// The address with the change made.
    pub(crate) fn applied(&self, old: &AddressRow) -> AddressRow {
        let patch = &self.0;
        let text = |new: &Option<String>, old: &String| new.clone().unwrap_or_else(|| old.clone());
        let clearable = |field: &str, new: &Option<String>, old: &Option<String>| {
            let kept = if patch.clear.iter().any(|name| name == field) {
                None
            } else {
                new.clone().or_else(|| old.clone())
            };
            kept.filter(|text| !text.is_empty())
        };
        AddressRow {
            version: old.version + 1,
            recipient: text(&patch.recipient, &old.recipient),
            street: text(&patch.street, &old.street),
            extra: clearable("extra", &patch.extra, &old.extra),
            city: text(&patch.city, &old.city),
            region: text(&patch.region, &old.region),
            postal_code: text(&patch.postal_code, &old.postal_code),
            country: text(&patch.country, &old.country),
            phone: clearable("phone", &patch.phone, &old.phone),
        }
    }
}

/// Checks a device; gives its kind and name.
pub(crate) fn device(request: &proto::PutDeviceRequest) -> Result<(DeviceKind, Option<String>), Fault> {
    let mut fields = Fields::new();
    fields.ensure(
        "token",
        is_device_token(&request.token),
        "malformed",
        "must have 1 to 512 visible ASCII characters",
    );
    let kind = request.kind.as_deref().map(|text| parsed(&mut fields, "kind", text, DeviceKind::parse));
    optional(&mut fields, "name", request.name.as_deref(), 0..=100);
    let name = request.name.clone().filter(|name| !name.is_empty());
    finished(fields, kind.unwrap_or(Some(DeviceKind::default())).map(|kind| (kind, name)))
}

/// Checks the display name of a seller.
pub(crate) fn display_name(request: &proto::CreateSellerRequest) -> Result<String, Fault> {
    let mut fields = Fields::new();
    fields.text("displayName", &request.display_name, 1..=60);
    fields.finish()?;
    Ok(request.display_name.clone())
}

/// Checks the change of a seller: display name and status.
pub(crate) fn seller_patch(
    request: &proto::UpdateSellerRequest,
) -> Result<(Option<String>, Option<SellerStatus>), Fault> {
    let mut fields = Fields::new();
    optional(&mut fields, "displayName", request.display_name.as_deref(), 1..=60);
    let status = request.status.and_then(|number| match proto::SellerStatus::try_from(number) {
        Ok(proto::SellerStatus::Active) => Some(SellerStatus::Active),
        Ok(proto::SellerStatus::Paused) => Some(SellerStatus::Paused),
        Ok(proto::SellerStatus::Unspecified) | Err(_) => {
            fields.wrong("status", "invalid_value", "must be `ACTIVE` or `PAUSED`");
            None
        }
    });
    clear(&mut fields, &request.clear, &[]);
    fields.finish()?;
    Ok((request.display_name.clone(), status))
}

/// Checks a new bank account.
pub(crate) fn bank_account(request: &proto::CreateBankAccountRequest) -> Result<NewBankAccount, Fault> {
    let mut fields = Fields::new();
    fields.text("bankName", &request.bank_name, 1..=100);
    fields.text("holderName", &request.holder_name, 1..=100);
    let identity = fields.required("holderIdentity", request.holder_identity.as_ref());
    let identity = identity.map(|identity| holder_identity(&mut fields, identity));
    let account_type = parsed(&mut fields, "accountType", &request.account_type, AccountType::parse);
    let scheme = match proto::Scheme::try_from(request.scheme) {
        Ok(proto::Scheme::Cbu) => Some(Scheme::Cbu),
        Ok(proto::Scheme::Cvu) => Some(Scheme::Cvu),
        Ok(proto::Scheme::Clabe) => Some(Scheme::Clabe),
        Ok(proto::Scheme::Iban) => Some(Scheme::Iban),
        Ok(proto::Scheme::Unspecified) | Err(_) => {
            fields.wrong("scheme", "required", "must be `CBU`, `CVU`, `CLABE` or `IBAN`");
            None
        }
    };
    let number = match scheme {
        Some(scheme) => {
            parsed(&mut fields, "number", &request.number, |text| AccountNumber::parse(scheme, text))
        }
        None => {
            fields.ensure("number", !request.number.is_empty(), "required", "must not be empty");
            None
        }
    };
    finished(fields, identity.zip(account_type).zip(number)).map(|((identity, account_type), number)| {
        NewBankAccount {
            bank_name: request.bank_name.clone(),
            holder_name: request.holder_name.clone(),
            identity_type: identity.0,
            identity_number: identity.1,
            account_type,
            number,
        }
    })
}

/// Checks the change of a bank account.
pub(crate) fn bank_patch(request: &proto::UpdateBankAccountRequest) -> Result<BankPatch, Fault> {
    let mut fields = Fields::new();
    optional(&mut fields, "bankName", request.bank_name.as_deref(), 1..=100);
    optional(&mut fields, "holderName", request.holder_name.as_deref(), 1..=100);
    let identity = request.holder_identity.as_ref().map(|identity| holder_identity(&mut fields, identity));
    let account_type = request
        .account_type
        .as_deref()
        .and_then(|text| parsed(&mut fields, "accountType", text, AccountType::parse));
    clear(&mut fields, &request.clear, &[]);
    fields.finish()?;
    Ok(BankPatch {
        bank_name: request.bank_name.clone(),
        holder_name: request.holder_name.clone(),
        identity,
        account_type,
    })
}

fn holder_identity(fields: &mut Fields, identity: &proto::HolderIdentity) -> (String, String) {
    fields.nested("holderIdentity", |fields| {
        fields.text("type", &identity.r#type, 1..=16);
        let is_plain = identity.number.chars().all(|c| c.is_ascii_alphanumeric());
        let is_long_enough = (4..=32).contains(&identity.number.len());
        fields.ensure(
            "number",
            is_plain && is_long_enough,
            "malformed",
            "must have 4 to 32 letters and digits",
        );
    });
    (identity.r#type.clone(), identity.number.clone())
}

fn parsed<T>(
    fields: &mut Fields,
    field: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, Wrong>,
) -> Option<T> {
    if text.is_empty() {
        fields.wrong(field, "required", "must not be empty");
        return None;
    }
    parse(text).map_err(|wrong| fields.wrong(field, wrong.code, wrong.detail)).ok()
}

fn optional(fields: &mut Fields, field: &str, text: Option<&str>, chars: std::ops::RangeInclusive<usize>) {
    if let Some(text) = text {
        fields.text(field, text, chars);
    }
}

fn country(fields: &mut Fields, text: &str) {
    fields.ensure(
        "country",
        is_country(text),
        "malformed",
        "must be two capital letters (ISO 3166-1 alpha-2)",
    );
}

fn clear(fields: &mut Fields, names: &[String], clearable: &[&str]) {
    for name in names.iter().filter(|name| !clearable.contains(&name.as_str())) {
        fields.wrong(&in_json(name), "required", "cannot be cleared");
    }
}

/// The JSON name of a field of the contract.
fn in_json(name: &str) -> String {
    let mut parts = name.split('_').filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let (head, tail) = part.split_at(part.chars().next().map_or(0, char::len_utf8));
        name + &head.to_uppercase() + tail
    })
}

/// Ends the check; a value that is missing without a wrong field would be a defect, and is refused too.
fn finished<T>(fields: Fields, value: Option<T>) -> Result<T, Fault> {
    fields.finish()?;
    value.ok_or_else(Fault::internal)
}
