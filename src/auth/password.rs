//! Hashed passwords as `userPassword` values carry them: `{SCHEME}` and what the scheme defines.
//!
//! Everything that costs time is bounded when a value is parsed, so that a hostile value can
//! neither take gigabytes nor hold a worker for minutes. What is hashed here is hashed with
//! argon2id; the other schemes are verified, so that imported passwords keep working.

mod scheme;

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use scheme::Hash;

/// The schemes verified, for messages.
pub const SUPPORTED_SCHEMES: &str = "{ARGON2}, {SSHA}, {SHA}, {SSHA256}, {SHA256}, {SSHA512}, \
     {SHA512}, {CRYPT} ($5$ and $6$), {PBKDF2}, {PBKDF2-SHA1}, {PBKDF2-SHA256} and {PBKDF2-SHA512}";

/// The longest value parsed, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024;

/// The longest password that is digested on the spot.
const QUICK_BYTES: usize = 256;

/// How new hashes are made (OWASP's second choice for argon2id: 19 MiB, two passes, one lane).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// What a `userPassword` value holds; its `Debug` hides it.
#[derive(PartialEq, Eq)]
pub enum UserPassword<'a> {
    /// A hash of the password.
    Hashed(StoredPassword),
    /// The password itself, which no entry may keep.
    Cleartext(&'a [u8]),
}

/// A hashed password that can be verified at known cost; its `Debug` shows the scheme alone.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPassword {
    scheme: &'static str,
    hash: Hash,
}

/// What is wrong with a `userPassword` value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// The value is no hash.
    #[error("the password is not hashed; supported are {SUPPORTED_SCHEMES}")]
    Cleartext,
    /// A scheme that cannot be verified.
    #[error("the password scheme {{{scheme}}} is not supported; supported are {SUPPORTED_SCHEMES}")]
    UnknownScheme {
        /// What stands between the braces.
        scheme: String,
    },
    /// The value does not have the form its scheme defines.
    #[error("the {{{scheme}}} value is malformed: {reason}")]
    Malformed {
        /// The scheme.
        scheme: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Verifying the value would take more memory or time than is given to it.
    #[error("the {{{scheme}}} value asks for {what} of {found}, at most {limit} is taken")]
    TooCostly {
        /// The scheme.
        scheme: &'static str,
        /// The parameter.
        what: &'static str,
        /// What the value says.
        found: u64,
        /// What is taken.
        limit: u64,
    },
    /// The value is longer than any hash.
    #[error(
        "the value of {found} bytes is too long for a hashed password, at most {MAX_VALUE_BYTES} are taken"
    )]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// A new hash could not be made, for want of random octets or for a password of gigabytes.
    #[error("the password cannot be hashed: {reason}")]
    NotHashed {
        /// Why.
        reason: String,
    },
}

impl<'a> UserPassword<'a> {
    /// Tells hashes from passwords in the clear.
    ///
    /// Cleartext is what has no `{SCHEME}` in front, or `{CLEARTEXT}` as OpenLDAP writes it, which
    /// is cut off. An unknown scheme is an error, for taking a foreign hash for a password would
    /// let in whoever has seen the hash.
    ///
    /// # Errors
    /// As [`StoredPassword::parse`], except for [`PasswordError::Cleartext`].
    pub fn parse(value: &'a [u8]) -> Result<Self, PasswordError> {
        match split_scheme(value) {
            None => Ok(Self::Cleartext(value)),
            Some((scheme, password)) if scheme.eq_ignore_ascii_case("CLEARTEXT") => {
                Ok(Self::Cleartext(password))
            }
            Some(_) => StoredPassword::parse(value).map(Self::Hashed),
        }
    }
}

impl fmt::Debug for UserPassword<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hashed(stored) => stored.fmt(f),
            Self::Cleartext(_) => f.write_str("Cleartext(..)"),
        }
    }
}

impl StoredPassword {
    /// Reads `{SCHEME}` and the hash after it.
    ///
    /// # Errors
    /// [`PasswordError`]: not hashed, a scheme that is not supported, malformed, or too costly.
    pub fn parse(value: &[u8]) -> Result<Self, PasswordError> {
        let (found, rest) = split_scheme(value).ok_or(PasswordError::Cleartext)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(PasswordError::TooLong { found: value.len() });
        }
        let (scheme, hash) = Hash::parse(found, rest)?;
        Ok(Self { scheme, hash })
    }

    /// The scheme in capitals, without braces.
    pub const fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Whether verifying it takes about as long as a password that was hashed here.
    pub fn is_argon2(&self) -> bool {
        matches!(self.hash, Hash::Argon2 { .. })
    }

    /// Whether a short `password` is found to be the one that was hashed in less time than it takes
    /// to ask a worker; `false` where it is not, or nobody can tell so quickly.
    pub fn is_quickly_verified(&self, password: &[u8]) -> bool {
        password.len() <= QUICK_BYTES && self.hash.is_quickly_verified(password)
    }

    /// Whether `password` is the one that was hashed; any octets may stand in it.
    ///
    /// Takes milliseconds up to about a second, so it belongs on a [`HashPool`] worker, which also
    /// keeps `memory`. The hashes are compared in constant time.
    ///
    /// [`HashPool`]: super::hash_pool::HashPool
    pub fn verify(&self, password: &[u8], memory: &mut Argon2Memory) -> bool {
        self.hash.verify(password, memory)
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredPassword({{{}}}..)", self.scheme)
    }
}

/// Hashes a password with argon2id into a `userPassword` value of scheme `{ARGON2}`.
///
/// # Errors
/// [`PasswordError::NotHashed`].
pub fn hash_password(password: &[u8], memory: &mut Argon2Memory) -> Result<String, PasswordError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(not_hashed)?;
    let hash = hash_with_salt(password, &salt, memory).map_err(not_hashed)?;
    Ok(format!(
        "{{ARGON2}}$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash),
    ))
}

/// Takes as long as verifying a password that [`hash_password`] hashed.
///
/// For names without an entry and entries without a password, so that the time an answer takes
/// does not tell which names exist.
pub fn verify_nothing(password: &[u8], memory: &mut Argon2Memory) {
    // The comparison keeps the compiler from leaving the hash out.
    let _ = hash_with_salt(password, &[0; SALT_BYTES], memory)
        .is_ok_and(|hash| hash.ct_eq(&[0; HASH_BYTES]).into());
}

/// The memory argon2 works in, kept from one password to the next.
///
/// Fresh memory costs more time in page faults than argon2 itself needs.
#[derive(Default)]
pub struct Argon2Memory {
    blocks: Vec<Block>,
    allocations: u64,
}

/// How much memory is kept; what a costlier hash needed is given back at the next use.
const MAX_KEPT_BLOCKS: usize = 64 << 10;

impl Argon2Memory {
    /// No memory yet; it comes with the first argon2 hash.
    pub const fn new() -> Self {
        Self {
            blocks: Vec::new(),
            allocations: 0,
        }
    }

    /// How often memory was asked of the operating system.
    pub const fn allocations(&self) -> u64 {
        self.allocations
    }

    fn blocks(&mut self, count: usize) -> &mut [Block] {
        let kept = self.blocks.len();
        if kept < count || kept > MAX_KEPT_BLOCKS.max(count) {
            // Freed before the new memory is taken, so that both are never held at once.
            self.blocks = Vec::new();
            self.blocks = vec![Block::new(); count];
            self.allocations += 1;
        }
        self.blocks.get_mut(..count).unwrap_or_default()
    }
}

impl fmt::Debug for Argon2Memory {
    /// What was computed from passwords stays out of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2Memory")
            .field("blocks", &self.blocks.len())
            .field("allocations", &self.allocations)
            .finish()
    }
}

/// Splits `{SCHEME}rest`; `None` where there is no scheme in front.
fn split_scheme(value: &[u8]) -> Option<(&str, &[u8])> {
    let inner = value.strip_prefix(b"{")?;
    let end = inner.iter().position(|&octet| octet == b'}')?;
    let (scheme, rest) = inner.split_at_checked(end)?;
    let named = !scheme.is_empty()
        && scheme
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_./".contains(octet));
    if !named {
        return None;
    }
    Some((std::str::from_utf8(scheme).ok()?, rest.get(1..)?))
}

fn hash_with_salt(
    password: &[u8],
    salt: &[u8],
    memory: &mut Argon2Memory,
) -> argon2::Result<[u8; HASH_BYTES]> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES))?;
    let blocks = memory.blocks(params.block_count());
    let mut hash = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, &mut hash, blocks)?;
    Ok(hash)
}

fn not_hashed(error: impl fmt::Display) -> PasswordError {
    PasswordError::NotHashed {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
