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
    Ok(tokens)
}

fn of_file(text: &str) -> anyhow::Result<Vec<Token>> {
    let file: toml::Table = text.parse()?;
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
            "[one]\ntoken = \"0123456789abcdef\"\nscopes = [\"read\", \"drive\"]\nmax-envs = 7\n",
        )
        .unwrap();
        let [one] = tokens.as_slice() else { panic!("{tokens:?}") };
        assert_eq!((one.name.as_str(), one.max_envs), ("one", 7));
        assert_eq!(one.scopes, [Scope::Read, Scope::Drive]);
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
