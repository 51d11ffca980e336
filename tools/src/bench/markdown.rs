//! The table as Markdown. Every text of a file passes [`plain`]: it may come from anywhere.

use std::fmt::{self, Display, Formatter};

use kforge_planner::report::digits;

use super::{Cell, GroupRow, Row, Standing, Table};

/// Characters of a reason that a table has room for.
const REASON: usize = 160;

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}.\n", plain(&self.head, usize::MAX))?;
        if let Some(because) = &self.no_peers {
            writeln!(f, "No peers: {}.\n", plain(because, REASON))?;
        }
        writeln!(
            f,
            "| work | ours, ms | peer | peer, ms | ratio | goal | | share of the copy's rate |\n\
             |---|---|---|---|---|---|---|---|"
        )?;
        for row in &self.rows {
            writeln!(f, "{}", line(row))?;
        }
        writeln!(f)?;
        for group in &self.groups {
            writeln!(f, "{}\n", sentence(group))?;
        }
        for left in &self.left_out {
            let (name, because) = (plain(&left.name, REASON), plain(&left.because, REASON));
            writeln!(f, "Left out: {name}: {because}.\n")?;
        }
        match self.goals {
            0 => writeln!(f, "No goals."),
            goals => writeln!(f, "{} of {goals} goals met.", self.met),
        }
    }
}

fn line(row: &Row) -> String {
    let peer = row.peer.map_or_else(|| "-".into(), |it| it.to_string());
    let goal = match (row.goal, &row.group) {
        (None, _) => String::new(),
        (Some(goal), None) => format!("{goal:.2}"),
        (Some(_), Some(_)) => "mean".into(),
    };
    let copy = row.copy.as_ref().map_or_else(String::new, |copy| {
        let share = ratio(copy.share);
        match copy.goal {
            None => share,
            Some(goal) => format!("{share}, goal {goal:.2}: {}", copy.standing.word()),
        }
    });
    let launches = match (&row.ours, row.launches) {
        (Cell::Ms(_), 2..) => format!(", {} kernels", row.launches),
        _ => String::new(),
    };
    let (name, ours, theirs) = (plain(&row.name, REASON), cell(&row.ours), cell(&row.theirs));
    let (ratio, standing) = (ratio(row.ratio), row.standing.word());
    format!(
        "| {name} | {ours}{launches} | {peer} | {theirs} | {ratio} | {goal} | {standing} | {copy} |"
    )
}

/// Three digits behind the point, so that none is rounded up to its goal in two.
fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".into(), |it| format!("{it:.3}"))
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Ms(ms) => {
            let [median, min, max] = [ms.median, ms.min, ms.max].map(digits);
            format!("{median} ({min} to {max})")
        }
        Cell::None(because) => plain(because, REASON),
    }
}

fn sentence(group: &GroupRow) -> String {
    let GroupRow {
        name,
        peer,
        works,
        counted,
        mean,
        goal,
        standing,
    } = group;
    let of = match counted == works {
        true => format!("{works} works"),
        false => format!("{counted} of {works} works"),
    };
    let open = match standing {
        Standing::Open => ", as not every work has a ratio",
        _ => "",
    };
    format!(
        "Geometric mean of {}, {of}: {} of {peer}, goal {goal:.2}: {}{open}.",
        plain(name, REASON),
        ratio(*mean),
        standing.word(),
    )
}

/// Text in one line of at most so many characters that cannot end a cell or be markup.
fn plain(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.trim().chars().enumerate() {
        if count == most {
            out.push_str("...");
            break;
        }
        match c {
            '|' | '\\' | '`' | '*' | '<' | '>' | '[' | ']' => out.extend(['\\', c]),
            c if c.is_control() || c.is_whitespace() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_file_cannot_end_a_cell() {
        assert_eq!(plain(" a|b\nc<d> ", 99), "a\\|b c\\<d\\>");
        assert_eq!(plain("abcdef", 3), "abc...");
    }
}
