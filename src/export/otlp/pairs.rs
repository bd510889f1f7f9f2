//! Lists of keys and values in variables: `key=value,key=value`, percent-encoded, as in W3C's baggage
//! (<https://www.w3.org/TR/baggage/#baggage-http-header-format>) but without its properties.
#![forbid(unsafe_code)]

/// Keys and values, decoded.
///
/// # Errors
///
/// What is wrong with the list.
pub(super) fn read(list: &str) -> Result<Vec<(String, String)>, &'static str> {
    let pairs = list.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs.map(pair).collect()
}

fn pair(pair: &str) -> Result<(String, String), &'static str> {
    let (key, value) = pair.split_once('=').ok_or("a part of it has no equals sign")?;
    let (key, value) = (decoded(key.trim())?, decoded(value.trim())?);
    if key.is_empty() {
        return Err("a key in it is empty");
    }
    Ok((key, value))
}

fn decoded(text: &str) -> Result<String, &'static str> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or("a percent sign in it is not followed by two hexadecimal digits")?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| "what it encodes is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_read_as_other_sdks_do() {
        let read = |list| {
            let pairs = read(list).unwrap();
            pairs.into_iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>()
        };
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read("api-key=secret"), ["api-key secret"]);
        assert_eq!(read(" a = 1 ,b=2,, "), ["a 1", "b 2"]);
        assert_eq!(read("Authorization=Basic%20dTpw==;x"), ["Authorization Basic dTpw==;x"]);
        assert_eq!(read("k%3D=%2C%e2%82%ac,empty="), ["k= ,\u{20ac}", "empty "]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (list, fault) in [
            ("key", "no equals sign"),
            ("a=1,key", "no equals sign"),
            ("=value", "empty"),
            ("a=%", "percent sign"),
            ("a=%2", "percent sign"),
            ("a=%+1", "percent sign"),
            ("a=100% sure", "percent sign"),
            ("a=%\u{e4}", "percent sign"),
            ("a=%ff", "not UTF-8"),
        ] {
            let error = read(list).unwrap_err();
            assert!(error.contains(fault), "{list}: {error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn what_is_encoded_comes_back(pairs: Vec<(String, String)>) {
            let pairs: Vec<_> = pairs.into_iter().filter(|(key, _)| !key.is_empty()).collect();
            let encoded = |text: &str| {
                text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>()
            };
            let list = pairs.iter().map(|(key, value)| encoded(key) + "=" + &encoded(value));
            prop_assert_eq!(read(&list.collect::<Vec<_>>().join(",")), Ok(pairs));
        }

        #[test]
        fn no_list_panics(list: String) {
            let _ = read(&list);
        }
    }
}
