//! Secrets that cannot be guessed: 128 bits of the system's randomness.

use std::fmt;

use super::LiveError;

/// What plays a seat or governs a game.
#[derive(Clone, Copy)]
pub struct Token([u8; 16]);

impl Token {
    /// A new secret.
    ///
    /// # Errors
    ///
    /// [`LiveError::World`] if the system has no randomness to give.
    pub fn random() -> Result<Self, LiveError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|error| LiveError::World(format!("no randomness: {error}")))?;
        Ok(Self(bytes))
    }

    /// Reads a secret as it is shown: 32 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`LiveError::BadToken`] for anything else.
    pub fn parse(text: &str) -> Result<Self, LiveError> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| Self(number.to_be_bytes())).ok_or(LiveError::BadToken)
    }

    /// Whether two secrets are the same, in a time that does not tell where they differ.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }

    /// The secret as text.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_no_other_text_does() {
        let token = Token::random().unwrap();
        assert!(Token::parse(&token.reveal()).unwrap().is(&token));
        assert!(!Token::random().unwrap().is(&token));
        for text in ["", "token-game-1-0", &"+".repeat(32), &"f".repeat(33), "é"] {
            assert_eq!(Token::parse(text).unwrap_err(), LiveError::BadToken, "{text}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
