//! A sound in memory.

use crate::error::{Error, Result};

/// A sound in memory: channels of equal length, full scale at ±1.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    rate: u32,
    channels: Vec<Vec<f32>>,
}

impl Sound {
    /// A sound of `rate` samples per second; `channels[c][n]` is channel c at the time n / rate.
    ///
    /// # Errors
    /// For a rate of 0, for no channels, and for channels of different lengths.
    pub fn new(rate: u32, channels: Vec<Vec<f32>>) -> Result<Sound> {
        if rate == 0 {
            return Err(Error::setting("a sound has a rate of at least 1 Hz"));
        }
        let Some(first) = channels.first() else { return Err(Error::setting("a sound has at least one channel")) };
        if let Some(c) = channels.iter().position(|c| c.len() != first.len()) {
            return Err(Error::setting(format!(
                "channel {c} has {} samples, channel 0 has {}: channels have equal lengths",
                channels[c].len(),
                first.len()
            )));
        }
        Ok(Sound { rate, channels })
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The channels, at least one, all of the same length.
    pub fn channels(&self) -> &[Vec<f32>] {
        &self.channels
    }

    /// The channels, taken out.
    pub fn into_channels(self) -> Vec<Vec<f32>> {
        self.channels
    }

    /// Samples per channel.
    pub fn len(&self) -> usize {
        self.channels[0].len()
    }

    /// True if there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length in seconds.
    pub fn seconds(&self) -> f64 {
        self.len() as f64 / f64::from(self.rate)
    }

    /// The mean of the channels.
    pub fn mono(&self) -> Vec<f32> {
        let scale = 1.0 / self.channels.len() as f64;
        let mean = |n: usize| (self.channels.iter().map(|c| f64::from(c[n])).sum::<f64>() * scale) as f32;
        (0..self.len()).map(mean).collect()
    }

    /// The largest absolute value of any sample, 0 for a sound without samples.
    pub fn peak(&self) -> f32 {
        self.channels.iter().flatten().fold(0.0, |peak, x| peak.max(x.abs()))
    }
}
