//! The operations, in `s3s`'s words.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt as _;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

use super::digest::Given;
use super::list::{self, Asked};
use super::object::{Headers, Meta};
use super::shelf::{Bucket as Shelved, Condition, Placed, Shelf};
use crate::clock;

/// Largest object. S3 takes 5 GiB at once; an image has some megabytes.
const OBJECT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Objects on a page of a list, as S3 has it.
const PAGE_MAX: i32 = 1_000;

/// The stand-in.
pub(super) struct Api {
    shelf: Arc<Shelf>,
}

impl Api {
    pub(super) fn new(shelf: Arc<Shelf>) -> Self {
        Self { shelf }
    }

    fn bucket(&self, name: &str) -> S3Result<Arc<Shelved>> {
        self.shelf.bucket(name).ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }
}

#[async_trait]
impl S3 for Api {
    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let (shelf, name) = (Arc::clone(&self.shelf), req.input.bucket.clone());
        if !aside(move || shelf.make_bucket(&name)).await? {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        let location = Some(format!("/{}", req.input.bucket));
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.bucket(&req.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn list_buckets(
        &self,
        _req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets =
            self.shelf.names().into_iter().map(|name| Bucket { name: Some(name), ..Default::default() });
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets.collect()), ..Default::default() }))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let bucket = self.bucket(&req.input.bucket)?;
        let condition = condition(&req.input)?;
        if condition == Condition::IfAbsent && bucket.meta(&req.input.key).is_some() {
            return Err(s3_error!(PreconditionFailed));
        }
        let (placed, md5) = upload(bucket, req, condition).await?;
        match placed {
            Placed::ConditionFailed => Err(s3_error!(PreconditionFailed)),
            Placed::Yes => {
                Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(md5)), ..Default::default() }))
            }
        }
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let (bucket, key) = (self.bucket(&input.bucket)?, input.key);
        let opened = aside(move || bucket.open_object(&key)).await?;
        let (file, meta) = opened.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?;
        check_conditions(&meta, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let range = input.range.map(|range| range.check(meta.size)).transpose();
        let range = range.map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?;
        let is_whole = range.is_none();
        let taken = range.clone().unwrap_or(0..meta.size);
        let mut output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(content(file, taken.start, taken.end - taken.start).await?),
            content_length: i64::try_from(taken.end - taken.start).ok(),
            content_range: range
                .map(|range| format!("bytes {}-{}/{}", range.start, range.end - 1, meta.size)),
            e_tag: Some(ETag::Strong(meta.md5.clone())),
            last_modified: Some(timestamp(meta.modified_ms)),
            cache_control: meta.headers.cache_control,
            content_disposition: meta.headers.content_disposition,
            content_encoding: meta.headers.content_encoding,
            content_language: meta.headers.content_language,
            content_type: meta.headers.content_type,
            metadata: Some(meta.headers.user),
            ..Default::default()
        };
        // A checksum is of the whole; with a part of the content the client would find it wrong.
        if is_whole && input.checksum_mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED) {
            let sum = |name: &str| meta.checksums.get(name).cloned();
            output.checksum_crc32 = sum("crc32");
            output.checksum_crc32c = sum("crc32c");
            output.checksum_crc64nvme = sum("crc64nvme");
            output.checksum_sha1 = sum("sha1");
            output.checksum_sha256 = sum("sha256");
        }
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let meta = self.bucket(&input.bucket)?.meta(&input.key).ok_or_else(|| s3_error!(NoSuchKey))?;
        check_conditions(&meta, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let headers = meta.headers.clone();
        let is_asked = input.checksum_mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
        let sum = |name: &str| meta.checksums.get(name).filter(|_| is_asked).cloned();
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(meta.size).ok(),
            e_tag: Some(ETag::Strong(meta.md5.clone())),
            last_modified: Some(timestamp(meta.modified_ms)),
            cache_control: headers.cache_control,
            content_disposition: headers.content_disposition,
            content_encoding: headers.content_encoding,
            content_language: headers.content_language,
            content_type: headers.content_type,
            metadata: Some(headers.user),
            checksum_crc32: sum("crc32"),
            checksum_crc32c: sum("crc32c"),
            checksum_crc64nvme: sum("crc64nvme"),
            checksum_sha1: sum("sha1"),
            checksum_sha256: sum("sha256"),
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let (bucket, key) = (self.bucket(&req.input.bucket)?, req.input.key);
        aside(move || bucket.remove(&key)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let bucket = self.bucket(&req.input.bucket)?;
        let keys: Vec<String> = req.input.delete.objects.into_iter().map(|object| object.key).collect();
        let removed = keys.clone();
        aside(move || removed.iter().try_for_each(|key| bucket.remove(key))).await?;
        let is_quiet = req.input.delete.quiet == Some(true);
        let deleted = keys.into_iter().filter(|_| !is_quiet);
        let deleted = deleted.map(|key| DeletedObject { key: Some(key), ..Default::default() }).collect();
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), ..Default::default() }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let bucket = self.bucket(&input.bucket)?;
        let token = input.continuation_token.as_deref().map(decode_token).transpose()?;
        let max_keys = input.max_keys.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX);
        let asked = Asked {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after: token.as_deref().or(input.start_after.as_deref()),
            limit: usize::try_from(max_keys).unwrap_or_default(),
        };
        let is_encoded = input.encoding_type.as_ref().is_some_and(|kind| kind.as_str() == EncodingType::URL);
        let shown = |key: &str| if is_encoded { url_encoded(key) } else { key.to_owned() };
        let (objects, prefixes, next) = bucket.read_index(|index| {
            let page = list::page(index, &asked);
            let objects: Vec<Object> =
                page.objects.into_iter().map(|meta| listed(meta, shown(&meta.key))).collect();
            (objects, page.prefixes, page.next)
        });
        let count = objects.len() + prefixes.len();
        let prefixes = prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(shown(prefix)) }).collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix.as_deref().map(shown),
            delimiter: input.delimiter.as_deref().map(shown),
            start_after: input.start_after.as_deref().map(shown),
            max_keys: Some(max_keys),
            key_count: i32::try_from(count).ok(),
            is_truncated: Some(next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: next.map(|next| URL_SAFE_NO_PAD.encode(next)),
            contents: Some(objects),
            common_prefixes: Some(prefixes),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }
}

/// Takes the content in, checks it and places it; gives the MD5 too.
async fn upload(
    bucket: Arc<Shelved>,
    mut req: S3Request<PutObjectInput>,
    condition: Condition,
) -> S3Result<(Placed, String)> {
    let shelved = Arc::clone(&bucket);
    let (draft, file) = aside(move || shelved.draft()).await?;
    let mut given = Given::of(&req.input);
    let announced =
        req.headers.get("x-amz-trailer").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut digests = given.digests(announced);
    let mut file = tokio::fs::File::from_std(file);
    let mut size = 0_u64;
    if let Some(mut body) = req.input.body.take() {
        while let Some(chunk) = body.next().await {
            // `s3s` checks `x-amz-content-sha256` and the signatures of chunks here.
            let chunk = chunk.map_err(|source| S3Error::with_source(S3ErrorCode::BadDigest, source))?;
            size += chunk.len() as u64;
            if size > OBJECT_BYTES_MAX {
                return Err(s3_error!(EntityTooLarge));
            }
            digests.update(&chunk);
            file.write_all(&chunk).await.map_err(internal)?;
        }
    }
    file.flush().await.map_err(internal)?;
    if req.input.content_length.is_some_and(|length| u64::try_from(length) != Ok(size)) {
        return Err(s3_error!(IncompleteBody));
    }
    if let Some(trailers) = &req.trailing_headers {
        trailers.read(|trailers| given.add_trailers(trailers));
    }
    let done = digests.finish();
    let checksums = given.check(&done)?;
    let md5 = done.md5.clone();
    let meta = Meta {
        key: req.input.key.clone(),
        size,
        md5: done.md5,
        modified_ms: clock::now_ms(),
        headers: headers(req.input),
        checksums,
    };
    let file = file.into_std().await;
    let placed = aside(move || bucket.place(draft, file, meta, &condition)).await?;
    Ok((placed, md5))
}

fn headers(input: PutObjectInput) -> Headers {
    Headers {
        content_type: input.content_type,
        content_encoding: input.content_encoding,
        content_disposition: input.content_disposition,
        content_language: input.content_language,
        cache_control: input.cache_control,
        user: input.metadata.unwrap_or_default(),
    }
}

fn condition(input: &PutObjectInput) -> S3Result<Condition> {
    match (&input.if_none_match, &input.if_match) {
        (None, None) => Ok(Condition::Always),
        (Some(ETagCondition::Any), None) => Ok(Condition::IfAbsent),
        (None, Some(ETagCondition::ETag(tag))) => Ok(Condition::IfMatches(tag.value().to_owned())),
        _ => Err(s3_error!(NotImplemented, "only If-None-Match: * and If-Match: <etag> are known")),
    }
}

fn check_conditions(
    meta: &Meta,
    if_match: Option<&IfMatch>,
    if_none_match: Option<&IfNoneMatch>,
) -> S3Result<()> {
    let is_same = |condition: &ETagCondition| match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(tag) => tag.value() == meta.md5,
    };
    if if_match.is_some_and(|condition| !is_same(condition)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if if_none_match.is_some_and(is_same) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

/// The part of an object's file that was asked for.
async fn content(mut file: File, start: u64, length: u64) -> S3Result<StreamingBlob> {
    let file = aside(move || file.seek(SeekFrom::Start(start)).map(|_| file)).await?;
    let taken = tokio::fs::File::from_std(file).take(length);
    Ok(StreamingBlob::wrap(ReaderStream::with_capacity(taken, 64 * 1024)))
}

fn listed(meta: &Meta, key: String) -> Object {
    Object {
        key: Some(key),
        size: i64::try_from(meta.size).ok(),
        e_tag: Some(ETag::Strong(meta.md5.clone())),
        last_modified: Some(timestamp(meta.modified_ms)),
        ..Default::default()
    }
}

fn decode_token(token: &str) -> S3Result<String> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))
}

fn url_encoded(key: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    key.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn timestamp(at_ms: u64) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_millis(at_ms))
}

/// Runs what blocks on another thread.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> S3Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(internal),
        Err(_) => Err(s3_error!(InternalError)),
    }
}

fn internal(error: io::Error) -> S3Error {
    tracing::error!(%error, "the sandbox's S3 cannot use its files");
    S3Error::with_source(S3ErrorCode::InternalError, Box::new(error))
}
