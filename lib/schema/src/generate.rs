//! The JSON Schema of everything that is printed, made from the types; the committed file must be what they say.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use crate::control;
use crate::desktop;
use crate::event;
use crate::file;
use crate::process;
use crate::record;
use crate::request;

/// One object for each event type: the envelope with that type's data.
fn events(generator: &mut SchemaGenerator) -> Vec<Value> {
    let data: Vec<(&str, Value)> = vec![
        ("session.started", generator.subschema_for::<event::SessionStarted>().to_value()),
        ("session.ended", generator.subschema_for::<event::SessionEnded>().to_value()),
        ("turn.started", generator.subschema_for::<event::TurnStarted>().to_value()),
        ("turn.ended", generator.subschema_for::<event::TurnEnded>().to_value()),
        ("item.started", generator.subschema_for::<event::ItemEvent>().to_value()),
        ("item.delta", generator.subschema_for::<event::ItemDelta>().to_value()),
        ("item.completed", generator.subschema_for::<event::ItemEvent>().to_value()),
        ("permission.requested", generator.subschema_for::<request::PermissionRequested>().to_value()),
        ("permission.resolved", generator.subschema_for::<request::PermissionResolved>().to_value()),
        ("question.requested", generator.subschema_for::<request::QuestionEvent>().to_value()),
        ("question.resolved", generator.subschema_for::<request::QuestionEvent>().to_value()),
        ("error", generator.subschema_for::<event::ErrorData>().to_value()),
        ("agent.unparsed", generator.subschema_for::<event::Unparsed>().to_value()),
    ];
    assert_eq!(data.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), event::TYPES);
    data.into_iter().map(|(kind, data)| envelope(kind, data)).collect()
}

fn envelope(kind: &str, data: Value) -> Value {
    json!({
        "title": kind,
        "type": "object",
        "required": ["event_id", "sequence", "time", "session_id", "native_session_id", "source", "synthetic", "type", "data"],
        "properties": {
            "cursor": { "description": "Its place among the events of all sessions; only with --all.", "type": "integer", "minimum": 1 },
            "event_id": { "description": "Globally unique.", "type": "string", "pattern": "^evt_[0-9a-f]{32}_[0-9]+$" },
            "sequence": { "description": "1, 2, 3, … in its session.", "type": "integer", "minimum": 1 },
            "time": { "description": "When it was recorded: RFC 3339, UTC, milliseconds.", "type": "string", "format": "date-time" },
            "session_id": { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" },
            "native_session_id": { "description": "The agent's own id, once known.", "type": ["string", "null"] },
            "source": { "description": "`daemon`: made by us.", "enum": ["agent", "daemon"] },
            "synthetic": { "description": "True exactly when `source` is `daemon`.", "type": "boolean" },
            "type": { "const": kind },
            "data": data,
            "raw": { "description": "The agent's payload; with --raw, and on agent.unparsed." },
        },
    })
}

fn document() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let events = events(&mut generator);
    let mut records = Map::new();
    let mut add = |name: &str, schema: Value| records.insert(name.to_owned(), schema);
    add("session", generator.subschema_for::<record::SessionRecord>().to_value());
    add("error_line", generator.subschema_for::<record::ErrorLine>().to_value());
    add("export_head", generator.subschema_for::<record::ExportHead>().to_value());
    add("usage", generator.subschema_for::<record::UsageRecord>().to_value());
    add("search_hit", generator.subschema_for::<record::SearchHit>().to_value());
    add("deleted", generator.subschema_for::<record::DeletedRecord>().to_value());
    add("credential", generator.subschema_for::<record::CredentialRecord>().to_value());
    add("credential_check", generator.subschema_for::<record::CredentialCheck>().to_value());
    add("doctor", generator.subschema_for::<record::DoctorRecord>().to_value());
    add("launch", generator.subschema_for::<record::LaunchRecord>().to_value());
    add("server", generator.subschema_for::<record::ServerRecord>().to_value());
    add("process", generator.subschema_for::<process::ProcessRecord>().to_value());
    add("log_line", generator.subschema_for::<process::LogLine>().to_value());
    add("run_result", generator.subschema_for::<process::RunResult>().to_value());
    add("input", generator.subschema_for::<process::InputRecord>().to_value());
    add("size", generator.subschema_for::<process::SizeRecord>().to_value());
    add("removed", generator.subschema_for::<process::RemovedRecord>().to_value());
    add("sent", generator.subschema_for::<record::SentRecord>().to_value());
    add("cancelled", generator.subschema_for::<record::CancelledRecord>().to_value());
    add("waited", generator.subschema_for::<record::WaitedRecord>().to_value());
    let control = generator.subschema_for::<control::Control>().to_value();
    add("file", generator.subschema_for::<file::FileRecord>().to_value());
    add("file_change", generator.subschema_for::<file::FileChange>().to_value());
    add("file_match", generator.subschema_for::<file::FileMatch>().to_value());
    add("file_event", generator.subschema_for::<file::FileEvent>().to_value());
    add("file_hash", generator.subschema_for::<file::FileHash>().to_value());
    add("file_error", generator.subschema_for::<file::FileError>().to_value());
    add("install", generator.subschema_for::<record::InstallRecord>().to_value());
    add("agent", generator.subschema_for::<record::AgentRecord>().to_value());
    add("verify", generator.subschema_for::<record::VerifyRecord>().to_value());
    add("desktop", generator.subschema_for::<desktop::DesktopRecord>().to_value());
    add("display", generator.subschema_for::<desktop::DisplayRecord>().to_value());
    add("pointer", generator.subschema_for::<desktop::PointerRecord>().to_value());
    add("screenshot", generator.subschema_for::<desktop::ScreenshotRecord>().to_value());
    add("typed", generator.subschema_for::<desktop::TypedRecord>().to_value());
    add("keys", generator.subschema_for::<desktop::KeysRecord>().to_value());
    add("window", generator.subschema_for::<desktop::WindowRecord>().to_value());
    add("window_closed", generator.subschema_for::<desktop::WindowClosedRecord>().to_value());
    add("clipboard", generator.subschema_for::<desktop::ClipboardRecord>().to_value());
    add("clipboard_held", generator.subschema_for::<desktop::ClipboardHeldRecord>().to_value());
    add("desktop_waited", generator.subschema_for::<desktop::DesktopWaitedRecord>().to_value());
    add("recording", generator.subschema_for::<desktop::RecordingRecord>().to_value());
    add("recording_copied", generator.subschema_for::<desktop::RecordingCopiedRecord>().to_value());
    add("recording_deleted", generator.subschema_for::<desktop::RecordingDeletedRecord>().to_value());
    add("launched", generator.subschema_for::<desktop::LaunchedRecord>().to_value());
    add("desktop_view", generator.subschema_for::<desktop::ViewRecord>().to_value());
    let mut definitions = generator.take_definitions(true);
    definitions
        .insert("event".to_owned(), json!({ "description": "A line of run, stream and events.", "oneOf": events }));
    definitions.insert(
        "record".to_owned(),
        json!({ "description": "A line of the other commands.", "anyOf": records.values().collect::<Vec<_>>() }),
    );
    definitions.insert(
        "input".to_owned(),
        json!({ "description": "A line that `run --input ndjson` reads.", "anyOf": [control] }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What sandbox-agent prints",
        "description": "Unknown fields must be tolerated; additions are allowed, changes are not.",
        "anyOf": [{ "$ref": "#/$defs/event" }, { "$ref": "#/$defs/record" }],
        "$defs": definitions,
    })
}

#[test]
fn the_committed_schema_is_what_the_types_say() {
    let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/event.schema.json");
    #[expect(clippy::disallowed_methods, reason = "UPDATE=1 rewrites what is expected")]
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "UPDATE=1 cargo test -p schema rewrites it");
}
