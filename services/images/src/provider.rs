//! Where the objects are kept: a bucket, in our words. The vendor's file is `s3`, whose protocol many vendors speak.

pub(crate) mod s3;

/// Why the bucket did not do it.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// There is no such object.
    #[error("there is no such object")]
    Absent,
    /// The object has more bytes than were asked for.
    #[error("the object is too large")]
    TooLarge,
    /// Not reached, or it refuses: a later attempt may succeed.
    #[error("the bucket cannot be used")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What a client promises to put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Promise<'a> {
    pub(crate) content_type: &'a str,
    pub(crate) bytes: u32,
    pub(crate) sha256: [u8; 32],
}

/// A request that a client may make once it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Presigned {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
}
