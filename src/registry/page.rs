//! Pages of a list, and the opaque token that the next one is asked for with.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::RegistryError;

/// What stands before the position in a token, so that other texts are not taken for one.
const MARK: &str = "expressway-page-";

/// Some entries of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// What to ask for the next page with; none on the last one.
    pub next_token: Option<String>,
}

/// The token of the entries behind a position.
pub(super) fn token(position: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("{MARK}{position}"))
}

/// The position of a token.
///
/// # Errors
/// [`RegistryError::InvalidToken`] when it is none of ours.
pub(super) fn position(token: &str) -> Result<u64, RegistryError> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let position = decoded.as_deref().and_then(|text| text.strip_prefix(MARK)).and_then(|digits| digits.parse().ok());
    position.ok_or(RegistryError::InvalidToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_there_and_back() {
        assert_eq!(position(&token(u64::MAX)), Ok(u64::MAX));
        for text in ["", "InvalidToken", "ZXhwcmVzc3dheQ"] {
            assert_eq!(position(text), Err(RegistryError::InvalidToken));
        }
    }
}
