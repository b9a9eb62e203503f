//! Listing: which keys and common prefixes make a page.

use std::collections::BTreeMap;
use std::ops::Bound;

/// What is asked for.
pub(super) struct Asked<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    /// Only what comes after this key or common prefix.
    pub(super) after: Option<&'a str>,
    pub(super) limit: usize,
}

/// A page; keys and prefixes together are at most the limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<'a, V> {
    pub(super) objects: Vec<&'a V>,
    pub(super) prefixes: Vec<String>,
    /// Where the next page goes on; `None` on the last.
    pub(super) next: Option<String>,
}

/// Makes a page of the objects in the order of their keys.
pub(super) fn page<'a, V>(index: &'a BTreeMap<String, V>, asked: &Asked<'_>) -> Page<'a, V> {
    let mut page = Page { objects: Vec::new(), prefixes: Vec::new(), next: None };
    let start = match asked.after {
        Some(after) if after >= asked.prefix => Bound::Excluded(after),
        _ => Bound::Included(asked.prefix),
    };
    let mut last: Option<String> = None;
    for (key, value) in index.range::<str, _>((start, Bound::Unbounded)) {
        let Some(rest) = key.strip_prefix(asked.prefix) else { break };
        let group = asked.delimiter.filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
            let end = rest.find(delimiter)? + delimiter.len();
            Some(format!("{}{}", asked.prefix, &rest[..end]))
        });
        let is_known = group.as_deref().is_some_and(|group| {
            asked.after == Some(group) || page.prefixes.last().is_some_and(|last| last == group)
        });
        if is_known {
            continue;
        }
        if page.objects.len() + page.prefixes.len() == asked.limit {
            page.next = last;
            break;
        }
        last = Some(group.as_ref().unwrap_or(key).clone());
        match group {
            Some(group) => page.prefixes.push(group),
            None => page.objects.push(value),
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_pages(delimiter: Option<&str>, limit: usize, expected: &[&str]) {
        let keys = ["a/1", "a/2", "b", "c/1", "c/d/2", "e"];
        let index: BTreeMap<String, String> =
            keys.iter().map(|key| (key.to_string(), key.to_string())).collect();
        let (mut seen, mut after) = (Vec::new(), None::<String>);
        loop {
            let asked = Asked { prefix: "", delimiter, after: after.as_deref(), limit };
            let page = page(&index, &asked);
            assert!(page.objects.len() + page.prefixes.len() <= limit);
            seen.extend(page.objects.into_iter().cloned());
            seen.extend(page.prefixes);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, expected);
    }

    #[test]
    fn pages_give_everything_once() {
        for limit in 1..8 {
            check_pages(None, limit, &["a/1", "a/2", "b", "c/1", "c/d/2", "e"]);
            check_pages(Some("/"), limit, &["a/", "b", "c/", "e"]);
        }
    }

    #[test]
    fn a_prefix_bounds_the_page() {
        let index: BTreeMap<String, u8> =
            [("a", 1), ("b/1", 2), ("b/c/2", 3), ("c", 4)].map(|(k, v)| (k.to_owned(), v)).into();
        let asked = Asked { prefix: "b/", delimiter: Some("/"), after: None, limit: 10 };
        let expected = Page { objects: vec![&2], prefixes: vec!["b/c/".to_owned()], next: None };
        assert_eq!(page(&index, &asked), expected);
    }
}
