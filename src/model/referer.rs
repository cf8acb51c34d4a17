//! Which pages may refer to a bucket's objects (OSS "PutBucketReferer").

use serde::{Deserialize, Serialize};

/// No page's Referer is longer. Bytes.
const SIZE_MAX: usize = 4096;

/// The rules about the Referer header. The default lets everybody in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefererConfiguration {
    /// Whether requests without a Referer are let in.
    pub allow_empty: bool,
    /// Whether the query is cut off before matching.
    pub truncate_query: bool,
    /// Whether the path is cut off before matching; the query then is, too.
    pub truncate_path: bool,
    /// Patterns with `*` (any text) and `?` (any character); empty means that any Referer will do.
    pub allowed: Vec<String>,
    /// Patterns of those that are refused whatever `allowed` says.
    pub denied: Vec<String>,
}

impl Default for RefererConfiguration {
    fn default() -> Self {
        Self { allow_empty: true, truncate_query: true, truncate_path: false, allowed: vec![], denied: vec![] }
    }
}

impl RefererConfiguration {
    /// Whether a request with this Referer is let in (OSS "Hotlink protection"). What is denied is not, whatever else is
    /// said. Where nothing is allowed by name everything else is, also requests without a Referer.
    ///
    /// A pattern stands for all pages of its host, or for those whose path starts as its own does. One without a scheme
    /// stands for every scheme. Wildcards in the host stand for parts of a host only, so that no other host's path can
    /// look like one that is allowed. A query that is not cut off must be matched, too.
    #[must_use]
    pub fn allows(&self, referer: Option<&str>) -> bool {
        let Some(referer) = referer.map(str::trim).filter(|referer| !referer.is_empty()) else {
            return self.allow_empty || self.allowed.is_empty();
        };
        // Browsers cut longer ones to their origin (Referrer Policy §8.4). Matching takes as long as text times pattern.
        if referer.len() > SIZE_MAX {
            return self.allowed.is_empty() && self.denied.is_empty();
        }
        let page = self.page(referer);
        let is_listed = |patterns: &[String]| patterns.iter().any(|pattern| Page::new(pattern.trim()).matches(&page));
        !is_listed(&self.denied) && (self.allowed.is_empty() || is_listed(&self.allowed))
    }

    /// What of a Referer patterns are held against.
    fn page<'a>(&self, referer: &'a str) -> Page<'a> {
        let cuts_query = self.truncate_query || self.truncate_path;
        let page = Page::new(if cuts_query { referer.split(['?', '#']).next().unwrap_or_default() } else { referer });
        if self.truncate_path { Page { path: "", ..page } } else { page }
    }
}

/// A Referer or a pattern, taken apart.
struct Page<'a> {
    scheme: Option<&'a str>,
    /// With its port.
    host: &'a str,
    /// Path and query: all from the first slash, question mark or hash on.
    path: &'a str,
}

impl<'a> Page<'a> {
    fn new(text: &'a str) -> Self {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        // A question mark in a pattern's host is a wildcard; in a Referer there is a slash before the query.
        let (host, path) = rest.split_at(rest.find(['/', '#']).unwrap_or(rest.len()));
        Self { scheme, host, path }
    }

    /// Whether this pattern stands for a page.
    fn matches(&self, page: &Self) -> bool {
        let scheme = self.scheme.is_none_or(|scheme| is_like(scheme, page.scheme.unwrap_or_default()));
        scheme && self.matches_host(page.host) && self.matches_path(page.path)
    }

    /// A pattern without a port stands for every port.
    fn matches_host(&self, host: &str) -> bool {
        let without_port = host.rsplit_once(':').map_or(host, |(name, _)| name);
        is_like(self.host, host) || (!self.host.contains(':') && is_like(self.host, without_port))
    }

    fn matches_path(&self, path: &str) -> bool {
        if self.path.is_empty() && self.host.ends_with('*') {
            return true;
        }
        let wanted: Vec<char> = self.path.chars().collect();
        let path: Vec<char> = path.chars().collect();
        if path.contains(&'?') {
            return is_match(&wanted, &path);
        }
        // The slash that a browser adds to a host is no path.
        wanted == ['/'] || is_match(&[wanted.as_slice(), &['*']].concat(), &path)
    }
}

/// Whether a pattern matches a text, without regard to case.
fn is_like(pattern: &str, text: &str) -> bool {
    let lower = |text: &str| text.to_ascii_lowercase().chars().collect::<Vec<_>>();
    is_match(&lower(pattern), &lower(text))
}

/// Whether a pattern with `*` (any text) and `?` (any character) matches all of a text. When a character does not fit,
/// the last `*` takes one more; earlier ones need not be thought over again.
fn is_match(pattern: &[char], text: &[char]) -> bool {
    let (mut at, mut next) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while next < text.len() {
        match pattern.get(at) {
            Some('*') => {
                last_star = Some((at, next));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[next] => {
                at += 1;
                next += 1;
            }
            Some(_) | None => {
                let Some((star, taken)) = &mut last_star else { return false };
                *taken += 1;
                (at, next) = (*star + 1, *taken);
            }
        }
    }
    pattern[at..].iter().all(|&rest| rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allowed: &[&str], denied: &[&str]) -> RefererConfiguration {
        let owned = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        RefererConfiguration { allowed: owned(allowed), denied: owned(denied), ..RefererConfiguration::default() }
    }

    #[test]
    fn the_default_lets_everybody_in() {
        for referer in [None, Some(""), Some("http://a/"), Some("nonsense")] {
            assert!(RefererConfiguration::default().allows(referer), "{referer:?}");
        }
    }

    #[test]
    fn requests_without_a_referer_have_a_rule_of_their_own() {
        let strict = RefererConfiguration { allow_empty: false, ..rules(&["http://a"], &[]) };
        let nothing_allowed = RefererConfiguration { allow_empty: false, ..rules(&[], &["http://a"]) };
        for (rules, expected) in [(strict, false), (rules(&["http://a"], &["*"]), true), (nothing_allowed, true)] {
            for referer in [None, Some(""), Some("  ")] {
                assert_eq!(rules.allows(referer), expected, "{rules:?} {referer:?}");
            }
        }
    }

    #[test]
    fn patterns_stand_for_pages() {
        for (pattern, referer, expected) in [
            ("http://www.example.com", "http://www.example.com", true),
            ("http://www.example.com", "http://www.example.com/", true),
            ("http://www.example.com/", "http://www.example.com", true),
            ("http://www.example.com", "http://www.example.com/page?q=1", true),
            ("http://www.example.com/", "http://www.example.com/page", true),
            ("http://www.example.com", "HTTP://WWW.Example.COM/page", true),
            ("http://www.example.com", "https://www.example.com/", false),
            ("http://www.example.com", "http://example.com/", false),
            ("http://www.example.com", "http://www.example.com.cn/", false),
            ("http://www.example.com", "http://www.example.com:8080/", true),
            ("http://www.example.com:8080", "http://www.example.com:8080/page", true),
            ("http://www.example.com:8080", "http://www.example.com/page", false),
            ("10.10.10.10:8080", "http://10.10.10.10:8080/page", true),
            ("www.example.com", "https://www.example.com/page", true),
            ("*.example.com", "https://help.example.com/page", true),
            ("*.example.com", "http://a.b.example.com", true),
            ("*.example.com", "http://example.com", false),
            ("*example.com", "http://example.com", true),
            ("*.example.com", "http://evil.org/x.example.com", false),
            ("http://*.example.com", "http://evil.org/.example.com", false),
            ("http://www.aliyun?.com", "http://www.aliyunc.com/", true),
            ("http://www.aliyun?.com", "http://www.aliyun.com/", false),
            ("https://www.?.aliyuncs.com", "https://www.x.aliyuncs.com/", true),
            ("*", "http://anything:1/at?all", true),
            ("http*://a.org", "https://a.org/", true),
            ("http://a.org/dir/", "http://a.org/dir/page", true),
            ("http://a.org/dir/", "http://a.org/DIR/page", false),
            ("http://a.org/*/img", "http://a.org/x/y/img/1", true),
            ("http://a.org/*/img", "http://a.org/img/1", false),
            ("", "http://a.org/", false),
        ] {
            assert_eq!(rules(&[pattern], &[]).allows(Some(referer)), expected, "{pattern} {referer}");
            assert_eq!(rules(&[], &[pattern]).allows(Some(referer)), !expected, "denied: {pattern} {referer}");
        }
    }

    #[test]
    fn what_is_denied_is_not_let_in_whatever_is_allowed() {
        let rules = rules(&["*.example.com", "*.org"], &["http://bad.example.com"]);
        assert!(rules.allows(Some("http://good.example.com/")));
        assert!(rules.allows(Some("http://a.org/")));
        assert!(!rules.allows(Some("http://bad.example.com/")));
        assert!(!rules.allows(Some("http://a.net/")));
    }

    #[test]
    fn queries_and_paths_are_cut_off_when_told() {
        let with = |truncate_query, truncate_path, pattern: &str, referer: &str| {
            RefererConfiguration { truncate_query, truncate_path, ..rules(&[pattern], &[]) }.allows(Some(referer))
        };
        let (page, query) = ("http://a.org/page", "http://a.org/page?q=1");
        assert!(with(true, false, page, query));
        assert!(!with(true, false, query, query), "the query is gone");
        assert!(!with(false, false, page, query) && with(false, false, query, query) && with(false, false, "http://a.org/*", query));
        assert!(with(false, false, page, page));
        assert!(with(false, false, "*", query));
        assert!(with(true, true, "http://a.org", query) && with(false, true, "http://a.org/", query));
        assert!(!with(true, true, page, page), "the path is gone");
    }

    #[test]
    fn wildcards_match_whatever_the_split() {
        for (pattern, text, expected) in [
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("**", "", true),
            ("?", "", false),
            ("*a*a*a*b", "aaaaaaaaaaaa", false),
        ] {
            assert_eq!(is_like(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_not_matched_at_length() {
        let pattern = "*a".repeat(10_000) + "b";
        let rules = RefererConfiguration { allowed: vec![pattern], ..RefererConfiguration::default() };
        let began = std::time::Instant::now();
        assert!(!rules.allows(Some(&"a".repeat(1 << 20))));
        assert!(began.elapsed().as_millis() < 100);
        let (long, short) = (format!("http://a/{}", "x".repeat(5000)), format!("http://a/{}", "x".repeat(4000)));
        let rules = RefererConfiguration { denied: vec!["http://b".to_owned()], ..RefererConfiguration::default() };
        assert_eq!((rules.allows(Some(&long)), rules.allows(Some(&short))), (false, true));
        assert!(RefererConfiguration::default().allows(Some(&long)));
    }
}
