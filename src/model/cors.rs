//! Cross-origin rules of a bucket (S3 PutBucketCors, OSS PutBucketCors).

use serde::{Deserialize, Serialize};

/// The rules of a bucket, tried in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsConfiguration {
    /// 1 to 100 rules.
    pub rules: Vec<CorsRule>,
}

/// One rule. Patterns hold at most one `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// A name for people; kept and returned.
    pub id: Option<String>,
    /// Origin patterns.
    pub allowed_origins: Vec<String>,
    /// GET, PUT, POST, DELETE, HEAD.
    pub allowed_methods: Vec<String>,
    /// Header patterns, matched without regard to case.
    pub allowed_headers: Vec<String>,
    /// Headers scripts may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may keep the preflight's answer, in seconds.
    pub max_age_secs: Option<u32>,
}

impl CorsConfiguration {
    /// The first rule that allows this origin, method and all these request headers (S3 User Guide,
    /// "How does Amazon S3 evaluate the CORS configuration").
    #[must_use]
    pub fn matching(&self, origin: &str, method: &str, request_headers: &[String]) -> Option<&CorsRule> {
        self.rules.iter().find(|rule| rule.allows(origin, method, request_headers))
    }
}

impl CorsRule {
    fn allows(&self, origin: &str, method: &str, request_headers: &[String]) -> bool {
        let allows_header = |header: &String| {
            let header = header.to_ascii_lowercase();
            self.allowed_headers.iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &header))
        };
        self.allowed_origins.iter().any(|pattern| fits(pattern, origin))
            && self.allowed_methods.iter().any(|allowed| allowed == method)
            && request_headers.iter().all(allows_header)
    }

    /// Whether the rule lets this origin in because it lets any in: the answer is then `*`, without credentials.
    #[must_use]
    pub fn allows_any_origin(&self, origin: &str) -> bool {
        self.allowed_origins.iter().find(|pattern| fits(pattern, origin)).is_some_and(|pattern| pattern == "*")
    }
}

/// Whether the text fits a pattern with at most one `*`, which stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origin: &str, method: &str, header: &str) -> CorsRule {
        CorsRule {
            allowed_origins: vec![origin.to_owned()],
            allowed_methods: vec![method.to_owned()],
            allowed_headers: vec![header.to_owned()],
            ..CorsRule::default()
        }
    }

    #[test]
    fn the_first_rule_that_allows_everything_matches() {
        let configuration = CorsConfiguration {
            rules: vec![rule("http://*.a.com", "GET", "X-Amz-*"), rule("http://b.com", "PUT", "*"), rule("*", "GET", "")],
        };
        let index = |origin: &str, method: &str, headers: &[&str]| {
            let headers: Vec<String> = headers.iter().map(|&header| header.to_owned()).collect();
            let rule = configuration.matching(origin, method, &headers)?;
            configuration.rules.iter().position(|each| each == rule)
        };
        assert_eq!(index("http://x.a.com", "GET", &[]), Some(0));
        assert_eq!(index("http://x.a.com", "GET", &["x-amz-date", "X-AMZ-META"]), Some(0));
        assert_eq!(index("http://x.a.com", "GET", &["authorization"]), None);
        assert_eq!(index("http://a.com", "GET", &[]), Some(2));
        assert_eq!(index("http://b.com", "PUT", &["anything"]), Some(1));
        assert_eq!(index("HTTP://B.COM", "PUT", &[]), None);
        assert_eq!(index("http://b.com", "put", &[]), None);
        assert!(configuration.rules[2].allows_any_origin("http://c.com") && !configuration.rules[0].allows_any_origin("http://x.a.com"));
    }

    #[test]
    fn a_wildcard_does_not_let_its_ends_overlap() {
        assert!(fits("ab*bc", "abbc") && !fits("ab*bc", "abc") && fits("*", "") && !fits("", "x"));
    }
}
