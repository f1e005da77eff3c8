//! Authentication (RFC 6120 section 6): SCRAM where the server can, PLAIN only under TLS.
//!
//! The exchange is our own because tokio-xmpp's takes any success for one: a server that does not know the password
//! could say so too. Here it must prove that it does.

use futures::{SinkExt, StreamExt};
use muji_xep::Secret;
use sasl::client::mechanisms::{Plain, Scram};
use sasl::client::{Mechanism as Exchange, MechanismError};
use sasl::common::scram::{Sha1, Sha256};
use sasl::common::{ChannelBinding, Credentials};
use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio_xmpp::xmlstream::{FallibleStreamElement, InitiatingStream, XmppStream, XmppStreamElement};
use xmpp_parsers::sasl::{Auth, DefinedCondition, Failure, Mechanism as Name, Nonza, Response};
use xmpp_parsers::sasl_cb::Type as Binding;
use xmpp_parsers::stream_features::StreamFeatures;

use super::error::LoginError;

/// Rounds of hashing a server may ask for. Servers ask for 4096 to some ten thousand; more would only block us.
const MAX_ITERATIONS: u32 = 1_000_000;

/// A way to log in, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mechanism {
    /// SCRAM-SHA-256-PLUS: nobody stands between us and the server.
    ScramSha256Plus,
    /// SCRAM-SHA-256: the password is not shown to the server.
    ScramSha256,
    /// SCRAM-SHA-1-PLUS.
    ScramSha1Plus,
    /// SCRAM-SHA-1.
    ScramSha1,
    /// PLAIN: the server gets the password itself, under TLS.
    Plain,
}

impl Mechanism {
    const ALL: [(Self, &'static str); 5] = [
        (Self::ScramSha256Plus, "SCRAM-SHA-256-PLUS"),
        (Self::ScramSha256, "SCRAM-SHA-256"),
        (Self::ScramSha1Plus, "SCRAM-SHA-1-PLUS"),
        (Self::ScramSha1, "SCRAM-SHA-1"),
        (Self::Plain, "PLAIN"),
    ];

    fn binds(self) -> bool {
        matches!(self, Self::ScramSha256Plus | Self::ScramSha1Plus)
    }

    /// Its name in the registry of SASL.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(mechanism, _)| *mechanism == self).map_or("", |(_, name)| name)
    }
}

/// What of the connection matters for the choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Channel {
    /// There is TLS.
    pub(super) secure: bool,
    /// The channel binding `tls-exporter`, where there is one.
    pub(super) exporter: Option<Vec<u8>>,
}

/// The best mechanism that both sides support.
fn choose(features: &StreamFeatures, channel: &Channel) -> Option<Mechanism> {
    let offered = |name: &str| features.sasl_mechanisms.contains(name);
    let bindings = features.sasl_cb.as_ref().map(|known| known.types.as_slice()).unwrap_or_default();
    // Without XEP-0440 a server may mean a binding that TLS 1.3 has not (ejabberd 23.01 does).
    let binds = channel.exporter.is_some() && bindings.contains(&Binding::TlsExporter);
    let ours = Mechanism::ALL.iter().filter(|(mechanism, name)| {
        offered(name) && (binds || !mechanism.binds()) && (channel.secure || *mechanism != Mechanism::Plain)
    });
    ours.map(|(mechanism, _)| *mechanism).next()
}

/// Logs in over a fresh stream; the stream that comes back must be opened again (RFC 6120 section 6.4.6).
pub(super) async fn authenticate<S: AsyncBufRead + AsyncWrite + Unpin>(
    mut stream: XmppStream<S>,
    features: &StreamFeatures,
    channel: Channel,
    user: &str,
    password: &Secret,
) -> Result<(InitiatingStream<S>, Mechanism), LoginError> {
    let mechanism = choose(features, &channel).ok_or_else(|| {
        let plain = features.sasl_mechanisms.contains(Mechanism::Plain.name());
        if plain { LoginError::PlainWithoutTls } else { LoginError::NoMechanism }
    })?;
    let mut exchange = begin(mechanism, channel, features, user, password).map_err(|why| fault(&why))?;
    let first = exchange.initial();
    send(&mut stream, Nonza::Auth(Auth { mechanism: wire_name(mechanism), data: first.clone() })).await?;
    let mut answer = receive(&mut stream).await?;
    if mechanism != Mechanism::Plain {
        let Nonza::Challenge(challenge) = answer else { return Err(unexpected(&answer)) };
        check_challenge(&first, &challenge.data)?;
        let data = exchange.response(&challenge.data).map_err(|why| fault(&why))?;
        send(&mut stream, Nonza::Response(Response { data })).await?;
        answer = receive(&mut stream).await?;
        if let Nonza::Challenge(proof) = &answer {
            // Some servers prove themselves in a challenge of its own; RFC 5802 allows both.
            exchange.success(&proof.data).map_err(|why| fault(&why))?;
            send(&mut stream, Nonza::Response(Response { data: Vec::new() })).await?;
            let end = receive(&mut stream).await?;
            let Nonza::Success(_) = end else { return Err(unexpected(&end)) };
            return Ok((stream.initiate_reset(), mechanism));
        }
    }
    let Nonza::Success(success) = answer else { return Err(unexpected(&answer)) };
    exchange.success(&success.data).map_err(|why| fault(&why))?;
    Ok((stream.initiate_reset(), mechanism))
}

fn begin(
    mechanism: Mechanism,
    channel: Channel,
    features: &StreamFeatures,
    user: &str,
    password: &Secret,
) -> Result<Box<dyn Exchange + Send>, MechanismError> {
    let bound = Mechanism::ALL.iter().any(|(other, name)| other.binds() && features.sasl_mechanisms.contains(*name));
    let binding = match (channel.exporter, mechanism.binds()) {
        (Some(exporter), true) => ChannelBinding::TlsExporter(exporter),
        // "We could, you cannot": so that the server notices if the -PLUS names were cut out of its offer (RFC 5802 section 6).
        (Some(_), false) if !bound => ChannelBinding::Unsupported,
        _ => ChannelBinding::None,
    };
    let credentials = Credentials::default().with_password(password.expose()).with_channel_binding(binding);
    // SCRAM gives these two signs a meaning of its own (RFC 5802 section 5.1).
    let escaped = || credentials.clone().with_username(user.replace('=', "=3D").replace(',', "=2C"));
    Ok(match mechanism {
        Mechanism::ScramSha256Plus | Mechanism::ScramSha256 => Box::new(Scram::<Sha256>::from_credentials(escaped())?),
        Mechanism::ScramSha1Plus | Mechanism::ScramSha1 => Box::new(Scram::<Sha1>::from_credentials(escaped())?),
        Mechanism::Plain => Box::new(Plain::from_credentials(credentials.with_username(user))?),
    })
}

/// What the library does not look at: the server's nonce must go on ours, and its work must be bearable.
fn check_challenge(first: &[u8], challenge: &[u8]) -> Result<(), LoginError> {
    let wrong = |why: &str| LoginError::Protocol(why.to_owned());
    let first = String::from_utf8_lossy(first);
    let challenge = std::str::from_utf8(challenge).map_err(|_| wrong("its challenge is no text"))?;
    let field = |name: &str| challenge.split(',').find_map(|field| field.strip_prefix(name));
    let ours = first.rsplit_once(",r=").map_or("", |(_, nonce)| nonce);
    if !field("r=").is_some_and(|nonce| nonce.len() > ours.len() && nonce.starts_with(ours)) {
        return Err(wrong("its challenge answers another login"));
    }
    let iterations: Option<u32> = field("i=").and_then(|number| number.parse().ok());
    if !iterations.is_some_and(|iterations| (1..=MAX_ITERATIONS).contains(&iterations)) {
        return Err(wrong("it asks for more hashing than any server does"));
    }
    Ok(())
}

async fn send<S: AsyncBufRead + AsyncWrite + Unpin>(
    stream: &mut XmppStream<S>,
    nonza: Nonza,
) -> Result<(), LoginError> {
    stream.send(&XmppStreamElement::Sasl(nonza)).await.map_err(|why| LoginError::Protocol(why.to_string()))
}

async fn receive<S: AsyncBufRead + AsyncWrite + Unpin>(stream: &mut XmppStream<S>) -> Result<Nonza, LoginError> {
    match stream.next().await {
        Some(Ok(FallibleStreamElement::Ok(XmppStreamElement::Sasl(nonza)))) => Ok(nonza),
        Some(Ok(FallibleStreamElement::Ok(XmppStreamElement::StreamError(error)))) => Err(LoginError::ended(&error.0)),
        _ => Err(LoginError::Protocol("it broke off the login".to_owned())),
    }
}

fn wire_name(mechanism: Mechanism) -> Name {
    match mechanism {
        Mechanism::ScramSha256Plus => Name::ScramSha256Plus,
        Mechanism::ScramSha256 => Name::ScramSha256,
        Mechanism::ScramSha1Plus => Name::ScramSha1Plus,
        Mechanism::ScramSha1 => Name::ScramSha1,
        Mechanism::Plain => Name::Plain,
    }
}

/// What came is not what the exchange goes on with.
fn unexpected(nonza: &Nonza) -> LoginError {
    if let Nonza::Failure(failure) = nonza {
        return refusal(failure);
    }
    LoginError::Protocol("it sent something in the login that has no meaning there".to_owned())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most conditions mean the same to a user")]
fn refusal(failure: &Failure) -> LoginError {
    match failure.defined_condition {
        DefinedCondition::AccountDisabled | DefinedCondition::CredentialsExpired => LoginError::AccountDisabled,
        DefinedCondition::TemporaryAuthFailure => LoginError::Busy,
        _ => LoginError::Rejected,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the errors are another crate's, and few mean something of their own"
)]
fn fault(error: &MechanismError) -> LoginError {
    match error {
        MechanismError::InvalidSignatureInSuccessResponse
        | MechanismError::NoSignatureInSuccessResponse
        | MechanismError::CannotDecodeSuccessResponse => LoginError::ServerNotProven,
        other => LoginError::Protocol(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use xmpp_parsers::sasl_cb::SaslChannelBinding;

    use super::*;

    fn offer(names: &[&str], bindings: Option<Vec<Binding>>) -> StreamFeatures {
        StreamFeatures {
            sasl_mechanisms: names.iter().map(|name| (*name).to_owned()).collect(),
            sasl_cb: bindings.map(|types| SaslChannelBinding { types }),
            ..StreamFeatures::default()
        }
    }

    fn tls13() -> Channel {
        Channel { secure: true, exporter: Some(vec![7; 32]) }
    }

    #[test]
    fn the_strongest_of_what_both_can_is_chosen() {
        let all = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "ANONYMOUS"];
        let exporter = || Some(vec![Binding::TlsUnique, Binding::TlsExporter]);
        assert_eq!(choose(&offer(&all, exporter()), &tls13()), Some(Mechanism::ScramSha256Plus));
        let tls12 = Channel { secure: true, exporter: None };
        assert_eq!(choose(&offer(&all, exporter()), &tls12), Some(Mechanism::ScramSha256));
        assert_eq!(choose(&offer(&all, None), &tls13()), Some(Mechanism::ScramSha256), "it may mean tls-unique");
        assert_eq!(choose(&offer(&all, Some(vec![Binding::TlsUnique])), &tls13()), Some(Mechanism::ScramSha256));
        assert_eq!(choose(&offer(&all[..3], exporter()), &tls13()), Some(Mechanism::ScramSha1Plus));
    }

    #[test]
    fn plain_is_only_spoken_under_tls_and_anonymous_never() {
        assert_eq!(choose(&offer(&["PLAIN"], None), &tls13()), Some(Mechanism::Plain));
        assert_eq!(choose(&offer(&["PLAIN"], None), &Channel::default()), None);
        assert_eq!(choose(&offer(&["ANONYMOUS", "X-OAUTH2"], None), &tls13()), None);
    }

    fn header(features: &StreamFeatures, channel: Channel) -> String {
        let mechanism = choose(features, &channel).unwrap();
        let first = begin(mechanism, channel, features, "romeo,=", &Secret::new("rose")).unwrap().initial();
        String::from_utf8(first).unwrap().split(",r=").next().unwrap().to_owned()
    }

    #[test]
    fn a_cut_offer_of_channel_binding_can_be_noticed_by_the_server() {
        assert_eq!(header(&offer(&["SCRAM-SHA-1"], None), tls13()), "y,,n=romeo=2C=3D");
        assert_eq!(header(&offer(&["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"], None), tls13()), "n,,n=romeo=2C=3D");
        assert_eq!(header(&offer(&["SCRAM-SHA-1"], None), Channel::default()), "n,,n=romeo=2C=3D");
        let plus = offer(&["SCRAM-SHA-1-PLUS"], Some(vec![Binding::TlsExporter]));
        assert_eq!(header(&plus, tls13()), "p=tls-exporter,,n=romeo=2C=3D");
    }

    #[test]
    fn a_challenge_for_somebody_else_or_of_endless_work_is_refused() {
        let first = b"n,,n=romeo,r=abc";
        assert!(check_challenge(first, b"r=abcdef,s=c2FsdA==,i=4096").is_ok());
        for wrong in [
            &b"r=abc,s=c2FsdA==,i=4096"[..],
            b"r=xyzdef,s=c2FsdA==,i=4096",
            b"s=c2FsdA==,i=4096",
            b"r=abcdef,s=c2FsdA==,i=4294967295",
            b"r=abcdef,s=c2FsdA==,i=0",
            b"r=abcdef,s=c2FsdA==",
            b"\xff",
        ] {
            assert!(check_challenge(first, wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
