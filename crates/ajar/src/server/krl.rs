//! Lists of revoked certificates in OpenSSH's format (`PROTOCOL.krl`): by number, of one authority. Pure.

use std::collections::BTreeSet;

/// `"SSHKRL\n\0"`.
const MAGIC: u64 = 0x5353_484b_524c_0a00;
const FORMAT: u32 = 1;
const SECTION_CERTIFICATES: u8 = 1;
const SECTION_SERIAL_LIST: u8 = 0x20;

/// The list that says: of the authority with this public key (as on the wire), the certificates with these numbers are revoked.
/// `at` is in seconds since 1970. The number 0 can't be revoked, since it means that there is none.
pub(crate) fn write(authority: &[u8], serials: &[u64], version: u64, at: u64) -> Vec<u8> {
    let serials: BTreeSet<u64> = serials.iter().copied().filter(|serial| *serial != 0).collect();
    let mut list = Vec::new();
    list.extend(MAGIC.to_be_bytes());
    list.extend(FORMAT.to_be_bytes());
    for number in [version, at, 0] {
        list.extend(number.to_be_bytes());
    }
    // Reserved, and a comment.
    string(&mut list, b"");
    string(&mut list, b"");
    if serials.is_empty() {
        return list;
    }
    let numbers: Vec<u8> = serials.iter().flat_map(|serial| serial.to_be_bytes()).collect();
    let mut section = Vec::new();
    string(&mut section, authority);
    string(&mut section, b"");
    section.push(SECTION_SERIAL_LIST);
    string(&mut section, &numbers);
    list.push(SECTION_CERTIFICATES);
    string(&mut list, &section);
    list
}

/// A string as SSH writes it (RFC 4251): length, bytes.
fn string(to: &mut Vec<u8>, bytes: &[u8]) {
    // A list that is longer than 4 GiB is none that anything reads.
    to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_revoked_is_a_header_alone() {
        let list = write(b"key", &[], 7, 9);
        assert_eq!(list, [&b"SSHKRL\n\0\0\0\0\x01"[..], &7u64.to_be_bytes(), &9u64.to_be_bytes(), &[0; 8 + 4 + 4]].concat());
        assert_eq!(write(b"key", &[0], 7, 9), list);
    }

    #[test]
    fn numbers_stand_in_order_and_once() {
        let list = write(b"key", &[5, 2, 5, u64::MAX], 0, 0);
        let numbers = [2, 5, u64::MAX].map(u64::to_be_bytes).concat();
        assert!(list.ends_with(&numbers));
        assert_eq!(list.len(), 44 + 1 + 4 + (4 + 3) + 4 + 1 + 4 + 24);
    }
}
