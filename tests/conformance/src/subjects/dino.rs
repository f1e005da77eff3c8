//! A real Dino without a screen, in a network namespace of its own; needs root.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use muji_harness::authority::Authority;
use muji_harness::dino::{Dino, Owner};
use muji_harness::network::{Network, visit};
use muji_harness::real_server::{PEOPLE, RealServer};
use muji_harness::server::LoginOptions;

use super::client::{Account, Client};
use super::real_server::{OnRealServer, PASSWORD};
use super::server::{DOMAIN, Loopback};
use super::{Cannot, HOST, Order};

/// Where Dino looks for its server: it knows no other ports.
const PORT: u16 = 5_222;

/// Those with whom it has conversations: others it drops in silence.
const FRIENDS: [&str; 4] = [HOST, "tybalt", "paris", "nurse"];

/// Within this Dino learns whether a contact can be called.
const LEARNS: Duration = Duration::from_secs(10);

const NOTHING_RINGS: Cannot = Cannot::Here("nothing rings at it");
const NO_DEVICE: Cannot = Cannot::Here("it calls only devices whose presence it sees");
const NO_CALL: Cannot = Cannot::Here("it shows no call");

/// A Dino, and the network in which it and its server are.
struct DinoClient {
    // In this order: Dino ends before its network.
    dino: Dino,
    _net: Network,
    left_over: Option<PathBuf>,
    /// Since when it is to call who is shown, and has not done so.
    calling: Option<Instant>,
}

/// The server of one case, and a Dino.
pub(crate) fn start() -> io::Result<Loopback> {
    let net = Network::new()?.map_err(io::Error::other)?;
    let authority = Authority::new();
    let tls = authority.certify(&[DOMAIN, &format!("conference.{DOMAIN}")]).config();
    let file = std::env::temp_dir().join(format!("{}.pem", net.place()));
    std::fs::write(&file, authority.pem())?;
    let login = LoginOptions { tls: Some(tls), ..LoginOptions::default() };
    let place = net.place().to_owned();
    visit(&place, || {
        Loopback::with_login(login, PORT, |account| {
            let friends = FRIENDS.map(|name| format!("{name}@{DOMAIN}"));
            begin(net, &account, &friends, &file, Some(file.clone()))
        })
    })
}

/// A Prosody, and a Dino that sees who is there.
pub(crate) fn over_prosody() -> io::Result<OnRealServer> {
    let net = Network::new()?.map_err(io::Error::other)?;
    let server = RealServer::prosody_at_home(net.place(), PASSWORD)?;
    let place = net.place().to_owned();
    visit(&place, || {
        OnRealServer::over(server, |account, server| {
            let friends = PEOPLE.map(|name| format!("{name}@{}", server.domain));
            let friends: Vec<String> = friends.into_iter().filter(|friend| *friend != account.jid).collect();
            begin(net, &account, &friends, Path::new(&server.authority()), None)
        })
    })
}

fn begin(
    net: Network,
    account: &Account,
    friends: &[String],
    authority: &Path,
    left_over: Option<PathBuf>,
) -> io::Result<Box<dyn Client>> {
    let (jid, password) = (&account.jid, &account.password);
    let owner = Owner { jid, password, authority, friends, tone: 400, camera: None };
    let dino = Dino::start(net.place(), &owner)?.map_err(io::Error::other)?;
    Ok(Box::new(DinoClient { dino, _net: net, left_over, calling: None }))
}

impl Client for DinoClient {
    /// It enters no room by its name.
    fn comes_by_invitation(&self) -> bool {
        true
    }

    fn order(&mut self, order: &Order) -> Result<(), Cannot> {
        let (done, otherwise) = match order {
            Order::Wait => (true, NO_CALL),
            Order::Accept => (self.dino.answer("accept"), NOTHING_RINGS),
            Order::Decline => (self.dino.answer("reject"), NOTHING_RINGS),
            Order::Leave => (self.dino.press("hang up"), NO_CALL),
            Order::Mute | Order::Unmute => (self.dino.press("microphone"), NO_CALL),
            Order::AddPictures | Order::RemovePictures => return Err(Cannot::Here("it has no camera here")),
            // By a dialog, from its contacts, whom it does not have here.
            Order::Join(..) => return Err(Cannot::NotImplemented),
            Order::Call(whom) => {
                let shown = self.dino.open(whom.as_str());
                self.calling = shown.then(Instant::now);
                (shown, Cannot::Here("it calls only contacts of its own"))
            }
        };
        if done { Ok(()) } else { Err(otherwise) }
    }

    fn done(&mut self) -> Option<Result<(), Cannot>> {
        let Some(since) = self.calling else { return Some(Ok(())) };
        let done = if self.dino.calls("audio") {
            Ok(())
        } else if since.elapsed() > LEARNS {
            Err(NO_DEVICE)
        } else {
            return None;
        };
        self.calling = None;
        Some(done)
    }

    fn gone(&mut self) -> Option<Cannot> {
        None // What it does not say any more is missed by the case.
    }
}

impl Drop for DinoClient {
    fn drop(&mut self) {
        let _gone = self.left_over.as_ref().map(std::fs::remove_file);
    }
}
