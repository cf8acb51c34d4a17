//! Symbolic links: what is read through them, and what they are themselves.

use super::world::*;
use crate::{
    model::*,
    ops::{Admitted, ObjectAccess, Request},
};

fn link_of(key: &str, target: &str) -> PutSymlink {
    PutSymlink {
        object: object(key),
        target: object(target).key,
        attributes: Attributes { tags: Tags(vec![("of".to_owned(), key.to_owned())]), ..Attributes::default() },
        conditions: WriteConditions::default(),
    }
}

async fn link(world: &World, key: &str, target: &str) {
    let put = world.run(Operation::PutSymlink(link_of(key, target))).await.unwrap();
    assert_eq!(world.run(Operation::GetSymlink(object(key))).await, Ok(put));
}

#[tokio::test]
async fn reading_a_link_gives_its_targets_bytes_and_its_own_attributes() {
    let world = World::new().await;
    let parts = [noise(1, 200), noise(2, 50)];
    link(&world, "link", "target").await;
    world.pass_ms(5_000);
    world.put_multipart("target", &parts).await;
    let target = world.head("target").await;
    let (read, bytes) = world.get_as(read_of("link", Selection::Whole)).await.unwrap();
    assert_eq!(bytes, parts.concat());
    let attributes = link_of("link", "target").attributes;
    assert_eq!(read, ObjectRead { attributes, object_type: ObjectType::Symlink, ..target.clone() }, "the later time is the target's");
    assert_eq!(read, world.head("link").await);
    let part = world.get_as(read_of("link", Selection::Part(number(2)))).await.unwrap();
    assert_eq!(part.1, parts[1]);

    world.pass_ms(5_000);
    link(&world, "link", "target").await;
    let later = world.head("link").await;
    assert_eq!(later.last_modified, target.last_modified.plus_millis(5_000), "the later time is the link's");
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn conditions_are_about_what_is_read() {
    let world = World::new().await;
    world.put("target", b"bytes").await;
    link(&world, "link", "target").await;
    let if_match = |etag| {
        let conditions = ReadConditions { if_match: Some(ETagCondition::OneOf(vec![etag])), ..ReadConditions::default() };
        ReadObject { conditions, ..read_of("link", Selection::Whole) }
    };
    assert_eq!(world.get_as(if_match(etag_of(b"bytes"))).await.unwrap().1, b"bytes");
    assert_eq!(world.get_as(if_match(etag_of(b"target"))).await.unwrap_err(), Failure::PreconditionFailed("If-Match"));
    let careful =
        PutSymlink { conditions: WriteConditions { forbid_overwrite: true, ..WriteConditions::default() }, ..link_of("link", "x") };
    assert_eq!(world.run(Operation::PutSymlink(careful)).await, Err(Failure::ObjectExists(object("link").key)));
}

#[tokio::test]
async fn a_link_leads_to_an_object_that_is_there_and_is_no_link() {
    let world = World::new().await;
    link(&world, "link", "target").await;
    assert_eq!(world.get("link").await, Err(Failure::SymlinkTargetMissing(object("target").key)));
    link(&world, "target", "link").await;
    assert_eq!(world.get("link").await, Err(Failure::SymlinkTargetIsLink(object("target").key)));
    link(&world, "self", "self").await;
    assert_eq!(world.get("self").await, Err(Failure::SymlinkTargetIsLink(object("self").key)));
    world.put("plain", b"").await;
    assert_eq!(world.run(Operation::GetSymlink(object("plain"))).await, Err(Failure::NotSymlink(object("plain").key)));
    assert_eq!(world.run(Operation::GetSymlink(object("none"))).await, Err(Failure::NoSuchKey(object("none").key)));
}

#[tokio::test]
async fn a_link_is_replaced_and_deleted_without_its_target() {
    let world = World::new().await;
    world.put("target", &noise(1, 1_000)).await;
    world.put("link", &noise(2, 1_000)).await;
    link(&world, "link", "target").await;
    world.settle().await;
    assert_eq!(world.blob_count().await, 1, "what the link replaced is reaped");
    world.delete("link").await.unwrap();
    assert_eq!(world.get("target").await.unwrap(), noise(1, 1_000));
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn a_copy_reads_through_the_link() {
    let world = World::new().await;
    for (target, bytes) in [("small", noise(1, 10)), ("large", noise(2, 1_000))] {
        world.put(target, &bytes).await;
        link(&world, "link", target).await;
        world.run(Operation::CopyObject(copy_of("link", "copy"))).await.unwrap();
        let copy = world.head("copy").await;
        assert_eq!((copy.etag, copy.object_type), (etag_of(&bytes), ObjectType::Normal));
        assert_eq!(copy.attributes.tags, link_of("link", target).attributes.tags);
        world.delete(target).await.unwrap();
        world.settle().await;
        assert_eq!(world.get("copy").await.unwrap(), bytes, "the copy holds the bytes");
    }
    world.audit().await;
}

#[tokio::test]
async fn a_target_replaced_while_it_is_copied_is_copied_as_it_is_then() {
    let world = World::new().await;
    world.put("target", &noise(1, 1_000)).await;
    link(&world, "link", "target").await;
    world.before_commit(|world| async move {
        world.put("target", &noise(2, 1_000)).await;
        world.pass_ms(10 * GRACE_MS);
        world.gateway.reap().await.unwrap();
    });
    world.run(Operation::CopyObject(copy_of("link", "copy"))).await.unwrap();
    assert_eq!(world.get("copy").await.unwrap(), noise(2, 1_000));
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn a_listing_shows_the_link_itself() {
    let world = World::new().await;
    world.put("target", b"bytes").await;
    link(&world, "link", "target").await;
    let list = ListObjects { bucket: bucket(), prefix: "link".to_owned(), delimiter: String::new(), after: None, count_max: 10 };
    let Outcome::ListObjects(page) = world.run(Operation::ListObjects(list)).await.unwrap() else { panic!() };
    let Entry::Item(listed) = &page.entries[0] else { panic!() };
    assert_eq!((listed.object_type, listed.size), (ObjectType::Symlink, 0));
}

/// What is admitted to an object of this access control list, which is a link to this target.
fn seen(acl: Option<Acl>, target: Option<&str>, target_acl: Option<Acl>) -> Admitted {
    Admitted::Seen { object: ObjectAccess { acl, link_target: target.map(object) }, target_acl }
}

async fn read_as(world: &World, admitted: Admitted, operation: Operation) -> Result<Outcome, Failure> {
    let request =
        Request { name: operation.name(), origin: Origin::default(), admitted, caller: Caller::Anonymous, limits: LIMITS, operation };
    world.gateway.execute(request, None).await.map(|reply| reply.outcome)
}

#[tokio::test]
async fn only_what_was_admitted_is_read() {
    let world = World::new().await;
    world.put("target", b"bytes").await;
    world.put("secret", b"hidden").await;
    link(&world, "link", "target").await;
    world.run(Operation::PutObjectAcl(object("target"), Some(Acl::PublicRead))).await.unwrap();
    let operations = || {
        [
            Operation::GetObject(read_of("link", Selection::Whole)),
            Operation::HeadObject(read_of("link", Selection::Whole)),
            Operation::GetObjectAttributes(GetObjectAttributes { object: object("link"), part_number_marker: 0, parts_max: 1 }),
            Operation::CopyObject(copy_of("link", "copy")),
        ]
    };
    for operation in operations() {
        assert!(read_as(&world, seen(None, Some("target"), Some(Acl::PublicRead)), operation).await.is_ok());
    }
    for admitted in [
        seen(None, None, None),
        seen(None, Some("secret"), Some(Acl::PublicRead)),
        seen(Some(Acl::PublicRead), Some("target"), Some(Acl::PublicRead)),
        seen(None, Some("target"), None),
    ] {
        for operation in operations() {
            let what = format!("{operation:?} {admitted:?}");
            assert_eq!(read_as(&world, admitted.clone(), operation).await.unwrap_err(), Failure::SlowDown, "{what}");
        }
    }
}

#[tokio::test]
async fn a_copy_that_has_to_look_again_does_not_follow_a_link_elsewhere() {
    let world = World::new().await;
    world.put("target", b"bytes").await;
    world.put("secret", b"hidden").await;
    link(&world, "link", "target").await;
    world.before_commit(|world| async move { link(&world, "link", "secret").await });
    world.let_commit_pass();
    let copied = read_as(&world, seen(None, Some("target"), None), Operation::CopyObject(copy_of("link", "copy"))).await;
    assert_eq!(copied, Err(Failure::SlowDown));
    assert_eq!(world.get_as(read_of("copy", Selection::Whole)).await.unwrap_err(), Failure::NoSuchKey(object("copy").key));
}
