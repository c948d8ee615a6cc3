//! Tags of objects.

use std::collections::BTreeMap;

use super::copy::percent_encoded;

/// As a header has them, `key=value&key=value`; `None` if there are none.
pub(super) fn header(tags: &BTreeMap<String, String>) -> Option<String> {
    let pairs: Vec<String> = tags
        .iter()
        .map(|(tag, value)| format!("{}={}", percent_encoded(tag), percent_encoded(value)))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::header;
    use std::collections::BTreeMap;

    #[test]
    fn tags_are_encoded_as_in_a_query() {
        let of = |tags: &[(&str, &str)]| {
            let owned = |(tag, value): &(&str, &str)| ((*tag).to_owned(), (*value).to_owned());
            header(&tags.iter().map(owned).collect::<BTreeMap<_, _>>())
        };
        assert_eq!(of(&[]), None);
        assert_eq!(
            of(&[("service", "push"), ("owner", "")]).as_deref(),
            Some("owner=&service=push")
        );
        assert_eq!(
            of(&[("cost centre", "a+b=c: \u{fc}@d")]).as_deref(),
            Some("cost%20centre=a%2Bb%3Dc%3A%20%C3%BC%40d")
        );
    }
}
