//! The desktop's portal, by D-Bus (org.freedesktop.portal.ScreenCast): its user chooses what is shared, and PipeWire gives the pictures.
//!
//! ```text
//!  CreateSession ─► SelectSources ─► Start: the desktop asks its user ─► OpenPipeWireRemote ─► shared ─► Closed
//! ```
//!
//! A method gives a request at once, and the signal Response of that request says later what came of it.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures::Stream as _;
use zbus::blocking::connection::Builder;
use zbus::blocking::{Connection, MessageIterator};
use zbus::message::{Flags, Message, Type};
use zbus::zvariant::{self, ObjectPath, OwnedObjectPath, OwnedValue, StructureBuilder, Value};
use zbus::{MatchRule, MessageStream};

use super::super::watched::Viewer;
use crate::device::interface::DeviceError;

/// A method of the portal is answered at once, but D-Bus may have to start the portal and what it consists of. Less than what a thread may
/// take before it counts as hanging.
pub(super) const ANSWER: Duration = Duration::from_secs(4);

/// The desktop's user may have to look for the dialog, and then for the window.
const CONSENT: Duration = Duration::from_secs(300);

/// Between two looks for an answer.
const LOOK: Duration = Duration::from_millis(20);

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const OBJECT: &str = "/org/freedesktop/portal/desktop";
const SCREEN_CAST: &str = "org.freedesktop.portal.ScreenCast";
const REQUEST: &str = "org.freedesktop.portal.Request";
const SESSION: &str = "org.freedesktop.portal.Session";

/// Kinds of what can be shared: monitors and windows. The third is a screen made for this, which shows nothing yet.
const SOURCES: u32 = 1 | 2;

/// The pointer is drawn into the pictures.
const EMBEDDED: u32 = 2;

/// Consent that was given need not be given again while this program runs, from this version of the interface on.
const WHILE_RUNNING: u32 = 1;
const RESTORES: u32 = 4;

/// Names requests and sessions of this process.
static NAMED: AtomicU32 = AtomicU32::new(0);

type Options<'a> = HashMap<&'a str, Value<'a>>;

/// The portal of a desktop, as it says it is.
pub(super) struct Portal<'a> {
    bus: &'a Connection,
    /// Its connection to the bus: only what comes from there is its answer.
    owner: String,
    version: u32,
    sources: u32,
    cursors: u32,
}

/// What is asked of it, and its answers.
struct Requests<'a> {
    portal: &'a Portal<'a>,
    answers: MessageStream,
    viewer: &'a Viewer,
}

/// What the desktop's user let us see. It ends with this.
pub(super) struct Session<'a> {
    portal: &'a Portal<'a>,
    path: OwnedObjectPath,
    closings: MessageStream,
}

/// Where the pictures are.
pub(super) struct Shared {
    pub(super) pipewire: OwnedFd,
    pub(super) node: u32,
    /// Asks for the same again, without a dialog.
    pub(super) restore: Option<String>,
}

/// The session bus with this address, or that of the desktop.
pub(super) fn connect(bus: Option<&str>) -> Result<Connection, DeviceError> {
    let builder = bus.map_or_else(Builder::session, Builder::address);
    let connected = builder.and_then(|builder| builder.method_timeout(ANSWER).build());
    connected
        .map_err(|why| DeviceError(format!("no screen can be shared: the D-Bus session bus cannot be reached: {why}")))
}

impl<'a> Portal<'a> {
    /// Asks what it can do.
    pub(super) fn find(bus: &'a Connection) -> Result<Self, DeviceError> {
        let reply =
            bus.call_method(Some(PORTAL), OBJECT, Some("org.freedesktop.DBus.Properties"), "GetAll", &SCREEN_CAST);
        let reply = reply.map_err(|why| missing(&why))?;
        let owner = reply.header().sender().map(ToString::to_string).unwrap_or_default();
        let body = reply.body();
        let properties: Options<'_> = body.deserialize().map_err(|why| odd("GetAll", &why))?;
        let number = |name: &str| properties.get(name).and_then(|it| u32::try_from(it).ok()).unwrap_or_default();
        let [version, sources, cursors] = ["version", "AvailableSourceTypes", "AvailableCursorModes"].map(number);
        if version == 0 || sources & SOURCES == 0 {
            let why = "no screen can be shared: the desktop's portal has no ScreenCast for screens and windows";
            return Err(DeviceError(why.to_owned()));
        }
        Ok(Self { bus, owner, version, sources, cursors })
    }

    /// Asks the desktop's user what is shared, and waits for the answer while `viewer` wants it.
    pub(super) fn share(&self, restore: Option<&str>, viewer: &Viewer) -> Result<(Session<'_>, Shared), DeviceError> {
        let closings = self.signals(SESSION, "Closed")?;
        let mut requests = Requests { portal: self, answers: self.signals(REQUEST, "Response")?, viewer };

        let options = Options::from([("session_handle_token", Value::from(token()))]);
        let results = requests.request("CreateSession", Vec::new(), options, ANSWER)?;
        let path = results.get("session_handle").and_then(|path| <&str>::try_from(path).ok()).unwrap_or_default();
        let path = OwnedObjectPath::try_from(path).map_err(|why| odd("CreateSession", &why.into()))?;
        let session = Session { portal: self, path, closings };
        let this = || Value::ObjectPath(session.path.as_ref());

        let mut options =
            Options::from([("types", Value::from(self.sources & SOURCES)), ("multiple", Value::from(false))]);
        if self.cursors & EMBEDDED != 0 {
            options.insert("cursor_mode", Value::from(EMBEDDED));
        }
        if self.version >= RESTORES {
            options.insert("persist_mode", Value::from(WHILE_RUNNING));
            options.extend(restore.map(|token| ("restore_token", Value::from(token))));
        }
        requests.request("SelectSources", vec![this()], options, ANSWER)?;
        let no_parent = Value::from("");
        let results = requests.request("Start", vec![this(), no_parent], Options::new(), CONSENT)?;
        let node = results.get("streams").and_then(node).ok_or_else(|| {
            DeviceError("nothing is shared: the desktop's portal names no stream of what was chosen".to_owned())
        })?;
        let restore = results.get("restore_token").and_then(|token| <&str>::try_from(token).ok()).map(str::to_owned);

        let reply = self.call("OpenPipeWireRemote", vec![this()], Options::new())?;
        let remote: zvariant::OwnedFd = reply.body().deserialize().map_err(|why| odd("OpenPipeWireRemote", &why))?;
        Ok((session, Shared { pipewire: remote.into(), node, restore }))
    }

    /// Calls a method, whose last argument is its options.
    fn call(
        &self,
        method: &'static str,
        arguments: Vec<Value<'_>>,
        options: Options<'_>,
    ) -> Result<Message, DeviceError> {
        let arguments = arguments.into_iter().chain([Value::from(options)]);
        let body = arguments.fold(StructureBuilder::new(), StructureBuilder::append_field).build();
        let reply = body
            .map_err(zbus::Error::from)
            .and_then(|body| self.bus.call_method(Some(self.owner.as_str()), OBJECT, Some(SCREEN_CAST), method, &body));
        reply.map_err(|why| odd(method, &why))
    }

    /// These signals of the portal, and of nobody else on the bus.
    fn signals(&self, interface: &'static str, member: &'static str) -> Result<MessageStream, DeviceError> {
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(self.owner.as_str());
        let rule = rule.and_then(|rule| rule.interface(interface)).and_then(|rule| rule.member(member));
        let stream = rule.and_then(|rule| MessageIterator::for_match_rule(rule.build(), self.bus, None));
        Ok(stream.map_err(|why| odd(member, &why))?.into_inner())
    }

    /// Closes a request or a session, without waiting for the answer.
    fn close(&self, interface: &'static str, path: &ObjectPath<'_>) {
        let call = Message::method_call(path, "Close")
            .and_then(|call| call.interface(interface))
            .and_then(|call| call.destination(self.owner.as_str()))
            .and_then(|call| call.with_flags(Flags::NoReplyExpected));
        // If the bus is gone, so is the session.
        let _closed = call.and_then(|call| call.build(&())).and_then(|call| self.bus.send(&call));
    }
}

impl Requests<'_> {
    /// Calls a method that gives a request, and waits for what comes of it.
    fn request<'o>(
        &mut self,
        method: &'static str,
        arguments: Vec<Value<'_>>,
        mut options: Options<'o>,
        limit: Duration,
    ) -> Result<HashMap<String, OwnedValue>, DeviceError> {
        options.insert("handle_token", Value::from(token()));
        let reply = self.portal.call(method, arguments, options)?;
        let path: OwnedObjectPath = reply.body().deserialize().map_err(|why| odd(method, &why))?;
        let until = Instant::now() + limit;
        while self.viewer.is_wanted() && Instant::now() < until {
            self.viewer.saw(Ok(None)); // The thread does not hang while the desktop's user thinks.
            match next(&mut self.answers) {
                Poll::Ready(Some(answer)) if answer.header().path() == Some(&*path) => return results(method, &answer),
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => return Err(lost()),
                Poll::Pending => std::thread::sleep(LOOK),
            }
        }
        self.portal.close(REQUEST, &path);
        let silent =
            if method == "Start" { "nobody answered the desktop's dialog" } else { "the desktop's portal is silent" };
        Err(DeviceError(format!("nothing is shared: {silent} for {} s", limit.as_secs())))
    }
}

impl Session<'_> {
    /// Why it has ended, if it has.
    pub(super) fn poll_end(&mut self) -> Option<DeviceError> {
        loop {
            match next(&mut self.closings) {
                Poll::Ready(Some(closing)) if closing.header().path() == Some(&*self.path) => {
                    let why = "nothing is shared any more: it was ended in the desktop's own panel";
                    return Some(DeviceError(why.to_owned()));
                }
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => return Some(lost()),
                Poll::Pending => return None,
            }
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.portal.close(SESSION, &self.path);
    }
}

/// The next signal, if it is there; `None` if there will be no more. What cannot be read is left out.
fn next(signals: &mut MessageStream) -> Poll<Option<Message>> {
    loop {
        match Pin::new(&mut *signals).poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(signal))) => return Poll::Ready(Some(signal)),
            Poll::Ready(Some(Err(_))) => {}
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// What came of a request.
fn results(method: &'static str, answer: &Message) -> Result<HashMap<String, OwnedValue>, DeviceError> {
    let (response, results): (u32, _) = answer.body().deserialize().map_err(|why| odd(method, &why))?;
    match response {
        0 => Ok(results),
        1 => Err(DeviceError("nothing is shared: it was declined in the desktop's dialog".to_owned())),
        _ => Err(DeviceError(format!("nothing is shared: the desktop's portal could not do {method}"))),
    }
}

/// The first of the streams, each its node and what is known of it.
fn node(streams: &OwnedValue) -> Option<u32> {
    let streams = <&zvariant::Array<'_>>::try_from(streams).ok()?;
    let first = <&zvariant::Structure<'_>>::try_from(streams.iter().next()?).ok()?;
    u32::try_from(first.fields().first()?).ok()
}

fn token() -> String {
    format!("muji{}", NAMED.fetch_add(1, Ordering::Relaxed))
}

fn lost() -> DeviceError {
    DeviceError("nothing is shared any more: the D-Bus session bus has ended".to_owned())
}

/// There is no portal, or it cannot share screens.
fn missing(why: &zbus::Error) -> DeviceError {
    let why = match why {
        zbus::Error::MethodError(name, ..) if name.ends_with(".ServiceUnknown") => {
            "the desktop has no portal (xdg-desktop-portal)".to_owned()
        }
        why if has_ended(why) => "the desktop's portal (xdg-desktop-portal) ended while it was asked".to_owned(),
        zbus::Error::MethodError(..) => format!("the desktop's portal has no ScreenCast: {}", first_line(why)),
        why => format!("the desktop's portal does not answer: {why}"),
    };
    DeviceError(format!("no screen can be shared: {why}"))
}

/// The portal does not do what its interface says.
fn odd(method: &'static str, why: &zbus::Error) -> DeviceError {
    let why = if has_ended(why) {
        "the desktop's portal (xdg-desktop-portal) has ended".to_owned()
    } else {
        format!("the desktop's portal does not do {method}: {}", first_line(why))
    };
    DeviceError(format!("nothing is shared: {why}"))
}

/// Whether who was asked has left the bus: before, or with the question in its hands.
fn has_ended(why: &zbus::Error) -> bool {
    let zbus::Error::MethodError(name, ..) = why else { return false };
    [".ServiceUnknown", ".NameHasNoOwner", ".NoReply"].iter().any(|gone| name.ends_with(gone))
}

/// Some give all that led to an error.
fn first_line(why: &zbus::Error) -> String {
    why.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(name: &'static str) -> zbus::Error {
        let message = Message::signal("/", "org.example.Test", "Tested").and_then(|signal| signal.build(&()));
        let name = zbus::names::ErrorName::try_from(name).expect("a name");
        zbus::Error::MethodError(name.into(), Some("in words".to_owned()), message.expect("a message"))
    }

    #[test]
    fn a_portal_that_is_not_there_one_that_ended_when_it_was_asked_and_one_that_cannot_share_are_told_apart() {
        let why = |name| missing(&error(name)).to_string();
        let none = "no screen can be shared: the desktop has no portal (xdg-desktop-portal)";
        assert_eq!(why("org.freedesktop.DBus.Error.ServiceUnknown"), none);
        let ended = "no screen can be shared: the desktop's portal (xdg-desktop-portal) ended while it was asked";
        assert_eq!(why("org.freedesktop.DBus.Error.NoReply"), ended);
        let other = why("org.freedesktop.DBus.Error.InvalidArgs");
        assert!(other.starts_with("no screen can be shared: the desktop's portal has no ScreenCast: "), "{other}");
        for name in ["org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.ServiceUnknown"] {
            let why = odd("Start", &error(name)).to_string();
            assert_eq!(why, "nothing is shared: the desktop's portal (xdg-desktop-portal) has ended");
        }
    }
}
