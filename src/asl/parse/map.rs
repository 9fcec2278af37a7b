//! Map states, inline and distributed.

use super::{
    Fields, Reader, Scope,
    fields::{Range, Table, Use, expected},
};
use crate::{
    Value,
    asl::{
        code,
        definition::{Map, Scalar, StateKind, StateMachine},
        validate::{
            jsonata::{self, Available},
            template,
        },
    },
    model::machine_type::MachineType,
    value::{ValueRef, View},
};

pub(super) const MAP: Table = &[
    ("ItemProcessor", Use::Both),
    ("Iterator", Use::Both),
    ("Items", Use::Jsonata),
    ("ItemsPath", Use::JsonPath),
    ("ItemSelector", Use::Both),
    ("ItemReader", Use::Both),
    ("ItemBatcher", Use::Both),
    ("ResultWriter", Use::Both),
    ("MaxConcurrency", Use::Both),
    ("MaxConcurrencyPath", Use::JsonPath),
    ("ToleratedFailureCount", Use::Both),
    ("ToleratedFailureCountPath", Use::JsonPath),
    ("ToleratedFailurePercentage", Use::Both),
    ("ToleratedFailurePercentagePath", Use::JsonPath),
    ("Label", Use::Both),
];
const PROCESSOR_CONFIG: Table = &[("Mode", Use::Both), ("ExecutionType", Use::Both)];
const INLINE_PROCESSOR_CONFIG: Table = &[("Mode", Use::Both)];

const COUNT: Range = Range::at_least(0);
const MAX_ITEMS: Range = Range::new(0, 100_000_000);
/// Longest label of a Map state, in characters (Developer Guide, "Map state in Distributed mode").
const MAX_LABEL_CHARACTERS: usize = 40;

impl<'a> Reader<'a> {
    pub(super) fn map(&mut self, fields: &Fields<'a, '_>, scope: Scope) -> Option<StateKind> {
        fields.exactly_one(&["ItemProcessor", "Iterator"], &mut self.sink);
        let (item_processor, distributed) = self.processor(fields, scope).unwrap_or_default();
        self.label(fields);
        if distributed {
            self.reader_and_batcher(fields);
        }
        if fields.has("ItemSelector") {
            fields.at_most_one(&["ItemSelector", "Parameters"], &mut self.sink);
        }
        let item_selector = if fields.is_jsonata() {
            fields.any("ItemSelector", &mut self.sink)
        } else {
            self.template(fields, "ItemSelector")
        };
        let sink = &mut self.sink;
        let items = match fields.get("Items") {
            Some(items) => {
                jsonata::check_template(items, Available::default(), &fields.location.field("Items"), sink);
                Some(Scalar::Literal(items.to_value()))
            }
            None => fields.path_scalar("ItemsPath", sink),
        };
        Some(StateKind::Map(Box::new(Map {
            item_processor,
            distributed,
            items,
            // Older definitions select with `Parameters`.
            item_selector: item_selector.or_else(|| fields.get("Parameters").map(ValueRef::to_value)),
            max_concurrency: fields.integer_or_path("MaxConcurrency", "MaxConcurrencyPath", COUNT, sink),
            tolerated_failure_count: fields.integer_or_path(
                "ToleratedFailureCount",
                "ToleratedFailureCountPath",
                COUNT,
                sink,
            ),
            tolerated_failure_percentage: percentage(fields, sink),
        })))
    }

    /// `ItemProcessor` or `Iterator`, and whether it runs distributed.
    fn processor(&mut self, fields: &Fields<'a, '_>, scope: Scope) -> Option<(StateMachine, bool)> {
        let name = if fields.has("ItemProcessor") { "ItemProcessor" } else { "Iterator" };
        let value = fields.get(name)?;
        let processor = Fields::read(value, fields.location.field(name), self.root_language, &mut self.sink)?;
        let (distributed, child_type) = self.processor_config(&processor, scope).unwrap_or((false, None));
        let machine_type = child_type.unwrap_or(scope.machine_type);
        let machine =
            self.item_processor(&processor, Scope { machine_type, depth: scope.depth + 1, sees_outer: !distributed });
        Some((machine.unwrap_or_default(), distributed))
    }

    /// `ProcessorConfig`: whether it is `DISTRIBUTED`, and the type of its child executions.
    fn processor_config(&mut self, processor: &Fields<'a, '_>, scope: Scope) -> Option<(bool, Option<MachineType>)> {
        let value = processor.get("ProcessorConfig")?;
        let location = processor.location.field("ProcessorConfig");
        let config = Fields::read(value, location, processor.language, &mut self.sink)?;
        let mode = config.one_of("Mode", &["INLINE", "DISTRIBUTED"], &mut self.sink);
        if mode != Some("DISTRIBUTED") {
            let table = if mode.is_some() { INLINE_PROCESSOR_CONFIG } else { PROCESSOR_CONFIG };
            config.allow_tables(&[table], &mut self.sink);
            return Some((false, None));
        }
        config.allow_tables(&[PROCESSOR_CONFIG], &mut self.sink);
        if scope.machine_type == MachineType::Express {
            self.sink.schema(
                "The field 'Mode' with value 'DISTRIBUTED' is not supported inside 'EXPRESS' state machines",
                &config.location.field("Mode"),
            );
        }
        config.require(&["ExecutionType"], &mut self.sink);
        let child_type = config.one_of("ExecutionType", &["STANDARD", "EXPRESS"], &mut self.sink);
        Some((true, child_type.and_then(MachineType::from_name)))
    }

    fn label(&mut self, fields: &Fields<'a, '_>) {
        let Some(label) = fields.string("Label", &mut self.sink) else { return };
        let location = fields.location.field("Label");
        if label.chars().count() > MAX_LABEL_CHARACTERS {
            let message =
                format_args!("Invalid Label name: {label} exceeds the 40-character limit allowed by the service");
            self.sink.add(code::INVALID_LABEL_NAME, message, Some(&location));
        }
        if !self.labels.insert(label) {
            let message = format_args!("Duplicate Label name: {label}");
            self.sink.add(code::DUPLICATE_LABEL_NAME, message, Some(&location));
        }
    }

    /// What a Distributed Map reads, batches and writes: only what excludes each other, and the templates.
    fn reader_and_batcher(&mut self, fields: &Fields<'a, '_>) {
        let arguments = if fields.is_jsonata() { "Arguments" } else { "Parameters" };
        for (name, template_name) in
            [("ItemReader", arguments), ("ResultWriter", arguments), ("ItemBatcher", "BatchInput")]
        {
            let Some(value) = fields.get(name) else { continue };
            let location = fields.location.field(name);
            let Some(object) = Fields::read(value, location, fields.language, &mut self.sink) else { continue };
            if let Some(value) = object.get(template_name) {
                let location = location.field(template_name);
                if fields.is_jsonata() {
                    jsonata::check_template(value, Available::default(), &location, &mut self.sink);
                } else {
                    template::check(value, &location, &mut self.sink);
                }
            }
            let sink = &mut self.sink;
            if name == "ItemReader" {
                object.require(&["Resource"], sink);
                object.string("Resource", sink);
                if let Some(config) = object.get("ReaderConfig") {
                    let location = location.field("ReaderConfig");
                    if let Some(config) = Fields::read(config, location, fields.language, sink) {
                        config.integer_or_path("MaxItems", "MaxItemsPath", MAX_ITEMS, sink);
                    }
                }
            }
            if name == "ItemBatcher" {
                object.integer_or_path("MaxItemsPerBatch", "MaxItemsPerBatchPath", COUNT, sink);
                object.integer_or_path("MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath", COUNT, sink);
            }
        }
    }
}

/// `ToleratedFailurePercentage`, which takes fractions, or its path.
fn percentage(fields: &Fields<'_, '_>, sink: &mut super::sink::Sink) -> Option<Scalar> {
    const NAME: &str = "ToleratedFailurePercentage";
    const PATH_NAME: &str = "ToleratedFailurePercentagePath";
    fields.at_most_one(&[NAME, PATH_NAME], sink);
    let Some(value) = fields.get(NAME) else { return fields.path_scalar(PATH_NAME, sink) };
    let location = fields.location.field(NAME);
    match value.view() {
        View::String(text) if fields.is_jsonata() => jsonata::check_scalar(text, "Number", &location, sink),
        View::Number(number) if number.as_f64() > 100.0 => sink.schema("Maximum value is 100.0", &location),
        View::Number(_) => {
            fields.number(NAME, 0.0, sink);
        }
        _ => expected("Number", location, sink),
    }
    Some(Scalar::Literal(Value::from(value)))
}
