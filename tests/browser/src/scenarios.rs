//! The calls that are tried.

/// Somebody in a call.
pub(crate) struct Person {
    /// The first part of the JID, and the nick in rooms.
    pub(crate) name: &'static str,
    /// The tone that this person sends, in Hz.
    pub(crate) hz: u16,
    /// The colour of this person's pictures, as digits.
    pub(crate) colour: &'static str,
}

static ROMEO: Person = Person { name: "romeo", hz: 440, colour: "c03030" };
static JULIET: Person = Person { name: "juliet", hz: 550, colour: "30a030" };
static MERCUTIO: Person = Person { name: "mercutio", hz: 660, colour: "3040c0" };
static BENVOLIO: Person = Person { name: "benvolio", hz: 880, colour: "b09020" };

/// What a person uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    MujiCall,
    Chromium {
        /// The `bundlePolicy` of its connections.
        bundle: &'static str,
        /// How it names contents: see the page's parameters.
        names: &'static str,
        /// Whether it tells random names instead of its addresses (mDNS), as for a page without a microphone.
        hides_addresses: bool,
    },
}

/// Chromium by default.
const BALANCED: Client = Client::Chromium { bundle: "balanced", names: "mids", hides_addresses: false };

/// As Conversations and many web clients have it.
const MAX_BUNDLE: Client = Client::Chromium { bundle: "max-bundle", names: "mids", hides_addresses: false };

/// With contents named audio and video, as Muji wants them to be named everywhere.
const NAMED: Client = Client::Chromium { bundle: "max-bundle", names: "media", hides_addresses: false };

/// A page that may not use the microphone.
const HIDDEN: Client = Client::Chromium { bundle: "balanced", names: "mids", hides_addresses: true };

/// A client of a person, of whom there may be several.
pub(crate) struct Device {
    pub(crate) person: &'static Person,
    pub(crate) resource: &'static str,
    pub(crate) client: Client,
}

/// How the call begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// All join a room, one after the other.
    Room,
    /// The first device calls the person whose devices the others are; the second answers, and the rest fall silent.
    Call,
}

/// One call.
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) video: bool,
    /// How many of a hundred datagrams are lost, at random.
    pub(crate) lost: u32,
    /// The codec of pictures that ours prefers, by its option and its name.
    pub(crate) codec: Option<(&'static str, &'static str)>,
    pub(crate) devices: Vec<Device>,
}

impl Scenario {
    fn losing(mut self, percent: u32) -> Self {
        self.lost = percent;
        self.name += &format!(", {percent} % lost");
        self
    }

    fn preferring(mut self, option: &'static str, name: &'static str) -> Self {
        self.codec = Some((option, name));
        self.name += &format!(" in {name}");
        self
    }

    /// How many of the devices, from the first, end up in the call.
    pub(crate) fn talking(&self) -> usize {
        match self.shape {
            Shape::Room => self.devices.len(),
            Shape::Call => 2,
        }
    }
}

/// All of them, the simple ones first.
pub(crate) fn all() -> Vec<Scenario> {
    use Client::MujiCall;
    const SOUND: bool = false;
    const PICTURES: bool = true;
    vec![
        room("room: Chromium, then ours", SOUND, &[BALANCED, MujiCall]),
        room("room: ours, then Chromium", SOUND, &[MujiCall, BALANCED]),
        room("room: ours, then Chromium that hides its addresses", SOUND, &[MujiCall, HIDDEN]),
        room("room: Chromium, then ours", PICTURES, &[BALANCED, MujiCall]),
        room("room: ours, then Chromium", PICTURES, &[MujiCall, BALANCED]),
        room("room: Chromium (max-bundle), then ours", PICTURES, &[MAX_BUNDLE, MujiCall]),
        room("room: ours, then Chromium (max-bundle)", PICTURES, &[MujiCall, MAX_BUNDLE]),
        room("room: ours, then Chromium (max-bundle, named contents)", PICTURES, &[MujiCall, NAMED]),
        room("room: Chromium (max-bundle), then two of ours", PICTURES, &[MAX_BUNDLE, MujiCall, MujiCall]),
        room("room: two of ours, then Chromium", PICTURES, &[MujiCall, MujiCall, BALANCED]),
        room("room: ours between two Chromiums", PICTURES, &[BALANCED, MujiCall, MAX_BUNDLE]),
        room("room: Chromium, then three of ours", PICTURES, &[MAX_BUNDLE, MujiCall, MujiCall, MujiCall]),
        room("room: three of ours, then Chromium", PICTURES, &[MujiCall, MujiCall, MujiCall, BALANCED]),
        room("room: two of ours, two Chromiums", PICTURES, &[MujiCall, BALANCED, MujiCall, MAX_BUNDLE]),
        call("call: Chromium calls ours", SOUND, &[BALANCED, MujiCall]),
        call("call: ours calls Chromium", SOUND, &[MujiCall, BALANCED]),
        call("call: Chromium calls ours", PICTURES, &[BALANCED, MujiCall]),
        call("call: ours calls Chromium", PICTURES, &[MujiCall, BALANCED]),
        call("call: Chromium (max-bundle) calls ours", PICTURES, &[MAX_BUNDLE, MujiCall]),
        call("call: ours calls Chromium (max-bundle)", PICTURES, &[MujiCall, MAX_BUNDLE]),
        call("call: ours calls Chromium", PICTURES, &[MujiCall, BALANCED]).preferring("vp9", "VP9"),
        call("call: ours calls Chromium", PICTURES, &[MujiCall, BALANCED]).preferring("h264", "H264"),
        call("call: Chromium calls two devices of ours", PICTURES, &[MAX_BUNDLE, MujiCall, MujiCall]),
        call("call: ours calls an account with two Chromiums", PICTURES, &[MujiCall, MAX_BUNDLE, MAX_BUNDLE]),
        call("call: ours calls an account with Chromium and ours", PICTURES, &[MujiCall, BALANCED, MujiCall]),
        room("room: ours, then Chromium", PICTURES, &[MujiCall, MAX_BUNDLE]).losing(2),
        room("room: Chromium, then ours", PICTURES, &[BALANCED, MujiCall]).losing(5),
        call("call: Chromium calls ours", PICTURES, &[MAX_BUNDLE, MujiCall]).losing(2),
        call("call: ours calls Chromium", PICTURES, &[MujiCall, MAX_BUNDLE]).losing(5),
    ]
}

fn room(name: &str, video: bool, clients: &[Client]) -> Scenario {
    let people = [&ROMEO, &JULIET, &MERCUTIO, &BENVOLIO];
    let devices =
        clients.iter().zip(people).map(|(client, person)| Device { person, resource: "desk", client: *client });
    Scenario { name: named(name, video), shape: Shape::Room, video, lost: 0, codec: None, devices: devices.collect() }
}

fn call(name: &str, video: bool, clients: &[Client]) -> Scenario {
    let places = [(&ROMEO, "desk"), (&JULIET, "phone"), (&JULIET, "laptop")];
    let devices = clients.iter().zip(places);
    let devices = devices.map(|(client, (person, resource))| Device { person, resource, client: *client });
    Scenario { name: named(name, video), shape: Shape::Call, video, lost: 0, codec: None, devices: devices.collect() }
}

fn named(name: &str, video: bool) -> String {
    format!("{name}, {}", if video { "sound and pictures" } else { "sound" })
}
