//! Digests of an upload: all that the writer gave must be right before anybody sees the object.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::S3Result;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{Checksum, PutObjectInput};
use s3s::s3_error;

/// The vendor's names of checksums, as in `x-amz-checksum-…`.
const NAMES: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

/// Digests being made while the content comes in.
pub(super) struct Digests {
    md5: Md5,
    hasher: ChecksumHasher,
}

/// Digests of a whole content.
pub(super) struct Done {
    /// In hex.
    pub(super) md5: String,
    md5_base64: String,
    checksums: BTreeMap<&'static str, String>,
}

/// Digests that the writer gave.
#[derive(Default)]
pub(super) struct Given {
    md5: Option<String>,
    checksums: BTreeMap<String, String>,
}

impl Given {
    /// From the headers; those in trailers follow by [`Given::add_trailers`].
    pub(super) fn of(input: &PutObjectInput) -> Self {
        let headers = [
            ("crc32", &input.checksum_crc32),
            ("crc32c", &input.checksum_crc32c),
            ("crc64nvme", &input.checksum_crc64nvme),
            ("sha1", &input.checksum_sha1),
            ("sha256", &input.checksum_sha256),
        ];
        let given = headers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        Self { md5: input.content_md5.clone(), checksums: given.collect() }
    }

    /// Adds what came after the content.
    pub(super) fn add_trailers(&mut self, trailers: &http::HeaderMap) {
        for name in NAMES {
            let value = trailers.get(format!("x-amz-checksum-{name}")).and_then(|value| value.to_str().ok());
            if let Some(value) = value {
                self.checksums.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Which checksums have to be made: the given ones and those announced in `x-amz-trailer`.
    pub(super) fn digests(&self, announced: &str) -> Digests {
        let is_wanted = |name: &str| {
            let mut trailers = announced.split(',').map(|header| header.trim().to_ascii_lowercase());
            self.checksums.contains_key(name)
                || trailers.any(|header| header == format!("x-amz-checksum-{name}"))
        };
        let hasher = ChecksumHasher {
            crc32: is_wanted("crc32").then(Crc32::new),
            crc32c: is_wanted("crc32c").then(Crc32c::new),
            crc64nvme: is_wanted("crc64nvme").then(Crc64Nvme::new),
            sha1: is_wanted("sha1").then(Sha1::new),
            sha256: is_wanted("sha256").then(Sha256::new),
        };
        Digests { md5: Md5::new(), hasher }
    }

    /// The checksums to keep, once all that was given is right.
    ///
    /// # Errors
    /// `BadDigest` for one that is not.
    pub(super) fn check(self, done: &Done) -> S3Result<BTreeMap<String, String>> {
        if self.md5.is_some_and(|given| given != done.md5_base64) {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
        for (name, given) in &self.checksums {
            if done.checksums.get(name.as_str()) != Some(given) {
                return Err(s3_error!(
                    BadDigest,
                    "The {name} you specified did not match the calculated checksum."
                ));
            }
        }
        Ok(self.checksums)
    }
}

impl Digests {
    pub(super) fn update(&mut self, content: &[u8]) {
        self.md5.update(content);
        self.hasher.update(content);
    }

    pub(super) fn finish(self) -> Done {
        let md5 = self.md5.finalize();
        let sums: Checksum = self.hasher.finalize();
        let named = [
            ("crc32", sums.checksum_crc32),
            ("crc32c", sums.checksum_crc32c),
            ("crc64nvme", sums.checksum_crc64nvme),
            ("sha1", sums.checksum_sha1),
            ("sha256", sums.checksum_sha256),
        ];
        Done {
            md5: md5.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
            md5_base64: STANDARD.encode(md5),
            checksums: named.into_iter().filter_map(|(name, sum)| Some((name, sum?))).collect(),
        }
    }
}
