//! The edge as its clients, services and operators see it, over real sockets.

mod admin;
mod form;
mod guard;
mod pages;
mod support;
mod wire;
