//! Names of state machines and executions (API reference, CreateStateMachine and StartExecution, `name`).

use super::RegistryError;

/// Whether each ASCII character may stand in a name.
const ALLOWED: [bool; 128] = {
    let mut allowed = [true; 128];
    let mut byte = 0;
    while byte <= b' ' as usize {
        allowed[byte] = false;
        byte += 1;
    }
    allowed[127] = false;
    let forbidden = b"<>{}[]?*\"#%\\^|~`$&,;:/";
    let mut place = 0;
    while place < forbidden.len() {
        allowed[forbidden[place] as usize] = false;
        place += 1;
    }
    allowed
};

/// Checks the characters of a name; its length is a constraint of the request.
///
/// # Errors
/// [`RegistryError::InvalidName`] for white space, brackets, wildcards, the special characters that the API reference
/// lists, and control characters.
pub fn check_name(name: &str) -> Result<(), RegistryError> {
    let valid = name.bytes().all(|byte| byte >= 128 || ALLOWED[usize::from(byte)])
        && (name.is_ascii() || name.chars().all(|character| !character.is_control() && !character.is_whitespace()));
    if valid { Ok(()) } else { Err(RegistryError::InvalidName(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_what_aws_allows() {
        for name in ["a", "Order-Pipeline_2.v1", "größe", "名前", "a@b+c=d!(e)'"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_must_not_hold_special_characters() {
        for character in "<>{}[]?*\"#%\\^|~`$&,;:/ \t\n\0\u{7f}\u{85}\u{2003}".chars() {
            let name = format!("a{character}b");
            assert_eq!(check_name(&name), Err(RegistryError::InvalidName(name.clone())));
        }
    }
}
