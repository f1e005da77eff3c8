//! A server that says anything while a client logs in and after: stream features, SASL, binding, stream management, stanzas.
//!
//! The stream is a real one over loopback, as `Connection` takes no other, in virtual time: every wait of the client ends, and what it
//! gives is within its bounds. Time may pass before bytes arrive, and nonces are random, so an input that fails once need not fail again.

use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use muji_core::Secret;
use muji_core::xmpp::{Account, Connection, Incoming, Server};
use muji_harness::scram::Exchange;
use muji_xep::Element;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::choices::Choices;
use crate::stanza::{NAMES, stanza};

const PASSWORD: &str = "secret";

/// How many things that come the client takes.
const LOOKS: u32 = 64;

/// How long the client waits for each.
const LOOK: Duration = Duration::from_secs(225);

/// All that the client waits for, and as long again for the login, the answers and the end.
const DEADLINE: Duration = LOOK.saturating_mul(2 * LOOKS);

/// How long the server waits for what the client says.
const LISTENS: Duration = Duration::from_millis(50);

/// What a stanza may have at most, in letters: it is cut at a megabyte, and written it needs up to six letters for each.
const MAX_STANZA: usize = 8 << 20;

pub(super) fn run(bytes: &[u8]) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("there is a runtime");
    let bytes = bytes.to_vec();
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a port");
        let jid = "romeo@capulet.example".parse().expect("a JID");
        let server = Server::Plaintext(listener.local_addr().expect("it has one"));
        let account = Account { server, ..Account::new(jid, Secret::new(PASSWORD)) };
        let serving = tokio::spawn(async move { serve(&listener, &mut Choices::new(&bytes)).await });
        timeout(DEADLINE, talk(account)).await.expect("each wait has a deadline");
        serving.abort();
    });
}

/// What a client does.
async fn talk(account: Account) {
    let Ok(mut connection) = Connection::open(account).await else { return };
    for _ in 0..LOOKS {
        match timeout(LOOK, connection.next()).await {
            Ok(Incoming::Stanza(stanza)) => {
                assert!(letters(&stanza) <= MAX_STANZA);
                connection.answer(&stanza).await;
            }
            Ok(Incoming::Over(_)) | Err(_) => return,
            Ok(Incoming::Bound(_) | Incoming::Lost(_) | Incoming::Unsent(_) | Incoming::Resumed) => {}
        }
    }
    connection.close().await;
}

fn letters(element: &Element) -> usize {
    let attributes: usize = element.attrs().iter().map(|((_, name), value)| name.len() + value.len()).sum();
    let texts: usize = element.texts().map(str::len).sum();
    element.name().len() + attributes + texts + element.children().map(letters).sum::<usize>()
}

/// Takes connections as long as there is something to say; then none is taken any more.
async fn serve(listener: &TcpListener, choices: &mut Choices<'_>) {
    while !choices.is_over() {
        let Ok((mut socket, _)) = listener.accept().await else { return };
        let _cut_off = Conversation::default().go(&mut socket, choices).await.is_err();
    }
}

/// What a correct server says, in order: the numbers of [`Conversation::say`].
const CORRECT: [usize; 5] = [0, 1, 2, 3, 4];

#[derive(Default)]
struct Conversation {
    /// What the client said.
    heard: String,
    exchange: Option<Exchange>,
}

impl Conversation {
    /// The first few things are those of a correct server; what follows is chosen.
    async fn go(&mut self, socket: &mut TcpStream, choices: &mut Choices<'_>) -> std::io::Result<()> {
        for number in CORRECT.into_iter().take(choices.below(CORRECT.len() + 1)) {
            self.listen(socket).await?;
            let says = self.say(number, &mut Choices::new(&[]));
            socket.write_all(&says).await?;
        }
        while !choices.is_over() {
            self.listen(socket).await?;
            let number = choices.below(13);
            if number == 12 {
                return Ok(()); // It cuts the connection.
            }
            let says = self.say(number, choices);
            socket.write_all(&says).await?;
        }
        self.listen(socket).await
    }

    async fn listen(&mut self, socket: &mut TcpStream) -> std::io::Result<()> {
        let mut buffer = [0; 4_096];
        while let Ok(length) = timeout(LISTENS, socket.read(&mut buffer)).await {
            match length? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                length => self.heard.push_str(&String::from_utf8_lossy(&buffer[..length])),
            }
        }
        Ok(())
    }

    /// The text of the last element of this name that was heard.
    fn last(&self, name: &str) -> Option<Vec<u8>> {
        let (_, behind) = self.heard.rsplit_once(&format!("<{name} "))?;
        let text = behind.split_once('>')?.1.split('<').next()?;
        BASE64.decode(text).ok()
    }

    fn say(&mut self, number: usize, choices: &mut Choices<'_>) -> Vec<u8> {
        match number {
            0 => {
                let first = choices.one_of(&["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "SCRAM-SHA-256-PLUS", "X-OTHER"]);
                header(&format!(
                    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>{first}</mechanism></mechanisms>"
                ))
            }
            1 => {
                self.exchange = self.last("auth").and_then(|first| Exchange::begin(&first, PASSWORD));
                sasl("challenge", &self.exchange.as_ref().map(Exchange::challenge).unwrap_or_default())
            }
            2 => {
                let response = self.last("response").unwrap_or_default();
                let proof = self.exchange.as_ref().and_then(|exchange| exchange.finish(&response));
                sasl("success", &proof.map(|(_, proof)| proof).unwrap_or_default())
            }
            3 => header(
                "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><sm xmlns='urn:xmpp:sm:3'/>\
                 <session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>",
            ),
            4 => {
                let id =
                    self.heard.rsplit_once(" id=").and_then(|(_, behind)| behind.get(1..)?.split(['\'', '"']).next());
                let jid = choices.one_of(&[
                    "romeo@capulet.example/1",
                    "juliet@capulet.example/1",
                    "romeo@capulet.example",
                    "@",
                ]);
                format!(
                    "<iq type='result' id='{}'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>{jid}</jid></bind></iq>",
                    id.unwrap_or_default()
                )
                .into_bytes()
            }
            5 | 6 => String::from(&stanza(choices, NAMES)).into_bytes(),
            7 => {
                let h = *choices.one_of(&["0", "1", "2", "7", "4294967295", "4294967296", "-1", ""]);
                let kind =
                    *choices.one_of(&["enabled id='sm1' resume='true'", "resumed previd='sm1'", "r", "a", "failed"]);
                format!("<{kind} xmlns='urn:xmpp:sm:3' h='{h}'/>").into_bytes()
            }
            8 => {
                let kind = *choices.one_of(&["not-authorized", "temporary-auth-failure", "account-disabled", "other"]);
                format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{kind}/></failure>").into_bytes()
            }
            9 => {
                let kind = *choices.one_of(&["conflict", "system-shutdown", "see-other-host", "other"]);
                format!(
                    "<stream:error><{kind} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
                )
                .into_bytes()
            }
            10 => self.challenge(choices),
            _ => choices.bytes().to_vec(),
        }
    }

    /// A challenge that goes on with the client's nonce, and may ask for anything.
    fn challenge(&self, choices: &mut Choices<'_>) -> Vec<u8> {
        let first = self.last("auth").unwrap_or_default();
        let first = String::from_utf8_lossy(&first).into_owned();
        let nonce = first.rsplit_once("r=").map_or("", |(_, nonce)| nonce);
        let salt = BASE64.encode(choices.bytes());
        let rounds = *choices.one_of(&["1", "0", "4096", "4294967295", "4294967296", "-1", ""]);
        let kind = *choices.one_of(&["challenge", "success"]);
        sasl(kind, format!("r={nonce}x,s={salt},i={rounds}").as_bytes())
    }
}

fn header(features: &str) -> Vec<u8> {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' \
         from='capulet.example' version='1.0'><stream:features>{features}</stream:features>"
    )
    .into_bytes()
}

fn sasl(name: &str, data: &[u8]) -> Vec<u8> {
    format!("<{name} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</{name}>", BASE64.encode(data)).into_bytes()
}
