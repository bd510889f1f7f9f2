//! One connection, as the script says.

use super::request::Request;
use super::script::{Answer, Script};
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::tls;
use super::{PATIENCE, Shared, State};
use socket2::SockRef;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

static A_PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];
const HUGE_BYTES: usize = 1_600 * A_PIECE.len();

/// Serves one connection until it ends or another script is set.
pub(super) fn follow(stream: TcpStream, shared: &Shared) {
    let connection = {
        let mut state = shared.state();
        state.last_connection += 1;
        let id = state.last_connection;
        state.connections.insert(id, stream.try_clone().expect("a socket can be cloned"));
        Connection { shared, script: state.script.clone(), number: state.number, id }
    };
    // Clients that leave are what this server is for.
    let _ = connection.follow(stream);
}

struct Connection<'a> {
    shared: &'a Shared,
    script: Script,
    /// That of the script.
    number: u64,
    id: u64,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.shared.state().connections.remove(&self.id);
    }
}

impl Connection<'_> {
    fn follow(&self, stream: TcpStream) -> io::Result<()> {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = &stream;
        match self.script {
            // It came in before, and is here only now.
            Script::Refuses => return Ok(()),
            Script::NeverReads => {
                SockRef::from(&stream).set_recv_buffer_size(4096)?;
                self.count();
                self.wait_for_the_next(None);
                return Ok(());
            }
            Script::Sips { pace } => {
                SockRef::from(&stream).set_recv_buffer_size(4096)?;
                self.count();
                let mut sip = [0; 512];
                while !self.wait_for_the_next(Some(pace)) && from.get_mut().read(&mut sip)? != 0 {}
                return Ok(());
            }
            Script::Garbage => {
                self.count();
                to.write_all(b"220 mail.example ESMTP, of another protocol\r\n\r\n")?;
                // What is closed with something unread may be reset, and what was written lost.
                stream.shutdown(Shutdown::Write)?;
                return io::copy(&mut from, &mut io::sink()).map(drop);
            }
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Script::SelfSigned => {
                self.count();
                return tls::shake_hands(from.get_mut());
            }
            _ => {}
        }
        while let Some(mut request) = Request::read_head(&mut from) {
            self.count();
            if matches!(self.script, Script::ResetsMidway) {
                let half = request.length() as u64 / 2;
                io::copy(&mut from.by_ref().take(half), &mut io::sink())?;
                return self.reset(&stream);
            }
            request.read_body(&mut from)?;
            match &self.script {
                Script::Answers(answer) => self.answer(request, answer, to)?,
                Script::ClosesAfterAnswers(answer) => {
                    self.answer(request, answer, to)?;
                    return stream.shutdown(Shutdown::Both);
                }
                Script::ResetsUnanswered => return self.reset(&stream),
                Script::Trickles { pace, at_once } => self.trickle(request, *pace, *at_once, to)?,
                Script::Huge { status } => {
                    let answer = Answer::new("huge", *status);
                    self.begin(request, &answer, &answer.head(HUGE_BYTES), to)?;
                    for _ in 0..HUGE_BYTES / A_PIECE.len() {
                        to.write_all(&A_PIECE)?;
                    }
                    return Ok(());
                }
                _ => {
                    self.wait_for_the_next(None);
                }
            }
        }
        Ok(())
    }

    fn count(&self) {
        *self.shared.state().asked.entry(self.script.name()).or_default() += 1;
    }

    fn answer(&self, request: Request, answer: &Answer, to: impl Write) -> io::Result<()> {
        let mut bytes = answer.head(answer.body.len());
        bytes.extend_from_slice(&answer.body);
        self.begin(request, answer, &bytes, to)
    }

    /// Answers, and keeps the request if that is a success; both or neither, whenever another script
    /// is set.
    fn begin(
        &self,
        request: Request,
        answer: &Answer,
        bytes: &[u8],
        mut to: impl Write,
    ) -> io::Result<()> {
        let mut state = self.state()?;
        to.write_all(bytes)?;
        if answer.is_success() {
            state.received.push(request);
        }
        Ok(())
    }

    /// The request is received once the head is out.
    fn trickle(
        &self,
        request: Request,
        pace: Duration,
        at_once: usize,
        mut to: impl Write,
    ) -> io::Result<()> {
        let answer =
            Answer::new("trickles", 200).body("a body that is long enough to take its time");
        let head = answer.head(answer.body.len());
        let (before, last) = head.split_at(head.len() - 1);
        let (at_once, slowly) = before.split_at(at_once.min(before.len()));
        to.write_all(at_once)?;
        for byte in slowly {
            if self.wait_for_the_next(Some(pace)) {
                return Ok(());
            }
            to.write_all(&[*byte])?;
        }
        self.begin(request, &answer, last, &mut to)?;
        for byte in &answer.body {
            if self.wait_for_the_next(Some(pace)) {
                return Ok(());
            }
            to.write_all(&[*byte])?;
        }
        Ok(())
    }

    fn reset(&self, stream: &TcpStream) -> io::Result<()> {
        SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
        // It is closed with the last of its handles.
        self.shared.state().connections.remove(&self.id);
        Ok(())
    }

    /// The server's state, unless another script has been set.
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.shared.state();
        if state.number != self.number {
            return Err(io::Error::other("another script"));
        }
        Ok(state)
    }

    /// Waits until another script is set, or for so long; whether one is.
    fn wait_for_the_next(&self, time: Option<Duration>) -> bool {
        let deadline = Instant::now() + time.unwrap_or(20 * PATIENCE);
        let mut state = self.shared.state();
        while state.number == self.number {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.has_changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        true
    }
}
