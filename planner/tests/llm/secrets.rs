//! The key shows up in one header and nowhere else.

use kforge_planner::{
    llm::{Http, LlmPlanner, Material, Recorder, Timeouts},
    plan::to_json,
};

use crate::{
    KEY, answer, completion, config, fallback, gpu, pauses, problem,
    prompt::refused,
    server::{Does, Server},
    transcript::Page,
};

#[test]
fn no_output_holds_the_key_even_if_everybody_repeats_it() {
    let escaped = KEY.replace('/', "\\/");
    let echo = format!("{{\"error\":{{\"message\":\"bad key {escaped} or {KEY}\"}}}}");
    let bodies = [
        Does::Reply(500, "", echo.clone()),
        Does::Reply(503, "", format!("plain {KEY}")),
        Does::Reply(
            200,
            "",
            completion(&format!("take {KEY} and {{\"{KEY}\": 1}}")),
        ),
        Does::Reply(200, "", completion(&answer().to_string())),
        Does::Reply(200, "", completion(&format!("{{\"{KEY}\": 1}}"))),
        Does::Reply(
            200,
            "",
            completion(&format!("{{\"passes\": [{{\"pass\": \"{KEY}\"}}]}}")),
        ),
        Does::Reply(418, "", echo.clone()),
    ];
    let asks = 3;
    let server = Server::start(bodies.into());
    let config = config(&server.endpoint());
    let page = Page::default();
    let http = Http::new(&config, Timeouts::default()).unwrap();
    let mut outputs = vec![format!("{config:?} {http:?}")];
    let recorder = Recorder::new(http, page.clone()).unwrap();
    let mut planner = LlmPlanner::new(config, Box::new(recorder), pauses().0);
    let history = [refused(
        fallback(),
        "compile",
        &format!("no device for {KEY}"),
    )];
    planner.show(Material {
        kernel: Some(format!("fn f() {{ {KEY} }}")),
        ..Material::default()
    });
    for _ in 0..asks {
        let answer = planner.ask(&problem(), &gpu(), &history);
        let warning = answer.warning.map(|it| format!("{it} {it:?}"));
        outputs.push(format!("{warning:?} {}", to_json(&answer.plan)));
    }
    outputs.push(format!("{planner:?}"));
    outputs.push(page.text());
    assert_eq!(server.requests().len(), 7, "the whole script was played");
    assert!(
        outputs.iter().any(|it| it.contains("[key]")),
        "something was hidden"
    );
    for output in &outputs {
        for secret in [KEY, escaped.as_str(), "0123456789abcdef"] {
            assert!(!output.contains(secret), "{output}");
        }
    }
    for request in server.requests() {
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(!body.contains("0123456789abcdef"), "{body}");
    }
}
