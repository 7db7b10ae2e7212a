//! Words to numbers: an open-addressing hash table over one long string.

/// Every word once, numbered in the order of first appearance.
#[derive(Debug, Clone)]
pub(crate) struct Interner {
    text: String,
    /// Where word `i` ends in `text`.
    ends: Vec<usize>,
    /// Upper half: upper half of the word's hash. Lower half: its number + 1, 0 for an empty slot.
    slots: Vec<u64>,
}

const K: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(h: u64, word: u64) -> u64 {
    let wide = u128::from(h ^ word) * u128::from(K);
    (wide as u64) ^ ((wide >> 64) as u64)
}

fn hash(token: &[u8]) -> u64 {
    let mut h = (token.len() as u64).wrapping_mul(K) ^ 0x2545_f491_4f6c_dd1d;
    let (words, _) = token.as_chunks::<8>();
    for word in words {
        h = mix(h, u64::from_le_bytes(*word));
    }
    // the last bytes, which may overlap with those before
    let rest = if let Some(last) = token.last_chunk::<8>() {
        u64::from_le_bytes(*last)
    } else if let (Some(first), Some(last)) = (token.first_chunk::<4>(), token.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
    } else if let [first, .., last] = token {
        u64::from(*first) << 16 | u64::from(token[token.len() / 2]) << 8 | u64::from(*last)
    } else {
        token.first().copied().map_or(0, u64::from)
    };
    mix(mix(h, rest), K)
}

impl Interner {
    pub(crate) fn new() -> Self {
        Interner { text: String::new(), ends: Vec::new(), slots: vec![0; 1 << 12] }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The word with number `id`; empty for a number not given out.
    pub(crate) fn word(&self, id: usize) -> &str {
        let start = if id == 0 { 0 } else { self.ends.get(id - 1).copied().unwrap_or(0) };
        self.ends.get(id).and_then(|&end| self.text.get(start..end)).unwrap_or("")
    }

    fn bytes(&self, id: usize) -> &[u8] {
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.text.as_bytes()[start..self.ends[id]]
    }

    /// The word's number, or the empty slot where it would go.
    fn find(&self, token: &str, h: u64) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut at = h as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot as u32 == 0 {
                return Err(at);
            }
            let id = slot as u32 - 1;
            if slot >> 32 == h >> 32 && self.bytes(id as usize) == token.as_bytes() {
                return Ok(id);
            }
            at = (at + 1) & mask;
        }
    }

    /// The word's number, if it has one.
    pub(crate) fn get(&self, token: &str) -> Option<u32> {
        self.find(token, hash(token.as_bytes())).ok()
    }

    /// The word's number, new or old; `None` when all 2³² − 2 numbers are given out.
    pub(crate) fn intern(&mut self, token: &str) -> Option<u32> {
        let h = hash(token.as_bytes());
        match self.find(token, h) {
            Ok(id) => Some(id),
            Err(at) => {
                let id = u32::try_from(self.ends.len()).ok().filter(|id| *id < u32::MAX - 1)?;
                self.text.push_str(token);
                self.ends.push(self.text.len());
                self.slots[at] = h & !0xffff_ffff | u64::from(id + 1);
                if self.ends.len() * 3 > self.slots.len() * 2 {
                    self.grow();
                }
                Some(id)
            }
        }
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        let mut slots = vec![0u64; size];
        for id in 0..self.ends.len() {
            let h = hash(self.bytes(id));
            let mut at = h as usize & (size - 1);
            while slots[at] as u32 != 0 {
                at = (at + 1) & (size - 1);
            }
            slots[at] = h & !0xffff_ffff | (id as u64 + 1);
        }
        self.slots = slots;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable_over_growth() {
        let mut interner = Interner::new();
        let words: Vec<String> = (0..50_000).map(|i| format!("w{i}")).collect();
        for (i, w) in words.iter().enumerate() {
            assert_eq!(interner.intern(w), Some(i as u32));
        }
        for (i, w) in words.iter().enumerate() {
            assert_eq!(interner.intern(w), Some(i as u32));
            assert_eq!(interner.get(w), Some(i as u32));
            assert_eq!(interner.word(i), w);
        }
        assert_eq!(interner.get("absent"), None);
        assert_eq!(interner.intern(""), Some(50_000));
        assert_eq!(interner.word(50_000), "");
        assert_eq!(interner.word(99_999), "");
    }
}
