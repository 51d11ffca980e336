//! `kforge reference`: what the program knows of itself, for generated pages.
//!
//! Hidden, because `cargo xtask docs` is its one reader.

use std::io::Write;

use clap::ValueEnum;
use kforge_runtime::manifest::schema;

use super::Failure;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What to print
    #[arg(value_enum)]
    about: About,
}

#[derive(Clone, Copy, ValueEnum)]
enum About {
    /// The JSON schema of a package's manifest
    Manifest,
    /// The JSON schema of a plan
    #[cfg(feature = "mlir")]
    Plan,
    /// The JSON schema of an audit
    #[cfg(feature = "mlir")]
    Audit,
    /// The JSON schema of the regression corpus
    Corpus,
    /// The JSON schema of a mutation report
    #[cfg(feature = "mlir")]
    Mutation,
    /// The JSON schema of a suite of benchmarks
    #[cfg(feature = "mlir")]
    Benchmark,
    /// The JSON schema of a suite for another machine
    #[cfg(feature = "mlir")]
    BenchSuite,
    /// The JSON schema of what was measured there
    #[cfg(feature = "mlir")]
    BenchResults,
    /// Passes and pipelines with options, defaults and statistics, as Markdown
    #[cfg(feature = "mlir")]
    Passes,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let text = match arguments.about {
        About::Manifest => format!("{:#}\n", schema()),
        #[cfg(feature = "mlir")]
        About::Plan => kforge_planner::plan::schema(),
        #[cfg(feature = "mlir")]
        About::Audit => crate::optimize::audit_schema(),
        About::Corpus => format!("{:#}\n", kforge_mutate::corpus::schema()),
        #[cfg(feature = "mlir")]
        About::Mutation => format!("{:#}\n", crate::mutate::report_schema()),
        #[cfg(feature = "mlir")]
        About::Benchmark => crate::benchmark::schema(),
        #[cfg(feature = "mlir")]
        About::BenchSuite => crate::bench::suite_schema(),
        #[cfg(feature = "mlir")]
        About::BenchResults => crate::bench::results_schema(),
        #[cfg(feature = "mlir")]
        About::Passes => passes::page(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(feature = "mlir")]
mod passes {
    use kforge_dialect::pass::{OptionDef, OptionKind, PassDef, PipelineDef};
    use kforge_passes::{passes::PASSES, pipelines::PIPELINES};
    use melior::{pass::PassManager, utility::parse_pass_pipeline};

    /// Every pass in the order a pipeline uses them, then the pipelines.
    pub(super) fn page() -> String {
        let passes = PASSES.iter().map(pass);
        let pipelines = PIPELINES.iter().map(pipeline);
        passes.chain(pipelines).collect()
    }

    fn pass(pass: &PassDef) -> String {
        let mut text = format!("\n## `{}`\n\n_{}_\n", pass.argument, pass.summary);
        text += &options(pass.options);
        if !pass.statistics.is_empty() {
            text += "\nStatistics:\n\n";
        }
        for statistic in pass.statistics {
            text += &format!("- `{}`: {}\n", statistic.name, statistic.description);
        }
        text
    }

    fn pipeline(pipeline: &PipelineDef) -> String {
        let mut text = format!(
            "\n## `{}` (pipeline)\n\n_{}_\n",
            pipeline.argument, pipeline.summary
        );
        text += &options(pipeline.options);
        text += &format!(
            "\nWith its defaults it is:\n\n```text\n{}\n```\n",
            expanded(pipeline.argument)
        );
        text
    }

    fn options(options: &[OptionDef]) -> String {
        let rows = options.iter().map(|option| {
            let (default, names) = match option.kind {
                OptionKind::Integer(value) => (value.to_string(), String::new()),
                OptionKind::Bool(value) => (value.to_string(), String::new()),
                OptionKind::Text(value) => (value.to_owned(), String::new()),
                OptionKind::Choice(names) => {
                    let first = names.first().copied().unwrap_or_default();
                    (first.to_owned(), format!(" ({})", names.join(", ")))
                }
            };
            let default = match default.is_empty() {
                true => "empty".to_owned(),
                false => format!("`{default}`"),
            };
            let name = option.name;
            format!("| `{name}` | {default} | {}{names} |\n", option.description)
        });
        let rows: String = rows.collect();
        match rows.is_empty() {
            true => "\nNo options.\n".to_owned(),
            false => format!("\n| option | default | meaning |\n|---|---|---|\n{rows}"),
        }
    }

    /// What MLIR makes of a pipeline's name, one pass a line.
    fn expanded(argument: &str) -> String {
        kforge_passes::register();
        let context = kforge_dialect::context();
        let manager = PassManager::new(&context);
        let text = format!("builtin.module({argument})");
        match parse_pass_pipeline(manager.as_operation_pass_manager(), &text) {
            Ok(()) => one_per_line(&manager.as_operation_pass_manager().to_string()),
            Err(error) => error.to_string(),
        }
    }

    /// Breaks pipeline text after the commas between the passes of its anchor.
    fn one_per_line(text: &str) -> String {
        let mut depth = 0;
        let mut lines = String::new();
        for c in text.chars() {
            lines.push(c);
            match c {
                '(' | '{' | '[' => depth += 1,
                ')' | '}' | ']' => depth -= 1,
                ',' if depth == 1 => lines.push_str("\n  "),
                _ => {}
            }
        }
        lines
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn commas_inside_options_break_nothing() {
            assert_eq!(
                one_per_line("builtin.module(a{x=1,2},b(c,d),e)"),
                "builtin.module(a{x=1,2},\n  b(c,d),\n  e)"
            );
        }

        #[test]
        fn every_pass_and_option_is_on_the_page() {
            let page = page();
            for pass in PASSES {
                assert!(page.contains(&format!("\n## `{}`\n", pass.argument)));
                for option in pass.options {
                    assert!(page.contains(&format!("| `{}` |", option.name)));
                }
            }
            assert!(page.contains("builtin.module(kforge-keep-reference,\n"));
        }
    }
}
