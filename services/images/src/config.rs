//! What can be set.

use std::fmt;

use serde::Deserialize;

/// Settings of the service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the objects are kept.
    pub s3: S3Config,
    /// Uploads that are worked on at once, from reading their bytes to the answer; each holds up to 10 MiB. With two, the
    /// variants of one are put while the next is decoded.
    pub uploads_max: usize,
    /// Milliseconds that an upload waits for its turn, before it is told to come back.
    pub upload_wait_ms: u64,
    /// Bytes that decoding a picture may take; one is decoded at a time. A picture that needs more is refused: the default
    /// fits every 8-bit picture of 40 megapixels but those whose decoder keeps more than the pixels (progressive JPEG up to 30,
    /// lossless WebP up to 26 megapixels). With all around it the process stays within 256 MB above idle.
    pub decode_bytes_max: u64,
    /// Bytes of variants that are kept in memory.
    pub variant_cache_bytes_max: u64,
    /// Milliseconds for which a presigned address is good.
    pub upload_expires_ms: u64,
    /// Milliseconds for which a product that is not known yet is waited for: its event may still be on its way.
    pub product_wait_ms: u64,
    /// Milliseconds between two looks for objects to remove.
    pub removal_interval_ms: u64,
}

/// Where the objects are kept. The defaults are those of the sandbox.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Config {
    /// URL of a store that speaks S3, addressed by path; absent: AWS itself.
    pub endpoint: Option<String>,
    /// Region; any for a store that has none.
    pub region: String,
    /// Bucket, which must exist. Nobody but this service needs to read it.
    pub bucket: String,
    /// Access key.
    pub access_key: String,
    /// Secret key; never logged.
    pub secret_key: String,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            s3: S3Config::default(),
            uploads_max: 2,
            upload_wait_ms: 15_000,
            decode_bytes_max: 176 * 1024 * 1024,
            variant_cache_bytes_max: 16 * 1024 * 1024,
            upload_expires_ms: 15 * 60 * 1000,
            product_wait_ms: 1000,
            removal_interval_ms: 1000,
        }
    }
}

impl Default for S3Config {
    fn default() -> S3Config {
        S3Config {
            endpoint: Some("http://127.0.0.1:7101".to_owned()),
            region: "us-east-1".to_owned(),
            bucket: "vitrina".to_owned(),
            access_key: "vitrina".to_owned(),
            secret_key: "vitrina-secret".to_owned(),
        }
    }
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Config")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}
