//! `ringhold send`: files to whoever has the code, through a relay that cannot read them. The code
//! goes to stdout, alone, as soon as the relay has given its number.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _, stderr, stdin, stdout};
use std::process::ExitCode;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};
use tracing::info;

use super::progress_bar::{endless_bar, progress_bar};
use super::stopping::{stopped, unless_stopped};
use super::transfer_watch::Show;
use super::{Failure, figures, printable};
use crate::client::ReadAhead;
use crate::client::peer::{Code, PeerError, Session};
use crate::client::transfer::{Frames, Meeting, Offer, Sending};
use crate::config::{SendArguments, SendCommand, SendWhat};

/// Where both ends meet unless told otherwise.
pub(super) const RELAY_DEFAULT: &str = "127.0.0.1:9021";

/// Sends files. The exit code is 0 when all of them arrived.
pub fn send(arguments: SendArguments) -> Result<ExitCode, Failure> {
    let command = SendCommand::resolve(arguments).map_err(Failure::usage)?;
    let offer = offer(&command)?;
    let runtime = runtime()?;
    let ended = runtime.block_on(run(&command, offer));
    // A read of stdin that is under way is not waited for.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

/// As many threads as cores: lines are worth their cores.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_multi_thread().enable_all().thread_name("rh-peer").build();
    runtime.map_err(|error| Failure::failed(format!("cannot start a runtime: {error}")))
}

/// What is sent, and a word about what of it is not.
fn offer(command: &SendCommand) -> Result<Offer, Failure> {
    let offer = match &command.what {
        SendWhat::Files(files) => Offer::of_paths(files),
        SendWhat::Stdin(name) => Offer::of_stream(name),
    };
    let offer = offer.map_err(Failure::failed)?;
    for (path, why) in &offer.skipped {
        info!("{} is left out: {why}", printable::path(path));
    }
    Ok(offer)
}

async fn run(command: &SendCommand, offer: Offer) -> Result<(), Failure> {
    let registered = meet(Session::register(&command.relay)).await?;
    let code = Code::random(registered.nameplate(), command.words).map_err(Failure::failed)?;
    tell_code(command, &code, &offer)?;
    let session = meet(registered.agree(&code)).await?;
    drop(code);
    info!("the receiver has the code");
    let bar = match command.what {
        SendWhat::Files(_) => progress_bar(command.progress, offer.size_bytes()),
        SendWhat::Stdin(_) => endless_bar(command.progress),
    };
    let accepted = "the receiver takes it";
    let show = Show { bar, json: command.json, accepted, began: Instant::now().into() };
    let (sending, mut watch) =
        Sending::new(meeting(session), offer, frames(command)?, command.options);
    let moved = show.run(sending.run(stopped()), &mut watch).await?;
    show.conclude("sent", moved)
}

/// How lines come about at the relay.
pub(super) fn meeting(session: Session) -> Meeting {
    Meeting::by(move |index| {
        let session = session.clone();
        async move { session.line(index).await }
    })
}

fn frames(command: &SendCommand) -> Result<Option<Frames>, Failure> {
    if matches!(command.what, SendWhat::Files(_)) {
        return Ok(None);
    }
    let frames = ReadAhead::new(stdin());
    let frames = frames.map_err(|error| Failure::failed(format!("cannot read stdin: {error}")))?;
    Ok(Some(Box::pin(frames)))
}

/// The code on stdout; for a person, what to do with it.
fn tell_code(command: &SendCommand, code: &Code, offer: &Offer) -> Result<(), Failure> {
    let text = code.text();
    let mut out = stdout().lock();
    let written = if command.json {
        writeln!(out, "{{\"code\":\"{}\"}}", &*text)
    } else {
        writeln!(out, "{}", &*text)
    };
    written.and_then(|()| out.flush()).map_err(|error| {
        Failure::failed(format!("stdout cannot be written ({error}): nobody would have the code"))
    })?;
    if stderr().is_terminal() {
        let relay = match command.relay.to_string() {
            relay if relay == RELAY_DEFAULT => String::new(),
            relay => format!("--relay {relay} "),
        };
        let what = if offer.is_stream() {
            "stdin".to_owned()
        } else {
            let (files, size) = (offer.file_count(), figures::size(offer.size_bytes()));
            format!("{files} file{}, {size}", if files == 1 { "" } else { "s" })
        };
        // Who closed stderr does not want to know.
        let _ = writeln!(
            stderr(),
            "to be sent: {what}\non the other machine: ringhold receive {relay}{}",
            &*text
        );
    }
    Ok(())
}

/// A step before the other end is there, which nobody has to be told of.
pub(super) async fn meet<T>(
    step: impl Future<Output = Result<T, PeerError>>,
) -> Result<T, Failure> {
    let met = unless_stopped(step, || "nothing was moved".to_owned()).await?;
    met.map_err(|error| Failure::failed(printable::plain(&error.to_string())))
}
