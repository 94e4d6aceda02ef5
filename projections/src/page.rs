//! A chronicle as a page that can be printed and needs nothing else: no script, no picture, no other address.

use crate::answers::{ChronicleAnswer, PersonBrief, Reflecting};
use crate::chronicle::{Believed, ChronicleEvent, ChronicleRecord, OfficeBrief, Restated};
use crate::history::Submission;
use crate::labels::Label;
use event_schemas::basis::Basis;
use event_schemas::event::EventBody;
use event_schemas::ids::OfficeId;
use event_schemas::row::RowRef;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

const STYLE: &str = "\
body{font:11pt/1.4 'Times New Roman',Times,serif;max-width:52em;margin:2em auto;padding:0 1em;color:#111}\
h1{font-size:1.4em;margin-bottom:.2em}h2{font-size:1.1em;margin:1.6em 0 .2em;border-top:1px solid #999;padding-top:.6em}\
.en{color:#555;font-style:italic}.who{margin:.1em 0}table{border-collapse:collapse;width:100%;margin:.4em 0}\
td,th{border:1px solid #bbb;padding:.15em .4em;text-align:left;vertical-align:top}th{background:#f3f3f3;font-weight:normal}\
.gone{text-decoration:line-through}.note{background:#f7f3e6;padding:.2em .5em}footer{margin-top:2em;font-size:.85em;color:#444}\
@page{size:A4;margin:2cm}@media print{body{margin:0;max-width:none}h2{break-after:avoid}tr{break-inside:avoid}}";

/// Text inside an element or a quoted attribute.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// The page of an answer.
pub(crate) fn page(answer: &Reflecting<ChronicleAnswer>) -> String {
    let mut out = String::with_capacity(16_384);
    write(&mut out, answer).expect("writing into memory does not fail");
    out
}

fn write(out: &mut String, answer: &Reflecting<ChronicleAnswer>) -> fmt::Result {
    let chronicle = &answer.body.chronicle;
    let title = title(chronicle.row, &chronicle.persons);
    let title = Escaped(&title);
    write!(
        out,
        "<!doctype html><html lang=\"vi\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head><body>\
         <h1>{title}</h1><p>Toàn bộ nội dung đã ghi nhận, theo thứ tự ghi nhận <span class=\"en\">Everything recorded, in the order \
         of records</span></p>"
    )?;
    let offices: BTreeMap<OfficeId, &OfficeBrief> =
        chronicle.offices.iter().map(|office| (office.id, office)).collect();
    for record in &chronicle.records {
        write_record(out, record, &offices)?;
    }
    write_persons(out, &chronicle.persons)?;
    write!(out, "<footer>Nhật ký <span class=\"en\">log</span> {}, lsn {}", answer.log_id, answer.lsn)?;
    if let Some(as_of) = answer.as_of {
        if let Some(recorded_at) = as_of.recorded_at {
            write!(out, " ({recorded_at})")?;
        }
    }
    out.write_str("</footer></body></html>\n")
}

fn title(row: RowRef, persons: &[PersonBrief]) -> String {
    match row {
        RowRef::Person(id) => {
            let person = persons.iter().find(|person| person.id == id);
            let name = person.map_or("", |person| person.name.as_str());
            let pin = person.and_then(|person| person.pin).map_or_else(String::new, |pin| format!(", {pin}"));
            format!("{name} ({id}{pin})")
        }
        RowRef::Household(id) => format!("Hộ gia đình {id}"),
        RowRef::Card(id) => format!("Thẻ {id}"),
        other => other.to_string(),
    }
}

fn write_record(
    out: &mut String,
    record: &ChronicleRecord,
    offices: &BTreeMap<OfficeId, &OfficeBrief>,
) -> fmt::Result {
    let ChronicleRecord { lsn, recorded_at, version, .. } = record;
    write!(out, "<h2 id=\"r{lsn}\">{lsn} · {recorded_at} <span class=\"en\">version {version}</span></h2>")?;
    match &record.submitted {
        Some(submitted) => write_submission(out, submitted, offices)?,
        None => out.write_str(
            "<p class=\"who\">Hệ thống, do đến hạn <span class=\"en\">the registry itself: it fell due with the day</span></p>",
        )?,
    }
    out.write_str("<table>")?;
    for event in &record.events {
        write_event(out, event)?;
    }
    out.write_str("</table>")?;
    record.restated.iter().try_for_each(|restated| write_restated(out, restated))
}

fn write_submission(
    out: &mut String,
    submitted: &Submission,
    offices: &BTreeMap<OfficeId, &OfficeBrief>,
) -> fmt::Result {
    let Submission { office, officer, command_id, command } = submitted;
    let name = offices.get(office).map_or("", |office| office.name.as_str());
    let (name, command) = (Escaped(name), Escaped(command));
    write!(
        out,
        "<p class=\"who\">{name} <span class=\"en\">office</span> {office}, cán bộ <span class=\"en\">officer</span> {officer} · \
         {command} {command_id}</p>"
    )
}

fn write_label(out: &mut String, label: &Label) -> fmt::Result {
    write!(out, "{} <span class=\"en\">{}</span>", Escaped(&label.vi), Escaped(&label.en))
}

fn write_event(out: &mut String, event: &ChronicleEvent) -> fmt::Result {
    let ChronicleEvent { event, label, taken_back_by } = event;
    let class = if taken_back_by.is_some() { " class=\"gone\"" } else { "" };
    write!(out, "<tr><th{class}>")?;
    write_label(out, label)?;
    write!(
        out,
        "<br>.{} có hiệu lực <span class=\"en\">effective</span> {}</th><td>",
        event.index, event.effective_on
    )?;
    if let Some(by) = taken_back_by {
        write!(
            out,
            "<p class=\"note\">Không còn giá trị từ bản ghi <span class=\"en\">counts no more since</span> <a href=\"#r{by}\">{by}\
             </a></p>"
        )?;
    }
    write_says(out, event.body.as_ref())?;
    if let Some(basis) = &event.basis {
        write_basis(out, basis)?;
    }
    out.write_str("</td></tr>")
}

fn write_basis(out: &mut String, basis: &Basis) -> fmt::Result {
    out.write_str("<br>Căn cứ <span class=\"en\">basis</span>: ")?;
    write_lines(out, &serde_json::to_value(basis).unwrap_or_default())
}

fn write_says(out: &mut String, body: Option<&EventBody>) -> fmt::Result {
    match body.map(serde_json::to_value) {
        None => out.write_str("(mật <span class=\"en\">sealed</span>)"),
        // One member: the event's name.
        Some(Ok(Value::Object(named))) => named.values().try_for_each(|says| write_lines(out, says)),
        Some(_) => Ok(()),
    }
}

/// Every plain value with the names that lead to it.
fn write_lines(out: &mut String, value: &Value) -> fmt::Result {
    let mut lines = Vec::new();
    flatten(value, &mut String::new(), &mut lines);
    for (place, (name, text)) in lines.iter().enumerate() {
        let between = if place == 0 { "" } else { "; " };
        let (name, text) = (Escaped(name), Escaped(text));
        write!(out, "{between}<span class=\"en\">{name}</span> {text}")?;
    }
    Ok(())
}

fn flatten(value: &Value, path: &mut String, lines: &mut Vec<(String, String)>) {
    let mut below = |name: &str, value: &Value| {
        let before = path.len();
        if before > 0 && !name.is_empty() {
            path.push(' ');
        }
        path.push_str(&name.replace('_', " "));
        flatten(value, path, lines);
        path.truncate(before);
    };
    match value {
        Value::Null => {}
        Value::Object(members) => members.iter().for_each(|(name, value)| below(name, value)),
        Value::Array(items) => items.iter().for_each(|item| below("", item)),
        Value::String(text) => lines.push((path.clone(), text.clone())),
        plain => lines.push((path.clone(), plain.to_string())),
    }
}

fn write_restated(out: &mut String, restated: &Restated) -> fmt::Result {
    out.write_str("<table><tr><th colspan=\"2\">")?;
    write_label(out, &restated.label)?;
    out.write_str(
        "</th></tr><tr><th>Trước đó được hiểu là <span class=\"en\">believed before</span></th><th>Từ bản ghi này \
         <span class=\"en\">believed from here on</span></th></tr><tr><td>",
    )?;
    write_believed(out, &restated.before, "gone")?;
    out.write_str("</td><td>")?;
    write_believed(out, &restated.after, "note")?;
    out.write_str("</td></tr></table>")
}

fn write_believed(out: &mut String, timeline: &[Believed], class_of_difference: &str) -> fmt::Result {
    for believed in timeline {
        let Believed { at, event, effective_on, only_here, body } = believed;
        let class = if *only_here { class_of_difference } else { "" };
        write!(out, "<p class=\"{class}\">{effective_on} ")?;
        write_label(out, &Label::of_event(event))?;
        write!(out, " ({}.{}): ", at.lsn, at.index)?;
        write_says(out, body.as_ref())?;
        out.write_str("</p>")?;
    }
    Ok(())
}

fn write_persons(out: &mut String, persons: &[PersonBrief]) -> fmt::Result {
    out.write_str(
        "<h2>Những người được nêu <span class=\"en\">Persons named</span></h2><table><tr><th>Mã <span class=\"en\">id</span></th>\
         <th>Họ, chữ đệm và tên <span class=\"en\">name</span></th><th>Sinh <span class=\"en\">born</span></th><th>Số định danh \
         <span class=\"en\">PIN</span></th></tr>",
    )?;
    for person in persons {
        let (id, name) = (person.id, Escaped(&person.name));
        let birth = person.birth.map_or_else(String::new, |birth| birth.to_string());
        let pin = person.pin.map_or_else(String::new, |pin| pin.to_string());
        write!(out, "<tr><td>{id}</td><td>{name}</td><td>{birth}</td><td>{pin}</td></tr>")?;
    }
    out.write_str("</table>")
}

#[cfg(test)]
mod tests {
    use super::{Escaped, write_lines};
    use serde_json::json;

    #[test]
    fn what_people_wrote_is_shown_and_never_obeyed() {
        let text = "<script>alert(1)</script> & \"An\" 'Bình'";
        let shown = Escaped(text).to_string();
        assert!(!shown.contains(['<', '>', '"', '\'']), "{shown}");
        let mut out = String::new();
        write_lines(&mut out, &json!({ "identity": { "names": { "given": "<b>" } }, "other": [1, null] }))
            .unwrap();
        assert_eq!(
            out,
            "<span class=\"en\">identity names given</span> &lt;b&gt;; <span class=\"en\">other</span> 1"
        );
    }
}
