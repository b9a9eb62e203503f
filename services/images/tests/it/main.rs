//! The service of images as its callers see it: a file for each feature, all on a real store and a real bucket.
