//! Rotary positions: the angle of each channel pair at each position.

/// How frequencies are stretched for contexts longer than the training context.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// No stretching.
    None,
    /// All frequencies by one factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// By a larger base, which grows with a sequence that is longer than the training context (dynamic NTK).
    Dynamic {
        /// The factor.
        factor: f64,
        /// The context length in training.
        original: f64,
    },
    /// Low frequencies by a factor, high ones unchanged, with a gradual transition between two bounds; YaRN
    /// (arXiv 2309.00071).
    Yarn {
        /// The factor.
        factor: f64,
        /// Channel pair up to which nothing is stretched.
        low: f64,
        /// Channel pair from which everything is stretched.
        high: f64,
        /// The factor that multiplies cosines and sines.
        attention: f64,
    },
    /// Low frequencies by a factor, high ones unchanged, with a gradual transition between them (LLaMA 3.1).
    Llama3 {
        /// The factor.
        factor: f64,
        /// Longer wavelengths than `original / low` are stretched fully.
        low: f64,
        /// Shorter wavelengths than `original / high` are unchanged.
        high: f64,
        /// The context length in training.
        original: f64,
    },
    /// Each frequency by its own factor, with other factors beyond the original context (Phi-3).
    Long {
        /// The factors up to the original length.
        short: Vec<f64>,
        /// The factors beyond it.
        long: Vec<f64>,
        /// The context length in training.
        original: usize,
        /// The factor that multiplies cosines and sines.
        attention: f64,
    },
}

/// How queries and keys are rotated.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotary {
    /// The base of the wavelengths.
    pub theta: f64,
    /// Number of a head's channels that are rotated; even.
    pub size: usize,
    /// How the frequencies are stretched.
    pub scaling: Scaling,
}

impl Rotary {
    /// Returns cosines and sines, each `[length, size / 2]` row-major.
    ///
    /// Frequencies and angles are rounded to f32 on the way, as in transformers, because models were trained
    /// so.
    pub fn table(&self, length: usize) -> (Vec<f32>, Vec<f32>) {
        let frequencies = self.frequencies(length);
        let amplitude = match &self.scaling {
            Scaling::Long { attention, .. } | Scaling::Yarn { attention, .. } => *attention as f32,
            Scaling::None | Scaling::Linear { .. } | Scaling::Dynamic { .. } | Scaling::Llama3 { .. } => 1.0,
        };
        (0..length)
            .flat_map(|position| frequencies.iter().map(move |it| position as f32 * it))
            .map(|angle| (angle.cos() * amplitude, angle.sin() * amplitude))
            .unzip()
    }

    /// Returns the length up to which a sequence's angles do not depend on its length.
    pub fn steady_length(&self) -> usize {
        match &self.scaling {
            Scaling::Dynamic { original, .. } => *original as usize,
            Scaling::Long { original, .. } => *original,
            Scaling::None | Scaling::Linear { .. } | Scaling::Yarn { .. } | Scaling::Llama3 { .. } => {
                usize::MAX
            }
        }
    }

    fn frequencies(&self, length: usize) -> Vec<f32> {
        let half = self.size / 2;
        let base = self.base(length);
        (0..half)
            .map(|pair| {
                let exponent = (2 * pair) as f32 / self.size as f32;
                let plain = 1.0 / base.powf(exponent);
                match &self.scaling {
                    Scaling::None | Scaling::Dynamic { .. } => plain,
                    Scaling::Linear { factor } => plain / *factor as f32,
                    Scaling::Llama3 { factor, low, high, original } => {
                        let wave = std::f64::consts::TAU / f64::from(plain);
                        let stretched = f64::from(plain) / factor;
                        if wave < original / high {
                            plain
                        } else if wave > original / low {
                            stretched as f32
                        } else {
                            let smooth = (original / wave - low) / (high - low);
                            ((1.0 - smooth) * stretched + smooth * f64::from(plain)) as f32
                        }
                    }
                    Scaling::Yarn { factor, low, high, .. } => {
                        // Two equal bounds make a step.
                        let width = if high == low { 0.001 } else { high - low };
                        let ramp = ((pair as f32 - *low as f32) / width as f32).clamp(0.0, 1.0);
                        let stretched = 1.0 / (*factor as f32 * base.powf(exponent));
                        let kept = 1.0 - ramp;
                        stretched * (1.0 - kept) + plain * kept
                    }
                    Scaling::Long { short, long, original, .. } => {
                        let factors = if length > *original { long } else { short };
                        factors.get(pair).map_or(plain, |&it| plain / it as f32)
                    }
                }
            })
            .collect()
    }

    /// Returns the base of the wavelengths for sequences of `length` tokens.
    fn base(&self, length: usize) -> f32 {
        let theta = self.theta as f32;
        match &self.scaling {
            Scaling::Dynamic { factor, original } => {
                let longest = (length as f64).max(*original);
                let grown = factor * longest / original - (factor - 1.0);
                let size = self.size as f64;
                theta * (grown as f32).powf((size / (size - 2.0)) as f32)
            }
            _ => theta,
        }
    }
}
