//! The one error of the workspace's libraries: what was expected, what was found, and where.

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a matrix and its factorization.
///
/// Rows and columns are counted from 0, as in the library's indices.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The matrix has no row or no column.
    #[error("the matrix is empty ({rows}×{cols}): at least one row and one column are needed")]
    Empty {
        /// Rows found.
        rows: usize,
        /// Columns found.
        cols: usize,
    },
    /// An entry is below zero.
    #[error("{what} has a negative entry {value} at row {row}, column {col} (counted from 0): NMF needs values ≥ 0")]
    Negative {
        /// Which matrix.
        what: &'static str,
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        col: usize,
        /// The entry.
        value: f64,
    },
    /// An entry is NaN or infinite.
    #[error(
        "{what} has the entry {value} at row {row}, column {col} (counted from 0): only finite values can be factored"
    )]
    NotFinite {
        /// Which matrix.
        what: &'static str,
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        col: usize,
        /// The entry.
        value: f64,
    },
    /// Every entry is zero: any W·H with a zero factor is exact and nothing can be learned.
    #[error("every entry of the matrix is zero: there is nothing to factor")]
    AllZero,
    /// A loss that is infinite at zero met a zero.
    #[error(
        "the {loss} loss needs entries > 0, but {count} of {total} are zero (the first at row {row}, column {col}): raise them with a floor, use only stored entries, or take kl"
    )]
    ZeroEntry {
        /// Name of the loss.
        loss: String,
        /// How many entries are zero.
        count: u64,
        /// How many entries there are.
        total: u64,
        /// Row of the first zero.
        row: usize,
        /// Column of the first zero.
        col: usize,
    },
    /// A rank that cannot be used.
    #[error("rank k = {rank} cannot be used: {reason}")]
    Rank {
        /// The rank asked for.
        rank: usize,
        /// Why not.
        reason: String,
    },
    /// Two shapes that must agree do not.
    #[error("{what} has shape {}×{}, expected {}×{}", found.0, found.1, expected.0, expected.1)]
    Shape {
        /// Which matrix.
        what: &'static str,
        /// The shape that would be accepted (rows, columns).
        expected: (usize, usize),
        /// The shape found (rows, columns).
        found: (usize, usize),
    },
    /// An option or a combination of options that cannot be honoured.
    #[error("{0}")]
    Unsupported(String),
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
    /// A snapshot that belongs to another factorization, or to none.
    #[error("the snapshot does not fit: {what} is {found}, expected {expected}")]
    Snapshot {
        /// What differs.
        what: String,
        /// What the snapshot says.
        found: String,
        /// What this factorization says.
        expected: String,
    },
    /// The device has too little memory. X that does not fit is refused before anything is uploaded.
    #[error(
        "{what} needs {needed} bytes on the device, {available} are available: use the CPU, fewer components or a smaller matrix"
    )]
    OutOfMemory {
        /// What was to be stored.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
    },
    /// The device or its driver failed; what was computed since the last read is lost.
    #[error("device error: {0}")]
    Device(String),
    /// One of many factorizations failed.
    #[error("{what}: {source}")]
    Within {
        /// Which.
        what: String,
        /// How.
        source: Box<Error>,
    },
    /// Finished work could not be kept or read back.
    #[error("{0}")]
    Archive(String),
    /// The iteration left the finite numbers.
    #[error("the objective became {value} at iteration {iteration}: {advice}")]
    Diverged {
        /// The objective found.
        value: f64,
        /// Iteration at which it was seen.
        iteration: usize,
        /// What to try.
        advice: &'static str,
    },
}

impl Error {
    /// `Err(Shape)` unless `found == expected`.
    pub fn check_shape(what: &'static str, expected: (usize, usize), found: (usize, usize)) -> Result<()> {
        if expected == found { Ok(()) } else { Err(Error::Shape { what, expected, found }) }
    }
}
