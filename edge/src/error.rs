//! How starting or stopping an edge can fail. What fails in a request is a [`crate::reply::Problem`].

use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Why an edge does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The file of the configuration cannot be read.
    #[error("cannot read {path}")]
    ReadConfig {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file of the configuration is no TOML, or names what does not exist.
    #[error("{path} is no valid configuration")]
    ParseConfig {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: Box<toml::de::Error>,
    },
    /// The configuration contradicts itself.
    #[error("wrong configuration: {}", .0.join("; "))]
    Config(Vec<String>),
    /// An address cannot be listened on, mostly because another process does.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address as configured.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A listening socket cannot be used.
    #[error("a listening socket cannot be used")]
    Socket(#[source] std::io::Error),
    /// No socket for hand-overs is configured.
    #[error("edge.upgrade_socket is not set")]
    NoUpgradeSocket,
    /// The listeners cannot be handed over or taken over.
    #[error("the listeners cannot be handed over at {socket}")]
    HandOver {
        /// Where the new process waits.
        socket: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An upstream's address is no host and port.
    #[error("`{address}` is no address of a service")]
    Address {
        /// The address as configured.
        address: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// Two routes of the contract clash, or one has no valid path.
    #[error("the route {path} cannot be served")]
    Route {
        /// Its path in the contract.
        path: String,
        /// The clash.
        source: matchit::InsertError,
    },
}
