//! The name by which a call is limited.

use super::text;
use crate::value::ValueRef;

/// Service and resource of a call.
pub(super) fn name_of(resource: &str, input: ValueRef<'_>) -> String {
    if let Some((_, function)) = resource.split_once(":function:") {
        return format!("lambda:{}", first(function, ':'));
    }
    let Some((_, rest)) = resource.split_once(":states:::") else { return resource.to_owned() };
    let rest = rest.strip_prefix("aws-sdk:").unwrap_or(rest);
    let (service, action) = rest.split_once(':').unwrap_or((rest, ""));
    // SDK integrations name two services otherwise.
    let service = match service {
        "sfn" => "states",
        "eventbridge" => "events",
        other => other,
    };
    let what = match service {
        "lambda" => text(input, "FunctionName").map(function_name),
        "sqs" => text(input, "QueueUrl").map(|url| last(url, '/')),
        "sns" => text(input, "TopicArn").map(|arn| last(arn, ':')),
        "dynamodb" => text(input, "TableName").map(|table| last(table, '/')),
        "events" => input
            .get("Entries")
            .and_then(|entries| entries.index(0))
            .map(|entry| last(text(entry, "EventBusName").unwrap_or("default"), '/')),
        "s3" => text(input, "Bucket"),
        "states" => text(input, "StateMachineArn").map(|arn| last(arn, ':')),
        "http" | "apigateway" => text(input, "ApiEndpoint").map(host),
        _ => None,
    };
    format!("{service}:{}", what.unwrap_or(action))
}

fn first(text: &str, separator: char) -> &str {
    text.split(separator).next().unwrap_or(text)
}

fn last(text: &str, separator: char) -> &str {
    text.rsplit(separator).next().unwrap_or(text)
}

/// The name in a function's name, partial ARN or ARN.
fn function_name(text: &str) -> &str {
    let name = text.split_once("function:").map_or(text, |(_, name)| name);
    first(name, ':')
}

/// Host and port of a URL, or of a text without a scheme.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn calls_are_named_by_what_they_call() {
        for (resource, input, name) in [
            ("arn:aws:lambda:us-east-1:1:function:f:2", "{}", "lambda:f"),
            (
                "arn:aws:states:::lambda:invoke",
                r#"{"FunctionName":"arn:aws:lambda:us-east-1:1:function:g"}"#,
                "lambda:g",
            ),
            ("arn:aws:states:::sqs:sendMessage", r#"{"QueueUrl":"https://h/1/q"}"#, "sqs:q"),
            ("arn:aws:states:::sns:publish", r#"{"TopicArn":"arn:aws:sns:us-east-1:1:t"}"#, "sns:t"),
            ("arn:aws:states:::aws-sdk:dynamodb:query", r#"{"TableName":"t"}"#, "dynamodb:t"),
            ("arn:aws:states:::events:putEvents", r#"{"Entries":[{}]}"#, "events:default"),
            ("arn:aws:states:::http:invoke", r#"{"ApiEndpoint":"https://h:1/p"}"#, "http:h:1"),
            ("arn:aws:states:::aws-sdk:glue:getTable", "{}", "glue:getTable"),
        ] {
            assert_eq!(name_of(resource, Value::parse(input).unwrap().as_ref()), name);
        }
    }
}
