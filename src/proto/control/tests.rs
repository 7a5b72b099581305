use super::*;
use crate::{
    ber::{write_integer, write_nested, write_octets},
    proto::request::{Filter, tag},
};

fn control<'a>(oid: &'a str, criticality: bool, value: Option<&'a [u8]>) -> Control<'a> {
    Control {
        oid: oid.as_bytes(),
        criticality,
        value,
    }
}

#[test]
fn what_is_unknown_is_refused_only_where_it_is_critical() {
    let decode = |oid, criticality, operation| {
        RequestControls::decode(operation, &[control(oid, criticality, None)])
    };
    let unavailable = |oid: &str| Err(ControlError::Unavailable(oid.to_owned()));
    assert_eq!(
        decode("1.2.3", false, tag::SEARCH),
        Ok(RequestControls::default())
    );
    assert_eq!(decode("1.2.3", true, tag::SEARCH), unavailable("1.2.3"));
    // A known one on an operation it has no meaning for.
    assert_eq!(
        decode(oid::TREE_DELETE, true, tag::SEARCH),
        unavailable(oid::TREE_DELETE)
    );
    assert_eq!(
        decode(oid::TREE_DELETE, false, tag::SEARCH),
        Ok(RequestControls::default())
    );
    assert!(
        decode(oid::TREE_DELETE, true, tag::DELETE)
            .unwrap()
            .tree_delete
    );
}

#[test]
fn a_control_that_is_there_twice_is_refused() {
    let twice = [control(oid::MANAGE_DSA_IT, true, None); 2];
    assert_eq!(
        RequestControls::decode(tag::SEARCH, &twice),
        Err(ControlError::Twice(oid::MANAGE_DSA_IT.to_owned()))
    );
}

#[test]
fn values_are_decoded_and_trailing_octets_refused() {
    let mut value = Vec::new();
    write_nested(&mut value, ber::SEQUENCE, |out| {
        write_integer(out, ber::INTEGER, 100);
        write_octets(out, ber::OCTET_STRING, b"next");
    });
    let paged = [control(oid::PAGED_RESULTS, false, Some(&value))];
    let decoded = RequestControls::decode(tag::SEARCH, &paged).unwrap();
    assert_eq!(
        decoded.paged,
        Some(PagedResults {
            size: 100,
            cookie: b"next"
        })
    );
    value.push(0);
    let paged = [control(oid::PAGED_RESULTS, false, Some(&value))];
    assert!(matches!(
        RequestControls::decode(tag::SEARCH, &paged),
        Err(ControlError::Malformed { .. })
    ));
}

#[test]
fn items_of_matched_values_are_not_nested() {
    let item = |tag| {
        let mut value = Vec::new();
        write_nested(&mut value, ber::SEQUENCE, |out| {
            write_nested(out, tag, |out| write_octets(out, 0x87, b"cn"));
        });
        let control = [control(oid::MATCHED_VALUES, true, Some(&value))];
        RequestControls::decode(tag::SEARCH, &control).is_err()
    };
    assert!(item(0xa0));
    let mut value = Vec::new();
    write_nested(&mut value, ber::SEQUENCE, |out| {
        write_octets(out, 0x87, b"cn")
    });
    let control = [control(oid::MATCHED_VALUES, true, Some(&value))];
    let decoded = RequestControls::decode(tag::SEARCH, &control).unwrap();
    assert_eq!(decoded.matched_values, Some(vec![Filter::Present(b"cn")]));
}
