//! What can go wrong between rows of numbers and a mixture, and where.

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every error of this crate. Rows, columns and components are counted from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No row or no column.
    #[error("the data are empty ({rows}×{cols}): at least one row and one column are needed")]
    Empty {
        /// Rows found.
        rows: usize,
        /// Columns found.
        cols: usize,
    },
    /// A value is NaN or infinite.
    #[error(
        "the data have the entry {value} at row {row}, column {col} (counted from 0): only finite values can be used"
    )]
    NotFinite {
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        col: usize,
        /// The entry.
        value: f64,
    },
    /// Values whose squares are not finite or vanish.
    #[error("column {col} (counted from 0) cannot be used: {reason}; scale it")]
    Range {
        /// The column.
        col: usize,
        /// Why not.
        reason: String,
    },
    /// All rows have one value in a column: a Gaussian's variance would be zero.
    #[error(
        "column {col} (counted from 0) holds {value} in every row of weight > 0: a Gaussian needs some spread; leave the column out"
    )]
    Constant {
        /// The column.
        col: usize,
        /// The value.
        value: f64,
    },
    /// A row's weight is negative, NaN or infinite.
    #[error("row {row} (counted from 0) has the weight {value}: weights must be finite and ≥ 0")]
    Weight {
        /// The row.
        row: usize,
        /// Its weight.
        value: f64,
    },
    /// Not one weight per row.
    #[error("{found} weights for {expected} rows: one per row is needed")]
    WeightCount {
        /// Rows.
        expected: usize,
        /// Weights.
        found: usize,
    },
    /// Fewer rows of weight > 0 than components.
    #[error("{rows} rows of weight > 0 cannot carry {components} components: at least one row for each is needed")]
    TooFewRows {
        /// Rows of weight > 0.
        rows: usize,
        /// Components (or clusters) asked for.
        components: usize,
    },
    /// A parameter outside its range.
    #[error("{name} = {value} is not accepted: {expected}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Value found.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// Data and mixture (or a given start) do not have the same number of columns or components.
    #[error("{what}: {found} found, {expected} expected")]
    Dimension {
        /// What was counted.
        what: &'static str,
        /// The number that would be accepted.
        expected: usize,
        /// The number found.
        found: usize,
    },
    /// Parameters that are no mixture.
    #[error("component {component} (counted from 0) is no Gaussian of a mixture: {reason}")]
    Component {
        /// The component.
        component: usize,
        /// Why not.
        reason: String,
    },
}
