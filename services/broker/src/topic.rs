//! Topic patterns: words between dots, `*` for one word, `#` for any number, as AMQP 0-9-1 has them.

/// Whether `topic` matches `pattern`.
pub(crate) fn is_match(pattern: &str, topic: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let topic: Vec<&str> = topic.split('.').collect();
    is_match_from(&pattern, &topic)
}

fn is_match_from(pattern: &[&str], topic: &[&str]) -> bool {
    match (pattern.split_first(), topic.split_first()) {
        (None, None) => true,
        (Some((&"#", rest)), _) => (0..=topic.len()).any(|skip| is_match_from(rest, &topic[skip..])),
        (Some((word, rest)), Some((first, others))) => {
            (*word == "*" || word == first) && is_match_from(rest, others)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_match;

    #[test]
    fn patterns_match_as_in_amqp() {
        for (pattern, topic, expected) in [
            ("product.changed", "product.changed", true),
            ("product.*", "product.changed", true),
            ("product.*", "product", false),
            ("product.*", "product.a.b", false),
            ("product.#", "product", true),
            ("#", "a.b.c", true),
            ("#.c", "a.b.c", true),
            ("*.b", "a.c", false),
        ] {
            assert_eq!(is_match(pattern, topic), expected, "{pattern} {topic}");
        }
    }
}
