//! Messages as octets: requests with any message id, and what answers say.

use super::ldap::{Raw, tlv};

/// SearchResultEntry.
pub const ENTRY: u8 = 0x64;
/// SearchResultDone.
pub const DONE: u8 = 0x65;
/// BindResponse.
pub const BIND_RESPONSE: u8 = 0x61;
/// ExtendedResponse.
pub const EXTENDED_RESPONSE: u8 = 0x78;

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Message id.
    pub id: u32,
    /// Tag of the operation.
    pub tag: u8,
    /// Result code; `None` for entries, references and intermediate responses.
    pub code: Option<u32>,
    /// matchedDN.
    pub matched: Vec<u8>,
    /// diagnosticMessage.
    pub diagnostic: Vec<u8>,
    /// What follows the LDAPResult; all of an entry.
    pub rest: Vec<u8>,
}

impl Answer {
    /// Reads one LDAPMessage; panics unless it is one.
    pub fn parse(message: &[u8]) -> Self {
        let (tag, body, after) = element(message);
        assert_eq!((tag, after), (0x30, &[][..]), "{message:02x?}");
        let (tag, id, body) = element(body);
        assert_eq!(tag, 2);
        let id = number(id);
        let (tag, operation, _) = element(body);
        if operation.first() != Some(&0x0a) {
            return Self {
                id,
                tag,
                code: None,
                matched: Vec::new(),
                diagnostic: Vec::new(),
                rest: operation.to_vec(),
            };
        }
        let (_, code, operation) = element(operation);
        let (_, matched, operation) = element(operation);
        let (_, diagnostic, rest) = element(operation);
        Self {
            id,
            tag,
            code: Some(number(code)),
            matched: matched.to_vec(),
            diagnostic: diagnostic.to_vec(),
            rest: rest.to_vec(),
        }
    }

    /// Whether nothing more comes for its request.
    pub fn is_final(&self) -> bool {
        self.code.is_some()
    }

    /// Message id, tag and result code.
    pub fn outline(&self) -> (u32, u8, Option<u32>) {
        (self.id, self.tag, self.code)
    }
}

/// Tag, contents, and what follows.
pub fn element(octets: &[u8]) -> (u8, &[u8], &[u8]) {
    let (start, length) = match octets[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let count = usize::from(long - 0x80);
            let length = octets[2..2 + count].iter();
            (
                2 + count,
                length.fold(0, |sum, o| sum << 8 | usize::from(*o)),
            )
        }
    };
    (
        octets[0],
        &octets[start..start + length],
        &octets[start + length..],
    )
}

fn number(octets: &[u8]) -> u32 {
    octets
        .iter()
        .fold(0, |sum, octet| sum << 8 | u32::from(*octet))
}

/// An LDAPMessage with any message id.
pub fn request(id: u32, operation: &[u8]) -> Vec<u8> {
    let octets = id.to_be_bytes();
    let from = octets.iter().position(|octet| *octet != 0).unwrap_or(3);
    let mut integer = octets[from..].to_vec();
    if integer[0] >= 0x80 {
        integer.insert(0, 0);
    }
    tlv(0x30, &[tlv(2, &integer), operation.to_vec()].concat())
}

/// A search with this encoded filter and these attributes.
pub fn search(base: &[u8], scope: u8, filter: &[u8], attributes: &[&[u8]]) -> Vec<u8> {
    let attributes: Vec<u8> = attributes.iter().flat_map(|name| tlv(4, name)).collect();
    let parts = [
        tlv(0x04, base),
        tlv(0x0a, &[scope]),
        tlv(0x0a, &[0]),
        tlv(0x02, &[0]),
        tlv(0x02, &[0]),
        tlv(0x01, &[0]),
        filter.to_vec(),
        tlv(0x30, &attributes),
    ];
    tlv(0x63, &parts.concat())
}

/// The next answer; `None` at the end of the connection.
pub fn next(raw: &mut Raw) -> Option<Answer> {
    raw.receive().map(|message| Answer::parse(&message))
}

/// The final answer to the one request under way.
pub fn last(raw: &mut Raw) -> Answer {
    loop {
        let answer = next(raw).expect("an answer");
        if answer.is_final() {
            return answer;
        }
    }
}

/// Everything until the connection ends.
pub fn to_the_end(raw: &mut Raw) -> Vec<Answer> {
    std::iter::from_fn(|| next(raw)).collect()
}
