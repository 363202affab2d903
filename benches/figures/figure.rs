//! What is measured: a value, what it is held against, and how it is printed.

use crate::floors::Part;

/// What a figure should stay below.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// The value.
    Value(f64),
    /// The value divided by its floor.
    Ratio(f64),
    /// Nothing: it is there to be seen.
    Open,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// `None` if it could not be measured.
    pub(crate) value: Option<f64>,
    pub(crate) unit: &'static str,
    pub(crate) floor: Option<f64>,
    pub(crate) bound: Bound,
    /// What the floor is the sum of.
    pub(crate) parts: Vec<Part>,
}

impl Figure {
    /// A time in nanoseconds above a sum of primitives, or above another time.
    pub(crate) fn time(
        name: &'static str,
        [value, floor]: [f64; 2],
        bound: f64,
        parts: &[Part],
    ) -> Self {
        Self {
            name,
            value: Some(value),
            unit: "ns",
            floor: Some(floor),
            bound: Bound::Ratio(bound),
            parts: parts.to_vec(),
        }
    }

    /// A time in nanoseconds above that of another implementation; `None` if that is not to
    /// be had.
    pub(crate) fn against(name: &'static str, times: Option<[f64; 2]>, bound: Bound) -> Self {
        let [value, floor] = [0, 1].map(|place| times.map(|times| times[place]));
        Self { name, value, unit: "ns", floor, bound, parts: Vec::new() }
    }

    /// A number with a bound of its own.
    pub(crate) fn count(name: &'static str, value: f64, unit: &'static str, bound: f64) -> Self {
        let bound = Bound::Value(bound);
        Self { name, value: Some(value), unit, floor: None, bound, parts: Vec::new() }
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.value? / self.floor?)
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "floor": self.floor,
            "ratio": self.ratio(),
        })
        .to_string()
    }

    /// One line of the table.
    pub(crate) fn row(&self) -> String {
        let number = |value: Option<f64>, digits| {
            value.map_or_else(String::new, |value| format!("{value:.digits$}"))
        };
        let (bound, held) = match self.bound {
            Bound::Value(limit) => {
                (format!("{limit} {}", self.unit), self.value.map(|v| v <= limit))
            }
            Bound::Ratio(limit) => (format!("ratio {limit}"), self.ratio().map(|r| r <= limit)),
            Bound::Open => (String::new(), None),
        };
        let verdict = match (self.value, held) {
            (None, _) => "not measured",
            (_, None) => "",
            (_, Some(true)) => "holds",
            (_, Some(false)) => "missed",
        };
        let value = format!("{} {}", number(self.value, 1), self.unit);
        let (floor, ratio) = (number(self.floor, 1), number(self.ratio(), 3));
        format!("{:<28} {value:>16} {floor:>10} {ratio:>7}  {bound:<14} {verdict}", self.name)
    }

    /// The table's head.
    pub(crate) fn head() -> String {
        let [name, value, floor, ratio] = ["figure", "value", "floor", "ratio"];
        format!("{name:<28} {value:>16} {floor:>10} {ratio:>7}  {:<14} verdict", "at most")
    }

    /// What the floor is made of, if it is made of primitives.
    pub(crate) fn explanation(&self) -> Option<String> {
        let parts: Vec<_> = self.parts.iter().map(Part::to_string).collect();
        (!parts.is_empty()).then(|| format!("floor of {}:\n  {}", self.name, parts.join("\n  ")))
    }
}
