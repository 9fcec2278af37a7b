//! A parsed JSON text: its canonical bytes and one small node for each value and key in it.

/// A parsed JSON text. Nodes stand in document order; an object's nodes are key, value, key, value, …
pub(crate) struct Document {
    /// The text in canonical form: no white space outside strings, strings escaped as our writer escapes them.
    text: String,
    nodes: Vec<Node>,
    /// The unescaped text of all strings that hold escapes, one after the other.
    unescaped: String,
    /// For each string with escapes, where in `unescaped` it stands.
    escapes: Vec<(u32, u32)>,
    depth: u32,
}

/// One value or key of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    /// Where its text starts, quotes and brackets included.
    pub(crate) start: u32,
    /// Where its text ends.
    pub(crate) end: u32,
    /// For containers the node behind the last one inside; for strings with escapes their place in `escapes`.
    pub(crate) link: u32,
    pub(crate) kind: NodeKind,
}

/// What a [`Node`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Null,
    False,
    True,
    /// A number without fraction and exponent.
    Integer,
    /// A number with a fraction or an exponent.
    Decimal,
    /// A string whose text has no escapes.
    String,
    /// A string whose text has escapes.
    EscapedString,
    Array,
    Object,
}

impl Node {
    #[inline]
    pub(crate) fn raw_size(self) -> usize {
        (self.end - self.start) as usize
    }

    #[inline]
    pub(crate) fn is_container(self) -> bool {
        matches!(self.kind, NodeKind::Array | NodeKind::Object)
    }

    /// The node behind this one and all that it holds, given its own place.
    #[inline]
    pub(crate) fn next(self, place: u32) -> u32 {
        if self.is_container() { self.link } else { place + 1 }
    }
}

impl Document {
    pub(crate) fn new(text: String, nodes: Vec<Node>, unescaped: String, escapes: Vec<(u32, u32)>, depth: u32) -> Self {
        Self { text, nodes, unescaped, escapes, depth }
    }

    #[inline]
    pub(crate) fn node(&self, place: u32) -> Node {
        self.nodes[place as usize]
    }

    /// The canonical JSON text of a node.
    #[inline]
    pub(crate) fn raw(&self, node: Node) -> &str {
        &self.text[node.start as usize..node.end as usize]
    }

    /// The text of a string node, without quotes and escapes.
    #[inline]
    pub(crate) fn string(&self, node: Node) -> &str {
        if node.kind == NodeKind::EscapedString {
            let (start, end) = self.escapes[node.link as usize];
            &self.unescaped[start as usize..end as usize]
        } else {
            &self.text[node.start as usize + 1..node.end as usize - 1]
        }
    }

    /// The deepest nesting anywhere in the document.
    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }
}
