//! What is told of a route beside what it does: the types that it takes and gives.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// The schema of a type.
pub(crate) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What a document says about a route.
pub(crate) struct Told {
    pub(crate) summary: &'static str,
    pub(crate) query: &'static [(&'static str, Shape)],
    pub(crate) takes: Option<Shape>,
    pub(crate) status: u16,
    pub(crate) gives: Shape,
}

/// How a type is written.
pub(crate) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Bodies that are no JSON: a type each, and what its content type is.
macro_rules! media {
    ($($(#[$doc:meta])* $name:ident = $media:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "contentMediaType": $media })
            }
        }
    )*};
}

media! {
    /// Server-sent events: `id` is the sequence, `data` an event.
    EventFlow = "text/event-stream";
    /// Bytes as they are.
    Bytes = "application/octet-stream";
    /// A tar archive, plain or packed with gzip or zstd.
    Archive = "application/x-tar";
    /// No body: the connection speaks WebSocket from here on.
    Socket = "application/octet-stream";
    /// What Prometheus reads.
    Metrics = "text/plain; version=0.0.4";
    /// A picture: image/png, image/jpeg or image/webp.
    Picture = "image/*";
    /// H.264.
    Film = "video/mp4";
}

/// A message of JSON-RPC.
pub(crate) struct Envelope;

impl JsonSchema for Envelope {
    fn schema_name() -> Cow<'static, str> {
        "AcpEnvelope".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "jsonrpc": { "const": "2.0" }, "id": { "type": ["string", "integer", "null"] }, "method": { "type": "string" },
                "params": {}, "result": {}, "error": {}
            },
            "required": ["jsonrpc"]
        })
    }
}

/// JSON of any shape.
pub(crate) type Anything = serde_json::Value;

/// An event, as the schema room tells of it.
pub(crate) struct Event;

impl JsonSchema for Event {
    fn schema_name() -> Cow<'static, str> {
        "event".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "$ref": "#/components/schemas/event" })
    }
}
