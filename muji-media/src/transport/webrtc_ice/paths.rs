//! Our mux: the candidate pairs. The agent makes the checks for them.
//!
//! The agent knows one address of its own, and takes each pair for another address of the peer. So it can choose among addresses that are
//! found while it works, relays by any protocol, and IPv6, which it supports little. What it does not do at all is done here: role
//! conflicts (RFC 8445 section 7.3.1.1), and consent checks (RFC 7675).
//!
//! It learns no password, because it logs them: between it and the mux, messages are signed with a constant.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_xep::Secret;
use muji_xep::ice::{Candidate, CandidateKind};
use stun::agent::TransactionId;
use stun::attributes::{ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USERNAME};
use stun::error_code::{CODE_ROLE_CONFLICT, ErrorCodeAttribute};
use stun::message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, Setter};
use stun::textattrs::TextAttribute;
use stun::xoraddr::XorMappedAddress;

use super::job::{INSIDE, Job};
use super::message::{Raw, build, is_of, read, sign, tie_breaker};
use crate::gather::LocalCandidate;

/// Pairs that are tried. The agent asks all of them each time, so there are fewer than the hundred of RFC 8445 section 6.1.2.5.
const MAX_PAIRS: usize = 48;

/// How many of them may have an address that the peer did not signal (peer-reflexive).
const MAX_UNNAMED: usize = 16;

/// Two honest agents switch roles once. A peer that claims our role again and again gets no path.
const MAX_ROLE_SWITCHES: u8 = 4;

/// If nothing came by the selected pair for so long, another by which the peer sends is used. Two consent checks fit into this time.
const STALE: Duration = Duration::from_millis(2_500);

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
    prflx_priority: u32,
    /// By a relay.
    relayed: bool,
    /// The peer named its address.
    signalled: bool,
    /// Our address is not ours any more.
    lost: bool,
    /// A message with the right password came by it.
    valid: bool,
    /// When something of the peer came by it last.
    heard: Option<Instant>,
}

/// A message to send.
pub(super) struct OutgoingDatagram {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// What comes of a STUN message.
pub(super) enum Verdict {
    /// Nothing: it is not ours, forged, or of no use.
    Dropped,
    /// For the agent.
    ForAgent(Vec<Job>),
    /// Answered here.
    Answered(OutgoingDatagram),
    /// A role conflict was resolved by switching our role: a new agent starts.
    RoleSwitched(Vec<Job>),
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
    role_switches: u8,
    /// The agent's, taken from its checks.
    tie_breaker: Option<u64>,
    bases: Vec<LocalCandidate>,
    signalled: Vec<Candidate>,
    pairs: Vec<Pair>,
    selected: Option<usize>,
    /// The last that a record came by, before ICE has selected.
    last_record: Option<usize>,
    /// What was asked here last.
    consent_transaction: Option<TransactionId>,
}

impl Paths {
    pub(super) fn new(controlling: bool, ours: Credentials, bases: Vec<LocalCandidate>) -> Self {
        Self {
            controlling,
            ours,
            renewed: None,
            theirs: None,
            role_switches: 0,
            tie_breaker: None,
            bases,
            signalled: Vec::new(),
            pairs: Vec::new(),
            selected: None,
            last_record: None,
            consent_transaction: None,
        }
    }

    pub(super) fn bases(&self) -> &[LocalCandidate] {
        &self.bases
    }

    /// True if the peer named this address.
    pub(super) fn is_signalled(&self, address: SocketAddr) -> bool {
        self.signalled.iter().any(|candidate| candidate.address == address)
    }

    /// How many addresses the peer named.
    pub(super) fn signalled(&self) -> usize {
        self.signalled.len()
    }

    /// Both ends of the pair that ICE chose, if ours is still ours.
    pub(super) fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.selected
            .filter(|number| !self.pairs[*number].lost)
            .map(|number| (self.pairs[number].from, self.pairs[number].to))
    }

    /// True if the selected pair cannot be used any more, because our address is gone.
    pub(super) fn is_stranded(&self) -> bool {
        self.selected.is_some_and(|number| self.pairs[number].lost)
    }

    /// By which pair records go.
    pub(super) fn of_records(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.selected.or(self.last_record).map(|number| (self.pairs[number].from, self.pairs[number].to))
    }

    /// The handshake has ended, maybe before ICE: then what carried it serves until there is better.
    pub(super) fn settle(&mut self) {
        self.selected = self.selected.or(self.last_record);
    }

    /// The agent has selected.
    pub(super) fn select(&mut self, number: u32) {
        let number = usize::try_from(number).ok().filter(|number| *number < self.pairs.len());
        self.selected = number.or(self.selected);
    }

    /// Our credentials for a restart, used when the peer's new ones come.
    pub(super) fn renew(&mut self, credentials: Credentials) {
        self.renewed = Some(credentials);
    }

    /// The peer's credentials. With new ones ICE starts or restarts, and there are jobs; the selected pair serves until there is another.
    pub(super) fn set_remote(&mut self, theirs: Credentials) -> Option<Vec<Job>> {
        let before = self.theirs.replace(theirs);
        if before == self.theirs {
            return None;
        }
        self.role_switches = 0;
        if before.is_some() {
            self.ours = self.renewed.take().unwrap_or_else(|| self.ours.clone());
            self.signalled.clear();
            // What the peer does not name again is tried no more.
            let kept = self.selected.map(|number| self.pairs.swap_remove(number));
            self.pairs = kept.into_iter().collect();
            self.selected = self.selected.map(|_| 0);
            self.last_record = None;
            self.pairs.iter_mut().for_each(|pair| pair.signalled = false);
        }
        Some(self.begin())
    }

    /// An agent begins, with all pairs: webrtc-ice itself never chooses again.
    pub(super) fn begin(&mut self) -> Vec<Job> {
        self.tie_breaker = None;
        let Some(theirs) = &self.theirs else { return Vec::new() };
        let (ours, theirs) = (self.ours.ufrag.clone(), theirs.ufrag.clone());
        let begin = Job::Ice { controlling: self.controlling, ours, theirs };
        let pairs = (0..).zip(&self.pairs).filter(|(_, pair)| (pair.signalled || pair.valid) && !pair.lost);
        std::iter::once(begin).chain(pairs.map(|(number, pair)| pair.job(number))).collect()
    }

    /// One more address of ours.
    pub(super) fn add_local(&mut self, candidate: &LocalCandidate) -> Vec<Job> {
        self.bases.push(candidate.clone());
        self.pairs.iter_mut().filter(|pair| pair.from == candidate.base).for_each(|pair| pair.lost = false);
        let named = self.signalled.clone();
        named.iter().filter_map(|theirs| self.pair(candidate, theirs)).collect()
    }

    /// An address is not ours any more.
    pub(super) fn remove_local(&mut self, candidate: &LocalCandidate) {
        self.bases.retain(|ours| ours != candidate);
        let still = |from: SocketAddr| self.bases.iter().any(|ours| ours.base == from);
        self.pairs.iter_mut().filter(|pair| !still(pair.from)).for_each(|pair| pair.lost = true);
    }

    /// One more address of the peer.
    pub(super) fn add_remote(&mut self, candidate: &Candidate) -> Vec<Job> {
        self.signalled.push(candidate.clone());
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
            Some(number) if self.pairs[number].signalled => return None,
            Some(number) => number,
            None => {
                let relayed = ours.advertised.kind == CandidateKind::Relayed;
                // As far as the worse of both allows.
                let priority = ours.advertised.priority.min(theirs.priority);
                let prflx_priority = prflx_priority(ours);
                self.add(Pair {
                    from,
                    to,
                    priority,
                    prflx_priority,
                    relayed,
                    signalled: true,
                    lost: false,
                    valid: false,
                    heard: None,
                })?
            }
        };
        self.pairs[number].signalled = true;
        Some(self.pairs[number].job(u32::try_from(number).ok()?)).filter(|_| self.theirs.is_some())
    }

    fn add(&mut self, pair: Pair) -> Option<usize> {
        let unnamed = self.pairs.iter().filter(|pair| !pair.signalled).count();
        if self.pairs.len() == MAX_PAIRS || (!pair.signalled && unnamed == MAX_UNNAMED) {
            return None;
        }
        self.pairs.push(pair);
        Some(self.pairs.len() - 1)
    }

    fn number(&self, from: SocketAddr, to: SocketAddr) -> Option<usize> {
        self.pairs.iter().position(|pair| pair.from == from && pair.to == to)
    }

    /// True if a message with the right password came from there.
    pub(super) fn is_valid(&self, local: SocketAddr, from: SocketAddr) -> bool {
        self.number(local, from).is_some_and(|number| self.pairs[number].valid)
    }

    /// Something of the peer came by a pair.
    fn received_by(&mut self, now: Instant, number: usize) {
        self.pairs[number].valid = true;
        self.pairs[number].heard = Some(now);
        // The controlling peer has moved to this pair. webrtc-ice would stay with its own.
        if !self.controlling && self.is_off_selected(now) {
            self.selected = Some(number);
        }
    }

    /// True if the peer sends, but not by the selected pair.
    pub(super) fn is_off_selected(&self, now: Instant) -> bool {
        let sends = |pair: &Pair| !pair.lost && pair.heard.is_some_and(|heard| heard + STALE > now);
        self.selected.is_some_and(|selected| !sends(&self.pairs[selected])) && self.pairs.iter().any(sends)
    }

    /// Media of the peer came from there.
    pub(super) fn media_received(&mut self, now: Instant, local: SocketAddr, from: SocketAddr) {
        if let Some(number) = self.number(local, from) {
            self.received_by(now, number);
        }
    }

    /// A record came by a valid pair.
    pub(super) fn record_received(&mut self, local: SocketAddr, from: SocketAddr) {
        self.last_record = self.number(local, from).or(self.last_record);
    }

    /// True if a request names us.
    pub(super) fn is_for_us(&self, bytes: &[u8]) -> bool {
        let Some(message) = read(bytes).filter(|message| message.typ == BINDING_REQUEST) else { return false };
        let renewed = self.renewed.as_ref().map(|renewed| &renewed.ufrag);
        let named = message.get(ATTR_USERNAME).unwrap_or_default();
        let of = |ufrag: &String| named.strip_prefix(ufrag.as_bytes()).is_some_and(|rest| rest.starts_with(b":"));
        of(&self.ours.ufrag) || renewed.is_some_and(of)
    }

    /// A STUN message came; `asked` if it answers a check that left.
    pub(super) fn handle_stun(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
        asked: bool,
    ) -> Verdict {
        let (Some(mut message), Some(theirs)) = (read(bytes), self.theirs.clone()) else { return Verdict::Dropped };
        if message.typ == BINDING_REQUEST {
            return self.handle_request(now, local, from, &mut message);
        }
        if !asked || !is_of(&theirs.pwd, &mut message) {
            return Verdict::Dropped;
        }
        if message.typ == BINDING_ERROR {
            let mut error = ErrorCodeAttribute::default();
            let conflict =
                stun::message::Getter::get_from(&mut error, &message).is_ok() && error.code == CODE_ROLE_CONFLICT;
            let turned = conflict.then(|| self.switch_role()).flatten();
            return turned.map_or(Verdict::Dropped, Verdict::RoleSwitched);
        }
        let Some(number) = self.number(local, from).filter(|_| message.typ == BINDING_SUCCESS) else {
            return Verdict::Dropped;
        };
        self.received_by(now, number);
        if self.consent_transaction == Some(message.transaction_id) {
            return Verdict::Consent;
        }
        Verdict::ForAgent(self.for_agent(number, &message).into_iter().collect())
    }

    /// A request by the peer.
    fn handle_request(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, message: &mut Message) -> Verdict {
        let Some(theirs) = &self.theirs else { return Verdict::Dropped };
        let name = format!("{}:{}", self.ours.ufrag, theirs.ufrag);
        if message.get(ATTR_USERNAME).ok().as_deref() != Some(name.as_bytes()) || !is_of(&self.ours.pwd, message) {
            return Verdict::Dropped;
        }
        let claimed = if self.controlling { ATTR_ICE_CONTROLLING } else { ATTR_ICE_CONTROLLED };
        let mut turned = Vec::new();
        if let Some(peers) = tie_breaker(message, claimed) {
            // Before our own is known it asks again.
            let Some(ours) = self.tie_breaker else { return Verdict::Dropped };
            if (ours >= peers) == self.controlling {
                return self.role_conflict(local, from, message);
            }
            match self.switch_role() {
                Some(jobs) => turned = jobs,
                None => return Verdict::Dropped,
            }
        }
        let number = self.number(local, from);
        let Some(number) = number.or_else(|| {
            let priority =
                message.get(ATTR_PRIORITY).ok().and_then(|value| Some(u32::from_be_bytes(value.try_into().ok()?)));
            let ours = self.bases.iter().find(|ours| ours.base == local);
            let (relayed, prflx_priority) = (
                ours.is_some_and(|ours| ours.advertised.kind == CandidateKind::Relayed),
                ours.map_or(0, prflx_priority),
            );
            let priority = priority.unwrap_or_default();
            self.add(Pair {
                from: local,
                to: from,
                priority,
                prflx_priority,
                relayed,
                signalled: false,
                lost: false,
                valid: false,
                heard: None,
            })
        }) else {
            return Verdict::Dropped;
        };
        self.received_by(now, number);
        let given = self.for_agent(number, message);
        if turned.is_empty() {
            return Verdict::ForAgent(given.into_iter().collect());
        }
        turned.extend(given);
        Verdict::RoleSwitched(turned)
    }

    fn for_agent(&self, number: usize, message: &Message) -> Option<Job> {
        let bytes = sign(message, INSIDE, &[])?;
        Some(Job::Stun { number: u32::try_from(number).ok()?, bytes })
    }

    /// The other role, and an agent in it; `None` if that happened too often.
    fn switch_role(&mut self) -> Option<Vec<Job>> {
        if self.role_switches == MAX_ROLE_SWITCHES {
            return None;
        }
        self.role_switches += 1;
        self.controlling = !self.controlling;
        Some(self.begin())
    }

    /// Our role stays.
    fn role_conflict(&self, from: SocketAddr, to: SocketAddr, request: &Message) -> Verdict {
        let reason = b"Role Conflict".to_vec();
        let error = ErrorCodeAttribute { code: CODE_ROLE_CONFLICT, reason };
        match build(request.transaction_id, BINDING_ERROR, self.ours.pwd.expose(), vec![Box::new(error)]) {
            Some(bytes) => Verdict::Answered(OutgoingDatagram { from, to, bytes }),
            None => Verdict::Dropped,
        }
    }

    /// What the agent sends, as it leaves: to the true address, with what is true of the pair in it.
    pub(super) fn rewrite(&mut self, number: u32, bytes: &[u8]) -> Option<OutgoingDatagram> {
        let pair = self.pairs.get(usize::try_from(number).ok()?).filter(|pair| !pair.lost)?;
        let (from, to, prflx_priority) = (pair.from, pair.to, pair.prflx_priority);
        let (message, theirs) = (read(bytes)?, self.theirs.as_ref()?);
        if message.typ == BINDING_SUCCESS {
            let seen: Box<dyn Setter> = Box::new(XorMappedAddress { ip: to.ip(), port: to.port() });
            let bytes = build(message.transaction_id, BINDING_SUCCESS, self.ours.pwd.expose(), vec![seen])?;
            return Some(OutgoingDatagram { from, to, bytes });
        }
        let role = if self.controlling { ATTR_ICE_CONTROLLING } else { ATTR_ICE_CONTROLLED };
        let bytes = sign(&message, theirs.pwd.expose(), &[(ATTR_PRIORITY, &prflx_priority.to_be_bytes())])?;
        // One of an agent before a turn claims the other role, and would only be refused.
        self.tie_breaker = Some(tie_breaker(&message, role)?);
        Some(OutgoingDatagram { from, to, bytes })
    }

    /// Asks whether the peer still consents (RFC 7675 section 5.1).
    pub(super) fn consent_request(&mut self) -> Option<OutgoingDatagram> {
        let (from, to) = self.selected()?;
        let (theirs, tie_breaker) = (self.theirs.as_ref()?, self.tie_breaker?);
        let prflx_priority = self.pairs.get(self.selected?)?.prflx_priority;
        let name = format!("{}:{}", theirs.ufrag, self.ours.ufrag);
        let role = if self.controlling { ATTR_ICE_CONTROLLING } else { ATTR_ICE_CONTROLLED };
        let attributes: Vec<Box<dyn Setter>> = vec![
            Box::new(TextAttribute::new(ATTR_USERNAME, name)),
            Box::new(Raw(role, tie_breaker.to_be_bytes().to_vec())),
            Box::new(Raw(ATTR_PRIORITY, prflx_priority.to_be_bytes().to_vec())),
        ];
        let transaction = TransactionId::new();
        self.consent_transaction = Some(transaction);
        let bytes = build(transaction, BINDING_REQUEST, theirs.pwd.expose(), attributes)?;
        Some(OutgoingDatagram { from, to, bytes })
    }
}

impl Pair {
    fn job(&self, number: u32) -> Job {
        Job::Pair { number, priority: self.priority, relayed: self.relayed }
    }
}

/// The priority of a local address as a peer-reflexive candidate (RFC 8445 sections 5.1.2.1 and 7.1.1).
fn prflx_priority(ours: &LocalCandidate) -> u32 {
    110 << 24 | ours.advertised.priority & 0x00FF_FFFF
}
