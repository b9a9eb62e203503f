//! A plain HTTP upstream as an operator sees it.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::{Origin, Standing};

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
    addresses: Vec<AddressView<'o>>,
    calls: u64,
    failures: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AddressView<'o> {
    address: &'o str,
    passed_over: bool,
    /// It fails its health check.
    down: bool,
}

impl Origin {
    pub(crate) fn view(&self) -> View<'_> {
        let addresses: Vec<AddressView<'_>> = self
            .balance
            .members()
            .iter()
            .map(|member| {
                let standing = self.balance.standing(member);
                AddressView {
                    address: &member.address,
                    passed_over: standing != Standing::Up,
                    down: standing == Standing::Down,
                }
            })
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
        }
    }
}
