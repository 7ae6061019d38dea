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
            Scaling::Long { attention, .. } => *attention as f32,
            _ => 1.0,
        };
        (0..length)
            .flat_map(|position| frequencies.iter().map(move |it| position as f32 * it))
            .map(|angle| (angle.cos() * amplitude, angle.sin() * amplitude))
            .unzip()
    }

    fn frequencies(&self, length: usize) -> Vec<f32> {
        let half = self.size / 2;
        (0..half)
            .map(|pair| {
                let exponent = (2 * pair) as f32 / self.size as f32;
                let plain = 1.0 / (self.theta as f32).powf(exponent);
                match &self.scaling {
                    Scaling::None => plain,
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
                    Scaling::Long { short, long, original, .. } => {
                        let factors = if length > *original { long } else { short };
                        factors.get(pair).map_or(plain, |&it| plain / it as f32)
                    }
                }
            })
            .collect()
    }
}
