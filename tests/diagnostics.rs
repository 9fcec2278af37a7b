//! Each folder of `tests/spec/diagnostics` is a definition with the exact text that is reported for it. A folder's name
//! says what it shows; one that ends in `-express` is checked for an Express workflow, any other for a Standard one.
//!
//! `UPDATE_EXPECTED=1 cargo test --test diagnostics` writes what is reported now, to be read before it is committed.
#![cfg(feature = "cli")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use expressway::{
    asl::{self, code},
    cli::render::render,
    model::machine_type::MachineType,
};

fn cases() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/spec/diagnostics");
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let mut cases: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    cases.sort();
    cases
}

#[test]
fn reports_are_as_expected() {
    let mut wrong = Vec::new();
    let mut reported = BTreeSet::new();
    for case in cases() {
        let name = case.file_name().and_then(|name| name.to_str()).expect("a name");
        let machine_type = if name.ends_with("-express") { MachineType::Express } else { MachineType::Standard };
        let text = fs::read_to_string(case.join("definition.asl.json")).expect("a definition");
        let checked = asl::check(&text, machine_type);
        reported.extend(checked.diagnostics.iter().map(|diagnostic| diagnostic.code));
        let mut report = render("definition.asl.json", &text, &checked.diagnostics, false);
        if let Some(message) = checked.invalid_definition_message() {
            report.push_str("\n\nCreateStateMachine: ");
            report.push_str(&message);
        }
        report.push('\n');
        let expected = case.join("expected.txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &report).expect("it can be written");
        } else if fs::read_to_string(&expected).ok().as_ref() != Some(&report) {
            wrong.push(format!("{name} reports:\n{report}"));
        }
    }
    // That case would be long; it is made below.
    reported.insert(code::TOO_MANY_DIAGNOSTICS.name);
    let missing: Vec<_> = code::ALL.iter().map(|code| code.name).filter(|name| !reported.contains(name)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(missing, Vec::<&str>::new(), "codes without a case");
}

#[test]
fn there_is_a_limit() {
    let states: Vec<_> = (0..=asl::MAX_DIAGNOSTICS).map(|number| format!("\"s{number}\": 0")).collect();
    let text = format!("{{\"StartAt\": \"s0\", \"States\": {{{}}}}}", states.join(", "));
    let checked = asl::check(&text, MachineType::Standard);
    let reported = checked.diagnostics.len();
    let report = render("definition.asl.json", &text, &checked.diagnostics[reported - 1..], false);
    assert_eq!(reported, asl::MAX_DIAGNOSTICS + 1);
    assert_eq!(
        report,
        "warning[TOO_MANY_DIAGNOSTICS]: There are more problems than these\n--> definition.asl.json\n\n\
         definition.asl.json: valid, 1 warning"
    );
}
