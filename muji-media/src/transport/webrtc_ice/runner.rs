//! The ICE agent and the DTLS handshake: they consist of tasks, and run here in turns.
//!
//! They run in tokio, in a thread of their own, by a paused clock: each turn brings inputs and the time, and ends when no task has anything
//! left to do. So they fit behind a trait without I/O, no task outlives its path, a panic in them ends only their path, and tests need no
//! real time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use muji_core::media::TransportFailure;
use tokio::sync::mpsc as queue;
use webrtc_ice::agent::Agent;
use webrtc_ice::agent::agent_config::AgentConfig;
use webrtc_ice::candidate::candidate_base::CandidateBaseConfig;
use webrtc_ice::candidate::candidate_host::CandidateHostConfig;
use webrtc_ice::candidate::candidate_relay::CandidateRelayConfig;
use webrtc_ice::candidate::{Candidate, CandidateType};
use webrtc_ice::mdns::MulticastDnsMode;
use webrtc_ice::network_type::NetworkType;
use webrtc_ice::udp_mux::UDPMux;
use webrtc_ice::udp_network::UDPNetwork;
use webrtc_util::Conn;
use webrtc_util::vnet::interface::Interface;
use webrtc_util::vnet::net::Net;

use super::handshake;
use super::job::{INSIDE, Job, JobOutput, Outbox};

/// A turn takes less than a millisecond. One that takes so long does not end.
const TURN: Duration = Duration::from_secs(2);

/// Datagrams that wait for a task within one turn.
const WAITING: usize = 64;

/// The agent's own address: no pair has this number.
const OURS: Ipv4Addr = Ipv4Addr::new(10, 255, 255, 255);

/// The agent needs some port.
const PORT: u16 = 9;

/// Between two rounds of checks; each round checks all pairs.
const CHECKS: Duration = Duration::from_millis(100);

/// A relayed pair is selected only if no other was found until then.
const RELAYS_WAIT: Duration = Duration::from_millis(500);

/// The agent must not give up by itself: it goes by the wall clock.
const NEVER: Duration = Duration::from_secs(86_400);

/// A turn did not end, or the thread has.
pub(super) struct Stuck;

/// The thread.
pub(super) struct Runner {
    turns: mpsc::Sender<(Instant, Vec<Job>)>,
    made: mpsc::Receiver<Vec<JobOutput>>,
}

impl Runner {
    pub(super) fn start(now: Instant) -> std::io::Result<Self> {
        let (turns, to_do) = mpsc::channel();
        let (done, made) = mpsc::channel();
        std::thread::Builder::new().name("muji-webrtc-ice".to_owned()).spawn(move || run(now, &to_do, &done))?;
        Ok(Self { turns, made })
    }

    /// What comes of this until no task has anything left to do.
    pub(super) fn turn(&self, now: Instant, jobs: Vec<Job>) -> Result<Vec<JobOutput>, Stuck> {
        self.turns.send((now, jobs)).map_err(|_| Stuck)?;
        self.made.recv_timeout(TURN).map_err(|_| Stuck)
    }
}

/// Whether all tasks are idle: tokio calls a hook before it would sleep.
#[derive(Default)]
struct Idle {
    idle: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Idle {
    fn reached(&self) {
        self.idle.store(true, Ordering::Relaxed);
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }

    async fn wait(&self) {
        self.idle.store(false, Ordering::Relaxed);
        std::future::poll_fn(|cx| {
            if self.idle.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

fn run(begun: Instant, turns: &mpsc::Receiver<(Instant, Vec<Job>)>, done: &mpsc::Sender<Vec<JobOutput>>) {
    let idle = Arc::new(Idle::default());
    let hook = idle.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_park(move || hook.reached())
        .build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let mut tasks = Tasks::default();
        let mut clock = begun;
        // Nothing runs between two turns: the thread waits for the next one.
        while let Ok((now, jobs)) = turns.recv() {
            tokio::time::advance(now.saturating_duration_since(clock)).await;
            clock = clock.max(now);
            for job in jobs {
                tasks.execute(job).await;
            }
            idle.wait().await;
            if done.send(tasks.outbox.empty()).is_err() {
                return;
            }
        }
    });
    runtime.shutdown_background();
}

/// What lives in the thread.
#[derive(Default)]
struct Tasks {
    outbox: Outbox,
    ice: Option<Ice>,
    records: Option<queue::Sender<Vec<u8>>>,
}

impl Tasks {
    async fn execute(&mut self, job: Job) {
        match job {
            Job::Ice { controlling, ours, theirs } => {
                if let Some(before) = self.ice.take() {
                    before.end();
                }
                match Ice::begin(controlling, ours, theirs, &self.outbox).await {
                    Ok(ice) => self.ice = Some(ice),
                    Err(error) => self.outbox.put(JobOutput::Ended(TransportFailure::Library(error.to_string()))),
                }
            }
            Job::Pair { number, priority, relayed } => {
                if let Some(Err(error)) = self.ice.as_ref().map(|ice| ice.pair(number, priority, relayed)) {
                    self.outbox.put(JobOutput::Ended(TransportFailure::Library(error.to_string())));
                }
            }
            Job::Stun { number, bytes } => {
                // A message that finds no room is lost; STUN retransmits.
                let _full = self.ice.as_ref().map(|ice| ice.mux.try_send((bytes, address(number))));
            }
            Job::Handshake(handshake) => {
                let (records, to_read) = queue::channel(WAITING);
                self.records = Some(records);
                let wire = Wire { waiting: tokio::sync::Mutex::new(to_read), outbox: self.outbox.clone() };
                tokio::spawn(handshake::run(*handshake, Arc::new(wire), self.outbox.clone()));
            }
            Job::Record(bytes) => {
                let _full = self.records.as_ref().map(|records| records.try_send(bytes)); // DTLS retransmits too.
            }
        }
    }
}

/// An agent, and the queue to it.
struct Ice {
    agent: Arc<Agent>,
    mux: queue::Sender<(Vec<u8>, SocketAddr)>,
    /// It stops connecting when this is dropped.
    _connecting: queue::Sender<()>,
}

impl Ice {
    async fn begin(
        controlling: bool,
        ours: String,
        theirs: String,
        outbox: &Outbox,
    ) -> Result<Self, webrtc_ice::Error> {
        let (mux, to_read) = queue::channel(WAITING);
        let wire = Arc::new(Wire { waiting: tokio::sync::Mutex::new(to_read), outbox: outbox.clone() });
        let alone = Interface::convert(SocketAddr::new(OURS.into(), PORT), None)?;
        let config = AgentConfig {
            udp_network: UDPNetwork::Muxed(Arc::new(Mux(wire))),
            net: Some(Arc::new(Net::Ifs(vec![Interface::new("socket_sets".to_owned(), vec![alone])]))),
            local_ufrag: ours,
            local_pwd: INSIDE.to_owned(),
            is_controlling: controlling,
            network_types: vec![NetworkType::Udp4],
            candidate_types: vec![CandidateType::Host],
            multicast_dns_mode: MulticastDnsMode::Disabled,
            check_interval: CHECKS,
            disconnected_timeout: Some(NEVER),
            failed_timeout: Some(NEVER),
            keepalive_interval: Some(Duration::ZERO),
            max_binding_requests: Some(u16::MAX),
            prflx_acceptance_min_wait: Some(Duration::ZERO),
            relay_acceptance_min_wait: Some(RELAYS_WAIT),
            ..AgentConfig::default()
        };
        let agent = Arc::new(Agent::new(config).await?);
        let (gathered, mut all) = queue::channel(1);
        agent.on_candidate(Box::new(move |candidate| {
            if candidate.is_none() {
                let _known = gathered.try_send(());
            }
            Box::pin(std::future::ready(()))
        }));
        agent.gather_candidates()?;
        all.recv().await;
        let (connecting, given_up) = queue::channel(1);
        let (dialled, outbox) = (agent.clone(), outbox.clone());
        tokio::spawn(async move {
            let found = if controlling {
                dialled.dial(given_up, theirs, INSIDE.to_owned()).await.is_ok()
            } else {
                dialled.accept(given_up, theirs, INSIDE.to_owned()).await.is_ok()
            };
            if let Some(pair) = dialled.get_selected_candidate_pair().filter(|_| found) {
                outbox.put(JobOutput::Selected(number(pair.remote.addr())));
            }
        });
        Ok(Self { agent, mux, _connecting: connecting })
    }

    fn pair(&self, number: u32, priority: u32, relayed: bool) -> Result<(), webrtc_ice::Error> {
        let base_config = CandidateBaseConfig {
            network: "udp".to_owned(),
            address: address(number).ip().to_string(),
            port: PORT,
            component: 1,
            priority,
            ..CandidateBaseConfig::default()
        };
        let candidate = if relayed {
            CandidateRelayConfig { base_config, ..CandidateRelayConfig::default() }.new_candidate_relay()?
        } else {
            CandidateHostConfig { base_config, ..CandidateHostConfig::default() }.new_candidate_host()?
        };
        let candidate: Arc<dyn Candidate + Send + Sync> = Arc::new(candidate);
        self.agent.add_remote_candidate(&candidate)
    }

    /// Ends its tasks; in a task, because by its own comments closing may never return.
    fn end(self) {
        tokio::spawn(async move {
            let _closed_already = self.agent.close().await;
        });
    }
}

/// A pair as the agent knows it: as another address of the peer.
fn address(number: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number).into(), PORT)
}

/// The number of a pair; another address gives one that no pair has.
fn number(address: SocketAddr) -> u32 {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_bits().wrapping_sub(Ipv4Addr::new(10, 0, 0, 0).to_bits()),
        IpAddr::V6(_) => u32::MAX,
    }
}

/// The mux that the agent asks for its connection. There is one agent to each.
struct Mux(Arc<Wire<(Vec<u8>, SocketAddr)>>);

#[async_trait]
impl UDPMux for Mux {
    async fn close(&self) -> Result<(), webrtc_util::Error> {
        Ok(())
    }

    async fn get_conn(self: Arc<Self>, _ufrag: &str) -> Result<Arc<dyn Conn + Send + Sync>, webrtc_util::Error> {
        Ok(self.0.clone())
    }

    async fn remove_conn_by_ufrag(&self, _ufrag: &str) {}
}

/// A socket for the tasks.
struct Wire<T> {
    waiting: tokio::sync::Mutex<queue::Receiver<T>>,
    outbox: Outbox,
}

/// Copies a datagram into a task's buffer, truncated as by a socket.
fn copy(bytes: &[u8], to: &mut [u8]) -> usize {
    let length = bytes.len().min(to.len());
    to[..length].copy_from_slice(&bytes[..length]);
    length
}

fn never<T>() -> Result<T, webrtc_util::Error> {
    Err(webrtc_util::Error::Other("no task asks for this".to_owned()))
}

fn closed() -> webrtc_util::Error {
    webrtc_util::Error::ErrClosedListener
}

/// With the agent: each pair is an address.
#[async_trait]
impl Conn for Wire<(Vec<u8>, SocketAddr)> {
    async fn connect(&self, _: SocketAddr) -> Result<(), webrtc_util::Error> {
        never()
    }

    async fn recv(&self, _: &mut [u8]) -> Result<usize, webrtc_util::Error> {
        never()
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr), webrtc_util::Error> {
        let (bytes, from) = self.waiting.lock().await.recv().await.ok_or_else(closed)?;
        Ok((copy(&bytes, buffer), from))
    }

    async fn send(&self, _: &[u8]) -> Result<usize, webrtc_util::Error> {
        never()
    }

    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> Result<usize, webrtc_util::Error> {
        self.outbox.put(JobOutput::Stun { number: number(to), bytes: bytes.to_vec() });
        Ok(bytes.len())
    }

    fn local_addr(&self) -> Result<SocketAddr, webrtc_util::Error> {
        Ok(SocketAddr::new(OURS.into(), PORT))
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn close(&self) -> Result<(), webrtc_util::Error> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }
}

/// With the handshake: one peer.
#[async_trait]
impl Conn for Wire<Vec<u8>> {
    async fn connect(&self, _: SocketAddr) -> Result<(), webrtc_util::Error> {
        never()
    }

    async fn recv(&self, buffer: &mut [u8]) -> Result<usize, webrtc_util::Error> {
        match self.waiting.lock().await.recv().await {
            Some(bytes) => Ok(copy(&bytes, buffer)),
            None => std::future::pending().await, // The reader of dtls takes an error for one more try, without end.
        }
    }

    async fn recv_from(&self, _: &mut [u8]) -> Result<(usize, SocketAddr), webrtc_util::Error> {
        never()
    }

    async fn send(&self, bytes: &[u8]) -> Result<usize, webrtc_util::Error> {
        self.outbox.put(JobOutput::Record(bytes.to_vec()));
        Ok(bytes.len())
    }

    async fn send_to(&self, _: &[u8], _: SocketAddr) -> Result<usize, webrtc_util::Error> {
        never()
    }

    fn local_addr(&self) -> Result<SocketAddr, webrtc_util::Error> {
        Ok(SocketAddr::new(OURS.into(), PORT))
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(OURS.into(), PORT))
    }

    async fn close(&self) -> Result<(), webrtc_util::Error> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }
}
