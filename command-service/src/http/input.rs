//! From bytes to a command; what is wrong with them is named by field, line and column.

use crate::http::problems::{self, ExtendedProblem};
use access::http::{Problem, ProblemKind};
use event_schemas::CommandEnvelope;
use event_schemas::outcome::Fault;
use serde::Serialize;
use serde_json::error::Category;
use serde_json::{Map, Value};

/// Longest message of the parser that is repeated to the caller, characters.
const MAX_MESSAGE_CHARS: usize = 1_200;

/// What is wrong with a body, or with a line of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InputFault {
    pub kind: &'static ProblemKind,
    /// Such as `command.birth.child.birth`; `None` if the text is no JSON, or for the whole.
    pub field: Option<String>,
    /// 1-based, within the body or the batch's line.
    pub line: usize,
    /// 1-based, in bytes; 0 if the fault is at a line's very beginning.
    pub column: usize,
    pub en: String,
    pub vi: String,
}

/// Reads one command. Good input is read once; bad input a second time, to learn the place.
pub fn parse_command(bytes: &[u8]) -> Result<CommandEnvelope, InputFault> {
    match serde_json::from_slice(bytes) {
        Ok(envelope) => Ok(envelope),
        Err(_) => Err(explain(bytes)),
    }
}

fn explain(bytes: &[u8]) -> InputFault {
    if bytes.trim_ascii().is_empty() {
        return InputFault {
            kind: &problems::MALFORMED_JSON,
            field: None,
            line: 1,
            column: 0,
            en: "The body is empty; a command in JSON is expected.".into(),
            vi: "Nội dung trống; cần một yêu cầu dạng JSON.".into(),
        };
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let (error, path) = match serde_path_to_error::deserialize::<_, CommandEnvelope>(&mut deserializer) {
        Err(error) => {
            let path = error.path().to_string();
            (error.into_inner(), path)
        }
        // The command itself is good, so the fault is behind it.
        Ok(_) => match deserializer.end() {
            Err(error) => (error, ".".into()),
            Ok(()) => return contradiction(),
        },
    };
    describe(&error, path)
}

/// The two readings of the same bytes do not agree. Cannot happen, and is no reason to panic.
fn contradiction() -> InputFault {
    InputFault {
        kind: &problems::INVALID_VALUE,
        field: None,
        line: 1,
        column: 0,
        en: "The command cannot be read.".into(),
        vi: "Không đọc được yêu cầu.".into(),
    }
}

fn describe(error: &serde_json::Error, path: String) -> InputFault {
    let (line, column) = (error.line(), error.column());
    let message = message_of(error);
    // The parser names a place that it cannot know `.` or `?`.
    let field = (path != "." && path != "?").then_some(path);
    let (kind, vi) = match error.classify() {
        Category::Syntax | Category::Io => {
            (&problems::MALFORMED_JSON, format!("JSON sai cú pháp: {message}"))
        }
        Category::Eof => (&problems::MALFORMED_JSON, "JSON bị ngắt giữa chừng.".to_owned()),
        Category::Data => classify(&message),
    };
    let at = field.as_deref().map_or(String::new(), |field| format!(" at {field}"));
    let at_vi = field.as_deref().map_or(String::new(), |field| format!(" tại {field}"));
    InputFault {
        kind,
        line,
        column,
        en: format!("{message}{at} (line {line}, column {column})"),
        vi: format!("{vi}{at_vi} (dòng {line}, cột {column})"),
        field,
    }
}

/// The parser's message without its place, which is stated apart.
fn message_of(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = whole.strip_suffix(&place).unwrap_or(&whole);
    message.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// The kind of a fault in the data, and the Vietnamese sentence for what the parser says in English.
fn classify(message: &str) -> (&'static ProblemKind, String) {
    let quoted = message.split('`').nth(1).unwrap_or_default();
    if message.starts_with("unknown field") {
        return (&problems::UNKNOWN_FIELD, format!("không có trường `{quoted}`"));
    }
    if message.starts_with("missing field") {
        return (&problems::MISSING_FIELD, format!("thiếu trường `{quoted}`"));
    }
    let vi = if message.starts_with("unknown variant") {
        format!("không có giá trị `{quoted}`")
    } else if message.starts_with("duplicate field") {
        format!("trường `{quoted}` xuất hiện hai lần")
    } else if message.contains("control character") {
        format!("văn bản chứa ký tự điều khiển: {message}")
    } else if message.contains("characters, at most") {
        format!("văn bản quá dài: {message}")
    } else if message.contains("text is empty") {
        "văn bản trống".to_owned()
    } else if message.contains("is not a date") || message.contains("no such day") {
        format!("ngày không hợp lệ: {message}")
    } else if message.starts_with("invalid type") {
        format!("sai kiểu dữ liệu: {message}")
    } else {
        format!("giá trị không hợp lệ: {message}")
    };
    (&problems::INVALID_VALUE, vi)
}

#[derive(Serialize)]
struct Place {
    line: usize,
    column: usize,
}

impl InputFault {
    /// As a problem with the place in members of its own: `line` and `column`.
    pub fn into_problem(self) -> ExtendedProblem {
        let (line, column) = (self.line, self.column);
        ExtendedProblem::with(self.problem(), &Place { line, column })
    }

    /// The same for a line of a batch: `line` is that of the batch, and 1-based.
    pub fn into_line_problem(self, batch_line: u64) -> ExtendedProblem {
        let mut members = Map::new();
        members.insert("outcome".into(), Value::from("problem"));
        members.insert("line".into(), Value::from(batch_line));
        members.insert("column".into(), Value::from(self.column));
        ExtendedProblem::new(self.problem(), members)
    }

    fn problem(self) -> Problem {
        let fault = Fault {
            code: self.kind.code.to_owned(),
            field: self.field,
            vi: self.vi.clone(),
            en: self.en.clone(),
            rows: Vec::new(),
            events: Vec::new(),
            overridable: false,
        };
        Problem::of(self.kind).detail(self.en, self.vi).faults(vec![fault])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_schemas::examples::example;
    use serde_json::json;

    #[track_caller]
    fn check(text: &str, code: &str, field: Option<&str>, en: &str, vi: &str) {
        let fault = parse_command(text.as_bytes()).unwrap_err();
        assert_eq!((fault.kind.code, fault.field.as_deref()), (code, field), "{fault:?}");
        assert!(fault.en.contains(en), "{} does not say {en}", fault.en);
        assert!(fault.vi.contains(vi), "{} does not say {vi}", fault.vi);
        assert!(fault.en.len() < 4_000 && fault.vi.len() < 4_000);
    }

    fn birth_with(pointer: &str, value: Value) -> String {
        let mut json = serde_json::to_value(example("birth").unwrap()).unwrap();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[field] = value;
        json.to_string()
    }

    #[test]
    fn every_example_is_read() {
        for (_, kind) in event_schemas::Command::KINDS {
            let envelope = example(kind).unwrap();
            let bytes = serde_json::to_vec(&envelope).unwrap();
            assert_eq!(parse_command(&bytes), Ok(envelope));
        }
    }

    #[test]
    fn faults_are_named_by_field_line_and_column_in_both_languages() {
        check("", "malformed_json", None, "empty", "trống");
        check("{\n \"command_id\" 7}", "malformed_json", None, "line 2, column 15", "dòng 2, cột 15");
        check("{\"command_id\": ", "malformed_json", Some("command_id"), "EOF", "ngắt giữa chừng");
        check(
            &birth_with("/urgent", json!(1)),
            "unknown_field",
            Some("urgent"),
            "unknown field `urgent`",
            "không có trường `urgent`",
        );
        check(
            &birth_with("/command/birth", json!({})),
            "missing_field",
            Some("command.birth"),
            "missing field",
            "thiếu trường `child`",
        );
        let birth = "command.birth.child.birth";
        check(
            &birth_with("/command/birth/child/birth", json!("2021-02-30")),
            "invalid_value",
            Some(birth),
            "2021-02-30",
            "không hợp lệ",
        );
        let given = "command.birth.child.names.given";
        check(
            &birth_with("/command/birth/child/names/given", json!("x".repeat(500_000))),
            "invalid_value",
            Some(given),
            "at most 80",
            "quá dài",
        );
        check(
            &birth_with("/command/birth/child/names/given", json!("a\u{7}b")),
            "invalid_value",
            Some(given),
            "U+0007",
            "ký tự điều khiển",
        );
        check(
            &birth_with("/command", json!({"rebirth": {}})),
            "invalid_value",
            Some("command"),
            "unknown variant",
            "không có giá trị `rebirth`",
        );
        check(
            &birth_with("/command_id", json!(7)),
            "invalid_value",
            Some("command_id"),
            "invalid type",
            "sai kiểu",
        );
        check(&"[".repeat(100_000), "invalid_value", Some("[0]"), "invalid type", "sai kiểu");
    }

    #[test]
    fn what_stands_behind_the_command_is_a_fault() {
        let text = format!("{} {{}}", serde_json::to_string(&example("birth").unwrap()).unwrap());
        check(&text, "malformed_json", None, "trailing characters", "sai cú pháp");
    }
}
