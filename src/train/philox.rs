//! Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). A number
//! is a function of seed, purpose and position, so that a stream is the same on every device and restored by one integer.

/// What a stream's numbers are for; each purpose has a stream of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial parameters.
    Initialisation = 1,
    /// The order of the training images.
    Shuffling = 2,
    /// Which activations are dropped.
    Dropout = 3,
    /// Which images are shifted, and where to.
    Augmentation = 4,
}

/// A stream of random words, and how far it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generator {
    /// Of the whole run.
    pub seed: u64,
    purpose: Purpose,
    /// Blocks of four words that were taken.
    pub position: u64,
}

impl Generator {
    /// A stream at its begin.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self::at(seed, purpose, 0)
    }

    /// A stream of which `position` blocks were taken.
    pub fn at(seed: u64, purpose: Purpose, position: u64) -> Self {
        Self { seed, purpose, position }
    }

    /// The next `count` words. Those that are left over of the last block are not used again.
    pub fn words(&mut self, count: usize) -> Vec<u32> {
        let mut words = Vec::with_capacity(count.next_multiple_of(4));
        for _ in 0..count.div_ceil(4) {
            words.extend(block(self.seed, self.purpose as u32, self.position));
            self.position = self.position.wrapping_add(1);
        }
        words.truncate(count);
        words
    }

    /// The stream from here on, of which `count` words are taken: they count as taken here.
    pub fn take(&mut self, count: usize) -> Self {
        let from_here = *self;
        self.position = self.position.wrapping_add(count.div_ceil(4) as u64);
        from_here
    }

    /// What the numbers are for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// 0 to `count` − 1 in random order (Fisher and Yates). The bias of a choice among n is below n ÷ 2^32.
    pub fn permutation(&mut self, count: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..count).collect();
        let words = self.words(count as usize);
        for (last, word) in (1..count as usize).rev().zip(words) {
            let choice = (u64::from(word) * (last as u64 + 1)) >> 32;
            order.swap(last, choice as usize);
        }
        order
    }
}

/// A word as a number in [0, 1): its upper 24 bits, exactly.
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * 2f32.powi(-24)
}

/// The four words at `position` of a stream.
pub fn block(seed: u64, purpose: u32, position: u64) -> [u32; 4] {
    let halves = |word: u64| [word as u32, (word >> 32) as u32];
    let [low, high] = halves(position);
    philox([low, high, 0, purpose], halves(seed))
}

/// Ten rounds of Philox4x32.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let product = |a: u32, b: u32| {
        let product = u64::from(a) * u64::from(b);
        ((product >> 32) as u32, product as u32)
    };
    for _ in 0..10 {
        let [a, b, c, d] = counter;
        let ((high0, low0), (high1, low1)) = (product(0xd251_1f53, a), product(0xcd9e_8d57, c));
        counter = [high1 ^ b ^ key[0], low1, high0 ^ d ^ key[1], low0];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the file `kat_vectors` that Random123 comes with.
    #[test]
    fn known_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, answer) in cases {
            assert_eq!(philox(counter, key), answer);
        }
    }

    #[test]
    fn streams_differ_and_go_on_from_their_position() {
        let mut whole = Generator::new(7, Purpose::Dropout);
        let mut parts = whole;
        let words = whole.words(24);
        let first = parts.words(8);
        let mut resumed = Generator::at(7, Purpose::Dropout, parts.position);
        assert_eq!([first, resumed.words(16)].concat(), words);
        let mut taken = Generator::new(7, Purpose::Dropout);
        // What is left of the last block is not used again.
        assert_eq!(taken.take(7).words(7), words[..7]);
        assert_eq!(taken.words(16), words[8..]);
        for other in [Generator::new(8, Purpose::Dropout), Generator::new(7, Purpose::Shuffling)] {
            let mut other = other;
            assert_ne!(other.words(24), words);
        }
    }

    #[test]
    fn permutations_have_every_number_once() {
        let mut generator = Generator::new(1, Purpose::Shuffling);
        let (first, second) = (generator.permutation(1000), generator.permutation(1000));
        assert_ne!(first, second);
        for mut order in [first, second] {
            order.sort_unstable();
            assert!(order.into_iter().eq(0..1000));
        }
    }

    #[test]
    fn units_are_below_one() {
        assert_eq!((unit(0), unit(u32::MAX)), (0.0, 1.0 - 2f32.powi(-24)));
    }
}
