//! What the registry keeps, refuses and hands out.

use super::*;
use crate::clock::SimClock;

const PASS: &str = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}"#;
const WAIT: &str = r#"{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1,"End":true}}}"#;

fn registry() -> (Registry, SimClock) {
    let clock = SimClock::default();
    (Registry::new(Home::default(), Arc::new(clock.clone()), 1), clock)
}

fn express(name: &str) -> CreateStateMachine {
    CreateStateMachine {
        name: name.into(),
        definition: PASS.into(),
        role_arn: "arn:aws:iam::1:role/r".into(),
        machine_type: MachineType::Express,
        ..CreateStateMachine::default()
    }
}

#[test]
fn a_machine_is_created_once() {
    let (registry, clock) = registry();
    let created = registry.create(express("orders")).unwrap();
    assert_eq!(created.identity.arn, "arn:aws:states:us-east-1:123456789012:stateMachine:orders");
    assert_eq!(created.identity.execution_arn_prefix, "arn:aws:states:us-east-1:123456789012:express:orders:");
    clock.advance_ms(1000);
    let again = registry.create(CreateStateMachine { role_arn: "other".into(), ..express("orders") }).unwrap();
    assert!(Arc::ptr_eq(&created, &again), "role and tags are not compared");
    for other in [
        CreateStateMachine { definition: WAIT.into(), ..express("orders") },
        CreateStateMachine { machine_type: MachineType::Standard, ..express("orders") },
        CreateStateMachine { tracing_enabled: true, ..express("orders") },
    ] {
        let Err(error) = registry.create(other) else { panic!("another machine of that name") };
        assert_eq!(error.to_string(), format!("State Machine Already Exists: '{}'", created.identity.arn));
    }
}

#[test]
fn standard_machines_have_no_program() {
    let (registry, _) = registry();
    let standard = CreateStateMachine { machine_type: MachineType::Standard, ..express("s") };
    assert!(registry.create(standard).unwrap().program.is_none());
    assert!(registry.create(express("e")).unwrap().program.is_some());
}

#[test]
fn an_update_changes_the_revision_when_something_changes() {
    let (registry, clock) = registry();
    let created = registry.create(express("m")).unwrap();
    let arn = created.identity.arn.as_str();
    assert_eq!(created.revision_id, None);
    assert_eq!(
        registry.update(arn, UpdateStateMachine::default()).err(),
        Some(RegistryError::MissingRequiredParameter)
    );
    clock.advance_ms(5);
    let update = || UpdateStateMachine { definition: Some(WAIT.into()), ..UpdateStateMachine::default() };
    let first = registry.update(arn, update()).unwrap();
    assert!(first.revision_id.is_some());
    assert_eq!((&*first.definition, first.update_date_ms - first.creation_date_ms), (WAIT, 5));
    assert_eq!(registry.update(arn, update()).unwrap().revision_id, first.revision_id);
    let role = UpdateStateMachine { role_arn: Some("r2".into()), ..UpdateStateMachine::default() };
    let second = registry.update(arn, role).unwrap();
    assert_ne!(second.revision_id, first.revision_id);
    assert_eq!(second.identity.role_arn, "r2");
    assert_eq!(&*created.definition, PASS, "who holds the old record keeps it");
}

#[test]
fn unknown_machines_are_told_from_bad_arns() {
    let (registry, _) = registry();
    let arn = Home::default().state_machine_arn("gone");
    let message = |arn: &str| registry.describe(arn).err().map(|error| error.to_string()).unwrap();
    assert_eq!(message(&arn), format!("State Machine Does Not Exist: '{arn}'"));
    assert_eq!(message("gone"), "Invalid Arn: 'Invalid ARN prefix: gone'");
    assert_eq!(registry.delete(&arn), Ok(()));
    assert_eq!(registry.tag(&arn, &[]), Err(RegistryError::ResourceNotFound(arn.clone())));
}

#[test]
fn lists_are_paged_in_the_order_of_creation() {
    let (registry, _) = registry();
    for name in ["c", "a", "b"] {
        registry.create(express(name)).unwrap();
    }
    let first = registry.list(2, None).unwrap();
    let names = |page: &Page<Arc<StateMachineRecord>>| -> Vec<String> {
        page.entries.iter().map(|record| record.identity.name.clone()).collect()
    };
    assert_eq!(names(&first), ["c", "a"]);
    registry.delete(&Home::default().state_machine_arn("a")).unwrap();
    let second = registry.list(2, first.next_token.as_deref()).unwrap();
    assert_eq!((names(&second), second.next_token), (vec!["b".to_owned()], None));
    assert_eq!(registry.list(1, Some("x")).err(), Some(RegistryError::InvalidToken));
}

#[test]
fn tags_come_and_go() {
    let (registry, _) = registry();
    let tag = |key: &str| Tag { key: key.into(), value: String::new() };
    let arn =
        registry.create(CreateStateMachine { tags: vec![tag("a")], ..express("m") }).unwrap().identity.arn.clone();
    registry.tag(&arn, &[tag("b"), tag("c")]).unwrap();
    registry.untag(&arn, &["a".into(), "a".into(), "x".into()]).unwrap();
    assert_eq!(registry.tagged(&arn).unwrap().tags, [tag("b"), tag("c")]);
}

#[test]
fn bad_definitions_are_refused_with_their_diagnostics() {
    let (registry, _) = registry();
    let Err(RegistryError::InvalidDefinition { message, diagnostics }) =
        registry.create(CreateStateMachine { definition: "{}".into(), ..express("m") })
    else {
        panic!("an empty definition")
    };
    assert!(message.starts_with("Invalid State Machine Definition: '"), "{message}");
    assert!(!diagnostics.is_empty());
    assert!(registry.is_empty());
}
