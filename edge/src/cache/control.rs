//! Cache directives as they are written: `Cache-Control` (RFC 9111, 5.2), its targeted form `CDN-Cache-Control`
//! (RFC 9213), and `Pragma` of a request.

use http::{HeaderMap, HeaderName, header};

/// Above this a number of seconds is as good as for ever (RFC 9111, 1.2.2).
pub(crate) const DELTA_MAX_S: u64 = 1 << 31;

/// The targeted field that a cache of this kind obeys before `Cache-Control`.
const TARGETED: &str = "cdn-cache-control";

/// The directives of a request or a response; those that mean nothing on their side are ignored there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) no_cache: Fields,
    pub(crate) private: Fields,
    pub(crate) no_store: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age_s: Option<u64>,
    pub(crate) s_maxage_s: Option<u64>,
    pub(crate) min_fresh_s: Option<u64>,
    /// [`DELTA_MAX_S`] when it is sent without a number: however stale.
    pub(crate) max_stale_s: Option<u64>,
    pub(crate) stale_while_revalidate_s: Option<u64>,
    pub(crate) stale_if_error_s: Option<u64>,
}

/// The reach of `no-cache` and `private`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fields {
    /// The directive is not there.
    #[default]
    Absent,
    /// The whole message.
    All,
    /// These fields of it only.
    Named(Vec<HeaderName>),
}

impl Directives {
    /// Of a request. `Pragma: no-cache` counts where `Cache-Control` is absent (RFC 9111, 5.4).
    pub(crate) fn of_request(headers: &HeaderMap) -> Self {
        if headers.contains_key(header::CACHE_CONTROL) {
            return Self::parse(values(headers, &header::CACHE_CONTROL));
        }
        let is_pragma = values(headers, &header::PRAGMA)
            .flat_map(members)
            .any(|member| member.trim().eq_ignore_ascii_case("no-cache"));
        let no_cache = if is_pragma { Fields::All } else { Fields::Absent };
        Self { no_cache, ..Self::default() }
    }

    /// Of a response, with whether they came from the targeted field, beside which `Expires` is not looked at.
    pub(crate) fn of_response(headers: &HeaderMap) -> (Self, bool) {
        let targeted: Vec<&str> =
            headers.get_all(TARGETED).iter().filter_map(|value| value.to_str().ok()).collect();
        if !targeted.is_empty() && targeted.iter().all(|value| is_dictionary(value)) {
            return (Self::parse(targeted.into_iter()), true);
        }
        (Self::parse(values(headers, &header::CACHE_CONTROL)), false)
    }

    fn parse<'v>(values: impl Iterator<Item = &'v str>) -> Self {
        let mut directives = Self::default();
        for member in values.flat_map(members) {
            let (name, value) = match member.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (member.trim(), None),
            };
            directives.set(&name.to_ascii_lowercase(), value);
        }
        directives
    }

    fn set(&mut self, name: &str, value: Option<&str>) {
        match name {
            "no-cache" => self.no_cache.widen(value),
            "private" => self.private.widen(value),
            "no-store" => self.no_store = true,
            "public" => self.public = true,
            "must-revalidate" => self.must_revalidate = true,
            "proxy-revalidate" => self.proxy_revalidate = true,
            "must-understand" => self.must_understand = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => first(&mut self.max_age_s, value),
            "s-maxage" => first(&mut self.s_maxage_s, value),
            "min-fresh" => first(&mut self.min_fresh_s, value),
            "max-stale" if value.is_none() => self.max_stale_s = Some(DELTA_MAX_S),
            "max-stale" => first(&mut self.max_stale_s, value),
            "stale-while-revalidate" => first(&mut self.stale_while_revalidate_s, value),
            "stale-if-error" => first(&mut self.stale_if_error_s, value),
            _ => {}
        }
    }
}

impl Fields {
    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// The named fields; empty for the other forms.
    pub(crate) fn named(&self) -> &[HeaderName] {
        match self {
            Self::Named(names) => names,
            Self::Absent | Self::All => &[],
        }
    }

    /// Names that are none make it the whole message, the safe side.
    fn widen(&mut self, value: Option<&str>) {
        let named: Option<Vec<HeaderName>> = value.map(unquoted).and_then(|names| {
            names.split(',').map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok()).collect()
        });
        match (named, self) {
            (Some(more), Self::Named(names)) => names.extend(more),
            (Some(names), this @ Self::Absent) => *this = Self::Named(names),
            (None, this) => *this = Self::All,
            (Some(_), Self::All) => {}
        }
    }
}

/// The first of several numbers counts (RFC 9111, 4.2.1); what is no number makes the answer stale at once.
fn first(field: &mut Option<u64>, value: Option<&str>) {
    if field.is_none() {
        *field = Some(delta(unquoted(value.unwrap_or_default())).unwrap_or(0));
    }
}

/// Delta-seconds (RFC 9111, 1.2.2): digits only; what is too large is the largest.
pub(crate) fn delta(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(DELTA_MAX_S).min(DELTA_MAX_S))
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

/// The members of a list; a comma in a quoted string separates nothing.
pub(crate) fn members(value: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    value
        .split(move |letter| {
            let is_plain = !std::mem::take(&mut is_escaped);
            match letter {
                '\\' if is_quoted && is_plain => is_escaped = true,
                '"' if is_plain => is_quoted = !is_quoted,
                _ => {}
            }
            letter == ',' && !is_quoted
        })
        .filter(|member| !member.trim().is_empty())
}

/// Whether a value is a dictionary of structured fields (RFC 9651) as far as its keys tell; any other is not obeyed at
/// all (RFC 9213, 2.1).
fn is_dictionary(value: &str) -> bool {
    let is_key = |key: &str| {
        key.starts_with(|first: char| first.is_ascii_lowercase() || first == '*')
            && key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte))
    };
    !value.trim().is_empty()
        && members(value).all(|member| {
            let key = member.trim().split(['=', ';']).next().unwrap_or_default();
            is_key(key)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn response(lines: &[(&'static str, &'static str)]) -> (Directives, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        Directives::of_response(&headers)
    }

    fn control(value: &'static str) -> Directives {
        response(&[("cache-control", value)]).0
    }

    #[test]
    fn names_are_read_in_any_case_and_values_quoted_or_not() {
        assert_eq!(control("MAX-AGE=\"5\", Public").max_age_s, Some(5));
        assert!(control("MAX-AGE=5 , PUBLIC").public);
        assert_eq!(control("max-age=99999999999999999999").max_age_s, Some(DELTA_MAX_S));
        assert_eq!(control("max-age=-1").max_age_s, Some(0));
        assert_eq!(control("max-age=1.5").max_age_s, Some(0));
        assert_eq!(control("max-age=7, max-age=9").max_age_s, Some(7));
        assert_eq!(control("max-stale").max_stale_s, Some(DELTA_MAX_S));
    }

    #[test]
    fn a_comma_in_quotes_separates_nothing() {
        let named = control("private=\"x-a, x-b\", max-age=3");
        assert_eq!(named.private.named().len(), 2);
        assert_eq!(named.max_age_s, Some(3));
        assert!(control("no-cache").no_cache.is_all());
        assert!(control("no-cache=\"bad name\"").no_cache.is_all());
        assert!(!control("x=\"no-store\"").no_store);
    }

    #[test]
    fn a_targeted_field_wins_when_it_can_be_read() {
        let line = ("cache-control", "no-store");
        let (directives, is_targeted) = response(&[line, ("cdn-cache-control", "max-age=60")]);
        assert!(is_targeted && !directives.no_store);
        let (directives, is_targeted) = response(&[line, ("cdn-cache-control", "Max Age")]);
        assert!(!is_targeted && directives.no_store);
    }
}
