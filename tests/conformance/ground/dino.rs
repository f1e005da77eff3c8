//! A real Dino without a screen, in a network namespace of its own. It takes root.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use muji_conformance::harness::authority::Authority;
use muji_conformance::harness::dino::{Dino, Owner};
use muji_conformance::harness::net::Net;
use muji_conformance::harness::server::Door;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::client::{Account, Client};
use super::server::{DOMAIN, HOST, Loopback};
use super::{Cannot, Order};

/// Where Dino looks for its server: it knows no other ports.
const PORT: u16 = 5_222;

/// Those with whom it has conversations: others it drops in silence.
const FRIENDS: [&str; 4] = [HOST, "tybalt", "paris", "nurse"];

const NOTHING_RINGS: Cannot = Cannot::Here("nothing rings at it");
const NO_CALL: Cannot = Cannot::Here("it shows no call");

/// A Dino, and the network in which it and its server are.
struct OfDino {
    // In this order: Dino ends before its network.
    dino: Dino,
    _net: Net,
    authority: PathBuf,
}

/// The server of one case, and a Dino.
pub(crate) fn start() -> io::Result<Loopback> {
    let net = Net::new()?.map_err(io::Error::other)?;
    let authority = Authority::new();
    let tls = authority.certify(&[DOMAIN, &format!("conference.{DOMAIN}")]).config();
    let file = std::env::temp_dir().join(format!("{}.pem", net.place()));
    std::fs::write(&file, authority.pem())?;
    let door = Door { tls: Some(tls), ..Door::default() };
    // Threads stay where they were begun: this one goes there to start the server, and comes back.
    let back = File::open("/proc/thread-self/ns/net")?;
    enter(&File::open(format!("/run/netns/{}", net.place()))?)?;
    let started = Loopback::behind(door, PORT, |account| begin(net, &account, file));
    enter(&back)?;
    started
}

fn enter(namespace: &File) -> io::Result<()> {
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

fn begin(net: Net, account: &Account, authority: PathBuf) -> io::Result<Box<dyn Client>> {
    let friends = FRIENDS.map(|name| format!("{name}@{DOMAIN}"));
    let owner = Owner {
        jid: &account.jid,
        password: &account.password,
        authority: &authority,
        friends: &friends,
        tone: 400,
        camera: None,
    };
    let dino = Dino::start(net.place(), &owner)?.map_err(io::Error::other)?;
    Ok(Box::new(OfDino { dino, _net: net, authority }))
}

impl Client for OfDino {
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
            Order::Call(_) => {
                return Err(Cannot::Here("it calls only devices whose presence it sees, and here is none"));
            }
        };
        if done { Ok(()) } else { Err(otherwise) }
    }

    fn gone(&mut self) -> Option<Cannot> {
        None // What it does not say any more is missed by the case.
    }
}

impl Drop for OfDino {
    fn drop(&mut self) {
        let _left_over = std::fs::remove_file(&self.authority).is_err();
    }
}
