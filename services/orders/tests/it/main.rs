//! The service of orders as its callers see it, over real users, products and publications, and the sandbox's provider.

mod bank;
mod carts;
mod contract;
mod coupons;
mod crash;
mod guests;
mod mall;
mod payments;
mod purchase;
mod refunds;
