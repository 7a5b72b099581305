//! Octets that are kept in place where they are few, as most values are that clients ask for.

use std::{borrow::Cow, ops::Deref};

/// Some octets.
#[derive(Clone, Debug)]
pub(super) enum Octets {
    Short { octets: [u8; MOST], len: u8 },
    Long(Vec<u8>),
}

/// As many as take no more room than those kept elsewhere.
const MOST: usize = 30;

impl Octets {
    fn short(octets: &[u8]) -> Option<Self> {
        let mut short = [0; MOST];
        short.get_mut(..octets.len())?.copy_from_slice(octets);
        let len = u8::try_from(octets.len()).ok()?;
        Some(Self::Short { octets: short, len })
    }
}

impl Deref for Octets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short { octets, len } => octets.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(octets) => octets,
        }
    }
}

impl From<Cow<'_, [u8]>> for Octets {
    fn from(octets: Cow<'_, [u8]>) -> Self {
        Self::short(&octets).unwrap_or_else(|| Self::Long(octets.into_owned()))
    }
}

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        Cow::Borrowed(octets).into()
    }
}

impl PartialEq for Octets {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_same_whatever_their_number() {
        assert_eq!(size_of::<Octets>(), MOST + 2);
        for len in 0..2 * MOST {
            let octets: Vec<u8> = (1..=u8::MAX).take(len).collect();
            let kept = Octets::from(octets.as_slice());
            assert_eq!(*kept, *octets);
            assert_eq!(kept, Octets::from(Cow::Owned(octets.clone())));
            assert_eq!(kept, Octets::Long(octets.clone()));
            assert_eq!(matches!(kept, Octets::Short { .. }), len <= MOST);
            let other = [octets.as_slice(), &[0]].concat();
            assert_ne!(kept, Octets::from(other.as_slice()));
        }
    }
}
