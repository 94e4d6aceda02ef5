//! Spans of time on the command line: `50ms`, `90s`, `15m`, `8h`, `7d`.

use std::time::Duration;

/// A number and a unit.
pub fn span(text: &str) -> Result<Duration, String> {
    let explain = || format!("'{text}' is no span of time; write a number and ms, s, m, h or d, such as 8h");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(explain)?;
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(explain()),
    };
    let number: u64 = number.parse().map_err(|_| explain())?;
    let ms = number.checked_mul(unit_ms).filter(|ms| *ms > 0).ok_or_else(explain)?;
    Ok(Duration::from_millis(ms))
}

/// A span of whole seconds.
pub fn seconds(text: &str) -> Result<i64, String> {
    let span = span(text)?;
    let whole = i64::try_from(span.as_secs()).ok().filter(|_| span.subsec_nanos() == 0);
    whole.ok_or_else(|| format!("'{text}' is no number of whole seconds"))
}

#[cfg(test)]
mod tests {
    use super::{seconds, span};
    use std::time::Duration;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        assert_eq!([seconds("90s"), seconds("8h"), seconds("7d")], [Ok(90), Ok(28_800), Ok(604_800)]);
        assert_eq!(span("50ms"), Ok(Duration::from_millis(50)));
        for wrong in ["", "8", "h", "-1h", "0s", "8w", "99999999999999999999d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
        assert!(seconds("50ms").is_err());
    }
}
