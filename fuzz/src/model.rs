//! What a language model and its server may say.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Mutex, OnceLock, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use kforge_planner::{
    check,
    llm::{
        Config, ENDPOINT_VARIABLE, Failure, Http, KEY_VARIABLE, Key, LlmPlanner, Pauses, Response,
        SendError, Timeouts, Transport, reply,
    },
};
use serde_json::json;

use crate::plan::{device, holds, problem, proposed};

/// It may stand in a request's header alone.
const KEY: &str = "sk-fuzz/0123456789abcdef";

/// The text of a reply: the steps that are read print and read again as the same.
pub fn llm_reply(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(steps) = reply::read(text) else {
        return;
    };
    let printed = json!({ "passes": steps }).to_string();
    assert_eq!(reply::read(&printed).as_ref(), Ok(&steps));
    let mut plan = proposed();
    plan.passes = steps;
    plan.complete();
    if check(&plan, Some(problem())).is_ok() {
        holds(&plan);
    }
}

/// A server's answers, parted by zero bytes: the status on the first line, `Retry-After` on
/// the second, then the body. Whatever they are, a plan comes out that passes the checks,
/// requests and pauses end, and the key stays where it is.
pub fn llm_server(data: &[u8]) {
    let Ok(config) = config("http://127.0.0.1:1/v1") else {
        return;
    };
    let script = Script(data.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect());
    let pauses = Pauses {
        sleep: Box::new(|pause| assert!(pause <= Duration::from_secs(60), "{pause:?}")),
        random: Box::new(|| 0.5),
        now: Box::new(|| SystemTime::UNIX_EPOCH),
    };
    let mut planner = LlmPlanner::new(config, Box::new(script), pauses);
    let answer = planner.ask(problem(), &device(), &[]);
    assert_eq!(check(&answer.plan, Some(problem())), Ok(()));
    holds(&answer.plan);
    // Two rounds, two steps down the ladder, three attempts each.
    assert!(planner.calls() <= 12, "{}", planner.calls());
    if let Some(warning) = answer.warning {
        let warning = warning.to_string();
        assert!(!warning.contains(KEY), "{warning}");
        assert!(!warning.contains('\u{1b}'), "{warning:?}");
    }
}

/// A planner whose server says nothing.
pub(crate) fn silent() -> Option<LlmPlanner> {
    let config = config("http://127.0.0.1:1/v1").ok()?;
    let script = Script(VecDeque::new());
    Some(LlmPlanner::new(config, Box::new(script), Pauses::default()))
}

fn config(endpoint: &str) -> Result<Config, kforge_planner::llm::ConfigError> {
    let lookup = |name: &str| match name {
        ENDPOINT_VARIABLE => Some(endpoint.to_owned()),
        KEY_VARIABLE => Some(KEY.to_owned()),
        _ => None,
    };
    Config::from_env(lookup, None)
}

/// Answers from the input; when it has no more, the connection breaks.
struct Script(VecDeque<Vec<u8>>);

impl Transport for Script {
    fn post(&mut self, _: &str) -> Result<Response, SendError> {
        let broken = || SendError {
            kind: Failure::Broken,
            message: "the connection broke".into(),
        };
        let answer = self.0.pop_front().ok_or_else(broken)?;
        // As every transport does; what is decoded afterwards must not bring it back.
        let key = Key::new(KEY, "the target").map_err(|_| broken())?;
        let answer = key.hide(&String::from_utf8_lossy(&answer)).into_bytes();
        let mut lines = answer.splitn(3, |byte| *byte == b'\n');
        let mut line = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let (status, retry_after) = (line(), line());
        let body = lines.next().unwrap_or_default();
        Ok(Response {
            status: status.trim().parse().map_err(|_| broken())?,
            retry_after: Some(retry_after).filter(|it| !it.is_empty()),
            body: body.to_vec(),
        })
    }
}

/// The bytes of a server, through the real client over a real connection: an answer within
/// its limits without the key, or an error that does not name it.
pub fn http_bytes(data: &[u8]) {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let Some(server) = SERVER.get_or_init(Server::start) else {
        return;
    };
    *server.answer() = data.to_vec();
    let mut http = server.client.lock().unwrap_or_else(PoisonError::into_inner);
    match http.post("{}") {
        Ok(response) => {
            assert!(response.body.len() <= kforge_planner::llm::MAX_REPLY_BYTES);
            let leaked = response
                .body
                .windows(KEY.len())
                .any(|it| it == KEY.as_bytes());
            assert!(!leaked, "the key is in the body");
            assert!((100..1000).contains(&response.status));
        }
        Err(error) => assert!(!error.message.contains(KEY), "{error}"),
    }
}

/// A server on this machine, and a client of it.
struct Server {
    answer: &'static Mutex<Vec<u8>>,
    client: Mutex<Http>,
}

impl Server {
    fn start() -> Option<Self> {
        static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        let listener = TcpListener::bind(("127.0.0.1", 0)).ok()?;
        let port = listener.local_addr().ok()?.port();
        let config = config(&format!("http://127.0.0.1:{port}/v1")).ok()?;
        let timeouts = Timeouts {
            total: Duration::from_secs(5),
            ..Timeouts::default()
        };
        let client = Mutex::new(Http::new(&config, timeouts).ok()?);
        let server = Self {
            answer: &ANSWER,
            client,
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = ANSWER.lock().unwrap_or_else(PoisonError::into_inner);
                // A client that hangs up early is none of the server's business.
                let _ = serve(stream, &answer);
            }
        });
        Some(server)
    }

    fn answer(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the request, whose body is `{}`, and answers. The client closes first, or every
/// connection would stay in the system's tables for a minute.
fn serve(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.ends_with(b"\r\n\r\n{}") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            length => request.extend_from_slice(&piece[..length]),
        }
    }
    stream.write_all(answer)?;
    stream.shutdown(Shutdown::Write)?;
    while stream.read(&mut piece)? > 0 {}
    Ok(())
}
