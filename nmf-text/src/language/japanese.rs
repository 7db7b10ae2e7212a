//! Japanese: words by a dictionary, and what grammar tells about the ends of words.

use icu_segmenter::options::WordBreakInvariantOptions;
use icu_segmenter::{WordSegmenter, WordSegmenterBorrowed};

/// Splits Japanese texts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Japanese(WordSegmenterBorrowed<'static>);

/// Hiragana that may stand before a Chinese character or katakana within a word: the endings of verbs in compounds
/// (書き込み, 取り出す, 組み合わせ, 問い合わせ) and the polite prefixes お, ご, み. Behind all others a word ends.
const INSIDE: &str = "いきぎしじちぢみびりえけげせぜねべめれおご";

/// Hiragana after a lone Chinese character that leave it a noun (人が, 値を). Others make it the stem of a verb or an
/// adjective (使|わ, 読|ん), which the dictionary has in its basic form only.
const PARTICLES: [&str; 20] = [
    "を", "の", "に", "は", "が", "で", "と", "も", "へ", "や", "から", "まで", "より", "だけ", "など", "しか", "ほど",
    "ずつ", "さえ", "こそ",
];

fn hiragana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{309f}')
}

fn katakana(c: char) -> bool {
    matches!(c, '\u{30a0}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}')
}

fn ideograph(c: char) -> bool {
    super::Chinese::is_own(c) || matches!(c, '々' | '〆' | '〇')
}

impl Japanese {
    pub(crate) fn new() -> Self {
        Japanese(WordSegmenter::new_dictionary(WordBreakInvariantOptions::default()))
    }

    /// True for the characters it splits.
    pub(crate) fn is_own(c: char) -> bool {
        hiragana(c) || katakana(c) || ideograph(c)
    }

    /// Hands over the words of `run`, which holds none but [`is_own`](Self::is_own) characters. No words are: one or
    /// two hiragana (particles, endings, and what the dictionary makes of inflected verbs), one katakana, and stems of
    /// verbs.
    pub(crate) fn each<'t>(self, run: &'t str, mut visit: impl FnMut(&'t str)) {
        let (mut start, mut before) = (0, None);
        for (at, c) in run.char_indices() {
            // the dictionary's longest match would otherwise take 場 from った場|合 and 内 from の内|容
            if !hiragana(c) && before.is_some_and(|b| hiragana(b) && !INSIDE.contains(b)) {
                self.piece(run, start, at, &mut visit);
                start = at;
            }
            before = Some(c);
        }
        self.piece(run, start, run.len(), &mut visit);
    }

    /// The words of `run[start..end]`.
    fn piece<'t>(self, run: &'t str, start: usize, end: usize, visit: &mut impl FnMut(&'t str)) {
        let Some(text) = run.get(start..end) else { return };
        let mut from = 0;
        for to in self.0.segment_str(text) {
            if let Some(word) = text.get(from..to).and_then(|w| word(w, text.get(to..).unwrap_or(""))) {
                visit(word);
            }
            from = to;
        }
    }
}

/// What of a segment is a word, if anything; `next` is the text behind it.
fn word<'t>(segment: &'t str, next: &str) -> Option<&'t str> {
    // entries such as をめぐる and 中の are two words
    let segment = segment.strip_prefix('を').unwrap_or(segment);
    let segment = if segment.chars().all(hiragana) { segment } else { segment.strip_suffix('の').unwrap_or(segment) };
    let mut characters = segment.chars();
    let (first, second, third) = (characters.next()?, characters.next(), characters.next());
    match (second, third) {
        (None, _) => {
            let noun = !next.starts_with(hiragana) || PARTICLES.iter().any(|p| next.starts_with(p));
            (ideograph(first) && noun).then_some(segment)
        }
        (Some(second), None) => (!hiragana(first) || !hiragana(second)).then_some(segment),
        _ => Some(segment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        Japanese::new().each(text, |w| out.push(w));
        out
    }

    #[test]
    fn compounds_are_split() {
        assert_eq!(
            words("教師データがなくてもデータだけから構造を取り出せる"),
            ["教師", "データ", "データ", "構造", "取り出せる"]
        );
        assert_eq!(words("機械学習や信号処理"), ["機械", "学習", "信号", "処理"]);
        assert_eq!(
            words("アフリカの天然資源をめぐる産業の発展"),
            ["アフリカ", "天然", "資源", "めぐる", "産業", "発展"]
        );
        assert_eq!(words("自動車メーカーの輸出企業"), ["自動車", "メーカー", "輸出", "企業"]);
    }

    #[test]
    fn words_end_before_ideographs() {
        assert_eq!(words("この内容を示した場合"), ["内容", "示し", "場合"]);
        assert_eq!(words("次の値の中の文字"), ["次", "値", "中", "文字"]);
        // but not within compound verbs
        assert_eq!(words("書き込みの問い合わせ"), ["書き込み", "問い合わせ"]);
    }

    #[test]
    fn stems_of_verbs_and_endings_are_no_words() {
        assert_eq!(words("広く使われている手法"), ["手法"]);
        assert_eq!(words("人が本を読んでいた"), ["人", "本"]);
        assert_eq!(words("これは"), [""; 0]);
        assert_eq!(words(""), [""; 0]);
    }
}
