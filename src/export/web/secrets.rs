//! What of a request must be in no text: a server may repeat anything that it was sent.
#![forbid(unsafe_code)]

use std::cmp::Reverse;

/// Shorter parts of headers and addresses are found in any text.
const SHORTEST: usize = 8;
/// Headers that hold no secret.
const OPEN_HEADERS: [&str; 4] = ["accept", "content-encoding", "content-type", "user-agent"];

/// The values of headers, the user of an address, also as it is sent, and its query; and their parts,
/// since a key is often one of several things in a value. Longer ones first, so that what has another
/// one in it is found in whole.
pub(super) fn secrets(
    headers: &[(&str, &str)],
    user: Option<&str>,
    query: Option<&str>,
) -> Vec<String> {
    let is_open = |name: &str| OPEN_HEADERS.iter().any(|open| open.eq_ignore_ascii_case(name));
    let closed = headers.iter().filter(|(name, _)| !is_open(name)).map(|(_, value)| *value);
    let sent = user.map(credentials);
    let of_address = [user, sent.as_deref(), query].into_iter().flatten();
    let mut secrets = Vec::new();
    for value in closed.chain(of_address) {
        let parts = value.split([' ', ',', ';', ':', '&', '"']);
        let named = parts.clone().filter_map(|part| Some(part.split_once('=')?.1));
        secrets.extend([value].into_iter().chain(parts).chain(named));
    }
    secrets.retain(|secret| secret.len() >= SHORTEST);
    secrets.sort_unstable_by_key(|secret| (Reverse(secret.len()), *secret));
    secrets.dedup();
    secrets.into_iter().map(str::to_owned).collect()
}

/// `user:password` as basic authentication has it: in Base64 (RFC 4648, section 4), with a colon also
/// if there is no password.
fn credentials(user: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let colon = if user.contains(':') { "" } else { ":" };
    let mut text = String::new();
    for three in format!("{user}{colon}").as_bytes().chunks(3) {
        let byte = |at| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=three.len() as u32 {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]));
        }
        // Some write the rest of four digits, and some do not: what is found is a part of both.
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_the_rfc_without_its_padding() {
        let pairs = [("", "Og"), ("f:", "Zjo"), ("fo:", "Zm86"), ("Aladdin:open sesame", ALADDIN)];
        for (user, expected) in pairs {
            assert_eq!(credentials(user), expected);
        }
        assert_eq!(credentials("f"), "Zjo");
    }

    /// From RFC 7617, section 2.
    const ALADDIN: &str = "QWxhZGRpbjpvcGVuIHNlc2FtZQ";

    #[test]
    fn parts_of_values_are_secrets_unless_they_are_words() {
        let headers = [
            ("Authorization", "Bearer abcdefgh"),
            ("x-auth", "Sentry version=7, key=01234567"),
            ("Content-Type", "application/json"),
        ];
        let secrets = secrets(&headers, Some("me:password1"), Some("api_key=12345678&x=y"));
        let expected = [
            "Sentry version=7, key=01234567",
            "api_key=12345678&x=y",
            "api_key=12345678",
            "Bearer abcdefgh",
            "bWU6cGFzc3dvcmQx",
            "key=01234567",
            "me:password1",
            "password1",
            "version=7",
            "01234567",
            "12345678",
            "abcdefgh",
        ];
        assert_eq!(sorted(secrets), sorted(expected.map(str::to_owned).to_vec()));
    }

    fn sorted(mut texts: Vec<String>) -> Vec<String> {
        texts.sort();
        texts
    }
}
