//! Our mux: the pairs of addresses, whose checks the agent makes.
//!
//! The agent knows one address of its own and takes each pair for another address of the peer. So it may choose among addresses that
//! are found while it works, relays by whichever protocol, and IPv6, of all of which it would know little. What it does not do at all
//! is done here: role conflicts (RFC 8445 section 7.3.1.1), and asking for the peer's consent as long as the path is used.
//!
//! Nor does it learn any password, because it logs them: with it messages are signed by one that everybody may know.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_xep::Secret;
use muji_xep::ice::{Candidate, CandidateKind};
use stun::agent::TransactionId;
use stun::attributes::{
    ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_MESSAGE_INTEGRITY, ATTR_PRIORITY, ATTR_USERNAME,
    AttrType,
};
use stun::error_code::{CODE_ROLE_CONFLICT, ErrorCodeAttribute};
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter};
use stun::textattrs::TextAttribute;
use stun::xoraddr::XorMappedAddress;

use super::job::{INSIDE, Job};
use crate::gather::LocalCandidate;

/// Pairs that are tried. The agent asks all of them each time, so there are fewer than the hundred of RFC 8445 section 6.1.2.5.
const MAX_PAIRS: usize = 48;

/// Of which so many may be addresses that the peer did not name.
const MAX_UNNAMED: usize = 16;

/// Two who are honest turn once. Who does not stop to claim our role has no path.
const MAX_TURNS: u8 = 4;

/// Without a word of the peer for so long, the chosen pair is left for one by which it speaks. It asks for consent twice in this time.
const STALE: Duration = Duration::from_millis(2_500);

/// A STUN message that can be of use is shorter: the longest name has 513 bytes.
const MAX_STUN: usize = 1_200;

/// Names and passwords of one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) ufrag: String,
    pub(super) pwd: Secret,
}

/// Two addresses between which something may go.
struct Pair {
    /// One of ours.
    from: SocketAddr,
    to: SocketAddr,
    priority: u32,
    /// What the peer is to think of our address, if it does not know it (RFC 8445 section 7.1.1).
    claim: u32,
    /// By a relay.
    relayed: bool,
    /// The peer named its address.
    named: bool,
    /// Our address is not ours any more.
    lost: bool,
    /// Somebody who knows the passwords speaks by it.
    proven: bool,
    /// When something of the peer came by it last.
    heard: Option<Instant>,
}

/// A message to send.
pub(super) struct Letter {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// What comes of a STUN message.
pub(super) enum Verdict {
    /// Nothing: it is not ours, forged, or of no use.
    Dropped,
    /// For the agent.
    Given(Vec<Job>),
    /// Answered here.
    Answered(Letter),
    /// Our roles were the same, and now are not: the agent begins anew.
    Turned(Vec<Job>),
    /// It answers what was asked here.
    Consent,
}

/// The pairs, and what is known of both ends.
pub(super) struct Paths {
    controlling: bool,
    ours: Credentials,
    renewed: Option<Credentials>,
    theirs: Option<Credentials>,
    /// How often the role was changed since ICE began.
    turns: u8,
    /// The agent's, as its checks tell it.
    tie_breaker: Option<u64>,
    bases: Vec<LocalCandidate>,
    named: Vec<Candidate>,
    pairs: Vec<Pair>,
    chosen: Option<usize>,
    /// The last that a record came by, before ICE has chosen.
    spoken: Option<usize>,
    /// What was asked here last.
    asked: Option<TransactionId>,
}

impl Paths {
    pub(super) fn new(controlling: bool, ours: Credentials, bases: Vec<LocalCandidate>) -> Self {
        Self {
            controlling,
            ours,
            renewed: None,
            theirs: None,
            turns: 0,
            tie_breaker: None,
            bases,
            named: Vec::new(),
            pairs: Vec::new(),
            chosen: None,
            spoken: None,
            asked: None,
        }
    }

    pub(super) fn bases(&self) -> &[LocalCandidate] {
        &self.bases
    }

    /// True if the peer named this address.
    pub(super) fn names(&self, address: SocketAddr) -> bool {
        self.named.iter().any(|candidate| candidate.address == address)
    }

    /// How many addresses the peer named.
    pub(super) fn named(&self) -> usize {
        self.named.len()
    }

    /// Both ends of the pair that ICE chose, if ours is still ours.
    pub(super) fn chosen(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.chosen
            .filter(|number| !self.pairs[*number].lost)
            .map(|number| (self.pairs[number].from, self.pairs[number].to))
    }

    /// True if the chosen pair cannot be used any more, because our address is gone.
    pub(super) fn is_stranded(&self) -> bool {
        self.chosen.is_some_and(|number| self.pairs[number].lost)
    }

    /// By which pair records go.
    pub(super) fn of_records(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.chosen.or(self.spoken).map(|number| (self.pairs[number].from, self.pairs[number].to))
    }

    /// The handshake has ended, maybe before ICE: then what carried it serves until there is better.
    pub(super) fn settle(&mut self) {
        self.chosen = self.chosen.or(self.spoken);
    }

    /// The agent has chosen.
    pub(super) fn choose(&mut self, number: u32) {
        let number = usize::try_from(number).ok().filter(|number| *number < self.pairs.len());
        self.chosen = number.or(self.chosen);
    }

    /// Other credentials of ours, for when the peer's come.
    pub(super) fn renew(&mut self, credentials: Credentials) {
        self.renewed = Some(credentials);
    }

    /// The peer's credentials. Some jobs if they are new to us: ICE begins, or begins anew. The chosen pair serves until there is another.
    pub(super) fn meet(&mut self, theirs: Credentials) -> Option<Vec<Job>> {
        let before = self.theirs.replace(theirs);
        if before == self.theirs {
            return None;
        }
        self.turns = 0;
        if before.is_some() {
            self.ours = self.renewed.take().unwrap_or_else(|| self.ours.clone());
            self.named.clear();
            // What the peer does not name again is tried no more.
            let kept = self.chosen.map(|number| self.pairs.swap_remove(number));
            self.pairs = kept.into_iter().collect();
            (self.chosen, self.spoken) = (self.chosen.map(|_| 0), None);
            self.pairs.iter_mut().for_each(|pair| pair.named = false);
        }
        Some(self.begin())
    }

    /// An agent begins, with all pairs: webrtc-ice itself never chooses again.
    pub(super) fn begin(&mut self) -> Vec<Job> {
        self.tie_breaker = None;
        let Some(theirs) = &self.theirs else { return Vec::new() };
        let (ours, theirs) = (self.ours.ufrag.clone(), theirs.ufrag.clone());
        let begin = Job::Ice { controlling: self.controlling, ours, theirs };
        let pairs = (0..).zip(&self.pairs).filter(|(_, pair)| (pair.named || pair.proven) && !pair.lost);
        std::iter::once(begin).chain(pairs.map(|(number, pair)| pair.job(number))).collect()
    }

    /// One more address of ours.
    pub(super) fn found(&mut self, candidate: &LocalCandidate) -> Vec<Job> {
        self.bases.push(candidate.clone());
        self.pairs.iter_mut().filter(|pair| pair.from == candidate.base).for_each(|pair| pair.lost = false);
        let named = self.named.clone();
        named.iter().filter_map(|theirs| self.pair(candidate, theirs)).collect()
    }

    /// An address is not ours any more.
    pub(super) fn lost(&mut self, candidate: &LocalCandidate) {
        self.bases.retain(|ours| ours != candidate);
        let still = |from: SocketAddr| self.bases.iter().any(|ours| ours.base == from);
        self.pairs.iter_mut().filter(|pair| !still(pair.from)).for_each(|pair| pair.lost = true);
    }

    /// One more address of the peer.
    pub(super) fn name(&mut self, candidate: &Candidate) -> Vec<Job> {
        self.named.push(candidate.clone());
        let bases = self.bases.clone();
        bases.iter().filter_map(|ours| self.pair(ours, candidate)).collect()
    }

    /// The pair of these two, if it is one that is not tried yet.
    fn pair(&mut self, ours: &LocalCandidate, theirs: &Candidate) -> Option<Job> {
        let (from, to) = (ours.base, theirs.address);
        if from.is_ipv4() != to.is_ipv4() {
            return None;
        }
        let number = match self.number(from, to) {
            Some(number) if self.pairs[number].named => return None,
            Some(number) => number,
            None => {
                let relayed = ours.told.kind == CandidateKind::Relayed;
                // As far as the worse of both allows.
                let priority = ours.told.priority.min(theirs.priority);
                let claim = claim(ours);
                self.add(Pair {
                    from,
                    to,
                    priority,
                    claim,
                    relayed,
                    named: true,
                    lost: false,
                    proven: false,
                    heard: None,
                })?
            }
        };
        self.pairs[number].named = true;
        Some(self.pairs[number].job(u32::try_from(number).ok()?)).filter(|_| self.theirs.is_some())
    }

    fn add(&mut self, pair: Pair) -> Option<usize> {
        let unnamed = self.pairs.iter().filter(|pair| !pair.named).count();
        if self.pairs.len() == MAX_PAIRS || (!pair.named && unnamed == MAX_UNNAMED) {
            return None;
        }
        self.pairs.push(pair);
        Some(self.pairs.len() - 1)
    }

    fn number(&self, from: SocketAddr, to: SocketAddr) -> Option<usize> {
        self.pairs.iter().position(|pair| pair.from == from && pair.to == to)
    }

    /// True if somebody who knows the passwords speaks from there.
    pub(super) fn is_proven(&self, local: SocketAddr, from: SocketAddr) -> bool {
        self.number(local, from).is_some_and(|number| self.pairs[number].proven)
    }

    /// Something of the peer came by a pair.
    fn hears(&mut self, now: Instant, number: usize) {
        self.pairs[number].proven = true;
        self.pairs[number].heard = Some(now);
        // Who decides has decided anew. webrtc-ice would stay with what it has.
        if !self.controlling && self.is_adrift(now) {
            self.chosen = Some(number);
        }
    }

    /// True if the peer speaks, but not by the chosen pair.
    pub(super) fn is_adrift(&self, now: Instant) -> bool {
        let speaks = |pair: &Pair| !pair.lost && pair.heard.is_some_and(|heard| heard + STALE > now);
        self.chosen.is_some_and(|chosen| !speaks(&self.pairs[chosen])) && self.pairs.iter().any(speaks)
    }

    /// Media of the peer came from there.
    pub(super) fn carries(&mut self, now: Instant, local: SocketAddr, from: SocketAddr) {
        if let Some(number) = self.number(local, from) {
            self.hears(now, number);
        }
    }

    /// A record came by a proven pair.
    pub(super) fn speaks(&mut self, local: SocketAddr, from: SocketAddr) {
        self.spoken = self.number(local, from).or(self.spoken);
    }

    /// True if a request names us.
    pub(super) fn is_asked(&self, bytes: &[u8]) -> bool {
        let Some(message) = read(bytes).filter(|message| message.typ == BINDING_REQUEST) else { return false };
        let renewed = self.renewed.as_ref().map(|renewed| &renewed.ufrag);
        let named = message.get(ATTR_USERNAME).unwrap_or_default();
        let of = |ufrag: &String| named.strip_prefix(ufrag.as_bytes()).is_some_and(|rest| rest.starts_with(b":"));
        of(&self.ours.ufrag) || renewed.is_some_and(of)
    }

    /// A STUN message came; `asked` if it answers a check that left.
    pub(super) fn comes(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
        asked: bool,
    ) -> Verdict {
        let (Some(mut message), Some(theirs)) = (read(bytes), self.theirs.clone()) else { return Verdict::Dropped };
        if message.typ == BINDING_REQUEST {
            return self.asks(now, local, from, &mut message);
        }
        if !asked || !is_of(&theirs.pwd, &mut message) {
            return Verdict::Dropped;
        }
        if message.typ == BINDING_ERROR {
            let mut error = ErrorCodeAttribute::default();
            let conflict =
                stun::message::Getter::get_from(&mut error, &message).is_ok() && error.code == CODE_ROLE_CONFLICT;
            let turned = conflict.then(|| self.turn()).flatten();
            return turned.map_or(Verdict::Dropped, Verdict::Turned);
        }
        let Some(number) = self.number(local, from).filter(|_| message.typ == BINDING_SUCCESS) else {
            return Verdict::Dropped;
        };
        self.hears(now, number);
        if self.asked == Some(message.transaction_id) {
            return Verdict::Consent;
        }
        Verdict::Given(self.given(number, &message).into_iter().collect())
    }

    /// A request by the peer.
    fn asks(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, message: &mut Message) -> Verdict {
        let Some(theirs) = &self.theirs else { return Verdict::Dropped };
        let name = format!("{}:{}", self.ours.ufrag, theirs.ufrag);
        if message.get(ATTR_USERNAME).ok().as_deref() != Some(name.as_bytes()) || !is_of(&self.ours.pwd, message) {
            return Verdict::Dropped;
        }
        let claimed = if self.controlling { ATTR_ICE_CONTROLLING } else { ATTR_ICE_CONTROLLED };
        let mut turned = Vec::new();
        if let Some(claim) = tie_breaker(message, claimed) {
            // Before our own is known it asks again.
            let Some(ours) = self.tie_breaker else { return Verdict::Dropped };
            if (ours >= claim) == self.controlling {
                return self.refuse(local, from, message);
            }
            match self.turn() {
                Some(jobs) => turned = jobs,
                None => return Verdict::Dropped,
            }
        }
        let number = self.number(local, from);
        let Some(number) = number.or_else(|| {
            let priority =
                message.get(ATTR_PRIORITY).ok().and_then(|value| Some(u32::from_be_bytes(value.try_into().ok()?)));
            let ours = self.bases.iter().find(|ours| ours.base == local);
            let (relayed, claim) =
                (ours.is_some_and(|ours| ours.told.kind == CandidateKind::Relayed), ours.map_or(0, claim));
            let priority = priority.unwrap_or_default();
            self.add(Pair {
                from: local,
                to: from,
                priority,
                claim,
                relayed,
                named: false,
                lost: false,
                proven: false,
                heard: None,
            })
        }) else {
            return Verdict::Dropped;
        };
        self.hears(now, number);
        let given = self.given(number, message);
        if turned.is_empty() {
            return Verdict::Given(given.into_iter().collect());
        }
        turned.extend(given);
        Verdict::Turned(turned)
    }

    fn given(&self, number: usize, message: &Message) -> Option<Job> {
        let bytes = sign(message, INSIDE, &[])?;
        Some(Job::Stun { number: u32::try_from(number).ok()?, bytes })
    }

    /// The other role, and an agent in it; `None` if that happened too often.
    fn turn(&mut self) -> Option<Vec<Job>> {
        if self.turns == MAX_TURNS {
            return None;
        }
        self.turns += 1;
        self.controlling = !self.controlling;
        Some(self.begin())
    }

    /// Our role stays.
    fn refuse(&self, from: SocketAddr, to: SocketAddr, request: &Message) -> Verdict {
        let reason = b"Role Conflict".to_vec();
        let error = ErrorCodeAttribute { code: CODE_ROLE_CONFLICT, reason };
        match build(request.transaction_id, BINDING_ERROR, self.ours.pwd.expose(), vec![Box::new(error)]) {
            Some(bytes) => Verdict::Answered(Letter { from, to, bytes }),
            None => Verdict::Dropped,
        }
    }

    /// What the agent sends, as it leaves: to the true address, with what is true of the pair in it.
    pub(super) fn goes(&mut self, number: u32, bytes: &[u8]) -> Option<Letter> {
        let pair = self.pairs.get(usize::try_from(number).ok()?).filter(|pair| !pair.lost)?;
        let (from, to, claim) = (pair.from, pair.to, pair.claim);
        let (message, theirs) = (read(bytes)?, self.theirs.as_ref()?);
        if message.typ == BINDING_SUCCESS {
            let seen: Box<dyn Setter> = Box::new(XorMappedAddress { ip: to.ip(), port: to.port() });
            let bytes = build(message.transaction_id, BINDING_SUCCESS, self.ours.pwd.expose(), vec![seen])?;
            return Some(Letter { from, to, bytes });
        }
        let role = if self.controlling { ATTR_ICE_CONTROLLING } else { ATTR_ICE_CONTROLLED };
        let bytes = sign(&message, theirs.pwd.expose(), &[(ATTR_PRIORITY, &claim.to_be_bytes())])?;
        // One of an agent before a turn claims the other role, and would only be refused.
        self.tie_breaker = Some(tie_breaker(&message, role)?);
        Some(Letter { from, to, bytes })
    }

    /// Asks whether the peer still consents (RFC 7675 section 5.1).
    pub(super) fn ask(&mut self) -> Option<Letter> {
        let (from, to) = self.chosen()?;
        let (theirs, tie_breaker) = (self.theirs.as_ref()?, self.tie_breaker?);
        let claim = self.pairs.get(self.chosen?)?.claim;
        let name = format!("{}:{}", theirs.ufrag, self.ours.ufrag);
        let role = if self.controlling { ATTR_ICE_CONTROLLING } else { ATTR_ICE_CONTROLLED };
        let attributes: Vec<Box<dyn Setter>> = vec![
            Box::new(TextAttribute::new(ATTR_USERNAME, name)),
            Box::new(Raw(role, tie_breaker.to_be_bytes().to_vec())),
            Box::new(Raw(ATTR_PRIORITY, claim.to_be_bytes().to_vec())),
        ];
        let transaction = TransactionId::new();
        self.asked = Some(transaction);
        let bytes = build(transaction, BINDING_REQUEST, theirs.pwd.expose(), attributes)?;
        Some(Letter { from, to, bytes })
    }
}

impl Pair {
    fn job(&self, number: u32) -> Job {
        Job::Pair { number, priority: self.priority, relayed: self.relayed }
    }
}

/// The priority that an address of ours has as a peer-reflexive one (RFC 8445 sections 5.1.2.1 and 7.1.1).
fn claim(ours: &LocalCandidate) -> u32 {
    110 << 24 | ours.told.priority & 0x00FF_FFFF
}

/// An attribute as it is.
struct Raw(AttrType, Vec<u8>);

impl Setter for Raw {
    fn add_to(&self, message: &mut Message) -> Result<(), stun::Error> {
        message.add(self.0, &self.1);
        Ok(())
    }
}

/// A message with these attributes, signed.
fn build(
    transaction: TransactionId,
    kind: MessageType,
    pwd: &str,
    attributes: Vec<Box<dyn Setter>>,
) -> Option<Vec<u8>> {
    let mut setters: Vec<Box<dyn Setter>> = vec![Box::new(kind), Box::new(transaction)];
    setters.extend(attributes);
    setters.push(Box::new(MessageIntegrity::new_short_term_integrity(pwd.to_owned())));
    setters.push(Box::new(FINGERPRINT));
    let mut message = Message::new();
    message.build(&setters).ok()?;
    Some(message.raw)
}

/// The same message, signed by another password, and with other values.
fn sign(message: &Message, pwd: &str, other: &[(AttrType, &[u8])]) -> Option<Vec<u8>> {
    let kept = message.attributes.0.iter().filter(|one| ![ATTR_MESSAGE_INTEGRITY, ATTR_FINGERPRINT].contains(&one.typ));
    let value = |of: AttrType| other.iter().find(|(typ, _)| *typ == of).map(|(_, value)| value.to_vec());
    let attributes =
        kept.map(|one| Box::new(Raw(one.typ, value(one.typ).unwrap_or_else(|| one.value.clone()))) as Box<dyn Setter>);
    build(message.transaction_id, message.typ, pwd, attributes.collect())
}

fn read(bytes: &[u8]) -> Option<Message> {
    let mut message = Message::new();
    (bytes.len() <= MAX_STUN && message.unmarshal_binary(bytes).is_ok()).then_some(message)
}

/// True if who made it knows the password (RFC 8489 section 9.1).
fn is_of(pwd: &Secret, message: &mut Message) -> bool {
    MessageIntegrity::new_short_term_integrity(pwd.expose().to_owned()).check(message).is_ok()
}

fn tie_breaker(message: &Message, of: AttrType) -> Option<u64> {
    Some(u64::from_be_bytes(message.get(of).ok()?.try_into().ok()?))
}
