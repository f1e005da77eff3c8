//! The server of the page on loopback: hands the page out and takes what it reports. Enough of HTTP for one browser that we started.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The files of the page.
const FILES: [(&str, &str); 13] = [
    ("/", include_str!("../page/index.html")),
    ("/capabilities.js", include_str!("../page/capabilities.js")),
    ("/main.js", include_str!("../page/main.js")),
    ("/meter.js", include_str!("../page/meter.js")),
    ("/parameters.js", include_str!("../page/parameters.js")),
    ("/report.js", include_str!("../page/report.js")),
    ("/ringing.js", include_str!("../page/ringing.js")),
    ("/room.js", include_str!("../page/room.js")),
    ("/sdp.js", include_str!("../page/sdp.js")),
    ("/session.js", include_str!("../page/session.js")),
    ("/sources.js", include_str!("../page/sources.js")),
    ("/stream.js", include_str!("../page/stream.js")),
    ("/xml.js", include_str!("../page/xml.js")),
];

/// Reports that may wait.
const REPORTS: usize = 1_024;

/// A report is some hundred bytes; more than this is no report.
const MAX_REPORT: usize = 64 * 1_024;

/// A running server. It ends with this.
pub(crate) struct PageServer {
    address: SocketAddr,
    leaving: Arc<AtomicBool>,
    reports: mpsc::Receiver<Value>,
    listening: JoinHandle<()>,
}

impl PageServer {
    /// Listens on a free port.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (told, reports) = mpsc::channel(REPORTS);
        let leaving = Arc::new(AtomicBool::new(false));
        let leave = Arc::clone(&leaving);
        let listening = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (told, leave) = (told.clone(), Arc::clone(&leave));
                tokio::spawn(async move {
                    let _closed = answer(socket, &told, &leave).await.is_err();
                });
            }
        });
        Ok(Self { address, leaving, reports, listening })
    }

    /// The address of the page with these parameters.
    pub(crate) fn page(&self, parameters: &[(&str, &str)]) -> String {
        let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("http://{}/?{}", self.address, parameters.join("&"))
    }

    /// The next report of a page.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        self.reports.recv().await
    }

    /// All pages leave with their next report.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn answer(socket: TcpStream, told: &mpsc::Sender<Value>, leaving: &AtomicBool) -> io::Result<()> {
    let mut socket = BufStream::new(socket);
    let (method, path, length) = request(&mut socket).await?;
    if method == "GET" {
        let path = path.split('?').next().unwrap_or_default();
        let file = FILES.iter().find(|(name, _)| *name == path);
        let kind = if path.ends_with(".js") { "text/javascript" } else { "text/html" };
        return match file {
            Some((_, text)) => write(&mut socket, "200 OK", kind, text).await,
            None => write(&mut socket, "404 Not Found", "text/plain", "").await,
        };
    }
    let mut body = vec![0; length.min(MAX_REPORT)];
    socket.read_exact(&mut body).await?;
    if let Ok(report) = serde_json::from_slice(&body) {
        let _over = told.send(report).await.is_err();
    }
    let order = if leaving.load(Ordering::Relaxed) { "leave" } else { "" };
    write(&mut socket, "200 OK", "text/plain", order).await
}

/// Method, path and length of the body.
async fn request(socket: &mut BufStream<TcpStream>) -> io::Result<(String, String, usize)> {
    let (mut first, mut length) = (String::new(), 0);
    socket.read_line(&mut first).await?;
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut words = first.split_whitespace().map(str::to_owned);
    Ok((words.next().unwrap_or_default(), words.next().unwrap_or_default(), length))
}

async fn write(socket: &mut BufStream<TcpStream>, status: &str, kind: &str, text: &str) -> io::Result<()> {
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(text.as_bytes()).await?;
    socket.flush().await
}
