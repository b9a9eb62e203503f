//! A bucket by the S3 protocol, through the AWS SDK: at AWS, or at any store that speaks it.
//!
//! Making the client talks to nobody, so a store that is away is noticed by the first call, each of which ends in time.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use super::{BucketError, Presigned, Promise};
use crate::config::S3Config;

/// Attempts of a call, the first among them.
const ATTEMPTS_MAX: u32 = 3;
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Longest attempt: ten megabytes over a slow line.
const ATTEMPT_MAX: Duration = Duration::from_secs(8);
/// Longest call with all attempts: an upload has 30 s for several of them.
const OPERATION_MAX: Duration = Duration::from_secs(12);

/// The bucket; clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    pub(crate) fn new(config: &S3Config) -> Bucket {
        let mut builder = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(Credentials::new(
                &config.access_key,
                &config.secret_key,
                None,
                None,
                "vitrina.toml",
            ))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_MAX)
                    .operation_attempt_timeout(ATTEMPT_MAX)
                    .operation_timeout(OPERATION_MAX)
                    .build(),
            );
        let is_plain = config.endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
        let client = aws_smithy_http_client::Builder::new();
        builder = if is_plain {
            builder.http_client(client.build_http())
        } else {
            let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
            builder.http_client(client.tls_provider(ring).build_https())
        };
        if let Some(endpoint) = &config.endpoint {
            // Older stores refuse the checksums that the SDK adds by itself; those that matter are given with each call.
            builder = builder
                .endpoint_url(endpoint)
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        Bucket { client: Client::from_conf(builder.build()), name: config.bucket.clone() }
    }

    /// Puts an object; the store checks the hash before it is seen. The same again changes nothing.
    pub(crate) async fn put(
        &self,
        key: &str,
        content: Bytes,
        content_type: &str,
        sha256: &[u8; 32],
    ) -> Result<(), BucketError> {
        self.client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type(content_type)
            .checksum_sha256(STANDARD.encode(sha256))
            .body(ByteStream::from(content))
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }

    /// Gets an object of up to `bytes_max` bytes.
    pub(crate) async fn get(&self, key: &str, bytes_max: u32) -> Result<Bytes, BucketError> {
        let sent = self.client.get_object().bucket(&self.name).key(key).send().await;
        let mut object = sent.map_err(|error| match &error {
            // A bucket that is not there is answered by 404 too; that one is a mistake of the settings.
            SdkError::ServiceError(refused) if refused.err().is_no_such_key() => BucketError::Absent,
            _ => unavailable(error),
        })?;
        // As large as it may get: growing would take twice the memory for a moment.
        let mut content = BytesMut::with_capacity(bytes_max as usize);
        while let Some(chunk) = object.body.next().await {
            let chunk = chunk.map_err(|error| BucketError::Unavailable(error.into()))?;
            if content.len() + chunk.len() > bytes_max as usize {
                return Err(BucketError::TooLarge);
            }
            content.extend_from_slice(&chunk);
        }
        Ok(content.freeze())
    }

    /// Removes an object; one that is not there is removed already.
    pub(crate) async fn remove(&self, key: &str) -> Result<(), BucketError> {
        match self.client.delete_object().bucket(&self.name).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Signs the putting of an object by a client: these bytes and no others.
    pub(crate) async fn presign_put(
        &self,
        key: &str,
        promise: Promise<'_>,
        good_for: Duration,
    ) -> Result<Presigned, BucketError> {
        let presigning =
            PresigningConfig::expires_in(good_for).map_err(|error| BucketError::Unavailable(error.into()))?;
        let request = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type(promise.content_type)
            .content_length(promise.bytes.into())
            .checksum_sha256(STANDARD.encode(promise.sha256))
            .presigned(presigning)
            .await
            .map_err(unavailable)?;
        // Every client sends the length by itself; browsers forbid to set it.
        let headers = request.headers().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Presigned { url: request.uri().to_owned(), headers })
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> BucketError {
    BucketError::Unavailable(Box::new(error))
}
