//! What kinds of things a PEM file holds (RFC 7468), without looking into them.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The labels of the blocks in a PEM text, in order.
///
/// # Errors
/// A sentence saying what is wrong: a block without an end, or with contents that are not base64.
pub(super) fn labels(text: &str) -> Result<Vec<String>, String> {
    let mut labels = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(label) = boundary(line, "BEGIN") else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut contents = String::new();
        let closed = lines
            .by_ref()
            .take_while(|line| !line.starts_with("-----") || *line == end)
            .any(|line| {
                if line == end {
                    return true;
                }
                contents.push_str(line);
                false
            });
        if !closed {
            return Err(format!("the block {label} has no end"));
        }
        if STANDARD.decode(&contents).is_err() {
            return Err(format!("the block {label} is not base64"));
        }
        labels.push(label.to_owned());
    }
    Ok(labels)
}

fn boundary<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?
        .strip_prefix(kind)?
        .strip_prefix(' ')?
        .strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn blocks_are_named_in_order() {
        let text = "a comment\n-----BEGIN CERTIFICATE-----\nAAAA\nAAA=\n-----END CERTIFICATE-----\n\
                    -----BEGIN PRIVATE KEY-----\r\nAAAA\r\n-----END PRIVATE KEY-----\r\n";
        assert_eq!(labels(text).unwrap(), ["CERTIFICATE", "PRIVATE KEY"]);
        assert!(labels("").unwrap().is_empty());
    }

    #[test]
    fn half_blocks_are_errors() {
        assert_eq!(
            labels("-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap_err(),
            "the block CERTIFICATE has no end"
        );
        assert_eq!(
            labels("-----BEGIN CERTIFICATE-----\nA!\n-----END CERTIFICATE-----\n").unwrap_err(),
            "the block CERTIFICATE is not base64"
        );
    }
}
