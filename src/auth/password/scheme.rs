//! The schemes: how each is read within its cost limits, and how it is verified.

use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use pbkdf2::pbkdf2_hmac;
use sha_crypt::{PasswordHashRef, PasswordVerifier as _, ShaCrypt};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use super::{Argon2Memory, PasswordError};

/// A hash and what is needed to compute it again.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Hash {
    Argon2 {
        algorithm: Algorithm,
        version: Version,
        params: Params,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// `digest(password, salt)`.
    Digest {
        digest: DigestAlgorithm,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// The text crypt(3) makes, with identifier, rounds and salt.
    Crypt { text: String },
    Pbkdf2 {
        digest: DigestAlgorithm,
        iterations: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
}

impl Hash {
    /// Reads the text after `{scheme}`; gives the scheme's name as this module writes it.
    pub(super) fn parse(found: &str, text: &[u8]) -> Result<(&'static str, Self), PasswordError> {
        let (scheme, form) = SCHEMES
            .into_iter()
            .find(|(scheme, _)| scheme.eq_ignore_ascii_case(found))
            .ok_or_else(|| PasswordError::UnknownScheme {
                scheme: found.to_owned(),
            })?;
        let text = std::str::from_utf8(text).map_err(|_| PasswordError::Malformed {
            scheme,
            reason: "it is not text",
        })?;
        let hash = match form {
            Form::Argon2 => parse_argon2(scheme, text),
            Form::Digest(digest, salted) => parse_digest(scheme, digest, salted, text),
            Form::Crypt => parse_crypt(scheme, text),
            Form::Pbkdf2(digest) => parse_pbkdf2(scheme, digest, text),
        }?;
        Ok((scheme, hash))
    }

    /// Whether it is a single digest, and that of `password`; compared in constant time.
    pub(super) fn is_quickly_verified(&self, password: &[u8]) -> bool {
        match self {
            Self::Digest { digest, salt, hash } => digest.salted(password, salt).ct_eq(hash).into(),
            Self::Argon2 { .. } | Self::Crypt { .. } | Self::Pbkdf2 { .. } => false,
        }
    }

    /// Computes the hash of `password` and compares in constant time.
    pub(super) fn verify(&self, password: &[u8], memory: &mut Argon2Memory) -> bool {
        match self {
            Self::Argon2 {
                algorithm,
                version,
                params,
                salt,
                hash,
            } => {
                let mut computed = vec![0; hash.len()];
                let blocks = memory.blocks(params.block_count());
                Argon2::new(*algorithm, *version, params.clone())
                    .hash_password_into_with_memory(password, salt, &mut computed, blocks)
                    .is_ok_and(|()| computed.ct_eq(hash).into())
            }
            Self::Digest { .. } => self.is_quickly_verified(password),
            Self::Crypt { text } => {
                password.len() <= MAX_CRYPT_PASSWORD_BYTES
                    && ShaCrypt::SHA512
                        .verify_password(password, text.as_str())
                        .is_ok()
            }
            Self::Pbkdf2 {
                digest,
                iterations,
                salt,
                hash,
            } => digest
                .pbkdf2(password, salt, *iterations)
                .ct_eq(hash)
                .into(),
        }
    }
}

/// The form of the text after `{SCHEME}`.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Argon2,
    /// Base64 of the digest, followed by the salt if there is one (RFC 2307 and its heirs).
    Digest(DigestAlgorithm, Salted),
    Crypt,
    /// `iterations$salt$hash` as passlib and OpenLDAP's pw-pbkdf2 write it.
    Pbkdf2(DigestAlgorithm),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Salted {
    Yes,
    No,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DigestAlgorithm {
    Sha1,
    Sha256,
    Sha512,
}

pub(super) const SCHEMES: [(&str, Form); 12] = {
    use DigestAlgorithm::{Sha1, Sha256, Sha512};
    [
        ("ARGON2", Form::Argon2),
        ("SSHA", Form::Digest(Sha1, Salted::Yes)),
        ("SHA", Form::Digest(Sha1, Salted::No)),
        ("SSHA256", Form::Digest(Sha256, Salted::Yes)),
        ("SHA256", Form::Digest(Sha256, Salted::No)),
        ("SSHA512", Form::Digest(Sha512, Salted::Yes)),
        ("SHA512", Form::Digest(Sha512, Salted::No)),
        ("CRYPT", Form::Crypt),
        ("PBKDF2", Form::Pbkdf2(Sha1)),
        ("PBKDF2-SHA1", Form::Pbkdf2(Sha1)),
        ("PBKDF2-SHA256", Form::Pbkdf2(Sha256)),
        ("PBKDF2-SHA512", Form::Pbkdf2(Sha512)),
    ]
};

impl DigestAlgorithm {
    const fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    pub(super) fn salted(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        fn digest<D: Digest>(password: &[u8], salt: &[u8]) -> Vec<u8> {
            D::new()
                .chain_update(password)
                .chain_update(salt)
                .finalize()
                .to_vec()
        }
        match self {
            Self::Sha1 => digest::<Sha1>(password, salt),
            Self::Sha256 => digest::<Sha256>(password, salt),
            Self::Sha512 => digest::<Sha512>(password, salt),
        }
    }

    fn pbkdf2(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut output = vec![0; self.output_bytes()];
        match self {
            Self::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut output),
            Self::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut output),
            Self::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut output),
        }
        output
    }
}

/// Reads a PHC string of argon2id or argon2i.
fn parse_argon2(scheme: &'static str, text: &str) -> Result<Hash, PasswordError> {
    let malformed = |reason| PasswordError::Malformed { scheme, reason };
    let phc = PasswordHash::new(text).map_err(|_| malformed("it is not a PHC string"))?;
    let algorithm = Algorithm::try_from(phc.algorithm.as_str())
        .ok()
        .filter(|algorithm| matches!(algorithm, Algorithm::Argon2id | Algorithm::Argon2i))
        .ok_or_else(|| malformed("only argon2id and argon2i are supported"))?;
    // Without a version it is the one before there were versions.
    let version = phc
        .version
        .map_or(Ok(Version::V0x10), Version::try_from)
        .map_err(|_| malformed("its version is not 16 or 19"))?;
    let params = Params::try_from(&phc)
        .map_err(|_| malformed("its parameters are not m, t and p in argon2's range"))?;
    let (Some(salt), Some(hash)) = (phc.salt, phc.hash) else {
        return Err(malformed("salt or hash is missing"));
    };
    let memory = u64::from(params.m_cost());
    let passes = u64::from(params.t_cost());
    for (what, found, limit) in [
        ("memory in KiB", memory, u64::from(MAX_ARGON2_MEMORY_KIB)),
        (
            "lanes",
            u64::from(params.p_cost()),
            u64::from(MAX_ARGON2_LANES),
        ),
        (
            "memory in KiB times passes",
            memory.saturating_mul(passes),
            MAX_ARGON2_MEMORY_PASSES,
        ),
    ] {
        check_cost(scheme, what, found, limit)?;
    }
    Ok(Hash::Argon2 {
        algorithm,
        version,
        params,
        salt: salt.to_vec(),
        hash: hash.as_bytes().to_vec(),
    })
}

/// Reads base64 of a digest, with the salt behind it.
fn parse_digest(
    scheme: &'static str,
    digest: DigestAlgorithm,
    salted: Salted,
    text: &str,
) -> Result<Hash, PasswordError> {
    let malformed = |reason| PasswordError::Malformed { scheme, reason };
    let octets = BASE64
        .decode(text)
        .map_err(|_| malformed("it is not base64"))?;
    let (hash, salt) = octets
        .split_at_checked(digest.output_bytes())
        .ok_or_else(|| malformed("it is too short"))?;
    match salted {
        Salted::Yes if salt.is_empty() => return Err(malformed("the salt is missing")),
        Salted::No if !salt.is_empty() => return Err(malformed("it is too long")),
        Salted::Yes | Salted::No => {}
    }
    Ok(Hash::Digest {
        digest,
        salt: salt.to_vec(),
        hash: hash.to_vec(),
    })
}

/// Reads `$5$` or `$6$`, `rounds=N$` if there, salt and hash (U. Drepper, "Unix crypt using
/// SHA-256 and SHA-512").
fn parse_crypt(scheme: &'static str, text: &str) -> Result<Hash, PasswordError> {
    let malformed = |reason| PasswordError::Malformed { scheme, reason };
    let (hash_chars, rest) = match (text.strip_prefix("$5$"), text.strip_prefix("$6$")) {
        (Some(rest), _) => (43, rest),
        (_, Some(rest)) => (86, rest),
        (None, None) => {
            return Err(malformed(
                "only $5$ (SHA-256) and $6$ (SHA-512) are supported",
            ));
        }
    };
    let rest = match rest.strip_prefix("rounds=") {
        None => rest,
        Some(rest) => {
            let (rounds, rest) = rest
                .split_once('$')
                .ok_or_else(|| malformed("the salt is missing"))?;
            let rounds = number(rounds).ok_or_else(|| malformed("the rounds are not a number"))?;
            check_cost(scheme, "rounds", rounds, u64::from(MAX_CRYPT_ROUNDS))?;
            if rounds < u64::from(sha_crypt::Params::ROUNDS_MIN) {
                return Err(malformed("the rounds are fewer than 1000"));
            }
            rest
        }
    };
    let (_salt, hash) = rest
        .split_once('$')
        .ok_or_else(|| malformed("salt or hash is missing"))?;
    let crypt64 = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'.' || octet == b'/';
    if hash.len() != hash_chars || !hash.bytes().all(crypt64) {
        return Err(malformed("the hash has the wrong length or form"));
    }
    // The form the verifier takes: what it refuses would never verify.
    PasswordHashRef::new(text).map_err(|_| malformed("it is not in modular crypt form"))?;
    Ok(Hash::Crypt {
        text: text.to_owned(),
    })
}

/// Reads `iterations$salt$hash`, salt and hash in base64 with `.` for `+` and no padding.
fn parse_pbkdf2(
    scheme: &'static str,
    digest: DigestAlgorithm,
    text: &str,
) -> Result<Hash, PasswordError> {
    let malformed = |reason| PasswordError::Malformed { scheme, reason };
    let mut fields = text.split('$');
    let (Some(iterations), Some(salt), Some(hash), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(malformed("it is not iterations$salt$hash"));
    };
    let found = number(iterations)
        .filter(|&iterations| iterations > 0)
        .ok_or_else(|| malformed("the iterations are not a number"))?;
    check_cost(
        scheme,
        "iterations",
        found,
        u64::from(MAX_PBKDF2_ITERATIONS),
    )?;
    let iterations = u32::try_from(found).map_err(|_| malformed("too many iterations"))?;
    let decode = |field: &str| {
        BASE64
            .decode(field.replace('.', "+"))
            .map_err(|_| malformed("salt or hash is not adapted base64"))
    };
    let (salt, hash) = (decode(salt)?, decode(hash)?);
    if hash.len() != digest.output_bytes() {
        return Err(malformed("the hash has the wrong length"));
    }
    Ok(Hash::Pbkdf2 {
        digest,
        iterations,
        salt,
        hash,
    })
}

fn check_cost(
    scheme: &'static str,
    what: &'static str,
    found: u64,
    limit: u64,
) -> Result<(), PasswordError> {
    if found > limit {
        return Err(PasswordError::TooCostly {
            scheme,
            what,
            found,
            limit,
        });
    }
    Ok(())
}

/// A decimal number; one too large for its type counts as the largest.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// Base64 with or without padding, as the tools that write hashes differ in it.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Limits of what verifying one value may cost; each stands for about a second on one core.
const MAX_ARGON2_MEMORY_KIB: u32 = 256 << 10;
const MAX_ARGON2_MEMORY_PASSES: u64 = 1 << 20;
const MAX_ARGON2_LANES: u32 = 64;
const MAX_CRYPT_ROUNDS: u32 = 1_000_000;
const MAX_PBKDF2_ITERATIONS: u32 = 4_000_000;

/// SHA-crypt takes time that grows with the square of the password's length. libxcrypt takes no
/// longer ones, so nobody has such a hash.
pub(super) const MAX_CRYPT_PASSWORD_BYTES: usize = 512;
