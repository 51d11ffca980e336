//! What a model is shown: one whole prompt, and what is left out.

use kforge_planner::{
    Attempt, Outcome, heuristic,
    llm::{LlmPlanner, Material, program_text},
    plan::{Knob, Plan},
    problem::OpShape,
};
use melior::ir::Module;

use crate::{config, context, fallback, gpu, pauses, problem, scripted};

/// A plan that was refused.
pub fn refused(plan: Plan, reason: &str, detail: &str) -> Attempt {
    Attempt {
        id: plan.id(),
        plan,
        outcome: Outcome::Refused {
            reason: reason.into(),
            detail: detail.into(),
        },
    }
}

fn verified(plan: Plan, ms: f64) -> Attempt {
    Attempt {
        id: plan.id(),
        plan,
        outcome: Outcome::Verified {
            ms,
            speedup: 1.0 / ms,
            levels: vec!["quick".into()],
            worst_ratio: 0.25,
        },
    }
}

fn tile_k(value: i64) -> Plan {
    let mut plan = fallback();
    let tile = plan
        .passes
        .iter_mut()
        .find(|it| it.pass == "kforge-tile-matmul");
    tile.unwrap()
        .knobs
        .insert("tile-k".into(), Knob::Integer(value));
    plan
}

const PROGRAM: &str = r#"
// secret comment
module @secret_module attributes {kforge.wgsl = {secret = "secret"}} {
  func.func @secret_entry(
    %secret_x: tensor<48x64xf32> {kforge.weight = "secret/model.safetensors"},
    %w: tensor<64x96xf32>, %gamma: tensor<96xf32>) -> tensor<48x96xf32> {
    %bias = arith.constant dense<[0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5]> : tensor<12xf32>
    %0 = kforge.matmul %secret_x, %w {activation = "relu", kforge.name = "secret_up"}
      : (tensor<48x64xf32>, tensor<64x96xf32>) -> tensor<48x96xf32> loc("secret.py":1:2)
    %1 = kforge.layer_norm %0 gamma %gamma {kforge.name = "secret.norm"}
      : (tensor<48x96xf32>, tensor<96xf32>) -> tensor<48x96xf32>
    %2 = kforge.softmax %1 {kforge.name = "secret_final"} : (tensor<48x96xf32>) -> tensor<48x96xf32>
    return %2 : tensor<48x96xf32>
  }
}
"#;

fn material() -> Material {
    let context = context();
    let module = Module::parse(&context, PROGRAM).unwrap();
    Material {
        program: Some(program_text(&context, &module).unwrap()),
        kernel: Some(
            "// made for secret_up\n@compute @workgroup_size(64)\nfn secret_up_1() {\n  \
             let secret_norm = 1; // secret\n}\n"
                .into(),
        ),
        target_speedup: Some(2.5),
    }
}

fn history() -> Vec<Attempt> {
    let detail = "error: /srv/secret/x.mlir:3:4: 'kforge.matmul' op 'secret_up' of \
                  @secret_entry: \"secret\" with 'func.secret thing' at secret.py:3:4: needs 1024 invocations, the \
                  device's limit is 256; see C:\\secret\\log\nin\u{1b}[31m red, a share of 3/4";
    vec![
        verified(fallback(), 0.5),
        refused(tile_k(32), "compile", detail),
        verified(tile_k(8), 0.25),
        verified(elsewhere(), 0.125),
    ]
}

/// The same ops with other sizes, of a program with other names.
fn elsewhere() -> Plan {
    let mut problem = problem();
    problem.module = "0".repeat(32);
    problem.workload = "secret_other".into();
    for op in &mut problem.ops {
        op.name = format!("secret_other_{}", op.name);
        match &mut op.shape {
            OpShape::Matmul { m, .. } => *m = 96,
            OpShape::Softmax(rows) | OpShape::LayerNorm(rows) => rows.rows = 96,
            other => panic!("no such op in the problem: {other}"),
        }
    }
    heuristic::propose(&problem, &gpu())
}

/// The conversation as text.
fn prompt(planner: &LlmPlanner) -> String {
    let messages = planner.prompt(&problem(), &gpu(), &history()).unwrap();
    let parts = messages
        .iter()
        .map(|it| format!("===== {} =====\n{}\n", it.role, it.content));
    parts.collect()
}

/// A whole prompt, kept beside this file; `KFORGE_BLESS=1` writes it instead.
#[test]
fn the_whole_prompt() {
    let (mut planner, _) = scripted(&[]);
    planner.show(material());
    let text = prompt(&planner);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/llm/prompt.txt");
    if std::env::var_os("KFORGE_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let known = std::fs::read_to_string(path).expect("a snapshot; KFORGE_BLESS=1 writes it");
    assert_eq!(text, known, "KFORGE_BLESS=1 accepts");
}

#[test]
fn nothing_that_the_user_named_is_shown() {
    let (mut planner, _) = scripted(&[]);
    planner.show(material());
    let text = prompt(&planner);
    assert!(!text.contains("secret"), "{text}");
    assert!(
        !text.contains('\u{1b}') && !text.contains("3.5, 4.5"),
        "{text}"
    );
    for kept in [
        "kforge.name = \"op0\"",
        "activation = \"relu\"",
        "fn op0_1()",
        "let op1 = 1;",
        "func.func @k",
        "'kforge.matmul' op 'op0' of @k",
        "needs 1024 invocations, the device's limit is 256",
        "a share of 3/4",
    ] {
        assert!(text.contains(kept), "{kept} is missing in {text}");
    }
}

#[test]
fn a_prompt_stays_within_its_tokens() {
    let shown = material();
    let with_limit = |limit: u64| {
        let mut config = config("http://127.0.0.1:9/v1");
        config.limits.prompt_tokens = limit;
        let none = kforge_planner::llm::Replay::read("{\"transcript\":1}").unwrap();
        let mut planner = LlmPlanner::new(config, Box::new(none), pauses().0);
        planner.show(shown.clone());
        planner
    };
    let history: Vec<Attempt> = (0..200)
        .map(|index| match index {
            5 => verified(tile_k(8), 0.125),
            _ => refused(fallback(), "timeout", "over the limit"),
        })
        .collect();
    for limit in [3_000, 4_000, 6_000, 100_000] {
        let planner = with_limit(limit);
        let messages = planner.prompt(&problem(), &gpu(), &history).unwrap();
        let bytes: usize = messages.iter().map(|it| it.content.len()).sum();
        assert!(
            bytes as u64 <= limit * 3 + 300,
            "{bytes} bytes for {limit} tokens"
        );
        let text = &messages[1].content;
        assert!(
            text.contains("#6 verified, 0.1250 ms"),
            "the best attempt is shown: {text}"
        );
        assert!(text.contains("#200 refused"), "so is the latest");
        let all = limit == 100_000;
        assert_eq!(text.contains("#1 refused"), all, "{limit}");
        assert_eq!(!text.contains("attempts are left out"), all, "{limit}");
    }
    let fits = |limit: &u64| with_limit(*limit).prompt(&problem(), &gpu(), &[]).is_ok();
    let least = (500..3_000).find(fits).unwrap();
    let messages = with_limit(least).prompt(&problem(), &gpu(), &[]).unwrap();
    for section in ["Program", "Kernels of the best attempt"] {
        let left_out = format!("## {section}\nleft out: too long");
        assert!(messages[1].content.contains(&left_out), "{section}");
    }
    let error = with_limit(500).prompt(&problem(), &gpu(), &[]).unwrap_err();
    assert!(error.to_string().contains("the limit is 500"), "{error}");
}

/// Layers repeat: what is said of one op is said once for all of the same shape.
#[test]
fn ops_of_one_shape_are_spoken_of_together() {
    let mut problem = problem();
    for index in 0..60 {
        let mut op = problem.ops[0].clone();
        op.name = format!("layer{index}");
        problem.ops.push(op);
    }
    let plan = heuristic::propose(&problem, &gpu());
    assert!(plan.passes.len() > 60);
    let (planner, _) = scripted(&[]);
    let history = [refused(plan.clone(), "compile", "no")];
    let messages = planner.prompt(&problem, &gpu(), &history).unwrap();
    let text = &messages[1].content;
    assert_eq!(text.matches("op0+op3+op4").count(), 2, "{text}");
    let (_, example) = text.split_once("the heuristic's\n").unwrap();
    let example = example.lines().next().unwrap();
    let (mut planner, requests) = scripted(&[crate::completion(example)]);
    let answer = planner.ask(&problem, &gpu(), &[]);
    assert_eq!(answer.warning, None);
    assert!(answer.plan.passes.len() < 10);
    let schema = requests.borrow()[0]["response_format"].to_string();
    assert!(schema.contains("\"op0+op3+op4"), "{schema}");
}

/// The prompt with so many attempts at another shape, of which the first has a time.
fn with_others(count: usize, limit: u64) -> String {
    let mut config = config("http://127.0.0.1:9/v1");
    config.limits.prompt_tokens = limit;
    let none = kforge_planner::llm::Replay::read("{\"transcript\":1}").unwrap();
    let planner = LlmPlanner::new(config, Box::new(none), pauses().0);
    let attempt = |index| match index {
        0 => verified(elsewhere(), 0.125),
        _ => refused(elsewhere(), "compile", "'secret_other_secret_up' is wide"),
    };
    let history: Vec<Attempt> = (0..count).map(attempt).collect();
    let messages = planner.prompt(&problem(), &gpu(), &history).unwrap();
    messages[1].content.clone()
}

#[test]
fn attempts_at_other_shapes_have_a_section_of_their_own() {
    let text = with_others(2, 16_000);
    let (own, others) = text.split_once("## Attempts at other shapes").unwrap();
    assert!(own.contains("## Attempts\nnone yet\n"), "{own}");
    assert!(
        others.contains(
            "op0 matmul 96x96x64 f32, op1 layer_norm 96x96 f32, op2 softmax 96x96 f32: \
             verified, 0.1250 ms, 8.000 times"
        ),
        "{others}"
    );
    assert!(others.contains("kforge-tile-matmul op=op0 "), "{others}");
    assert!(others.contains("refused (compile): "), "{others}");
    assert!(!text.contains("secret"), "{text}");
    assert!(!with_others(0, 16_000).contains("other shapes"));
}

#[test]
fn the_nearest_shapes_are_shown_within_the_tokens() {
    let all = with_others(100, 100_000);
    assert_eq!(all.matches("op0 matmul 96x96x64 f32, ").count(), 100);
    let few = with_others(100, 4_000);
    let shown = few.matches("op0 matmul 96x96x64 f32, ").count();
    assert!((1..20).contains(&shown), "{shown}");
    assert!(
        few.contains("op2 softmax 96x96 f32: verified"),
        "the nearest one"
    );
    assert!(few.len() <= 12_000);
}
