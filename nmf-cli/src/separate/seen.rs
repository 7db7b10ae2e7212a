//! Which frames of a sound are factored: all, or excerpts of a long one.

use super::mixture::Mixture;
use std::ops::Range;

/// Frames that are factored together: of a longer sound, stretches spread evenly over it teach the bases, and what sounds when is
/// then found stretch by stretch.
pub(super) const MOST_FRAMES: usize = 24_576;
/// Length of those stretches.
pub(super) const EXCERPT: usize = 1024;

/// Which frames of the sound the columns of X are.
pub(crate) struct Seen {
    /// In order.
    pub(crate) stretches: Vec<Range<usize>>,
    /// Whether they are all there are.
    pub(crate) whole: bool,
}

impl Seen {
    /// All frames of a sound, or excerpts of a long one.
    pub(super) fn of(frames: usize, most: usize) -> Seen {
        if frames <= most {
            return Seen { stretches: std::iter::once(0..frames).collect(), whole: true };
        }
        let count = most / EXCERPT;
        let start = |i: usize| (frames - EXCERPT) * i / (count - 1).max(1);
        Seen { stretches: (0..count).map(|i| start(i)..start(i) + EXCERPT).collect(), whole: false }
    }

    /// The columns of X that are among `frames`.
    pub(crate) fn columns(&self, frames: &Range<usize>) -> Vec<Range<usize>> {
        let mut before = 0;
        let mut found = Vec::new();
        for stretch in &self.stretches {
            let (from, to) = (frames.start.max(stretch.start), frames.end.min(stretch.end));
            if from < to {
                found.push(before + from - stretch.start..before + to - stretch.start);
            }
            before += stretch.len();
        }
        found
    }
}

/// Frames that are factored together: [`MOST_FRAMES`], fewer where they are long.
pub(super) fn most_frames(mixture: &Mixture) -> usize {
    ((1 << 26) / mixture.stft.bins()).clamp(2 * EXCERPT, MOST_FRAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sounds_are_seen_in_excerpts() {
        let all = Seen::of(100, 200);
        assert!(all.whole && all.columns(&(20..30))[0] == (20..30));
        let some = Seen::of(100_000, 4 * EXCERPT);
        assert!(!some.whole && some.stretches.len() == 4);
        assert_eq!((some.stretches[0].start, some.stretches[3].end), (0, 100_000));
        // the first half of the first excerpt, and all of the second one
        let second = some.stretches[1].clone();
        assert_eq!(some.columns(&(0..512))[0], 0..512);
        assert_eq!(some.columns(&(second.start..second.end + 5))[0], EXCERPT..2 * EXCERPT);
    }
}
