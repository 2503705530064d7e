//! Options from the environment and from `bivouac.toml`, below those of the command line.
//!
//! Every flag of `bivouac serve` can be given in three ways, and the first of them counts:
//!
//! ```text
//! --max-streams 64            the command line
//! BIVOUAC_MAX_STREAMS=64      the environment
//! max-streams = 64            the table [serve] of bivouac.toml, or of the file that --config names
//! ```
//!
//! What the lower layers say becomes arguments before those of the command line, unless the command
//! line has the flag. So there is one list of options, one check of their values, and one way to
//! say what is wrong with them.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};

/// The file that is read where it lies in the working folder.
const FILE: &str = "bivouac.toml";

/// Subcommands that can be configured; each has a table of its name in the file.
const CONFIGURED: [&str; 1] = ["serve"];

/// What environment variables begin with.
const PREFIX: &str = "BIVOUAC_";

/// The arguments with those of the environment and of the file added, for subcommands that can be
/// configured; all others are returned as they are.
pub(crate) fn layered(
    command: &Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> anyhow::Result<Vec<OsString>> {
    let given: Vec<OsString> = arguments.into_iter().collect();
    let name = given.get(1).and_then(|name| name.to_str()).unwrap_or_default();
    let Some(command) = command.find_subcommand(name).filter(|_| CONFIGURED.contains(&name)) else {
        return Ok(given);
    };
    let options: Vec<&Arg> = command.get_arguments().filter(|a| is_configurable(a)).collect();
    let is_given = |flag: &str| {
        let long = format!("--{flag}");
        let with_value = format!("{long}=");
        given[2..]
            .iter()
            .filter_map(|given| given.to_str())
            .any(|given| given == long || given.starts_with(&with_value))
    };
    let mut lower = Vec::new();
    let table = file_table(name, config_path(&given))?;
    for option in &options {
        let flag = option.get_long().unwrap_or_default();
        if is_given(flag) {
            continue;
        }
        if let Some(value) = env::var_os(variable(flag)) {
            lower.extend(from_text(option, flag, &value)?);
        } else if let Some(value) = table.get(flag) {
            lower.extend(from_toml(option, flag, value)?);
        }
    }
    for flag in table.keys() {
        if !options.iter().any(|option| option.get_long() == Some(flag)) {
            let known: Vec<&str> = options.iter().filter_map(|option| option.get_long()).collect();
            bail!("[{name}] {flag}: no such option: there is {}", known.join(", "));
        }
    }
    Ok([&given[..2], &lower, &given[2..]].concat())
}

fn is_configurable(option: &Arg) -> bool {
    let named =
        option.get_long().is_some_and(|flag| !["help", "config", "print-config"].contains(&flag));
    named && !option.is_positional()
}

fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.replace('-', "_").to_uppercase())
}

/// The file that `--config` or `BIVOUAC_CONFIG` names.
fn config_path(given: &[OsString]) -> Option<PathBuf> {
    let mut given = given.iter();
    while let Some(argument) = given.next() {
        if argument == "--config" {
            return given.next().map(PathBuf::from);
        }
        if let Some(path) = argument.to_str().and_then(|text| text.strip_prefix("--config=")) {
            return Some(path.into());
        }
    }
    env::var_os(format!("{PREFIX}CONFIG")).map(PathBuf::from)
}

/// The table of a subcommand: empty if no file is named and none lies here.
fn file_table(name: &str, named: Option<PathBuf>) -> anyhow::Result<toml::Table> {
    let path = named.clone().unwrap_or_else(|| FILE.into());
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
            return Ok(toml::Table::new());
        }
        Err(error) => return Err(error).with_context(|| format!("--config {}", path.display())),
    };
    table_of(&text, name).with_context(|| path.display().to_string())
}

fn table_of(text: &str, name: &str) -> anyhow::Result<toml::Table> {
    let mut file: toml::Table = text.parse()?;
    let table = file.remove(name);
    if let Some(other) = file.keys().next() {
        bail!("{other}: no such table: there is [{}]", CONFIGURED.join("], ["));
    }
    match table {
        None => Ok(toml::Table::new()),
        Some(toml::Value::Table(table)) => Ok(table),
        Some(_) => bail!("{name} has to be a table: write [{name}] on a line of its own"),
    }
}

fn takes_value(option: &Arg) -> bool {
    !matches!(option.get_action(), ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count)
}

fn argument(flag: &str, value: &OsStr) -> OsString {
    let mut argument = OsString::from(format!("--{flag}="));
    argument.push(value);
    argument
}

/// Arguments from an environment variable. A switch is on with `1` or `true`.
fn from_text(option: &Arg, flag: &str, value: &OsStr) -> anyhow::Result<Vec<OsString>> {
    if takes_value(option) {
        return Ok(vec![argument(flag, value)]);
    }
    match value.to_str() {
        Some("1" | "true") => Ok(vec![format!("--{flag}").into()]),
        Some("" | "0" | "false") => Ok(Vec::new()),
        _ => bail!("{}: {} is not true or false", variable(flag), Path::new(value).display()),
    }
}

/// Arguments from a value of the file; a list gives one for each item.
fn from_toml(option: &Arg, flag: &str, value: &toml::Value) -> anyhow::Result<Vec<OsString>> {
    if let toml::Value::Boolean(is_on) = value {
        ensure!(!takes_value(option), "{flag} = {value}: this option has a value, not a switch");
        return Ok(if *is_on { vec![format!("--{flag}").into()] } else { Vec::new() });
    }
    ensure!(takes_value(option), "{flag} = {value}: write true or false");
    let text = |value: &toml::Value| match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        other => bail!("{flag} = {other}: write a text, a number, or a list of them"),
    };
    let values = match value {
        toml::Value::Array(values) => values.iter().map(text).collect::<anyhow::Result<_>>()?,
        value => vec![text(value)?],
    };
    Ok(values.iter().map(|value| argument(flag, OsStr::new(value))).collect())
}

/// The table of a subcommand with all that holds, and where each comes from, as TOML.
pub(crate) fn shown(command: &Command, matches: &ArgMatches) -> String {
    let name = command.get_name();
    let mut lines = vec![format!("[{name}]")];
    for option in command.get_arguments().filter(|option| is_configurable(option)) {
        let (id, flag) = (option.get_id().as_str(), option.get_long().unwrap_or_default());
        let is_default = matches.value_source(id) == Some(ValueSource::DefaultValue);
        let note = if is_default { "  # default" } else { "" };
        let values: Vec<toml::Value> = if takes_value(option) {
            let raw = matches.get_raw(id).into_iter().flatten();
            raw.map(|value| value.to_string_lossy().into_owned().into()).collect()
        } else {
            vec![matches.get_flag(id).into()]
        };
        let value = match values.as_slice() {
            [] => {
                lines.push(format!("# {flag} is not set"));
                continue;
            }
            [one] => one.clone(),
            _ => toml::Value::Array(values),
        };
        lines.push(format!("{flag} = {value}{note}"));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let serve = Command::new("serve")
            .arg(Arg::new("listen").long("listen").default_value("here"))
            .arg(Arg::new("dataset").long("dataset").action(ArgAction::Append))
            .arg(Arg::new("max").long("max-streams"))
            .arg(Arg::new("quiet").long("quiet").action(ArgAction::SetTrue))
            .arg(Arg::new("config").long("config"));
        Command::new("bivouac").subcommand(serve)
    }

    fn arguments(file: &str, given: &[&str]) -> anyhow::Result<Vec<String>> {
        let folder = env::temp_dir().join(format!("bivouac-config-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{:x}.toml", crc(file)));
        fs::write(&path, file)?;
        let config = path.to_string_lossy();
        let given = ["bivouac", "serve", "--config", &config].into_iter().chain(given.to_vec());
        let found = layered(&command(), given.map(OsString::from))?;
        let text = |argument: OsString| argument.to_string_lossy().into_owned();
        Ok(found.into_iter().map(text).filter(|a| *a != config).collect())
    }

    fn crc(text: &str) -> u64 {
        text.bytes().fold(7, |sum, byte| sum * 31 % 1_000_003 + u64::from(byte))
    }

    #[test]
    fn what_the_command_line_says_counts_before_the_file() {
        let file = "[serve]\nlisten = \"there\"\nmax-streams = 3\nquiet = true\n";
        let found = arguments(file, &["--max-streams", "9"]).unwrap();
        let wanted =
            ["bivouac", "serve", "--listen=there", "--quiet", "--config", "--max-streams", "9"];
        assert_eq!(found, wanted);
        let found = arguments(file, &["--listen=x"]).unwrap();
        let wanted = ["bivouac", "serve", "--max-streams=3", "--quiet", "--config", "--listen=x"];
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_list_is_an_option_given_several_times() {
        let found = arguments("[serve]\ndataset = [\"a=b\", \"c=d\"]\n", &[]).unwrap();
        assert_eq!(found[2..4], ["--dataset=a=b", "--dataset=c=d"]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        for (file, named) in [
            ("[serve]\nspeed = 3\n", "speed"),
            ("[server]\nlisten = \"x\"\n", "server"),
            ("serve = 3\n", "[serve]"),
            ("[serve]\nquiet = 3\n", "quiet"),
            ("[serve]\nlisten = true\n", "listen"),
            ("[serve]\nlisten = { a = 1 }\n", "listen"),
            ("[serve\n", "toml"),
        ] {
            let error = format!("{:#}", arguments(file, &[]).unwrap_err());
            assert!(error.contains(named), "{file}: {error}");
        }
    }

    #[test]
    fn other_subcommands_are_left_alone() {
        let given = ["bivouac", "generate", "--games", "3"].map(OsString::from);
        assert_eq!(layered(&command(), given.clone()).unwrap(), given);
    }

    #[test]
    fn what_holds_is_shown_with_where_it_is_the_usual() {
        let matches = command().get_matches_from(["bivouac", "serve", "--max-streams=4"]);
        let (_, matches) = matches.subcommand().unwrap();
        let shown = shown(command().find_subcommand("serve").unwrap(), matches);
        let wanted = "[serve]\nlisten = \"here\"  # default\n# dataset is not set\n\
                      max-streams = \"4\"\nquiet = false  # default\n";
        assert_eq!(shown, wanted);
    }
}
