//! The `ringhold` binary: parse, dispatch, exit code (0 done, 1 failed, 2 asked wrongly). Floor 7.

use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;

use clap::Parser;
use ringhold::cli::{self, Failure};
use ringhold::config::{Arguments, Command, Environment};

fn main() -> ExitCode {
    // A command line that makes no sense ends here, with 2; --help and --version with 0.
    let arguments = Arguments::parse();
    let environment = Environment::of_process();
    let _log = match cli::prepare(&arguments.command, &environment) {
        Ok(log) => log,
        Err(failure) => {
            say(&failure);
            return ExitCode::from(failure.exit_code());
        }
    };
    match dispatch(arguments.command, &environment) {
        Ok(code) => code,
        Err(failure) => {
            tell(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(command: Command, environment: &Environment) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(arguments) => cli::serve(arguments, environment).map(|()| ExitCode::SUCCESS),
        Command::Verify(arguments) => cli::verify(arguments),
        Command::Copy(arguments) => cli::copy(arguments),
        Command::Put(arguments) => cli::put(arguments, environment),
        Command::Get(arguments) => cli::get(arguments, environment),
        Command::Relay(arguments) => {
            cli::relay(&arguments, environment).map(|()| ExitCode::SUCCESS)
        }
        Command::Send(arguments) => cli::send(arguments),
        Command::Receive(arguments) => cli::receive(arguments, environment),
        Command::Doctor(arguments) => cli::doctor(arguments, environment),
        Command::Health(arguments) => cli::health(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Generate(what) => cli::generate(&what).map(|()| ExitCode::SUCCESS),
    }
}

/// To a person as it is, to a program as a line of the log.
fn tell(failure: &Failure) {
    if stderr().is_terminal() {
        say(failure);
    } else {
        tracing::error!("{failure}");
    }
}

/// A reader who has gone changes nothing: the exit code says it too.
fn say(failure: &Failure) {
    let _ = writeln!(stderr(), "ringhold: {failure}");
}
