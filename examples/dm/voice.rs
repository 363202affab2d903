//! A voice note: somebody hums.

use std::time::Duration;

/// How often the sound is measured a second.
const RATE: u32 = 8000;

/// How long it is.
const SAMPLES: u32 = RATE * 3 / 2;

/// How many steps its waveform has.
const STEPS: usize = 24;

/// A sound, and what is shown of it before it is there.
pub(crate) struct Voice {
    /// A WAV file.
    pub(crate) file: Vec<u8>,
    pub(crate) duration: Duration,
    pub(crate) waveform: Vec<u8>,
}

impl Voice {
    /// Three notes, each louder than the one before.
    pub(crate) fn hum() -> Self {
        let sample = |number: u32| {
            let time = number as f32 / RATE as f32;
            let note = [196.0, 247.0, 294.0][(number * 3 / SAMPLES) as usize];
            let volume = (time * std::f32::consts::TAU).sin().abs() * (0.3 + 0.45 * time);
            128 + (127.0 * volume * (time * note * std::f32::consts::TAU).sin()) as i32
        };
        let samples: Vec<u8> =
            (0..SAMPLES).map(|number| sample(number).clamp(0, 255) as u8).collect();
        let loudest = |step: &[u8]| step.iter().map(|sample| sample.abs_diff(128)).max();
        let steps = samples.chunks(samples.len() / STEPS);
        let waveform = steps.map(|step| loudest(step).unwrap_or(0).saturating_mul(2)).collect();
        let duration = Duration::from_millis(u64::from(SAMPLES) * 1000 / u64::from(RATE));
        Self { file: wav(&samples), duration, waveform }
    }
}

/// A WAV file of one channel, a byte a sample.
fn wav(samples: &[u8]) -> Vec<u8> {
    let number = |number: u32| number.to_le_bytes();
    let mut file = b"RIFF".to_vec();
    file.extend(number(36 + SAMPLES));
    file.extend(b"WAVEfmt ");
    file.extend(number(16));
    file.extend([1, 0, 1, 0]);
    file.extend(number(RATE));
    file.extend(number(RATE));
    file.extend([1, 0, 8, 0]);
    file.extend(b"data");
    file.extend(number(SAMPLES));
    file.extend(samples);
    file
}
