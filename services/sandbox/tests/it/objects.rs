//! Objects, through the vendor's own SDK.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, Delete, ObjectIdentifier};
use serde_json::json;

use crate::bench::Bench;

const BUCKET: &str = "vitrina";

fn client(bench: &Bench, secret: &str, sums: RequestChecksumCalculation) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(bench.running.s3_url())
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("vitrina", secret, None, None, "test"))
        .request_checksum_calculation(sums)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

fn plain(bench: &Bench) -> Client {
    client(bench, "vitrina-secret", RequestChecksumCalculation::WhenRequired)
}

fn bytes(content: &[u8]) -> ByteStream {
    ByteStream::from(content.to_vec())
}

async fn read(client: &Client, key: &str) -> Option<Vec<u8>> {
    let got = client.get_object().bucket(BUCKET).key(key).send().await.ok()?;
    Some(got.body.collect().await.unwrap().to_vec())
}

#[tokio::test]
async fn an_object_comes_back_as_it_was_put() {
    let bench = Bench::start().await;
    let client = plain(&bench);
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("images/é ñ/1.jpg")
        .content_type("image/jpeg")
        .cache_control("immutable")
        .metadata("owner", "usr_1")
        .body(bytes(&content));
    let put = put.send().await.unwrap();
    let got = client.get_object().bucket(BUCKET).key("images/é ñ/1.jpg").send().await.unwrap();
    assert_eq!(
        (got.content_type(), got.cache_control(), got.e_tag()),
        (Some("image/jpeg"), Some("immutable"), put.e_tag())
    );
    assert_eq!(
        (got.content_length(), &got.metadata().unwrap()["owner"]),
        (Some(1_200_000), &"usr_1".to_owned())
    );
    assert_eq!(got.body.collect().await.unwrap().to_vec(), content);
    let head = client.head_object().bucket(BUCKET).key("images/é ñ/1.jpg").send().await.unwrap();
    assert_eq!((head.content_length(), head.e_tag()), (Some(1_200_000), put.e_tag()));

    let part = client
        .get_object()
        .bucket(BUCKET)
        .key("images/é ñ/1.jpg")
        .range("bytes=100-199")
        .send()
        .await
        .unwrap();
    assert_eq!(part.content_range(), Some("bytes 100-199/1200000"));
    assert_eq!(part.body.collect().await.unwrap().to_vec(), content[100..200]);
    let tail =
        client.get_object().bucket(BUCKET).key("images/é ñ/1.jpg").range("bytes=-5").send().await.unwrap();
    assert_eq!(tail.body.collect().await.unwrap().to_vec(), content[1_199_995..]);
    let beyond =
        client.get_object().bucket(BUCKET).key("images/é ñ/1.jpg").range("bytes=1200000-").send().await;
    assert_eq!(beyond.unwrap_err().into_service_error().code(), Some("InvalidRange"));

    client.delete_object().bucket(BUCKET).key("images/é ñ/1.jpg").send().await.unwrap();
    client.delete_object().bucket(BUCKET).key("images/é ñ/1.jpg").send().await.unwrap();
    let gone = client.get_object().bucket(BUCKET).key("images/é ñ/1.jpg").send().await;
    assert_eq!(gone.unwrap_err().into_service_error().code(), Some("NoSuchKey"));
    assert!(
        client
            .head_object()
            .bucket(BUCKET)
            .key("x")
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_not_found()
    );
}

#[tokio::test]
async fn only_the_first_put_of_a_key_wins_if_asked() {
    let bench = Bench::start().await;
    let client = plain(&bench);
    let put = |content: &'static [u8]| {
        client.put_object().bucket(BUCKET).key("k").if_none_match("*").body(bytes(content)).send()
    };
    put(b"first").await.unwrap();
    let second = put(b"second").await.unwrap_err();
    assert_eq!(second.raw_response().unwrap().status().as_u16(), 412);
    assert_eq!(read(&client, "k").await.unwrap(), b"first");
    client.put_object().bucket(BUCKET).key("k").body(bytes(b"third")).send().await.unwrap();
    assert_eq!(read(&client, "k").await.unwrap(), b"third");

    let race = (0..8).map(|number: u8| {
        client.put_object().bucket(BUCKET).key("race").if_none_match("*").body(bytes(&[number; 1000])).send()
    });
    let won = futures::future::join_all(race).await.iter().filter(|put| put.is_ok()).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_wrong_digest_leaves_nothing() {
    let bench = Bench::start().await;
    let client = plain(&bench);
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .checksum_sha256(wrong)
        .body(bytes(b"content"))
        .send()
        .await;
    assert_eq!(put.unwrap_err().into_service_error().code(), Some("BadDigest"));
    let put = client
        .put_object()
        .bucket(BUCKET)
        .key("k")
        .content_md5("AAAAAAAAAAAAAAAAAAAAAA==")
        .body(bytes(b"content"));
    assert_eq!(put.send().await.unwrap_err().into_service_error().code(), Some("BadDigest"));
    assert_eq!(read(&client, "k").await, None);
}

#[tokio::test]
async fn the_checksums_of_the_sdk_are_checked_both_ways() {
    let bench = Bench::start().await;
    let client = client(&bench, "vitrina-secret", RequestChecksumCalculation::WhenSupported);
    client.put_object().bucket(BUCKET).key("default").body(bytes(b"content")).send().await.unwrap();
    assert_eq!(read(&client, "default").await.unwrap(), b"content");
    for algorithm in [ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Crc32C] {
        let put =
            client.put_object().bucket(BUCKET).key("k").checksum_algorithm(algorithm).body(bytes(b"content"));
        put.send().await.unwrap();
        assert_eq!(read(&client, "k").await.unwrap(), b"content");
    }
}

#[tokio::test]
async fn a_presigned_put_takes_only_what_was_signed() {
    let bench = Bench::start().await;
    let client = plain(&bench);
    let presigned = client
        .put_object()
        .bucket(BUCKET)
        .key("upload")
        .content_type("image/png")
        .content_length(7)
        .checksum_sha256("7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M=")
        .presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap())
        .await
        .unwrap();
    let send = |content: &'static str, kind: &'static str| {
        let mut request = bench.client.put(presigned.uri());
        for (name, value) in
            presigned.headers().filter(|(name, _)| !["content-length", "content-type"].contains(name))
        {
            request = request.header(name, value);
        }
        let request = request.header("content-type", kind).body(content);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(send("content", "text/html").await, 403);
    assert_eq!(send("another", "image/png").await, 400);
    assert_eq!(read(&client, "upload").await, None);
    assert_eq!(send("content", "image/png").await, 200);
    assert_eq!(read(&client, "upload").await.unwrap(), b"content");
    let got = client.get_object().bucket(BUCKET).key("upload");
    let got = got.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap();
    assert_eq!(bench.client.get(got.uri()).send().await.unwrap().text().await.unwrap(), "content");
}

#[tokio::test]
async fn strangers_are_kept_out() {
    let bench = Bench::start().await;
    let stranger = client(&bench, "wrong", RequestChecksumCalculation::WhenRequired);
    let put = stranger.put_object().bucket(BUCKET).key("k").body(bytes(b"x")).send().await;
    assert_eq!(put.unwrap_err().into_service_error().code(), Some("SignatureDoesNotMatch"));
    let anonymous = bench.client.get(format!("{}/{BUCKET}/k", bench.running.s3_url())).send().await.unwrap();
    assert_eq!(anonymous.status(), 403);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let bench = Bench::start().await;
    let client = plain(&bench);
    for key in ["a/1", "a/2", "a/b/3", "c", "d e"] {
        client.put_object().bucket(BUCKET).key(key).body(bytes(b"x")).send().await.unwrap();
    }
    let mut pages = client.list_objects_v2().bucket(BUCKET).max_keys(2).into_paginator().send();
    let (mut keys, mut count) = (Vec::new(), 0);
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        keys.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        count += 1;
    }
    assert_eq!((count, keys), (3, ["a/1", "a/2", "a/b/3", "c", "d e"].map(str::to_owned).to_vec()));
    let folder = client.list_objects_v2().bucket(BUCKET).prefix("a/").delimiter("/").send().await.unwrap();
    assert_eq!((folder.contents().len(), folder.common_prefixes()[0].prefix()), (2, Some("a/b/")));
    let doomed = ["a/1", "a/2"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let doomed = Delete::builder().set_objects(Some(doomed.to_vec())).build().unwrap();
    client.delete_objects().bucket(BUCKET).delete(doomed).send().await.unwrap();
    let left = client.list_objects_v2().bucket(BUCKET).start_after("a/b/3").send().await.unwrap();
    assert_eq!(left.key_count(), Some(2));
}

#[tokio::test]
async fn buckets_are_made_once() {
    let bench = Bench::start().await;
    let client = plain(&bench);
    client.head_bucket().bucket(BUCKET).send().await.unwrap();
    client.create_bucket().bucket("another").send().await.unwrap();
    let again = client.create_bucket().bucket("another").send().await.unwrap_err();
    assert!(again.into_service_error().is_bucket_already_owned_by_you());
    let nowhere = client.put_object().bucket("nowhere").key("k").body(bytes(b"x")).send().await;
    assert_eq!(nowhere.unwrap_err().into_service_error().code(), Some("NoSuchBucket"));
    assert_eq!(client.list_buckets().send().await.unwrap().buckets().len(), 2);
}

#[tokio::test]
async fn objects_outlive_a_crash_and_uploads_do_not() {
    let bench = Bench::start().await;
    plain(&bench).put_object().bucket(BUCKET).key("kept").body(bytes(b"whole")).send().await.unwrap();
    let drafts = bench.dir.path().join("s3").join(BUCKET).join("drafts");
    std::fs::write(drafts.join("cut-off"), b"who").unwrap();
    let bench = bench.crash().await;
    assert_eq!(read(&plain(&bench), "kept").await.unwrap(), b"whole");
    assert_eq!(std::fs::read_dir(drafts).unwrap().count(), 0);
}

#[tokio::test]
async fn an_upload_that_ends_early_shows_nothing() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let bench = Bench::start().await;
    let client = plain(&bench);
    let presigned = client.put_object().bucket(BUCKET).key("cut");
    let presigned =
        presigned.presigned(PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()).await.unwrap();
    let target = presigned.uri().strip_prefix(&bench.running.s3_url()).unwrap();
    let mut socket = tokio::net::TcpStream::connect(bench.running.s3_addr).await.unwrap();
    let head = format!(
        "PUT {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: 1000\r\n\r\nonly this",
        bench.running.s3_addr
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 2"));
    assert_eq!(read(&client, "cut").await, None);
}

#[tokio::test]
async fn the_knobs_reach_s3() {
    let bench = Bench::start().await;
    bench.turn(json!({ "provider": "s3", "down": true })).await;
    let url = format!("{}/{BUCKET}/k", bench.running.s3_url());
    let response = bench.client.get(&url).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.text().await.unwrap().contains("<Code>SlowDown</Code>"));
}
