//! The flags that say how permissions are decided, for each command that has them.

use clap::Args;

/// How permissions are decided.
#[derive(Debug, Default, Args)]
pub(crate) struct PermissionArgs {
    /// How permissions are decided [default: ask]
    #[arg(long, value_name = "MODE", value_parser = ["read-only", "ask", "accept-edits", "auto", "bypass"])]
    pub(crate) permission_mode: Option<String>,
    /// Allow what this rule covers, as in 'command:git *'; repeatable
    #[arg(long, value_name = "KIND:PATTERN")]
    pub(crate) allow: Vec<String>,
    /// Deny what this rule meets; repeatable, and stronger than --allow
    #[arg(long, value_name = "KIND:PATTERN")]
    pub(crate) deny: Vec<String>,
}
