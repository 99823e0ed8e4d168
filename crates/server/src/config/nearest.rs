//! The known word that is nearest to one that is not known, for the sentence that refuses it.

/// Longer words are not compared: the cost is their product.
const WORD_BYTES_MAX: usize = 128;

/// The candidate with the smallest distance to `word`, if it is near enough to be a slip of the same word.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(2);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > WORD_BYTES_MAX || b.len() > WORD_BYTES_MAX {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    // Rows of the table of costs: one for each prefix of `a`, of which the last three are needed.
    let mut above: Vec<usize> = Vec::new();
    let mut current: Vec<usize> = (0..=b.len()).collect();
    let mut before = None;
    for letter in a.chars() {
        let next = Vec::with_capacity(b.len() + 1);
        let above2 = std::mem::replace(&mut above, std::mem::replace(&mut current, next));
        let mut left = above.first().map_or(1, |cost| cost + 1);
        current.push(left);
        for (column, other) in b.iter().enumerate() {
            let up = above.get(column + 1).copied().unwrap_or(usize::MAX - 1);
            let diagonal = above.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut cost = (left + 1).min(up + 1).min(diagonal + usize::from(letter != *other));
            let swapped = column.checked_sub(1).and_then(|previous| b.get(previous)) == Some(&letter);
            if swapped && before == Some(*other) {
                let corner = column.checked_sub(1).and_then(|previous| above2.get(previous));
                cost = cost.min(corner.map_or(cost, |corner| corner + 1));
            }
            current.push(cost);
            left = cost;
        }
        before = Some(letter);
    }
    current.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
