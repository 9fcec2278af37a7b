//! What a definition must hold to beyond the types of its fields: paths, templates, names, resources, transitions.

pub(crate) mod assign;
pub(crate) mod choice_rule;
pub(crate) mod graph;
pub(crate) mod integration;
pub(crate) mod jsonata;
pub(crate) mod lint;
pub(crate) mod path;
pub(crate) mod resource;
pub(crate) mod template;
