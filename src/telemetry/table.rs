//! Every metric of a worker, declared once: the declaration makes the cells, what Prometheus is
//! told about them, and the table in docs/metrics.md.

use std::fmt::Write as _;

use super::cells::{Counter, Gauge, Histogram};
use super::process::PROCESS_TABLE;

/// What kind of cell a metric is, in Prometheus' terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Comes and goes.
    Gauge,
    /// Durations in fixed buckets.
    Histogram,
}

impl Kind {
    /// The word after `# TYPE`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// What is declared of one metric.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// A label that tells it from others of its name, as written: `class="2xx"`; often empty.
    pub label: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What is counted.
    pub unit: &'static str,
    /// What it tells.
    pub help: &'static str,
}

/// One cell of one worker, by kind.
pub(super) enum Cell<'a> {
    Counter(&'a Counter),
    Gauge(&'a Gauge),
    Histogram(&'a Histogram),
}

macro_rules! declare {
    ($($field:ident: $kind:ident, $name:literal, $label:literal, $unit:literal, $help:literal;)*) => {
        /// The cells of one worker, on cache lines of their own: two workers that count do not
        /// fetch each other's lines (128 bytes, as x86 fetches them in pairs).
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct WorkerMetrics {
            $(#[doc = $help] pub $field: $kind,)*
        }

        /// Every metric of a worker; those of one name stand together.
        pub const TABLE: &[Spec] = &[$(Spec {
            name: $name,
            label: $label,
            kind: Kind::$kind,
            unit: $unit,
            help: $help,
        },)*];

        impl WorkerMetrics {
            /// The cells in the order of [`TABLE`].
            pub(super) fn cells(&self) -> [Cell<'_>; TABLE.len()] {
                [$(Cell::$kind(&self.$field),)*]
            }
        }
    };
}

declare! {
    responses_2xx: Counter, "ringhold_responses_total", "class=\"2xx\"", "responses",
        "Responses by the class of their status.";
    responses_3xx: Counter, "ringhold_responses_total", "class=\"3xx\"", "responses",
        "Responses by the class of their status.";
    responses_4xx: Counter, "ringhold_responses_total", "class=\"4xx\"", "responses",
        "Responses by the class of their status.";
    responses_5xx: Counter, "ringhold_responses_total", "class=\"5xx\"", "responses",
        "Responses by the class of their status.";
    request_duration: Histogram, "ringhold_request_duration_seconds", "", "seconds",
        "From a request's head to the last byte of its response.";
    received_bytes: Counter, "ringhold_received_bytes_total", "", "bytes",
        "Bytes read from connections.";
    sent_bytes: Counter, "ringhold_sent_bytes_total", "", "bytes",
        "Bytes written to connections.";
    extent_bytes: Counter, "ringhold_sent_from_page_cache_bytes_total", "", "bytes",
        "Bytes of downloads that went from the page cache to the connection without a copy (sendfile).";
    connections_open: Gauge, "ringhold_connections_open", "", "connections",
        "Connections this worker serves.";
    connections_accepted: Counter, "ringhold_connections_accepted_total", "", "connections",
        "Connections this worker accepted, for itself or for another.";
    connections_handed_over: Counter, "ringhold_connections_handed_over_total", "", "connections",
        "Accepted connections given to a worker with fewer of them.";
    uploads_in_progress: Gauge, "ringhold_uploads_in_progress", "", "uploads",
        "Uploads that are neither published nor given up.";
    uploads_published: Counter, "ringhold_uploads_total", "result=\"ok\"", "uploads",
        "Uploads by how they ended.";
    uploads_failed: Counter, "ringhold_uploads_total", "result=\"failed\"", "uploads",
        "Uploads by how they ended.";
    imports_ok: Counter, "ringhold_imports_total", "result=\"ok\"", "imports",
        "Files fetched from a URL by how that ended; each is an upload as well.";
    imports_refused: Counter, "ringhold_imports_total", "result=\"refused\"", "imports",
        "Files fetched from a URL by how that ended; each is an upload as well.";
    imports_failed: Counter, "ringhold_imports_total", "result=\"failed\"", "imports",
        "Files fetched from a URL by how that ended; each is an upload as well.";
    imported_bytes: Counter, "ringhold_imported_bytes_total", "", "bytes",
        "Bytes of files that came from the sources of imports.";
    downloads: Counter, "ringhold_downloads_total", "", "downloads",
        "Downloads begun.";
    objects_in_memory: Counter, "ringhold_objects_found_total", "place=\"memory\"", "objects",
        "Objects that were asked for and are there, by where they were found: whole in the daemon's memory, open with their seal checked, or by their name on the volume (or in the kernel's memory of it).";
    objects_open: Counter, "ringhold_objects_found_total", "place=\"open\"", "objects",
        "Objects that were asked for and are there, by where they were found: whole in the daemon's memory, open with their seal checked, or by their name on the volume (or in the kernel's memory of it).";
    objects_on_volume: Counter, "ringhold_objects_found_total", "place=\"volume\"", "objects",
        "Objects that were asked for and are there, by where they were found: whole in the daemon's memory, open with their seal checked, or by their name on the volume (or in the kernel's memory of it).";
    digests_computed: Counter, "ringhold_digests_computed_total", "", "digests",
        "Digests of stored objects computed because somebody wanted them (Want-Repr-Digest).";
    digested_bytes: Counter, "ringhold_digested_bytes_total", "", "bytes",
        "Bytes of stored objects hashed for that.";
    stored_bytes: Counter, "ringhold_stored_bytes_total", "", "bytes",
        "Data of published uploads, hashed and written.";
    deletions: Counter, "ringhold_deletions_total", "", "files",
        "Files deleted.";
    damaged_reads: Counter, "ringhold_damaged_reads_total", "", "downloads",
        "Downloads refused or cut off because the stored object is damaged.";
    leases_upload: Gauge, "ringhold_leases_in_use", "pool=\"upload\"", "buffers",
        "Buffers of the slab that are held by an upload, a transfer or a response.";
    leases_download: Gauge, "ringhold_leases_in_use", "pool=\"download\"", "buffers",
        "Buffers of the slab that are held by an upload, a transfer or a response.";
    file_operations_in_flight: Gauge, "ringhold_file_operations_in_flight", "", "operations",
        "Reads and writes that are waited for: those before their turn, and those in the kernel.";
    read_duration: Histogram, "ringhold_file_operation_duration_seconds", "kind=\"read\"", "seconds",
        "Reads and writes of files, from the request to the completion, with the wait for a turn.";
    write_duration: Histogram, "ringhold_file_operation_duration_seconds", "kind=\"write\"", "seconds",
        "Reads and writes of files, from the request to the completion, with the wait for a turn.";
    sync_duration: Histogram, "ringhold_sync_duration_seconds", "", "seconds",
        "Syncs of files and directories, with the wait for a turn; its count is the number of syncs.";
    reads: Counter, "ringhold_disk_operations_total", "kind=\"read\"", "operations",
        "Disk operations that ended, well or not.";
    writes: Counter, "ringhold_disk_operations_total", "kind=\"write\"", "operations",
        "Disk operations that ended, well or not.";
    creates: Counter, "ringhold_disk_operations_total", "kind=\"create\"", "operations",
        "Disk operations that ended, well or not.";
    opens: Counter, "ringhold_disk_operations_total", "kind=\"open\"", "operations",
        "Disk operations that ended, well or not.";
    allocations: Counter, "ringhold_disk_operations_total", "kind=\"allocate\"", "operations",
        "Disk operations that ended, well or not.";
    truncations: Counter, "ringhold_disk_operations_total", "kind=\"truncate\"", "operations",
        "Disk operations that ended, well or not.";
    syncs: Counter, "ringhold_disk_operations_total", "kind=\"sync\"", "operations",
        "Disk operations that ended, well or not.";
    links: Counter, "ringhold_disk_operations_total", "kind=\"link\"", "operations",
        "Disk operations that ended, well or not.";
    removals: Counter, "ringhold_disk_operations_total", "kind=\"remove\"", "operations",
        "Disk operations that ended, well or not.";
    read_errors: Counter, "ringhold_disk_errors_total", "kind=\"read\"", "operations",
        "Disk operations that failed; not a missing name, a taken one, or what the filesystem lacks.";
    write_errors: Counter, "ringhold_disk_errors_total", "kind=\"write\"", "operations",
        "Disk operations that failed; not a missing name, a taken one, or what the filesystem lacks.";
    create_errors: Counter, "ringhold_disk_errors_total", "kind=\"create\"", "operations",
        "Disk operations that failed; not a missing name, a taken one, or what the filesystem lacks.";
    open_errors: Counter, "ringhold_disk_errors_total", "kind=\"open\"", "operations",
        "Disk operations that failed; not a missing name, a taken one, or what the filesystem lacks.";
    allocate_errors: Counter, "ringhold_disk_errors_total", "kind=\"allocate\"", "operations",
        "Disk operations that failed; not a missing name, a taken one, or what the filesystem lacks.";
    truncate_errors: Counter, "ringhold_disk_errors_total", "kind=\"truncate\"", "operations",
        "Disk operations that failed; not a missing name, a taken one, or what the filesystem lacks.";
    sync_errors: Counter, "ringhold_disk_errors_total", "kind=\"sync\"", "operations",
        "Disk operations that failed; not a missing name, a taken one, or what the filesystem lacks.";
    link_errors: Counter, "ringhold_disk_errors_total", "kind=\"link\"", "operations",
        "Disk operations that failed; not a missing name, a taken one, or what the filesystem lacks.";
    remove_errors: Counter, "ringhold_disk_errors_total", "kind=\"remove\"", "operations",
        "Disk operations that failed; not a missing name, a taken one, or what the filesystem lacks.";
    relay_waiting_senders: Gauge, "ringhold_relay_waiting", "place=\"nameplate\"", "connections",
        "Ends that are not paired, by where they wait.";
    relay_waiting_at_channels: Gauge, "ringhold_relay_waiting", "place=\"channel\"", "connections",
        "Ends that are not paired, by where they wait.";
    relay_paired: Gauge, "ringhold_relay_paired", "", "connections",
        "Ends that are paired: two a pairing, each counted by the worker that serves it.";
    relay_closed: Counter, "ringhold_relay_pairings_total", "result=\"closed\"", "pairings",
        "Pairings that are over, by what ended them.";
    relay_broken: Counter, "ringhold_relay_pairings_total", "result=\"broken\"", "pairings",
        "Pairings that are over, by what ended them.";
    relay_idle: Counter, "ringhold_relay_pairings_total", "result=\"idle\"", "pairings",
        "Pairings that are over, by what ended them.";
    relay_lifetime: Counter, "ringhold_relay_pairings_total", "result=\"lifetime\"", "pairings",
        "Pairings that are over, by what ended them.";
    relay_cut_off: Counter, "ringhold_relay_pairings_total", "result=\"stopping\"", "pairings",
        "Pairings that are over, by what ended them.";
    relay_refused_version: Counter, "ringhold_relay_refused_total", "reason=\"version\"", "connections",
        "Ends that the relay refused, by why.";
    relay_refused_malformed: Counter, "ringhold_relay_refused_total", "reason=\"malformed\"", "connections",
        "Ends that the relay refused, by why.";
    relay_refused_nameplate: Counter, "ringhold_relay_refused_total", "reason=\"nameplate\"", "connections",
        "Ends that the relay refused, by why.";
    relay_refused_expired: Counter, "ringhold_relay_refused_total", "reason=\"expired\"", "connections",
        "Ends that the relay refused, by why.";
    relay_refused_address: Counter, "ringhold_relay_refused_total", "reason=\"address\"", "connections",
        "Ends that the relay refused, by why.";
    relay_refused_full: Counter, "ringhold_relay_refused_total", "reason=\"full\"", "connections",
        "Ends that the relay refused, by why.";
    relay_refused_stopping: Counter, "ringhold_relay_refused_total", "reason=\"stopping\"", "connections",
        "Ends that the relay refused, by why.";
    relay_refused_slow: Counter, "ringhold_relay_refused_total", "reason=\"slow\"", "connections",
        "Ends that the relay refused, by why.";
    relay_refused_role: Counter, "ringhold_relay_refused_total", "reason=\"role\"", "connections",
        "Ends that the relay refused, by why.";
    relay_left: Counter, "ringhold_relay_left_total", "", "connections",
        "Ends that went away before anybody came.";
    relay_moved_bytes: Counter, "ringhold_relay_moved_bytes_total", "", "bytes",
        "Bytes moved from one end of a pairing to the other, both directions.";
    ring_operations: Counter, "ringhold_ring_operations_total", "", "operations",
        "Operations (SQEs) handed to the ring; 0 with the threads engine, which has none.";
    ring_submissions: Counter, "ringhold_ring_submissions_total", "", "submissions",
        "Turns of the loop that handed at least one over: each submits all it has in one system call.";
}

/// The text of docs/metrics.md.
pub fn docs_page() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         `GET /metrics` answers in the Prometheus text format. This page is written from the \
         declarations in `src/telemetry/table.rs` and `src/telemetry/process.rs`; a test keeps \
         them in step. Counters belong to one worker, which alone writes them; sum them over \
         `worker`.\n\n\
         - SQEs a submission: `rate(ringhold_ring_operations_total[5m]) / \
         rate(ringhold_ring_submissions_total[5m])`. The second counts the turns of the loop that \
         handed operations over; each turn ends in one `io_uring_enter`, and the ring has an entry \
         for all that may be in flight, so none is needed in between.\n\
         - Reads and writes that wait for their turn: `ringhold_file_operations_in_flight` beyond \
         `ringhold_queue_depth`.\n\
         - Room for uploads: `ringhold_volume_free_bytes - ringhold_volume_reserve_bytes`.\n\n\
         ## Of a worker\n\n\
         These have the label `worker`, the worker's index from 0.\n\n\
         | metric | label | kind | unit | tells |\n|---|---|---|---|---|\n",
    );
    write_rows(&mut page, TABLE);
    page.push_str(
        "\n## Of the process\n\n\
         Two gauges of the value 1 say what runs: `ringhold_build_info` (label `version`) and \
         `ringhold_engine_info` (labels `engine`, `buffers_registered`).\n\n\
         | metric | label | kind | unit | tells |\n|---|---|---|---|---|\n",
    );
    write_rows(&mut page, PROCESS_TABLE);
    page
}

fn write_rows(page: &mut String, table: &[Spec]) {
    for Spec { name, label, kind, unit, help } in table {
        let label = if label.is_empty() { String::new() } else { format!("`{label}`") };
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{name}` | {label} | {} | {unit} | {help} |", kind.word());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_documented_table_is_the_declared_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(written, docs_page(), "docs/metrics.md must read:\n{}", docs_page());
    }

    #[test]
    fn every_metric_is_named_once_and_those_of_one_name_stand_together() {
        let mut names = HashSet::new();
        let all: Vec<_> = TABLE.iter().chain(PROCESS_TABLE).collect();
        for group in all.chunk_by(|a, b| a.name == b.name) {
            assert!(names.insert(group[0].name), "{} in two places", group[0].name);
            let labels: HashSet<_> = group.iter().map(|spec| spec.label).collect();
            assert_eq!(labels.len(), group.len(), "{} has one label twice", group[0].name);
            assert!(group.iter().all(|spec| spec.help == group[0].help));
        }
    }

    #[test]
    fn names_end_as_prometheus_has_it() {
        for spec in TABLE.iter().chain(PROCESS_TABLE) {
            assert_eq!(spec.name.ends_with("_total"), spec.kind == Kind::Counter, "{}", spec.name);
            let stem = spec.name.trim_end_matches("_total");
            assert_eq!(stem.ends_with("_seconds"), spec.unit == "seconds", "{}", spec.name);
            assert_eq!(stem.ends_with("_bytes"), spec.unit == "bytes", "{}", spec.name);
        }
    }
}
