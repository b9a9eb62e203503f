//! What can be set.

use std::fmt;

use serde::Deserialize;
use vitrina_chassis::environment;

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
    #[serde(default)]
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

impl S3Config {
    /// What a file's section says, with what the environment says before it: `VITRINA_S3_ENDPOINT` (empty: AWS itself),
    /// `VITRINA_S3_REGION`, `VITRINA_S3_BUCKET`, `VITRINA_S3_ACCESS_KEY`, `VITRINA_S3_SECRET_KEY`. `variable` reads one.
    ///
    /// `None`: neither says anything.
    pub fn named(section: Option<S3Config>, variable: impl Fn(&str) -> Option<String>) -> Option<S3Config> {
        let mut named = section.is_some();
        let mut config = section.unwrap_or_default();
        if let Some(endpoint) = variable("VITRINA_S3_ENDPOINT") {
            config.endpoint = Some(endpoint).filter(|endpoint| !endpoint.is_empty());
            named = true;
        }
        let settings = [
            ("VITRINA_S3_REGION", &mut config.region),
            ("VITRINA_S3_BUCKET", &mut config.bucket),
            ("VITRINA_S3_ACCESS_KEY", &mut config.access_key),
            ("VITRINA_S3_SECRET_KEY", &mut config.secret_key),
        ];
        named |= environment::set(settings, variable);
        named.then_some(config)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_file_and_nothing_is_nothing() {
        assert_eq!(S3Config::named(None, |_| None), None);
        let section =
            S3Config { bucket: "from-file".into(), region: "sa-east-1".into(), ..S3Config::default() };
        let variable = |name: &str| match name {
            "VITRINA_S3_BUCKET" => Some("from-env".to_owned()),
            "VITRINA_S3_ENDPOINT" => Some(String::new()),
            _ => None,
        };
        let config = S3Config::named(Some(section), variable).expect("both name it");
        assert_eq!((config.bucket.as_str(), config.region.as_str()), ("from-env", "sa-east-1"));
        assert_eq!(config.endpoint, None);
    }

    #[test]
    fn keys_are_not_shown() {
        let shown = format!("{:?}", S3Config { secret_key: "very secret".into(), ..S3Config::default() });
        assert!(!shown.contains("secret"), "{shown}");
    }
}
