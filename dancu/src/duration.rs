//! Spans of time on the command line: `90s`, `15m`, `8h`, `7d`.

/// A number and a unit, as seconds.
pub fn seconds(text: &str) -> Result<i64, String> {
    let explain = || format!("'{text}' is no span of time; write a number and s, m, h or d, such as 8h");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(explain)?;
    let (number, unit) = text.split_at(unit_at);
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(explain()),
    };
    let number: i64 = number.parse().map_err(|_| explain())?;
    number.checked_mul(unit_s).filter(|seconds| *seconds > 0).ok_or_else(explain)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        assert_eq!([seconds("90s"), seconds("8h"), seconds("7d")], [Ok(90), Ok(28_800), Ok(604_800)]);
        for wrong in ["", "8", "h", "-1h", "0s", "8w", "99999999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
