//! `bivouac`: simulate, import, replay and measure games of a fog-of-war strategy game.

mod cli;
mod cmd;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            cli::report_error(&error);
            ExitCode::FAILURE
        }
    }
}
