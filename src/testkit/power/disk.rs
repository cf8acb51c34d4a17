//! A disk in memory that keeps apart what is synced and what is not.
//!
//! - Of a file: the bytes as of its last `sync_data`, and every write since. After a cut its length is what it was at any
//!   moment since then; each sector of each of these writes is there or not, and what was never written is zeros or noise.
//! - Of a directory: its names as of its last `sync_all`, and every change since. After a cut each name is what it was at any
//!   moment since then, independently of all others, in other directories and in the same; or the changes of all directories
//!   survive up to a moment, as in a file system that keeps them in one journal. Which of the two it is the seed decides.
//! - A name whose directory's own name did not survive is gone, too.

use super::{Power, lock};
use crate::{
    blob::{Disk, DiskFile, Names, Pace},
    testkit::dice::Dice,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    io::{self, IoSlice},
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex},
};

/// What a disk promises and does not do.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFaults {
    /// `sync_data` returns and makes nothing durable.
    pub ignores_file_syncs: bool,
    /// `sync_all` returns and makes nothing durable.
    pub ignores_directory_syncs: bool,
}

/// The disk. Its clones are the same disk.
#[derive(Clone)]
pub struct SimulatedDisk(Arc<Inner>);

struct Inner {
    power: Arc<Power>,
    faults: DiskFaults,
    /// Whether changes of names survive in their order.
    has_journal: bool,
    /// Locked for an operation, never across an await.
    tree: Mutex<Tree>,
}

/// A file or a directory, by its place in [`Tree::nodes`]. The root is 0.
type NodeId = usize;

struct Tree {
    nodes: Vec<Node>,
    /// The changes of names that are not synced, in their order.
    changes: Vec<NameChange>,
    locked: BTreeSet<PathBuf>,
}

/// An empty one.
impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::Directory(Directory::default())], changes: vec![], locked: BTreeSet::new() }
    }
}

enum Node {
    File(Content),
    Directory(Directory),
}

#[derive(Default)]
struct Content {
    synced: Vec<u8>,
    current: Vec<u8>,
    writes: Vec<Write>,
}

enum Write {
    Bytes { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Default)]
struct Directory {
    synced: BTreeMap<OsString, NodeId>,
    current: BTreeMap<OsString, NodeId>,
}

struct NameChange {
    directory: NodeId,
    name: OsString,
    /// What the name stands for from now on.
    node: Option<NodeId>,
}

impl SimulatedDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(power: Arc<Power>, faults: DiskFaults) -> Self {
        Self::with(Tree::default(), power, faults)
    }

    fn with(tree: Tree, power: Arc<Power>, faults: DiskFaults) -> Self {
        let has_journal = power.below(2) == 0;
        Self(Arc::new(Inner { power, faults, has_journal, tree: Mutex::new(tree) }))
    }

    /// Whether changes of names survive in their order.
    #[must_use]
    pub fn has_journal(&self) -> bool {
        self.0.has_journal
    }

    /// What a restart finds.
    #[must_use]
    pub fn after_power_cut(&self, dice: &mut Dice, power: Arc<Power>) -> Self {
        let tree = lock(&self.0.tree).after_power_cut(self.0.has_journal, dice);
        Self::with(tree, power, self.0.faults)
    }

    /// What a restart finds when it was the process that ended, not the power: everything, and no less unsynced than before.
    #[must_use]
    pub fn after_kill(&self, power: Arc<Power>) -> Self {
        let tree = Tree { locked: BTreeSet::new(), ..std::mem::take(&mut *lock(&self.0.tree)) };
        Self(Arc::new(Inner { power, faults: self.0.faults, has_journal: self.0.has_journal, tree: Mutex::new(tree) }))
    }

    /// The paths of all files.
    #[must_use]
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let tree = lock(&self.0.tree);
        let mut files = BTreeSet::new();
        let mut directories = vec![(PathBuf::from("/"), 0)];
        while let Some((path, id)) = directories.pop() {
            let Node::Directory(directory) = &tree.nodes[id] else { continue };
            for (name, &node) in &directory.current {
                let path = path.join(name);
                match &tree.nodes[node] {
                    Node::Directory(_) => directories.push((path, node)),
                    Node::File(_) => drop(files.insert(path)),
                }
            }
        }
        files
    }

    /// Does something to the tree, unless the power has gone.
    fn change<T>(&self, what: &str, change: impl FnOnce(&mut Tree) -> io::Result<T>) -> io::Result<T> {
        if self.0.power.step(what) { change(&mut lock(&self.0.tree)) } else { Err(power_is_off()) }
    }

    fn look<T>(&self, look: impl FnOnce(&Tree) -> io::Result<T>) -> io::Result<T> {
        if self.0.power.is_off() { Err(power_is_off()) } else { look(&lock(&self.0.tree)) }
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl Tree {
    fn find(&self, path: &Path) -> io::Result<NodeId> {
        path.components().try_fold(0, |id, component| match component {
            Component::RootDir => Ok(id),
            Component::Normal(name) => self.directory(id)?.current.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into()),
            Component::Prefix(_) | Component::CurDir | Component::ParentDir => Err(io::ErrorKind::InvalidInput.into()),
        })
    }

    /// The directory that holds a name, and the name.
    fn place<'a>(&self, path: &'a Path) -> io::Result<(NodeId, &'a OsStr)> {
        let (parent, name) = path.parent().zip(path.file_name()).ok_or(io::ErrorKind::InvalidInput)?;
        let id = self.find(parent)?;
        self.directory(id)?;
        Ok((id, name))
    }

    fn directory(&self, id: NodeId) -> io::Result<&Directory> {
        match &self.nodes[id] {
            Node::Directory(directory) => Ok(directory),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn file(&mut self, id: NodeId) -> io::Result<&mut Content> {
        match &mut self.nodes[id] {
            Node::File(content) => Ok(content),
            Node::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn set(&mut self, directory: NodeId, name: &OsStr, node: Option<NodeId>) {
        let Node::Directory(names) = &mut self.nodes[directory] else { unreachable!("names are in directories") };
        match node {
            Some(node) => drop(names.current.insert(name.to_owned(), node)),
            None => drop(names.current.remove(name)),
        }
        self.changes.push(NameChange { directory, name: name.to_owned(), node });
    }

    /// Gives a node a name that must not exist.
    fn name(&mut self, path: &Path, node: impl FnOnce(&mut Self) -> io::Result<NodeId>) -> io::Result<NodeId> {
        let (directory, name) = self.place(path)?;
        if self.directory(directory)?.current.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let node = node(self)?;
        self.set(directory, name, Some(node));
        Ok(node)
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Makes changes of names durable.
    fn settle(&mut self, survives: impl Fn(&NameChange) -> bool) {
        let (durable, rest) = std::mem::take(&mut self.changes).into_iter().partition(|change| survives(change));
        self.changes = rest;
        self.apply(durable);
    }

    fn apply(&mut self, durable: Vec<NameChange>) {
        for NameChange { directory, name, node } in durable {
            let Node::Directory(names) = &mut self.nodes[directory] else { unreachable!("names are in directories") };
            match node {
                Some(node) => drop(names.synced.insert(name, node)),
                None => drop(names.synced.remove(&name)),
            }
        }
    }

    fn after_power_cut(&mut self, has_journal: bool, dice: &mut Dice) -> Self {
        let mut surviving = std::mem::take(&mut self.changes);
        if has_journal {
            surviving.truncate(dice.below(surviving.len() + 1));
        } else {
            // Each name survives as it was after so many of its changes.
            let mut counts = BTreeMap::<_, usize>::new();
            for change in &surviving {
                *counts.entry((change.directory, change.name.clone())).or_default() += 1;
            }
            counts.values_mut().for_each(|count| *count = dice.below(*count + 1));
            surviving.retain(|change| {
                let left = counts.get_mut(&(change.directory, change.name.clone())).expect("it was counted");
                let survives = *left > 0;
                *left = left.saturating_sub(1);
                survives
            });
        }
        self.apply(surviving);
        let mut tree = Self { nodes: vec![], changes: vec![], locked: BTreeSet::new() };
        self.copy(0, &mut tree, &mut BTreeMap::new(), dice);
        tree
    }

    /// Copies what survives of a node and below it; a file of several names once.
    fn copy(&self, id: NodeId, target: &mut Self, copied: &mut BTreeMap<NodeId, NodeId>, dice: &mut Dice) -> NodeId {
        if let Some(&copy) = copied.get(&id) {
            return copy;
        }
        let copy = target.add(Node::Directory(Directory::default()));
        copied.insert(id, copy);
        target.nodes[copy] = match &self.nodes[id] {
            Node::File(content) => {
                let bytes = content.after_power_cut(dice);
                Node::File(Content { synced: bytes.clone(), current: bytes, writes: vec![] })
            }
            Node::Directory(directory) => {
                let names: BTreeMap<_, _> =
                    directory.synced.iter().map(|(name, &node)| (name.clone(), self.copy(node, target, copied, dice))).collect();
                Node::Directory(Directory { synced: names.clone(), current: names })
            }
        };
        copy
    }
}

impl Content {
    fn write(&mut self, write: Write) {
        match &write {
            Write::Bytes { offset, bytes } => {
                let end = offset + bytes.len();
                self.current.resize(self.current.len().max(end), 0);
                self.current[*offset..end].copy_from_slice(bytes);
            }
            Write::Length(length) => self.current.resize(*length, 0),
        }
        self.writes.push(write);
    }

    fn sync(&mut self) {
        self.writes.clear();
        self.synced.clone_from(&self.current);
    }

    fn after_power_cut(&self, dice: &mut Dice) -> Vec<u8> {
        let lengths = self.writes.iter().scan(self.synced.len(), |length, write| {
            *length = match write {
                Write::Bytes { offset, bytes } => (*length).max(offset + bytes.len()),
                Write::Length(length) => *length,
            };
            Some(*length)
        });
        let lengths: Vec<usize> = std::iter::once(self.synced.len()).chain(lengths).collect();
        let length = *dice.pick(&lengths);
        let mut bytes = self.synced.clone();
        if dice.one_in(2) {
            bytes.resize(length, 0);
        } else {
            let noise = dice.bytes(length.saturating_sub(bytes.len()));
            bytes.extend(noise);
            bytes.truncate(length);
        }
        let sector_size = *dice.pick(&[512, 4096]);
        // Out of three: the sectors that survive of a write.
        let share = dice.below(4);
        for write in &self.writes {
            let Write::Bytes { offset, bytes: written } = write else { continue };
            let end = (offset + written.len()).min(length);
            let mut at = *offset;
            while at < end {
                let next = ((at / sector_size + 1) * sector_size).min(end);
                if dice.below(3) < share {
                    bytes[at..next].copy_from_slice(&written[at - offset..next - offset]);
                }
                at = next;
            }
        }
        bytes
    }
}

impl Disk for SimulatedDisk {
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.change("lock", |tree| {
            if tree.find(path).is_err() {
                tree.name(path, |tree| Ok(tree.add(Node::File(Content::default()))))?;
            }
            if !tree.locked.insert(path.to_owned()) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(Box::new(Lock { disk: self.clone(), path: path.to_owned() }) as Box<dyn Send + Sync>)
        })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.look(|tree| match tree.find(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn list(&self, path: &Path) -> io::Result<Names> {
        self.look(|tree| {
            let names: Vec<_> = tree.directory(tree.find(path)?)?.current.keys().cloned().map(Ok).collect();
            Ok(Box::new(names.into_iter()) as Names)
        })
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.change("mkdir", |tree| tree.name(path, |tree| Ok(tree.add(Node::Directory(Directory::default())))).map(drop))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let node = self.change("create", |tree| tree.name(path, |tree| Ok(tree.add(Node::File(Content::default())))))?;
        Ok(Box::new(OpenNode { disk: self.clone(), node }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let node = self.look(|tree| tree.find(path))?;
        Ok(Box::new(OpenNode { disk: self.clone(), node }))
    }

    fn link(&self, source: &Path, target: &Path) -> io::Result<()> {
        self.change("link", |tree| tree.name(target, |tree| tree.find(source)).map(drop))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change("unlink", |tree| {
            let node = tree.find(path)?;
            tree.file(node)?;
            let (directory, name) = tree.place(path)?;
            tree.set(directory, name, None);
            Ok(())
        })
    }

    fn free_bytes(&self, _: &Path) -> Option<u64> {
        None
    }

    fn pace(&self) -> Option<Pace> {
        Some(self.0.power.pace())
    }
}

/// Released when it is dropped.
struct Lock {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        lock(&self.disk.0.tree).locked.remove(&self.path);
    }
}

struct OpenNode {
    disk: SimulatedDisk,
    node: NodeId,
}

impl OpenNode {
    fn look<T>(&self, look: impl FnOnce(&Content) -> T) -> io::Result<T> {
        self.disk.look(|tree| match &tree.nodes[self.node] {
            Node::File(content) => Ok(look(content)),
            Node::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        })
    }
}

impl DiskFile for OpenNode {
    fn length(&self) -> io::Result<u64> {
        self.look(|content| content.current.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.look(|content| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.current.len());
            let count = buffer.len().min(content.current.len() - start);
            buffer[..count].copy_from_slice(&content.current[start..start + count]);
            count
        })
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let bytes = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect::<Vec<u8>>();
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let count = bytes.len();
        self.disk.change("write", |tree| {
            tree.file(self.node)?.write(Write::Bytes { offset, bytes });
            Ok(count)
        })
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.disk.change("truncate", |tree| {
            tree.file(self.node)?.write(Write::Length(length));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let Inner { faults, has_journal, .. } = *self.disk.0;
        self.disk.change("sync a file", |tree| {
            if !faults.ignores_file_syncs {
                tree.file(self.node)?.sync();
                tree.settle(|_| has_journal);
            }
            Ok(())
        })
    }

    fn sync_all(&self) -> io::Result<()> {
        let Inner { faults, has_journal, .. } = *self.disk.0;
        self.disk.change("sync a directory", |tree| {
            tree.directory(self.node)?;
            if !faults.ignores_directory_syncs {
                tree.settle(|change| has_journal || change.directory == self.node);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        blob::{LocalBlobs, LocalSettings},
        testkit::blob_suite,
    };

    const SEEDS: u64 = 200;

    fn power(seed: u64) -> Arc<Power> {
        Arc::new(Power::on(seed))
    }

    fn disk(seed: u64) -> SimulatedDisk {
        SimulatedDisk::new(power(seed), DiskFaults::default())
    }

    fn write(file: &dyn DiskFile, bytes: &[u8], offset: u64) {
        assert_eq!(file.write_at(&[IoSlice::new(bytes)], offset).unwrap(), bytes.len());
    }

    fn read(disk: &SimulatedDisk, path: &str) -> Option<Vec<u8>> {
        let file = disk.open(Path::new(path)).ok()?;
        let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
        Some(bytes)
    }

    /// What is found after a cut, over many seeds.
    fn outcomes<T: Ord>(prepare: impl Fn(&SimulatedDisk), look: impl Fn(&SimulatedDisk) -> T) -> BTreeMap<T, usize> {
        let mut found = BTreeMap::new();
        for seed in 0..SEEDS {
            let disk = disk(seed);
            prepare(&disk);
            *found.entry(look(&disk.after_power_cut(&mut Dice::new(SEEDS + seed), power(seed)))).or_default() += 1;
        }
        found
    }

    fn sync_root(disk: &SimulatedDisk) {
        disk.open(Path::new("/")).unwrap().sync_all().unwrap();
    }

    #[tokio::test]
    async fn a_local_store_on_it_passes_the_conformance_suite() {
        blob_suite::run(|| {
            let disk = disk(1);
            Box::new(move || {
                Arc::new(LocalBlobs::open_on(Arc::new(disk.clone()), Path::new("/b"), LocalSettings::default()).expect("opens"))
            })
        })
        .await;
    }

    #[test]
    fn what_is_synced_survives() {
        let found = outcomes(
            |disk| {
                let file = disk.create(Path::new("/f")).unwrap();
                write(&*file, &[1; 5000], 0);
                file.set_length(4500).unwrap();
                file.sync_data().unwrap();
                sync_root(disk);
            },
            |disk| read(disk, "/f"),
        );
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [Some(vec![1; 4500])]);
    }

    #[test]
    fn names_and_bytes_that_are_not_synced_survive_or_not() {
        let found = outcomes(
            |disk| {
                for (path, is_synced) in [("/bytes", true), ("/name", false)] {
                    let file = disk.create(Path::new(path)).unwrap();
                    if is_synced {
                        sync_root(disk);
                        write(&*file, &[7; 2048], 0);
                    }
                }
            },
            |disk| (read(disk, "/name").is_some(), read(disk, "/bytes").expect("its name is synced")),
        );
        let has = |name: bool, bytes: &dyn Fn(&[u8]) -> bool| found.keys().any(|(found, content)| *found == name && bytes(content));
        for name in [false, true] {
            assert!(has(name, &|bytes| bytes.is_empty()), "the length is as before");
            assert!(has(name, &|bytes| bytes == [7; 2048]), "all of the write");
            assert!(has(name, &|bytes| bytes == [0; 2048]), "the length alone, with zeros");
            let parts = |bytes: &[u8]| bytes.chunks(512).filter(|sector| *sector == [7; 512]).count();
            assert!(has(name, &|bytes| bytes.len() == 2048 && (1..4).contains(&parts(bytes))), "some sectors");
            assert!(has(name, &|bytes| bytes.iter().any(|byte| ![0, 7].contains(byte))), "noise");
        }
    }

    #[test]
    fn a_name_in_a_directory_that_did_not_survive_is_gone() {
        let prepare = |sync_parent: bool| {
            move |disk: &SimulatedDisk| {
                disk.create_directory(Path::new("/d")).unwrap();
                disk.create(Path::new("/d/f")).unwrap();
                disk.open(Path::new("/d")).unwrap().sync_all().unwrap();
                if sync_parent {
                    sync_root(disk);
                }
            }
        };
        let look = |disk: &SimulatedDisk| disk.exists(Path::new("/d/f")).unwrap();
        assert_eq!(outcomes(prepare(false), look).len(), 2, "the parent is not synced");
        assert_eq!(outcomes(prepare(true), look).into_keys().collect::<Vec<_>>(), [true]);
    }

    #[test]
    fn removals_and_links_survive_in_any_combination_unless_there_is_a_journal() {
        let found = outcomes(
            |disk| {
                disk.create_directory(Path::new("/d")).unwrap();
                disk.create(Path::new("/f")).unwrap();
                sync_root(disk);
                disk.link(Path::new("/f"), Path::new("/d/f")).unwrap();
                disk.remove(Path::new("/f")).unwrap();
            },
            |disk| (disk.exists(Path::new("/f")).unwrap(), disk.exists(Path::new("/d/f")).unwrap()),
        );
        assert_eq!(found.len(), 4, "{found:?}");
        let journals = (0..SEEDS).filter(|&seed| disk(seed).has_journal()).count();
        assert!((SEEDS as usize / 4..SEEDS as usize).contains(&journals));
        for seed in (0..SEEDS).filter(|&seed| disk(seed).has_journal()) {
            let disk = disk(seed);
            disk.create_directory(Path::new("/d")).unwrap();
            disk.create(Path::new("/f")).unwrap();
            disk.link(Path::new("/f"), Path::new("/d/f")).unwrap();
            disk.remove(Path::new("/f")).unwrap();
            let after = disk.after_power_cut(&mut Dice::new(SEEDS + seed), power(seed));
            let [f, d, link] = ["/f", "/d", "/d/f"].map(|path| after.exists(Path::new(path)).unwrap());
            assert!(
                [(false, false, false), (false, true, false), (true, true, false), (true, true, true), (false, true, true)]
                    .contains(&(f, d, link))
            );
        }
    }

    #[test]
    fn a_kill_loses_nothing_and_syncs_nothing() {
        let found = outcomes(
            |disk| {
                write(&*disk.create(Path::new("/f")).unwrap(), b"bytes", 0);
                assert!(disk.after_kill(power(1)).exists(Path::new("/f")).unwrap());
                assert!(!disk.exists(Path::new("/f")).unwrap(), "whoever was killed does no more harm");
            },
            |_| (),
        );
        assert_eq!(found.len(), 1);
        let mut survived = BTreeSet::new();
        for seed in 0..SEEDS {
            let disk = disk(seed);
            write(&*disk.create(Path::new("/f")).unwrap(), b"bytes", 0);
            let after = disk.after_kill(power(seed)).after_power_cut(&mut Dice::new(SEEDS + seed), power(seed));
            survived.insert(after.exists(Path::new("/f")).unwrap());
        }
        assert_eq!(survived.len(), 2);
    }

    #[test]
    fn nothing_works_once_the_power_is_off() {
        let power = power(1);
        let disk = SimulatedDisk::new(Arc::clone(&power), DiskFaults::default());
        power.goes_after(1);
        let file = disk.create(Path::new("/f")).unwrap();
        assert!(file.write_at(&[IoSlice::new(b"x")], 0).is_err(), "the power goes before the second step");
        assert!(power.is_off() && file.sync_data().is_err() && disk.exists(Path::new("/f")).is_err());
        assert_eq!(power.steps().0, 1);
    }
}
