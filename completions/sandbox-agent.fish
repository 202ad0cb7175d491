# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_sandbox_agent_global_optspecs
    string join \n store= o/output= json v/verbose h/help V/version
end

function __fish_sandbox_agent_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_sandbox_agent_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_sandbox_agent_using_subcommand
    set -l cmd (__fish_sandbox_agent_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -s V -l version -d 'Print version'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "run" -d 'Start or continue a session, send a prompt, stream the turn'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "send" -d 'Queue a prompt for a session, or put it into the running turn'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "answer" -d 'Decide a permission, answer a question'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "cancel" -d 'Interrupt the running turn'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "wait" -d 'Wait until sessions are idle, asking or ended'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "stream" -d 'Print the events of a session: all, or those after --offset N; with --follow also as they come'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "events" -d 'Print the events of a session in pages: --limit, --since, newest first, or wait for the next'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "sessions" -d 'List, show, search, export, rename, end and delete sessions'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "credentials" -d 'What agents can log in with: show it, export it, check it'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "proc" -d 'Processes that outlive the command that started them: logs, input, terminals, limits'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "fs" -d 'Files of a sandbox: list, search, read, write, move, copy, remove, watch, patch, as archives'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "desktop" -d 'A virtual desktop: pictures of it, pointer, keyboard, windows, programs'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "install-agent" -d 'Install agents: fetched, checked by hash, without Node'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "install" -d 'Install what the program itself needs of the system'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "agents" -d 'List, show, choose, verify and uninstall agents'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "server" -d 'The same sessions over HTTP'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "acp" -d 'An agent for an editor: any agent by the Agent Client Protocol, on stdin and stdout'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "doctor" -d 'What is here, and what is wrong with it'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "schema" -d 'Print the JSON Schema of events and records'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "man" -d 'Print a man page, or write all of them'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l prompt -d 'The prompt, as an option' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l prompt-file -d 'Read the prompt from a file' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s a -l agent -d 'Which agent, and which version of it; `agents list` names them [env: SANDBOX_AGENT_AGENT]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l acp-command -d 'The command line of an agent that speaks the Agent Client Protocol on stdio' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s s -l session -d 'Continue this session, or create it under this name' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l fork -d 'Begin a new session with a copy of this one\'s conversation' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s m -l model -d 'The model, in the agent\'s words' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l mode -d 'The mode, in the agent\'s words' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l effort -d 'The reasoning effort, in the agent\'s words' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s C -l cwd -d 'Where the agent works [default: here, or where the session works]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l permission-mode -d 'How permissions are decided [default: ask]' -r -f -a "read-only\t''
ask\t''
accept-edits\t''
auto\t''
bypass\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l allow -d 'Allow what this rule covers, as in \'command:git *\'; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l deny -d 'Deny what this rule meets; repeatable, and stronger than --allow' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l policy -d 'Rules and settings of permissions: a TOML file with allow, deny, permission_mode, on_ask; flags come first' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l on-ask -d 'What becomes of a request that nothing decides: prompt, deny, fail, allow, or wait[=DURATION] for `answer` [default: prompt on a terminal, wait with --detach and --input, else deny]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l timeout -d 'End the turn after this time, such as 20m' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l idle-timeout -d 'End the turn after this much silence while no tool runs and nothing is asked; 0s never [default: 10m]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l max-turns -d 'The most model requests in this turn, where the agent can count them' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l max-cost -d 'The most money of this run, where the agent reports it' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l attach -d 'Attach a file or a picture; repeatable' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l env -d 'A variable for the agent: K copies ours, K=V is for what is no secret; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l env-file -d 'Variables for the agent, K=V a line; repeatable' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l mcp -d 'MCP servers for this session: a JSON file with mcpServers, ${NAME} in it is a variable of the agent\'s; repeatable' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l skill -d 'A skill for this session: a folder with a SKILL.md; repeatable' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l credentials-from -d 'Log the agent in with what this other agent has, where it has no login of its own' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l agent-arg -d 'An argument for the agent\'s own program; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l linger -d 'With --detach: keep the agent warm for so long after its last turn [default: 0s]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l input -d 'Keep the agent warm and read prompts, answers, cancels and settings from stdin, a JSON object a line' -r -f -a "ndjson\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l id-file -d 'Write the session\'s id into this file, as soon as it exists' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l label -d 'A label for the session; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l user -d 'Who sends the prompt' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l type -d 'Print only these types, comma separated' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l trace -d 'Write the native conversation into this file, both ways, secrets masked' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l stdin -d 'Append all of stdin to the prompt'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s c -l continue -d 'Continue the latest session of this directory'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l new -d 'The session must not exist yet'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l resume -d 'The session must exist'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l no-input -d 'Never ask on the terminal [env: SANDBOX_AGENT_NO_INPUT]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l denied-ok -d 'What our own deny rules deny is no reason for exit code 5'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l isolated -d 'Give the agent a private home instead of the user\'s own configuration and login, for the life of the session'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l clean-env -d 'Give the agent no variables but PATH, HOME, locale, and those of --env'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l detach -d 'Print the session\'s id once the prompt is recorded, and go on in the background'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l queue -d 'Where the session is busy: wait for its turn instead of exit 8'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l from-inbox -d 'Serve what waits for the session'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s q -l quiet -d 'Print the session\'s id only, as soon as it exists'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l raw -d 'Store and print the agent\'s own payloads'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l no-deltas -d 'Print no item.delta'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l ephemeral -d 'Use a store of its own that is removed at the end'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l no-nested -d 'Refuse to run inside another agent\'s session'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l no-install -d 'Do not install a missing agent: exit 127 with the command that does [env: SANDBOX_AGENT_OFFLINE]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l dry-run -d 'Print what would be started, and start nothing'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l prompt-file -d 'Read the prompt from a file' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l attach -d 'Attach a file or a picture; repeatable' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l user -d 'Who sends it' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l id -d 'An id of your own, to find it in `turn.started` again' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l stdin -d 'Append all of stdin to the prompt'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l steer -d 'Put it into the running turn instead of the queue'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l with-input -d 'Go on with this input, where the agent takes an edited one' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l option -d 'Choose this label of a question; several where it takes several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l text -d 'Answer a question in your own words' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l answers -d 'Answer all questions of a request: {"question id": ["label or text"]}' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l message -d 'Why it is rejected; the agent is told' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l user -d 'Who answers' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l accept -d 'Go on'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l accept-for-session -d 'Go on, and do not ask for the same again while this run lives'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l reject -d 'Do not; a question is declined'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -l kill -d 'End the agent\'s process instead of asking it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -l for -d 'For what [default: idle or asking, whatever comes first]' -r -f -a "idle\t''
asking\t''
ended\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -l prompt -d 'For the end of the turn that this prompt gets' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -l timeout -d 'No longer than this; then exit 124' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l offset -d 'Only what comes after this: a sequence, an event_id, `end`, or -N for the last N [default: 0]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l offset-file -d 'Begin where this file says, and keep in it what was printed' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l after -d 'Only what comes after this cursor' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -s f -l follow -d 'Wait for more, until the session is idle (also when it asks), a turn ended, the session ended, or never' -r -f -a "idle\t''
turn\t''
ended\t''
never\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l wait -d 'Wait this long for a session that does not exist yet' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l type -d 'Only these types, comma separated' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l all -d 'Every session, in order of writing; each line begins with its cursor'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l exit-status -d 'Exit with the run\'s code; 6 when the session asks'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l no-deltas -d 'No item.delta'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l raw -d 'With the agent\'s own payloads, where they were stored'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l offset -d 'Only what comes after this: a sequence, an event_id, `end`, or -N for the last N [default: 0]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l after -d 'Only what comes after this cursor' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l limit -d 'No more than this' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l since -d 'From this time on: RFC 3339, a date, today, or 2h (= ago)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l until -d 'Before this time' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l wait -d 'Where nothing is there, wait this long for something' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l type -d 'Only these types, comma separated' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l all -d 'Every session, in order of writing; each line begins with its cursor'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l reverse -d 'The newest first'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l no-deltas -d 'No item.delta'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l raw -d 'With the agent\'s own payloads, where they were stored'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "list" -d 'One line a session, the latest first'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "show" -d 'One session'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "rename" -d 'Give a session a title'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "end" -d 'Close a session for good; its events stay'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "delete" -d 'Delete a session with all its events'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "prune" -d 'Delete sessions by age, number or size'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "export" -d 'Write a session as NDJSON: its record, then its events'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "import" -d 'Read what `export` wrote'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "search" -d 'Find words in what was said'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "usage" -d 'Tokens and money, summed up'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "log" -d 'A session for people: the same as `stream SESSION -o text`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -f -a "path" -d 'Where the store is'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -l status -d 'Only those with this status; repeatable' -r -f -a "starting\t''
running\t''
asking\t''
idle\t''
ended\t''
lost\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -s a -l agent -d 'Only those of this agent' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -l label -d 'Only those with this label; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -s C -l cwd -d 'Only those of this directory' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -l limit -d 'No more than this' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from show" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from show" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from show" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from rename" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from rename" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from rename" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from rename" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from end" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from end" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from end" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from end" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from end" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from delete" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from delete" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from delete" -l force -d 'Those that run too: they are cancelled first'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from delete" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from delete" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -l older-than -d 'Those not written for so long, such as 30d' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -l keep -d 'All but the latest so many' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -l max-size -d 'The oldest, until the rest takes no more than this, such as 500M' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -l force -d 'Those that run or ask too: they are cancelled first'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -l dry-run -d 'Only say which'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -l format -d 'NDJSON, Markdown for people, or notifications of the Agent Client Protocol' -r -f -a "ndjson\t''
markdown\t''
acp\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -l redact -d 'Mask what looks like a key or a token'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from import" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from import" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from import" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from search" -l limit -d 'No more hits than this' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from search" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from search" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from search" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from search" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from search" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -l by -d 'How to sum up' -r -f -a "session\t''
agent\t''
model\t''
day\t''
total\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -l since -d 'Turns that ended from this time on' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -l until -d 'Turns that ended before this time' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -l owner -d 'What its background owners said on stderr instead'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from path" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from path" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from path" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from path" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from path" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and not __fish_seen_subcommand_from extract extract-env check" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and not __fish_seen_subcommand_from extract extract-env check" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and not __fish_seen_subcommand_from extract extract-env check" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and not __fish_seen_subcommand_from extract extract-env check" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and not __fish_seen_subcommand_from extract extract-env check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and not __fish_seen_subcommand_from extract extract-env check" -f -a "extract" -d 'One line a credential, redacted'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and not __fish_seen_subcommand_from extract extract-env check" -f -a "extract-env" -d 'The credentials as variables, quoted for a shell: this prints secrets'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and not __fish_seen_subcommand_from extract extract-env check" -f -a "check" -d 'One line an agent; exit code 4 when one of them has none'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract" -s a -l agent -d 'Only what this agent can use' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract" -s p -l provider -d 'Only what this provider issued, such as anthropic' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract" -s d -l home-dir -d 'Look below this directory instead of HOME, CODEX_HOME and the like' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract" -l no-oauth -d 'Keys only, no tokens of a person\'s login'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract" -s r -l reveal -d 'Print the whole secret'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract-env" -s a -l agent -d 'Only what this agent can use' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract-env" -s p -l provider -d 'Only what this provider issued, such as anthropic' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract-env" -s d -l home-dir -d 'Look below this directory instead of HOME, CODEX_HOME and the like' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract-env" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract-env" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract-env" -l no-oauth -d 'Keys only, no tokens of a person\'s login'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract-env" -s e -l export -d 'Begin each line with `export`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract-env" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract-env" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from extract-env" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from check" -s a -l agent -d 'Only this agent; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from check" -s d -l home-dir -d 'Look below this directory instead of HOME' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from check" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from check" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from check" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "run" -d 'Run a program to its end and print one result; exits with its code, 128 + n for a signal, 124 for a timeout'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "start" -d 'Start a program in the background; prints its record once it runs'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "list" -d 'One record a process, the oldest first'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "show" -d 'The record of a process'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "logs" -d 'Its log: numbered output, starts and ends'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "input" -d 'Write to its input'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "resize" -d 'Set the size of its terminal'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "attach" -d 'Its terminal in this one; a key leaves it running'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "stop" -d 'End it, with everything below it: SIGTERM, and after a grace SIGKILL'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "kill" -d 'Send a signal'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "restart" -d 'End it and start it again; or start one that has ended'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "wait" -d 'Wait until it has ended or is ready; exits with its code, 124 when the time is over'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "rm" -d 'Forget processes that have ended, with their logs'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run start list show logs input resize attach stop kill restart wait rm prune" -f -a "prune" -d 'Forget ended processes by age, number or size, and give the space back'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -s C -l cwd -d 'The directory it works in [default: this one]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l env -d 'A variable for it; without =VALUE copied from here' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l env-file -d 'Variables from a file, one NAME=VALUE a line' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l run-as -d 'Run it as this user; for root only' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l memory -d 'Memory, as in 512M: of all of it in a cgroup where we may make one, else the address space of each process' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l cpu-time -d 'Processor time of each process, in whole seconds' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l files -d 'Open files of each process' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l processes -d 'Processes: of all of it in a cgroup where we may make one, else all of its user (root has no such limit)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l timeout -d 'End it, with everything below it, after this time; exit 124' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l grace -d 'How long it may take to end after SIGTERM before it is killed' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l max-output -d 'How much of each stream to keep, its beginning and its end' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l clean-env -d 'Give it no variables but PATH, HOME, locale, and those of --env'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l stdin -d 'Let it read our stdin; else its input is empty'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l stream -d 'Print output as it comes; the result then has none'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -s C -l cwd -d 'The directory it works in [default: this one]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l env -d 'A variable for it; without =VALUE copied from here' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l env-file -d 'Variables from a file, one NAME=VALUE a line' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l run-as -d 'Run it as this user; for root only' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l memory -d 'Memory, as in 512M: of all of it in a cgroup where we may make one, else the address space of each process' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l cpu-time -d 'Processor time of each process, in whole seconds' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l files -d 'Open files of each process' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l processes -d 'Processes: of all of it in a cgroup where we may make one, else all of its user (root has no such limit)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l name -d 'A name, to be used in place of its id' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l label -d 'Something to know it by, repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l size -d 'The size of its terminal' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l restart -d 'When to start it again' -r -f -a "no\t''
on-failure\t''
always\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l restart-limit -d 'After how many ends within 10 s of the start, one after another, to give up' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l max-log -d 'How much of its output to keep; the oldest is dropped, and the log says so' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l grace -d 'How long it may take to end after SIGTERM before it is killed' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l clean-env -d 'Give it no variables but PATH, HOME, locale, and those of --env'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l tty -d 'Give it a terminal'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l no-stdin -d 'Its input is empty, and `proc input` is refused'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -s q -l quiet -d 'Print its id only'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from list" -l status -d 'Only those with this status: starting, running, restarting, exited, lost' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from list" -l label -d 'Only those with this label' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from list" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from list" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from list" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from show" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from show" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from show" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -l offset -d 'Only what comes after this record: a sequence, `end`, or -N for the last N [default: 0]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -l tail -d 'The last N records, as --offset -N' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -l since -d 'From this time on: RFC 3339, a date, today, or 2h (= ago)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -l stream -d 'Which output; combined is all of it in the order of writing' -r -f -a "stdout\t''
stderr\t''
pty\t''
combined\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -s f -l follow -d 'Wait for more, until the process has ended for good'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -l raw -d 'The bytes as they were written, on stdout, and nothing else; -o text is the same'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from logs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from input" -l base64 -d 'Bytes in base64' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from input" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from input" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from input" -l enter -d 'With a newline after the text'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from input" -l stdin -d 'What our stdin gives'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from input" -l eof -d 'Close its input afterwards; on a terminal, Ctrl-D'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from input" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from input" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from input" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from resize" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from resize" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from resize" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from resize" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from resize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from attach" -l detach-key -d 'The key that leaves it running: ctrl-A to ctrl-Z, or one of ctrl-\\\\ ctrl-] ctrl-^ ctrl-_' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from attach" -l scrollback -d 'How much of what it has shown to show again' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from attach" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from attach" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from attach" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from attach" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from attach" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from stop" -l grace -d 'How long it may take to end after SIGTERM [default: as it was started]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from stop" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from stop" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from stop" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from stop" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from kill" -s s -l signal -d 'Which: a name or a number. KILL goes to everything below it, others to the program' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from kill" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from kill" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from kill" -l all -d 'To everything below it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from kill" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from kill" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from kill" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from restart" -l grace -d 'How long it may take to end after SIGTERM [default: as it was started]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from restart" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from restart" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from restart" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from restart" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from wait" -l port -d 'Until something listens on this port of this machine' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from wait" -l log -d 'Until it prints this text within a line' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from wait" -l file -d 'Until this file is there' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from wait" -l command -d 'Until this shell command succeeds' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from wait" -l timeout -d 'No longer than this; exit 124' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from wait" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from wait" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from wait" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from wait" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from rm" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from rm" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from rm" -l force -d 'Kill it first if it runs'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from rm" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from prune" -l older-than -d 'Those that ended longer ago than this' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from prune" -l keep -d 'All but this many of those that ended last' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from prune" -l max-size -d 'The longest ended, until what the ended have printed is no more than this' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from prune" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from prune" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from prune" -l dry-run -d 'Only say which'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from prune" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from prune" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "ls" -d 'What lies in a directory, one line each, sorted'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "find" -d 'The same, all below a directory, with hidden names: by name and type'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "stat" -d 'What lies at a path; a link is a link'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "read" -d 'The bytes of a file on stdout'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "grep" -d 'Lines that match a pattern, one JSON line each'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "download" -d 'A directory or file on stdout as an archive, streamed'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "watch" -d 'What changes below a directory, as it changes, one numbered JSON line each'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "patch" -d 'Apply a unified diff from stdin: all of it or nothing'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "upload" -d 'Take in an archive from stdin: tar, plain, gzip or zstd'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "write" -d 'Write a file at once: whoever reads sees the old content or the new one'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "rm" -d 'Remove files, links, and (--recursive) directories'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "mkdir" -d 'Make directories, and those above them'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "mv" -d 'Give a file or directory another name, at once'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "cp" -d 'Copy a file, a link, or (--recursive) a directory'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "ln" -d 'Make a symbolic link, or (--hard) a second name'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "chmod" -d 'Set permissions'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "touch" -d 'Set when files changed; make empty ones where none are'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and not __fish_seen_subcommand_from ls find stat read grep download watch patch upload write rm mkdir mv cp ln chmod touch hash" -f -a "hash" -d 'Hashes of files'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -l depth -d 'At most so deep below it' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -l glob -d 'Only what matches: with a slash the path below the directory, without one the name (repeatable)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -l type -d 'Only these types (repeatable)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -s r -l recursive -d 'All below it; links are not entered'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -l hidden -d 'Names that begin with a dot too'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -l gitignore -d 'Leave out what .gitignore files say'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -l unsorted -d 'As the directory has them: constant memory, whatever its size'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -l depth -d 'At most so deep below it' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -l glob -d 'Only what matches: with a slash the path below the directory, without one the name (repeatable)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -l type -d 'Only these types (repeatable)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -s r -l recursive -d 'All below it; links are not entered'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -l hidden -d 'Names that begin with a dot too'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -l gitignore -d 'Leave out what .gitignore files say'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -l unsorted -d 'As the directory has them: constant memory, whatever its size'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from find" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from stat" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from stat" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from stat" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from stat" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from stat" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from stat" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from stat" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from stat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -l offset -d 'From this byte' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -l length -d 'At most so many bytes' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -l tail -d 'Only the last so many bytes' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -l base64 -d 'In base64'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from read" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l glob -d 'Only files that match: with a slash the path below the directory, without one the name (repeatable)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l context -d 'So many lines before and after each match' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l before -d 'So many lines before each match' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l after -d 'So many lines after each match' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l limit -d 'At most so many matches (with --files: files) in all' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -s F -l fixed-strings -d 'The pattern is the text itself'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -s i -l ignore-case -d 'Upper and lower case are the same'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -s w -l word -d 'Only whole words'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -s l -l files -d 'Only the files in which something matches'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l binary -d 'Files with zero bytes too'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l hidden -d 'Names that begin with a dot too'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l gitignore -d 'Leave out what .gitignore files say'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l unsorted -d 'As the directory has them'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from grep" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from download" -l format -d 'How to pack it' -r -f -a "tar\t''
gzip\t''
zstd\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from download" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from download" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from download" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from download" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from download" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from download" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from download" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from download" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -l glob -d 'Only what matches: with a slash the path below the directory, without one the name (repeatable)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -l timeout -d 'End after this time, with exit code 124' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -l follow -d 'Go on after the first changes'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -l from-file -d 'The diff is this file' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -s p -l strip -d 'Leave so many directories out of its names [default: 1 where they begin with a/ and b/, else 0]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -s R -l reverse -d 'The other way round'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -l dry-run -d 'Only say whether it fits'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from patch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -l from-file -d 'The archive is this file' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -l max-bytes -d 'At most so many bytes, unpacked' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -l max-entries -d 'At most so many files, directories and links' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -l overwrite -d 'Files that are there already may be replaced'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -l dry-run -d 'Read and judge it all, and change nothing'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from upload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -l from-file -d 'The content of this file' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -l mode -d 'Permissions, octal [default: those of the old file, else by the umask]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -l if-hash -d 'Only where the present content has this SHA-256' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -l append -d 'Behind what is there (not atomic)'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -l if-absent -d 'Only where nothing is'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -l dry-run -d 'Only say whether it could be done; stdin is not read'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from write" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from rm" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from rm" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from rm" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from rm" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from rm" -s r -l recursive -d 'Directories with all that is below them'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from rm" -l dry-run -d 'Only say what would go'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from rm" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from rm" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mkdir" -l mode -d 'Permissions, octal' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mkdir" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mkdir" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mkdir" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mkdir" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mkdir" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mkdir" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mkdir" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mkdir" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mv" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mv" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mv" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mv" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mv" -l overwrite -d 'What is there may be replaced'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mv" -l dry-run -d 'Only say whether it could be done'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mv" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mv" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mv" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from mv" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -l overwrite -d 'What is there may be replaced'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -l dry-run -d 'Only say whether it could be done'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -s r -l recursive -d 'Directories with all that is below them'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from cp" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ln" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ln" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ln" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ln" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ln" -l hard -d 'A second name for the same file'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ln" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ln" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ln" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from ln" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from chmod" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from chmod" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from chmod" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from chmod" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from chmod" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from chmod" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from chmod" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from chmod" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from touch" -l time -d 'RFC 3339 [default: now]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from touch" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from touch" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from touch" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from touch" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from touch" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from touch" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from touch" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from touch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from hash" -l algorithm -d 'How' -r -f -a "sha256\t''
blake3\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from hash" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from hash" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from hash" -l root -d 'A directory that no path, link or race leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from hash" -s C -l cd -d 'Where relative paths begin [default: the root, or the working directory]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from hash" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from hash" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from hash" -l bytes -d 'The paths of this command line are base64, as in `path_bytes`'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand fs; and __fish_seen_subcommand_from hash" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "start" -d 'Start it: an X server that listens on no network, and a window manager; prints its record once it can be used'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "stop" -d 'End it, with everything that was launched on it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "status" -d 'What it is doing, what it is made of, what is missing'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "display" -d 'Its display, the file that lets programs in, the size of its screen'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "screenshot" -d 'A picture of the screen, on stdout or into a file'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "mouse" -d 'Move the pointer, press its buttons, drag, scroll'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "key" -d 'Press keys, alone or as a chord such as ctrl+shift+t'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "type" -d 'Type text: any character, whatever the keyboard'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "windows" -d 'List windows, focus, move, resize and close them, wait for them'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "clipboard" -d 'What is copied and pasted'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "wait" -d 'Wait until something is drawn, nothing is drawn any more, a point has a colour, or a window is there'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "record" -d 'Films of the screen: start, stop, list, show, download, delete'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "launch" -d 'Start a program on it; `stop` ends it, and `proc` knows it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "open" -d 'Open a file or an address with the program that is meant for it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "view" -d 'It in a browser on this machine, live: to look at and to use'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and not __fish_seen_subcommand_from start stop status display screenshot mouse key type windows clipboard wait record launch open view do" -f -a "do" -d 'A script of actions over one connection, one JSON object a line; one result a line'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -l width -d 'Width of the screen, in pixels' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -l height -d 'Height of the screen, in pixels' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -l dpi -d 'Dots an inch' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -l display-num -d 'The display\'s number [default: the first from 99 that is free]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -l gl -d 'Let programs draw with OpenGL, in software: 57 MB more'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -l replace -d 'Where it runs with another screen, end that first, with everything on it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from stop" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from stop" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from stop" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from stop" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from stop" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from stop" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from status" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from status" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from status" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from status" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from status" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from display" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from display" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from display" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from display" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from display" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from display" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from display" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l format -d 'How it is written; png and webp are exact' -r -f -a "png\t''
jpeg\t''
webp\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l quality -d 'Of a jpeg, from 1 to 100 [default: 85]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l scale -d 'Smaller, from 0.01 to 1' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l scale-to -d 'Exactly this large; the record says the two factors, and `--from-scale` takes points of it' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l region -d 'Only this part of the screen' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l out -d 'Into this file, and a record on stdout; else the picture itself is on stdout' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l cursor -d 'With the cursor'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from screenshot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -f -a "position" -d 'Where the pointer is'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -f -a "move" -d 'Move it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -f -a "click" -d 'Press and release a button, there or where the pointer is'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -f -a "down" -d 'Press a button and leave it down'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -f -a "up" -d 'Release a button'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -f -a "drag" -d 'Press a button at one point, go to another, release it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from mouse" -f -a "scroll" -d 'Turn the wheel'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -l hold-ms -d 'How many milliseconds each is held' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -l repeat -d 'How often' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -l down -d 'Press them and leave them down'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -l up -d 'Release them'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -l all -d 'With --up: every key that is down'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from type" -l delay-ms -d 'Milliseconds between two characters' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from type" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from type" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from type" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from type" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from type" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from type" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from type" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -l title -d 'Only those whose title has this, a regular expression' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -l class -d 'Only those of this class, as in XTerm' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -l pid -d 'Only those of this process' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -f -a "list" -d 'One record a window, the lowest first'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -f -a "focused" -d 'The window that has the focus'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -f -a "focus" -d 'Give a window the focus and raise it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -f -a "move" -d 'Move a window; its frame begins at the point'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -f -a "resize" -d 'Resize a window; it may accept only some sizes'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -f -a "close" -d 'Ask a window to close, and wait until it has'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from windows" -f -a "wait" -d 'Wait for a window'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from clipboard" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from clipboard" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from clipboard" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from clipboard" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from clipboard" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from clipboard" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from clipboard" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from clipboard" -f -a "get" -d 'The text that it holds'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from clipboard" -f -a "set" -d 'Hold a text until another program copies something, or the desktop ends'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -l stable -d 'Until nothing has been drawn for so long' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -l window -d 'Until there is a window whose title has this, a regular expression' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -l pixel -d 'Until a point has a colour, as in 10,20=ff8000' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -l region -d 'With --change and --stable: only this part of the screen counts' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -l timeout -d 'No longer than this; exit 124' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -l change -d 'Until something is drawn; what was drawn before does not count'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -f -a "start" -d 'Start a recording in the background; one at a time on each desktop. Needs ffmpeg'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -f -a "stop" -d 'End it, and print its record once the film is whole'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -f -a "list" -d 'One record a recording, of every desktop, the oldest first'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -f -a "show" -d 'One of them'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -f -a "download" -d 'Copy a film; of one that goes on what there is so far'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from record" -f -a "delete" -d 'Forget a recording, with its film'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -l wait -d 'Wait for a window of it; exit 124 when none comes in time, and the program goes on' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -l title -d 'Only a window whose title has this counts, a regular expression' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -l class -d 'Only a window of this class counts, as in XTerm' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -l env -d 'A variable for it; without =VALUE copied from here' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from launch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from open" -l wait -d 'Wait for a window; exit 124 when none comes in time, 1 when nothing can open it' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from open" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from open" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from open" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from open" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from open" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from open" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from open" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from view" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from view" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from view" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from view" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from view" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from view" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from view" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from view" -f -a "start" -d 'Serve it on 127.0.0.1, until `view stop` or the end of the desktop; prints the address, which holds the key to it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from view" -f -a "stop" -d 'Serve it no longer'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from view" -f -a "status" -d 'Where it is, and how many look'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from do" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from do" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from do" -l name -d 'Which desktop; there may be several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from do" -l display -d 'A display that others have started, as in :0; XAUTHORITY or ~/.Xauthority lets us in' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from do" -l keep-going -d 'Go on after an action that failed; its result is the error'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from do" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from do" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand desktop; and __fish_seen_subcommand_from do" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -l from -d 'An archive, a program or a directory to install from, in place of the network' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -l lock -d 'Write the exact versions and hashes into this file; entries of other agents stay' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -l locked -d 'Install exactly what this file says, by default every agent in it' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -l registry -d 'The npm registry [env: SANDBOX_AGENT_MIRROR] [default: npm\'s configuration]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -l all -d 'Every agent that can be installed without being told a version'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -s f -l force -d 'Install again what is installed'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install-agent" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and not __fish_seen_subcommand_from desktop" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and not __fish_seen_subcommand_from desktop" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and not __fish_seen_subcommand_from desktop" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and not __fish_seen_subcommand_from desktop" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and not __fish_seen_subcommand_from desktop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and not __fish_seen_subcommand_from desktop" -f -a "desktop" -d 'What `desktop` needs or can use: an X server, a window manager, a font, ffmpeg, xdg-utils, D-Bus'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and __fish_seen_subcommand_from desktop" -l package-manager -d 'The package manager [default: this system\'s]' -r -f -a "apt\t''
dnf\t''
apk\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and __fish_seen_subcommand_from desktop" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and __fish_seen_subcommand_from desktop" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and __fish_seen_subcommand_from desktop" -s y -l yes -d 'Do not ask'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and __fish_seen_subcommand_from desktop" -l print-only -d 'Only say what would be done; needs no root'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and __fish_seen_subcommand_from desktop" -l minimal -d 'Only the X server, the window manager, a font: without ffmpeg (`desktop record`), xdg-utils (`desktop open`), D-Bus'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and __fish_seen_subcommand_from desktop" -l no-fonts -d 'Without fonts'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and __fish_seen_subcommand_from desktop" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and __fish_seen_subcommand_from desktop" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand install; and __fish_seen_subcommand_from desktop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and not __fish_seen_subcommand_from list show use uninstall verify" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and not __fish_seen_subcommand_from list show use uninstall verify" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and not __fish_seen_subcommand_from list show use uninstall verify" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and not __fish_seen_subcommand_from list show use uninstall verify" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and not __fish_seen_subcommand_from list show use uninstall verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and not __fish_seen_subcommand_from list show use uninstall verify" -f -a "list" -d 'One line an agent'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and not __fish_seen_subcommand_from list show use uninstall verify" -f -a "show" -d 'One agent, asked what it offers here: models, modes, efforts, commands'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and not __fish_seen_subcommand_from list show use uninstall verify" -f -a "use" -d 'Choose the version that is used when none is named'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and not __fish_seen_subcommand_from list show use uninstall verify" -f -a "uninstall" -d 'Remove a version, or all of them'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and not __fish_seen_subcommand_from list show use uninstall verify" -f -a "verify" -d 'Compare every installed file with its hash; exit code 1 when one is not as it was installed'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from list" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from list" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from list" -l outdated -d 'Only what the registry has a newer version of; asks the network'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from list" -l installed -d 'Only what is installed'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from list" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from show" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from show" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from show" -l refresh -d 'Ask again, though it said so within the last hour'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from show" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from use" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from use" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from use" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from use" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from use" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from uninstall" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from uninstall" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from uninstall" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from uninstall" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from uninstall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from verify" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from verify" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from verify" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand agents; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s H -l host -d 'Where to listen; others than this machine only with a token that you name' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s p -l port -d 'The port; 0 takes one that is free and says which' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -l unix -d 'Listen on a socket in the file system instead, which only this user may use' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s t -l token -d 'The token that clients must send; better in a file or in the environment [env: SANDBOX_AGENT_TOKEN]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -l token-file -d 'Read tokens from a file that is for its owner only: a line each, `TOKEN` or `TOKEN SCOPE,SCOPE`; the scopes are read, prompt, answer, fs, proc, desktop and admin, which is all of them' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -l allow-host -d 'Another name by which clients call this server, as behind a proxy; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s O -l cors-allow-origin -d 'Let pages of this origin use it, as in http://localhost:3000, or * for all; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s M -l cors-allow-method -d 'The methods that such pages may use; repeatable [default: what they ask for]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s A -l cors-allow-header -d 'The headers that such pages may send; repeatable [default: what they ask for]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -l fs-root -d 'A directory that no path, link or race of a file route leads out of [env: SANDBOX_AGENT_FS_ROOT]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -l idle-exit -d 'End once nobody has been connected for so long, as in 10m; sessions go on' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -l warm -d 'Of how many ACP sessions the agents stay for ten minutes after a turn: of those that were prompted last; the next prompt of another one starts its agent again' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s n -l no-token -d 'Whoever is on this machine may use it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s C -l cors-allow-credentials -d 'Let such pages send credentials'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s q -l quiet -d 'Log no requests'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -l no-telemetry -d 'There is no telemetry; for scripts that turn it off'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand server" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -s a -l agent -d 'Which agent, and which version of it; `agents list` names them [env: SANDBOX_AGENT_AGENT]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -s m -l model -d 'The model of new sessions, in the agent\'s words' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -l mode -d 'The mode of new sessions, in the agent\'s words' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -l effort -d 'The reasoning effort of new sessions, in the agent\'s words' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -l permission-mode -d 'How permissions are decided [default: ask]' -r -f -a "read-only\t''
ask\t''
accept-edits\t''
auto\t''
bypass\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -l allow -d 'Allow what this rule covers, as in \'command:git *\'; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -l deny -d 'Deny what this rule meets; repeatable, and stronger than --allow' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand acp" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand doctor" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand doctor" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand doctor" -s a -l agent -d 'This agent must be usable; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand doctor" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand doctor" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand schema" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand schema" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand schema" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand schema" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand completions" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand completions" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand completions" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand completions" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'
acp\t'The session as notifications of the Agent Client Protocol'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -l out -d 'Write all pages into this directory' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
