//! What leads to an answer: enough to make it again without the request that asked for it.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, Method};
use uuid::Uuid;
use vitrina_proto::Input;
use vitrina_proto::routes::Route;

use crate::core::Admitted;
use crate::request::Head;

/// A request reduced to what its answer may depend on.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(super) route: &'static Route,
    pub(super) path: String,
    pub(super) query: String,
    params: Vec<(String, String)>,
}

impl Source {
    pub(crate) fn new(route: &'static Route, head: &Head, params: &[(String, String)]) -> Self {
        Self { route, path: head.path.clone(), query: head.query.clone(), params: params.to_vec() }
    }

    /// The same from its parts.
    pub(crate) fn of(route: &'static Route, path: &str, query: &str, params: &[(&str, &str)]) -> Self {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { route, path: path.to_owned(), query: query.to_owned(), params }
    }

    /// The request as a guest would make it.
    pub(super) fn as_guest(&self) -> (Head, Admitted) {
        let head = Head {
            method: Method::GET,
            path: self.path.clone(),
            query: self.query.clone(),
            headers: HeaderMap::new(),
            scheme: "http",
            protocol_version: "1.1",
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            request_id: Uuid::now_v7().simple().to_string(),
        };
        (head, Admitted::guest(self.route, self.params.clone()))
    }

    /// The tags that the contract gives its answer.
    pub(super) fn tags(&self) -> Vec<String> {
        let params: Vec<(&str, &str)> =
            self.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.route.tags(&Input { path: &params, query: &self.query, body: &[] })
    }

    /// Path and query as sent.
    pub(super) fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}
