//! The test data was created with OpenSSL 3.0, and the fingerprints below are those that
//! `openssl x509 -fingerprint -sha1` prints. `s_client.txt` is the output of
//! `openssl s_client -showcerts` for a server that sends three certificates.

use proptest::prelude::*;

use super::*;
use crate::oidc_provider::Thumbprint;

const S_CLIENT: &str = include_str!("../testdata/s_client.txt");
/// The issuer of the last certificate of `S_CLIENT`, which signed itself.
const ROOT: &str = include_str!("../testdata/root.pem");
/// A server's certificate that signed itself.
const ALONE: &str = include_str!("../testdata/alone.pem");

const LEAF_SHA1: &str = "A7:9D:5F:EF:85:51:1E:AC:97:FC:06:75:68:EB:BC:30:E4:EA:0A:65";
const ISSUING_SHA1: &str = "F1:D6:B4:6C:35:0E:62:2C:F5:48:52:69:BB:AF:6D:57:23:05:C2:11";
const TOP_SHA1: &str = "82:83:61:F2:C0:26:ED:EC:27:17:49:11:38:E3:43:17:FD:52:30:64";
const ROOT_SHA1: &str = "A2:7C:18:F3:CB:D9:7A:5A:56:D2:6B:6F:C2:9D:10:F2:4B:76:15:A1";
const ALONE_SHA1: &str = "CD:FD:51:3F:94:08:3D:B1:AC:30:27:B6:92:48:D1:8F:4A:7E:2C:C0";

/// Server, issuing CA, top intermediate, root, and the unrelated one.
fn certificates() -> Vec<Vec<u8>> {
    parse_pem(&format!("{S_CLIENT}{ROOT}{ALONE}")).unwrap()
}

fn pick(order: &[usize]) -> Vec<Vec<u8>> {
    let all = certificates();
    order.iter().map(|&index| all[index].clone()).collect()
}

fn pem_fault(text: &str) -> String {
    Thumbprint::from_pem_chain(text).unwrap_err().to_string()
}

#[test]
fn thumbprint_is_the_one_openssl_prints() {
    for (chain, expected) in [
        (S_CLIENT.to_owned(), TOP_SHA1),
        (S_CLIENT.replace('\n', "\r\n"), TOP_SHA1),
        (S_CLIENT.replace('\n', "\n  "), TOP_SHA1),
        // The server sends the root too: it is the last certificate displayed.
        (format!("{S_CLIENT}{ROOT}"), ROOT_SHA1),
        (ROOT.to_owned(), ROOT_SHA1),
        (ALONE.to_owned(), ALONE_SHA1),
    ] {
        let thumbprint = Thumbprint::from_pem_chain(&chain).unwrap();
        assert_eq!(thumbprint, Thumbprint::parse(expected).unwrap());
    }
    for (order, expected) in [
        (&[0][..], LEAF_SHA1),
        (&[0, 1], ISSUING_SHA1),
        (&[0, 1, 2], TOP_SHA1),
        (&[1, 2, 3], ROOT_SHA1),
    ] {
        let thumbprint = Thumbprint::from_der_chain(&pick(order)).unwrap();
        assert_eq!(thumbprint, Thumbprint::parse(expected).unwrap(), "{order:?}");
    }
}

#[test]
fn chain_order_by_table() {
    for (order, expected) in [
        (&[][..], "chain: there is no certificate; hint: "),
        (&[0, 2], "certificate 2: its subject is not the issuer of certificate 1; hint: order"),
        (&[1, 0], "certificate 2: its subject is not the issuer of certificate 1; hint: order"),
        (&[0, 1, 3], "certificate 3: its subject is not the issuer of certificate 2; hint: "),
        (&[0, 1, 2, 4], "certificate 4: its subject is not the issuer of certificate 3"),
        (&[0, 1, 1, 2], "certificate 3: it repeats certificate 2; hint: remove it"),
        (&[0, 1, 2, 3, 3], "certificate 5: it repeats certificate 4; hint: remove it"),
        (&[0, 0], "certificate 2: it repeats certificate 1; hint: remove it"),
        (&[0, 1, 2, 3, 2], "certificate 5: it repeats certificate 3; hint: remove it"),
        (&[4, 0], "certificate 2: it follows certificate 1, which is self-signed; hint: end"),
    ] {
        let text = Thumbprint::from_der_chain(&pick(order)).unwrap_err().to_string();
        assert!(text.starts_with(expected), "{order:?}: {text}");
    }
    let many = vec![certificates().remove(0); 33];
    let text = Thumbprint::from_der_chain(&many).unwrap_err().to_string();
    assert_eq!(
        text,
        "chain: there are 33 certificates; hint: pass the chain of one server, of at most 32"
    );
}

#[test]
fn pem_faults_have_position_and_line() {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    for (text, expected) in [
        ("", "chain: there is no certificate; hint: pass the certificates"),
        ("no blocks\n", "chain: there is no certificate; hint: "),
        (begin, "certificate 1: the block of line 1 has no END line before the end; hint: add "),
        (
            &format!("{ALONE}\n{begin}\nMIIB\n"),
            "certificate 2: the block of line 12 has no END line before the end",
        ),
        (
            &format!("{begin}\nMIIB\n{begin}\n"),
            "certificate 1: the block of line 1 has no END line before line 3",
        ),
        (end, "certificate 1: line 1 ends a block that does not begin; hint: "),
        (
            &format!("{begin}\n-----END PUBLIC KEY-----"),
            "certificate 1: line 2 ends a \"PUBLIC KEY\" block; hint: end the CERTIFICATE block",
        ),
        (
            &format!("{ALONE}-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n"),
            "certificate 2: line 11 begins a \"EC PRIVATE KEY\" block; hint: pass CERTIFICATE",
        ),
        (
            &format!("{begin}\nMII!\n{end}"),
            "certificate 1: lines 1 to 3 are not base64; hint: copy the whole block",
        ),
        (&format!("{begin}\nMIIBa\n{end}"), "certificate 1: lines 1 to 3 are not base64"),
        (
            &format!("{begin}\n{end}"),
            "certificate 1: it is not a certificate: the certificate is missing; hint: pass whole",
        ),
        (
            &format!("{begin}\nMIIB\n{end}"),
            "certificate 1: it is not a certificate: the length of the certificate is not valid",
        ),
    ] {
        let found = pem_fault(text);
        assert!(found.starts_with(expected), "{text:?}: {found}");
        assert!(found.contains("; hint: ") && !found.contains("c2VjcmV0"), "{found}");
    }
}

#[test]
fn huge_pem_is_an_error() {
    let block =
        |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----");
    for text in [block(&"A".repeat(10 << 20)), S_CLIENT.repeat(10_000), "\n".repeat(10 << 20)] {
        let found = pem_fault(&text);
        assert!(found.starts_with("chain: the text has ") && found.len() < 200, "{found}");
    }
    // Just below the limit.
    let found = pem_fault(&block(&"A".repeat((1 << 20) - 100)));
    assert!(found.contains("the tag of the certificate is 0x00, not 0x30"), "{found}");
    let label = format!("-----BEGIN {}-----", "A".repeat(1 << 19));
    assert!(pem_fault(&label).len() < 1_000);
    let found = pem_fault(&S_CLIENT.repeat(200));
    assert!(found.starts_with("chain: there are 600 certificates; hint: "), "{found}");
}

#[test]
fn huge_der_is_an_error() {
    let zeros = vec![0u8; 10 << 20];
    assert!(Thumbprint::from_der_chain(&[&zeros]).is_err());
    // 10 MiB of nested sequences: only the documented depth is read.
    let nested = vec![0x30u8; 10 << 20];
    assert!(Thumbprint::from_der_chain(&[&nested]).is_err());
}

#[test]
fn lengths_by_table() {
    for (bytes, expected) in [
        (&[][..], None),
        (&[0x00], Some((0, 0))),
        (&[0x7f, 1], Some((127, 1))),
        (&[0x81, 0x80, 1, 2], Some((128, 2))),
        (&[0x82, 0x01, 0x00], Some((256, 0))),
        (&[0x84, 0xff, 0xff, 0xff, 0xff], Some((0xffff_ffff, 0))),
        // Indefinite, longer than needed, with a leading zero, more than four bytes, cut.
        (&[0x80, 0, 0], None),
        (&[0x81, 0x7f], None),
        (&[0x82, 0x00, 0x80], None),
        (&[0x85, 1, 0, 0, 0, 0], None),
        (&[0xff, 0xff, 0xff, 0xff, 0xff], None),
        (&[0x82, 0x01], None),
        (&[0x81], None),
    ] {
        assert_eq!(length(bytes).map(|(n, rest)| (n, rest.len())), expected, "{bytes:x?}");
    }
}

#[test]
fn truncated_or_extended_certificate_is_an_error() {
    for certificate in certificates() {
        for end in 0..certificate.len() {
            let text = last_of_chain(&[&certificate[..end]]).unwrap_err().to_string();
            assert!(text.starts_with("certificate 1: it is not a certificate: "), "{text}");
        }
        let longer = [&certificate[..], &[0]].concat();
        let text = last_of_chain(&[&longer]).unwrap_err().to_string();
        assert!(text.contains("1 bytes follow it; hint: "), "{text}");
    }
}

/// Encodes an element with up to 127 bytes of contents.
fn der(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let mut element = vec![tag, u8::try_from(contents.len()).unwrap()];
    element.extend(contents);
    element
}

#[test]
fn certificates_of_version_1_are_read() {
    let name = |text: &str| der(0x30, &[text.as_bytes()]);
    let (serial, empty) = (der(0x02, &[&[1]]), der(0x30, &[]));
    let signed = |fields: &[&[u8]]| der(0x30, &[&der(0x30, fields)]);
    let first = signed(&[&serial, &empty, &name("ca"), &empty, &name("server")]);
    let second = signed(&[&serial, &empty, &name("root"), &empty, &name("ca")]);
    assert_eq!(last_of_chain(&[&first, &second]).unwrap(), second);
    let version = der(0xa0, &[&der(0x02, &[&[2]])]);
    let third = signed(&[&version, &serial, &empty, &name("x"), &empty, &name("root")]);
    assert_eq!(last_of_chain(&[&first, &second, &third]).unwrap(), third);

    let anonymous = signed(&[&serial, &empty, &empty, &empty, &empty]);
    for (fields, part) in [
        (anonymous, "the issuer is empty"),
        (signed(&[]), "the serial number is missing"),
        (signed(&[&empty]), "the tag of the serial number is 0x30, not 0x02"),
        (signed(&[&serial]), "the signature algorithm is missing"),
        (signed(&[&serial, &empty]), "the issuer is missing"),
        (signed(&[&serial, &empty, &name("a")]), "the validity is missing"),
        (signed(&[&serial, &empty, &name("a"), &empty]), "the subject is missing"),
        (der(0x30, &[]), "the tbsCertificate is missing"),
    ] {
        let text = last_of_chain(&[&fields]).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    }
}

proptest! {
    #[test]
    fn arbitrary_input_does_not_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        text in "(-----(BEGIN|END) [A-Z ]{0,12}-----|[A-Za-z0-9+/= ]{0,20}|\\PC{0,9}|\n){0,12}",
    ) {
        let _ = Thumbprint::from_der_chain(&[&bytes]);
        let _ = Thumbprint::from_pem_chain(&text);
    }

    #[test]
    fn mutated_certificate_does_not_panic(
        which in 0..5usize, at in 0..500usize, byte in any::<u8>(),
    ) {
        let mut certificate = certificates().remove(which);
        let at = at % certificate.len();
        certificate[at] = byte;
        let _ = Thumbprint::from_der_chain(&[&certificate]);
    }
}
