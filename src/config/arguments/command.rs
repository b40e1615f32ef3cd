//! The command line as a whole.

use clap::{Parser, Subcommand};

use super::{
    CopyArguments, DoctorArguments, Generated, GetArguments, HealthArguments, PutArguments,
    ReceiveArguments, RelayArguments, SendArguments, ServeArguments, VerifyArguments,
};

/// Storage daemon for Linux: files in and out over HTTP, durable, hashed, with IDs that cannot be
/// forged.
#[derive(Clone, Debug, Parser)]
#[command(name = "ringhold", version, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Take in and hand out files over HTTP
    Serve(ServeArguments),
    /// Check every stored object against its hashes; beside a running daemon too
    Verify(VerifyArguments),
    /// Copy files as fast as the disk allows, whole or not at all
    Copy(CopyArguments),
    /// Upload files: streamed, checked, one file ID a line
    Put(PutArguments),
    /// Fetch a file: over several connections, every block checked, gone on with after a stop
    Get(GetArguments),
    /// Bring together two ends that both connect out, and move their bytes
    Relay(RelayArguments),
    /// Send files and folders to whoever has the code, through a relay that cannot read them
    Send(SendArguments),
    /// Receive what somebody sends who told a code
    Receive(ReceiveArguments),
    /// Say what works here for `serve`, what does not, and the remedy
    Doctor(DoctorArguments),
    /// Ask a running daemon whether it is ready: exit code 0 if it is, 1 if not
    Health(HealthArguments),
    /// Make what a package installs beside the binary
    #[command(hide = true, subcommand, arg_required_else_help = true)]
    Generate(Generated),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use ipnet::IpNet;

    use super::*;

    #[test]
    fn every_flag_has_its_environment_name() {
        let mut command = Arguments::command();
        command.build();
        for subcommand in command.get_subcommands().filter(|one| one.get_name() != "help") {
            let flags = subcommand.get_arguments().filter(|one| !one.is_positional());
            for flag in flags.filter(|flag| flag.get_id() != "help") {
                let long = flag.get_long().expect("flags are written out");
                let expected = format!("RINGHOLD_{}", long.to_uppercase().replace('-', "_"));
                let name = flag.get_env().map(|name| name.to_string_lossy().into_owned());
                assert_eq!(name, Some(expected), "--{long}");
            }
        }
    }

    #[test]
    fn no_secret_can_be_given_where_everybody_sees_it() {
        let mut command = Arguments::command();
        command.build();
        let flags = command.get_subcommands().flat_map(clap::Command::get_arguments);
        for flag in flags {
            assert!(!flag.get_id().as_str().contains("secret"), "{}", flag.get_id());
        }
    }

    #[test]
    fn networks_come_one_by_one_or_in_a_list() {
        let line = ["ringhold", "serve", "--import-allow", "10.0.0.0/8, ::1", "--import-allow"];
        let parsed = Arguments::try_parse_from([&line[..], &["192.0.2.1"]].concat()).unwrap();
        let Command::Serve(arguments) = parsed.command else { panic!("asked for serve") };
        let networks: Vec<_> = arguments.import_allow.iter().map(IpNet::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "::1/128", "192.0.2.1/32"]);
    }

    #[test]
    fn a_command_line_that_makes_no_sense_is_a_usage_error() {
        for wrong in [
            &["ringhold", "serve", "--grace", "30"][..],
            &["ringhold", "serve", "--chunk-size", "big"],
            &["ringhold", "serve", "--engine", "steam"],
            &["ringhold", "serve", "--import-allow", "localhost"],
            &["ringhold", "serve", "extra"],
            &["ringhold", "verify", "--rate", "fast"],
            &["ringhold", "copy", "only-one"],
            &["ringhold", "copy", "--progress", "sometimes", "a", "b"],
            &["ringhold", "put"],
            &["ringhold", "relay", "--expire", "1"],
            &["ringhold", "put", "--retries", "101", "a"],
            &["ringhold", "put", "--progress", "sometimes", "a"],
            &["ringhold", "send"],
            &["ringhold", "send", "-j", "0", "a"],
            &["ringhold", "send", "-j", "17", "a"],
            &["ringhold", "send", "--words", "9", "a"],
            &["ringhold", "receive", "one", "two"],
            &["ringhold", "get"],
            &["ringhold", "get", "-j", "0", "0:a"],
            &["ringhold", "get", "-j", "256", "0:a"],
            &["ringhold", "sever"],
        ] {
            let refused = Arguments::try_parse_from(wrong).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{wrong:?}");
        }
    }
}
