//! A plain HTTP upstream as an operator sees it.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::Origin;
use crate::upstream::view::{AddressView, GateNumbers};

/// One upstream in `/admin/upstreams`, beside the services.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View<'o> {
    name: &'o str,
    /// Whether an address is there to take a request.
    ready: bool,
    transport: &'static str,
    path_prefix: &'o str,
    /// Whether its answers may be stored.
    cache: bool,
    addresses: Vec<HttpAddressView>,
    calls: u64,
    failures: u64,
    #[serde(flatten)]
    gate: GateNumbers,
}

#[derive(Debug, Serialize)]
struct HttpAddressView {
    #[serde(flatten)]
    address: AddressView,
    /// It fails its regular check.
    down: bool,
}

impl Origin {
    pub(crate) fn view(&self) -> View<'_> {
        let members = self.balance.members().iter();
        let addresses: Vec<HttpAddressView> = (self.balance.view().into_iter().zip(members))
            .map(|(view, member)| HttpAddressView { address: view.into(), down: member.is_down() })
            .collect();
        View {
            name: &self.config.name,
            ready: addresses.iter().any(|address| !address.down),
            transport: "http",
            path_prefix: &self.config.path_prefix,
            cache: self.config.cache,
            addresses,
            calls: self.requests.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            gate: self.gate.view().into(),
        }
    }
}
