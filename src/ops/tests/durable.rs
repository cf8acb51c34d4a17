//! The same operations over the stores that servers use, across restarts.

use super::world::{GRACE_MS, LIMITS, etag_of, listed, noise, number, object, pieces, put_of, read_of};
use crate::{
    blob::{LocalBlobs, LocalSettings},
    meta::{Kv, RocksKv, RocksSettings, Write, keys, record::*},
    model::*,
    ops::{Environment, Gateway, GatewaySettings, Request},
};
use futures_util::TryStreamExt;
use std::{path::Path, sync::Arc};

async fn open(directory: &Path, now_ms: i64) -> Arc<Gateway> {
    let kv = RocksKv::open(&directory.join("index"), RocksSettings::default()).unwrap();
    let record = BucketRecord {
        retries_callbacks: true,
        storage_class: None,
        acl: crate::model::Acl::Private,
        lifecycle: None,
        referer: None,
        id: BucketId(*b"bucketid"),
        owner: Account::root(),
        created: Timestamp::from_millis(0),
        location: None,
        cors: None,
        policy: None,
        tags: None,
    };
    kv.commit(vec![], vec![Write::Put(keys::bucket(&object("k").bucket), record.encode())]).await.unwrap();
    let blobs = LocalBlobs::open(&directory.join("blobs"), LocalSettings::default()).unwrap();
    let environment =
        Environment { now: Arc::new(move || Timestamp::from_millis(now_ms)), random: Arc::new(|bytes| getrandom::fill(bytes).unwrap()) };
    let gateway = Gateway::new(Arc::new(kv), Arc::new(blobs), GatewaySettings::default(), environment);
    gateway.recover().await.unwrap();
    gateway
}

async fn run(gateway: &Arc<Gateway>, operation: Operation, body: Option<&[u8]>) -> Outcome {
    let request = Request {
        name: operation.name(),
        origin: crate::model::Origin::default(),
        admitted: crate::ops::Admitted::Anything,
        caller: Caller::Anonymous,
        limits: LIMITS,
        operation,
    };
    let body = body.map(|bytes| Box::new(pieces(bytes)) as Box<dyn crate::ops::Body>);
    gateway.execute(request, body).await.unwrap().outcome
}

async fn get(gateway: &Arc<Gateway>, key: &str) -> Vec<u8> {
    let operation = Operation::GetObject(read_of(key, Selection::Whole));
    let reply = gateway
        .execute(
            Request {
                name: operation.name(),
                origin: crate::model::Origin::default(),
                admitted: crate::ops::Admitted::Anything,
                caller: Caller::Anonymous,
                limits: LIMITS,
                operation,
            },
            None,
        )
        .await
        .unwrap();
    let pieces: Vec<_> = reply.content.unwrap().try_collect().await.unwrap();
    pieces.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart_and_what_was_released_goes() {
    let directory = tempfile::tempdir().unwrap();
    let (first, last) = (noise(1, 3_000_000), noise(2, 1_000));
    let upload_id = {
        let gateway = open(directory.path(), 1_000_000).await;
        run(&gateway, Operation::PutObject(put_of("large")), Some(&first)).await;
        run(&gateway, Operation::PutObject(put_of("small")), Some(&last)).await;
        run(&gateway, Operation::PutObject(put_of("large")), Some(&noise(3, 2_000_000))).await;
        let create = CreateMultipartUpload {
            conditions: crate::model::WriteConditions::default(),
            sequential: false,
            object: object("k"),
            attributes: Attributes::default(),
            checksum: None,
        };
        let Outcome::CreateMultipartUpload { upload_id, .. } = run(&gateway, Operation::CreateMultipartUpload(create), None).await else {
            panic!("an upload");
        };
        for (part, bytes) in [(1, &first), (2, &last)] {
            let part = UploadPart { object: object("k"), upload_id, part_number: number(part), claims: BodyClaims::default() };
            run(&gateway, Operation::UploadPart(part), Some(bytes)).await;
        }
        upload_id
    };
    {
        let gateway = open(directory.path(), 2_000_000).await;
        let complete = super::world::complete_of("k", upload_id, vec![listed(1, &first), listed(2, &last)]);
        run(&gateway, Operation::CompleteMultipartUpload(complete), None).await;
        run(&gateway, Operation::CopyObject(super::world::copy_of("k", "copy")), None).await;
        let delete = DeleteObject { object: object("k"), if_match: None };
        run(&gateway, Operation::DeleteObject(delete), None).await;
    }
    let gateway = open(directory.path(), 2_000_000 + GRACE_MS).await;
    assert_eq!(gateway.reap().await.unwrap(), 3, "the replaced object, the ended upload, the deleted object");
    let whole = [first, last.clone()].concat();
    assert!(get(&gateway, "copy").await == whole);
    assert!(get(&gateway, "large").await == noise(3, 2_000_000));
    assert!(get(&gateway, "small").await == last);
    let Outcome::HeadObject(read) = run(&gateway, Operation::HeadObject(read_of("copy", Selection::Whole)), None).await else {
        panic!("a head");
    };
    assert_eq!(read.etag, etag_of(&whole));
    let report = gateway.verify().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.blobs, 4, "two files, two small bodies");
}
