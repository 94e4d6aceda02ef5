//! Tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037) that name an office, an officer and scopes.

use crate::WallClock;
use crate::caller::{Caller, Scopes, TokenError};
use crate::http::Authenticate;
use crate::keys::{KeyRing, SecretKey};
use event_schemas::ids::{OfficeId, OfficerId};
use event_schemas::time::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Who is said to have issued a token.
const ISSUER: &str = "dancu";

/// By how much clocks of issuer and service may differ.
const LEEWAY_S: i64 = 30;

/// Longest life of a token. A lost one is good for no longer, and keys can be changed in this time.
pub const MAX_TTL_S: i64 = 31 * 86_400;

/// Longest token that is looked at, bytes.
const MAX_TOKEN_BYTES: usize = 4_096;

/// Tokens whose signature was checked and need not be again. Beyond this many, all are checked anew.
const MAX_REMEMBERED: usize = 8_192;

/// What a token says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// The service it was made for.
    aud: String,
    /// For people: office and officer.
    sub: String,
    office: u32,
    officer: u32,
    /// Names of scopes, separated by spaces (RFC 8693).
    scope: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// Issues tokens for one service.
pub struct Issuer {
    pub key: SecretKey,
    pub audience: String,
}

impl Issuer {
    /// A token for this caller, good from `now` for `ttl_s` seconds, at most [`MAX_TTL_S`].
    pub fn issue(&self, caller: &Caller, now: Timestamp, ttl_s: i64) -> Result<String, TokenError> {
        check_caller(caller)?;
        if !(1..=MAX_TTL_S).contains(&ttl_s) {
            return Err(TokenError::LivesTooLong);
        }
        let now = unix_s(now);
        let scopes: Vec<&str> = caller.scopes.iter().map(|scope| scope.name()).collect();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: self.audience.clone(),
            sub: format!("{}/{}", caller.office, caller.officer),
            office: caller.office.0,
            officer: caller.officer.0,
            scope: scopes.join(" "),
            iat: now,
            nbf: now,
            exp: now.saturating_add(ttl_s),
        };
        let header = Header { kid: Some(self.key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &self.key.encoding).map_err(|_| TokenError::Malformed)
    }
}

/// Checks tokens made for one service.
pub struct Verifier {
    ring: KeyRing,
    audience: String,
    now: WallClock,
    remembered: Mutex<HashMap<Box<str>, Good>>,
}

#[derive(Clone, Copy)]
struct Good {
    caller: Caller,
    not_before: i64,
    expires: i64,
}

impl Verifier {
    /// Takes tokens signed with one of these keys for this audience.
    pub fn new(ring: KeyRing, audience: impl Into<String>, now: WallClock) -> Self {
        Self { ring, audience: audience.into(), now, remembered: Mutex::default() }
    }

    fn verify(&self, token: &str) -> Result<Good, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        // Anything but the one algorithm, `none` above all, is no token of this service.
        if header.alg != Algorithm::EdDSA {
            return Err(TokenError::OtherAlgorithm);
        }
        let kid = header.kid.ok_or(TokenError::UnknownKey)?;
        let key = self.ring.get(&kid).ok_or(TokenError::UnknownKey)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        // Times are compared here, by the clock handed in; so is the audience, which gets an error of its own.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let decoded =
            jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_ed_der(key.as_bytes()), &validation);
        let claims = decoded.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => TokenError::BadSignature,
            _ => TokenError::Malformed,
        })?;
        self.read(claims.claims)
    }

    fn read(&self, claims: Claims) -> Result<Good, TokenError> {
        if claims.iss != ISSUER || claims.aud != self.audience {
            return Err(TokenError::OtherAudience);
        }
        let scopes: Result<Scopes, _> = claims.scope.split_whitespace().map(str::parse).collect();
        let caller = Caller {
            office: OfficeId(claims.office),
            officer: OfficerId(claims.officer),
            scopes: scopes.map_err(|_| TokenError::Malformed)?,
        };
        check_caller(&caller)?;
        if claims.exp.saturating_sub(claims.iat) > MAX_TTL_S {
            return Err(TokenError::LivesTooLong);
        }
        Ok(Good { caller, not_before: claims.nbf.max(claims.iat), expires: claims.exp })
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Good>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authenticate for Verifier {
    fn authenticate(&self, bearer: &str) -> Result<Caller, TokenError> {
        if bearer.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let known = self.remembered().get(bearer).copied();
        let good = match known {
            Some(good) => good,
            None => {
                let good = self.verify(bearer)?;
                let mut remembered = self.remembered();
                if remembered.len() >= MAX_REMEMBERED {
                    remembered.clear();
                }
                remembered.insert(bearer.into(), good);
                good
            }
        };
        let now = unix_s((self.now)());
        if now > good.expires.saturating_add(LEEWAY_S) {
            return Err(TokenError::Expired);
        }
        if now < good.not_before.saturating_sub(LEEWAY_S) {
            return Err(TokenError::NotYetValid);
        }
        Ok(good.caller)
    }
}

/// Ids are handed out from 1: zero names nobody.
fn check_caller(caller: &Caller) -> Result<(), TokenError> {
    // Office 0 is the registry's own authority; an officer always has a number.
    if caller.officer == OfficerId::NONE {
        return Err(TokenError::NobodyNamed);
    }
    Ok(())
}

fn unix_s(at: Timestamp) -> i64 {
    at.0.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Scope;
    use crate::keys::KeyError;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    fn caller() -> Caller {
        let scopes = [Scope::SubmitCommands, Scope::ReadPersons].into();
        Caller { office: OfficeId(12), officer: OfficerId(3), scopes }
    }

    fn issuer(directory: &Path) -> Issuer {
        SecretKey::create(directory).unwrap();
        Issuer { key: SecretKey::read(directory, None).unwrap(), audience: "here".into() }
    }

    fn verifier(directory: &Path, now: &Arc<AtomicI64>) -> Verifier {
        let now = Arc::clone(now);
        let ring = KeyRing::read(directory).unwrap();
        Verifier::new(ring, "here", Arc::new(move || at(now.load(Ordering::SeqCst))))
    }

    #[test]
    fn a_token_names_office_officer_and_scopes_until_it_expires() {
        let dir = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(1_000));
        let token = issuer(dir.path()).issue(&caller(), at(1_000), 600).unwrap();
        let verifier = verifier(dir.path(), &now);
        for (at, expected) in [
            (1_000, Ok(caller())),
            (1_600, Ok(caller())),
            (1_700, Err(TokenError::Expired)),
            (900, Err(TokenError::NotYetValid)),
        ] {
            now.store(at, Ordering::SeqCst);
            assert_eq!(verifier.authenticate(&token), expected, "at {at}");
        }
    }

    #[test]
    fn forged_foreign_and_unsigned_tokens_are_turned_away() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let now = Arc::new(AtomicI64::new(1_000));
        let mut issuer = issuer(dir.path());
        let good = issuer.issue(&caller(), at(1_000), 600).unwrap();
        let verifier = verifier(dir.path(), &now);
        let parts: Vec<&str> = good.split('.').collect();
        let richer = issuer.issue(&Caller { office: OfficeId(1), ..caller() }, at(1_000), 600).unwrap();
        let richer_claims = richer.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1]);
        // {"alg":"HS256","typ":"JWT"}
        let hashed = format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{}.{}", parts[1], parts[2]);
        let stranger = super::tests::issuer(other.path()).issue(&caller(), at(1_000), 600).unwrap();
        issuer.audience = "elsewhere".into();
        let elsewhere = issuer.issue(&caller(), at(1_000), 600).unwrap();
        for (token, expected) in [
            (format!("{}.{richer_claims}.{}", parts[0], parts[2]), TokenError::BadSignature),
            (unsigned, TokenError::Malformed),
            (hashed, TokenError::OtherAlgorithm),
            (stranger, TokenError::UnknownKey),
            (elsewhere, TokenError::OtherAudience),
            ("rubbish".to_owned(), TokenError::Malformed),
            ("x".repeat(1 << 20), TokenError::Malformed),
        ] {
            assert_eq!(verifier.authenticate(&token), Err(expected));
        }
        assert_eq!(verifier.authenticate(&good), Ok(caller()));
    }

    #[test]
    fn a_token_names_somebody_and_does_not_live_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let issuer = issuer(dir.path());
        let nobody = Caller { officer: OfficerId::NONE, ..caller() };
        assert_eq!(issuer.issue(&nobody, at(1_000), 600), Err(TokenError::NobodyNamed));
        assert_eq!(issuer.issue(&caller(), at(1_000), MAX_TTL_S + 1), Err(TokenError::LivesTooLong));
        // Another issuer with the same key may be less careful.
        let now = Arc::new(AtomicI64::new(1_000));
        let verifier = verifier(dir.path(), &now);
        let good = Claims {
            iss: ISSUER.into(),
            aud: "here".into(),
            sub: "O12/F3".into(),
            office: 12,
            officer: 3,
            scope: "persons:read".into(),
            iat: 1_000,
            nbf: 1_000,
            exp: 1_600,
        };
        let signed = |claims: &Claims| {
            let header = Header { kid: Some(issuer.key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
            jsonwebtoken::encode(&header, claims, &issuer.key.encoding).unwrap()
        };
        assert!(verifier.authenticate(&signed(&good)).is_ok());
        for (claims, expected) in [
            (Claims { officer: 0, ..good.clone() }, TokenError::NobodyNamed),
            (Claims { exp: i64::MAX, ..good.clone() }, TokenError::LivesTooLong),
            (Claims { iat: 5_000, exp: 9_000, ..good.clone() }, TokenError::NotYetValid),
            (Claims { iss: "other".into(), ..good.clone() }, TokenError::OtherAudience),
            (Claims { scope: "everything".into(), ..good.clone() }, TokenError::Malformed),
        ] {
            assert_eq!(verifier.authenticate(&signed(&claims)), Err(expected));
        }
    }

    #[test]
    fn secrets_are_readable_by_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let kid = SecretKey::create(dir.path()).unwrap();
        let mode = std::fs::metadata(dir.path().join(format!("{kid}.pem"))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(KeyRing::read(dir.path()).unwrap().kids().collect::<Vec<_>>(), [kid.as_str()]);
        let secret = dir.path().join(format!("{kid}.pem"));
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SecretKey::read(dir.path(), None), Err(KeyError::Exposed { .. })));
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(SecretKey::read(dir.path(), Some(&kid)).is_ok());
        assert!(SecretKey::read(dir.path(), Some("../elsewhere")).is_err());
        std::fs::remove_file(dir.path().join(format!("{kid}.pub.pem"))).unwrap();
        assert!(SecretKey::read(dir.path(), None).is_err(), "its public key is no longer in use");
    }
}
