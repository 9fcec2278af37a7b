//! The wire format of the two hot actions, and the name of every action.
//!
//! The envelope of StartExecution and StartSyncExecution is scanned, not parsed: a flat object of strings, as every SDK
//! sends it, costs one pass over its bytes. What is anything else goes through [`Parameters`], which finds the words for
//! what is wrong with it.

use std::{borrow::Cow, cell::RefCell, str};

use super::{
    error::ApiError,
    parameters::{Parameters, Show},
    reply::write_string,
};
use crate::{
    model::{
        action::Action,
        quota::{MAX_ARN_CHARACTERS, MAX_NAME_CHARACTERS, MAX_PAYLOAD_BYTES, MAX_TRACE_HEADER_CHARACTERS},
    },
    value::{copy_plain_run, plain_run},
};

/// What stands before the action's name in `X-Amz-Target`.
const TARGET_PREFIX: &[u8] = b"AWSStepFunctions.";

/// The action that `X-Amz-Target` names.
///
/// # Errors
/// `UnknownOperationException` that names it.
pub(super) fn action_of(target: Option<&[u8]>) -> Result<Action, ApiError> {
    let Some(target) = target else {
        return Err(ApiError::unknown_operation("The request has no X-Amz-Target header, which names the operation"));
    };
    target.strip_prefix(TARGET_PREFIX).and_then(Action::from_name).ok_or_else(|| {
        let target: String = String::from_utf8_lossy(target).chars().take(MAX_NAME_CHARACTERS).collect();
        ApiError::unknown_operation(format!("The operation '{target}' is unknown"))
    })
}

/// A request to start an execution.
#[derive(Debug, PartialEq)]
pub(super) struct StartRequest<'a> {
    /// `stateMachineArn`.
    pub(super) state_machine_arn: Cow<'a, str>,
    /// `name`.
    pub(super) name: Option<Cow<'a, str>>,
    /// `input`, unescaped.
    pub(super) input: Vec<u8>,
    /// `input` as a JSON string, with its quotes: the text that the reply gives back.
    pub(super) input_token: Cow<'a, [u8]>,
    /// `traceHeader`.
    pub(super) trace_header: Option<Cow<'a, str>>,
    /// `includedData` is `METADATA_ONLY`.
    pub(super) metadata_only: bool,
}

/// The pattern of `traceHeader` in the API's model.
const TRACE_HEADER_PATTERN: &str = "\\p{ASCII}*";

impl<'a> StartRequest<'a> {
    /// Reads the body of a start.
    ///
    /// # Errors
    /// `SerializationException`, `ValidationException`.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, ApiError> {
        match Self::scan(body) {
            Some(request) => Ok(request),
            None => StartRequest::parse(body),
        }
    }

    /// The same request, apart from the body that it was read from; what was taken out of it stays out.
    pub(super) fn into_owned(self) -> StartRequest<'static> {
        StartRequest {
            state_machine_arn: self.state_machine_arn.into_owned().into(),
            name: self.name.map(|name| name.into_owned().into()),
            input: self.input,
            input_token: if self.metadata_only { Cow::default() } else { self.input_token.into_owned().into() },
            trace_header: self.trace_header.map(|header| header.into_owned().into()),
            metadata_only: self.metadata_only,
        }
    }

    /// The usual form: one flat object of strings. `None` means that it is not, or that some constraint is broken.
    fn scan(body: &'a [u8]) -> Option<Self> {
        let mut scanner = Scanner { body, at: 0 };
        let (mut arn, mut name, mut input, mut trace_header, mut included_data) = (None, None, None, None, None);
        scanner.expect(b'{')?;
        loop {
            let key = scanner.string()?;
            scanner.expect(b':')?;
            if key.inner == b"input" {
                input = Some(scanner.unescaped_string()?);
            } else {
                let value = scanner.string()?;
                let field = match key.inner {
                    b"stateMachineArn" => &mut arn,
                    b"name" => &mut name,
                    b"traceHeader" => &mut trace_header,
                    b"includedData" => &mut included_data,
                    _ => return None,
                };
                *field = Some(value);
            }
            match scanner.token()? {
                b',' => scanner.at += 1,
                b'}' => break,
                _ => return None,
            }
        }
        scanner.at += 1;
        if scanner.token().is_some() {
            return None;
        }
        let text = |token: Option<Token<'a>>, most: usize| match token {
            Some(Token { inner, escaped: false }) if !inner.is_empty() && inner.len() <= most => {
                str::from_utf8(inner).ok().map(|text| Some(Cow::Borrowed(text)))
            }
            Some(_) => None,
            None => Some(None),
        };
        let trace_header = text(trace_header, MAX_TRACE_HEADER_CHARACTERS)?;
        if trace_header.as_ref().is_some_and(|text| !text.is_ascii()) {
            return None;
        }
        let (input, input_token) = match input {
            Some((plain, quoted)) => (plain, Cow::Borrowed(quoted)),
            None => (b"{}".to_vec(), Cow::Borrowed(&b"\"{}\""[..])),
        };
        if input.len() > MAX_PAYLOAD_BYTES {
            return None;
        }
        Some(Self {
            state_machine_arn: text(arn, MAX_ARN_CHARACTERS)??,
            name: text(name, MAX_NAME_CHARACTERS)?,
            input,
            input_token,
            trace_header,
            metadata_only: match included_data.map(|token| token.inner) {
                None | Some(b"ALL_DATA") => false,
                Some(b"METADATA_ONLY") => true,
                Some(_) => return None,
            },
        })
    }

    /// Any form, with the errors of AWS.
    fn parse(body: &[u8]) -> Result<StartRequest<'static>, ApiError> {
        let mut parameters = Parameters::parse(body)?;
        let state_machine_arn = parameters.required_arn("stateMachineArn")?;
        let name = parameters.string("name", &(1..=MAX_NAME_CHARACTERS), Show::Value)?;
        let input = parameters.bytes("input", MAX_PAYLOAD_BYTES)?;
        let trace_header = parameters.string("traceHeader", &(0..=MAX_TRACE_HEADER_CHARACTERS), Show::Value)?;
        if let Some(text) = trace_header.as_deref().filter(|text| !text.is_ascii()) {
            parameters.pattern_violation(text, "traceHeader", TRACE_HEADER_PATTERN);
        }
        let included_data = parameters.word("includedData", INCLUDED_DATA)?;
        parameters.finish()?;
        let input = input.unwrap_or_else(|| "{}".into());
        let mut input_token = Vec::with_capacity(input.len() + 2);
        write_string(&input, &mut input_token);
        Ok(StartRequest {
            state_machine_arn: state_machine_arn.into(),
            name: name.map(Cow::Owned),
            input: input.into_bytes(),
            input_token: input_token.into(),
            trace_header: trace_header.map(Cow::Owned),
            metadata_only: included_data.as_deref() == Some(METADATA_ONLY),
        })
    }
}

/// The words of `includedData`.
pub(super) const INCLUDED_DATA: &[&str] = &["ALL_DATA", METADATA_ONLY];
/// The word of `includedData` that leaves definitions, inputs and outputs out.
pub(super) const METADATA_ONLY: &str = "METADATA_ONLY";

/// A JSON string as it stands in the body.
#[derive(Clone, Copy)]
struct Token<'a> {
    /// What stands between the quotes.
    inner: &'a [u8],
    escaped: bool,
}

/// The character of the digits behind `\u`, and how many bytes they and a second half take.
fn unicode_escape(digits: &[u8]) -> Option<(char, usize)> {
    let unit = |digits: &[u8]| -> Option<u32> {
        let digits = digits.get(..4)?;
        digits.iter().try_fold(0, |code, byte| Some(code << 4 | char::from(*byte).to_digit(16)?))
    };
    let high = unit(digits)?;
    if !(0xD800..0xDC00).contains(&high) {
        return Some((char::from_u32(high)?, 4));
    }
    let low = unit(digits.get(4..)?.strip_prefix(b"\\u")?)?;
    let low = (0xDC00..0xE000).contains(&low).then(|| low - 0xDC00)?;
    Some((char::from_u32(0x10000 + ((high - 0xD800) << 10) + low)?, 10))
}

struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The next byte that is no white space.
    #[inline]
    fn token(&mut self) -> Option<u8> {
        loop {
            let byte = *self.body.get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.token()? == byte).then(|| self.at += 1)
    }

    /// A string.
    #[inline]
    fn string(&mut self) -> Option<Token<'a>> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at = plain_run(self.body, self.at);
            match self.body.get(self.at)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                _ => return None,
            }
        }
        let end = self.at;
        self.at += 1;
        Some(Token { inner: &self.body[start..end], escaped })
    }

    /// A string's bytes, unescaped while they are scanned, and the string as it stands in the body. An input is kept for
    /// as long as its execution, so it gets no more room than it needs.
    fn unescaped_string(&mut self) -> Option<(Vec<u8>, &'a [u8])> {
        UNESCAPED.with_borrow_mut(|plain| {
            plain.clear();
            let quoted = self.string_into(plain);
            let exact = plain.as_slice().to_vec();
            plain.shrink_to(MAX_KEPT_BYTES);
            quoted.map(|quoted| (exact, quoted))
        })
    }

    /// A string, whose bytes are appended to `plain`; `None` also for escapes that are none, and for halves of surrogate
    /// pairs.
    fn string_into(&mut self, plain: &mut Vec<u8>) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at - 1;
        loop {
            let run = copy_plain_run(self.body, self.at, plain);
            self.at = run + 1;
            match self.body.get(run)? {
                b'"' => return Some(&self.body[start..=run]),
                b'\\' => {
                    self.at += 1;
                    plain.push(match self.body.get(run + 1)? {
                        byte @ (b'"' | b'\\' | b'/') => *byte,
                        b'n' => b'\n',
                        b't' => b'\t',
                        b'r' => b'\r',
                        b'b' => 8,
                        b'f' => 12,
                        b'u' => {
                            let (character, length) = unicode_escape(&self.body[self.at..])?;
                            plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                            self.at += length;
                            continue;
                        }
                        _ => return None,
                    });
                }
                _ => return None,
            }
        }
    }
}

thread_local! {
    /// Inputs as they are unescaped: kept, so that their memory is.
    static UNESCAPED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Memory that is kept for inputs from one request to the next, in bytes.
const MAX_KEPT_BYTES: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:states:us-east-1:1:stateMachine:m";

    #[test]
    fn actions_are_named_by_the_target() {
        assert_eq!(action_of(Some(b"AWSStepFunctions.StartExecution")), Ok(Action::StartExecution));
        for target in [&b"AWSStepFunctions.Start"[..], b"DynamoDB.StartExecution", b"", b"\xff"] {
            assert_eq!(action_of(Some(target)).unwrap_err().code, "UnknownOperationException");
        }
        let message = action_of(Some(b"AWSStepFunctions.Fly")).unwrap_err().message;
        assert_eq!(message, "The operation 'AWSStepFunctions.Fly' is unknown");
    }

    #[test]
    fn scanned_and_parsed_starts_are_the_same() {
        for body in [
            format!(r#"{{"stateMachineArn":"{ARN}"}}"#),
            format!(r#" {{ "stateMachineArn" : "{ARN}" , "input" : "{{\"a\":\"\\n\u00e4 \ud83d\ude00\/\"}}" }} "#),
            format!(r#"{{"input":"1","name":"größe","stateMachineArn":"{ARN}","traceHeader":"Root=1"}}"#),
            format!(r#"{{"stateMachineArn":"{ARN}","includedData":"METADATA_ONLY"}}"#),
            format!(r#"{{"stateMachineArn":"x","stateMachineArn":"{ARN}"}}"#),
        ] {
            let scanned = StartRequest::scan(body.as_bytes()).expect(&body);
            let parsed = StartRequest::parse(body.as_bytes()).expect(&body);
            assert_eq!(StartRequest { input_token: parsed.input_token.clone(), ..scanned }, parsed);
        }
    }

    #[test]
    fn unusual_starts_are_parsed() {
        for body in [
            format!(r#"{{"stateMachineArn":"{ARN}","name":null}}"#),
            format!(r#"{{"stateMachineArn":"{ARN}","added":{{"in":[2030]}}}}"#),
            format!(r#"{{"\u0073tateMachineArn":"{ARN}"}}"#),
        ] {
            assert_eq!(StartRequest::scan(body.as_bytes()), None, "{body}");
            assert_eq!(StartRequest::read(body.as_bytes()).expect(&body).state_machine_arn, ARN);
        }
    }

    #[test]
    fn bad_starts_are_refused_in_the_words_of_aws() {
        let error = |body: String| StartRequest::read(body.as_bytes()).unwrap_err();
        assert_eq!(
            error("{}".into()).message,
            "1 validation error detected: Value null at 'stateMachineArn' failed to satisfy constraint: Member must \
             not be null"
        );
        assert_eq!(
            error(format!(r#"{{"stateMachineArn":"{ARN}","input":"\"{}\""}}"#, "x".repeat(MAX_PAYLOAD_BYTES))).message,
            "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less \
             than or equal to 262144"
        );
        assert_eq!(error(format!(r#"{{"stateMachineArn":"{ARN}","input":{{}}}}"#)).code, "SerializationException");
        assert_eq!(error(format!(r#"{{"stateMachineArn":"{ARN}""#)).code, "SerializationException");
        assert_eq!(error(format!(r#"{{"stateMachineArn":"{ARN}","includedData":"x"}}"#)).code, "ValidationException");
        assert_eq!(error(format!(r#"{{"stateMachineArn":"{ARN}","traceHeader":"ä"}}"#)).code, "ValidationException");
    }
}
