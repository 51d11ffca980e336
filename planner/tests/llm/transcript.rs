//! Recording and replay, byte for byte.

use std::{cell::RefCell, io, rc::Rc};

use kforge_planner::{
    Plan,
    llm::{Http, LlmPlanner, Recorder, Replay, Timeouts, Transport},
};

use crate::{
    KEY, answer, completion, config, gpu, pauses, problem,
    server::{Does, Server},
};

/// A file in memory.
#[derive(Clone, Default)]
pub struct Page(Rc<RefCell<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    /// What was written.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

/// Plans from `script`, and the transcript.
fn record(script: Vec<Does>) -> (Plan, Option<String>, String) {
    let server = Server::start(script);
    let config = config(&server.endpoint());
    let page = Page::default();
    let http = Http::new(&config, Timeouts::default()).unwrap();
    let recorder = Recorder::new(http, page.clone()).unwrap();
    let mut planner = LlmPlanner::new(config, Box::new(recorder), pauses().0);
    let answer = planner.ask(&problem(), &gpu(), &[]);
    let warning = answer.warning.map(|it| it.to_string());
    (answer.plan, warning, page.text())
}

fn replay(text: &str) -> (Plan, Option<String>) {
    let replay = Replay::read(text).unwrap();
    let config = config("http://127.0.0.1:9/v1");
    let mut planner = LlmPlanner::new(config, Box::new(replay), pauses().0);
    let answer = planner.ask(&problem(), &gpu(), &[]);
    (answer.plan, answer.warning.map(|it| it.to_string()))
}

fn good() -> Does {
    Does::Reply(200, "", completion(&answer().to_string()))
}

#[test]
fn a_replay_gives_the_same_plan_without_network() {
    let (plan, warning, text) = record(vec![
        Does::Reply(503, "Retry-After: 1\r\n", "busy".into()),
        Does::Reply(200, "", completion("no")),
        good(),
    ]);
    assert_eq!(warning, None);
    assert_eq!(text.lines().count(), 4);
    assert_eq!(replay(&text), (plan, None));
    assert!(!text.contains(KEY) && !text.contains("secret"), "{text}");
}

#[test]
fn failures_and_bytes_that_are_no_text_are_replayed_too() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\x00{".to_vec();
    let (plan, warning, text) = record(vec![Does::Close, Does::Raw(bytes)]);
    assert!(
        warning.as_ref().unwrap().contains("is no chat completion"),
        "{warning:?}"
    );
    assert_eq!(replay(&text), (plan, warning));
    let mut replay = Replay::read(&text).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    let request = first["request"].as_str().unwrap();
    assert_eq!(
        replay.post(request).unwrap_err().kind,
        kforge_planner::llm::Failure::Broken
    );
    assert_eq!(replay.post(request).unwrap().body, b"\xff\x00{");
    assert_eq!(replay.left(), 0);
}

#[test]
fn another_request_is_not_answered() {
    let (_, _, text) = record(vec![good()]);
    let mut replay = Replay::read(&text).unwrap();
    let error = replay
        .post("{\"model\":\"other\"}")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "request 1 is not the recorded one: they differ from byte 10 on"
    );
    let error = replay.post("{}").unwrap_err().to_string();
    assert_eq!(error, "the transcript ends before request 2");
}

#[test]
fn a_history_that_was_measured_again_is_answered_where_that_is_wanted() {
    let (_, _, text) = record(vec![good()]);
    let line = text.lines().nth(1).unwrap();
    let exchange: serde_json::Value = serde_json::from_str(line).unwrap();
    let outcome = exchange["outcome"].clone();
    let recorded = |request: &str| {
        let exchange = serde_json::json!({ "request": request, "outcome": outcome });
        Replay::read(&format!("{{\"transcript\":1}}\n{exchange}\n")).unwrap()
    };
    let (then, now) = ("tile-m=8. 0.2500 ms, 4x", "tile-m=8. 10.1250 ms, 4x");
    assert!(recorded(then).post(now).is_err());
    assert!(recorded(then).measured_again().post(now).is_ok());
    let other = "tile-m=16. 0.2500 ms, 4x";
    let error = recorded(then).measured_again().post(other).unwrap_err();
    assert!(
        error.to_string().ends_with("they differ from byte 7 on"),
        "{error}"
    );
    let replay = Replay::read(&text).unwrap();
    assert_eq!(replay.model().as_deref(), Some("test-model"));
    assert_eq!(recorded("no JSON").model(), None);
}

#[test]
fn damaged_transcripts_are_refused() {
    let (_, _, text) = record(vec![good()]);
    let refused = |text: &str| Replay::read(text).unwrap_err().to_string();
    assert!(refused("").contains("line 1: EOF"));
    assert!(refused("{\"transcript\":2}").contains("line 1: version 2, expected 1"));
    assert!(refused(&text[..text.len() - 9]).contains("line 2: EOF"));
    assert!(refused(&text.replacen("\"outcome\"", "\"result\"", 1)).contains("line 2: unknown"));
}

#[test]
fn a_transcript_that_cannot_be_written_ends_the_asking() {
    struct Full(usize);
    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let server = Server::start(vec![good()]);
    let config = config(&server.endpoint());
    let http = Http::new(&config, Timeouts::default()).unwrap();
    let recorder = Recorder::new(http, Full(100)).unwrap();
    let mut planner = LlmPlanner::new(config, Box::new(recorder), pauses().0);
    for _ in 0..2 {
        let warning = planner
            .ask(&problem(), &gpu(), &[])
            .warning
            .unwrap()
            .to_string();
        assert!(
            warning.contains("the transcript cannot be written: "),
            "{warning}"
        );
    }
    assert_eq!(server.requests().len(), 1);
}
