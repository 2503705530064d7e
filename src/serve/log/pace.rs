//! The pace that readers set: how far the world may be ahead of what they have read.

use super::{Log, State};

/// Rows that the world may be ahead of its readers where they set its pace.
const AHEAD: u64 = 1 << 14;

impl Log {
    /// Whether readers have read too little for the world to go on at their pace.
    #[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no last digit")]
    pub(super) fn is_ahead(&self, state: &State) -> bool {
        let Some(ratio) = self.config.samples_per_insert else { return false };
        // Rows that were gone before anybody came to them will never be read, nor will those that
        // streams missed: to wait for them would be to wait for ever.
        let made = state.end - state.gone;
        let due = made.saturating_sub(AHEAD) as f64 * ratio;
        due > (state.stats.rows_read + state.stats.dropped) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use arrow::array::{ArrayRef, Int32Array, RecordBatch, UInt64Array};
    use datasets::live::{LiveBatch, one_ruleset};

    use super::*;
    use crate::serve::{
        log::{Found, LogConfig, Wait},
        ticket::{Form, Slow},
    };

    fn batch(rows: usize) -> LiveBatch {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![0; rows]));
        LiveBatch {
            rows: RecordBatch::try_from_iter([("step", column)]).unwrap(),
            games: UInt64Array::from(vec![0; rows]),
            rulesets: one_ruleset("generals", rows),
        }
    }

    #[test]
    fn the_world_does_not_wait_for_rows_that_nobody_can_read_any_more() {
        let rows = usize::try_from(AHEAD).unwrap();
        let log = Log::new(LogConfig {
            capacity: 5 * rows,
            readers_at_most: 1,
            patience: Duration::from_secs(1),
            samples_per_insert: Some(1.0),
            spill_grace: None,
        });
        // Rows of live games do not wait for readers. The ring holds one of these batches, or two.
        for _ in 0..8 {
            log.publish(batch(rows), Wait::Never);
        }
        assert!(log.lock().gone > 5 * AHEAD);
        let mut reader = log.open(None, Slow::Block, &Form::default()).unwrap();
        while matches!(reader.read(usize::MAX).unwrap(), Found::Rows(..)) {}
        let state = log.lock();
        assert!(!log.is_ahead(&state), "all that can be read is read");
    }
}
