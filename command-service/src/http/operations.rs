//! Liveness, readiness and metrics.

use crate::gateway::{CommandGateway, Histogram, Stats};
use access::Scope;
use access::http::{Access, Route, RouteTable};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::{Display, Write};
use std::sync::Arc;

/// How one part of the service does.
pub struct Check {
    pub ready: bool,
    /// What a person wants to know; names nobody.
    pub details: Value,
}

/// Asked at each readiness probe; cheap.
pub type CheckFn = Arc<dyn Fn() -> Check + Send + Sync>;
/// Text of metrics that other parts keep, in Prometheus' format.
pub type RenderFn = Arc<dyn Fn() -> String + Send + Sync>;

/// What the operational routes work with.
#[derive(Clone)]
pub struct Operations {
    /// A node that only answers queries has none.
    pub gateway: Option<Arc<dyn CommandGateway>>,
    /// Parts beside the gateway, by name.
    pub checks: Arc<Vec<(&'static str, CheckFn)>>,
    pub render: RenderFn,
}

/// The answer of a readiness probe.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Readiness {
    pub ready: bool,
    /// Each part with `ready` and its particulars.
    pub parts: Map<String, Value>,
}

/// The routes of operation.
pub fn operation_routes() -> RouteTable<Operations> {
    let probe = Access::Public { because: "probes carry no token, and it names nobody" };
    RouteTable::new(vec![
        Route::get(probe, "/livez", "Whether the process is alive.", || async { "alive\n" }),
        Route::get(
            probe,
            "/readyz",
            "Whether commands are decided here or passed on, and queries answered: 200, else 503; role, term, lsn, lag.",
            ready,
        )
        .answer::<Readiness>(),
        Route::get(Access::Scope(Scope::Operate), "/metrics", "Metrics in Prometheus' text format.", metrics_page),
    ])
}

async fn ready(State(operations): State<Operations>) -> Response {
    let mut parts = Map::new();
    let mut all_ready = true;
    if let Some(gateway) = &operations.gateway {
        let stats = gateway.stats();
        all_ready = stats.is_ready();
        parts.insert("commands".into(), command_details(&stats));
    }
    for (name, check) in operations.checks.iter() {
        let Check { ready, details } = check();
        all_ready &= ready;
        let mut details = match details {
            Value::Object(details) => details,
            other => Map::from_iter([("details".to_owned(), other)]),
        };
        details.insert("ready".into(), ready.into());
        parts.insert((*name).into(), Value::Object(details));
    }
    let status = if all_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready: all_ready, parts })).into_response()
}

fn command_details(stats: &Stats) -> Value {
    serde_json::json!({
        "ready": stats.is_ready(),
        "role": stats.role,
        "node": stats.node,
        "log_id": stats.log_id,
        "clock": stats.clock,
        "format": stats.format,
        "term": stats.term,
        "lsn": stats.lsn,
        "recorded_at": stats.recorded_at,
        "opened_day": stats.opened_day,
        "day_pending": stats.day_pending,
        "queued_commands": stats.queued_commands,
        "lag_lsn": stats.in_flight_records,
        "entries_behind": stats.entries_behind,
        "leader": stats.leader.as_ref().map(|leader| &leader.node),
        "leader_silent_ms": stats.silent_ms,
        "stalled_ms": stats.stalled_ms,
        "last_step_down": stats.last_step_down.as_ref().map(|last| last.reason),
        "barred": stats.barred,
        "saving_failed": stats.saving_failure.is_some(),
        "merging_failed": stats.merging_failure.is_some(),
        "unsaved_command_ids": stats.unsaved_command_ids,
        "max_unsaved_command_ids": stats.max_unsaved_command_ids,
    })
}

async fn metrics_page(State(operations): State<Operations>) -> Response {
    let mut page = operations.gateway.map_or_else(String::new, |gateway| command_metrics(&gateway.stats()));
    page.push_str(&(operations.render)());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
}

const MICROS: f64 = 1e-6;

/// The gateway's snapshot in Prometheus' text format.
pub fn command_metrics(stats: &Stats) -> String {
    let mut page = Page::default();
    page.family("dancu_role", "gauge", "1 for the role that this node has.");
    let role = serde_json::to_value(stats.role).ok();
    let role = role.as_ref().and_then(Value::as_str).unwrap_or("unknown");
    page.labelled("dancu_role", "role", role, 1);
    page.gauge(
        "dancu_ready",
        "1 if commands are decided here now, or passed on.",
        u8::from(stats.is_ready()),
    );
    page.gauge("dancu_term", "Highest admitted term (W7).", stats.term.0);
    page.gauge("dancu_lsn", "Last admitted lsn that the registry holds.", stats.lsn.0);
    let recorded_s = stats.recorded_at.0 as f64 * MICROS;
    page.gauge("dancu_recorded_at_seconds", "Recorded time of the last record, since 1970.", recorded_s);
    let skew_s = stats.clock_skew_us as f64 * MICROS;
    page.gauge("dancu_clock_skew_seconds", "By how much the clock is ahead of the last record.", skew_s);
    page.gauge(
        "dancu_writer_lag_lsn",
        "Records in flight: appended and not read back.",
        stats.in_flight_records,
    );
    page.gauge("dancu_groups_in_flight", "Groups in flight.", stats.groups_in_flight);
    page.gauge("dancu_queue_commands", "Commands that wait to be decided.", stats.queued_commands);
    page.gauge("dancu_queue_limit_commands", "Most commands that may wait (O1).", stats.queue_limit);
    page.counter("dancu_entries_read_total", "Entries read from the log and admitted.", stats.entries_read);
    page.family("dancu_commands_total", "counter", "Commands answered, by outcome.");
    let outcomes = [
        ("accepted", stats.accepted),
        ("repeated", stats.repeated),
        ("dry_run", stats.dry_runs),
        ("refused", stats.refused),
        ("too_late", stats.too_late),
        ("overloaded", stats.overloaded),
    ];
    for (outcome, count) in outcomes {
        page.labelled("dancu_commands_total", "outcome", outcome, count);
    }
    page.family("dancu_refusals_total", "counter", "Faults of refused commands, by code.");
    for (code, count) in &stats.refused_by_code {
        page.labelled("dancu_refusals_total", "code", code, count);
    }
    page.family("dancu_dropped_entries_total", "counter", "Entries that admission dropped, by reason.");
    for (reason, count) in &stats.drops {
        page.labelled("dancu_dropped_entries_total", "reason", reason, count);
    }
    page.histogram("dancu_group_entries", "Entries of each group appended.", &stats.group_entries, 1.0);
    let sync = "From handing a group to the log until it was durable.";
    page.histogram("dancu_sync_seconds", sync, &stats.append_time_us, MICROS);
    let answer = "From a command's arrival to its answer.";
    page.histogram("dancu_answer_seconds", answer, &stats.answer_time_us, MICROS);
    page.counter("dancu_claims_total", "Claims to leadership made.", stats.claims);
    page.counter("dancu_elections_won_total", "Claims that were admitted.", stats.elections_won);
    page.gauge("dancu_log_format", "The format of the log that is in force.", stats.format);
    page.gauge(
        "dancu_log_barred",
        "1 if nobody can lead this log: it was sealed, or is an unfinished copy.",
        u8::from(stats.barred.is_some()),
    );
    page.family("dancu_step_downs_total", "counter", "Times that this node ceased to lead, by reason.");
    for (reason, count) in &stats.step_downs {
        page.labelled("dancu_step_downs_total", "reason", reason, count);
    }
    let stalled_s = stats.stalled_ms as f64 / 1_000.0;
    page.gauge(
        "dancu_stalled_seconds",
        "How long the oldest group in flight has waited for the log.",
        stalled_s,
    );
    page.gauge("dancu_entries_behind", "Entries of the log not read yet.", stats.entries_behind);
    if let Some(silent_ms) = stats.silent_ms {
        let help = "Since when nothing came of another leader.";
        page.gauge("dancu_leader_silent_seconds", help, silent_ms as f64 / 1_000.0);
    }
    page.counter("dancu_rollbacks_total", "Times that what was in flight was rolled back.", stats.rollbacks);
    page.counter(
        "dancu_violations_total",
        "Invariants found broken; anything but 0 is a defect.",
        stats.violations,
    );
    page.gauge("dancu_saved_lsn", "Lsn of the newest restart point.", stats.saved_lsn.0);
    page.counter("dancu_checkpoints_total", "Restart points saved.", stats.checkpoints);
    page.gauge("dancu_command_ids", "Command ids known.", stats.command_ids);
    page.gauge(
        "dancu_command_ids_bytes",
        "What they take in memory, the rest is in files.",
        stats.command_ids_bytes,
    );
    page.family("dancu_registry_bytes", "gauge", "Bytes of the registry in memory, by what they hold.");
    let memory = &stats.memory;
    let parts = [
        ("persons", memory.persons),
        ("households", memory.households),
        ("cards", memory.cards),
        ("lookups", memory.lookups),
        ("due", memory.due),
        ("staged", memory.staged),
    ];
    for (of, bytes) in parts {
        page.labelled("dancu_registry_bytes", "of", of, bytes);
    }
    let unsaved = "Command ids that wait in memory to be saved.";
    page.gauge("dancu_unsaved_command_ids", unsaved, stats.unsaved_command_ids);
    let most = "Most of them once saving has failed: beyond, the service ends (O1).";
    page.gauge("dancu_unsaved_command_ids_limit", most, stats.max_unsaved_command_ids);
    let saving = "1 if nothing is saved any more: start the process anew.";
    page.gauge("dancu_saving_failed", saving, u8::from(stats.saving_failure.is_some()));
    let merging = "1 if saved command ids are not merged any more until the next start.";
    page.gauge("dancu_merging_failed", merging, u8::from(stats.merging_failure.is_some()));
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a string takes every byte");
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.line(format_args!("{name} {value}"));
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, "counter", help);
        self.line(format_args!("{name} {value}"));
    }

    /// Labels are codes and names of ours: nothing in them needs escaping.
    fn labelled(&mut self, name: &str, label: &str, of: &str, value: impl Display) {
        self.line(format_args!("{name}{{{label}=\"{of}\"}} {value}"));
    }

    /// A histogram by powers of two as cumulative buckets; `unit` turns its numbers into the named unit.
    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram, unit: f64) {
        self.family(name, "histogram", help);
        let mut below = 0;
        let last = histogram.buckets.len() - 1;
        for (power, count) in histogram.buckets[..last].iter().enumerate() {
            below += count;
            // Whole numbers below 2^power are at most 2^power - 1.
            let bound = ((1_u64 << power) - 1) as f64 * unit;
            self.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {below}"));
        }
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {}", histogram.count));
        self.line(format_args!("{name}_sum {}", histogram.sum as f64 * unit));
        self.line(format_args!("{name}_count {}", histogram.count));
    }
}
