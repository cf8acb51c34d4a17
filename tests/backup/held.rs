//! The reaper beside a backup, with a clock of the test's own: whatever is deleted after the snapshot, its bytes are copied first.

use super::{
    gateway::{Nature, Pieces, request},
    place,
};
use partway::{
    backup::{Order, RestoreOrder, check, take},
    blob::{BlobStore, LocalBlobs, LocalSettings},
    datadir::DataDir,
    meta::{Kv, RocksKv, RocksSettings},
    model::{
        Attributes, BodyClaims, Bucket, CreateBucket, DeleteObject, Limits, ObjectKey, ObjectRef, Operation, PutObject, WriteConditions,
    },
    ops::Gateway,
};
use std::{path::Path, sync::Arc, time::Duration};

const OBJECTS: usize = 400;

fn object(number: usize) -> ObjectRef {
    ObjectRef { bucket: Bucket::new("held").expect("a name"), key: ObjectKey::new(format!("k{number}")).expect("a key") }
}

async fn put(gateway: &Arc<Gateway>, number: usize) {
    let put = PutObject {
        callback: None,
        object: object(number),
        attributes: Attributes::default(),
        conditions: WriteConditions::default(),
        claims: BodyClaims::default(),
    };
    let body = super::bytes(number as u64, 3_000);
    gateway.execute(request(Operation::PutObject(put), Limits::S3), Some(Pieces::of(&body, 1_000))).await.map(drop).expect("it is stored");
}

fn stores(data: &Path) -> (DataDir, Arc<RocksKv>, Arc<LocalBlobs>) {
    let data = DataDir::open_or_create(data).expect("it is missing");
    let index = RocksKv::open(&data.index(), RocksSettings { sync_writes: false, ..RocksSettings::default() }).expect("it is new");
    let blobs = LocalBlobs::open(&data.blobs(), LocalSettings { sync: false }).expect("it is new");
    (data, Arc::new(index), Arc::new(blobs))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_deleted_while_it_is_copied_is_copied_to_the_last_byte() {
    let place = place();
    let (data, index, blobs) = stores(&place.data);
    let nature = Nature::new(1);
    let gateway = nature.start(Arc::clone(&index) as Arc<dyn Kv>, Arc::clone(&blobs) as Arc<dyn BlobStore>).await;
    let create = CreateBucket { acl: None, may_be_own: false, storage_class: None, bucket: object(0).bucket, location: None };
    gateway.execute(request(Operation::CreateBucket(create), Limits::S3), None).await.map(drop).expect("a bucket");
    for number in 0..OBJECTS {
        put(&gateway, number).await;
    }
    let taking = tokio::spawn({
        let (gateway, index) = (Arc::clone(&gateway), Arc::clone(&index));
        let places = partway::backup::DataDirPlaces::of(&data, None);
        let order = Order { to: place.to.clone(), keep: 1, link: false, index_only: false, time_max_secs: 600 };
        async move { take(&gateway, index, &places, order).await }
    });
    let copied = || super::blob_files(&place.to.join("blobs")).len();
    while copied() == 0 && !taking.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    nature.pass_ms(1);
    // The last ones first: they are copied last.
    let mut numbers: Vec<usize> = (0..OBJECTS).collect();
    numbers.reverse();
    for number in numbers {
        let delete = DeleteObject { object: object(number), if_match: None };
        gateway.execute(request(Operation::DeleteObject(delete), Limits::S3), None).await.map(drop).expect("it is deleted");
        nature.pass_ms(3_600_000);
        gateway.reap().await.expect("the stores work");
    }
    let report = taking.await.expect("it does not panic").expect("nothing is missing");
    assert_eq!((report.blobs, report.copied), (OBJECTS as u64, OBJECTS as u64));
    check(&RestoreOrder { from: place.to.clone(), snapshot: None, blobs: None }).expect("it is sound");
    nature.pass_ms(3_600_000);
    gateway.reap().await.expect("the stores work");
    assert_eq!(blobs.scan(None, 10).await, Ok(vec![]), "afterwards they go");
}
