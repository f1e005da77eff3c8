//! What a client and `muji-call serve` say to each other: JSON-RPC 2.0, one object a line. `docs/serve.md` explains it, and
//! `docs/serve.schema.json` is made of these types.

use jid::{BareJid, FullJid, Jid};
use muji_core::Media;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Of this protocol. It grows when a client of the version before would not be understood, or would not understand.
pub(super) const VERSION: u32 = 1;

/// What a client asks for.
#[derive(Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) enum Request {
    // ---- the client's connection ----
    /// The server has bound this JID to a new stream.
    Connected {
        #[cfg_attr(test, schemars(with = "String"))]
        jid: FullJid,
    },
    /// The connection is gone for now; sound goes on for a minute.
    Lost {},
    /// The same stream goes on (XEP-0198).
    Resumed {},
    /// A stanza that came from the server. The result is "taken" (the client does nothing with it), "shared" or "not-ours".
    Stanza { xml: String },
    /// What the client says in each of its presences: any number of elements. Presences of calls say it too.
    Presence { xml: String },
    /// Who may make it ring: the contacts that see the client's presence.
    Contacts {
        #[cfg_attr(test, schemars(with = "Vec<String>"))]
        jids: Vec<BareJid>,
    },
    /// A message that was said so long ago, out of the archive, oldest first.
    Archived { xml: String, age_ms: u64 },
    /// That was all of the archive: calls in it that still wait ring now.
    ArchiveDone {},

    // ---- calls begin ----
    /// Joins the call in a room; the result has its `call`. Without a nick or media it is what the options of the program
    /// say.
    Join {
        #[cfg_attr(test, schemars(with = "String"))]
        room: BareJid,
        /// The call of a chat room in which the client sits.
        #[serde(default)]
        in_chat: bool,
        /// An invitation named the room, which is not made again if it is gone.
        #[serde(default)]
        invited: bool,
        nick: Option<String>,
        password: Option<String>,
        media: Option<Vec<Medium>>,
    },
    /// Makes a members-only room for a call at this service; the result has `call` and `room`.
    Open {
        #[cfg_attr(test, schemars(with = "String"))]
        service: BareJid,
        nick: Option<String>,
        password: Option<String>,
        media: Option<Vec<Medium>>,
    },
    /// Calls somebody; the result has the `call`.
    Call {
        #[cfg_attr(test, schemars(with = "String"))]
        jid: Jid,
        media: Option<Vec<Medium>>,
    },
    /// Takes a call that rings.
    Accept { call: u64, media: Option<Vec<Medium>> },
    /// Declines it, for all devices of the user.
    Decline { call: u64 },
    /// Takes an invitation, by the number it came with; the result has the `call`.
    AcceptInvitation { invitation: u64, nick: Option<String>, password: Option<String>, media: Option<Vec<Medium>> },
    /// Declines an invitation.
    DeclineInvitation { invitation: u64 },

    // ---- in a call ----
    /// Leaves it.
    Leave { call: u64 },
    /// Ends it for all, by destroying its room.
    EndForAll { call: u64 },
    /// Neither listens nor sends.
    Hold { call: u64 },
    /// Goes on.
    Unhold { call: u64 },
    /// Stops sending a medium, and says so.
    Mute { call: u64, media: Medium },
    /// Sends it again.
    Unmute { call: u64, media: Medium },
    /// Takes part with a medium too.
    Add { call: u64, media: Medium },
    /// Takes part with it no more.
    Remove { call: u64, media: Medium },
    /// Invites somebody; a call with one person goes on in a room for that.
    Invite {
        call: u64,
        #[cfg_attr(test, schemars(with = "String"))]
        jid: BareJid,
    },
    /// Lets somebody into the room of the call.
    Admit {
        call: u64,
        #[cfg_attr(test, schemars(with = "String"))]
        jid: BareJid,
    },
    /// Presses keys of a telephone: 0 to 9, A to D, * and #.
    Digits { call: u64, digits: String },

    // ---- how it stands ----
    /// The result has `pairs`, as the event of that name.
    Pairs { call: u64 },
    /// Who is in the call of a chat room, whether or not we take part; the result has `people`.
    PeopleInCall {
        #[cfg_attr(test, schemars(with = "String"))]
        room: BareJid,
    },
}

/// What is sent or received.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) enum Medium {
    Audio,
    Video,
    /// A screen.
    Slides,
}

impl From<Medium> for Media {
    fn from(medium: Medium) -> Self {
        match medium {
            Medium::Audio => Self::Audio,
            Medium::Video => Self::Video,
            Medium::Slides => Self::Slides,
        }
    }
}

/// What a client is told without having asked.
#[derive(Serialize)]
#[serde(tag = "method", content = "params", rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) enum Notification {
    /// The first line: what this is, and what the client adds to its disco#info and its capabilities (XEP-0115).
    Ready { protocol: u32, version: String, features: Vec<String> },
    /// A stanza to send, in this order.
    Send { xml: String },
    /// What happened: an object as `muji-call --json` prints it, with `call` where it is about one.
    Event(Value),
    /// So many events of measurements were left out, as the client read too slowly.
    LeftOut { measurements: u64 },
    /// What the client sends if this process dies, so that nobody waits for it: these instead of those of before.
    LastWill { stanzas: Vec<String> },
}

/// Why a request was not done, by the codes of JSON-RPC 2.0 section 5.1; from 1 on they are ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The line is no JSON.
    #[error("{0}")]
    NoJson(String),
    /// It is no request of this protocol.
    #[error("{0}")]
    NoRequest(String),
    /// There is no such method.
    #[error("{0}")]
    UnknownMethod(String),
    /// Something is wrong with what was given.
    #[error("{0}")]
    BadParams(String),
    /// It cannot be now.
    #[error("{0}")]
    Refused(String),
}

impl Fault {
    fn code(&self) -> i32 {
        match self {
            Self::NoJson(_) => -32_700,
            Self::NoRequest(_) => -32_600,
            Self::UnknownMethod(_) => -32_601,
            Self::BadParams(_) => -32_602,
            Self::Refused(_) => 1,
        }
    }
}

/// A line of the client: what it asks, and under which id it wants the answer; without one it wants none.
pub(super) fn read(line: &str) -> (Option<Value>, Result<Request, Fault>) {
    let object = match serde_json::from_str(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return (Some(Value::Null), Err(Fault::NoRequest("a line must be one object".to_owned()))),
        Err(why) => return (Some(Value::Null), Err(Fault::NoJson(why.to_string()))),
    };
    let id = object.get("id").cloned();
    let Some(Value::String(method)) = object.get("method") else {
        return (id, Err(Fault::NoRequest("\"method\" must be a string".to_owned())));
    };
    let params = object.get("params").cloned().unwrap_or_else(|| json!({}));
    let request = serde_json::from_value(json!({ "method": method, "params": params }));
    (id, request.map_err(|why| fault(method, why.to_string())))
}

fn fault(method: &str, why: String) -> Fault {
    // A medium that there is not is an unknown variant too.
    let unknown = why.starts_with(&format!("unknown variant `{method}`"));
    if unknown { Fault::UnknownMethod(why) } else { Fault::BadParams(why) }
}

/// A line that answers.
pub(super) fn answer(id: Value, outcome: Result<Value, Fault>) -> Value {
    match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(fault) => {
            let error = json!({ "code": fault.code(), "message": fault.to_string() });
            json!({ "jsonrpc": "2.0", "id": id, "error": error })
        }
    }
}

/// A line that was not asked for.
pub(super) fn notification(what: &Notification) -> Value {
    let mut line = serde_json::to_value(what).expect("strings and numbers become JSON");
    line["jsonrpc"] = json!("2.0");
    line
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Set to write the schema instead of comparing it.
    const UPDATE: &str = "UPDATE_SCHEMA";

    #[test]
    fn the_schema_in_the_docs_is_that_of_the_types() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/serve.schema.json");
        let schema = |of| serde_json::to_value(of).expect("a schema is JSON");
        let both = json!({
            "client": schema(schemars::schema_for!(Request)),
            "serve": schema(schemars::schema_for!(Notification)),
        });
        let now = serde_json::to_string_pretty(&both).expect("it is JSON") + "\n";
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&file, &now).expect("it can be written");
        }
        assert!(
            fs::read_to_string(&file).unwrap_or_default() == now,
            "the protocol is another one now; if that is meant: {UPDATE}=1 cargo test -p muji-call serve, and say it in CHANGELOG.md"
        );
    }

    #[test]
    fn each_method_of_the_schema_has_its_row_in_the_docs() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/serve.md");
        let docs = fs::read_to_string(docs).expect("it is there");
        for schema in [schemars::schema_for!(Request), schemars::schema_for!(Notification)] {
            let variants = schema.get("oneOf").and_then(Value::as_array).expect("a list of variants").clone();
            let names =
                variants.iter().map(|variant| variant["properties"]["method"]["const"].as_str().expect("a name"));
            let missing: Vec<&str> = names.filter(|name| !docs.contains(&format!("| `{name}`"))).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    }
}
