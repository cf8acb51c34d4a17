//! Rust source as the tidy rules see it: tokens without comments, the paths in them, and what is a test.

use std::{fs, path::Path};

/// One file of the crate.
pub(super) struct Source {
    /// Relative to `src`, with `/`.
    pub(super) path: String,
    /// As it stands in the file.
    pub(super) text: String,
    /// Identifiers and punctuation, outside of tests; `::` is one token, a literal is `""`.
    pub(super) tokens: Vec<String>,
    /// The same with tests.
    pub(super) tokens_with_tests: Vec<String>,
    /// The modules that this file declares as tests and that have files of their own.
    test_modules: Vec<String>,
}

/// Reads all files under `src`.
pub(super) fn load(src: &Path) -> Vec<Source> {
    let (mut sources, mut directories) = (Vec::new(), vec![src.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(src).expect("below src").to_str().expect("UTF-8").replace('\\', "/");
                sources.push(Source::parse(&name, &fs::read_to_string(&path).expect("a source file")));
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    exempt_test_files(&mut sources);
    sources
}

/// Files of modules that are declared under `#[cfg(test)]` hold nothing but tests.
pub(super) fn exempt_test_files(sources: &mut [Source]) {
    let declared = |source: &Source| {
        let parent = source.module_path();
        source.test_modules.iter().map(|name| [parent.as_slice(), std::slice::from_ref(name)].concat()).collect::<Vec<_>>()
    };
    let tests: Vec<Vec<String>> = sources.iter().flat_map(declared).collect();
    for source in sources {
        if tests.iter().any(|test| source.module_path().starts_with(test)) {
            source.tokens.clear();
        }
    }
}

impl Source {
    /// Reads one file's text.
    pub(super) fn parse(path: &str, text: &str) -> Self {
        let tokens_with_tests = tokenize(text);
        let (tokens, test_modules) = without_tests(&tokens_with_tests);
        Self { path: path.to_owned(), text: text.to_owned(), tokens, tokens_with_tests, test_modules }
    }

    /// The top-level module it belongs to; empty for `lib.rs` and `main.rs`.
    pub(super) fn module(&self) -> String {
        self.module_path().into_iter().next().unwrap_or_default()
    }

    fn module_path(&self) -> Vec<String> {
        let mut path: Vec<String> = self.path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if ["mod", "lib", "main"].contains(&path.last().map_or("", String::as_str)) {
            path.pop();
        }
        path
    }

    /// Every path that starts at the crate's root, without the root: `crate::…`, or enough `super::`.
    pub(super) fn crate_paths(&self) -> Vec<Vec<String>> {
        let mut paths = self.paths_from("crate");
        let depth = self.module_path().len();
        let mut at = 0;
        while at < self.tokens.len() {
            let supers = self.tokens[at..].chunks(2).take_while(|pair| *pair == ["super", "::"]).count();
            if supers >= depth && supers > 0 {
                use_tree(&self.tokens, &mut (at + 2 * supers), &[], &mut paths);
            }
            at += (2 * supers).max(1);
        }
        paths
    }

    /// Every path that starts with a name, without it; groups and globs are spelled out.
    pub(super) fn paths_from(&self, root: &str) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        for (at, pair) in self.tokens.windows(2).enumerate() {
            if pair == [root, "::"] {
                use_tree(&self.tokens, &mut (at + 2), &[], &mut paths);
            }
        }
        paths
    }
}

/// Reads `a::b`, `a::{b, c as d}` or `*` and adds the paths it stands for.
fn use_tree(tokens: &[String], at: &mut usize, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    let token = |at: usize| tokens.get(at).map_or("", String::as_str);
    if token(*at) == "{" {
        *at += 1;
        while !["}", ""].contains(&token(*at)) {
            use_tree(tokens, at, prefix, paths);
            while !["}", ",", ""].contains(&token(*at)) {
                *at += 1; // `as d`
            }
            *at += usize::from(token(*at) == ",");
        }
        *at += 1;
        return;
    }
    let path = [prefix, &[token(*at).to_owned()]].concat();
    *at += 1;
    let continues = |next: &str| next == "{" || next == "*" || next.starts_with(|first: char| first.is_alphabetic() || first == '_');
    if token(*at) == "::" && continues(token(*at + 1)) {
        *at += 1;
        use_tree(tokens, at, &path, paths);
    } else {
        paths.push(path);
    }
}

/// The tokens outside of `#[cfg(test)]` items, and the names of test modules with files of their own.
fn without_tests(tokens: &[String]) -> (Vec<String>, Vec<String>) {
    const OUTER: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    const INNER: [&str; 8] = ["#", "!", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut modules, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        if tokens[at..].starts_with(&INNER.map(str::to_owned)) {
            return (Vec::new(), modules);
        }
        if tokens[at..].starts_with(&OUTER.map(str::to_owned)) {
            let item = at + OUTER.len();
            at = item_end(tokens, item);
            if let [.., keyword, name, end] = &tokens[item..at]
                && (keyword == "mod" && end == ";")
            {
                modules.push(name.clone());
            }
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    (kept, modules)
}

/// Where the item that begins here ends: after its block, or after its semicolon.
fn item_end(tokens: &[String], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return at,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 && token == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn tokenize(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let (mut tokens, mut at) = (Vec::new(), 0);
    let peek = |at: usize| characters.get(at).copied().unwrap_or('\0');
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    while at < characters.len() {
        match (peek(at), peek(at + 1)) {
            ('/', '/') => at += characters[at..].iter().take_while(|&&character| character != '\n').count(),
            ('/', '*') => at = comment_end(&characters, at),
            ('"', _) => {
                at = quoted_end(&characters, at + 1, '"');
                tokens.push("\"\"".to_owned());
            }
            // A lifetime has no closing quote after its first character.
            ('\'', next) if next == '\\' || peek(at + 2) == '\'' => {
                at = quoted_end(&characters, at + 1, '\'');
                tokens.push("\"\"".to_owned());
            }
            (':', ':') => {
                tokens.push("::".to_owned());
                at += 2;
            }
            (first, _) if is_word(first) => {
                let word: String = characters[at..].iter().take_while(|&&character| is_word(character)).collect();
                at += word.chars().count();
                match raw_string_end(&characters, at).filter(|_| ["r", "br", "cr"].contains(&word.as_str())) {
                    Some(end) => {
                        at = end;
                        tokens.push("\"\"".to_owned());
                    }
                    // `b"…"` and `c"…"`: the quote follows as a token of its own.
                    None => tokens.push(word),
                }
            }
            (first, _) => {
                if !first.is_whitespace() {
                    tokens.push(first.to_string());
                }
                at += 1;
            }
        }
    }
    tokens
}

fn comment_end(characters: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at < characters.len() {
        match characters[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

/// Where a literal ends that began before `at`.
fn quoted_end(characters: &[char], mut at: usize, quote: char) -> usize {
    while at < characters.len() && characters[at] != quote {
        at += if characters[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Where a raw string ends whose hashes or quote begin at `start`; `None` when there is none.
fn raw_string_end(characters: &[char], start: usize) -> Option<usize> {
    let hashes = characters[start..].iter().take_while(|&&character| character == '#').count();
    (characters.get(start + hashes) == Some(&'"')).then_some(())?;
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = start + hashes + 1;
    let length = characters[body..].windows(end.len()).position(|window| window == end)?;
    Some(body + length + end.len())
}
