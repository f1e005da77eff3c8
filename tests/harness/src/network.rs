//! Networks on this machine, made of network namespaces: an internet, and sites that reach it through some kind of NAT. They are
//! removed when dropped. Needs root, `ip` and `nft`.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How a site reaches the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// With a public address.
    Open,
    /// Full-cone NAT: everybody may send to a port that was used once.
    FullCone,
    /// Port-restricted NAT: only answers come in.
    PortRestricted,
    /// Symmetric NAT: another port for each destination.
    Symmetric,
    /// NAT, and UDP is blocked.
    NoUdp,
    /// IPv6 only.
    Ipv6,
}

/// Addresses of the internet's servers.
pub const SERVER: &str = "198.51.100.1";
/// Another one, of the same machine.
pub const SERVER2: &str = "198.51.100.2";
/// The first by IPv6.
pub const SERVER6: &str = "2001:db8::1";

/// An internet.
pub struct Network {
    name: String,
    sites: u8,
}

/// A machine at a site.
pub struct Host {
    /// The namespace that programs run in.
    pub place: String,
    router: Option<String>,
    /// Its own address.
    pub address: String,
    number: u8,
}

/// Several internets in one process.
static MADE: AtomicU8 = AtomicU8::new(0);

impl Network {
    /// An internet without sites; `None`, with the reason, if this machine does not let us.
    ///
    /// # Errors
    /// If it lets us, and something goes wrong.
    pub fn new() -> io::Result<Result<Self, String>> {
        for program in ["ip", "nft"] {
            if super::process::found(program).is_none() {
                return Ok(Err(format!("{program} is not installed")));
            }
        }
        let name = format!("mj{}n{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        if run(&["ip", "netns", "add", &name]).is_err() {
            return Ok(Err("network namespaces need root".to_owned()));
        }
        let this = Self { name, sites: 0 };
        this.inside("ip link set lo up")?;
        this.inside("ip link add br0 type bridge")?;
        this.inside("ip link set br0 up")?;
        this.inside(&format!("ip addr add {SERVER}/24 dev br0"))?;
        this.inside(&format!("ip addr add {SERVER2}/24 dev br0"))?;
        this.inside(&format!("ip addr add {SERVER6}/64 dev br0 nodad"))?;
        // What is for nobody is lost, as it is behind a router of the internet.
        this.inside("ip route add default dev lo")?;
        Ok(Ok(this))
    }

    /// The namespace in which servers run.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.name
    }

    /// A command that runs where the servers do.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        super::process::within(&self.name, program)
    }

    /// From now on so many of a hundred datagrams are lost at random where they arrive among the servers, also on their loopback.
    ///
    /// # Errors
    /// If the kernel does not do it.
    pub fn lose(&self, percent: u32) -> io::Result<()> {
        let rule = if percent == 0 { String::new() } else { format!("{} drop", random_datagrams(percent)) };
        feed(
            &self.name,
            &format!(
                "table inet loss {{}}
                delete table inet loss
                table inet loss {{
                    chain in {{
                        type filter hook input priority 0
                        {rule}
                    }}
                }}\n"
            ),
        )
    }

    /// A command in the namespace of the servers.
    fn inside(&self, command: &str) -> io::Result<()> {
        within(&self.name, command)
    }

    /// One more site.
    ///
    /// # Errors
    /// If the kernel does not do it.
    pub fn site(&mut self, access: Access) -> io::Result<Host> {
        self.sites += 1;
        let number = self.sites;
        let place = format!("{}c{number}", self.name);
        run(&["ip", "netns", "add", &place])?;
        let mut site = Host { place, router: None, address: String::new(), number };
        within(&site.place, "ip link set lo up")?;
        match access {
            Access::Open => {
                site.address = format!("198.51.100.{}", 10 + number);
                self.plug(&site.place, &format!("{}/24", site.address))?;
                within(&site.place, &format!("ip addr add 2001:db8::{}/64 dev wan nodad", 10 + number))?;
            }
            Access::Ipv6 => {
                site.address = format!("2001:db8::{}", 10 + number);
                self.plug(&site.place, &format!("{}/64 nodad", site.address))?;
            }
            Access::FullCone | Access::PortRestricted | Access::Symmetric | Access::NoUdp => {
                self.behind(&mut site, access)?;
            }
        }
        Ok(site)
    }

    /// A site behind a router that translates addresses.
    fn behind(&self, site: &mut Host, access: Access) -> io::Result<()> {
        let number = site.number;
        let router = format!("{}r{number}", self.name);
        run(&["ip", "netns", "add", &router])?;
        site.router = Some(router.clone());
        self.plug(&router, &format!("198.51.100.{}/24", 10 + number))?;
        let (inner, outer) = (format!("lan{number}"), format!("up{number}"));
        run(&[
            "ip",
            "link",
            "add",
            &inner,
            "netns",
            &router,
            "type",
            "veth",
            "peer",
            "name",
            &outer,
            "netns",
            &site.place,
        ])?;
        let lan = format!("192.168.{number}");
        site.address = format!("{lan}.2");
        within(&router, &format!("ip addr add {lan}.1/24 dev {inner}"))?;
        within(&router, &format!("ip link set {inner} up"))?;
        within(&router, "sysctl -q -w net.ipv4.ip_forward=1")?;
        within(&site.place, &format!("ip link set {outer} name lan"))?;
        within(&site.place, &format!("ip addr add {lan}.2/24 dev lan"))?;
        within(&site.place, "ip link set lan up")?;
        within(&site.place, &format!("ip route add default via {lan}.1"))?;
        let random = if access == Access::Symmetric { "fully-random" } else { "" };
        let mut rules = format!(
            "table ip nat {{
                chain out {{ type nat hook postrouting priority 100; oifname \"wan\" masquerade {random}; }}
                chain in {{ type nat hook prerouting priority -100; }}
            }}
            table ip filter {{
                chain pass {{ type filter hook forward priority 0; }}
                chain own {{ type filter hook input priority 0; iifname \"wan\" ct state new drop; }}
            }}\n"
        );
        if access == Access::FullCone {
            rules += &format!("add rule ip nat in iifname \"wan\" meta l4proto udp dnat to {lan}.2\n");
        }
        if access == Access::NoUdp {
            rules += "add rule ip filter pass meta l4proto udp drop\n";
        }
        feed(&router, &rules)
    }

    /// A wire from a namespace to the internet, with this address.
    fn plug(&self, place: &str, address: &str) -> io::Result<()> {
        let number = self.sites;
        let here = format!("to{number}");
        run(&["ip", "link", "add", &here, "netns", &self.name, "type", "veth", "peer", "name", "wan", "netns", place])?;
        self.inside(&format!("ip link set {here} master br0"))?;
        self.inside(&format!("ip link set {here} up"))?;
        within(place, &format!("ip addr add {address} dev wan"))?;
        within(place, "ip link set wan up")
    }

    /// Cuts the wire of a site, or mends it.
    ///
    /// # Errors
    /// If the kernel does not do it.
    pub fn cut(&self, site: &Host, cut: bool) -> io::Result<()> {
        self.inside(&format!("ip link set to{} {}", site.number, if cut { "down" } else { "up" }))
    }
}

impl Host {
    /// A command that runs there.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        super::process::within(&self.place, program)
    }

    /// The machine gets another address in its network, and loses the one it had.
    ///
    /// # Errors
    /// If the kernel does not do it.
    pub fn readdress(&mut self) -> io::Result<()> {
        let lan = format!("192.168.{}", self.number);
        within(&self.place, &format!("ip addr del {lan}.2/24 dev lan"))?;
        within(&self.place, &format!("ip addr add {lan}.3/24 dev lan"))?;
        self.address = format!("{lan}.3");
        within(&self.place, &format!("ip route replace default via {lan}.1"))
    }

    /// Its network is gone, addresses and all, or comes back.
    ///
    /// # Errors
    /// If the kernel does not do it.
    pub fn unplug(&self, gone: bool) -> io::Result<()> {
        let lan = format!("192.168.{}", self.number);
        if gone {
            within(&self.place, "ip link set lan down")?;
            return within(&self.place, &format!("ip addr del {lan}.2/24 dev lan"));
        }
        within(&self.place, "ip link set lan up")?;
        within(&self.place, &format!("ip addr add {lan}.2/24 dev lan"))?;
        within(&self.place, &format!("ip route replace default via {lan}.1"))
    }

    /// From now on nothing of this kind gets through its router.
    ///
    /// # Errors
    /// If the kernel does not do it.
    pub fn block(&self, what: &str) -> io::Result<()> {
        feed(self.router.as_deref().unwrap_or(&self.place), &format!("add rule ip filter pass {what} drop\n"))
    }

    /// From now on its router drops this share of all datagrams, in percent, each independently.
    ///
    /// # Errors
    /// If the kernel does not do it.
    pub fn lose(&self, percent: u32) -> io::Result<()> {
        self.block(&random_datagrams(percent))
    }

    /// From now on its router lets in so many kbit/s of datagrams, and drops the others: it has no queue.
    ///
    /// # Errors
    /// If the kernel does not do it.
    pub fn narrow(&self, kbps: u32) -> io::Result<()> {
        let rate = kbps / 8;
        self.block(&format!("iifname \"wan\" meta l4proto udp limit rate over {rate} kbytes/second burst 8 kbytes"))
    }

    /// Connections to and from this port are reset, at a site without a router, or are not any more.
    ///
    /// # Errors
    /// If the kernel does not do it.
    pub fn refuse(&self, port: u16, refuses: bool) -> io::Result<()> {
        if !refuses {
            return feed(&self.place, "delete table ip refuse\n");
        }
        let reset = format!("tcp dport {port} reject with tcp reset; tcp sport {port} reject with tcp reset;");
        feed(
            &self.place,
            &format!(
                "table ip refuse {{
                    chain in {{ type filter hook input priority 0; {reset} }}
                    chain out {{ type filter hook output priority 0; {reset} }}
                }}\n"
            ),
        )
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for place in [Some(&self.place), self.router.as_ref()].into_iter().flatten() {
            let _gone = run(&["ip", "netns", "del", place]).is_err();
        }
    }
}

/// The thread goes into a network namespace, with the programs that it starts from then on.
///
/// # Errors
/// If it is not there, or takes root.
pub fn enter(place: &str) -> io::Result<()> {
    go(&File::open(format!("/run/netns/{place}"))?)
}

/// Does something in a network namespace. Threads stay where they were begun: this one goes there, begins what is to be there, and comes back.
///
/// # Errors
/// If it cannot go there, or the act fails.
pub fn visit<T>(place: &str, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let back = File::open("/proc/thread-self/ns/net")?;
    enter(place)?;
    let done = act();
    go(&back)?;
    done
}

fn go(namespace: &File) -> io::Result<()> {
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// The folder whose contents programs in a namespace see in `/etc` instead of what is there.
pub(super) fn instead_of_etc(place: &str) -> std::path::PathBuf {
    std::path::Path::new("/etc/netns").join(place)
}

impl Drop for Network {
    fn drop(&mut self) {
        let _was_not_there = std::fs::remove_dir_all(instead_of_etc(&self.name)).is_err();
        let _gone = run(&["ip", "netns", "del", &self.name]).is_err();
    }
}

/// Programs may not be found by a PATH without `sbin`.
fn tool(name: &str) -> std::path::PathBuf {
    super::process::found(name).unwrap_or_else(|| name.into())
}

fn run(words: &[&str]) -> io::Result<()> {
    let output = Command::new(tool(words[0])).args(&words[1..]).output()?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{}: {why}", words.join(" "))))
}

fn within(place: &str, command: &str) -> io::Result<()> {
    let words: Vec<&str> = ["ip", "netns", "exec", place].into_iter().chain(command.split_whitespace()).collect();
    run(&words)
}

/// Matches this share of all datagrams, in percent, each independently: as on bad Wi-Fi, without a queue.
fn random_datagrams(percent: u32) -> String {
    format!("meta l4proto udp numgen random mod 100 < {percent}")
}

/// Rules for the packets of a namespace.
fn feed(place: &str, rules: &str) -> io::Result<()> {
    use std::io::Write as _;

    let mut command = Command::new(tool("ip"));
    command.args(["netns", "exec", place]).arg(tool("nft")).args(["-f", "-"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().expect("it is piped").write_all(rules.as_bytes())?;
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}
