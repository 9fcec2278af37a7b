//! JSON documents of given sizes, made of the lines of the order example.

const EVENTS: &str = include_str!("../../examples/orders/events.ndjson");
const SMALL_ORDER: &str = include_str!("../definitions/w2.input.json");

/// An array of as many orders as fit into `bytes`; where none does, the small order of W2 (293 bytes).
pub(crate) fn orders(bytes: usize) -> String {
    let mut text = String::from("[");
    for line in EVENTS.lines().cycle() {
        if text.len() + line.len() + 1 > bytes {
            break;
        }
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(line);
    }
    if text.len() == 1 {
        return SMALL_ORDER.trim().to_owned();
    }
    text.push(']');
    text
}
