//! Where in a definition the reader is: a chain of places on the stack, written out only for diagnostics.

use std::fmt;

/// A place in a definition. Its text is what AWS reports, such as `/States/Order/Catch[0]/Next`: field names are not
/// escaped, items of arrays stand in brackets, and the whole definition is `/`.
#[derive(Clone, Copy)]
pub(crate) struct Location<'a> {
    parent: Option<&'a Location<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Root,
    Field(&'a str),
    Item(usize),
}

impl<'a> Location<'a> {
    pub(crate) const ROOT: Location<'static> = Location { parent: None, segment: Segment::Root };

    pub(crate) fn field(&'a self, name: &'a str) -> Location<'a> {
        Location { parent: Some(self), segment: Segment::Field(name) }
    }

    pub(crate) fn item(&'a self, index: usize) -> Location<'a> {
        Location { parent: Some(self), segment: Segment::Item(index) }
    }

    fn write(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.write(out)?;
        }
        match self.segment {
            Segment::Root => Ok(()),
            Segment::Field(name) => write!(out, "/{name}"),
            Segment::Item(index) => write!(out, "[{index}]"),
        }
    }
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parent.is_none() { out.write_str("/") } else { self.write(out) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text() {
        assert_eq!(Location::ROOT.to_string(), "/");
        let (states, name) = (Location::ROOT.field("States"), "a/b");
        let state = states.field(name);
        assert_eq!(state.field("Catch").item(1).field("Next").to_string(), "/States/a/b/Catch[1]/Next");
    }
}
