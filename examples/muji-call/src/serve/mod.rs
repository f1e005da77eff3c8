//! `muji-call serve`: calls for a client in another process, in any language. The client keeps its connection to the XMPP server, gives the
//! stanzas that come and sends those it is given; media stays in here.

mod client;
mod lines;
mod protocol;

use std::fs;
use std::io::{stdin, stdout};
use std::net::Shutdown;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use muji_core::config::Config;
use serde_json::json;

use crate::args::MediaArgs;
use crate::devices::{self, Opened, Wanted};
use crate::exit::Failure;
use crate::log;
use crate::network::Network;
use client::Client;
use lines::{LinesIn, LinesOut};

/// Options of `muji-call serve`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("where").required(true))]
pub(crate) struct ServeArgs {
    /// Talk to the client over standard input and output
    #[arg(long, group = "where")]
    stdio: bool,

    /// Listen on this Unix socket, and talk to one client after the other; only its owner may open it
    #[arg(long, value_name = "PATH", group = "where")]
    socket: Option<PathBuf>,

    /// Your nick in rooms for calls, where a request names no other [default: a random one]
    #[arg(long)]
    nick: Option<String>,

    /// Trust the certificate authorities in this PEM file instead of the system's, for TURN servers
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Print more: -v warnings, -vv adds debug logs of the libraries, -vvv trace logs; on standard error
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,

    #[command(flatten)]
    media: MediaArgs,

    #[command(flatten)]
    network: Network,
}

/// Serves clients until there are none any more.
pub(crate) async fn run(args: ServeArgs) -> Result<(), Failure> {
    log::begin(args.verbose);
    let Some(path) = &args.socket else {
        return serve(&args, LinesIn::from(stdin()), LinesOut::to(stdout())).await;
    };
    let listener = listen(path)?;
    loop {
        let fault = |why| socket_fault(path, &why);
        let waiting = listener.try_clone().map_err(fault)?;
        let accepted = tokio::task::spawn_blocking(move || waiting.accept()).await;
        let (client, _) = accepted.expect("it does not panic").map_err(fault)?;
        let (from, to) = (client.try_clone().map_err(fault)?, client.try_clone().map_err(fault)?);
        if let Err(why) = serve(&args, LinesIn::from(from), LinesOut::to(to)).await {
            crate::output::error(format_args!("muji-call: {why}"));
        }
        let _gone = client.shutdown(Shutdown::Both).is_err(); // The threads of its lines end.
    }
}

async fn serve(args: &ServeArgs, from: LinesIn, to: LinesOut) -> Result<(), Failure> {
    let opened = devices::open(Wanted {
        media: &args.media,
        network: &args.network,
        ca_file: args.ca_file.as_deref(),
        nick: args.nick.as_deref(),
        window: false,
        video_sink: None,
        bridge: false,
    });
    let Opened { devices, contents, watches } = match opened {
        Ok(opened) => opened,
        Err(why) => {
            // A client of a socket does not see our standard error.
            let told = protocol::Notification::Event(json!({ "event": "warning", "why": why.to_string() }));
            let _hung_or_gone = to.say(&protocol::notification(&told)).await.is_err();
            to.finish().await;
            return Err(why);
        }
    };
    let config = Config { nick: args.nick.clone(), ..Config::default() };
    Client::new(&args.network, devices, contents, watches, config, to)?.run(from).await
}

/// Opens the socket. One that a dead process left behind is taken; one of a living process is not.
fn listen(path: &Path) -> Result<UnixListener, Failure> {
    let fault = |why| socket_fault(path, &why);
    if UnixStream::connect(path).is_ok() {
        return Err(Failure::Usage(format!("--socket {}: another muji-call listens there", path.display())));
    }
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path).map_err(fault)?;
    }
    if path.exists() {
        return Err(Failure::Usage(format!("--socket {}: there is a file of this name", path.display())));
    }
    // Made where nobody else comes, as it belongs to all who can reach it until its mode is set.
    let name = format!(".muji-call-{}", std::process::id());
    let private = path.with_file_name(name);
    fs::DirBuilder::new().mode(0o700).create(&private).map_err(fault)?;
    let made = UnixListener::bind(private.join("socket")).and_then(|listener| {
        fs::set_permissions(private.join("socket"), fs::Permissions::from_mode(0o600))?;
        fs::rename(private.join("socket"), path)?;
        Ok(listener)
    });
    fs::remove_dir_all(&private).map_err(fault)?;
    made.map_err(fault)
}

fn socket_fault(path: &Path, why: &std::io::Error) -> Failure {
    Failure::Usage(format!("--socket {}: {why}", path.display()))
}
