//! `multipart/form-data` (RFC 7578), as far as a form with a file needs it: the bytes of one field, of a body that is here.
//!
//! Never copies; looks at each byte a bounded number of times.

use memchr::memmem;

/// RFC 2046: a boundary has at most so many letters.
const BOUNDARY_BYTES_MAX: usize = 70;
/// Fields of a form that are looked at.
const PARTS_MAX: usize = 64;

/// The boundary that a `content-type` header names, if it is that of a form; None for another type.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()).then_some(boundary)
}

/// The value of a parameter, as `name=value` or `name="value"`.
fn parameter<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    text.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        let is_wanted = name.trim().eq_ignore_ascii_case(wanted);
        is_wanted.then(|| value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
    })
}

/// What stands in the field of this name.
pub(crate) fn field<'a>(body: &'a [u8], boundary: &str, wanted: &str) -> Option<&'a [u8]> {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // Before the first part there may be nothing, not even the end of a line.
    let opening = delimiter.get(2..)?;
    let start = if body.starts_with(opening) { opening.len() } else { after(body, &delimiter)? };
    let mut rest = body.get(start..)?;
    for _ in 0..PARTS_MAX {
        // `--` behind a delimiter is the end of it all.
        if rest.starts_with(b"--") {
            return None;
        }
        let (head, content) = split_at_once(rest, b"\r\n\r\n")?;
        let (content, next) = split_at_once(content, &delimiter)?;
        if is_named(head, wanted) {
            return Some(content);
        }
        rest = next;
    }
    None
}

fn after(body: &[u8], pattern: &[u8]) -> Option<usize> {
    memmem::find(body, pattern)?.checked_add(pattern.len())
}

fn split_at_once<'a>(bytes: &'a [u8], pattern: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(bytes, pattern)?;
    Some((bytes.get(..at)?, bytes.get(at.checked_add(pattern.len())?..)?))
}

/// Whether the head of a part says that it is this field.
fn is_named(head: &[u8], wanted: &str) -> bool {
    let Ok(head) = std::str::from_utf8(head) else { return false };
    head.split("\r\n").any(|line| {
        let Some((name, value)) = line.split_once(':') else { return false };
        let Some((kind, parameters)) = value.split_once(';') else { return false };
        name.trim().eq_ignore_ascii_case("content-disposition")
            && kind.trim().eq_ignore_ascii_case("form-data")
            && parameter(parameters, "name") == Some(wanted)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_file_of_a_form_is_found() {
        let kind = "multipart/form-data; boundary=\"----x y\"";
        assert_eq!(boundary(kind), Some("----x y"));
        let body = b"------x y\r\nContent-Disposition: form-data; name=\"redirect\"\r\n\r\n/here\r\n------x y\r\n\
                     content-disposition: form-data; name=\"file\"; filename=\"d.json\"\r\nContent-Type: application/json\r\n\r\n\
                     {\"a\":\r\n1}\r\n------x y--\r\n";
        assert_eq!(field(body, "----x y", "file"), Some(&b"{\"a\":\r\n1}"[..]));
        assert_eq!(field(body, "----x y", "redirect"), Some(&b"/here"[..]));
        assert_eq!(field(body, "----x y", "other"), None);
        assert_eq!(field(&body[..body.len() - 20], "----x y", "file"), None);
    }

    #[test]
    fn other_types_have_no_boundary() {
        for wrong in [
            "",
            "application/json",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=a",
        ] {
            assert_eq!(boundary(wrong), None, "{wrong}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))), None);
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_field_comes_back(content: Vec<u8>, before: Vec<u8>) {
            let boundary = "0123456789abcdef-boundary";
            prop_assume!(memmem::find(&content, boundary.as_bytes()).is_none());
            prop_assume!(memmem::find(&before, boundary.as_bytes()).is_none());
            let mut body = Vec::new();
            for (name, content) in [("before", &before), ("file", &content)] {
                body.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes());
                body.extend_from_slice(content);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
            prop_assert_eq!(field(&body, boundary, "file"), Some(&content[..]));
        }

        #[test]
        fn no_body_is_too_much(body: Vec<u8>, kind: String) {
            let _ = boundary(&kind);
            let _ = field(&body, "a", "file");
        }
    }
}
