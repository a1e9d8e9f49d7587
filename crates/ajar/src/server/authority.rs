//! Ajar's own TLS authority, and the certificate it gives the server.

use std::path::Path;

use ajar_core::secret::Secret;
use ajar_core::time::Timestamp;
use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::keys::read_private;
use crate::client::{make_private_dir, write_private};

/// How long the authority is good for, in years.
const AUTHORITY_YEARS: i64 = 10;
/// How long a server's certificate is good for, in days. A new one is made at each start.
const SERVER_DAYS: i64 = 397;

/// The authority, and its certificate for clients.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) chain_pem: String,
    pub(crate) key_pem: Secret,
}

impl Authority {
    pub(crate) fn load_or_make(data_dir: &Path, now: Timestamp) -> anyhow::Result<Self> {
        let dir = data_dir.join("keys");
        make_private_dir(&dir)?;
        let (certificate, key) = (dir.join("tls-authority.pem"), dir.join("tls-authority.key"));
        if !key.exists() {
            let pair = KeyPair::generate().context("cannot make a key")?;
            let mut params = CertificateParams::new(Vec::new())?;
            params.distinguished_name.push(DnType::CommonName, "Ajar authority");
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            valid(&mut params, now, AUTHORITY_YEARS * 365)?;
            let made = params.self_signed(&pair).context("cannot make the authority")?;
            write_private(&certificate, made.pem().as_bytes())?;
            write_private(&key, Secret::new(pair.serialize_pem()).expose().as_bytes())?;
        }
        let pem = std::fs::read_to_string(&certificate).with_context(|| format!("cannot read {}", certificate.display()))?;
        let pair = KeyPair::from_pem(read_private(&key)?.expose()).with_context(|| format!("{} is damaged", key.display()))?;
        let issuer = Issuer::from_ca_cert_pem(&pem, pair).with_context(|| format!("{} is damaged", certificate.display()))?;
        Ok(Self { issuer, pem })
    }

    /// A certificate for a server with these names and addresses.
    pub(crate) fn identity(&self, names: &[String], now: Timestamp) -> anyhow::Result<Identity> {
        let pair = KeyPair::generate().context("cannot make a key")?;
        let mut params = CertificateParams::new(names.to_vec()).context("'names' holds what can't be in a certificate")?;
        params.distinguished_name.push(DnType::CommonName, names.first().map_or("ajar", String::as_str));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, now, SERVER_DAYS)?;
        let made = params.signed_by(&pair, &self.issuer).context("cannot make the server's certificate")?;
        Ok(Identity { chain_pem: made.pem(), key_pem: Secret::new(pair.serialize_pem()) })
    }
}

/// From yesterday (clocks differ), for so many days.
fn valid(params: &mut CertificateParams, now: Timestamp, days: i64) -> anyhow::Result<()> {
    let now = jiff::Timestamp::from_millisecond(now.as_millis())?.to_zoned(jiff::tz::TimeZone::UTC);
    let date = |days: i64| -> anyhow::Result<_> {
        let day = now.checked_add(jiff::Span::new().days(days))?;
        Ok(rcgen::date_time_ymd(i32::from(day.year()), u8::try_from(day.month())?, u8::try_from(day.day())?))
    };
    params.not_before = date(-1)?;
    params.not_after = date(days)?;
    Ok(())
}
