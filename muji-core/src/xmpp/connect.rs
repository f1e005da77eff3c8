//! Finding a server: its SRV records (RFC 6120 section 3.2.1, XEP-0368), their addresses, and the first that answers.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::account::Server;
use super::error::LoginError;

/// The port of a server that has no SRV record (RFC 6120 section 3.2.2).
const PORT: u16 = 5222;

/// For all SRV records together: a name server that is silent must not keep a server from being found by its name.
const DISCOVERY: Duration = Duration::from_secs(5);

/// For the addresses of one host.
const ADDRESSES: Duration = Duration::from_secs(5);

/// For one address: a packet and two repetitions.
const CONNECT: Duration = Duration::from_secs(5);

/// Addresses tried in all; with [`CONNECT`] the user waits half a minute at most.
const MAX_TRIES: usize = 6;

/// A host that may have what we look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// TLS begins with the first byte.
    pub(super) direct: bool,
}

/// A connection, and where it leads.
pub(super) struct ServerSocket {
    pub(super) socket: TcpStream,
    pub(super) direct: bool,
    /// For messages.
    pub(super) name: String,
}

/// Connects to the server of `domain`, an ASCII name.
pub(super) async fn connect(domain: &str, server: &Server) -> Result<ServerSocket, LoginError> {
    let targets = match server {
        Server::Discovered => discover(domain).await?,
        Server::StartTls { host, port } => vec![Target { host: host.clone(), port: *port, direct: false }],
        Server::DirectTls { host, port } => vec![Target { host: host.clone(), port: *port, direct: true }],
        Server::Plaintext(address) => {
            vec![Target { host: address.ip().to_string(), port: address.port(), direct: false }]
        }
    };
    let (mut last, mut tries) = (None, 0);
    for Target { host, port, direct } in targets {
        let addresses = match addresses(&host, port).await {
            Ok(addresses) => addresses,
            Err(why) => {
                last = Some(LoginError::UnknownHost { host, why });
                continue;
            }
        };
        for address in addresses.into_iter().take(MAX_TRIES - tries) {
            tries += 1;
            let name =
                if address.ip().to_string() == host { address.to_string() } else { format!("{host} ({address})") };
            match dial(address).await {
                Ok(socket) => return Ok(ServerSocket { socket, direct, name }),
                Err(why) => last = Some(LoginError::Unreachable { server: name, why }),
            }
        }
    }
    Err(last.unwrap_or_else(|| LoginError::NoService(domain.to_owned())))
}

async fn dial(address: SocketAddr) -> Result<TcpStream, String> {
    let socket = timeout(CONNECT, TcpStream::connect(address)).await.map_err(|_| "no answer".to_owned())?;
    let socket = socket.map_err(|why| why.to_string())?;
    socket.set_nodelay(true).map_err(|why| why.to_string())?;
    Ok(socket)
}

async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if is_this_machine(host) {
        return Ok(vec![([127, 0, 0, 1], port).into(), ([0, 0, 0, 0, 0, 0, 0, 1], port).into()]);
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = timeout(ADDRESSES, lookup_host((host, port))).await.map_err(|_| "no answer".to_owned())?;
    Ok(found.map_err(|why| why.to_string())?.collect())
}

/// Names that never leave the machine (RFC 6761 section 6.3).
fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

async fn discover(domain: &str) -> Result<Vec<Target>, LoginError> {
    let itself = || vec![Target { host: domain.to_owned(), port: PORT, direct: false }];
    if is_this_machine(domain) || domain.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() {
        return Ok(itself());
    }
    let Ok(resolver) = TokioResolver::builder_tokio().and_then(|builder| builder.build()) else {
        return Ok(itself()); // A system without a name server of its own.
    };
    let services = services(&resolver, domain).await;
    if services.is_empty() {
        return Ok(itself());
    }
    let targets = in_order(services, random);
    if targets.is_empty() { Err(LoginError::NoService(domain.to_owned())) } else { Ok(targets) }
}

/// An SRV record (RFC 2782).
#[derive(Debug, Clone)]
struct Service {
    priority: u16,
    weight: u16,
    target: Target,
}

async fn services(resolver: &TokioResolver, domain: &str) -> Vec<Service> {
    let ask = |service: &'static str, direct| async move {
        let name = format!("{service}._tcp.{domain}.");
        let Ok(Ok(found)) = timeout(DISCOVERY, resolver.srv_lookup(name)).await else { return Vec::new() };
        let records = found.answers().iter().filter_map(|record| {
            let RData::SRV(srv) = &record.data else { return None };
            let host = srv.target.to_ascii().trim_end_matches('.').to_owned();
            let target = Target { host, port: srv.port, direct };
            Some(Service { priority: srv.priority, weight: srv.weight, target })
        });
        records.collect()
    };
    let (direct, started): (Vec<_>, Vec<_>) = tokio::join!(ask("_xmpps-client", true), ask("_xmpp-client", false));
    direct.into_iter().chain(started).collect()
}

/// By priority, and within one at random by weight (RFC 2782). A target `.` means that there is no service.
fn in_order(mut services: Vec<Service>, mut random: impl FnMut(u64) -> u64) -> Vec<Target> {
    services.retain(|service| !service.target.host.is_empty());
    services.sort_by_key(|service| service.priority);
    let mut targets = Vec::new();
    while let Some(priority) = services.first().map(|service| service.priority) {
        let same = || services.iter().take_while(|service| service.priority == priority);
        let total: u64 = same().map(|service| u64::from(service.weight) + 1).sum();
        let mut mark = random(total);
        let chosen = same().position(|service| {
            let within = mark <= u64::from(service.weight);
            mark = mark.saturating_sub(u64::from(service.weight) + 1);
            within
        });
        targets.push(services.remove(chosen.unwrap_or(0)).target);
    }
    targets
}

/// A number below `limit`; without a random source always the first.
fn random(limit: u64) -> u64 {
    getrandom::u64().unwrap_or(0) % limit
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
    use hickory_resolver::proto::rr::rdata::SRV;
    use hickory_resolver::proto::rr::{Name, Record};
    use tokio::net::UdpSocket;

    use super::*;

    fn service(priority: u16, weight: u16, host: &str, direct: bool) -> Service {
        Service { priority, weight, target: Target { host: host.to_owned(), port: 5222, direct } }
    }

    fn hosts(services: Vec<Service>, random: impl FnMut(u64) -> u64) -> Vec<String> {
        in_order(services, random).into_iter().map(|target| target.host).collect()
    }

    #[test]
    fn direct_tls_and_starttls_are_tried_by_priority_and_equals_by_weight() {
        let services = vec![
            service(20, 0, "last", false),
            service(10, 1, "light", false),
            service(10, 98, "heavy", true),
            service(5, 0, "first", true),
        ];
        assert_eq!(hosts(services.clone(), |_| 0), ["first", "light", "heavy", "last"]);
        assert_eq!(hosts(services, |limit| limit - 1), ["first", "heavy", "light", "last"]);
    }

    #[test]
    fn a_weight_is_a_share() {
        let services = vec![service(0, 0, "light", false), service(0, 98, "heavy", false)];
        let firsts = (0..100).map(|mark| hosts(services.clone(), |limit| mark % limit)[0].clone());
        assert_eq!(firsts.filter(|first| first == "heavy").count(), 99);
    }

    #[test]
    fn a_domain_that_says_it_has_no_service_is_believed() {
        assert_eq!(in_order(vec![service(0, 0, "", false)], |_| 0), []);
    }

    /// A name server that knows one record.
    #[expect(clippy::disallowed_methods, reason = "it runs beside the test")]
    async fn name_server() -> TokioResolver {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut bytes = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                let query = Message::from_vec(&bytes[..length]).unwrap();
                let asked = query.queries[0].name().clone();
                let mut answer = query.clone();
                answer.metadata.message_type = MessageType::Response;
                if asked.to_ascii().starts_with("_xmpps-client._tcp.example.org") {
                    let srv = SRV::new(5, 0, 443, Name::from_ascii("xmpp.example.org.").unwrap());
                    answer.add_answer(Record::from_rdata(asked, 60, RData::SRV(srv)));
                } else {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                }
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        let mut connection = ConnectionConfig::udp();
        connection.port = port;
        let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build().unwrap()
    }

    #[tokio::test]
    async fn records_are_asked_of_the_name_server_and_a_missing_kind_is_no_fault() {
        let resolver = name_server().await;
        let found = in_order(services(&resolver, "example.org").await, |_| 0);
        assert_eq!(found, [Target { host: "xmpp.example.org".to_owned(), port: 443, direct: true }]);
        assert!(services(&resolver, "example.com").await.is_empty());
    }
}
