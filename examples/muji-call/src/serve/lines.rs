//! Lines to the client and from it, each by a thread that may wait for it.

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Lines that wait for a client that reads slowly: some seconds of a call of many.
const QUEUE: usize = 1_024;

/// Lines of the client that wait: while they do, it is not read.
const UNREAD: usize = 16;

/// A client that reads nothing for so long is taken for hung: its user would not see that it rings.
const PATIENCE: Duration = Duration::from_secs(30);

/// At the end, for what has been said already.
const ENDING: Duration = Duration::from_secs(2);

/// Bytes of a line. Servers let half a megabyte of a stanza through, and JSON writes some characters as six.
const MAX_LINE: u64 = 4 << 20;

/// Lines to the client.
pub(super) struct LinesOut {
    queue: mpsc::Sender<String>,
    /// Told when all is written.
    written: oneshot::Receiver<()>,
}

/// Why the client is not told something.
#[derive(Debug)]
pub(super) enum Unsaid {
    /// It is gone.
    Gone,
    /// It reads nothing.
    Deaf,
}

impl LinesOut {
    /// Writes to the client from now on.
    pub(super) fn to(client: impl Write + Send + 'static) -> Self {
        let (queue, mut lines) = mpsc::channel::<String>(QUEUE);
        let (all, written) = oneshot::channel();
        std::thread::spawn(move || {
            let mut client = BufWriter::new(client);
            while let Some(line) = lines.blocking_recv() {
                let written = writeln!(client, "{line}").and_then(|()| client.flush());
                if written.is_err() {
                    return; // It is gone, and its own lines end too.
                }
            }
            let _nobody_waits = all.send(()).is_err();
        });
        Self { queue, written }
    }

    /// A line that the client needs.
    pub(super) async fn say(&self, line: &Value) -> Result<(), Unsaid> {
        let sent = timeout(PATIENCE, self.queue.send(line.to_string())).await;
        sent.map_err(|_| Unsaid::Deaf)?.map_err(|_| Unsaid::Gone)
    }

    /// Nothing more is said; what was said is still written.
    pub(super) async fn finish(self) {
        drop(self.queue);
        let _gone = timeout(ENDING, self.written).await.is_err();
    }

    /// A line that can be left out, as another follows in a second. False if it was.
    pub(super) fn try_say(&self, line: &Value) -> bool {
        // Half of the queue is for what is needed.
        self.queue.capacity() > QUEUE / 2 && self.queue.try_send(line.to_string()).is_ok()
    }
}

/// Lines of the client.
pub(super) struct LinesIn(mpsc::Receiver<io::Result<String>>);

impl LinesIn {
    /// Reads from the client from now on.
    pub(super) fn from(client: impl Read + Send + 'static) -> Self {
        let (queue, lines) = mpsc::channel(UNREAD);
        std::thread::spawn(move || {
            let mut client = BufReader::new(client);
            while let Some(line) = read(&mut client).transpose() {
                let is_last = line.is_err();
                if queue.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
        });
        Self(lines)
    }

    /// The next one; `None` if the client is gone. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<io::Result<String>> {
        self.0.recv().await
    }
}

/// A whole line; `None` at their end.
fn read(client: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    client.take(MAX_LINE).read_until(b'\n', &mut line)?;
    let invalid = |why: String| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    match line.last() {
        Some(b'\n') => match String::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(why) => invalid(why.to_string()),
        },
        Some(_) if line.len() as u64 == MAX_LINE => invalid(format!("a line has more than {MAX_LINE} bytes")),
        _ => Ok(None), // What was cut off by its end says nothing.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_the_client_and_one_that_is_cut_off_is_none() {
        let mut client = &b"{}\n\nab"[..];
        let mut next = || read(&mut client).expect("they are text");
        assert_eq!([next(), next(), next()], [Some("{}\n".to_owned()), Some("\n".to_owned()), None]);
    }

    #[test]
    fn a_line_without_end_and_one_that_is_no_text_are_errors_in_words() {
        let mut endless = BufReader::new(io::repeat(b'a'));
        assert_eq!(read(&mut endless).unwrap_err().to_string(), "a line has more than 4194304 bytes");
        let why = read(&mut &b"\xff\n"[..]).unwrap_err().to_string();
        assert!(why.starts_with("invalid utf-8"), "{why}");
    }
}
