//! The service of orders as its callers see it, over real users, products and publications.

mod carts;
mod mall;
mod purchase;
