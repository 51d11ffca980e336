//! What models say besides plans: nothing becomes a plan that they did not state.

use kforge_planner::{check, llm::reply};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{answer, completion, fallback, gpu, problem, scripted, tile};

/// The plan's steps come out of `text` as they would out of the bare answer.
fn is_read(text: &str) {
    let (mut planner, requests) = scripted(&[completion(text)]);
    let result = planner.ask(&problem(), &gpu(), &[]);
    assert_eq!(result.warning, None, "{text}");
    let (mut plain, _) = scripted(&[completion(&answer().to_string())]);
    assert_eq!(result.plan, plain.ask(&problem(), &gpu(), &[]).plan);
    assert_eq!(requests.borrow().len(), 1);
}

/// `text` is refused with `why`, which the model is told, and again the second time.
fn is_refused(text: &str, why: &str) {
    let (mut planner, requests) = scripted(&[completion(text), completion(text)]);
    let result = planner.ask(&problem(), &gpu(), &[]);
    assert_eq!(result.plan, fallback());
    let warning = result.warning.expect("a warning").to_string();
    assert!(
        warning.starts_with("the model gave no plan, nor when told why: "),
        "{warning}"
    );
    assert!(warning.contains(why), "{warning}");
    assert!(
        warning.len() < 2000 && !warning.chars().any(char::is_control),
        "{warning:?}"
    );
    let requests = requests.borrow();
    assert_eq!(requests.len(), 2);
    let told = requests[1]["messages"][3]["content"].as_str().unwrap();
    assert!(told.contains(why), "{told}");
}

/// The answer with another matmul step.
fn with(edit: impl FnOnce(&mut Value)) -> String {
    let mut answer = answer();
    edit(tile(&mut answer));
    answer.to_string()
}

#[test]
fn prose_and_fences_are_taken_away() {
    let answer = answer();
    is_read(&format!("\u{feff}  {answer}\n"));
    is_read(&format!("```json\n{answer:#}\n```"));
    is_read(&format!(
        "Sure! {{x}} in, a plan out:\n```\n{answer}\n```\nGood luck {{not}} {{."
    ))
}

#[test]
fn several_objects_are_no_answer() {
    let answer = answer();
    is_refused(
        &format!("{answer}\n{answer}"),
        "holds 2 JSON objects, expected 1",
    );
    is_refused(
        &format!("```json\n{answer}\n```\nor {{\"passes\": []}}"),
        "2 JSON objects",
    );
}

#[test]
fn no_object_is_no_answer() {
    is_refused("", "holds no JSON object");
    is_refused("I cannot do that.", "it begins with 'I cannot do that.'");
    is_refused("[1, 2]", "holds no JSON object");
    is_refused(
        "\u{1b}[31mred\u{7}",
        "it begins with '\\u{1b}[31mred\\u{7}'",
    );
}

#[test]
fn broken_json_is_no_answer() {
    let text = answer().to_string();
    is_refused(&text[..text.len() - 2], "EOF while parsing");
    is_refused(
        "{\"passes\": [{\"pass\": \"cse\", \"knobs\": {\"a\": NaN}}]}",
        "expected value",
    );
    is_refused("{\"passes\": [1e999]}", "number out of range");
    is_refused("{\"passes\": [],}", "key must be a string");
    is_refused("{\"passes\": [\"a\u{1}b\"]}", "control character");
    let deep = format!(
        "{{\"passes\": {}{}}}",
        "[".repeat(90_000),
        "]".repeat(90_000)
    );
    is_refused(&deep, "cannot be read");
    let deep = "[".repeat(500) + &"]".repeat(500);
    let deep = format!("{{\"passes\": [{{\"pass\": \"cse\", \"knobs\": {{\"a\": {deep}}}}}]}}");
    is_refused(&deep, "recursion limit exceeded");
}

#[test]
fn long_replies_are_refused_and_quoted_in_part() {
    let long = format!("{}{}", "ä".repeat(200_000), answer());
    is_refused(&long, "the limit is 262144");
    let braces = "{".repeat(250_000);
    is_refused(&braces, "holds no JSON object");
    let nested = "{\"a\":".repeat(50_000);
    is_refused(&nested, "EOF while parsing");
}

#[test]
fn other_forms_are_no_answer() {
    is_refused("{}", "missing field `passes`");
    is_refused(
        "{\"passes\": 3}",
        "invalid type: integer `3`, expected a sequence",
    );
    is_refused(
        "{\"passes\": [], \"target\": \"cpu\"}",
        "unknown field `target`",
    );
    is_refused(
        "{\"passes\": [], \"passes\": []}",
        "duplicate field `passes`",
    );
    is_refused("{\"passes\": [{\"op\": \"op0\"}]}", "missing field `pass`");
    is_refused("{\"passes\": [{\"pass\": 3}]}", "invalid type: integer `3`");
    is_refused(
        "{\"passes\": [], \"\\u001b[2J\": 1}",
        "unknown field `\\u{1b}[2J`",
    );
    let twice = answer()
        .to_string()
        .replacen("\"tile-k\":8", "\"tile-k\":8,\"tile-k\":4", 1);
    is_refused(&twice, "knob 'tile-k' is stated twice");
}

#[test]
fn values_of_other_kinds_are_refused() {
    let value = |value: Value| with(|step| step["knobs"]["tile-m"] = value);
    is_refused(&value(json!("64")), "tile-m is '64', expected an integer");
    is_refused(&value(json!(true)), "tile-m is 'true', expected an integer");
    is_refused(
        &value(json!(64.5)),
        "tile-m is 64.5, expected an integer, true, false or a name",
    );
    is_refused(&value(json!(null)), "tile-m is null, expected an integer");
    is_refused(&value(json!([64])), "tile-m is [64], expected an integer");
    is_refused(
        &value(json!({"x": 1})),
        "tile-m is {\"x\":1}, expected an integer",
    );
    is_refused(&value(json!(-64)), "tile-m is -64, expected");
    is_refused(
        &value(json!(i64::MAX)),
        "tile-m is 9223372036854775807, expected 1 to 1024",
    );
    is_refused(
        &value(json!(u64::MAX)),
        "tile-m is 18446744073709551615, expected an integer",
    );
    let huge = answer()
        .to_string()
        .replacen("\"tile-k\":8", "\"tile-k\":1e40", 1);
    is_refused(&huge, "tile-k is 1e+40, expected an integer");
    is_refused(
        &with(|step| step["knobs"] = json!([1])),
        "expected an object of knobs",
    );
}

#[test]
fn what_no_plan_may_say_is_refused() {
    is_refused(
        &with(|step| step["pass"] = "kforge-verify".into()),
        "is no pass that a plan may",
    );
    is_refused(
        &with(|step| step["knobs"]["level"] = 0.into()),
        "has no knob 'level'",
    );
    is_refused(
        &with(|step| step["op"] = "secret_up".into()),
        "no op is named 'secret_up'",
    );
    let inject = "kforge-tile-matmul{},cse";
    is_refused(
        &with(|step| step["pass"] = inject.into()),
        "is no pass that a plan may choose",
    );
    is_refused(
        &with(|step| step["op"] = "op0},cse{x".into()),
        "expected letters, digits",
    );
    let mut unsafe_mask = answer();
    let steps = unsafe_mask["passes"].as_array_mut().unwrap();
    let fuse = steps
        .iter_mut()
        .find(|it| it["pass"] == "kforge-fuse-attention")
        .unwrap();
    fuse["knobs"]["assume-visible-rows"] = true.into();
    is_refused(&unsafe_mask.to_string(), "which changes what is computed");
    is_refused(
        &with(|step| step["knobs"]["thread-m"] = 3.into()),
        "does not divide",
    );
}

#[test]
fn the_model_is_told_in_its_names_and_the_user_in_theirs() {
    let text = completion(&with(|step| step["op"] = "op1".into()));
    let (mut planner, requests) = scripted(&[text.clone(), text]);
    let warning = planner.ask(&problem(), &gpu(), &[]).warning.unwrap();
    let warning = warning.to_string();
    assert!(
        warning.contains("op 'secret.norm' is layer_norm"),
        "{warning}"
    );
    let requests = requests.borrow();
    let told = requests[1]["messages"][3]["content"].as_str().unwrap();
    assert!(told.contains("op 'op1' is layer_norm"), "{told}");
}

#[test]
fn a_plan_that_was_tried_is_refused() {
    let (mut planner, _) = scripted(&[completion(&answer().to_string())]);
    let plan = planner.ask(&problem(), &gpu(), &[]).plan;
    let history = [
        crate::prompt::refused(fallback(), "compile", "no"),
        crate::prompt::refused(plan, "timeout", "too slow"),
    ];
    let text = completion(&answer().to_string());
    let (mut planner, _) = scripted(&[text.clone(), text]);
    let warning = planner
        .ask(&problem(), &gpu(), &history)
        .warning
        .unwrap()
        .to_string();
    assert!(
        warning.contains("this plan is attempt #2 of the history"),
        "{warning}"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = reply::read(&text);
    }

    /// Damaged answers are refused or are whole plans that pass every check.
    #[test]
    fn damaged_answers_give_no_wrong_plan(
        at in 0.0..1.0_f64,
        cut in 0..6_usize,
        paste in "[\\[\\]{}\",:0-9a-z -]{0,6}",
    ) {
        let text = answer().to_string();
        let from = (at * text.len() as f64) as usize;
        let to = (from + cut).min(text.len());
        let damaged = format!("{}{paste}{}", &text[..from], &text[to..]);
        let (mut planner, _) = scripted(&[completion(&damaged), completion("no")]);
        let plan = planner.ask(&problem(), &gpu(), &[]).plan;
        prop_assert_eq!(check(&plan, Some(&problem())), Ok(()));
    }
}
