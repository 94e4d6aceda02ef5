//! What a correction would change, for people.

use crate::tables::{plain, table};
use event_schemas::correction::{CorrectionEffect, StreamChange, TimelineEntry};
use serde_json::Value;

/// A table of every fact that comes, goes, or stays as it is in a stream that changes; and what follows.
pub fn effect(effect: &CorrectionEffect) {
    let mut rows = table(["row", "aspect", "", "fact", "holds from", "event", "what"]);
    for stream in &effect.streams {
        for (sign, entry) in lines(stream) {
            rows.add_row([
                stream.stream.row.to_string(),
                aspect(stream),
                sign.to_owned(),
                entry.at.to_string(),
                entry.effective_on.to_string(),
                entry.body.name().replace('_', " "),
                brief(entry),
            ]);
        }
    }
    println!("{rows}");
    for fact in &effect.consequences {
        println!("follows: {} on {}", fact.body.name().replace('_', " "), fact.effective_on);
    }
}

/// What goes, what comes, what stays, in the order of days.
fn lines(stream: &StreamChange) -> Vec<(&'static str, &TimelineEntry)> {
    let goes = stream.before.iter().filter(|entry| !stream.after.contains(entry)).map(|entry| ("-", entry));
    let after = stream.after.iter();
    let after = after.map(|entry| (if stream.before.contains(entry) { "" } else { "+" }, entry));
    let mut lines: Vec<(&str, &TimelineEntry)> = goes.chain(after).collect();
    lines.sort_by_key(|(_, entry)| entry.effective_on.earliest());
    lines
}

fn aspect(stream: &StreamChange) -> String {
    serde_json::to_value(stream.stream.aspect)
        .as_ref()
        .map_or_else(|_| String::new(), plain)
        .replace('_', " ")
}

/// The members of the fact one or two levels down, in one line.
fn brief(entry: &TimelineEntry) -> String {
    let body = serde_json::to_value(&entry.body).unwrap_or_default();
    let mut shown = Vec::new();
    for (name, value) in
        body.as_object().into_iter().flatten().flat_map(|(_, body)| body.as_object()).flatten()
    {
        match value {
            Value::Object(members) => {
                let plainly = members.iter().filter(|(_, value)| value.is_string() || value.is_number());
                shown.extend(plainly.map(|(name, value)| format!("{name} {}", plain(value))));
            }
            Value::String(_) | Value::Number(_) => shown.push(format!("{name} {}", plain(value))),
            _ => {}
        }
    }
    shown.join(", ").replace('_', " ")
}
