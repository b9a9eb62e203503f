//! The header fields that a provider signs a notification with. The service that verifies it gets these and no others: it
//! must not see, or come to depend on, anything else that a stranger sends.

use std::collections::BTreeMap;

use crate::request::Head;

/// Header fields by the rpc that takes the notification.
const FIELDS: [(&str, [&str; 2]); 2] = [
    ("vitrina.orders.v1.Orders/ReceivePayment", ["x-signature", "x-request-id"]),
    (
        "vitrina.notifications.v1.Notifications/ReceiveMailEvents",
        ["x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"],
    ),
];

/// The signature's fields by their names in lower case, as they came. One that is absent, given more than once or no
/// visible text is left out, and then nothing can be verified.
pub(crate) fn fields(head: &Head, rpc: &str) -> BTreeMap<String, String> {
    let names = FIELDS.iter().filter(|(known, _)| *known == rpc).flat_map(|(_, names)| names);
    names
        .filter_map(|name| {
            let mut values = head.headers.get_all(*name).iter();
            let only = values.next().filter(|_| values.next().is_none())?;
            Some(((*name).to_owned(), only.to_str().ok()?.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use vitrina_proto::routes::{Auth, Kind, ROUTES};

    use super::*;

    #[test]
    fn every_signed_route_has_its_fields() {
        for route in ROUTES.iter().filter(|route| route.auth == Auth::Signed) {
            assert_eq!(route.kind, Kind::Upload, "{}", route.rpc);
            assert!(FIELDS.iter().any(|(rpc, _)| *rpc == route.rpc), "{}", route.rpc);
        }
    }
}
