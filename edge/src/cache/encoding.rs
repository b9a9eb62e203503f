//! Content codings: which one a client likes best (RFC 9110, 12.5.3), and the body in it, made once.
//!
//! A coded body is another representation, so it has a strong entity tag of its own: the tag of the plain one with the
//! coding's name at its end.

use std::io::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::control::members;

/// Below this the coded body and its headers save no packet.
const BYTES_MIN: usize = 512;

/// Made while clients wait, once for each answer: 2 KB take about 100 µs, and the next level saves 3 % at twice the time.
const BROTLI_QUALITY: u32 = 5;
/// Bits of brotli's window: more than any page has.
const BROTLI_WINDOW_BITS: u32 = 20;
const BROTLI_BUFFER_BYTES: usize = 4_096;
const ZSTD_LEVEL: i32 = 3;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is.
    Identity,
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878).
    Zstd,
    /// RFC 1952.
    Gzip,
}

/// The coded bodies of one answer, each made when it is first asked for.
#[derive(Debug)]
pub(crate) struct Encodings {
    is_compressible: bool,
    br: OnceLock<Option<Coded>>,
    zstd: OnceLock<Option<Coded>>,
    gzip: OnceLock<Option<Coded>>,
}

/// A body in a coding.
#[derive(Debug)]
pub(crate) struct Coded {
    pub(crate) coding: Coding,
    pub(crate) body: Bytes,
    /// `None` when the plain body has none.
    pub(crate) etag: Option<HeaderValue>,
}

impl Coding {
    /// How many there are, with the identity.
    pub(crate) const COUNT: usize = 4;

    /// In the order of our liking: what is smallest for texts comes first.
    const CODED: [Self; 3] = [Self::Br, Self::Zstd, Self::Gzip];

    /// What the client likes best; of those it likes alike, the smallest.
    pub(crate) fn wanted(request: &HeaderMap) -> Self {
        let values = request.get_all(header::ACCEPT_ENCODING);
        Self::wanted_of(values.iter().filter_map(|value| value.to_str().ok()))
    }

    /// The same of the lines of `Accept-Encoding`.
    pub(crate) fn wanted_of<'v>(lines: impl Iterator<Item = &'v str>) -> Self {
        let mut best = (Self::Identity, 0);
        let mut given: [Option<u16>; Self::COUNT] = [None; Self::COUNT];
        let mut others = None;
        for member in lines.flat_map(members) {
            let (name, weight) = weighted(member);
            match Self::named(name) {
                Some(coding) => given[coding as usize] = Some(weight),
                None if name == "*" => others = Some(weight),
                None => {}
            }
        }
        for coding in Self::CODED {
            let weight = given[coding as usize].or(others).unwrap_or(0);
            if weight > best.1 {
                best = (coding, weight);
            }
        }
        // Plain is as good as coded unless it is given less (RFC 9110, 12.5.3); coded is smaller.
        if given[Self::Identity as usize].is_some_and(|weight| weight > best.1) {
            Self::Identity
        } else {
            best.0
        }
    }

    /// As on the wire; `identity` is never written.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [Self::Identity, Self::Br, Self::Zstd, Self::Gzip];
        all.into_iter()
            .find(|coding| name.eq_ignore_ascii_case(coding.as_str()))
            .or_else(|| name.eq_ignore_ascii_case("x-gzip").then_some(Self::Gzip))
    }
}

impl Encodings {
    /// For an answer with these headers.
    pub(crate) fn of(headers: &HeaderMap, body_bytes: usize) -> Self {
        Self {
            is_compressible: body_bytes >= BYTES_MIN && may_be_coded(headers),
            br: OnceLock::new(),
            zstd: OnceLock::new(),
            gzip: OnceLock::new(),
        }
    }

    pub(crate) fn is_compressible(&self) -> bool {
        self.is_compressible
    }

    /// The body in a coding; `None` when it is not worth it, and then the plain one is the answer.
    pub(crate) fn get(&self, coding: Coding, body: &Bytes, headers: &HeaderMap) -> Option<&Coded> {
        let cell = match coding {
            Coding::Identity => return None,
            Coding::Br => &self.br,
            Coding::Zstd => &self.zstd,
            Coding::Gzip => &self.gzip,
        };
        if !self.is_compressible {
            return None;
        }
        cell.get_or_init(|| {
            let coded = encode(coding, body)?;
            // A tenth saved is not worth the work of the client.
            (coded.len() * 10 < body.len() * 9).then(|| Coded {
                coding,
                body: coded.into(),
                etag: tag(coding, headers),
            })
        })
        .as_ref()
    }
}

/// The name of a member and its weight in thousandths.
fn weighted(member: &str) -> (&str, u16) {
    let mut parts = member.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts
        .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
        .map_or(Some(1.0), |text| text.trim().parse::<f32>().ok())
        .filter(|weight| (0.0..=1.0).contains(weight))
        .unwrap_or(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1,000")]
    let thousandths = (weight * 1_000.0) as u16;
    (name, thousandths)
}

fn may_be_coded(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_transformable = !headers.contains_key(header::CONTENT_ENCODING)
        && !text(header::CACHE_CONTROL).is_some_and(|value| value.contains("no-transform"));
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    is_transformable
        && (kind.starts_with("text/")
            || ["json", "javascript", "xml"].iter().any(|suffix| kind.ends_with(suffix)))
}

/// `None` when the encoder fails, which it does not when it writes to memory.
fn encode(coding: Coding, body: &[u8]) -> Option<Vec<u8>> {
    match coding {
        Coding::Identity => None,
        Coding::Br => {
            let sink = Vec::with_capacity(body.len() / 2);
            let mut writer =
                brotli::CompressorWriter::new(sink, BROTLI_BUFFER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_BITS);
            writer.write_all(body).ok()?;
            Some(writer.into_inner())
        }
        Coding::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL).ok(),
        Coding::Gzip => {
            let sink = Vec::with_capacity(body.len() / 2);
            let mut writer = flate2::write::GzEncoder::new(sink, flate2::Compression::default());
            writer.write_all(body).ok()?;
            writer.finish().ok()
        }
    }
}

/// The tag of a coded body: a strong one gets the coding's name, a weak one stays, since it promises no bytes.
fn tag(coding: Coding, headers: &HeaderMap) -> Option<HeaderValue> {
    let plain = headers.get(header::ETAG)?;
    let opened =
        plain.to_str().ok().filter(|text| text.starts_with('"')).and_then(|text| text.strip_suffix('"'));
    match opened {
        Some(opened) => HeaderValue::try_from(format!("{opened}-{}\"", coding.as_str())).ok(),
        None => Some(plain.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_gets_what_it_likes_best() {
        for (accepted, expected) in [
            ("gzip, br, zstd", Coding::Br),
            ("gzip", Coding::Gzip),
            ("gzip;q=1, br;q=0.5", Coding::Gzip),
            ("br;q=0, *", Coding::Zstd),
            ("identity, gzip;q=0.3", Coding::Identity),
            ("GZIP;Q=0.5", Coding::Gzip),
            ("*;q=0", Coding::Identity),
            ("deflate", Coding::Identity),
            ("", Coding::Identity),
            ("br;q=9, gzip", Coding::Gzip),
        ] {
            let request =
                HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted))]);
            assert_eq!(Coding::wanted(&request), expected, "{accepted}");
        }
    }

    #[test]
    fn a_coded_body_has_a_tag_of_its_own() {
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::ETAG, HeaderValue::from_static("\"a\"")),
        ]);
        let body = Bytes::from("abc ".repeat(1_000));
        let encodings = Encodings::of(&headers, body.len());
        let coded = encodings.get(Coding::Gzip, &body, &headers).unwrap();
        assert!(coded.body.len() < 200);
        assert_eq!(coded.etag.as_ref().unwrap(), "\"a-gzip\"");
        assert!(encodings.get(Coding::Identity, &body, &headers).is_none());
    }
}
