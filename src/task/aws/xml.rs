//! As much of XML as AWS services answer with: elements and text; attributes, comments and declarations are passed over.

/// Most elements inside each other.
const MAX_DEPTH: usize = 64;

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    /// Its text, when it has no elements inside.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The root of a document; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut open: Vec<Self> = Vec::new();
        let mut rest = text;
        loop {
            let (before, tag) = rest.split_once('<')?;
            if let Some(parent) = open.last_mut() {
                unescape(before, &mut parent.text);
            }
            if let Some(comment) = tag.strip_prefix("!--") {
                rest = comment.split_once("-->")?.1;
                continue;
            }
            if let Some(data) = tag.strip_prefix("![CDATA[") {
                let (data, after) = data.split_once("]]>")?;
                open.last_mut()?.text.push_str(data);
                rest = after;
                continue;
            }
            let (tag, after) = tag.split_once('>')?;
            rest = after;
            if tag.starts_with(['?', '!']) {
                continue;
            }
            let closed = if let Some(name) = tag.strip_prefix('/') {
                let element = open.pop()?;
                if element.name != local(name) {
                    return None;
                }
                Some(element)
            } else {
                let element = Self { name: local(tag), ..Self::default() };
                if tag.ends_with('/') {
                    Some(element)
                } else if open.len() < MAX_DEPTH {
                    open.push(element);
                    None
                } else {
                    return None;
                }
            };
            if let Some(mut element) = closed {
                if !element.children.is_empty() {
                    element.text.clear();
                }
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Some(element),
                }
            }
        }
    }

    /// The first element of a name inside this one.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first element of a name inside this one.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

/// The name of a tag, without prefix and attributes.
fn local(tag: &str) -> String {
    let name = tag.trim_end_matches('/').split_whitespace().next().unwrap_or_default();
    name.rsplit(':').next().unwrap_or(name).to_owned()
}

fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((before, entity)) = rest.split_once('&') {
        out.push_str(before);
        let Some((name, after)) = entity.split_once(';') else {
            out.push('&');
            rest = entity;
            continue;
        };
        let character = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => name.strip_prefix('#').and_then(|number| {
                let number = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(number)
            }),
        };
        out.extend(character);
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_text_or_elements() {
        let root = Element::parse(
            "<?xml version=\"1.0\"?>\n<a:Answer xmlns=\"x\">\n <Id>1 &lt;&#65;&amp;</Id><!-- > --><Empty/>\
             <List><member>x</member><member><![CDATA[<y>]]></member></List></a:Answer>",
        )
        .unwrap();
        assert_eq!((root.name.as_str(), root.text.as_str()), ("Answer", ""));
        assert_eq!((root.text_of("Id"), root.text_of("Empty")), (Some("1 <A&"), Some("")));
        let items: Vec<_> = root.child("List").unwrap().children.iter().map(|item| item.text.as_str()).collect();
        assert_eq!(items, ["x", "<y>"]);
    }

    #[test]
    fn what_is_no_document_is_none() {
        for text in ["", "text", "<a>", "<a></b>", "</a>", "<a", &"<a>".repeat(100)] {
            assert_eq!(Element::parse(text), None, "{text}");
        }
    }
}
