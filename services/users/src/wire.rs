//! Proto ↔ model: all validation of input ends here, and every wrong field is named at once.

mod input;
mod output;

pub(crate) use input::{
    Registration, account_patch, address_patch, bank_account, bank_patch, device, display_name, given, id,
    login, new_address, password_reset, registration, seller_patch,
};
pub(crate) use output::{address, bank, device_of, key_set, score, seller, session_of, user, wish};
