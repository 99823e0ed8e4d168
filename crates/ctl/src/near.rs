//! What somebody may have meant: the name most like what was typed.

/// From here on two words are alike (RabbitMQ's threshold).
const ALIKE: f64 = 0.77;
/// Words longer than this are like nothing.
const LENGTH_MAX: usize = 128;

/// The word most like `typed`, if one is like it at all.
pub(crate) fn nearest<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = words.map(|word| (jaro(typed, word), word)).filter(|(score, _)| *score >= ALIKE);
    scored.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, word)| word)
}

/// The Jaro similarity: 1 for the same, 0 for nothing in common.
fn jaro(one: &str, other: &str) -> f64 {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.is_empty() || other.is_empty() || one.len() > LENGTH_MAX || other.len() > LENGTH_MAX {
        return 0.0;
    }
    let window = (one.len().max(other.len()) / 2).saturating_sub(1);
    let mut is_taken = vec![false; other.len()];
    let mut matched = Vec::new();
    for (at, letter) in one.iter().enumerate() {
        let from = at.saturating_sub(window);
        let candidates = other.iter().enumerate().zip(&mut is_taken).skip(from).take(at + window + 1 - from);
        for ((_, candidate), taken) in candidates {
            if !*taken && candidate == letter {
                *taken = true;
                matched.push(*letter);
                break;
            }
        }
    }
    if matched.is_empty() {
        return 0.0;
    }
    let theirs = other.iter().zip(&is_taken).filter(|(_, taken)| **taken).map(|(letter, _)| letter);
    let moved = matched.iter().zip(theirs).filter(|(ours, theirs)| ours != theirs).count();
    let (count, moved) = (count(matched.len()), count(moved) / 2.0);
    (count / self::count(one.len()) + count / self::count(other.len()) + (count - moved) / count) / 3.0
}

/// Lengths of words are small.
fn count(length: usize) -> f64 {
    f64::from(u16::try_from(length).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near_and_other_words_are_not() {
        let words = ["list_queues", "list_users", "add_user", "status"];
        let near = |typed| nearest(typed, words.into_iter());
        assert_eq!(near("lst_queues"), Some("list_queues"));
        assert_eq!(near("list_queue"), Some("list_queues"));
        assert_eq!(near("statsu"), Some("status"));
        assert_eq!(near("xyzzy"), None);
        assert_eq!(near(""), None);
    }

    #[test]
    fn it_is_jaros_measure() {
        assert!((jaro("MARTHA", "MARHTA") - 0.944_444).abs() < 1e-5);
        assert!((jaro("DIXON", "DICKSONX") - 0.766_667).abs() < 1e-5);
        assert!((jaro("same", "same") - 1.0).abs() < 1e-9);
    }
}
