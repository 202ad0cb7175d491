//! Our agents as agents of the Agent Client Protocol: one client's conversation, over stdio or HTTP; only the way differs.

mod calls;
pub(crate) mod http;
mod link;
mod place;
mod stdio;
mod warm;

pub use stdio::{Say, Stdio, serve};
pub use warm::WARM;
