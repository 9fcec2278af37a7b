//! What JSONata says of an error while an expression is evaluated, where `jsonata-core` words it differently: causes show
//! JSONata's own words, in which names and operators stand in quotes.

use std::borrow::Cow;

/// JSONata's words for an error that `jsonata-core` words as `message`. What depends on values that are not in `message` stays
/// as it is.
pub(super) fn spoken<'a>(code: &str, message: &'a str) -> Cow<'a, str> {
    let reworded = match code {
        "D1002" => between(message, "Cannot negate non-number value: ", "")
            .map(|value| format!("Cannot negate a non-numeric value: {value}")),
        "D3030" => between(message, "Cannot convert '", "' to number")
            .map(|value| format!("Unable to cast value to a number: {value:?}")),
        "T1006" => message
            .starts_with("Attempted to invoke a non-function")
            .then(|| "Attempted to invoke a non-function".into()),
        "T2001" | "T2002" => quoted(message, "side of the ", " operator must evaluate to a number"),
        "T2003" => Some("The left side of the range operator (..) must evaluate to an integer".into()),
        "T2004" => Some("The right side of the range operator (..) must evaluate to an integer".into()),
        "T0410" | "T0411" => {
            let end = message.find(" (expected ").unwrap_or(message.len());
            let message = &message[..end];
            quoted(message, "of function ", " does not match function signature")
                .or_else(|| quoted(message, "of function ", ""))
        }
        _ => None,
    };
    reworded.map_or(Cow::Borrowed(message), Cow::Owned)
}

/// What stands between two texts, the second of which ends the message.
fn between<'a>(message: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    rest.strip_suffix(behind)
}

/// The message with what stands between two texts in quotes, if it is a name or an operator without them.
fn quoted(message: &str, before: &str, behind: &str) -> Option<String> {
    let name = between(message, before, behind)?;
    let plain = !name.is_empty() && !name.contains([' ', '"']);
    let start = message.len() - name.len() - behind.len();
    plain.then(|| format!("{}\"{}\"{behind}", &message[..start], name.trim_start_matches('$')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_operators_are_quoted() {
        let says = |code: &str, message: &str, expected: &str| assert_eq!(spoken(code, message), expected, "{message}");
        says(
            "T2001",
            "The left side of the + operator must evaluate to a number",
            "The left side of the \"+\" operator must evaluate to a number",
        );
        says("T2001", "something else", "something else");
        says(
            "T0410",
            "Argument 1 of function uppercase does not match function signature",
            "Argument 1 of function \"uppercase\" does not match function signature",
        );
        says(
            "T0410",
            "Argument 2 of function $join does not match function signature (expected String)",
            "Argument 2 of function \"join\" does not match function signature",
        );
        says(
            "T0410",
            "Argument 1 of function \"abs\" does not match function signature",
            "Argument 1 of function \"abs\" does not match function signature",
        );
        says("D3030", "Cannot convert 'x' to number", "Unable to cast value to a number: \"x\"");
        says("T1006", "Attempted to invoke a non-function: $f", "Attempted to invoke a non-function");
        says("D3137", "mine", "mine");
    }
}
