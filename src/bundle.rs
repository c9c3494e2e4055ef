//! What `CA_CERTIFICATES` holds: root certificates to trust beside the system's, and, where servers ask for one, the
//! function's own certificate with its private key (mutual TLS).

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor};
use rustls::sign::CertifiedKey;
use thiserror::Error;

/// Why the text cannot be used. None of it is quoted: a key may be in any of its lines.
#[derive(Debug, Error)]
pub enum BundleError {
    /// There is nothing.
    #[error("CA_CERTIFICATES holds no certificate in PEM form")]
    Empty,
    /// That is no PEM.
    #[error("CA_CERTIFICATES holds no PEM that can be read: {0}")]
    Pem(&'static str),
    /// That is no certificate.
    #[error("CA_CERTIFICATES holds a certificate that cannot be read")]
    Certificate(#[source] rustls::Error),
    /// A key under a pass phrase.
    #[error("CA_CERTIFICATES holds an encrypted private key, and nobody is there to type its pass phrase: decrypt it")]
    Encrypted,
    /// More than one key.
    #[error("CA_CERTIFICATES holds more than one private key")]
    Keys,
    /// A key alone.
    #[error(
        "CA_CERTIFICATES holds a private key with no certificate behind it; the order is: root certificates, the \
         private key, its certificate, those between that and its root"
    )]
    NoCertificate,
    /// Another's key.
    #[error(
        "CA_CERTIFICATES holds a private key that is not that of the certificate right behind it, or of a kind that is \
         not understood"
    )]
    Identity(#[source] rustls::Error),
}

/// Certificates and keys as they were written one below the other.
pub struct Bundle {
    /// What stands in front of the private key, or all where there is none.
    pub(crate) roots: Vec<TrustAnchor<'static>>,
    /// The key and what stands behind it.
    pub(crate) identity: Option<Identity>,
}

/// Who the function is to servers that ask for a certificate. Nothing of the key can be printed.
#[derive(Clone)]
pub struct Identity(pub(crate) Arc<CertifiedKey>);

impl Bundle {
    /// Reads PEM: root certificates, and behind them, if at all, the private key, its certificate, and those between
    /// that and its root. Consoles and shells like to turn line ends into the two characters `\n`.
    pub fn parse(text: &str, provider: &CryptoProvider) -> Result<Self, BundleError> {
        // The library passes over sections that it does not know, and this would be one.
        if text.contains("ENCRYPTED") {
            return Err(BundleError::Encrypted);
        }
        let text = text.replace("\\n", "\n");
        let mut roots = RootCertStore::empty();
        let mut key = None;
        let mut chain = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()) {
            let (kind, der) = section.map_err(|error| BundleError::Pem(words(&error)))?;
            match (kind, &key) {
                (SectionKind::Certificate, None) => {
                    roots.add(CertificateDer::from(der)).map_err(BundleError::Certificate)?;
                }
                (SectionKind::Certificate, Some(_)) => chain.push(CertificateDer::from(der)),
                (kind, found) => match (PrivateKeyDer::from_pem(kind, der), found) {
                    (Some(next), None) => key = Some(next),
                    (Some(_), Some(_)) => return Err(BundleError::Keys),
                    // A public key, say, which the certificate has, too.
                    (None, _) => {}
                },
            }
        }
        let identity = match key {
            None if roots.is_empty() => return Err(BundleError::Empty),
            None => None,
            Some(_) if chain.is_empty() => return Err(BundleError::NoCertificate),
            Some(key) => {
                let certified = CertifiedKey::from_der(chain, key, provider).map_err(BundleError::Identity)?;
                Some(Identity(Arc::new(certified)))
            }
        };
        Ok(Self { roots: roots.roots, identity })
    }
}

fn words(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no END line of its own; are the line ends lost?",
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line does not end in dashes",
        pem::Error::Base64Decode(_) => "what is between BEGIN and END is not base64",
        _ => "a section is too large or breaks off",
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a certificate of our own")
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} root certificates, identity: {:?}", self.roots.len(), self.identity)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::crypto::aws_lc_rs;

    use super::*;

    fn parse(text: &str) -> Result<Bundle, BundleError> {
        Bundle::parse(text, &aws_lc_rs::default_provider())
    }

    /// A certificate and its key, both PEM.
    fn certified() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["ci.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn certificates_that_cannot_be_read_are_an_error_and_not_ignored() {
        assert!(matches!(parse(""), Err(BundleError::Empty)));
        assert!(matches!(parse("not PEM"), Err(BundleError::Empty)));
        let pem = |inside: &str| format!("-----BEGIN CERTIFICATE-----\n{inside}\n-----END CERTIFICATE-----\n");
        assert!(matches!(parse(&pem("!!")), Err(BundleError::Pem(_))));
        assert!(matches!(parse(&pem("AAAA")), Err(BundleError::Certificate(_))));
        let (certificate, _) = certified();
        assert!(matches!(parse(certificate.trim_end().trim_end_matches('-')), Err(BundleError::Pem(_))));
    }

    #[test]
    fn what_is_in_front_of_the_key_is_trusted_and_what_is_behind_it_is_shown() {
        let ((root, _), (own, key), (between, _)) = (certified(), certified(), certified());
        let alone = parse(&root).unwrap();
        assert!(alone.roots.len() == 1 && alone.identity.is_none());
        let both = parse(&format!("{root}{key}{own}{between}")).unwrap();
        assert!(both.roots.len() == 1 && both.identity.is_some());
        let no_roots = parse(&format!("{key}{own}").replace('\n', "\\n")).unwrap();
        assert!(no_roots.roots.is_empty() && no_roots.identity.is_some());
    }

    #[test]
    fn a_key_that_cannot_be_used_is_an_error_which_shows_nothing_of_it() {
        let ((own, key), (other, other_key)) = (certified(), certified());
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let one_line = format!("{key}{own}").replace('\n', "");
        for (text, means) in [
            (format!("{own}{key}"), "no certificate behind it"),
            (format!("{key}{other}"), "not that of the certificate"),
            (format!("{key}{own}{other_key}"), "more than one"),
            (format!("{encrypted}{own}"), "pass phrase"),
            (one_line, "line ends"),
            (key.replace("-----END", "END"), "no END line"),
            (key.replacen('M', "!", 1) + &own, "not base64"),
        ] {
            let error = parse(&text).unwrap_err();
            let said = format!("{} {error:?}", crate::log::chain(&error));
            assert!(said.contains(means), "{said}");
            let lines = key.lines().filter(|line| !line.starts_with('-'));
            for line in lines {
                let as_numbers = line.as_bytes().iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
                assert!(!said.contains(line) && !said.contains(&as_numbers), "{said}");
            }
        }
        let bundle = parse(&format!("{key}{own}")).unwrap();
        assert_eq!(format!("{bundle:?}"), "0 root certificates, identity: Some(a certificate of our own)");
    }
}
