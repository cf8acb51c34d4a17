//! Every promise of `docs/SEMANTICS.md` names tests, and these tests exist and are run.

use std::path::Path;

/// A row of the tables: the promise, and what proves it as file and name.
struct Promise {
    sentence: String,
    proofs: Vec<(String, String)>,
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of all tables. In the last column a file stands before the tests in it.
fn promises(document: &str) -> Vec<Promise> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let columns = rows.map(|row| row.rsplit_once(" | ").unwrap_or((row, "")));
    let promise = |(sentence, column): (&str, &str)| {
        let mut file = "";
        let mut proofs = Vec::new();
        for name in quoted(column) {
            match name.contains('.') {
                true => file = name,
                false => proofs.push((file.to_owned(), name.to_owned())),
            }
        }
        Promise { sentence: sentence.to_owned(), proofs }
    };
    columns.filter(|(sentence, _)| *sentence != "promise").map(promise).collect()
}

/// Whether a file has a test of that name which nothing keeps from running.
fn is_run(source: &str, name: &str, is_python: bool) -> bool {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let found = lines.iter().position(|line| match is_python {
        true => line.starts_with(&format!("def {name}(")),
        false => ["fn", "async fn"].iter().any(|word| line.starts_with(&format!("{word} {name}("))),
    });
    let Some(at) = found else { return false };
    let attributes: Vec<_> = lines[..at].iter().rev().take_while(|line| line.starts_with(['#', '@', '/'])).collect();
    let says = |text: &str| attributes.iter().any(|line| line.contains(text));
    match is_python {
        true => name.starts_with("test_") && !says("skip"),
        false => says("test") && !says("#[ignore"),
    }
}

#[test]
fn every_promise_has_tests_that_are_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let promises = promises(&read("docs/SEMANTICS.md"));
    assert!(promises.len() > 30, "the tables are not read: {}", promises.len());
    let mut wrong = Vec::new();
    for promise in &promises {
        if !promise.sentence.ends_with('.') || promise.proofs.is_empty() {
            wrong.push(format!("not a sentence with its proof: {}", promise.sentence));
        }
        let missing = promise.proofs.iter().filter(|(file, name)| !is_run(&read(file), name, file.ends_with(".py")));
        wrong.extend(missing.map(|(file, name)| format!("{file} does not run {name}: {}", promise.sentence)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn tests_that_are_missing_or_ignored_are_noticed() {
    assert!(is_run("#[test]\nfn holds() {}", "holds", false));
    assert!(is_run("#[tokio::test]\nasync fn holds() {}", "holds", false));
    assert!(!is_run("fn holds() {}", "holds", false), "a function that is no test");
    assert!(!is_run("#[test]\n#[ignore]\nfn holds() {}", "holds", false));
    assert!(!is_run("#[test]\nfn holds_well() {}", "holds", false));
    assert!(is_run("def test_holds(gateway):", "test_holds", true));
    assert!(!is_run("@pytest.mark.skip\ndef test_holds():", "test_holds", true));
    assert_eq!(promises("| It holds. | `a.rs`: `b`, `c`; `d.py`: `e` |")[0].proofs.len(), 3);
}
