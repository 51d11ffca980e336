//! Servers of a language model that fail: the heuristic's plan stands in, a warning says why,
//! and the key is nowhere.

use std::{fs, os::unix::fs::PermissionsExt, process::Command, time::Duration};

use kforge_planner::{
    Propose,
    llm::{Config, Http, LlmPlanner, Pauses, Timeouts},
};
use kforge_tools::{
    compile::Source,
    optimize::{Optimizer, Settings},
};

use crate::{
    base::SOFTMAX,
    child::{Ended, KFORGE_OPT, finish},
    kind::{Broken, Flaw, Happened, Kind, Run, demand, happened},
    secrets::{self, KEY},
    server::{Answer, Reply, Server, authorization, reply},
};

macro_rules! kinds {
    ($($name:literal, $what:literal, $cheap:literal, $answer:expr;)*) => {
        &[$(Kind {
            name: concat!("http-", $name),
            injected: $what,
            cheap: $cheap,
            at_once: 13,
            run: |run| asked(run, $answer),
        },)*]
    };
}

pub(crate) const KINDS: &[Kind] = kinds![
    "401", "401, with the key in its text", true, |it| error(401, it);
    "402", "402", false, |it| error(402, it);
    "403", "403, with the key in its text", false, |it| error(403, it);
    "404", "404", false, |it| error(404, it);
    "408", "408", false, |it| error(408, it);
    "413", "413", false, |it| error(413, it);
    "429-seconds", "429, Retry-After in seconds", false, |it| busy(it, "Retry-After: 1\r\n");
    "429-hour", "429, Retry-After an hour", true, |it| busy(it, "Retry-After: 3600\r\n");
    "429-date", "429, Retry-After a date that is over", false, |it| busy(it, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n");
    "500", "500, with the key in its text", false, |it| error(500, it);
    "502", "502", false, |it| error(502, it);
    "503", "503, Retry-After a second", false, |it| reply(503, "Retry-After: 1\r\n", &authorization(it));
    "reset", "reset before the answer", false, |_| Reply::Reset(Vec::new());
    "reset-in-body", "reset within the body", false, |_| Reply::Reset(head("Content-Length: 900\r\n", "{\"choi"));
    "garbage", "bytes that are no HTTP", false, |_| Reply::Bytes((0..=255).cycle().take(4000).collect());
    "html", "200 with a page instead of JSON", true, |it| Reply::Bytes(head("Content-Type: text/html\r\n", &format!("<html>{}</html>", authorization(it))));
    "json-cut", "200 with half of a completion", true, |it| reply(200, "", &completion(&authorization(it))[..60]);
    "json-deep", "200 with JSON of 100,000 levels", true, |_| reply(200, "", &"[".repeat(100_000));
    "chunks-cut", "chunked, and no last chunk", false, |_| Reply::Bytes(head("Transfer-Encoding: chunked\r\n", "5\r\n{\"cho\r\n"));
    "chunks-wrong", "chunked, with sizes that are none", false, |_| Reply::Bytes(head("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"));
    "redirect", "307 to a place with the key in its name", true, |it| redirect(307, it);
    "redirect-loop", "302 to itself", true, |_| reply(302, "Location: /v1/chat/completions\r\n", "");
    "ten-megabytes", "200 with 10 MB", true, |_| reply(200, "", &" ".repeat(10_000_000));
    "gzip-bomb", "200 with a gzip stream of 64 MB of zeros", true, |_| bomb();
    "empty", "200 with nothing", true, |_| reply(200, "", "");
    "events", "200 with endless events", true, |it| Reply::Bytes(head("Content-Type: text/event-stream\r\n", &format!("data: {}\n\n", authorization(it)).repeat(100_000)));
    "key-as-plan", "200 with the key as passes, knobs and prose", true, key_as_plan;
    "key-in-headers", "401 with the key in every header", true, |it| { let key = authorization(it); reply(401, &format!("WWW-Authenticate: {key}\r\nX-Request-Id: {key}\r\nSet-Cookie: a={key}\r\nRetry-After: {key}\r\n"), "{}") };
    "key-encoded", "500 with the key percent-encoded and in Unicode escapes", false, |it| encoded(500, it);
    "key-encoded-denied", "403 with the key percent-encoded and in Unicode escapes", true, |it| encoded(403, it);
];

pub(crate) const OTHERS: &[Kind] = &[
    Kind {
        name: "http-nobody",
        injected: "connection refused",
        cheap: false,
        at_once: 13,
        run: |run| unreachable(run, "http://127.0.0.1:9/v1"),
    },
    Kind {
        name: "http-no-name",
        injected: "a name that no DNS knows",
        cheap: false,
        at_once: 13,
        run: |run| unreachable(run, "https://nowhere.invalid/v1"),
    },
    Kind {
        name: "http-plain-for-tls",
        injected: "plain HTTP where TLS is spoken",
        cheap: false,
        at_once: 13,
        run: |run| {
            let server = Server::start(|_| reply(200, "", "{}"))?;
            unreachable(run, &server.endpoint().replace("http://", "https://"))
        },
    },
    Kind {
        name: "http-slow-head",
        injected: "the head of an answer byte by byte (limit 0.4 s, in the library)",
        cheap: true,
        at_once: 13,
        run: |run| {
            slow(run, |_| {
                Reply::Slow(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), b'x')
            })
        },
    },
    Kind {
        name: "http-slow-body",
        injected: "the body of an answer byte by byte (limit 0.4 s, in the library)",
        cheap: true,
        at_once: 13,
        run: |run| {
            slow(run, |_| {
                Reply::Slow(head("Content-Length: 9000\r\n", "{"), b' ')
            })
        },
    },
    Kind {
        name: "http-slow-events",
        injected: "events without end, slowly (limit 0.4 s, in the library)",
        cheap: true,
        at_once: 13,
        run: |run| {
            slow(run, |_| {
                Reply::Slow(head("Content-Type: text/event-stream\r\n", "data: "), b'\n')
            })
        },
    },
    Kind {
        name: "secrets-everywhere",
        injected: "a canary key by three ways, a whole compilation with transcript and replay",
        cheap: true,
        at_once: 2,
        run: everywhere,
    },
];

fn head(headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n{body}").into_bytes()
}

fn error(status: u16, request: &str) -> Reply {
    let key = authorization(request);
    let escaped = key.replace('/', "\\/");
    let message = format!("no {key} here, nor {escaped}");
    let body = format!("{{\"error\": {{\"message\": \"{message}\", \"code\": \"{key}\"}}}}");
    reply(status, "", &body)
}

fn busy(request: &str, headers: &str) -> Reply {
    reply(
        429,
        headers,
        &format!(
            "{{\"error\": {{\"message\": \"{}\"}}}}",
            authorization(request)
        ),
    )
}

fn redirect(status: u16, request: &str) -> Reply {
    let key = authorization(request).replace(' ', "%20");
    reply(
        status,
        &format!("Location: http://127.0.0.1:1/{key}\r\n"),
        "",
    )
}

fn encoded(status: u16, request: &str) -> Reply {
    let key = authorization(request).replace("Bearer ", "");
    let percent = key.replace('/', "%2F").replace('+', "%2B");
    let unicode: String = key
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    let body = format!("{{\"error\": {{\"message\": \"{unicode} or {percent}\"}}}}");
    reply(status, "", &body)
}

fn bomb() -> Reply {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![b' '; 1 << 20];
    // Writing to memory does not fail.
    let _ = (0..64).try_for_each(|_| std::io::Write::write_all(&mut packed, &zeros));
    let body = packed.finish().unwrap_or_default();
    let mut bytes = head(
        &format!(
            "Content-Encoding: gzip\r\nContent-Length: {}\r\n",
            body.len()
        ),
        "",
    );
    bytes.extend(body);
    Reply::Bytes(bytes)
}

/// A chat completion with that content.
fn completion(content: &str) -> String {
    let text = serde_json::Value::String(content.to_owned());
    format!(
        "{{\"choices\": [{{\"index\": 0, \"finish_reason\": \"stop\", \"message\": {{\"role\": \
         \"assistant\", \"content\": {text}}}}}], \"usage\": {{\"prompt_tokens\": 900, \
         \"completion_tokens\": 100, \"total_tokens\": 1000}}}}"
    )
}

fn key_as_plan(request: &str) -> Reply {
    let key = authorization(request);
    let plan = format!(
        "{key} {{\"passes\": [{{\"pass\": \"{key}\", \"op\": \"{key}\", \"knobs\": {{\"{key}\": \"{key}\"}}}}], \"{key}\": 1}}"
    );
    reply(200, "", &completion(&plan))
}

/// Gives the key to a command by one of the ways that there are.
fn with_key(
    run: &Run,
    command: &mut Command,
    endpoint: &str,
) -> Result<Option<&'static str>, Broken> {
    command.env("KERNELFORGE_LLM_ENDPOINT", endpoint);
    command
        .env("RUST_BACKTRACE", "full")
        .env("RUST_LOG", "trace");
    match run.index % 2 {
        0 => {
            command.env("KERNELFORGE_LLM_API_KEY", KEY);
            Ok(None)
        }
        _ => {
            let path = run.path("key.txt");
            fs::write(&path, KEY)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok(Some("key.txt"))
        }
    }
}

/// `kforge-opt` asks; with a key file, `kforge compile-transformer` does.
fn asked(run: &mut Run, answer: Answer) -> Result<Happened, Broken> {
    let server = Server::start(answer)?;
    let result = falls_back(run, &server.endpoint())?;
    match server.served() {
        0 => Ok(Happened::NotInjected),
        _ => Ok(result),
    }
}

fn unreachable(run: &mut Run, endpoint: &str) -> Result<Happened, Broken> {
    falls_back(run, endpoint)
}

fn falls_back(run: &mut Run, endpoint: &str) -> Result<Happened, Broken> {
    run.copy("p.mlir")?;
    let mut opt = run.tool(
        KFORGE_OPT,
        &["p.mlir", "--kforge-planner=llm", "-o", "out.mlir"],
    );
    let line = "compile-transformer p.mlir --optimize-with llm --archive a.sqlite --no-corpus --plan-output plan.json --audit-output audit.json -o out --llm-transcript t.jsonl --api-key-file key.txt";
    let mut compile = run.kforge(&line.split(' ').collect::<Vec<_>>());
    let file = match run.index % 2 {
        0 => with_key(run, &mut opt, endpoint)?,
        _ => with_key(run, &mut compile, endpoint)?,
    };
    let ended = finish(if file.is_none() {
        &mut opt
    } else {
        &mut compile
    })?;
    demand(ended.code() == Some(0), Flaw::Other, || ended.err.clone())?;
    let said = [&ended.err, &ended.out]
        .into_iter()
        .any(|it| it.contains("heuristic"));
    demand(said, Flaw::Other, || {
        format!("no warning: {}{}", ended.err, ended.out)
    })?;
    secrets::nowhere(run, &[&ended], "key.txt")?;
    match file {
        None => {
            let own = fs::read(run.path("out.mlir"))?;
            let same = own == fs::read(run.base.path("heuristic.mlir"))?;
            demand(same, Flaw::FalseVerdict, || {
                "not the heuristic's plan".into()
            })?;
        }
        Some(_) => {
            let audit = fs::read_to_string(run.path("audit.json"))?;
            let verified = audit.contains("\"verified\"") && audit.contains("\"heuristic\"");
            demand(verified, Flaw::FalseVerdict, || audit.clone())?;
        }
    }
    happened("the heuristic's plan, verified where it is used, and a warning")
}

/// In this process, for the tools wait two minutes for an answer.
fn slow(run: &mut Run, answer: Answer) -> Result<Happened, Broken> {
    let server = Server::start(answer)?;
    let endpoint = server.endpoint();
    let source = Source::of_text("p.mlir", SOFTMAX);
    let optimizer = Optimizer::described(source, Default::default(), Settings::default())?;
    let lookup = |name: &str| match name {
        "KERNELFORGE_LLM_ENDPOINT" => Some(endpoint.clone()),
        "KERNELFORGE_LLM_API_KEY" => Some(KEY.to_owned()),
        _ => None,
    };
    let config = Config::from_env(lookup, None)?;
    let timeouts = Timeouts {
        connect: Duration::from_secs(5),
        total: Duration::from_millis(400),
    };
    let http = Http::new(&config, timeouts)?;
    let pauses = Pauses {
        sleep: Box::new(|_| ()),
        ..Pauses::default()
    };
    let mut planner = LlmPlanner::new(config, Box::new(http), pauses);
    let plans = planner.propose(optimizer.problem(), optimizer.device(), &[], 1)?;
    let warnings = planner.take_warnings();
    let heuristic = plans.iter().all(|it| it.provenance.planner == "heuristic");
    let said = warnings
        .iter()
        .any(|it| it.contains("gave no whole answer"));
    demand(heuristic && said, Flaw::Other, || format!("{warnings:?}"))?;
    let shown = format!("{warnings:?} {planner:?} {plans:?}");
    demand(
        secrets::found(shown.as_bytes()).is_empty(),
        Flaw::Lost,
        || "the key is shown".into(),
    )?;
    let _ = run;
    happened("left after the limit; the heuristic's plan and a warning")
}

/// A good answer, everything written that can be, a replay, and the key by three ways.
fn everywhere(run: &mut Run) -> Result<Happened, Broken> {
    secrets::control()?;
    let server = Server::start(|request| match authorization(request).contains(KEY) {
        true => reply(200, "X-Key: none\r\n", &completion("{\"passes\": []}")),
        false => reply(401, "", "{}"),
    })?;
    run.copy("p.mlir")?;
    let line = "compile-transformer p.mlir --optimize-with llm --archive a.sqlite --plan-output plan.json --audit-output audit.json -o out --llm-transcript t.jsonl";
    let mut line: Vec<&str> = line.split(' ').collect();
    let way = run.index % 3;
    if way == 1 {
        line.extend(["--api-key-file", "key.txt"]);
        fs::write(run.path("key.txt"), KEY)?;
        fs::set_permissions(run.path("key.txt"), fs::Permissions::from_mode(0o600))?;
    }
    let mut compile = run.kforge(&line);
    compile.env("KERNELFORGE_LLM_ENDPOINT", server.endpoint());
    compile
        .env("RUST_BACKTRACE", "full")
        .env("RUST_LOG", "trace");
    match way {
        0 => compile.env("KERNELFORGE_LLM_API_KEY", KEY),
        1 => &mut compile,
        // For another server than OpenAI's this variable is not read: no key, no answer.
        _ => compile.env("OPENAI_API_KEY", KEY),
    };
    let first = finish(&mut compile)?;
    first.succeeds()?;
    let mut others = vec![first];
    for more in [
        "archive history --archive a.sqlite --json",
        "archive export e.json --archive a.sqlite",
        "doctor",
        "optimize-with-llm p.mlir --iterations 1 --time 2 --no-archive --no-corpus --json --api-key sk-canary/7Qx3+Zt9vB2mL5pR8wN4kJ6hG1fD0sA",
    ] {
        let mut command = run.kforge(&more.split(' ').collect::<Vec<_>>());
        command.env("KERNELFORGE_LLM_API_KEY", KEY);
        others.push(finish(&mut command)?);
    }
    let is_refused = |it: &Ended| it.code() == Some(1) && it.err.contains("--api-key is not");
    demand(others.last().is_some_and(is_refused), Flaw::Other, || {
        "a key on the command line was taken".into()
    })?;
    let searched = secrets::nowhere(run, &others.iter().collect::<Vec<_>>(), "key.txt")?;
    demand(searched > 15, Flaw::Other, || {
        format!("only {searched} texts were searched")
    })?;
    happened("the key is in none of the texts, files and rows")
}
