//! What every [`Kv`] engine must do, whatever it is made of. Panics where one does not.

use crate::meta::{Check, Kv, KvError, Leap, Write, keys};
use bytes::Bytes;
use std::{collections::BTreeMap, ops::Range, sync::Arc};

/// The tables the suite works in; records, the one that engines may keep apart, and those whose rows they may remember.
const TABLES: [u8; 6] = [b'O', keys::INLINE_DATA_TABLE, b'B', b'K', b'G', b'Q'];

/// Runs every test of the suite on an engine, one after the other. The engine must be empty and on a
/// runtime of several threads.
///
/// # Panics
/// When the engine breaks its contract.
pub async fn run(kv: Arc<dyn Kv>) {
    for table in TABLES {
        let kv = View { kv: Arc::clone(&kv), table };
        a_commit_is_seen_when_it_returns(&kv).await;
        each_kind_of_check_is_judged_and_named(&kv).await;
        a_conflict_leaves_nothing_behind(&kv).await;
        writes_apply_in_order(&kv).await;
        scans_are_bounded_and_in_order(&kv).await;
        scans_that_leap_leave_out_what_they_are_told(&kv).await;
        values_of_every_size_survive(&kv).await;
        behaves_as_a_sorted_map(&kv).await;
        increments_by_many_are_all_counted(&kv).await;
        counters_are_added_to_without_a_conflict(&kv).await;
        counters_are_worked_out_in_order(&kv).await;
        no_limit_is_passed_by_many_at_once(&kv).await;
        an_empty_range_has_no_phantoms(&kv).await;
        a_scan_sees_a_commit_whole_or_not_at_all(&kv).await;
        a_caller_who_gives_up_does_no_harm(&kv).await;
    }
    ranges_across_tables_are_refused(&*kv).await;
    one_commit_spans_tables(&*kv).await;
    assert!(!kv.is_read_only(), "nothing has failed");
}

/// An engine with a table to work in. Each test clears it first.
struct View {
    kv: Arc<dyn Kv>,
    table: u8,
}

impl View {
    fn key(&self, key: impl AsRef<[u8]>) -> Vec<u8> {
        [&[self.table], key.as_ref()].concat()
    }

    fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Write {
        Write::Put(self.key(key), Bytes::copy_from_slice(value.as_ref()))
    }

    fn delete(&self, key: impl AsRef<[u8]>) -> Write {
        Write::Delete(self.key(key))
    }

    fn range(&self, start: impl AsRef<[u8]>, end: impl AsRef<[u8]>) -> Range<Vec<u8>> {
        self.key(start)..self.key(end)
    }

    fn equals(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Check {
        Check::Equals(self.key(key), Bytes::copy_from_slice(value.as_ref()))
    }

    async fn get(&self, key: impl AsRef<[u8]>) -> Option<Bytes> {
        self.kv.get(&self.key(key)).await.expect("a sound engine reads")
    }

    async fn rows(&self) -> Vec<(Bytes, Bytes)> {
        self.kv.scan(keys::table(self.table), usize::MAX).await.expect("a sound engine scans")
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        self.kv.commit(checks, writes).await
    }

    async fn write(&self, writes: Vec<Write>) {
        self.commit(vec![], writes).await.expect("a sound engine commits");
    }

    async fn clear(&self) {
        let rows = self.rows().await;
        self.write(rows.into_iter().map(|(key, _)| Write::Delete(key.to_vec())).collect()).await;
        assert!(self.rows().await.is_empty(), "deleting every row empties a table");
    }
}

async fn a_commit_is_seen_when_it_returns(kv: &View) {
    kv.clear().await;
    assert_eq!(kv.get("a").await, None);
    for round in 0..50_u8 {
        kv.write(vec![kv.put("a", [round])]).await;
        assert_eq!(kv.get("a").await.as_deref(), Some(&[round][..]));
        assert_eq!(kv.rows().await, [(kv.key("a").into(), Bytes::copy_from_slice(&[round]))]);
    }
    kv.write(vec![kv.delete("a"), kv.delete("never was")]).await;
    assert_eq!(kv.get("a").await, None);
}

async fn each_kind_of_check_is_judged_and_named(kv: &View) {
    kv.clear().await;
    kv.write(vec![kv.put("there", "1"), kv.put("empty", "")]).await;
    let key = |key| kv.key(key);
    for (check, holds) in [
        (Check::Absent(key("not")), true),
        (Check::Absent(key("there")), false),
        (Check::Absent(key("empty")), false),
        (Check::Present(key("there")), true),
        (Check::Present(key("empty")), true),
        (Check::Present(key("not")), false),
        (kv.equals("there", "1"), true),
        (kv.equals("there", "2"), false),
        (kv.equals("there", "12"), false),
        (kv.equals("empty", ""), true),
        (kv.equals("not", ""), false),
        (Check::EmptyRange(kv.range("n", "t")), true),
        (Check::EmptyRange(kv.range("there\0", "z")), true),
        (Check::EmptyRange(kv.range("n", "there")), true),
        (Check::EmptyRange(kv.range("n", "there\0")), false),
        (Check::EmptyRange(kv.range("there", "z")), false),
        (Check::EmptyRange(keys::table(kv.table)), false),
        (Check::EmptyRange(kv.range("z", "a")), true),
        (Check::EmptyRange(kv.range("there", "there")), true),
    ] {
        let expected = if holds { Ok(()) } else { Err(KvError::Conflict(1)) };
        let checks = vec![Check::Present(key("there")), check.clone(), Check::Present(key("there"))];
        assert_eq!(kv.commit(checks, vec![]).await, expected, "{check:?}");
    }
    let both_fail = vec![Check::Present(key("there")), Check::Present(key("no")), Check::Absent(key("there"))];
    assert_eq!(kv.commit(both_fail, vec![]).await, Err(KvError::Conflict(1)), "the first that fails is named");
}

async fn a_conflict_leaves_nothing_behind(kv: &View) {
    kv.clear().await;
    kv.write(vec![kv.put("a", "1"), kv.put("b", "1")]).await;
    let before = kv.rows().await;
    let writes = vec![kv.put("a", "2"), kv.delete("b"), kv.put("c", "2")];
    let refused = kv.commit(vec![kv.equals("a", "1"), Check::Absent(kv.key("b"))], writes).await;
    assert_eq!(refused, Err(KvError::Conflict(1)));
    assert_eq!(kv.rows().await, before);
}

async fn writes_apply_in_order(kv: &View) {
    kv.clear().await;
    kv.write(vec![kv.put("a", "1"), kv.put("a", "2"), kv.put("b", "1"), kv.delete("b"), kv.delete("c"), kv.put("c", "1")]).await;
    assert_eq!(kv.get("a").await.as_deref(), Some(&b"2"[..]));
    assert_eq!(kv.get("b").await, None);
    assert_eq!(kv.get("c").await.as_deref(), Some(&b"1"[..]));
    // Checks look at what was there before the commit, not at its own writes.
    kv.commit(vec![Check::Absent(kv.key("d"))], vec![kv.put("d", "1")]).await.expect("checks come before writes");
}

async fn scans_are_bounded_and_in_order(kv: &View) {
    kv.clear().await;
    let names: [&[u8]; 8] = [b"", b"\0", b"\0\xFF", b"a", b"a\0", b"aa", b"\xFE", b"\xFF\xFF"];
    for name in names.iter().rev() {
        kv.write(vec![kv.put(name, name)]).await;
    }
    let expected: Vec<(Bytes, Bytes)> = names.iter().map(|name| (kv.key(name).into(), Bytes::copy_from_slice(name))).collect();
    assert_eq!(kv.rows().await, expected, "keys sort as bytes");
    for (first, start) in names.iter().enumerate() {
        for (last, end) in names.iter().enumerate() {
            for count_max in [0, 1, 2, 7, 1000] {
                let found = kv.kv.scan(kv.range(start, end), count_max).await.expect("a sound engine scans");
                let within = expected.get(first..last).unwrap_or_default();
                assert_eq!(found, within[..within.len().min(count_max)], "{start:?} to {end:?}, up to {count_max}");
            }
        }
    }
    let after = kv.kv.scan(keys::successor(&kv.key("a"))..keys::table(kv.table).end, 1).await.expect("a sound engine scans");
    assert_eq!(after, expected[4..5], "a page goes on after the last key of the one before");
}

async fn scans_that_leap_leave_out_what_they_are_told(kv: &View) {
    kv.clear().await;
    let name = |number: u16| number.to_be_bytes();
    let numbers: Vec<u16> = (0..1_500).filter(|number| number % 7 != 3).collect();
    kv.write(numbers.iter().map(|&number| kv.put(name(number), name(number))).collect()).await;
    // Rows that were removed are stepped over like those that are left out.
    kv.write(numbers.iter().filter(|&&number| number % 50 == 20).map(|&number| kv.delete(name(number))).collect()).await;
    // To the next multiple of so many, which is another row, none, or beyond the range; now and then backwards.
    for length in [1_u16, 2, 5, 9, 40, 600] {
        let (table, base) = (kv.table, kv.key([]).len());
        let to =
            move |number: u16| (number % 11 != 5).then(|| if number % 11 == 6 { number / 2 } else { number - number % length + length });
        let leap: Leap = Arc::new(move |key: &[u8]| {
            let number = u16::from_be_bytes(key[base..].try_into().expect("a name"));
            to(number).map(|to| [&[table][..], &to.to_be_bytes()].concat())
        });
        for (start, end, count_max) in [(0, 1_500, 1_000), (0, 1_500, 33), (0, 1_500, 1), (0, 1_500, 0), (4, 721, 40), (721, 4, 40)] {
            let mut expected = vec![];
            let mut next = start;
            for &number in numbers.iter().filter(|&&number| number % 50 != 20 && (start..end).contains(&number)) {
                if number >= next && expected.len() < count_max {
                    expected.push((Bytes::from(kv.key(name(number))), Bytes::copy_from_slice(&name(number))));
                    next = to(number).unwrap_or(0).max(number + 1);
                }
            }
            let found = kv.kv.scan_leaping(kv.range(name(start), name(end)), count_max, Arc::clone(&leap)).await;
            assert_eq!(found, Ok(expected), "{length}: {start} to {end}, up to {count_max}");
        }
    }
}

async fn values_of_every_size_survive(kv: &View) {
    kv.clear().await;
    let value = |size: usize| (0..size).map(|index| (index % 251) as u8).collect::<Vec<_>>();
    let sizes = [0_usize, 1, 511, 512, 513, 4096, 65_536, 1 << 20];
    kv.write(sizes.iter().map(|&size| kv.put(size.to_be_bytes(), value(size))).collect()).await;
    for size in sizes {
        assert_eq!(kv.get(size.to_be_bytes()).await, Some(value(size).into()), "{size} bytes");
    }
}

/// A few thousand commits of random checks and writes on a few keys, compared with a map after each.
async fn behaves_as_a_sorted_map(kv: &View) {
    kv.clear().await;
    let mut model = BTreeMap::<Vec<u8>, Bytes>::new();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut outcomes = [0; 2];
    for step in 0..2000 {
        let name = |random: &mut Random| kv.key([random.below(6) as u8]);
        let counter = |random: &mut Random| kv.key([0x80 + random.below(2) as u8]);
        let value = |random: &mut Random| Bytes::copy_from_slice(&[random.below(3) as u8]);
        let checks: Vec<Check> = (0..random.below(3))
            .map(|_| match random.below(5) {
                4 => Check::AtMost { counters: vec![counter(&mut random), counter(&mut random)], add: random.below(3), limit: 4 },
                0 => Check::Absent(name(&mut random)),
                1 => Check::Present(name(&mut random)),
                2 => Check::Equals(name(&mut random), value(&mut random)),
                _ => Check::EmptyRange(name(&mut random)..name(&mut random)),
            })
            .collect();
        let writes: Vec<Write> = (0..random.below(4))
            .map(|_| match random.below(6) {
                0 | 1 => Write::Delete(name(&mut random)),
                2 | 3 => Write::Put(name(&mut random), value(&mut random)),
                4 => Write::Add { counter: counter(&mut random), delta: random.below(3) as i64 },
                _ => Write::Take { counter: counter(&mut random), off: vec![] },
            })
            .collect();
        let failed = checks.iter().position(|check| match check {
            Check::Absent(key) => model.contains_key(key),
            Check::Present(key) => !model.contains_key(key),
            Check::Equals(key, value) => model.get(key) != Some(value),
            Check::EmptyRange(range) => model.keys().any(|key| range.contains(key)),
            Check::AtMost { counters, add, limit } => counters.iter().map(|key| count(&model, key)).sum::<u64>() + add > *limit,
        });
        let expected = failed.map_or(Ok(()), |index| Err(KvError::Conflict(index)));
        outcomes[usize::from(expected.is_err())] += 1;
        if expected.is_ok() {
            for write in writes.clone() {
                match write {
                    Write::Put(key, value) => model.insert(key, value),
                    Write::Delete(key) | Write::Take { counter: key, .. } => model.remove(&key),
                    Write::Add { counter, delta } => match count(&model, &counter) + delta.unsigned_abs() {
                        0 => None,
                        sum => model.insert(counter, Bytes::copy_from_slice(&sum.to_be_bytes())),
                    },
                };
            }
        }
        assert_eq!(kv.commit(checks, writes).await, expected, "step {step}");
        let rows = kv.rows().await.into_iter().map(|(key, value)| (key.to_vec(), value));
        assert!(rows.eq(model.clone()), "step {step}");
    }
    assert!(outcomes.iter().all(|&count| count > 200), "the steps hold both outcomes: {outcomes:?}");
}

fn count(rows: &BTreeMap<Vec<u8>, Bytes>, counter: &[u8]) -> u64 {
    rows.get(counter).map_or(0, |value| u64::from_be_bytes(value[..].try_into().expect("8 bytes were written")))
}

async fn increments_by_many_are_all_counted(kv: &View) {
    const TASKS: u64 = 8;
    const INCREMENTS: u64 = 50;
    kv.clear().await;
    let work = |kv: Arc<dyn Kv>, key: Vec<u8>| async move {
        for _ in 0..INCREMENTS {
            loop {
                let read = kv.get(&key).await.expect("a sound engine reads");
                let count = read.as_ref().map_or(0, |value| u64::from_be_bytes(value[..].try_into().expect("8 bytes were written")));
                let next = Bytes::copy_from_slice(&(count + 1).to_be_bytes());
                match kv.commit(vec![Check::unchanged(key.clone(), read)], vec![Write::Put(key.clone(), next)]).await {
                    Ok(()) => break,
                    Err(KvError::Conflict(0)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(work(Arc::clone(&kv.kv), kv.key("count")))).collect();
    for task in tasks {
        task.await.expect("the task does not panic");
    }
    assert_eq!(kv.get("count").await, Some(Bytes::copy_from_slice(&(TASKS * INCREMENTS).to_be_bytes())));
}

/// Commits that add to one counter all succeed at the first try, and none is lost.
async fn counters_are_added_to_without_a_conflict(kv: &View) {
    const TASKS: i64 = 8;
    const ADDS: i64 = 50;
    kv.clear().await;
    let tasks: Vec<_> = (1..=TASKS)
        .map(|task| {
            let (engine, counter, own) = (Arc::clone(&kv.kv), kv.key("count"), kv.key(task.to_be_bytes()));
            tokio::spawn(async move {
                for _ in 0..ADDS {
                    let add = |counter: &[u8], delta| Write::Add { counter: counter.to_vec(), delta };
                    let writes = vec![add(&counter, 2 * task), add(&own, 1), add(&counter, -task)];
                    engine.commit(vec![], writes).await.expect("nothing to conflict with");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task does not panic");
    }
    let sum = ADDS * TASKS * (TASKS + 1) / 2;
    assert_eq!(kv.get("count").await, Some(Bytes::copy_from_slice(&sum.to_be_bytes())));
    for task in 1..=TASKS {
        assert_eq!(kv.get(task.to_be_bytes()).await, Some(Bytes::copy_from_slice(&ADDS.to_be_bytes())), "task {task}");
    }
}

async fn counters_are_worked_out_in_order(kv: &View) {
    kv.clear().await;
    let add = |name, delta| Write::Add { counter: kv.key(name), delta };
    let take = |name, off: &[&str]| Write::Take { counter: kv.key(name), off: off.iter().map(|name| kv.key(name)).collect() };
    let counts = async || {
        let rows = kv.rows().await.into_iter();
        rows.map(|(key, value)| (key[1], u64::from_be_bytes(value[..].try_into().expect("8 bytes")))).collect::<Vec<_>>()
    };
    kv.write(vec![add("a", 5), add("b", 100), add("c", 100), add("d", 1)]).await;
    kv.write(vec![add("a", 2), take("a", &["b", "c"]), add("a", 1), add("d", -1)]).await;
    assert_eq!(counts().await, [(b'a', 1), (b'b', 93), (b'c', 93)], "what was added before is taken, and zero has no row");
    kv.write(vec![take("none", &["b"]), kv.put("c", 7_u64.to_be_bytes()), add("c", 1), add("b", 1), kv.delete("b"), add("b", 4)]).await;
    assert_eq!(counts().await, [(b'a', 1), (b'b', 4), (b'c', 8)]);
    kv.write(vec![add("a", -9), add("a", 3)]).await;
    assert_eq!(counts().await, [(b'a', 3), (b'b', 4), (b'c', 8)], "a counter stops at zero");

    let at_most = |names: &[&str], add, limit| Check::AtMost { counters: names.iter().map(|name| kv.key(name)).collect(), add, limit };
    for (check, holds) in [
        (at_most(&["a", "b"], 0, 7), true),
        (at_most(&["a", "b"], 1, 7), false),
        (at_most(&["a", "b", "none"], 1, 8), true),
        (at_most(&[], 1, 0), false),
        (at_most(&["b"], u64::MAX, u64::MAX - 1), false),
    ] {
        let expected = if holds { Ok(()) } else { Err(KvError::Conflict(1)) };
        assert_eq!(kv.commit(vec![Check::Present(kv.key("a")), check.clone()], vec![add("a", 0)]).await, expected, "{check:?}");
    }
    kv.write(vec![kv.put("no counter", "x")]).await;
    let before = kv.rows().await;
    let refused = kv.commit(vec![], vec![kv.put("e", "1"), add("no counter", 1)]).await;
    assert!(matches!(refused, Err(KvError::Corrupt(_))), "{refused:?}");
    assert_eq!(kv.rows().await, before, "what is refused leaves nothing behind");
    assert!(!kv.kv.is_read_only());
}

/// Of those who add to a counter with a limit, as many succeed as fit, however they come.
async fn no_limit_is_passed_by_many_at_once(kv: &View) {
    for round in 0..20_u64 {
        kv.clear().await;
        let attempts: Vec<_> = (0..16_u64)
            .map(|attempt| {
                let (engine, counter) = (Arc::clone(&kv.kv), kv.key("count"));
                let add = 1 + (attempt + round) % 3;
                let check = Check::AtMost { counters: vec![counter.clone()], add, limit: 17 };
                tokio::spawn(async move { (add, engine.commit(vec![check], vec![Write::Add { counter, delta: add as i64 }]).await) })
            })
            .collect();
        let (mut sum, mut refused_min) = (0, u64::MAX);
        for attempt in attempts {
            match attempt.await.expect("the task does not panic") {
                (add, Ok(())) => sum += add,
                (add, Err(error)) => {
                    assert_eq!(error, KvError::Conflict(0));
                    refused_min = refused_min.min(add);
                }
            }
        }
        assert_eq!(kv.get("count").await, Some(Bytes::copy_from_slice(&sum.to_be_bytes())), "round {round}");
        assert!(sum <= 17 && sum + refused_min > 17, "round {round}: {sum}, and {refused_min} was refused");
    }
}

/// Of those who write into a range on condition that it is empty, exactly one succeeds, time and again.
async fn an_empty_range_has_no_phantoms(kv: &View) {
    for round in 0..30_u8 {
        kv.clear().await;
        let attempts: Vec<_> = (0..8_u8)
            .map(|index| {
                let (checks, writes) = (vec![Check::EmptyRange(kv.range([round], [round + 1]))], vec![kv.put([round, index], "")]);
                let engine = Arc::clone(&kv.kv);
                tokio::spawn(async move { engine.commit(checks, writes).await })
            })
            .collect();
        let mut accepted = 0;
        for attempt in attempts {
            match attempt.await.expect("the task does not panic") {
                Ok(()) => accepted += 1,
                Err(error) => assert_eq!(error, KvError::Conflict(0)),
            }
        }
        assert_eq!((accepted, kv.rows().await.len()), (1, 1), "round {round}");
    }
}

async fn a_scan_sees_a_commit_whole_or_not_at_all(kv: &View) {
    kv.clear().await;
    let writer = {
        let engine = Arc::clone(&kv.kv);
        let rounds: Vec<Vec<Write>> =
            (0..300_u16).map(|round| (0..5_u8).map(|name| kv.put([name], round.to_be_bytes())).collect()).collect();
        tokio::spawn(async move {
            for writes in rounds {
                engine.commit(vec![], writes).await.expect("a sound engine commits");
            }
        })
    };
    while !writer.is_finished() {
        let rows = kv.rows().await;
        assert!(rows.is_empty() || rows.len() == 5, "{} of 5 rows", rows.len());
        assert!(rows.windows(2).all(|pair| pair[0].1 == pair[1].1), "rows of two commits: {rows:?}");
        tokio::task::yield_now().await;
    }
    writer.await.expect("the task does not panic");
}

/// Commits whose callers go away happen or do not, as a whole, and those of others are not disturbed.
async fn a_caller_who_gives_up_does_no_harm(kv: &View) {
    kv.clear().await;
    for round in 0..50_u8 {
        let writes = vec![kv.put([round, 0], "x"), kv.put([round, 1], "x")];
        let engine = Arc::clone(&kv.kv);
        let caller = tokio::spawn(async move { engine.commit(vec![], writes).await });
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        caller.abort();
        kv.write(vec![kv.put([round, 2], "x")]).await;
        let _ = caller.await;
    }
    // Commits are in order, so those given up on have settled when one more returns.
    kv.write(vec![]).await;
    kv.write(vec![kv.put("end", "")]).await;
    for round in 0..50_u8 {
        assert_eq!(kv.get([round, 0]).await, kv.get([round, 1]).await, "round {round}");
        assert!(kv.get([round, 2]).await.is_some(), "round {round}");
    }
}

async fn ranges_across_tables_are_refused(kv: &dyn Kv) {
    for range in [b"A".to_vec()..b"Z".to_vec(), vec![]..b"Z".to_vec(), b"Da".to_vec()..b"E\0".to_vec()] {
        assert!(matches!(kv.scan(range.clone(), 1).await, Err(KvError::Engine(_))), "{range:?}");
        assert!(matches!(kv.scan_leaping(range.clone(), 1, Arc::new(|_| None)).await, Err(KvError::Engine(_))), "{range:?}");
        assert!(matches!(kv.commit(vec![Check::EmptyRange(range.clone())], vec![]).await, Err(KvError::Engine(_))), "{range:?}");
    }
}

/// A small object's row and its bytes go in and out together, although they live in tables of their own.
async fn one_commit_spans_tables(kv: &dyn Kv) {
    let (record, data) = (b"Orow".to_vec(), [&[keys::INLINE_DATA_TABLE], &b"row"[..]].concat());
    let bytes = Bytes::from(vec![7; 2000]);
    let absent = || vec![Check::Absent(record.clone()), Check::Absent(data.clone())];
    let writes = || vec![Write::Put(record.clone(), "head".into()), Write::Put(data.clone(), bytes.clone())];
    kv.commit(absent(), writes()).await.expect("both are absent");
    assert_eq!(kv.commit(absent(), writes()).await, Err(KvError::Conflict(0)));
    assert_eq!(kv.get(&data).await, Ok(Some(bytes.clone())));
    let changed = vec![Check::Present(record.clone()), Check::Equals(data.clone(), Bytes::new())];
    assert_eq!(kv.commit(changed, vec![Write::Delete(record.clone())]).await, Err(KvError::Conflict(1)));
    let unchanged = vec![Check::Equals(data.clone(), bytes)];
    kv.commit(unchanged, vec![Write::Delete(record.clone()), Write::Delete(data.clone())]).await.expect("the bytes are unchanged");
    assert_eq!((kv.get(&record).await, kv.get(&data).await), (Ok(None), Ok(None)));
}

/// A small generator, so that a run repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
