//! A place on earth.

use super::ContentError;
use super::secret_text::SecretText;
use crate::wire::content as raw;

/// A degree, in the unit of the wire.
const DEGREE: i32 = 10_000_000;

/// The longest name of a place, in bytes: a line or two.
const MAX_PLACE_LEN: usize = 300;

/// A place on earth (WGS 84).
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    latitude: i32,
    longitude: i32,
    accuracy: u32,
    name: SecretText,
}

impl Location {
    /// The place so many ten-millionths of a degree north and east: about a centimetre each.
    /// One that is not on earth is refused when it is sent.
    #[must_use]
    pub fn at(latitude_e7: i32, longitude_e7: i32) -> Self {
        let (latitude, longitude) = (latitude_e7, longitude_e7);
        Self { latitude, longitude, accuracy: 0, name: SecretText::default() }
    }

    /// The same, within so many metres.
    #[must_use]
    pub fn within(mut self, metres: u32) -> Self {
        self.accuracy = metres;
        self
    }

    /// The same with a name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = SecretText::new(name);
        self
    }

    /// In ten-millionths of a degree, north.
    #[must_use]
    pub fn latitude_e7(&self) -> i32 {
        self.latitude
    }

    /// In ten-millionths of a degree, east.
    #[must_use]
    pub fn longitude_e7(&self) -> i32 {
        self.longitude
    }

    /// Within how many metres it is; `None`: not known.
    #[must_use]
    pub fn accuracy(&self) -> Option<u32> {
        (self.accuracy != 0).then_some(self.accuracy)
    }

    /// What it is called; empty if it has no name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The name and an address by which maps find it (RFC 5870).
    pub(super) fn summary(&self) -> String {
        let degrees = |e7: i32| {
            let sign = if e7 < 0 { "-" } else { "" };
            let (whole, rest) = (e7.unsigned_abs() / 10_000_000, e7.unsigned_abs() % 10_000_000);
            format!("{sign}{whole}.{rest:07}")
        };
        let place = format!("geo:{},{}", degrees(self.latitude), degrees(self.longitude));
        if self.name.is_empty() { place } else { format!("{} {place}", self.name()) }
    }

    pub(super) fn check(&self) -> Result<(), ContentError> {
        let Self { latitude, longitude, accuracy: _, name } = self;
        let [north, east] = [90, 180].map(|degrees: i32| DEGREE.saturating_mul(degrees));
        let on_earth = (-north..=north).contains(latitude) && (-east..=east).contains(longitude);
        if !on_earth {
            return Err(ContentError::Rule("a place is on earth"));
        }
        name.check("bytes of a place's name", MAX_PLACE_LEN)
    }

    pub(super) fn from_raw(raw: &raw::Location) -> Self {
        let raw::Location { latitude, longitude, accuracy, name } = raw;
        Self::at(*latitude, *longitude).within(*accuracy).named(name.as_str())
    }

    pub(super) fn to_raw(&self) -> raw::Location {
        let Self { latitude, longitude, accuracy, name } = self;
        raw::Location {
            latitude: *latitude,
            longitude: *longitude,
            accuracy: *accuracy,
            name: name.to_raw(),
        }
    }
}
