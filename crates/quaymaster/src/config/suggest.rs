//! Did you mean?

/// Names listed in a remedy; more would hide the remedy.
const LISTED_MAX: usize = 12;

/// The candidate that looks most like the word, if one does.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A third of the letters may be wrong: `adress` is `address`, `user` is not `uid`.
    let tolerance = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean `x`?`, or else what there is.
pub(super) fn remedy<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
    what_there_is: &str,
) -> String {
    match nearest(word, candidates.clone()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("{what_there_is}: {}", listed(candidates)),
    }
}

/// `a, b, c`, cut when there are many.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.iter().take(LISTED_MAX).copied().collect::<Vec<_>>();
    match names.len().checked_sub(LISTED_MAX) {
        None | Some(0) => shown.join(", "),
        Some(more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Letters to insert, remove, replace or swap with their neighbour, in any ASCII case.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let is_same = left[i - 1] == right[j - 1];
            let replaced = rows[i - 1][j - 1] + usize::from(!is_same);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            let is_swap =
                i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if is_swap {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let keys = ["address", "connections_max", "idle", "uid", "due"];
        for (word, expect) in [
            ("adress", Some("address")),
            ("addresses", Some("address")),
            ("ADDRESS", Some("address")),
            ("connection_max", Some("connections_max")),
            ("ilde", Some("idle")),
            ("deu", Some("due")),
            ("user", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), expect, "{word}");
        }
    }
}
