//! What a thumbprint needs of X.509: PEM blocks, and the issuer and subject of a certificate.
//!
//! The input comes from a server that is not trusted yet. Every read is bounded by what is left of
//! the input, nothing is recursive, and lengths are checked before they are used.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{PolicyError, excerpt};

/// A chain has some 10 KiB.
const MAX_PEM_BYTES: usize = 1 << 20;
/// Bounds the search for repeated certificates. OpenSSL verifies chains of at most 100, and public
/// ones have 2 to 4.
const MAX_CERTIFICATES: usize = 32;

fn fail<T>(location: &str, fault: impl Into<String>) -> Result<T, PolicyError> {
    Err(PolicyError::new(location, fault))
}

/// The name of a position in the chain. The server's certificate is number 1.
fn position(index: usize) -> String {
    format!("certificate {}", index + 1)
}

/// Decodes the `CERTIFICATE` blocks of a text. (RFC 7468.)
pub(super) fn parse_pem(text: &str) -> Result<Vec<Vec<u8>>, PolicyError> {
    if text.len() > MAX_PEM_BYTES {
        let hint = format!("hint: pass the chain alone, of at most {MAX_PEM_BYTES} bytes");
        return fail("chain", format!("the text has {} bytes; {hint}", text.len()));
    }
    let mut certificates = Vec::new();
    // The number of the BEGIN line, and the base64 text after it.
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let location = || position(certificates.len());
        if let Some(label) = marker(line, "BEGIN") {
            if let Some((begin, _)) = open {
                return fail(&location(), unclosed(begin, &format!("line {number}")));
            }
            // A file with another block, such as a private key, is refused and not filtered, so
            // that the key in it is noticed.
            if label != "CERTIFICATE" {
                let fault = format!("line {number} begins a {} block", excerpt(label));
                return fail(&location(), format!("{fault}; hint: pass CERTIFICATE blocks alone"));
            }
            open = Some((number, String::new()));
        } else if let Some(label) = marker(line, "END") {
            let Some((begin, body)) = open.take() else {
                let fault = format!("line {number} ends a block that does not begin");
                return fail(&location(), format!("{fault}; hint: add the BEGIN line"));
            };
            if label != "CERTIFICATE" {
                let fault = format!("line {number} ends a {} block", excerpt(label));
                let hint = format!("hint: end the CERTIFICATE block of line {begin}");
                return fail(&location(), format!("{fault}; {hint}"));
            }
            let Ok(certificate) = STANDARD.decode(body) else {
                let fault = format!("lines {begin} to {number} are not base64");
                return fail(&location(), format!("{fault}; hint: copy the whole block"));
            };
            certificates.push(certificate);
        } else if let Some((_, body)) = &mut open {
            body.extend(line.split_ascii_whitespace());
        }
    }
    match open {
        Some((begin, _)) => fail(&position(certificates.len()), unclosed(begin, "the end")),
        None => Ok(certificates),
    }
}

fn unclosed(begin: usize, before: &str) -> String {
    let end = "-----END CERTIFICATE-----";
    format!("the block of line {begin} has no END line before {before}; hint: add {end}")
}

/// The label of an encapsulation boundary: of `-----BEGIN X-----` it is `X`.
fn marker<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?.strip_prefix(word)?.strip_prefix(' ')?.strip_suffix("-----")
}

/// Checks the order of a chain, in DER, and returns its last certificate.
pub(super) fn last_of_chain<'a>(chain: &[&'a [u8]]) -> Result<&'a [u8], PolicyError> {
    let Some(last) = chain.last() else {
        let hint = "hint: pass the certificates that the server sends";
        return fail("chain", format!("there is no certificate; {hint}"));
    };
    if chain.len() > MAX_CERTIFICATES {
        let hint = format!("hint: pass the chain of one server, of at most {MAX_CERTIFICATES}");
        return fail("chain", format!("there are {} certificates; {hint}", chain.len()));
    }
    let mut before: Option<Names<'_>> = None;
    for (index, certificate) in chain.iter().enumerate() {
        let location = position(index);
        let names = Names::parse(certificate).or_else(|fault| {
            let hint = "hint: pass whole X.509 certificates";
            fail(&location, format!("it is not a certificate: {fault}; {hint}"))
        })?;
        if let Some(first) = chain.iter().take(index).position(|earlier| earlier == certificate) {
            let fault = format!("it repeats {}", position(first));
            return fail(&location, format!("{fault}; hint: remove it from the server's chain"));
        }
        if let Some(before) = before {
            let previous = position(index - 1);
            // Nothing follows a root. The thumbprint is that of the last certificate, and would be
            // of one that signed nothing in the chain.
            if before.issuer == before.subject {
                let fault = format!("it follows {previous}, which is self-signed");
                return fail(&location, format!("{fault}; hint: end the chain with the root"));
            }
            if before.issuer != names.subject {
                let fault = format!("its subject is not the issuer of {previous}");
                let hint = "hint: order the chain from the server's certificate to the root";
                return fail(&location, format!("{fault}; {hint}"));
            }
        }
        before = Some(names);
    }
    Ok(last)
}

/// The DER encodings of two distinguished names. RFC 5280, 4.1.2.6, has a CA encode its name as
/// issuer exactly as its name as subject, so equal names have equal bytes.
struct Names<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`, constructed: the version, absent from certificates of version 1.
const VERSION: u8 = 0xa0;

impl<'a> Names<'a> {
    /// Reads the fields of a certificate up to its subject. (RFC 5280, 4.1.)
    fn parse(der: &'a [u8]) -> Result<Self, String> {
        let (certificate, rest) = element(der, SEQUENCE, "certificate")?;
        // The digest covers all bytes, so that one more would give a thumbprint that matches no
        // server.
        if !rest.is_empty() {
            return Err(format!("{} bytes follow it", rest.len()));
        }
        let (fields, _) = element(certificate, SEQUENCE, "tbsCertificate")?;
        let fields = match fields.first() {
            Some(&VERSION) => element(fields, VERSION, "version")?.1,
            _ => fields,
        };
        let (_, fields) = element(fields, INTEGER, "serial number")?;
        let (_, fields) = element(fields, SEQUENCE, "signature algorithm")?;
        let (issuer, fields) = element(fields, SEQUENCE, "issuer")?;
        let (_, fields) = element(fields, SEQUENCE, "validity")?;
        let (subject, _) = element(fields, SEQUENCE, "subject")?;
        // Empty names are equal, so unrelated certificates would pass for a chain. (RFC 5280,
        // 4.1.2.4, requires an issuer.)
        if issuer.is_empty() {
            return Err("the issuer is empty".into());
        }
        Ok(Self { issuer, subject })
    }
}

/// Splits the input into the contents of its first element and what follows it.
fn element<'a>(input: &'a [u8], tag: u8, what: &str) -> Result<(&'a [u8], &'a [u8]), String> {
    let Some((&found, rest)) = input.split_first() else {
        return Err(format!("the {what} is missing"));
    };
    if found != tag {
        return Err(format!("the tag of the {what} is {found:#04x}, not {tag:#04x}"));
    }
    let Some((length, rest)) = length(rest) else {
        return Err(format!("the length of the {what} is not valid"));
    };
    rest.split_at_checked(length)
        .ok_or_else(|| format!("the {what} has {} of its {length} bytes", rest.len()))
}

/// Reads a length in the one form that DER allows: definite, and as short as possible. No
/// certificate needs more than four bytes of length.
fn length(input: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = input.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    // No bytes of length are the indefinite form, which the last line rejects.
    let count = usize::from(first & 0x7f);
    if count > 4 {
        return None;
    }
    let (bytes, rest) = rest.split_at_checked(count)?;
    let length = bytes.iter().fold(0, |length: usize, &byte| (length << 8) | usize::from(byte));
    (length >= 0x80 && bytes.first() != Some(&0)).then_some((length, rest))
}

#[cfg(test)]
mod tests;
