//! Amounts: decimals on the wire, hundredths inside.

use serde_json::{Number, Value};

/// Largest amount in hundredths: far above any price, far below what a JSON number still tells exactly.
const MAX: i64 = 1_000_000_000_000;

/// Hundredths of a JSON number with at most two decimals, 0 to ten thousand million; `None` for everything else.
pub(super) fn parse(value: &Value) -> Option<i64> {
    let text = value.as_number()?.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    if fraction.is_empty() || fraction.len() > 2 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: i64 = whole.parse().ok().filter(|whole| (0..=MAX).contains(whole))?;
    let fraction: i64 = format!("{fraction:0<2}").parse().ok()?;
    Some(whole * 100 + fraction).filter(|amount| *amount <= MAX && !text.starts_with('-'))
}

/// The JSON number of so many hundredths.
pub(super) fn json(hundredths: i64) -> Value {
    if hundredths % 100 == 0 {
        return Value::from(hundredths / 100);
    }
    // Both are below 2^53, and a division is rounded right: the number is the nearest to the decimal, and is written as it.
    Number::from_f64(hundredths as f64 / 100.0).map_or(Value::Null, Value::Number)
}

/// As people write it.
pub(super) fn text(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn amounts_are_exact_both_ways() {
        for hundredths in [0, 1, 10, 99, 100, 820, 1_999, 123_456_789, MAX] {
            assert_eq!(parse(&json(hundredths)), Some(hundredths));
        }
        assert_eq!(json(1_010).to_string(), "10.1");
        assert_eq!(parse(&value!(100.0)), Some(10_000));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for wrong in
            [value!(1.001), value!(-1), value!(-0.5), value!("1"), value!(1e30), value!(1e-7), value!(null)]
        {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }
}
