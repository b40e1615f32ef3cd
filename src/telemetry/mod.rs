//! Metrics and logs. Floor 1.

mod cells;
mod log_writer;
mod logs;
mod metrics;
mod table;

pub use cells::{Counter, Gauge, Histogram};
pub use logs::{LogError, LogGuard, LogStyle, short_id, start_logs};
pub use metrics::Metrics;
pub use table::{Kind, Spec, TABLE, WorkerMetrics, docs_page};
