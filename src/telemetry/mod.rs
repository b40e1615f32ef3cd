//! Metrics and logs. Floor 1.

mod cells;
mod escaping;
mod log_writer;
mod logs;
mod metrics;
mod process;
mod table;

pub use cells::{Counter, Gauge, Histogram};
pub use logs::{LogError, LogGuard, LogStyle, short_id, start_logs};
pub use metrics::Metrics;
pub use process::{PROCESS_TABLE, ProcessFigures};
pub use table::{Kind, Spec, TABLE, WorkerMetrics, docs_page};
