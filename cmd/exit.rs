//! How the program ends: one table from outcomes and failures to exit codes, and death by the signal that ended us.

use std::process::ExitCode;

use engine::session::RunEnd;
use host::Signal;

/// How to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// With a code.
    Code(i32),
    /// By a signal, so that the shell sees it.
    Signal(Signal),
}

/// The table of exit codes and the variables of all commands, for `--help` and the man page.
pub(crate) const TABLE: &str = "\
Exit codes:
    0  ok            the turn completed and nothing was denied
    1  failed        agent error, crash, protocol error, silence
    2                usage: nothing was started
    3                no such session, request or file; offset beyond the end
    4  auth          not logged in, key refused
    5  denied        something it asked for was denied
    6  input_needed  stopped because a permission or question needs an answer
    7  limit         refusal, max tokens, max turns, context full, --max-cost
    8                busy: another process writes this session
    9                store: cannot open, corrupt, newer schema, disk full
   70  failed        our own defect
   75  retry         rate limit, quota, overload, server error, network
  124  timeout       --timeout or --idle-timeout
  126  failed        agent found but does not run
  127  failed        agent not installed
  130  cancelled     Ctrl-C (129 hang-up, 141 closed pipe, 143 TERM)
  137  failed        the owner was killed, as the recovering command writes it

Environment:
  SANDBOX_AGENT_HOME        where everything is written, in place of the user's directories
  SANDBOX_AGENT_STORE       the store, as --store
  SANDBOX_AGENT_AGENT       the agent where none is named, as --agent
  SANDBOX_AGENT_AGENTS_DIR  where agents are installed and looked for first
  SANDBOX_AGENT_MIRROR      the npm registry, as install-agent --registry
  SANDBOX_AGENT_OFFLINE     1: install nothing, fetch nothing
  SANDBOX_AGENT_NO_INPUT    1: never ask on the terminal
  SANDBOX_AGENT_FS_ROOT     the root of fs and of the server's files, as --root
  SANDBOX_AGENT_TOKEN       the server's token
  SANDBOX_AGENT_LOG         info or debug: say on stderr what is done, as --verbose";

impl Exit {
    /// How a run ends.
    pub(crate) fn of_run(end: &RunEnd) -> Exit {
        if let Some(signal) = end.signal {
            return Exit::Signal(signal.into());
        }
        if end.reader_gone {
            return Exit::Signal(Signal::SIGPIPE);
        }
        Exit::Code(end.exit_code)
    }

    /// Ends the program.
    pub(crate) fn leave(self) -> ExitCode {
        let code = match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => {
                host::signals::die_by(signal);
                // As process 1 no signal ends us.
                128 + signal as i32
            }
        };
        ExitCode::from(u8::try_from(code).unwrap_or(1))
    }
}
