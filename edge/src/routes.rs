//! Which request goes where: the routes of the contract, and the few that the edge answers by itself.

use std::collections::BTreeMap;

use http::Method;
use vitrina_proto::routes::{self, ROUTES, Route};

use crate::error::Error;

/// What answers a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// An rpc of the contract.
    Rpc(&'static Route),
    /// The edge by itself.
    Own(Own),
}

/// What the edge answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Whether the process lives.
    Healthz,
    /// Whether every configured service answers.
    Readyz,
    /// The contract as OpenAPI 3.1.
    OpenApi,
    /// The contract for people.
    Docs,
}

/// What was found for a method and a path.
#[derive(Debug)]
pub(crate) enum Found<'t, 'p> {
    /// A route with the parameters of its path, still percent-encoded.
    Route { target: Target, path: &'static str, params: Vec<(&'t str, &'p str)> },
    /// The path is known, the method is not; the methods that are.
    Method { path: &'static str, allow: &'t str },
    /// The path is unknown.
    Nothing,
}

/// What answers the methods of one path.
type Targets = Vec<(Method, Target)>;

/// All routes.
#[derive(Debug)]
pub(crate) struct Table {
    router: matchit::Router<Entry>,
}

#[derive(Debug)]
struct Entry {
    path: &'static str,
    targets: Targets,
    /// As in the header `Allow`.
    allow: String,
}

/// The parameter of a path that nobody but its owner may see.
const TOKEN: &str = "{token}";

const OWN: [(&str, Own); 4] = [
    ("/healthz", Own::Healthz),
    ("/readyz", Own::Readyz),
    ("/openapi.json", Own::OpenApi),
    ("/docs", Own::Docs),
];

impl<'p> Found<'_, 'p> {
    /// The path of a request as it may be told in a trace: one that holds a token is told by its template.
    pub(crate) fn told(&self, path: &'p str) -> &'p str {
        match self {
            Found::Route { path: template, .. } | Found::Method { path: template, .. }
                if template.contains(TOKEN) =>
            {
                template
            }
            _ => path,
        }
    }
}

impl Table {
    /// # Errors
    /// When two routes clash, which the build of the contract refuses already.
    pub(crate) fn new() -> Result<Self, Error> {
        let mut by_path: BTreeMap<&'static str, Targets> = BTreeMap::new();
        for route in ROUTES {
            by_path.entry(route.path).or_default().push((method(route.method), Target::Rpc(route)));
        }
        for (path, own) in OWN {
            by_path.entry(path).or_default().push((Method::GET, Target::Own(own)));
        }
        // The same path may be spelled with other names of parameters; the router knows them as one.
        let mut merged: BTreeMap<String, (&'static str, Targets)> = BTreeMap::new();
        for (path, targets) in by_path {
            merged.entry(shape(path)).or_insert_with(|| (path, Vec::new())).1.extend(targets);
        }
        let mut router = matchit::Router::new();
        for (path, targets) in merged.into_values() {
            let allow = allow(&targets);
            let entry = Entry { path, targets, allow };
            router.insert(path, entry).map_err(|source| Error::Route { path: path.to_owned(), source })?;
        }
        Ok(Self { router })
    }

    /// Finds what answers; HEAD is answered where GET is.
    pub(crate) fn find<'t, 'p>(&'t self, method: &Method, path: &'p str) -> Found<'t, 'p> {
        let Ok(matched) = self.router.at(path) else {
            return Found::Nothing;
        };
        let entry = matched.value;
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let target = entry.targets.iter().find(|(own, _)| own == wanted);
        let Some((_, target)) = target else {
            return Found::Method { path: entry.path, allow: &entry.allow };
        };
        if matched.params.iter().any(|(_, value)| value.is_empty()) {
            return Found::Nothing;
        }
        let params = match target {
            // By position: the names of another spelling of the path would be wrong ones.
            Target::Rpc(route) => {
                route.path_params.iter().copied().zip(matched.params.iter().map(|(_, value)| value)).collect()
            }
            Target::Own(_) => Vec::new(),
        };
        let path = match target {
            Target::Rpc(route) => route.path,
            Target::Own(_) => entry.path,
        };
        Found::Route { target: *target, path, params }
    }
}

/// A path with its parameters' names left out.
fn shape(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    let mut is_name = false;
    for letter in path.chars() {
        match letter {
            '{' => is_name = true,
            '}' => {
                is_name = false;
                shape.push_str("{}");
            }
            _ if is_name => {}
            _ => shape.push(letter),
        }
    }
    shape
}

fn allow(targets: &[(Method, Target)]) -> String {
    let mut methods: Vec<&str> = targets.iter().map(|(method, _)| method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    methods.sort_unstable();
    methods.join(", ")
}

fn method(method: routes::Method) -> Method {
    match method {
        routes::Method::Get => Method::GET,
        routes::Method::Put => Method::PUT,
        routes::Method::Post => Method::POST,
        routes::Method::Delete => Method::DELETE,
        routes::Method::Patch => Method::PATCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(method: Method, path: &str) -> Vec<(String, String)> {
        let table = Table::new().unwrap();
        match table.find(&method, path) {
            Found::Route { params, .. } => {
                params.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
            }
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn every_route_of_the_contract_is_found() {
        let table = Table::new().unwrap();
        for route in ROUTES {
            let path = shape(route.path).replace("{}", "x1");
            match table.find(&method(route.method), &path) {
                Found::Route { target: Target::Rpc(found), .. } => assert_eq!(found.rpc, route.rpc),
                other => panic!("{}: {other:?}", route.path),
            }
        }
    }

    #[test]
    fn parameters_have_the_names_of_their_route() {
        let id = ("id".to_owned(), "pub_1".to_owned());
        assert_eq!(params(Method::GET, "/v1/publications/pub_1"), [id]);
        let id = ("publication_id".to_owned(), "pub_1".to_owned());
        assert_eq!(params(Method::GET, "/v1/publications/pub_1/questions"), [id]);
        assert!(params(Method::GET, "/v1/publications/suggest").is_empty());
        assert!(params(Method::POST, "/v1/products:import").is_empty());
    }

    #[test]
    fn a_token_in_a_path_is_not_told() {
        let table = Table::new().unwrap();
        let path = "/v1/me/devices/a-secret";
        for method in [Method::PUT, Method::DELETE, Method::GET] {
            assert_eq!(table.find(&method, path).told(path), "/v1/me/devices/{token}");
        }
        let path = "/v1/publications/pub_1";
        assert_eq!(table.find(&Method::GET, path).told(path), path);
    }

    #[test]
    fn another_method_is_told_which_are_known() {
        let table = Table::new().unwrap();
        match table.find(&Method::DELETE, "/v1/products") {
            Found::Method { allow, .. } => assert_eq!(allow, "GET, HEAD, OPTIONS, POST"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(table.find(&Method::GET, "/v1/nothing"), Found::Nothing));
        assert!(matches!(table.find(&Method::GET, "/v1/products/"), Found::Nothing));
    }
}
