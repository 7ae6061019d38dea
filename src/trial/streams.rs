//! Streams of random numbers derived from a seed.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// A separate random stream for each proposal, so that the draws of one do not affect the next.
#[derive(Clone, Debug)]
pub struct Streams {
    seed: u64,
    made: u64,
}

impl Streams {
    /// Starts with the first stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed, made: 0 }
    }

    /// Returns the next stream.
    pub fn next_stream(&mut self) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.made);
        self.made += 1;
        random
    }
}
