//! Actions: what people, their connections and their rooms do.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jid::{BareJid, FullJid, Jid};
use muji_core::bridge::{AdmissionPolicy, Bridge};
use muji_core::error::Refused;
use muji_core::{
    CertificateHash, Command, ConnectionChange, EventScope, FingerprintVerifier, Handled, Join, Media, Mute,
};
use muji_xep::{Element, muc};
use xmpp_parsers::message::Message;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;

use super::{Arrival, Body, Delays, Delivery, PersonId, Rooms, World};

impl World {
    /// Somebody who is in a call lets others in through it, from now on.
    ///
    /// # Panics
    /// If it is in no call.
    pub fn bridge(&mut self, who: PersonId, policy: AdmissionPolicy) {
        let now = self.now;
        let client = self.client_mut(who);
        let room = client.call.expect("it is in a call");
        let mut bridge = Bridge::new(now, room, policy);
        // Who is there already.
        client.events.iter().for_each(|event| bridge.handle_event(now, &EventScope::Call(room), event));
        client.bridge = Some(bridge);
    }

    /// The bridge of somebody calls a person into the room.
    ///
    /// # Panics
    /// If it is no bridge, has no place, or the Engine refuses even to try.
    pub fn dial_in(&mut self, who: PersonId, whom: PersonId) {
        let (now, whom) = (self.now, self.jid(whom).to_bare());
        let client = self.client_mut(who);
        let call = client.engine.call(now, whom.clone(), vec![Media::Audio]).expect("the Engine takes the wish");
        let bridge = client.bridge.as_mut().expect("it is a bridge");
        bridge.add_called(now, call, whom).expect("there is a place");
        self.drain(who);
    }

    /// Enters a chat room under its own name, as a client does for its user.
    pub fn enter_chat_room(&mut self, who: PersonId, room: &str) {
        self.say_in_chat_room(who, room, vec![muc::enter(None)]);
    }

    /// The client sends a presence of its own in a chat room it is in.
    pub fn say_in_chat_room(&mut self, who: PersonId, room: &str, payloads: Vec<Element>) {
        let to = self.occupant(who, room);
        self.stanza_sent(who, Presence::new(Type::None).with_to(to).with_payloads(payloads).into());
    }

    /// Leaves a chat room.
    pub fn leave_chat_room(&mut self, who: PersonId, room: &str) {
        let to = self.occupant(who, room);
        self.stanza_sent(who, Presence::new(Type::Unavailable).with_to(to).into());
    }

    fn occupant(&self, who: PersonId, room: &str) -> FullJid {
        self.service.room(room).with_resource_str(&self.people[who.0].name).expect("names are plain")
    }

    /// Takes part in the call inside a chat room.
    pub fn join_in_chat(&mut self, who: PersonId, room: &str) {
        self.join_how(who, room, Join::chat_room());
    }

    /// Makes a room for a call and enters it; the name of the room.
    ///
    /// # Panics
    /// If the Engine refuses even to try.
    pub fn open(&mut self, who: PersonId) -> BareJid {
        let (now, nick) = (self.now, self.people[who.0].name.clone());
        let service = self.service.room("any");
        let client = self.client_mut(who);
        let (room, call) =
            client.engine.open(now, service.domain(), Join::call_room().nick(nick)).expect("the Engine takes the wish");
        client.wants(call);
        self.drain(who);
        room
    }

    /// Joins the room `name` under its own name.
    ///
    /// # Panics
    /// If the Engine refuses even to try.
    pub fn join(&mut self, who: PersonId, room: &str) {
        let nick = self.people[who.0].name.clone();
        self.join_how(who, room, Join::call_room().nick(nick));
    }

    /// Joins as told.
    ///
    /// # Panics
    /// If the Engine refuses even to try.
    pub fn join_how(&mut self, who: PersonId, room: &str, how: Join) {
        let room = self.service.room(room);
        self.try_join(who, &room, how).expect("the Engine takes the wish");
    }

    /// The same, and what the Engine says to it.
    ///
    /// # Errors
    /// As [`muji_core::Engine::join`].
    pub fn try_join(&mut self, who: PersonId, room: &BareJid, how: Join) -> Result<(), Refused> {
        let now = self.now;
        let client = self.client_mut(who);
        let call = client.engine.join(now, room.clone(), how)?;
        client.wants(call);
        self.drain(who);
        Ok(())
    }

    /// All who are there have each other among their contacts.
    pub fn befriend_all(&mut self) {
        let contacts: Vec<BareJid> = self.people.iter().map(|person| person.jid.to_bare()).collect();
        for person in &mut self.people {
            if let Body::Client(client) = &mut person.body {
                client.engine.set_contacts(contacts.clone());
            }
        }
    }

    /// Calls somebody on all devices, or on one.
    ///
    /// # Panics
    /// If the Engine refuses even to try.
    pub fn ring(&mut self, who: PersonId, whom: impl Into<Jid>) {
        self.try_ring(who, whom, vec![Media::Audio]).expect("the Engine takes the wish");
    }

    /// The same with these media, and what the Engine says to it.
    ///
    /// # Errors
    /// As [`muji_core::Engine::call`].
    pub fn try_ring(&mut self, who: PersonId, whom: impl Into<Jid>, media: Vec<Media>) -> Result<(), Refused> {
        let now = self.now;
        let client = self.client_mut(who);
        let call = client.engine.call(now, whom, media)?;
        client.wants(call);
        self.drain(who);
        Ok(())
    }

    /// Where somebody makes rooms for calls.
    pub fn set_room_service(&mut self, who: PersonId, service: &str) {
        let service: BareJid = service.parse().expect("a domain");
        self.client_mut(who).engine.set_room_service(service.domain());
    }

    /// Ties certificates to a person.
    pub fn pin(&mut self, who: PersonId, person: BareJid, certificates: Vec<CertificateHash>) {
        self.client_mut(who).engine.pin(person, certificates);
    }

    /// Ties certificates to devices by an encryption of the client's.
    pub fn set_verifier(&mut self, who: PersonId, verifier: Arc<dyn FingerprintVerifier>) {
        self.client_mut(who).engine.set_verifier(verifier);
    }

    /// Somebody sends sound and hears it as a person would: with a jitter buffer and a decoder for each of the others.
    pub fn listen(&mut self, who: PersonId) {
        self.client_mut(who).listen();
    }

    /// Blocks all packets from one to the other, or lets them through again.
    pub fn block_packets(&mut self, from: PersonId, to: PersonId, blocked: bool) {
        let way = (self.people[from.0].address, self.people[to.0].address);
        if blocked {
            self.blocked.insert(way)
        } else {
            self.blocked.remove(&way)
        };
    }

    /// Blocks all packets between these people, or lets them through again; stanzas are not affected.
    pub fn block_all_packets(&mut self, people: &[PersonId], blocked: bool) {
        for from in people {
            people.iter().for_each(|to| self.block_packets(*from, *to, blocked));
        }
    }

    /// Gives somebody another address, of the same network or of another.
    pub fn moves(&mut self, who: PersonId, address: IpAddr) {
        let now = self.now;
        self.people[who.0].address = address;
        self.client_mut(who).moves(now, address);
        self.drain(who);
    }

    /// The clocks on the wall of somebody show this now.
    pub fn set_clock(&mut self, who: PersonId, wall: SystemTime) {
        let now = self.now;
        self.client_mut(who).engine.set_clock(now, wall);
    }

    /// The client finds messages in its archive, oldest first, with how long ago they were said, and no more.
    pub fn catch_up(&mut self, who: PersonId, messages: &[(Duration, Message)]) {
        let now = self.now;
        let engine = &mut self.client_mut(who).engine;
        messages.iter().for_each(|(age, message)| engine.handle_archived(now, *age, message));
        engine.archive_done(now);
        self.drain(who);
    }

    /// Takes the call that rings, with sound.
    pub fn pick_up(&mut self, who: PersonId) {
        self.command(who, Command::Accept(vec![Media::Audio]));
    }

    /// Somebody leaves every call that its user ever wanted.
    pub fn leave_all(&mut self, who: PersonId) {
        let now = self.now;
        let client = self.client_mut(who);
        for call in client.wanted.clone() {
            let _over = client.engine.command(now, call, Command::Leave).is_err();
        }
        self.drain(who);
    }

    /// Leaves the call.
    pub fn leave(&mut self, who: PersonId) {
        self.command(who, Command::Leave);
    }

    /// Sets the delays of one person.
    pub fn place(&mut self, who: PersonId, delays: Delays) {
        self.people[who.0].delays = delays;
    }

    /// Stops or resumes sending sound.
    pub fn mute(&mut self, who: PersonId, mute: Mute) {
        self.command(who, Command::Mute(Media::Audio, mute));
    }

    /// Lets somebody into the room of a call.
    ///
    /// # Panics
    /// If it is not the person's room.
    pub fn admit(&mut self, who: PersonId, guest: PersonId) {
        let guest = self.jid(guest).to_bare();
        self.command(who, Command::Admit(guest));
    }

    /// Does something of a call.
    ///
    /// # Panics
    /// If there is no call, or it is refused.
    pub fn command(&mut self, who: PersonId, command: Command) {
        self.try_command(who, command).expect("the call takes the wish");
    }

    /// The same, and what the Engine says to it.
    ///
    /// # Errors
    /// As [`muji_core::Engine::command`].
    ///
    /// # Panics
    /// If it has joined no call.
    pub fn try_command(&mut self, who: PersonId, command: Command) -> Result<(), Refused> {
        let now = self.now;
        let client = self.client_mut(who);
        let call = client.call.expect("it has joined");
        let accepts = matches!(command, Command::Accept(_));
        let outcome = client.engine.command(now, call, command);
        if accepts && outcome.is_ok() {
            client.wants(call);
        }
        self.drain(who);
        outcome
    }

    /// The client says something in all its presences from now on.
    pub fn set_extras(&mut self, who: PersonId, extras: Vec<Element>) {
        let now = self.now;
        self.client_mut(who).engine.set_presence_extras(now, extras);
        self.drain(who);
    }

    /// The connection breaks: what is sent goes nowhere, and nothing comes. The server does not notice.
    pub fn cut(&mut self, who: PersonId) {
        let now = self.now;
        let client = self.client_mut(who);
        client.cut = true;
        client.engine.handle_connection(now, ConnectionChange::Lost);
        self.drain(who);
    }

    /// The same stream goes on, and what was said meanwhile in both directions arrives (XEP-0198).
    pub fn resume(&mut self, who: PersonId) {
        let client = self.client_mut(who);
        let (missed, unsent) = (std::mem::take(&mut client.missed), std::mem::take(&mut client.unsent));
        self.reconnect(who, ConnectionChange::Resumed);
        unsent.into_iter().for_each(|stanza| self.stanza_sent(who, stanza));
        missed.into_iter().for_each(|stanza| self.arrive(Arrival::AtPerson { who, stanza: Box::new(stanza) }));
    }

    /// A new stream, under another resource; the server has noticed that the old one is gone.
    pub fn rebind(&mut self, who: PersonId) {
        let old = self.jid(who);
        let deliveries = self.service.disconnected(&old);
        self.deliver(deliveries);
        self.rebound += 1;
        let person = &mut self.people[who.0];
        let first = old.resource().as_str().split('-').next().unwrap_or_default();
        let resource = format!("{first}-again{}", self.rebound); // Never longer, however often.
        person.jid = old.to_bare().with_resource_str(&resource).expect("it is plain");
        let jid = person.jid.clone();
        self.reconnect(who, ConnectionChange::Bound { jid });
    }

    /// A new stream under the old JID: the server was restarted and knows nothing of before.
    pub fn rebind_same(&mut self, who: PersonId) {
        let jid = self.jid(who);
        self.reconnect(who, ConnectionChange::Bound { jid });
    }

    fn reconnect(&mut self, who: PersonId, change: ConnectionChange) {
        let (now, jid) = (self.now, self.jid(who));
        self.service.connected(jid);
        let client = self.client_mut(who);
        client.cut = false;
        (client.missed, client.unsent) = (Vec::new(), Vec::new()); // Of a stream that is no more.
        client.engine.handle_connection(now, change);
        self.drain(who);
    }

    /// Forgets what only tests look back at, so that a world can go on for days: stanzas, events, sessions that are over.
    pub fn forget_past(&mut self) {
        self.wire = Vec::new();
        let people = &self.people;
        self.routes.retain(|route, _| people.iter().any(|person| person.jid == route.who));
        for person in &mut self.people {
            if let Body::Client(client) = &mut person.body {
                client.forget_past();
            }
        }
    }

    /// Changes the rooms, and delivers what they send.
    pub fn with_rooms(&mut self, act: impl FnOnce(&mut Rooms) -> Vec<Delivery>) {
        let deliveries = act(&mut self.service.rooms);
        self.deliver(deliveries);
    }

    /// The process hangs; the server does not notice it.
    pub fn freeze(&mut self, who: PersonId) {
        self.client_mut(who).frozen = true;
    }

    /// The media backends of all who still have a session with this person report that it does not answer.
    pub fn lose_media(&mut self, gone: PersonId) {
        let (now, jid) = (self.now, self.jid(gone));
        for index in 0..self.people.len() {
            if let Body::Client(client) = &mut self.people[index].body {
                client.lose(now, &jid);
                self.drain(PersonId(index));
            }
        }
    }

    /// Somebody has heard a content of a peer, and hears it no more.
    pub fn stop_hearing(&mut self, who: PersonId, peer: PersonId, content: &str) {
        let (now, jid) = (self.now, self.jid(peer));
        self.client_mut(who).silence(now, &jid, content);
        self.drain(who);
    }

    /// The process dies, and the server notices.
    pub fn vanish(&mut self, who: PersonId) {
        self.freeze(who);
        let jid = self.jid(who);
        let deliveries = self.service.disconnected(&jid);
        self.deliver(deliveries);
    }

    /// A room removes an occupant.
    pub fn put_out(&mut self, who: PersonId, room: &str, codes: &[u16]) {
        let (room, jid) = (self.service.room(room), self.jid(who));
        let deliveries = self.service.rooms.leave(&room, &jid, codes);
        self.deliver(deliveries);
    }

    /// What ends a person's calls if its program has died.
    ///
    /// # Panics
    /// If it is no client.
    #[must_use]
    pub fn last_will(&self, who: PersonId) -> Vec<Stanza> {
        let Body::Client(client) = &self.people[who.0].body else { panic!("only a client has calls") };
        client.engine.last_will(self.now).into_iter().map(Stanza::from).collect()
    }

    /// A puppet sends a stanza, or somebody what its Engine did not say.
    pub fn send(&mut self, puppet: PersonId, stanza: impl Into<Stanza>) {
        self.stanza_sent(puppet, stanza.into());
    }

    /// Delivers a forged stanza that nobody sent, whatever is in it.
    ///
    /// # Panics
    /// If the text is no element, or the victim no client.
    pub fn forge(&mut self, victim: PersonId, stanza: &str) {
        self.forge_element(victim, &stanza.parse().expect("the text is well-formed"));
    }

    /// The same as an element, which need not be text that can be parsed.
    ///
    /// # Panics
    /// If the victim is no client.
    pub fn forge_element(&mut self, victim: PersonId, stanza: &Element) {
        let _whose = self.handle_forged(victim, stanza);
    }

    /// The same, and what the Engine says whose it is.
    ///
    /// # Panics
    /// If the victim is no client.
    pub fn handle_forged(&mut self, victim: PersonId, stanza: &Element) -> Handled {
        let now = self.now;
        let Body::Client(client) = &mut self.people[victim.0].body else { panic!("only a client reads elements") };
        let handled = client.engine.handle_element(now, stanza);
        self.drain(victim);
        handled
    }

    /// What a puppet was sent since the last look.
    ///
    /// # Panics
    /// If it is no puppet.
    pub fn inbox(&mut self, puppet: PersonId) -> Vec<Stanza> {
        match &mut self.people[puppet.0].body {
            Body::Puppet(inbox) => std::mem::take(inbox),
            Body::Client(_) | Body::Scripted(_) => panic!("{} is a client", self.people[puppet.0].name),
        }
    }
}
