//! How long the benches of single functions measure.

use std::time::Duration;

use criterion::Criterion;

/// About a second for each function, which tells microseconds apart well enough.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .sample_size(50)
        .without_plots()
}
