//! What each fuzz target does with its input. `tests/fuzz_corpus.rs` does the same with the corpora.
//!
//! A target panics when an input is understood in a way it must not be; that a parser does not
//! panic, hang or take much memory is what the fuzzer watches by itself.

// Each target compiles this file and uses one function of it.
#![allow(dead_code, missing_docs)]

use std::{path::Path, path::PathBuf, str::from_utf8, sync::Arc};

use adduct::{
    auth::password::UserPassword,
    ber,
    config::Config,
    directory::{Directory, EntryId},
    dn::{Dn, Rdn},
    filter::Filter,
    ldif::{LdifReader, LdifWriter},
    mapping::sid::Sid,
    proto::{
        RequestControls, ResultCode,
        control::{self, Control},
        frame, request,
        response::{LdapResult, write_result},
    },
    schema::{AttributeDescription, MatchingRule, Position, Schema, Syntax},
    store::{Batch, MAX_KEY, MAX_PAYLOAD, MemoryStore, Store},
    upstream::{ExtendedDn, LinkValue, fuzzing},
};

/// One target.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const ALL: &[(&str, Target)] = &[
    ("attribute_values", attribute_values),
    ("config", config),
    ("control_values", control_values),
    ("dn", dn),
    ("extended_dn", extended_dn),
    ("filter", filter),
    ("frame", frame),
    ("ldif", ldif),
    ("request", request),
    ("schema", schema),
    ("store_records", store_records),
    ("upstream_answer", upstream_answer),
    ("user_password", user_password),
];

/// A stream of octets, as a connection cuts it into messages.
pub fn frame(input: &[u8]) {
    const LIMIT: usize = 4096;
    let mut rest = input;
    while let Ok(Some(length)) = frame::next(rest, LIMIT) {
        assert!((2..=LIMIT).contains(&length) && length <= rest.len());
        let message = &rest[..length];
        // However it arrives, it is the same message.
        for cut in 0..length.min(16) {
            assert_eq!(frame::next(&message[..cut], LIMIT), Ok(None));
        }
        let _ = request::decode(message);
        rest = &rest[length..];
    }
    let mut reader = ber::Reader::new(input);
    while let Ok(element) = reader.element() {
        let _ = (element.integer(), element.boolean());
        assert!(element.offset <= input.len());
    }
}

/// One request with its controls, and what is told to a client that sent a malformed one.
pub fn request(input: &[u8]) {
    let code = ResultCode::PROTOCOL_ERROR;
    let refusal = match request::decode(input) {
        Ok(request) => {
            assert!(request.id.0 > 0);
            let _ = format!("{request:?}");
            RequestControls::decode(request.operation.tag(), &request.controls)
                .err()
                .map(|error| (request.id, LdapResult::new(code, error.to_string())))
        }
        Err(error) => error
            .id
            .map(|id| (id, LdapResult::new(code, error.to_string()))),
    };
    if let Some((id, result)) = refusal {
        let mut out = Vec::new();
        write_result(&mut out, id, 0x65, &result, &[]);
        assert_eq!(frame::next(&out, 2048), Ok(Some(out.len())));
    }
}

/// The value of every control on every operation it may stand on.
pub fn control_values(input: &[u8]) {
    use request::tag::{ADD, BIND, COMPARE, DELETE, EXTENDED, MODIFY, MODIFY_DN, SEARCH};

    for oid in control::supported() {
        for operation in [
            SEARCH, COMPARE, ADD, DELETE, MODIFY, MODIFY_DN, EXTENDED, BIND,
        ] {
            if control::applies_to(oid.as_bytes(), operation) {
                let sent = Control {
                    oid: oid.as_bytes(),
                    criticality: true,
                    value: Some(input),
                };
                let _ = RequestControls::decode(operation, &[sent]);
                break;
            }
        }
    }
}

/// The text of a filter; what is read is written so that it reads back.
pub fn filter(input: &[u8]) {
    let Ok(text) = from_utf8(input) else { return };
    if let Ok(filter) = Filter::parse(text) {
        let written = filter.to_string();
        assert_eq!(Filter::parse(&written).as_ref(), Ok(&filter), "{written}");
    }
}

/// The text of a DN; what is read is written so that it reads back, and means the same.
pub fn dn(input: &[u8]) {
    let Ok(text) = from_utf8(input) else { return };
    let _ = Rdn::parse(text);
    let Ok(dn) = Dn::parse(text) else { return };
    let written = dn.to_string();
    let again = Dn::parse(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
    assert_eq!(again, dn, "{written}");
    let schema = Schema::shared_builtin();
    assert_eq!(
        schema.normalize_dn(&again).ok(),
        schema.normalize_dn(&dn).ok()
    );
}

/// Content records; what is read is written so that it reads back.
pub fn ldif(input: &[u8]) {
    let mut records = Vec::new();
    for record in LdifReader::new(input).max_record_bytes(1 << 16) {
        match record {
            Ok(record) => records.push(record),
            Err(_) => break,
        }
    }
    let mut writer = LdifWriter::new(Vec::new());
    for record in &records {
        writer.write_record(&record.dn, &record.attributes).unwrap();
    }
    let written = writer.finish().unwrap();
    let again: Vec<_> = LdifReader::new(&written[..])
        .map(|record| record.map(|record| (record.dn, record.attributes)))
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}: {}", written.escape_ascii()));
    let records: Vec<_> = records
        .into_iter()
        .map(|record| (record.dn, record.attributes))
        .collect();
    assert_eq!(again, records);
}

/// Definitions in both forms, on top of those that are there.
pub fn schema(input: &[u8]) {
    let Ok(text) = from_utf8(input) else { return };
    for name in ["fuzz.schema", "fuzz.ldif"] {
        if let Ok(schema) = Schema::with_files(&[(PathBuf::from(name), text.to_owned())]) {
            let _ = schema.attribute_type_definitions();
            let _ = schema.object_class_definitions();
            let _ = schema.matching_rule_use_definitions();
        }
    }
}

/// The configuration file.
pub fn config(input: &[u8]) {
    let Ok(text) = from_utf8(input) else { return };
    // Files it names are read, and some files have no end.
    if ["/dev", "/proc", "/sys", "..", "\\"]
        .iter()
        .any(|special| text.contains(special))
    {
        return;
    }
    match Config::parse(Path::new("/nonexistent/adduct.toml"), text) {
        Ok(config) => drop(format!("{config:?}")),
        Err(errors) => drop(errors.to_string()),
    }
}

/// Anything a domain controller may answer.
pub fn upstream_answer(input: &[u8]) {
    fuzzing::read_answer(input);
}

/// A DN in front of which AD has put identities, and SIDs in both forms.
pub fn extended_dn(input: &[u8]) {
    let _ = LinkValue::from_value(input);
    if let Ok(sid) = Sid::from_bytes(input) {
        assert_eq!(sid.to_bytes(), input);
        assert_eq!(sid.to_string().parse::<Sid>().ok(), Some(sid));
    }
    let Ok(text) = from_utf8(input) else { return };
    let parsed = ExtendedDn::parse(text);
    assert!(text.ends_with(&parsed.dn));
    let _ = text.parse::<Sid>();
}

/// Records of a store, each as `length of key (1) | key | length of payload (2) | payload`.
pub fn store_records(input: &[u8]) {
    let store = Arc::new(MemoryStore::new());
    let mut batch = Batch::default();
    let mut rest = input;
    while let Some((key, payload, after)) = record(rest) {
        if !key.is_empty() && key.len() <= MAX_KEY && payload.len() <= MAX_PAYLOAD {
            batch
                .operations
                .insert(key.to_vec(), Some(payload.to_vec()));
        }
        rest = after;
    }
    if store.commit(batch).is_err() {
        return;
    }
    let (directory, _) = Directory::open(store, Schema::shared_builtin(), Vec::new()).unwrap();
    let snapshot = directory.snapshot();
    for id in 0..64 {
        if snapshot.entry(EntryId(id)).is_some() {
            let _ = snapshot.dn(EntryId(id));
        }
    }
}

/// One record, and what follows it.
pub fn record(input: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = input.split_first()?;
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (payload, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((key, payload, rest))
}

/// A value of `userPassword`.
pub fn user_password(input: &[u8]) {
    let parsed = UserPassword::parse(input);
    // Neither shows what must not be seen.
    let shown = format!("{parsed:?}");
    if let Ok(UserPassword::Cleartext(password)) = parsed {
        assert!(password.len() < 20 || !shown.contains(&*String::from_utf8_lossy(password)));
    }
}

/// A value of every syntax, under every matching rule, and an attribute description.
pub fn attribute_values(input: &[u8]) {
    let schema = Schema::shared_builtin();
    for syntax in Syntax::all() {
        let _ = syntax.validate(input);
    }
    for rule in MatchingRule::all() {
        let _ = rule.normalize(&schema, input);
        let _ = rule.normalize_assertion(&schema, input);
        for position in [Position::Initial, Position::Any, Position::Final] {
            let _ = rule.normalize_substring(input, position);
        }
    }
    let _ = AttributeDescription::parse(input);
}
