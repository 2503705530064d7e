//! Tokens of a server, from a file and from the environment.
//!
//! ```toml
//! [trainer]                       # the name by which the token is told of
//! token-env = "TRAINER_TOKEN"     # or token = "…" in the file itself
//! scopes = ["read", "drive"]      # what it allows: read, drive, admin
//! max-streams = 8                 # limits, all optional
//! max-requests = 64
//! max-envs = 4096
//! max-games = 100                 # live games
//! max-message-bytes = 1048576     # bytes of a message that is sent with it
//! max-batch-rows = 4096           # rows of a batch, sent or received
//! ```

use std::{env, fs, path::Path};

use anyhow::{Context, bail, ensure};
use bivouac::serve::access::{Scope, Token};
use serde::Deserialize;

/// Environment variables with a token that has one scope each.
const VARIABLES: [(&str, Scope); 3] = [
    ("BIVOUAC_TOKEN_READ", Scope::Read),
    ("BIVOUAC_TOKEN_DRIVE", Scope::Drive),
    ("BIVOUAC_TOKEN_ADMIN", Scope::Admin),
];

/// Characters that a token has at least: one that is guessed is none.
const LEAST: usize = 16;

/// A table of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    token: Option<String>,
    token_env: Option<String>,
    scopes: Vec<String>,
    max_streams: Option<usize>,
    max_requests: Option<usize>,
    max_envs: Option<usize>,
    max_games: Option<usize>,
    max_message_bytes: Option<usize>,
    max_batch_rows: Option<usize>,
}

/// The tokens of a file, if one is named, and those of the environment.
pub(super) fn read(file: Option<&Path>) -> anyhow::Result<Vec<Token>> {
    let mut tokens = Vec::new();
    if let Some(path) = file {
        let shown = || format!("--tokens {}", path.display());
        let text = fs::read_to_string(path).with_context(shown)?;
        tokens = of_file(&text).with_context(shown)?;
    }
    for (name, scope) in VARIABLES {
        if let Ok(secret) = env::var(name) {
            tokens.push(checked(name, &secret, vec![scope])?);
        }
    }
    check_distinct(&tokens)?;
    Ok(tokens)
}

/// Refuses tokens that cannot be told apart: what each allows would be up to their order.
fn check_distinct(tokens: &[Token]) -> anyhow::Result<()> {
    for (place, token) in tokens.iter().enumerate() {
        for other in &tokens[..place] {
            let (one, two) = (&other.name, &token.name);
            ensure!(one != two, "two tokens have the name {one:?}: name each differently");
            ensure!(
                !other.has_secret_of(token),
                "{one:?} and {two:?} are the same token: make one for each"
            );
        }
    }
    Ok(())
}

fn of_file(text: &str) -> anyhow::Result<Vec<Token>> {
    let file: toml::Table = text.parse()?;
    // Without any token everybody may do everything, which nobody means who names a file.
    ensure!(!file.is_empty(), "no token is in it: write a table for each, as in [trainer]");
    let mut tokens = Vec::with_capacity(file.len());
    for (name, table) in file {
        let entry: Entry = table.try_into().with_context(|| format!("[{name}]"))?;
        let secret = match (entry.token, entry.token_env) {
            (Some(secret), None) => secret,
            (None, Some(variable)) => {
                env::var(&variable).with_context(|| format!("[{name}] token-env = {variable:?}"))?
            }
            _ => bail!("[{name}]: give either token or token-env"),
        };
        let scopes = entry.scopes.iter().map(|scope| self::scope(&name, scope));
        let mut token = checked(&name, &secret, scopes.collect::<anyhow::Result<_>>()?)?;
        token.max_streams = entry.max_streams.unwrap_or(token.max_streams);
        token.max_requests = entry.max_requests.unwrap_or(token.max_requests);
        token.max_envs = entry.max_envs.unwrap_or(token.max_envs);
        token.max_games = entry.max_games.unwrap_or(token.max_games);
        token.max_message_bytes = entry.max_message_bytes.unwrap_or(token.max_message_bytes);
        token.max_batch_rows = entry.max_batch_rows.unwrap_or(token.max_batch_rows);
        tokens.push(token);
    }
    Ok(tokens)
}

fn scope(name: &str, scope: &str) -> anyhow::Result<Scope> {
    let found = Scope::ALL.iter().find(|(_, known)| *known == scope);
    found
        .map(|(scope, _)| *scope)
        .with_context(|| format!("[{name}] scopes: {scope:?} is none: use read, drive or admin"))
}

fn checked(name: &str, secret: &str, scopes: Vec<Scope>) -> anyhow::Result<Token> {
    let is_plain = secret.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(
        secret.len() >= LEAST && is_plain,
        "{name}: a token has {LEAST} characters or more, letters, digits and signs of ASCII: make \
         one with `openssl rand -hex 32`"
    );
    ensure!(!scopes.is_empty(), "{name}: the token allows nothing: give it a scope");
    Ok(Token::new(name, secret, scopes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_names_scopes_and_limits() {
        let tokens = of_file(
            "[one]\ntoken = \"0123456789abcdef\"\nscopes = [\"read\", \"drive\"]\nmax-envs = 7\n\
             max-message-bytes = 9\nmax-batch-rows = 8\n",
        )
        .unwrap();
        let [one] = tokens.as_slice() else { panic!("{tokens:?}") };
        assert_eq!((one.name.as_str(), one.max_envs), ("one", 7));
        assert_eq!((one.max_message_bytes, one.max_batch_rows), (9, 8));
        assert_eq!(one.scopes, [Scope::Read, Scope::Drive]);
    }

    #[test]
    fn a_file_without_a_token_does_not_let_everybody_in() {
        for text in ["", "# [trainer]\n# token = \"0123456789abcdef\"\n"] {
            let error = of_file(text).unwrap_err().to_string();
            assert!(error.contains("no token"), "{error}");
        }
    }

    #[test]
    fn tokens_that_cannot_be_told_apart_are_refused() {
        let token = |name, secret| Token::new(name, secret, vec![Scope::Read]);
        let (one, two) = (token("one", "0123456789abcdef"), token("two", "fedcba9876543210"));
        check_distinct(&[one.clone(), two.clone()]).unwrap();
        for (other, named) in [
            (token("one", "another-0123456789"), "name"),
            (token("three", "0123456789abcdef"), "same"),
        ] {
            let error = check_distinct(&[one.clone(), two.clone(), other]).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(named) && !error.contains("0123456789"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named_and_the_token_is_not() {
        for (text, named) in [
            ("[one]\nscopes = [\"read\"]\n", "token-env"),
            ("[one]\ntoken = \"short\"\nscopes = [\"read\"]\n", "one"),
            ("[one]\ntoken = \"0123456789abcdef\"\nscopes = []\n", "scope"),
            ("[one]\ntoken = \"0123456789abcdef\"\nscopes = [\"fly\"]\n", "fly"),
            ("[one]\ntoken = \"0123456789abcdef\"\nscopes = [\"read\"]\nmax = 3\n", "max"),
            ("[one]\ntoken-env = \"NOT_SET_ANYWHERE\"\nscopes = [\"read\"]\n", "NOT_SET_ANYWHERE"),
        ] {
            let error = format!("{:#}", of_file(text).unwrap_err());
            assert!(error.contains(named), "{text}: {error}");
            assert!(!error.contains("0123456789abcdef") && !error.contains("short"), "{error}");
        }
    }
}
