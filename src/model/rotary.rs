//! Rotary positions: the angle of each pair of channels at each position.

/// How the frequencies are stretched for contexts longer than those of training.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// All by one factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// By a larger base, which grows with the sequence once that is longer than the context of training (dynamic NTK).
    Dynamic {
        /// The factor.
        factor: f64,
        /// The context length of training.
        original: f64,
    },
    /// Low frequencies by a factor, high ones not at all, between two bounds by degrees; YaRN (arXiv 2309.00071).
    Yarn {
        /// The factor.
        factor: f64,
        /// The pair of channels up to which nothing is stretched.
        low: f64,
        /// The pair from which all is.
        high: f64,
        /// What cosines and sines are multiplied by.
        attention: f64,
    },
    /// Low frequencies by a factor, high ones not at all, those between by degrees (LLaMA 3.1).
    Llama3 {
        /// The factor.
        factor: f64,
        /// Waves longer than `original / low` are stretched fully.
        low: f64,
        /// Waves shorter than `original / high` are left alone.
        high: f64,
        /// The context length of training.
        original: f64,
    },
    /// Each frequency by its own factor, another one beyond the original context (Phi-3).
    Long {
        /// The factors up to the original length.
        short: Vec<f64>,
        /// The factors beyond it.
        long: Vec<f64>,
        /// The context length of training.
        original: usize,
        /// What cosines and sines are multiplied by.
        attention: f64,
    },
}

/// How queries and keys are rotated.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotary {
    /// The base of the wavelengths.
    pub theta: f64,
    /// How many of a head's channels are rotated; an even number.
    pub size: usize,
    /// How the frequencies are stretched.
    pub scaling: Scaling,
}

impl Rotary {
    /// Returns cosines and sines, each `[length, size / 2]` row-major.
    ///
    /// Frequencies and angles are rounded to f32 on the way, as transformers computes them: models were trained so.
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

    /// Returns up to which length of a sequence its angles do not depend on how long it is.
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
                        // Two equal bounds are a step.
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
