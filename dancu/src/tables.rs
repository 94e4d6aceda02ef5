//! Answers for people.
//!
//! A person's or household's answer is JSON with a few levels. It is shown as one table of its plain members and one for
//! each list of objects, so that whatever the service tells is seen, in the service's own words.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use serde_json::{Map, Value};

/// What people look for first; everything else follows by name.
const FIRST: &[&str] = &[
    "id",
    "lsn",
    "name",
    "code",
    "pin",
    "sex",
    "birth",
    "alive",
    "version",
    "kind",
    "status",
    "person",
    "household",
    "relationship",
    "membership",
    "address",
    "head",
    "members",
    "document",
    "since",
    "until",
];

/// Widest table where the terminal's width is not known.
const WIDTH: u16 = 160;

/// An empty table with this head.
pub fn table<S: AsRef<str>>(head: impl IntoIterator<Item = S>) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    table.set_header(head.into_iter().map(|text| Cell::new(text.as_ref()).add_attribute(Attribute::Bold)));
    table
}

/// Prints an answer.
pub fn print(value: &Value) {
    let Value::Object(answer) = value else {
        println!("{}", plain(value));
        return;
    };
    // An answer holds one thing besides the state that it reflects: that thing is what is shown.
    let mut things: Vec<_> = answer.iter().filter(|(name, _)| !is_frame(name)).collect();
    things.sort_by_key(|(_, thing)| matches!(thing, Value::Array(_)));
    for (name, thing) in things {
        match thing {
            Value::Object(members) => print_object(name, members),
            Value::Array(rows) => print_rows(name, rows),
            Value::Null => {}
            other => println!("{}: {}", words(name), plain(other)),
        }
    }
    print_frame(value);
}

/// Prints which state an answer reflects.
pub fn print_frame(answer: &Value) {
    let (Some(lsn), Some(log_id)) = (answer.get("lsn"), answer.get("log_id")) else { return };
    let (lsn, log_id) = (plain(lsn), plain(log_id));
    match answer.get("as_of") {
        None => println!("as of lsn {lsn} of log {log_id}"),
        Some(as_of) => {
            let recorded = as_of.get("recorded_at").map(|at| format!(", recorded {},", plain(at)));
            let valid_on = plain(&as_of["valid_on"]);
            println!(
                "valid on {valid_on}, known at lsn {lsn}{} of log {log_id}",
                recorded.unwrap_or_default()
            );
        }
    }
}

fn is_frame(name: &str) -> bool {
    matches!(name, "lsn" | "log_id" | "as_of")
}

fn print_object(name: &str, members: &Map<String, Value>) {
    let mut overview = table([words(name), String::new()]);
    let mut lists = Vec::new();
    add_members("", members, &mut overview, &mut lists);
    println!("{overview}");
    for (list, rows) in lists {
        print_rows(&list, rows);
    }
}

/// Adds plain members as rows, those of inner objects under a joined name; sets lists of objects aside.
fn add_members<'a>(
    prefix: &str,
    members: &'a Map<String, Value>,
    overview: &mut Table,
    lists: &mut Vec<(String, &'a Vec<Value>)>,
) {
    for (name, value) in sorted(members) {
        // A place or a person's names stand in one line beside their parts.
        if (name == "place" && members.contains_key("text"))
            || (name == "names" && members.contains_key("name"))
        {
            continue;
        }
        let full = if prefix.is_empty() { words(name) } else { format!("{prefix} · {}", words(name)) };
        match value {
            Value::Null => {}
            Value::Array(rows) if rows.is_empty() => {}
            Value::Array(rows) if rows.iter().all(Value::is_object) => lists.push((full, rows)),
            Value::Object(inner) if in_one_line(inner).is_none() => {
                add_members(&full, inner, overview, lists)
            }
            other => {
                overview.add_row([full, plain(other)]);
            }
        }
    }
}

/// Prints a list: objects as a table with a column for each member that any of them has.
pub fn print_rows(name: &str, rows: &[Value]) {
    if rows.is_empty() {
        println!("{}: none", words(name));
        return;
    }
    let mut columns: Vec<&str> = Vec::new();
    for row in rows {
        for (column, value) in row.as_object().map(sorted).unwrap_or_default() {
            if !value.is_null() && !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
    }
    columns.sort_by_key(|column| place_of(column));
    if columns.is_empty() {
        let shown: Vec<String> = rows.iter().map(plain).collect();
        println!("{}: {}", words(name), shown.join(", "));
        return;
    }
    println!("{} ({})", words(name), rows.len());
    let mut shown = table(columns.iter().map(|column| words(column)));
    for row in rows {
        shown.add_row(columns.iter().map(|column| row.get(*column).map_or_else(String::new, plain)));
    }
    println!("{shown}");
}

fn sorted(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|(name, _)| place_of(name));
    sorted
}

fn place_of(name: &str) -> usize {
    FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len())
}

/// `birth_place` as `birth place`.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// A value in one line.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(members) => in_one_line(members).unwrap_or_else(|| {
            let parts = members.iter().filter(|(_, value)| !value.is_null());
            parts
                .map(|(name, value)| format!("{} {}", words(name), plain(value)))
                .collect::<Vec<_>>()
                .join("; ")
        }),
    }
}

/// Small things that have a short form of their own.
fn in_one_line(members: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if let (Some(name), Some(id)) = (text("name"), members.get("id")) {
        // A person or unit in brief.
        return (members.len() <= 8)
            .then(|| format!("{name} ({})", text("code").map_or_else(|| plain(id), Into::into)));
    }
    if let (Some(lsn), Some(index), 2) = (members.get("lsn"), members.get("index"), members.len()) {
        return Some(format!("{}.{}", plain(lsn), plain(index)));
    }
    // A variant with its content: {"person": 17}.
    let (name, value) = members.iter().next()?;
    (members.len() == 1 && !value.is_object() && !value.is_array())
        .then(|| format!("{} {}", words(name), plain(value)))
}

#[cfg(test)]
mod tests {
    use super::plain;
    use serde_json::json;

    #[test]
    fn small_things_stand_in_one_line() {
        let cases = [
            (json!({"id": 17, "name": "Trần Thị Hoa", "sex": "female", "alive": true}), "Trần Thị Hoa (17)"),
            (json!({"lsn": 9, "index": 2}), "9.2"),
            (json!({"person": 17}), "person 17"),
            (json!(["a", 1, true]), "a, 1, yes"),
            (json!({"from": "2021", "until": null, "kind": {"x": {"y": 1}}}), "from 2021; kind x y 1"),
        ];
        for (value, expected) in cases {
            assert_eq!(plain(&value), expected);
        }
    }
}
