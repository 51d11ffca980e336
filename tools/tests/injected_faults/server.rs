//! A language model's server on this machine that does one wrong thing to every connection.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// What is sent to a request, which is handed in as text.
pub(crate) type Answer = fn(&str) -> Reply;

pub(crate) enum Reply {
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// These bytes, then so many of the others each 50 ms.
    Slow(Vec<u8>, u8),
    /// Nothing, and the connection is reset.
    Reset(Vec<u8>),
}

/// It serves until it is dropped.
pub(crate) struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
}

impl Server {
    pub fn start(answer: Answer) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let server = Self {
            port: listener.local_addr()?.port(),
            stop: Arc::default(),
            served: Arc::default(),
        };
        let (stop, served) = (server.stop.clone(), server.served.clone());
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        served.fetch_add(1, Ordering::Relaxed);
                        let stop = stop.clone();
                        // A client that hangs up early is what some kinds are about.
                        thread::spawn(move || serve(stream, answer, &stop).ok());
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Ok(server)
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve(mut stream: TcpStream, answer: Answer, stop: &AtomicBool) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let request = read(&mut stream);
    match answer(&request) {
        Reply::Bytes(bytes) => stream.write_all(&bytes),
        Reply::Slow(bytes, byte) => {
            stream.write_all(&bytes)?;
            let start = Instant::now();
            while !stop.load(Ordering::Relaxed) && start.elapsed() < Duration::from_secs(30) {
                thread::sleep(Duration::from_millis(50));
                stream.write_all(&[byte])?;
            }
            Ok(())
        }
        Reply::Reset(bytes) => {
            stream.write_all(&bytes)?;
            // Closed with bytes unread, so that the system resets.
            Ok(())
        }
    }
}

/// A request with its body.
fn read(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 16384];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request);
        if !text.starts_with("POST ") {
            break;
        }
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let lower = head.to_lowercase();
        let length = lower.split("content-length: ").nth(1);
        let length = length.and_then(|it| it.lines().next()?.trim().parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    String::from_utf8_lossy(&request).into_owned()
}

/// A reply with a status, further header lines and a body.
pub(crate) fn reply(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    );
    Reply::Bytes(text.into_bytes())
}

/// What the request's header said to prove who asks.
pub(crate) fn authorization(request: &str) -> String {
    let line = request.lines().find_map(|line| {
        Some(line.split_once(':')?).filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
    });
    line.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}
