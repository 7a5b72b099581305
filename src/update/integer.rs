//! Sums of integers of any size, as text (RFC 4517 section 3.3.16).

use std::cmp::Ordering;

/// The sum of two integers; both must follow the syntax.
pub(super) fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let (left_negative, left) = split(left);
    let (right_negative, right) = split(right);
    let (negative, digits) = if left_negative == right_negative {
        (left_negative, plus(left, right))
    } else {
        match compare(left, right) {
            Ordering::Equal => return b"0".to_vec(),
            Ordering::Greater => (left_negative, minus(left, right)),
            Ordering::Less => (right_negative, minus(right, left)),
        }
    };
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = digits.get(zeros..).unwrap_or_default();
    match (digits.is_empty(), negative) {
        (true, _) => b"0".to_vec(),
        (false, true) => [b"-", digits].concat(),
        (false, false) => digits.to_vec(),
    }
}

fn split(value: &[u8]) -> (bool, &[u8]) {
    match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    }
}

fn compare(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn plus(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(left.len().max(right.len()) + 1);
    let mut carry = 0;
    let mut left = left.iter().rev();
    let mut right = right.iter().rev();
    loop {
        let (left, right) = (left.next(), right.next());
        if left.is_none() && right.is_none() && carry == 0 {
            break;
        }
        let digit = left.map_or(0, value) + right.map_or(0, value) + carry;
        digits.push(b'0' + digit % 10);
        carry = digit / 10;
    }
    digits.reverse();
    digits
}

/// The difference to a smaller number.
fn minus(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(left.len());
    let mut borrow = 0;
    let mut right = right.iter().rev();
    for left in left.iter().rev() {
        let digit = 10 + value(left) - right.next().map_or(0, value) - borrow;
        digits.push(b'0' + digit % 10);
        borrow = u8::from(digit < 10);
    }
    digits.reverse();
    digits
}

fn value(digit: &u8) -> u8 {
    digit.saturating_sub(b'0').min(9)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_outgrow_every_machine_word() {
        let nines = [b'9'; 40];
        let mut expected = vec![b'1'];
        expected.extend([b'0'; 40]);
        assert_eq!(sum(&nines, b"1"), expected);
        assert_eq!(sum(&expected, b"-1"), nines);
    }

    proptest! {
        #[test]
        fn sums_are_those_of_numbers(left: i64, right: i64) {
            let expected = i128::from(left) + i128::from(right);
            let (left, right) = (left.to_string(), right.to_string());
            prop_assert_eq!(sum(left.as_bytes(), right.as_bytes()), expected.to_string().into_bytes());
        }
    }
}
