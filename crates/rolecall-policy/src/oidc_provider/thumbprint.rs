use std::fmt;

use crate::error::{PolicyError, excerpt};

const DIGITS: usize = 40;

/// A thumbprint of an OIDC provider: the SHA-1 digest of a certificate of the server that publishes
/// the provider's keys, as 40 lower-case hexadecimal digits.
///
/// STS compares it with the server's certificate only if no certificate authority that AWS trusts
/// has signed it. (IAM User Guide, "Obtain the thumbprint for an OpenID Connect identity
/// provider".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::Thumbprint;
///
/// let openssl = "99:0F:41:93:97:2F:2B:EC:F1:2D:DE:DA:52:37:F9:C9:52:F2:0D:9E";
/// let thumbprint = Thumbprint::parse(openssl)?;
/// assert_eq!(thumbprint.as_str(), "990f4193972f2becf12ddeda5237f9c952f20d9e");
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint(String);

impl Thumbprint {
    /// Parses 40 hexadecimal digits, or 20 pairs of them with colons in between, as
    /// `openssl x509 -fingerprint -sha1` prints them after `=`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `text` has neither form.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let digits = match text.contains(':') {
            true if text.split(':').all(|pair| pair.len() == 2) => text.replace(':', ""),
            _ => text.to_owned(),
        };
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        if is_hex && digits.len() == DIGITS {
            return Ok(Self(digits.to_ascii_lowercase()));
        }
        let fault = if is_hex {
            let hint = "hint: compute it with openssl x509 -fingerprint -sha1 -noout";
            format!("has {} digits, and a SHA-1 digest {DIGITS}; {hint}", digits.len())
        } else {
            let form = "40 hexadecimal digits, or 20 pairs of them separated by colons";
            format!("is not a thumbprint; hint: pass {form}")
        };
        Err(PolicyError::new("thumbprint", format!("{} {fault}", excerpt(text))))
    }

    /// Computes the thumbprint from the certificate chain of a server, in PEM.
    ///
    /// The chain begins with the certificate of the server, and each certificate is issued by the
    /// next one. Text outside the PEM blocks is ignored, so that the whole output of
    /// `openssl s_client -servername <host> -showcerts -connect <host>:443` is valid input.
    /// `<host>` is the host of the provider's `jwks_uri`.
    ///
    /// The result is the thumbprint of the last certificate of the chain. AWS's procedure is: "If
    /// you see more than one certificate, find the last certificate displayed (at the end of the
    /// command output). This contains the certificate of the top intermediate CA in the certificate
    /// authority chain." Servers usually leave the root out. To a server that sends it AWS's
    /// procedure applies unchanged, and the last certificate is then the root: the chain must
    /// "include any intermediate certificates (if present), and end with the root certificate". A
    /// chain of one certificate has the thumbprint of that certificate. (IAM User Guide, "Obtain
    /// the thumbprint for an OpenID Connect identity provider".)
    ///
    /// Pass the chain as the server sends it: with a certificate added or left out, the thumbprint
    /// is not the one that STS computes. Signatures and validity periods are not verified.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`], with the position of the certificate, if the PEM text or a
    /// certificate cannot be parsed, if a certificate is repeated, if one does not issue the one
    /// before it, if certificates follow a self-signed one, or if there is no certificate. AWS says
    /// of such a chain: "If the certificate chain order is different or includes duplicate or
    /// additional certificates, you will receive a signature mismatch error". Input of more than
    /// 1 MiB or 32 certificates is an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::Thumbprint;
    /// # let chain = include_str!("testdata/s_client.txt");
    /// // let chain = std::fs::read_to_string("chain.pem")?;
    /// let thumbprint = Thumbprint::from_pem_chain(&chain)?;
    /// assert_eq!(thumbprint.as_str(), "828361f2c026edec2717491138e34317fd523064");
    ///
    /// let error = Thumbprint::from_pem_chain("").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "chain: there is no certificate; hint: pass the certificates that the server sends",
    /// );
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    #[cfg(feature = "thumbprint")]
    #[cfg_attr(docsrs, doc(cfg(feature = "thumbprint")))]
    pub fn from_pem_chain(pem: &str) -> Result<Self, PolicyError> {
        Self::from_der_chain(&super::certificate::parse_pem(pem)?)
    }

    /// Computes the thumbprint from the certificate chain of a server, in DER, such as the peer
    /// certificates of a TLS connection. See [`Thumbprint::from_pem_chain`].
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if [`Thumbprint::from_pem_chain`] does.
    #[cfg(feature = "thumbprint")]
    #[cfg_attr(docsrs, doc(cfg(feature = "thumbprint")))]
    pub fn from_der_chain<C: AsRef<[u8]>>(chain: &[C]) -> Result<Self, PolicyError> {
        use sha1::Digest;
        let chain: Vec<&[u8]> = chain.iter().map(AsRef::as_ref).collect();
        let digest = sha1::Sha1::digest(super::certificate::last_of_chain(&chain)?);
        Ok(Self(digest.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Returns the 40 lower-case hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
