//! What a `Host` must look like (RFC 9110, 7.2): a name or an address, perhaps with a port.
//!
//! It goes into keys of the cache, into `X-Forwarded-Host` and to upstreams, which make links of it; so what is none is not let
//! in, also where a lenient server would take it.

/// Whether a field's value is a host: not empty, since the URIs of HTTP have one (RFC 9110, 4.2.1).
pub(crate) fn is_host(value: &[u8]) -> bool {
    if let Some(rest) = value.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|byte| *byte == b']') else {
            return false;
        };
        let is_address = std::str::from_utf8(&rest[..end])
            .is_ok_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        return is_address && is_port(&rest[end + 1..]);
    }
    let name = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
    is_name(&value[..name]) && is_port(&value[name..])
}

/// A registered name (RFC 3986, 3.2.2), of which an IPv4 address is a case.
fn is_name(name: &[u8]) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        rest = match (*first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            (byte, after) if is_plain(byte) => after,
            _ => return false,
        };
    }
    !name.is_empty()
}

/// Nothing, or a colon with a port behind it, which may be left out.
fn is_port(rest: &[u8]) -> bool {
    let Some(port) = rest.strip_prefix(b":") else {
        return rest.is_empty();
    };
    port.len() <= 5
        && port.iter().all(u8::is_ascii_digit)
        && port.iter().fold(0_u32, |port, digit| port * 10 + u32::from(digit - b'0')) <= u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_hosts() {
        for host in
            ["a", "shop.example", "a_b:8080", "127.0.0.1:80", "[::1]", "[fe80::1]:8080", "a%20b", "a:"]
        {
            assert!(is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn what_is_none_is_not() {
        let long = format!("a:{}", "0".repeat(6));
        for host in [
            "",
            ":80",
            "a b",
            "a/b",
            "a@b",
            "a,b:80:80",
            "a%2",
            "[::1",
            "[::1]80",
            "::1",
            "a:80x",
            "a:65536",
            "\u{e9}",
            "a\"b",
            "a<b",
            &long,
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
