//! Reading and writing XML for both dialects.
//!
//! Reading is bounded: the caller bounds the size, this module the depth and the number of
//! elements. There are no DTDs and no entities beyond the five and numeric ones. Namespaces and
//! attributes are ignored, as the real services do.

use quick_xml::{Reader, events::Event};
use std::fmt::{Display, Write as _};

/// Deepest nesting of a document we read; S3's deepest has five levels.
const DEPTH_MAX: usize = 16;
/// Most elements of a document we read: 10,000 parts with five each is the largest honest one.
const ELEMENT_COUNT_MAX: usize = 65_536;

/// How long an ETag mostly is. Bytes.
const ETAG_LENGTH: usize = 34;

/// The document is not well-formed, or uses what we do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// An element: its local name, its text and its children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a document and returns its root. Attributes are not looked at.
    ///
    /// # Errors
    /// Not UTF-8, not well-formed, a DOCTYPE, an unknown entity, too deep or too many elements.
    pub fn parse(document: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(document).map_err(|_| Malformed)?;
        let mut reader = Reader::from_str(text.strip_prefix('\u{FEFF}').unwrap_or(text));
        let mut tree = Tree::default();
        loop {
            match reader.read_event().map_err(|_| Malformed)? {
                Event::Start(tag) => tree.open(local(tag.local_name().as_ref()))?,
                Event::Empty(tag) => {
                    tree.open(local(tag.local_name().as_ref()))?;
                    tree.close()?;
                }
                Event::End(_) => tree.close()?,
                Event::Text(text) => tree.text(&text.xml10_content())?,
                Event::CData(text) => tree.text(&text.xml10_content())?,
                Event::GeneralRef(reference) => tree.character(character(&reference.into_inner())?)?,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(Malformed),
                Event::Eof => return tree.finish(),
            }
        }
    }

    /// Its name without a namespace prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own text, exactly.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All children in order.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// The first child of this name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name.
    #[must_use]
    pub fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(Self::text)
    }

    /// The children of this name, in order.
    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// quick-xml hands names out as text or bytes depending on the accessor; they come from valid UTF-8.
fn local(name: &(impl AsRef<[u8]> + ?Sized)) -> String {
    String::from_utf8_lossy(name.as_ref()).into_owned()
}

/// The character an entity or a character reference stands for. XML 1.1's `&#x1;` is allowed, because
/// keys may hold control characters and clients name them so when they delete.
fn character(reference: &str) -> Result<char, Malformed> {
    let code = match reference {
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "amp" => return Ok('&'),
        "apos" => return Ok('\''),
        "quot" => return Ok('"'),
        other => other.strip_prefix('#').ok_or(Malformed)?,
    };
    let (digits, radix) = match code.strip_prefix('x').or_else(|| code.strip_prefix('X')) {
        Some(digits) => (digits, 16),
        None => (code, 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(Malformed);
    }
    u32::from_str_radix(digits, radix).ok().and_then(char::from_u32).ok_or(Malformed)
}

/// The open elements, outermost first, and the finished root.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    element_count: usize,
}

impl Tree {
    fn open(&mut self, name: String) -> Result<(), Malformed> {
        self.element_count += 1;
        if self.root.is_some() || self.open.len() >= DEPTH_MAX || self.element_count > ELEMENT_COUNT_MAX {
            return Err(Malformed);
        }
        self.open.push(Element { name, ..Element::default() });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Malformed> {
        let element = self.open.pop().ok_or(Malformed)?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Malformed> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(Malformed),
        }
        Ok(())
    }

    fn character(&mut self, character: char) -> Result<(), Malformed> {
        let text = &mut self.open.last_mut().ok_or(Malformed)?.text;
        if text.is_empty() {
            // It hardly ever comes alone: most are the first quote of an ETag, of which a document may have 10,000.
            text.reserve(ETAG_LENGTH);
        }
        text.push(character);
        Ok(())
    }

    fn finish(self) -> Result<Element, Malformed> {
        if self.open.is_empty() { self.root.ok_or(Malformed) } else { Err(Malformed) }
    }
}

/// Writes a document, element by element, in the order the calls come. Text is always escaped.
pub struct Writer {
    out: String,
}

impl Writer {
    /// A document of one root element, declaration included. `attributes` are written as they are,
    /// so only constants belong there.
    #[must_use]
    pub fn document(root: &'static str, attributes: &'static str, content: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self { out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") };
        writer.element_with(root, attributes, content);
        writer.out
    }

    /// An element with children; without any it is written `<Name/>`.
    pub fn element(&mut self, name: &'static str, content: impl FnOnce(&mut Self)) {
        self.element_with(name, "", content);
    }

    /// An element with constant attributes.
    pub fn element_with(&mut self, name: &'static str, attributes: &'static str, content: impl FnOnce(&mut Self)) {
        let _ = write!(self.out, "<{name}");
        if !attributes.is_empty() {
            let _ = write!(self.out, " {attributes}");
        }
        self.out.push('>');
        let start = self.out.len();
        content(self);
        if self.out.len() == start {
            self.out.pop();
            self.out.push_str("/>");
        } else {
            let _ = write!(self.out, "</{name}>");
        }
    }

    /// An element of text.
    pub fn leaf(&mut self, name: &'static str, value: impl Display) {
        let value = value.to_string();
        self.element(name, |writer| escape_into(&mut writer.out, &value));
    }

    /// An element of text, if there is one.
    pub fn leaf_if(&mut self, name: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.leaf(name, value);
        }
    }

    /// Text within the open element.
    pub fn text(&mut self, text: &str) {
        escape_into(&mut self.out, text);
    }
}

/// Control characters become references, as S3 writes them: a client that reads XML 1.1 or asks for
/// url encoding gets every key.
fn escape_into(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}' => {
                let _ = write!(out, "&#x{:x};", u32::from(character));
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_clients_send_whatever_the_namespace_and_quoting() {
        for document in [
            "<A xmlns=\"http://x/\"><K>a&amp;&#34;&#x1;&quot;</K></A>",
            "\u{FEFF}<?xml version=\"1.0\"?>\n<!-- c --><n:A xmlns:n='u'><n:K>a&amp;<![CDATA[\"]]>&#1;\"</n:K></n:A>\n",
        ] {
            let root = Element::parse(document.as_bytes()).unwrap();
            assert_eq!((root.name(), root.child_text("K")), ("A", Some("a&\"\u{1}\"")), "{document}");
        }
        assert_eq!(Element::parse(b"<A/>").unwrap().children(), &[]);
    }

    #[test]
    fn refuses_hostile_and_broken_documents() {
        let deep = "<a>".repeat(DEPTH_MAX + 1) + &"</a>".repeat(DEPTH_MAX + 1);
        let wide = format!("<a>{}</a>", "<b/>".repeat(ELEMENT_COUNT_MAX));
        for bad in [
            "",
            " ",
            "text",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a/>x",
            "x<a/>",
            "</a>",
            "<a>&x;</a>",
            "<a>&#xZ;</a>",
            "<a>&#;</a>",
            "<a>&#x110000;</a>",
            "<a>&#xD800;</a>",
            "<a>&#+65;</a>",
            "<a>&</a>",
            "&lt;<a/>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            "<a",
            "<a><![CDATA[x</a>",
            &deep,
            &wide,
        ] {
            assert_eq!(Element::parse(bad.as_bytes()), Err(Malformed), "{}", &bad[..bad.len().min(60)]);
        }
        assert_eq!(Element::parse(b"<a>\xFF</a>"), Err(Malformed));
    }

    #[test]
    fn writes_in_order_and_escapes() {
        let document = Writer::document("A", "xmlns=\"u\"", |w| {
            w.leaf("K", "<&>\"\u{1}\r\né");
            w.leaf("Empty", "");
            w.leaf_if("No", None::<&str>);
            w.element("B", |w| w.leaf("N", 7));
        });
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<A xmlns=\"u\"><K>&lt;&amp;&gt;&quot;&#x1;&#xd;&#xa;é</K><Empty/><B><N>7</N></B></A>";
        assert_eq!(document, expected);
    }

    proptest! {
        #[test]
        fn reading_never_panics(document in prop::collection::vec(prop_oneof![
            Just("<a>".to_owned()), Just("</a>".to_owned()), Just("<a/>".to_owned()), Just("&#1;".to_owned()), Just("]]>".to_owned()),
            Just("<![CDATA[".to_owned()), Just("<!--".to_owned()), Just("-->".to_owned()), Just("<?".to_owned()), ".{0,8}",
        ], 0..40)) {
            let _ = Element::parse(document.concat().as_bytes());
        }

        #[test]
        fn what_is_written_reads_back(text in "\\PC*[\u{1}-\u{1f}]?\\PC*") {
            let document = Writer::document("A", "", |w| w.leaf("K", &text));
            let root = Element::parse(document.as_bytes()).unwrap();
            prop_assert_eq!(root.child_text("K"), Some(text.as_str()));
        }
    }
}
