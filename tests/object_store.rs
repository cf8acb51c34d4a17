//! The Rust object_store client against the real binary: multi-part, ranges, listing, copies,
//! conditional writes, deletes.

mod support;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutPayload, aws::AmazonS3Builder, aws::S3ConditionalPut, path::Path,
    signer::Signer,
};
use std::time::Duration;
use support::{ACCESS_KEY, SECRET_KEY, Server};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_store_moves_objects_both_ways() {
    rustls::crypto::ring::default_provider().install_default().expect("no provider is installed yet");
    let server = Server::start();
    let store = AmazonS3Builder::new()
        .with_endpoint(format!("http://{}", server.address))
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_bucket_name("object-store")
        .with_access_key_id(ACCESS_KEY)
        .with_secret_access_key(SECRET_KEY)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .build()
        .expect("the store is configured");
    let url =
        store.signed_url("PUT".parse().unwrap(), &Path::from(""), Duration::from_secs(60)).await.expect("a URL for the bucket itself");
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    let created = server.exchange(
        format!("PUT {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", server.address).as_bytes(),
    );
    assert!(created.starts_with("HTTP/1.1 200 "), "{created}");

    let body: Bytes = (0..13 * MIB + 5).map(|index| (index / 7 % 251) as u8).collect::<Vec<u8>>().into();
    let big = Path::from("dir/big ü+%");
    let mut upload = store.put_multipart(&big).await.expect("create");
    for part in [0..5 * MIB, 5 * MIB..10 * MIB, 10 * MIB..body.len()] {
        upload.put_part(PutPayload::from_bytes(body.slice(part))).await.expect("part");
    }
    let put = upload.complete().await.expect("complete");
    assert!(put.e_tag.as_deref().is_some_and(|etag| etag.ends_with("-3\"")), "{put:?}");
    assert_eq!(store.get(&big).await.unwrap().bytes().await.unwrap(), body);
    let edge = (5 * MIB - 3) as u64;
    assert_eq!(store.get_range(&big, edge..edge + 7).await.unwrap(), body.slice(5 * MIB - 3..5 * MIB + 4));
    let suffix = GetOptions { range: Some(GetRange::Suffix(9)), ..GetOptions::default() };
    assert_eq!(store.get_opts(&big, suffix).await.unwrap().bytes().await.unwrap(), body.slice(body.len() - 9..));

    let mut aborted = store.put_multipart(&Path::from("aborted")).await.expect("create");
    aborted.put_part(PutPayload::from_static(b"gone")).await.expect("part");
    aborted.abort().await.expect("abort");
    assert!(matches!(store.head(&Path::from("aborted")).await, Err(object_store::Error::NotFound { .. })));

    let small = Path::from("small");
    store.put_opts(&small, PutPayload::from_static(b"one"), PutMode::Create.into()).await.expect("the key is free");
    let again = store.put_opts(&small, PutPayload::from_static(b"two"), PutMode::Create.into()).await;
    assert!(matches!(again, Err(object_store::Error::AlreadyExists { .. })), "{again:?}");
    store.copy(&small, &Path::from("dir/copy")).await.expect("copy");

    let listed: Vec<String> = store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    // The client escapes keys in its own way; the server keeps what it is given.
    assert_eq!(listed, ["dir/big %C3%BC+%25", "dir/copy", "small"]);
    let top = store.list_with_delimiter(None).await.unwrap();
    assert_eq!(top.common_prefixes, [Path::from("dir")]);
    assert_eq!(top.objects.len(), 1);

    let locations = listed.iter().map(|key| Ok(Path::parse(key).unwrap())).collect::<Vec<_>>();
    let locations = futures_util::stream::iter(locations).boxed();
    let deleted: Vec<Path> = store.delete_stream(locations).try_collect().await.unwrap();
    assert_eq!(deleted.len(), 3);
    assert_eq!(store.list(None).count().await, 0);
}
