//! How names are compared: in any order of their words, with or without diacritics.
//!
//! A word folds to small letters without marks, *đ* to *d*: "Nguyễn" and "nguyen" fold alike. A word of a question that has marks
//! is compared with its marks; one without is compared folded. On which letter of a syllable the tone stands is a matter of style,
//! "Hòa" or "Hoà", and makes no difference.

use event_schemas::person::Names;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Words of one name that are looked at; nobody's name has more.
pub const MAX_WORDS: usize = 16;
/// Longest folded word in an index, in bytes.
const MAX_WORD_BYTES: usize = 48;

/// A word, folded, and as written in small letters: decomposed, the tone behind the letters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Word {
    folded: String,
    written: String,
}

impl Word {
    /// Of small letters, decomposed.
    fn of(part: &str) -> Self {
        Self { folded: fold(part), written: tone_last(part) }
    }

    /// Small letters without marks.
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// Whether a word of somebody's name answers this word of a question.
    fn is_answered_by(&self, other: &Self) -> bool {
        self.folded == other.folded && (self.written == self.folded || self.written == other.written)
    }
}

/// The words of a name: what stands between anything that is no letter and no digit.
pub fn words_of(text: &str) -> Vec<Word> {
    let small: String = text.to_lowercase().nfd().collect();
    let parts = small.split(|c: char| !c.is_alphanumeric() && !is_mark(c));
    // Marks that stand on no letter are no word.
    let words = parts.filter(|part| !part.chars().all(is_mark)).take(MAX_WORDS);
    words.map(Word::of).collect()
}

fn is_mark(c: char) -> bool {
    // Below are the letters that almost all are; the table of marks need not be asked.
    c >= '\u{300}' && is_combining_mark(c)
}

/// Grave, acute, tilde, hook above, dot below: the five written tones.
const TONES: [char; 5] = ['\u{300}', '\u{301}', '\u{303}', '\u{309}', '\u{323}'];

fn tone_last(decomposed: &str) -> String {
    let is_tone = |c: &char| TONES.contains(c);
    let (letters, tones) = (decomposed.chars().filter(|c| !is_tone(c)), decomposed.chars().filter(is_tone));
    letters.chain(tones).collect()
}

fn fold(decomposed: &str) -> String {
    let unmarked = decomposed.chars().filter(|c| !is_mark(*c));
    let mut folded: String = unmarked.map(|c| if c == 'đ' { 'd' } else { c }).collect();
    while folded.len() > MAX_WORD_BYTES {
        folded.pop();
    }
    folded
}

/// Every way somebody is named: the names, and each other name in use.
pub fn spellings(names: &Names) -> impl Iterator<Item = Vec<Word>> {
    std::iter::once(words_of(&names.to_string()))
        .chain(names.other.iter().map(|other| words_of(other.as_str())))
}

/// Whether every word that is asked for stands in the name.
pub fn answers(asked: &[Word], name: &[Word]) -> bool {
    asked.iter().all(|word| name.iter().any(|own| word.is_answered_by(own)))
}

/// The same for somebody's names: all words in one of them.
pub fn any_answers(asked: &[Word], names: &Names) -> bool {
    spellings(names).any(|name| answers(asked, &name))
}

/// A whole name as one key, whatever the order of its words.
pub fn whole_name(words: &[Word]) -> String {
    let mut folded: Vec<&str> = words.iter().map(Word::folded).collect();
    folded.sort_unstable();
    folded.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{answers, whole_name, words_of};

    #[test]
    fn words_are_compared_in_any_order_with_marks_only_where_they_are_written() {
        let name = words_of("Nguyễn Thị Đào");
        for asked in ["nguyễn thị đào", "dao NGUYEN", "Đào", "thi dao nguyen", "Đào Nguyen"] {
            assert!(answers(&words_of(asked), &name), "{asked}");
        }
        assert!(answers(&words_of("Hoà Thuý"), &words_of("Thúy Hòa")), "two styles of one spelling");
        for asked in ["Nguyện", "đao", "dao van", "nguyenthi"] {
            assert!(!answers(&words_of(asked), &name), "{asked}");
        }
        // Decomposed letters are the same letters.
        assert!(answers(&words_of("Nguye\u{302}\u{303}n"), &name));
    }

    #[test]
    fn a_whole_name_does_not_depend_on_the_order_of_its_words() {
        assert_eq!(whole_name(&words_of("Trần Văn An")), "an tran van");
        assert_eq!(whole_name(&words_of("an, TRAN van")), "an tran van");
    }

    #[test]
    fn what_is_no_letter_is_no_word() {
        assert!(words_of("% _ -- !").is_empty());
        assert!(words_of("\u{301} \u{2260} =\u{338}").is_empty(), "marks on no letter");
        assert_eq!(words_of("Tô-ma").len(), 2);
        assert_eq!(words_of(&"a ".repeat(100)).len(), super::MAX_WORDS);
        assert_eq!(words_of(&"ă".repeat(100))[0].folded().len(), 48);
    }
}
