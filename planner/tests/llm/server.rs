//! A server on this machine that does what a script says, one connection per line.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What happens to one connection.
pub enum Does {
    /// Answers with a status, further header lines and a body.
    Reply(u16, &'static str, String),
    /// Writes these bytes, whatever they are, and closes.
    Raw(Vec<u8>),
    /// Writes a byte every 20 ms, for 3 s at most.
    Drip,
    /// Says nothing for 3 s.
    Silent,
    /// Closes at once.
    Close,
}

/// A running server.
pub struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    /// Serves the script's connections, then refuses further ones.
    pub fn start(script: Vec<Does>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        thread::spawn(move || {
            for does in script {
                let Ok((stream, _)) = listener.accept() else {
                    return;
                };
                serve(stream, does, &kept);
            }
        });
        Self { port, requests }
    }

    /// A base URL.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// What arrived, one request per connection.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let texts = requests
            .iter()
            .map(|it| String::from_utf8_lossy(it).into_owned());
        texts.collect()
    }
}

fn serve(mut stream: TcpStream, does: Does, kept: &Mutex<Vec<Vec<u8>>>) {
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let request = match does {
        Does::Close => Vec::new(),
        _ => read(&mut stream),
    };
    // Before the answer: the client may look as soon as it has one.
    kept.lock().unwrap().push(request);
    // A client that hangs up early is the point of some tests.
    let _ = match does {
        Does::Reply(status, headers, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
            );
            stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(body.as_bytes()))
        }
        Does::Raw(bytes) => stream.write_all(&bytes),
        Does::Drip => {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
            let start = stream.write_all(head.as_bytes());
            let drip = |_| {
                thread::sleep(Duration::from_millis(20));
                stream.write_all(b" ")
            };
            start.and_then(|()| (0..150).try_for_each(drip))
        }
        Does::Silent => {
            thread::sleep(Duration::from_secs(3));
            Ok(())
        }
        Does::Close => Ok(()),
    };
}

/// A request with its body, or what came of it before the connection ended.
fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let is_http = text.starts_with("post ");
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            match is_http {
                true => continue,
                false => break,
            }
        };
        let length = head.split("content-length: ").nth(1);
        let length = length.and_then(|it| it.lines().next()?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    request
}
