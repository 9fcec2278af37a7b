//! The patterns of `StringMatches`: `*` stands for any characters, `\*` for itself.

/// A compiled pattern: literal pieces with anything between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// What the text starts with; all of the text when `rest` is `None`.
    prefix: String,
    rest: Option<Rest>,
}

/// What stands behind the first `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rest {
    /// What the text holds in this order between prefix and suffix.
    pieces: Vec<String>,
    /// What the text ends with.
    suffix: String,
}

impl Pattern {
    /// Compiles a pattern. `\\` and `\*` stand for a backslash and an asterisk (Amazon States Language, "Choice Rule",
    /// `StringMatches`); before anything else a backslash stands for itself.
    pub(super) fn compile(text: &str) -> Self {
        let mut pieces = vec![String::new()];
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let literal = match (character, characters.peek()) {
                ('\\', Some('*' | '\\')) => characters.next().unwrap_or(character),
                ('*', _) => {
                    pieces.push(String::new());
                    continue;
                }
                _ => character,
            };
            if let Some(piece) = pieces.last_mut() {
                piece.push(literal);
            }
        }
        let prefix = std::mem::take(&mut pieces[0]);
        let suffix = if pieces.len() > 1 { pieces.pop() } else { None };
        let rest = suffix.map(|suffix| Rest {
            pieces: pieces.split_off(1).into_iter().filter(|piece| !piece.is_empty()).collect(),
            suffix,
        });
        Self { prefix, rest }
    }

    /// Whether the pattern matches all of `text`. Each piece is looked for where the one before it ended, and the first
    /// place is always good enough, so the time is linear in the text for each piece.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some(rest) = &self.rest else { return text == self.prefix };
        let Some(text) = text.strip_prefix(self.prefix.as_str()) else { return false };
        let Some(mut text) = text.strip_suffix(rest.suffix.as_str()) else { return false };
        for piece in &rest.pieces {
            match text.find(piece.as_str()) {
                Some(place) => text = &text[place + piece.len()..],
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use proptest::prelude::*;

    #[test]
    fn matches() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("order", "order", true),
            ("order", "orders", false),
            ("order-*", "order-", true),
            ("order-*", "order", false),
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a**c", "abc", true),
            ("*aab*aab*", "aaabaab", true),
            ("*aab*aab*", "aaab", false),
            (r"a\*c", "a*c", true),
            (r"a\*c", "abc", false),
            (r"a\\*", r"a\bc", true),
            (r"a\b*", r"a\bc", true),
            (r"a\", r"a\", true),
            ("é*ü", "é-ü", true),
            ("A*", "abc", false),
        ] {
            assert_eq!(Pattern::compile(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    /// The definition of matching, one character at a time; exponential, so for short texts only.
    fn matches_slowly(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', pattern)), None) => matches_slowly(pattern, text),
            (Some(('*', behind)), Some((_, rest))) => matches_slowly(behind, text) || matches_slowly(pattern, rest),
            (Some((expected, pattern)), Some((found, text))) => expected == found && matches_slowly(pattern, text),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn matches_as_defined(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = matches_slowly(&characters(&pattern), &characters(&text));
            prop_assert_eq!(Pattern::compile(&pattern).matches(&text), expected);
        }
    }
}
