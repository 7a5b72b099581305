//! Reading: lines are unfolded into one buffer, and only names and values are allocated.

use std::{
    fs::File,
    io::{self, BufRead, Read as _},
    path::PathBuf,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{LdifError, LdifErrorKind, LdifRecord, is_description};
use crate::entry::Attribute;

/// Reads content records one after the other; an iterator that ends at the first error.
///
/// Taken beyond RFC 2849, because real files hold it: UTF-8 text that is not base64, a byte order
/// mark, and a missing `version:`. Descriptions are compared without regard to case; the spelling
/// of the first is kept.
#[derive(Debug)]
pub struct LdifReader<R> {
    input: R,
    /// The current line, unfolded, without its end.
    line: Vec<u8>,
    /// The number of the current line's first and of the input's last line read.
    line_number: u64,
    last_line_number: u64,
    /// Bytes of the current record so far, and their limit.
    record_bytes: usize,
    max_record_bytes: usize,
    file_urls: bool,
    at_start: bool,
    ended: bool,
}

/// The longest record taken unless [`LdifReader::max_record_bytes`] says otherwise.
pub(super) const MAX_RECORD_BYTES: usize = 64 << 20;

impl<R: BufRead> LdifReader<R> {
    /// A reader at the start of an LDIF. Values in files are refused, and a record may take 64 MiB.
    pub fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::with_capacity(1024),
            line_number: 0,
            last_line_number: 0,
            record_bytes: 0,
            max_record_bytes: MAX_RECORD_BYTES,
            file_urls: false,
            at_start: true,
            ended: false,
        }
    }

    /// Allows values given as `attribute:< file:///path`.
    ///
    /// Whoever wrote the LDIF can then read every file this process can: for trusted input only.
    #[must_use]
    pub const fn allow_file_urls(mut self) -> Self {
        self.file_urls = true;
        self
    }

    /// Sets the longest record taken, in bytes of LDIF and of files named in it.
    #[must_use]
    pub const fn max_record_bytes(mut self, bytes: usize) -> Self {
        self.max_record_bytes = bytes;
        self
    }

    /// The next record; `None` at the end of the input.
    fn read_record(&mut self) -> Result<Option<LdifRecord>, LdifError> {
        let Some(mut record) = self.read_start()? else {
            return Ok(None);
        };
        match self.read_attributes(&mut record) {
            Ok(()) if record.attributes.is_empty() => Err(LdifError {
                line: record.line,
                dn: Some(record.dn),
                kind: LdifErrorKind::NoAttributes,
            }),
            Ok(()) => Ok(Some(record)),
            Err(kind) => Err(LdifError {
                line: self.line_number,
                dn: Some(record.dn),
                kind,
            }),
        }
    }

    /// Skips what may stand before a record and reads its `dn:`.
    fn read_start(&mut self) -> Result<Option<LdifRecord>, LdifError> {
        let mut dn = || {
            loop {
                self.record_bytes = 0;
                match self.read_line()? {
                    Line::End => return Ok(None),
                    Line::Empty => continue,
                    Line::Text => {}
                }
                let (name, value) = split(&self.line)?;
                let first = std::mem::replace(&mut self.at_start, false);
                if first && name.eq_ignore_ascii_case("version") {
                    match value {
                        Written::Text(b"1") => continue,
                        Written::Text(found) | Written::Base64(found) | Written::Url(found) => {
                            return Err(LdifErrorKind::Version {
                                found: excerpt(found),
                            });
                        }
                    }
                }
                if !name.eq_ignore_ascii_case("dn") {
                    return Err(LdifErrorKind::NoDn {
                        found: name.to_owned(),
                    });
                }
                let value = value.decode("dn", false, 0)?;
                return match String::from_utf8(value) {
                    Ok(dn) => Ok(Some(dn)),
                    Err(_) => Err(LdifErrorKind::NotText {
                        description: "dn".to_owned(),
                    }),
                };
            }
        };
        match dn() {
            Ok(dn) => Ok(dn.map(|dn| LdifRecord {
                line: self.line_number,
                dn,
                attributes: Vec::with_capacity(16),
            })),
            Err(kind) => Err(LdifError {
                line: self.line_number,
                dn: None,
                kind,
            }),
        }
    }

    /// Reads the lines of a record up to its end.
    fn read_attributes(&mut self, record: &mut LdifRecord) -> Result<(), LdifErrorKind> {
        while matches!(self.read_line()?, Line::Text) {
            let (name, value) = split(&self.line)?;
            if name.eq_ignore_ascii_case("dn") {
                return Err(LdifErrorKind::SecondDn);
            }
            if name.eq_ignore_ascii_case("control") {
                return Err(LdifErrorKind::Control);
            }
            if name.eq_ignore_ascii_case("changetype") {
                let found = value.decode(name, false, 0)?;
                if !found.eq_ignore_ascii_case(b"add") {
                    return Err(LdifErrorKind::ChangeType {
                        found: excerpt(&found),
                    });
                }
                if !record.attributes.is_empty() {
                    return Err(LdifErrorKind::LateChangeType);
                }
                continue;
            }
            let rest = self.max_record_bytes.saturating_sub(self.record_bytes);
            let from_file = matches!(value, Written::Url(_));
            let value = value.decode(name, self.file_urls, rest)?;
            if from_file {
                // Text and base64 were counted with their line.
                self.record_bytes = self.record_bytes.saturating_add(value.len());
                if self.record_bytes > self.max_record_bytes {
                    return Err(LdifErrorKind::TooLong {
                        limit: self.max_record_bytes,
                    });
                }
            }
            let same =
                |attribute: &&mut Attribute| attribute.description.eq_ignore_ascii_case(name);
            // The values of one attribute mostly stand together, so the last is looked at first.
            match record.attributes.iter_mut().rev().find(same) {
                Some(attribute) => attribute.values.push(value),
                None if is_description(name) => record.attributes.push(Attribute {
                    description: name.to_owned(),
                    values: vec![value],
                }),
                None => {
                    return Err(LdifErrorKind::Description {
                        found: excerpt(name.as_bytes()),
                    });
                }
            }
        }
        Ok(())
    }

    /// Reads the next line that is no comment into `self.line`, with the lines that continue it.
    fn read_line(&mut self) -> Result<Line, LdifErrorKind> {
        loop {
            self.line.clear();
            self.line_number = self.last_line_number + 1;
            if !self.append_physical_line()? {
                return Ok(Line::End);
            }
            if self.line_number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
                self.line.drain(..3);
            }
            match self.line.first() {
                None => return Ok(Line::Empty),
                Some(b' ') => return Err(LdifErrorKind::NothingToContinue),
                Some(_) => {}
            }
            while self.peek()? == Some(b' ') {
                self.input.consume(1);
                self.append_physical_line()?;
            }
            if self.line.first() != Some(&b'#') {
                return Ok(Line::Text);
            }
        }
    }

    /// Appends the input up to the next line end, which is left out; `false` at the end of the input.
    fn append_physical_line(&mut self) -> Result<bool, LdifErrorKind> {
        let too_long = LdifErrorKind::TooLong {
            limit: self.max_record_bytes,
        };
        // One more than allowed is read, so that too long shows without reading it all.
        let rest = self.max_record_bytes.saturating_sub(self.record_bytes);
        let read = (&mut self.input)
            .take((rest as u64).saturating_add(1))
            .read_until(b'\n', &mut self.line)?;
        self.record_bytes += read;
        if self.record_bytes > self.max_record_bytes {
            return Err(too_long);
        }
        if read == 0 {
            return Ok(false);
        }
        self.last_line_number += 1;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            if self.line.last() == Some(&b'\r') {
                self.line.pop();
            }
        }
        Ok(true)
    }

    /// The next byte of the input.
    fn peek(&mut self) -> Result<Option<u8>, LdifErrorKind> {
        loop {
            match self.input.fill_buf() {
                Ok(buffer) => return Ok(buffer.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<R: BufRead> Iterator for LdifReader<R> {
    type Item = Result<LdifRecord, LdifError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let record = self.read_record().transpose();
        self.ended = !matches!(record, Some(Ok(_)));
        record
    }
}

/// What [`LdifReader::read_line`] met.
enum Line {
    Text,
    Empty,
    End,
}

/// A value as it stands after the colon.
#[derive(Clone, Copy)]
enum Written<'a> {
    Text(&'a [u8]),
    Base64(&'a [u8]),
    Url(&'a [u8]),
}

/// Splits a line at its colon into name and value.
fn split(line: &[u8]) -> Result<(&str, Written<'_>), LdifErrorKind> {
    let no_colon = || LdifErrorKind::NoColon {
        start: excerpt(line),
    };
    let colon = line.iter().position(|&octet| octet == b':');
    let (name, value) = line
        .split_at_checked(colon.ok_or_else(no_colon)?)
        .ok_or_else(no_colon)?;
    let name = std::str::from_utf8(name).map_err(|_| LdifErrorKind::Description {
        found: excerpt(name),
    })?;
    let value = match value {
        [b':', b':', rest @ ..] => Written::Base64(rest.trim_ascii()),
        [b':', b'<', rest @ ..] => Written::Url(rest.trim_ascii()),
        [b':', rest @ ..] => {
            let spaces = rest.iter().take_while(|&&octet| octet == b' ').count();
            Written::Text(rest.get(spaces..).unwrap_or_default())
        }
        _ => return Err(no_colon()),
    };
    Ok((name, value))
}

impl Written<'_> {
    /// The value as octets; of a file one byte more than `max_bytes` at most, which shows that it is
    /// too long.
    fn decode(
        self,
        description: &str,
        file_urls: bool,
        max_bytes: usize,
    ) -> Result<Vec<u8>, LdifErrorKind> {
        match self {
            Self::Text(text) if std::str::from_utf8(text).is_ok() => Ok(text.to_vec()),
            Self::Text(_) => Err(LdifErrorKind::NotText {
                description: description.to_owned(),
            }),
            Self::Base64(text) => STANDARD
                .decode(text)
                .map_err(|reason| LdifErrorKind::Base64 {
                    description: description.to_owned(),
                    reason,
                }),
            Self::Url(_) if !file_urls => Err(LdifErrorKind::UrlNotAllowed {
                description: description.to_owned(),
            }),
            Self::Url(url) => read_file(description, url, max_bytes),
        }
    }
}

/// Reads the value a `file:` URL names (RFC 8089).
fn read_file(description: &str, url: &[u8], max_bytes: usize) -> Result<Vec<u8>, LdifErrorKind> {
    let description = || description.to_owned();
    let shown = || excerpt(url);
    let path = file_path(url).ok_or_else(|| LdifErrorKind::Url {
        description: description(),
        url: shown(),
    })?;
    let mut value = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take((max_bytes as u64).saturating_add(1))
                .read_to_end(&mut value)
        })
        .map_err(|source| LdifErrorKind::File {
            description: description(),
            url: shown(),
            source,
        })?;
    Ok(value)
}

/// The absolute path in a `file:` URL without a host or with `localhost`.
fn file_path(url: &[u8]) -> Option<PathBuf> {
    let (scheme, rest) = url.split_at_checked(5)?;
    if !scheme.eq_ignore_ascii_case(b"file:") {
        return None;
    }
    let path = match rest.strip_prefix(b"//") {
        Some(rest) => rest.strip_prefix(b"localhost").unwrap_or(rest),
        None => rest,
    };
    if path.first() != Some(&b'/') {
        return None;
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut octets = path.iter().copied();
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'%' => {
                let mut digit = || char::from(octets.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(PathBuf::from)
}

/// The beginning of something wrong, short enough for a message.
fn excerpt(octets: &[u8]) -> String {
    const SHOWN: usize = 60;
    let start = octets.get(..SHOWN).unwrap_or(octets);
    let mut text = String::from_utf8_lossy(start).into_owned();
    if start.len() < octets.len() {
        text.push_str("...");
    }
    text
}
