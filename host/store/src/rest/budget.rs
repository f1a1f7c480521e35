//! What an answer may take: rows and bytes, counted while rows are read, so that a larger answer is never made. And what a
//! change may.

use resly_rest::{RestError, limits};

/// What an answer may still take.
pub(super) struct Budget {
    rows: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { rows: limits::ALL_ROWS, bytes: limits::BYTES }
    }
}

impl Budget {
    pub fn take_row(&mut self) -> Result<(), RestError> {
        self.rows = self.rows.checked_sub(1).ok_or_else(|| {
            RestError::too_much(format!("the answer has more than {} rows, embedded ones included", limits::ALL_ROWS))
                .hint("Set a limit, also on what is embedded: `relation.limit=10`.")
        })?;
        Ok(())
    }

    pub fn take_bytes(&mut self, bytes: usize) -> Result<(), RestError> {
        self.bytes = self.left(bytes)?;
        Ok(())
    }

    /// The bytes that are left beside those of a row that is being made.
    pub fn left(&self, bytes: usize) -> Result<usize, RestError> {
        self.bytes.checked_sub(bytes).ok_or_else(Self::spent)
    }

    pub fn spent() -> RestError {
        RestError::too_much(format!("the answer is larger than {} MiB", limits::BYTES >> 20))
            .hint("Select fewer columns, or set a limit.")
    }
}

/// Refuses a write of rows with more bytes than one may have.
pub(super) fn check_written(bytes: u64) -> Result<(), RestError> {
    if bytes <= limits::WRITTEN_BYTES {
        return Ok(());
    }
    let most = limits::WRITTEN_BYTES >> 20;
    Err(RestError::too_much(format!("the rows to change have more than {most} MiB, with the values that are set"))
        .details(format!("They have {bytes} bytes. Nothing was written."))
        .hint("Change fewer rows at a time. Another condition, such as one on created_at, narrows them."))
}
