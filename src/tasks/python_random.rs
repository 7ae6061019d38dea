//! Python's random number generator, bit for bit, because it draws the few-shot examples.

/// CPython's `random.Random`: the Mersenne Twister, with `sample` and `choices`.
#[derive(Clone, Debug)]
pub struct PythonRandom {
    state: [u32; SIZE],
    at: usize,
}

const SIZE: usize = 624;
const MIDDLE: usize = 397;

impl PythonRandom {
    /// Returns the generator of `random.Random(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [0_u32; SIZE];
        state[0] = 19_650_218;
        for at in 1..SIZE {
            let before = state[at - 1] ^ (state[at - 1] >> 30);
            state[at] = before.wrapping_mul(1_812_433_253).wrapping_add(at as u32);
        }
        let mut place = 1;
        let wrap = |state: &mut [u32; SIZE], place: &mut usize| {
            *place += 1;
            if *place >= SIZE {
                state[0] = state[SIZE - 1];
                *place = 1;
            }
        };
        for _ in 0..SIZE {
            let before = state[place - 1] ^ (state[place - 1] >> 30);
            // The key consists of the seed alone.
            state[place] = (state[place] ^ before.wrapping_mul(1_664_525)).wrapping_add(seed);
            wrap(&mut state, &mut place);
        }
        for _ in 0..SIZE - 1 {
            let before = state[place - 1] ^ (state[place - 1] >> 30);
            state[place] = (state[place] ^ before.wrapping_mul(1_566_083_941)).wrapping_sub(place as u32);
            wrap(&mut state, &mut place);
        }
        state[0] = 0x8000_0000;
        Self { state, at: SIZE }
    }

    /// Returns the next 32 random bits.
    pub fn bits(&mut self) -> u32 {
        if self.at == SIZE {
            self.twist();
        }
        let mut bits = self.state[self.at];
        self.at += 1;
        bits ^= bits >> 11;
        bits ^= (bits << 7) & 0x9d2c_5680;
        bits ^= (bits << 15) & 0xefc6_0000;
        bits ^ (bits >> 18)
    }

    fn twist(&mut self) {
        for at in 0..SIZE {
            let joined = (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % SIZE] & 0x7fff_ffff);
            let turned = (joined >> 1) ^ if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[at] = self.state[(at + MIDDLE) % SIZE] ^ turned;
        }
        self.at = 0;
    }

    /// Returns a number below `count`, as `_randbelow` does; 0 if `count` is 0.
    pub fn below(&mut self, count: u32) -> u32 {
        let bits = u32::BITS - count.leading_zeros();
        if bits == 0 {
            return 0;
        }
        loop {
            let drawn = self.bits() >> (32 - bits);
            if drawn < count {
                return drawn;
            }
        }
    }

    /// Returns a number in [0, 1), as `random()` does.
    pub fn share(&mut self) -> f64 {
        let (high, low) = (self.bits() >> 5, self.bits() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// Returns `count` distinct indices below `all` in the order of `sample(range(all), count)`; `None` if
    /// `count` exceeds `all`.
    pub fn sample(&mut self, all: u32, count: u32) -> Option<Vec<u32>> {
        if count > all {
            return None;
        }
        // The largest list that Python draws from directly; beyond it, a set of the drawn indices is smaller.
        let mut room: u64 = 21;
        if count > 5 {
            let mut power: u64 = 1;
            while power < 3 * u64::from(count) {
                power *= 4;
            }
            room += power;
        }
        let mut drawn = Vec::with_capacity(count as usize);
        if u64::from(all) <= room {
            let mut pool: Vec<u32> = (0..all).collect();
            for round in 0..count {
                let place = self.below(all - round) as usize;
                drawn.push(pool[place]);
                pool[place] = pool[(all - round - 1) as usize];
            }
        } else {
            for _ in 0..count {
                let mut place = self.below(all);
                while drawn.contains(&place) {
                    place = self.below(all);
                }
                drawn.push(place);
            }
        }
        Some(drawn)
    }

    /// Returns an index below `all`, drawn as in `choices`.
    pub fn choice(&mut self, all: usize) -> usize {
        (self.share() * all as f64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_python() {
        let mut random = PythonRandom::new(1234);
        let bits: Vec<u32> = (0..4).map(|_| random.bits()).collect();
        assert_eq!(bits, [4_150_886_329, 3_342_196_574, 1_892_932_127, 501_869_158]);
    }

    #[test]
    fn samples_are_those_of_python() {
        let mut random = PythonRandom::new(1234);
        let mut draw = || random.sample(7473, 5).unwrap();
        assert_eq!(draw(), [6374, 3610, 957, 61, 742]);
        assert_eq!(draw(), [7462, 6610, 4769, 286, 5501]);
        assert_eq!(draw(), [5677, 687, 806, 6279, 2905]);
        let mut random = PythonRandom::new(0);
        let choices: Vec<usize> = (0..5).map(|_| random.choice(5153)).collect();
        assert_eq!(choices, [4351, 3905, 2167, 1334, 2634]);
    }

    #[test]
    fn small_pools_and_large_samples_are_drawn_as_in_python() {
        // random.Random(7).sample(range(20), 6), and (range(30), 8) and (range(400), 30) after it.
        let mut random = PythonRandom::new(7);
        assert_eq!(random.sample(20, 6).unwrap(), SMALL);
        assert_eq!(random.sample(30, 8).unwrap(), MIDDLING);
        assert_eq!(random.sample(400, 30).unwrap()[..5], LARGE);
        assert_eq!(random.sample(3, 4), None);
    }

    const SMALL: [u32; 6] = [10, 4, 12, 1, 2, 13];
    const MIDDLING: [u32; 8] = [17, 3, 11, 18, 1, 16, 6, 25];
    const LARGE: [u32; 5] = [44, 222, 214, 35, 123];
}
