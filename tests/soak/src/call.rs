//! Calls of `muji-call` processes over a server of this program, and what the processes report of each other.

use std::net::SocketAddr;
use std::time::Duration;

use muji_harness::muji_call::Processes;
use muji_harness::room::Rules;
use muji_harness::server::Server;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Failure;
use crate::observed::Observed;

/// Password of everybody.
const PASSWORD: &str = "montague";

/// All have left within this after the key for it was pressed, or something hangs.
const LEAVING: Duration = Duration::from_secs(60);

/// Everything is over when this is dropped: the server and the processes.
pub(crate) struct Call {
    server: Server,
    pub(crate) processes: Processes,
    /// Names and tones in Hz.
    pub(crate) people: Vec<(String, u16)>,
    pub(crate) observed: Observed,
}

impl Call {
    /// Nobody is there yet.
    pub(crate) async fn new(people: Vec<(String, u16)>) -> Result<Self, Failure> {
        let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
        let processes = Processes::new(&["--tls", "none"], PASSWORD)?;
        Ok(Self { server, processes, people, observed: Observed::default() })
    }

    pub(crate) fn server(&self) -> SocketAddr {
        self.server.address()
    }

    /// The person of this number joins a room, with further arguments.
    pub(crate) fn start(&mut self, number: usize, room: &str, further: &[&str]) -> Result<(), Failure> {
        self.start_by(self.server(), number, room, further)
    }

    /// The same, by a proxy at this address.
    pub(crate) fn start_by(
        &mut self,
        server: SocketAddr,
        number: usize,
        room: &str,
        further: &[&str],
    ) -> Result<(), Failure> {
        let (name, hz) = &self.people[number];
        let room = format!("{room}@conference.localhost");
        let (jid, audio, server) = (format!("{name}@localhost"), format!("tone:{hz}"), server.to_string());
        let mut arguments = vec![room.as_str(), "--nick", name, "--no-window", "--audio", &audio, "--server", &server];
        arguments.extend(further);
        Ok(self.processes.start(number, &jid, &arguments)?)
    }

    /// The system's id of the process of this person.
    pub(crate) fn id(&self, number: usize) -> Result<u32, Failure> {
        self.processes.id(number).ok_or_else(|| format!("the process of {} has ended", self.people[number].0).into())
    }

    /// Waits for the next event. False if none came until then.
    pub(crate) async fn next(&mut self, until: Instant) -> Result<bool, Failure> {
        let Ok(event) = timeout_at(until, self.processes.next()).await else { return Ok(false) };
        let (number, event) = event.ok_or("all processes have ended")?;
        self.observed.take(number, &event, &self.people);
        Ok(true)
    }

    /// Waits until something is true. False if it was not until then.
    pub(crate) async fn watch(&mut self, until: Instant, done: impl Fn(&Observed) -> bool) -> Result<bool, Failure> {
        while !done(&self.observed) {
            if Instant::now() >= until || !self.next(until).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes all events of this time.
    pub(crate) async fn watch_for(&mut self, time: Duration) -> Result<(), Failure> {
        let _time_is_over = self.watch(Instant::now() + time, |_| false).await?;
        Ok(())
    }

    /// A fault for each call that ended by itself.
    pub(crate) fn ended(&self) -> Vec<String> {
        let ended = self.observed.ended.iter();
        ended.map(|(number, why)| format!("the call of {} ended: {why}", self.people[*number].0)).collect()
    }

    /// All leave. What they report meanwhile does not count.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        self.processes.press("q").await;
        self.processes.all_started();
        let drained = async { while self.processes.next().await.is_some() {} };
        Ok(timeout(LEAVING, drained).await.map_err(|_| "a process did not end in time")?)
    }
}
