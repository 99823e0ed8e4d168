//! The text of a single value → number, share, address.
//!
//! Not here: which key takes which kind (`table`). Every function refuses what it does not understand as a whole: there
//! is no value that is taken in part.

use std::net::{IpAddr, SocketAddr};

use super::settings::Listen;

/// A whole number in decimal digits.
pub(crate) fn integer(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

/// A number of bytes with the units of memory and disk limits: `MB` is 1000², `MiB` is 1024².
///
/// RabbitMQ: `M` alone is decimal too, `Mi` binary, and so with k, G, T and P.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (digits, unit) = split_unit(text);
    let unit = unit.to_ascii_lowercase();
    let (step, letter) = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('i')) {
        Some(letter) => (1024u64, letter),
        None => (1000, if unit.len() > 1 { unit.strip_suffix('b')? } else { &unit }),
    };
    let power = match letter {
        "" if unit.is_empty() => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    integer(digits)?.checked_mul(step.checked_pow(power)?)
}

/// A number of bytes with the units of frame sizes, which are binary: `128kb` is 131072.
pub(crate) fn frame_bytes(text: &str) -> Option<u64> {
    let (digits, unit) = split_unit(text);
    let factor = match unit {
        "" => 1,
        "kb" | "KB" => 1024,
        "mb" | "MB" => 1024 * 1024,
        "gb" | "GB" => 1024 * 1024 * 1024,
        _ => return None,
    };
    integer(digits)?.checked_mul(factor)
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Milliseconds, alone or as a sum of times with units: `1h30m`.
///
/// RabbitMQ: `f`, `w`, `d`, `h`, `m`, `s` and `ms`, a fortnight to a millisecond.
pub(crate) fn duration_ms(text: &str) -> Option<u64> {
    if let Some(ms) = integer(text) {
        return Some(ms);
    }
    let (mut rest, mut sum_ms) = (text, 0u64);
    while !rest.is_empty() {
        let (digits, behind) = split_unit(rest);
        let end = behind.find(|letter: char| letter.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, more) = behind.split_at_checked(end)?;
        let unit_ms: u64 = match unit {
            "f" => 14 * 24 * 3_600_000,
            "w" => 7 * 24 * 3_600_000,
            "d" => 24 * 3_600_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        sum_ms = sum_ms.checked_add(integer(digits)?.checked_mul(unit_ms)?)?;
        rest = more;
    }
    (!text.is_empty()).then_some(sum_ms)
}

/// A plain decimal such as `0.6` or `2`: no sign, no exponent, no infinity.
pub(crate) fn share(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain.then(|| text.parse::<f64>().ok()).flatten().filter(|share| share.is_finite())
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A port alone (every address of the machine), or an address with a port.
///
/// RabbitMQ: an IPv6 address may stand without brackets, the last colon is the port's.
pub(crate) fn listen(text: &str) -> Option<Vec<Listen>> {
    if let Some(port) = integer(text) {
        return Some(Listen::everywhere(u16::try_from(port).ok()?));
    }
    address_and_port(text)
}

/// An address with a port; `localhost` is both loopback addresses.
pub(crate) fn address_and_port(text: &str) -> Option<Vec<Listen>> {
    let (address, port) = text.rsplit_once(':')?;
    let port = u16::try_from(integer(port)?).ok()?;
    if address == "localhost" {
        return Some(Listen::loopback(port));
    }
    let bare = match address.strip_prefix('[') {
        Some(opened) => opened.strip_suffix(']').filter(|bare| bare.contains(':'))?,
        None => address,
    };
    let ip: IpAddr = bare.parse().ok()?;
    Some(Listen::on(SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests;
