//! Diagnostics for people, with the place underlined in the source, and for programs, as JSON.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, renderer::DecorStyle};
use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{ObjectProp, Value as Node},
    common::Ranged,
    parse_to_ast,
};

use crate::{
    Value,
    asl::{Diagnostic, Severity},
    value::ObjectBuilder,
};

/// The longest source line that is shown: a definition on one line would be shown as a whole for each problem.
const MAX_LINE_BYTES: usize = 400;

/// How many places in the source are tried for one location, whose names may hold `/` and `[` themselves.
const MAX_ATTEMPTS: usize = 10_000;

/// Renders diagnostics as text, each with its place in `text` underlined. `path` is what the file is called.
#[must_use]
pub fn render(path: &str, text: &str, diagnostics: &[Diagnostic], color: bool) -> String {
    let source = Source::new(text);
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(title(diagnostic)).id(diagnostic.code);
        let span = source.place(diagnostic);
        let group = match span {
            Some(span) => with_source(Group::with_title(title), path, text, span, diagnostic),
            None => Group::with_title(title).element(Origin::path(path)),
        };
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    out.push_str(&summary(path, errors, diagnostics.len() - errors));
    out
}

/// The message without what is shown in the source anyway: syntax errors end in their place, and hold the whole source
/// when they name another place.
fn title(diagnostic: &Diagnostic) -> String {
    let Some(location) = diagnostic.location.as_deref().filter(|location| location.starts_with('[')) else {
        return diagnostic.message.trim_end().to_owned();
    };
    let message = diagnostic.message.strip_suffix(&format!("\n at {location}")).unwrap_or(&diagnostic.message);
    let place = message.find("[Source: (String)").zip(message.rfind("; line: "));
    match place.filter(|(start, line)| start < line) {
        Some((start, line)) => {
            let numbers = &message[line + "; ".len()..];
            format!("{}{}", &message[..start], numbers.replacen(':', "", 2).replacen(']', "", 1))
        }
        None => message.to_owned(),
    }
}

/// A diagnostic with its source line; of a line that is too long only the place's neighbourhood.
fn with_source<'a>(
    group: Group<'a>,
    path: &'a str,
    text: &'a str,
    span: Range<usize>,
    diagnostic: &'a Diagnostic,
) -> Group<'a> {
    let line_start = text[..span.start].rfind('\n').map_or(0, |place| place + 1);
    let line_end = text[span.start..].find('\n').map_or(text.len(), |place| span.start + place);
    // An object is underlined by its first line.
    let end = span.end.clamp(span.start, line_end);
    let (mut from, mut to) = (line_start, line_end);
    if line_end - line_start > MAX_LINE_BYTES {
        from = text.floor_char_boundary(span.start.saturating_sub(MAX_LINE_BYTES / 4).max(line_start));
        to = text.floor_char_boundary((from + MAX_LINE_BYTES).min(line_end));
    }
    let end = end.min(to).max(span.start);
    let number = text[..line_start].matches('\n').count() + 1;
    let label = diagnostic.location.as_deref().filter(|location| location.starts_with('/'));
    group.element(
        Snippet::source(&text[from..to])
            .line_start(number)
            .path(path)
            .annotation(AnnotationKind::Primary.span(span.start - from..end - from).label(label)),
    )
}

fn summary(path: &str, errors: usize, warnings: usize) -> String {
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => format!("{path}: valid"),
        (0, _) => format!("{path}: valid, {}", count(warnings, "warning")),
        (_, 0) => format!("{path}: {}", count(errors, "error")),
        _ => format!("{path}: {}, {}", count(errors, "error"), count(warnings, "warning")),
    }
}

/// Renders diagnostics as one line of JSON: `{"path": …, "valid": …, "diagnostics": [{"code": …, "severity": …,
/// "message": …, "location": …, "line": …, "column": …}]}`. Lines and columns count from 1, columns in characters; they
/// are left out where there is no place.
#[must_use]
pub fn render_json(path: &str, text: &str, diagnostics: &[Diagnostic]) -> String {
    let source = Source::new(text);
    let entries = diagnostics.iter().map(|diagnostic| {
        let mut entry = ObjectBuilder::default();
        entry.insert("code".into(), diagnostic.code.into());
        let severity = match diagnostic.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "WARNING",
        };
        entry.insert("severity".into(), severity.into());
        entry.insert("message".into(), diagnostic.message.as_str().into());
        if let Some(location) = &diagnostic.location {
            entry.insert("location".into(), location.as_str().into());
            if let Some(span) = source.place(diagnostic) {
                let (line, column) = line_and_column(text, span.start);
                entry.insert("line".into(), line.into());
                entry.insert("column".into(), column.into());
            }
        }
        entry.finish()
    });
    let entries = Value::array(entries.collect::<Vec<_>>());
    let valid = diagnostics.iter().all(|diagnostic| diagnostic.severity != Severity::Error);
    Value::object([("path", Value::from(path)), ("valid", Value::from(valid)), ("diagnostics", entries)]).to_json()
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let line_start = text[..at].rfind('\n').map_or(0, |place| place + 1);
    (text[..at].matches('\n').count() + 1, text[line_start..at].chars().count() + 1)
}

/// The source with the places of its values.
struct Source<'a> {
    text: &'a str,
    root: Option<Node<'a>>,
}

impl<'a> Source<'a> {
    fn new(text: &'a str) -> Self {
        // JSON and nothing beyond it.
        let options = ParseOptions {
            allow_comments: false,
            allow_loose_object_property_names: false,
            allow_trailing_commas: false,
            allow_missing_commas: false,
            allow_single_quoted_strings: false,
            allow_hexadecimal_numbers: false,
            allow_unary_plus_numbers: false,
            allow_bare_decimal_point_numbers: false,
            allow_non_finite_numbers: false,
            allow_extended_string_escapes: false,
        };
        // That parser is recursive: it is asked only about what our own parser took, within its nesting limit.
        let root = Value::parse(text)
            .ok()
            .and_then(|_| parse_to_ast(text, &CollectOptions::default(), &options).ok())
            .and_then(|result| result.value);
        Self { text, root }
    }

    /// The bytes that a diagnostic is about.
    fn place(&self, diagnostic: &Diagnostic) -> Option<Range<usize>> {
        let location = diagnostic.location.as_deref()?;
        let inside = diagnostic.offset.and_then(|offset| self.character(location, offset));
        inside.or_else(|| self.find(location, &diagnostic.message))
    }

    /// The character of a string that begins `offset` bytes into it.
    fn character(&self, location: &str, offset: usize) -> Option<Range<usize>> {
        let string = resolve(self.root.as_ref()?, location, &mut 0)?.0.as_string_lit()?;
        let start = string.range.start + 1;
        let written = self.text.get(start..string.range.end.checked_sub(1)?)?;
        let (mut place, mut decoded) = (0, 0);
        loop {
            let (taken, bytes) = one_character(&written[place..])?;
            decoded += bytes;
            if decoded > offset {
                return Some(start + place..start + place + taken);
            }
            place += taken;
        }
    }

    /// The bytes that a location is about: a field with its name, an item, or the place of a syntax error. AWS gives the
    /// place of an object for what is wrong with one of its fields, and names the field in the message: then it is that.
    fn find(&self, location: &str, message: &str) -> Option<Range<usize>> {
        if let Some(position) = location.strip_prefix('[') {
            return self.position(position);
        }
        let root = self.root.as_ref()?;
        let (node, span) =
            if location == "/" { (root, root.start()..root.start() + 1) } else { resolve(root, location, &mut 0)? };
        let mut quoted = message.split('\'').skip(1).step_by(2);
        let field = node.as_object().and_then(|object| {
            quoted.find_map(|name| object.properties.iter().rfind(|property| property.name.as_str() == name))
        });
        Some(field.map_or(span, |field| field.start()..field.end()))
    }

    /// `Source: (String)"…"; line: 3, column: 5]`, with the column in UTF-16 units, behind what was read last.
    fn position(&self, location: &str) -> Option<Range<usize>> {
        let (_, numbers) = location.rsplit_once("line: ")?;
        let (line, column) = numbers.strip_suffix(']')?.split_once(", column: ")?;
        let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
        let mut start = 0;
        for _ in 1..line {
            start += self.text[start..].find(['\n', '\r'])?;
            start += if self.text[start..].starts_with("\r\n") { 2 } else { 1 };
        }
        let (mut place, mut last, mut units) = (start, start, 1);
        for character in self.text[start..].chars() {
            if units >= column || character == '\n' {
                break;
            }
            units += character.len_utf16();
            last = place;
            place += character.len_utf8();
        }
        Some(last..place)
    }
}

/// The first character of what is written between quotes: how many bytes it takes there, and how many in the string.
fn one_character(written: &str) -> Option<(usize, usize)> {
    let Some(escape) = written.strip_prefix('\\') else {
        let length = written.chars().next()?.len_utf8();
        return Some((length, length));
    };
    if !escape.starts_with('u') {
        return Some((2, 1));
    }
    let unit = u32::from_str_radix(escape.get(1..5)?, 16).ok()?;
    // A surrogate: the other half follows.
    let Some(character) = char::from_u32(unit) else { return Some((12, 4)) };
    Some((6, character.len_utf8()))
}

/// Follows a location such as `/States/A/Choices[0]/Next`. Names are not escaped in it, so that of the fields whose names
/// fit each is tried, longer ones first. `attempts` bounds the search.
fn resolve<'n, 't>(node: &'n Node<'t>, location: &str, attempts: &mut usize) -> Option<(&'n Node<'t>, Range<usize>)> {
    *attempts += 1;
    if *attempts > MAX_ATTEMPTS {
        return None;
    }
    if let Some(rest) = location.strip_prefix('[') {
        let (index, rest) = rest.split_once(']')?;
        let item = node.as_array()?.elements.get(index.parse::<usize>().ok()?)?;
        return if rest.is_empty() { Some((item, item.start()..item.end())) } else { resolve(item, rest, attempts) };
    }
    let rest = location.strip_prefix('/')?;
    let mut fitting: Vec<(&ObjectProp<'t>, &str)> = node
        .as_object()?
        .properties
        .iter()
        .filter_map(|property| {
            let rest = rest.strip_prefix(property.name.as_str())?;
            (rest.is_empty() || rest.starts_with(['/', '['])).then_some((property, rest))
        })
        .collect();
    // Of equal names the last counts, as for everything else.
    fitting.reverse();
    fitting.sort_by_key(|(_, rest)| rest.len());
    fitting.into_iter().find_map(|(property, rest)| {
        if rest.is_empty() {
            Some((&property.value, property.start()..property.end()))
        } else {
            resolve(&property.value, rest, attempts)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "{\n  \"States\": {\n    \"a/b\": {\"Catch\": [1, {\"Next\": \"x\"}]},\n    \"a\": {\"b\": 2}\n  }\n}";

    #[track_caller]
    fn finds(location: &str, expected: Option<&str>) {
        assert_eq!(Source::new(TEXT).find(location, "").map(|span| &TEXT[span]), expected, "{location}");
    }

    #[test]
    fn locations() {
        finds("/", Some("{"));
        finds("/States/a/b/Catch[1]/Next", Some("\"Next\": \"x\""));
        finds("/States/a/b/Catch[0]", Some("1"));
        finds("/States/a/b/Catch[2]", None);
        finds("/States/c", None);
        // Two fields fit; the longer name is taken.
        finds("/States/a/b", Some("\"a/b\": {\"Catch\": [1, {\"Next\": \"x\"}]}"));
    }

    #[test]
    fn places_of_syntax_errors() {
        let text = "{\n  \"a\": nope\n}";
        let diagnostics = crate::asl::check(text, Default::default()).diagnostics;
        let location = diagnostics[0].location.clone().expect("syntax errors have a place");
        let span = Source::new(text).find(&location, "").expect("it is in the text");
        assert_eq!(&text[span], "e");
    }

    #[test]
    fn characters_of_strings() {
        let text = r#"{"a": "x\n\u00e9é\ud83d\ude00!"}"#;
        let at = |offset| Source::new(text).character("/a", offset).map(|span| &text[span]);
        let found: Vec<_> = [0, 1, 2, 4, 6, 9, 10, 11].into_iter().map(at).collect();
        let expected = ["x", r"\n", r"\u00e9", "é", r"\ud83d\ude00", r"\ud83d\ude00", "!"];
        assert_eq!(found, expected.into_iter().map(Some).chain([None]).collect::<Vec<_>>());
    }

    #[test]
    fn json() {
        let diagnostics =
            crate::asl::check(r#"{"StartAt": "A", "States": {"A": {"Type": "Pass"}}}"#, Default::default());
        assert_eq!(
            render_json("a.json", r#"{"StartAt": "A", "States": {"A": {"Type": "Pass"}}}"#, &diagnostics.diagnostics),
            r#"{"path":"a.json","valid":false,"diagnostics":[{"code":"SCHEMA_VALIDATION_FAILED","severity":"ERROR","message":"This object should have only one of the following fields: [Next, End]","location":"/States/A","line":1,"column":29}]}"#
        );
    }

    #[test]
    fn long_lines_are_cut() {
        let text =
            format!(r#"{{"StartAt": "A", "Comment": "{}", "States": {{"A": {{"Type": "Pass"}}}}}}"#, "x".repeat(2000));
        let checked = crate::asl::check(&text, Default::default());
        let rendered = render("a.json", &text, &checked.diagnostics, false);
        assert!(rendered.contains("\"A\": {\"Type\": \"Pass\"}"), "{rendered}");
        assert!(rendered.len() < 1500, "{rendered}");
    }
}
