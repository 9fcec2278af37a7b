//! Definitions that people really wrote, and those of the recorded executions: all of them are valid. Reads the
//! conformance data when they lie beside the project, and passes without them.

use std::{fs, path::PathBuf};

use expressway::{
    asl::{self, Severity},
    compile::compile,
    model::machine_type::MachineType,
};
use serde_json::{Value, json};

/// The folder `shared/conformance` beside the project or one of the folders around it.
fn conformance() -> Option<PathBuf> {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    project.ancestors().map(|folder| folder.join("shared/conformance")).find(|folder| folder.is_dir())
}

fn read(path: &str) -> Option<Value> {
    let text = fs::read_to_string(conformance()?.join(path)).expect("the file can be read");
    Some(serde_json::from_str(&text).expect("the file is JSON"))
}

/// A definition that is given as text, or as the object it stands for.
fn text_of(definition: &Value) -> String {
    definition.as_str().map_or_else(|| definition.to_string(), str::to_owned)
}

/// Fills in what a deployment would substitute: a function where the whole value is one, a number where it is not quoted.
fn fill_in(text: &str) -> String {
    let mut out = String::new();
    let (mut rest, mut in_string) = (text, false);
    while let Some(character) = rest.chars().next() {
        if let Some((name, behind)) = rest.strip_prefix("${").and_then(|rest| rest.split_once('}')) {
            let is_whole = out.ends_with('"') && behind.starts_with('"');
            out.push_str(match name {
                _ if !in_string => "1",
                "AWS::Partition" => "aws",
                "AWS::Region" => "us-east-1",
                "AWS::AccountId" => "111122223333",
                _ if is_whole => "arn:aws:lambda:us-east-1:111122223333:function:filled-in",
                _ => "filled-in",
            });
            rest = behind;
            continue;
        }
        let mut length = character.len_utf8();
        match character {
            '"' => in_string = !in_string,
            '\\' => length += rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => {}
        }
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// How the compiler begins to say that something does not run here yet.
const REFUSED: &[&str] = &["JSONata states do not run", "Distributed Map states do not run"];

/// The errors of a definition, one a line; those of the compiler too when the checks find none.
fn errors(text: &str, machine_type: MachineType) -> Vec<String> {
    let checked = asl::check(text, machine_type);
    let errors: Vec<_> = checked
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|error| format!("{}: {} at {:?}", error.code, error.message, error.location))
        .collect();
    assert_eq!(checked.machine.is_some(), errors.is_empty(), "{text}");
    // What passed the checks compiles, but for what does not run here yet; other problems may follow from that.
    let problems = checked.machine.and_then(|machine| compile(&machine).err()).unwrap_or_default();
    if problems.iter().any(|problem| REFUSED.iter().any(|refused| problem.message.starts_with(refused))) {
        return errors;
    }
    let problems = problems.iter().map(|problem| format!("compiler: {} at {:?}", problem.message, problem.location));
    errors.into_iter().chain(problems).collect()
}

/// Those that AWS does not take either, with the place of the first error: inputs of template tests that were never
/// deployed (a resource that is no ARN, a state's type that is substituted), and a `QueryLanguage` among the states.
const NEVER_DEPLOYED: &[(&str, &str)] = &[
    ("2a4099f6760e7bc9", "/States/MyTaskState/Resource"),
    ("bfab5e69285405c2", "/States/TaskState/Resource"),
    ("5be2bf16c76aed12", "/States/SendToMyQueue/Resource"),
    ("d2e7ed27b06e401a", "/States/One/Resource"),
    ("751868831c1283f4", "/States/Hello/Type"),
    ("055f8a9f55c4fe0d", "/States/QueryLanguage"),
];

#[test]
fn definitions_that_people_wrote() {
    let Some(data) = read("definitions/definitions.json") else { return };
    let definitions = data["definitions"].as_array().expect("a list");
    let mut wrong = Vec::new();
    for entry in definitions {
        let text = fill_in(&text_of(&entry["definition"]));
        let found = errors(&text, MachineType::Standard);
        let known = NEVER_DEPLOYED.iter().find(|(id, _)| entry["id"] == **id);
        let as_known = known.map_or(found.is_empty(), |(_, place)| {
            found.first().is_some_and(|error| error.ends_with(&format!(" at Some({place:?})")))
        });
        if !as_known {
            wrong.push(format!("{} {}\n    {}", entry["id"], entry["path"], found.join("\n    ")));
        }
    }
    assert!(definitions.len() > 100);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), definitions.len(), wrong.join("\n"));
}

#[test]
fn definitions_of_recorded_executions() {
    let Some(folder) = conformance() else { return };
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in fs::read_dir(folder.join("cases")).expect("the folder can be read") {
        let name = file.expect("an entry").file_name().into_string().expect("a name");
        if !name.starts_with("exec-") {
            continue;
        }
        let data = read(&format!("cases/{name}")).expect("the folder is there");
        let cases = data.as_array().or_else(|| data["cases"].as_array()).expect("a list");
        for case in cases {
            let found = errors(&text_of(&case["definition"]), MachineType::Standard);
            count += 1;
            if !found.is_empty() {
                wrong.push(format!("{}\n    {}", case["id"], found.join("\n    ")));
            }
        }
    }
    assert!(count > 600);
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where the linters and AWS part, or where we only warn.
const LINTERS_AND_AWS_PART: &[(&str, &str)] = &[
    ("asl-validator:invalid-dupe-fields.asl.json", "a field with and without '.$' is a warning of ours"),
    ("asl-validator:invalid-duplicate-fields-nested.json", "a field with and without '.$' is a warning of ours"),
    ("asl-validator:invalid-duplicate-fields.json", "a field with and without '.$' is a warning of ours"),
    ("asl-validator:invalid-json-surround-syntax-extra-spaces.json", "white space in an expression is fine"),
    ("asl-validator:invalid-jsonata-surround-syntax-no-open.json", "what does not begin as an expression is a text"),
    ("asl-validator:invalid-jsonata-surround-syntax-no-spaces.json", "no white space in an expression is fine"),
    ("asl-validator:invalid-task-alias-function.json", "function names are Lambda's to judge"),
    ("asl-validator:valid-assign.asl.json", "variable names have no hyphen"),
    ("asl-validator:valid-cfn-definition-substitutions.json", "substitutions are not filled in here"),
    ("asl-validator:valid-map-with-item-batcher-jsonata.json", "no JSONPath state in a JSONata machine"),
    ("asl-validator:valid-task-credentials.json", "Credentials need a RoleArn"),
    ("asl-validator:valid-task-intrisic-function.json", "CloudFormation's functions are not filled in here"),
    ("statelint:task-with-credentials.json", "Credentials need a RoleArn"),
];

/// What linters say of small definitions is their opinion; all differences are known, and none is listed in vain.
#[test]
fn definitions_that_linters_judge() {
    let Some(data) = read("definitions/lint-labelled.json") else { return };
    let mut wrong = Vec::new();
    for entry in data["cases"].as_array().expect("a list") {
        // One of the linters does without ARNs, and its cases without a label say nothing.
        let Some(valid) = entry["valid"].as_bool() else { continue };
        let text = text_of(&entry["definition"]).replace("foo:bar", "arn:aws:lambda:us-east-1:111122223333:function:f");
        let found = errors(&text, MachineType::Standard);
        let parts = LINTERS_AND_AWS_PART.iter().any(|(id, _)| entry["id"] == **id);
        if (valid != found.is_empty()) != parts {
            wrong.push(format!("{} valid: {}\n    {}", entry["id"], entry["valid"], found.join("\n    ")));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whether a recorded text, in which `<…>` stands for any text, is `text`.
fn is_recorded(recorded: &str, text: &str) -> bool {
    let mut parts = recorded.split('<').map(|part| part.split_once('>').map_or(part, |(_, rest)| rest));
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut last = "";
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
        last = part;
    }
    rest.is_empty() || last.is_empty() && recorded.ends_with('>')
}

/// What AWS answered to definitions that it refused, and that it took all others.
#[test]
fn definitions_of_recorded_requests() {
    let Some(folder) = conformance() else { return };
    let mut wrong = Vec::new();
    let (mut taken, mut refused) = (0, 0);
    for file in fs::read_dir(folder.join("cases")).expect("the folder can be read") {
        let name = file.expect("an entry").file_name().into_string().expect("a name");
        // TestState takes single states, and leaves out most checks.
        if !name.starts_with("api-") || name == "api-test-state.json" {
            continue;
        }
        let data = read(&format!("cases/{name}")).expect("the folder is there");
        let cases = data.as_array().or_else(|| data["cases"].as_array()).expect("a list");
        for (case, step) in
            cases.iter().flat_map(|case| case["steps"].as_array().into_iter().flatten().map(move |step| (case, step)))
        {
            let (parameters, expected) = (&step["params"], &step["expect"]);
            let Some(text) = parameters["definition"].as_str() else { continue };
            let machine_type = parameters["type"].as_str().and_then(MachineType::from_name).unwrap_or_default();
            let checked = asl::check(text, machine_type);
            let message = checked.invalid_definition_message();
            if let Some(diagnostics) = expected["response"]["diagnostics"].as_array() {
                let found: Vec<_> = checked
                    .errors()
                    .map(|error| {
                        let mut entry = json!({"code": error.code, "message": error.message, "severity": "ERROR"});
                        if let Some(location) = &error.location {
                            entry["location"] = location.as_str().into();
                        }
                        entry
                    })
                    .collect();
                refused += usize::from(!found.is_empty());
                if *diagnostics != found {
                    wrong.push(format!("{}\n    {diagnostics:?}\n    {found:?}", case["id"]));
                }
            } else if expected["code"] == "InvalidDefinition" {
                refused += 1;
                let recorded = expected["message"].as_str().expect("a message");
                if !message.as_ref().is_some_and(|message| is_recorded(recorded, message)) {
                    wrong.push(format!("{}\n    {recorded}\n    {message:?}", case["id"]));
                }
            } else {
                taken += 1;
                if let Some(message) = message {
                    wrong.push(format!("{} is taken\n    {message}", case["id"]));
                }
            }
        }
    }
    assert!(taken > 50 && refused > 10, "{taken} taken, {refused} refused");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
