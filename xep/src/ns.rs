//! Namespaces, each named as the specification calls it.

/// XEP-0272.
pub const MUJI: &str = "urn:xmpp:jingle:muji:0";
/// XEP-0166.
pub const JINGLE: &str = "urn:xmpp:jingle:1";
/// XEP-0166, conditions inside stanza errors.
pub const JINGLE_ERRORS: &str = "urn:xmpp:jingle:errors:1";
/// XEP-0167.
pub const RTP: &str = "urn:xmpp:jingle:apps:rtp:1";
/// XEP-0167 before 2009; XEP-0272's own examples still use it.
pub const RTP_0: &str = "urn:xmpp:jingle:apps:rtp:0";
/// XEP-0167, disco feature for audio.
pub const RTP_AUDIO: &str = "urn:xmpp:jingle:apps:rtp:audio";
/// XEP-0167, disco feature for video.
pub const RTP_VIDEO: &str = "urn:xmpp:jingle:apps:rtp:video";
/// XEP-0167, why a session about RTP ends.
pub const RTP_ERRORS: &str = "urn:xmpp:jingle:apps:rtp:errors:1";
/// XEP-0167, session-info payloads.
pub const RTP_INFO: &str = "urn:xmpp:jingle:apps:rtp:info:1";
/// XEP-0293.
pub const RTCP_FB: &str = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0";
/// What kind of content it is (XEP-0507).
pub const CATEGORY: &str = "urn:xmpp:jingle:apps:category:0";
/// XEP-0294.
pub const RTP_HDREXT: &str = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0";
/// XEP-0339.
pub const SOURCES: &str = "urn:xmpp:jingle:apps:rtp:ssma:0";
/// XEP-0339, disco feature.
pub const SOURCES_FEATURE: &str = "urn:ietf:rfc:5576";
/// XEP-0176.
pub const ICE_UDP: &str = "urn:xmpp:jingle:transports:ice-udp:1";
/// XEP-0320.
pub const DTLS: &str = "urn:xmpp:jingle:apps:dtls:0";
/// Fingerprints inside OMEMO, a draft that Dino and Conversations speak; so spelled.
pub const DTLS_OMEMO: &str = "http://gultsch.de/xmpp/drafts/omemo/dlts-srtp-verification";
/// XEP-0338.
pub const GROUPING: &str = "urn:xmpp:jingle:apps:grouping:0";
/// XEP-0338, disco feature.
pub const GROUPING_FEATURE: &str = "urn:ietf:rfc:5888";
/// XEP-0045.
pub const MUC: &str = "http://jabber.org/protocol/muc";
/// XEP-0045, what a room sends about an occupant.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0045, what an owner may change.
pub const MUC_OWNER: &str = "http://jabber.org/protocol/muc#owner";
/// XEP-0045, who may enter and do what.
pub const MUC_ADMIN: &str = "http://jabber.org/protocol/muc#admin";
/// XEP-0249.
pub const CONFERENCE: &str = "jabber:x:conference";
/// XEP-0353. Its registrar section spells it otherwise; all that speak it use this.
pub const JINGLE_MESSAGE: &str = "urn:xmpp:jingle-message:0";
/// XEP-0280.
pub const CARBONS: &str = "urn:xmpp:carbons:2";
/// XEP-0482.
pub const CALL_INVITES: &str = "urn:xmpp:call-invites:0";
/// XEP-0482 before it had that name; Dino 0.4 knows no other.
pub const CALL_MESSAGE: &str = "urn:xmpp:call-message:1";
/// XEP-0334.
pub const HINTS: &str = "urn:xmpp:hints";
/// XEP-0297.
pub const FORWARD: &str = "urn:xmpp:forward:0";
/// XEP-0203.
pub const DELAY: &str = "urn:xmpp:delay";
/// XEP-0359.
pub const STANZA_ID: &str = "urn:xmpp:sid:0";
/// XEP-0298, that a client is or knows a conference.
pub const COIN: &str = "urn:xmpp:coin:1";
/// No XEP: a bridge and those behind it ([`crate::bridge`]).
pub const BRIDGE: &str = "https://github.com/muji-rs/muji#bridge";
/// RFC 4575, who is in a conference.
pub const CONFERENCE_INFO: &str = "urn:ietf:params:xml:ns:conference-info";
/// XEP-0115.
pub const CAPS: &str = "http://jabber.org/protocol/caps";
/// XEP-0199.
pub const PING: &str = "urn:xmpp:ping";
/// RFC 6121, contacts.
pub const ROSTER: &str = "jabber:iq:roster";
/// XEP-0004.
pub const DATA_FORMS: &str = "jabber:x:data";
/// XEP-0030.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030, the items of an entity.
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0215.
pub const EXTDISCO: &str = "urn:xmpp:extdisco:2";
/// RFC 6120, stanzas between a client and its server.
pub const CLIENT: &str = "jabber:client";
/// RFC 6120, what is about the stream itself.
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// XEP-0198.
pub const STREAM_MANAGEMENT: &str = "urn:xmpp:sm:3";
/// RFC 6120, conditions of stanza errors.
pub const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
