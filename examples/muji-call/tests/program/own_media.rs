//! The example of a client's own media layer, once as who calls and once as who is called.

use muji_core::Event;
use muji_core::Secret;
use muji_core::xmpp::{Account, Server as At};
use muji_harness::room::Rules;
use muji_harness::server::Server;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::*;

#[path = "../../../own_media.rs"]
#[expect(dead_code, reason = "its main function is the example's")]
mod example;

/// Stays in the call, and says so once the other is heard.
async fn talk(server: &Server, name: &str, heard: mpsc::Sender<()>) -> Result<(), Box<dyn std::error::Error>> {
    let mut account = Account::new(format!("{name}@localhost").parse()?, Secret::new(PASSWORD));
    account.server = At::Plaintext(server.address());
    let show = |event: &Event| {
        if let Event::PeerFlowing(..) = event {
            heard.try_send(()).expect("there is a place for each");
        }
    };
    example::talk(account, ROOM.parse()?, example::Words::new(name)?, show).await
}

#[tokio::test]
async fn two_with_a_media_layer_of_their_own_hear_each_other() {
    let server = server(Rules::default()).await;
    let (tell, mut heard) = mpsc::channel(2);
    let both = async {
        heard.recv().await.expect("they are in the call");
        heard.recv().await.expect("they are in the call");
    };
    let call = async {
        tokio::select! {
            ended = talk(&server, "romeo", tell.clone()) => panic!("nobody hangs up: {ended:?}"),
            ended = talk(&server, "juliet", tell.clone()) => panic!("nobody hangs up: {ended:?}"),
            () = both => {}
        }
    };
    timeout(LIMIT, call).await.expect("both hear the other");
}
