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
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -s V -l version -d 'Print version'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "run" -d 'Start or continue a session, send a prompt, stream the turn'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "send" -d 'Queue a prompt for a session, or put it into the running turn'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "answer" -d 'Decide a permission, answer a question'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "cancel" -d 'Interrupt the running turn'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "wait" -d 'Wait until sessions are idle, asking or ended'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "stream" -d 'The events of a session as a flow, from an offset, also while it runs'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "events" -d 'The events of a session as pages'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "sessions" -d 'List, show, search, export, rename, end and delete sessions'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "credentials" -d 'What agents can log in with: show it, export it, check it'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "proc" -d 'Processes that outlive the command that started them: logs, input, terminals, limits'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "schema" -d 'Print the JSON Schema of events and records'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c sandbox-agent -n "__fish_sandbox_agent_needs_command" -f -a "man" -d 'Print a man page, or write all of them'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l prompt -d 'The prompt, as an option' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l prompt-file -d 'Read the prompt from a file' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s a -l agent -d 'Which agent; see `--help` of the program for the names [env: SANDBOX_AGENT_AGENT]' -r
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
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l agent-arg -d 'An argument for the agent\'s own program; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l linger -d 'With --detach: keep the agent warm for so long after its last turn [default: 0s]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l input -d 'Keep the agent warm and read prompts, answers, cancels and settings from stdin, a JSON object a line' -r -f -a "ndjson\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l id-file -d 'Write the session\'s id into this file, as soon as it exists' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l label -d 'A label for the session; repeatable' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l user -d 'Who sends the prompt' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l type -d 'Print only these types, comma separated' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l trace -d 'Write the native conversation into this file, both ways, secrets masked' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l stdin -d 'Append all of stdin to the prompt'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s c -l continue -d 'Continue the latest session of this directory'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l new -d 'The session must not exist yet'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l resume -d 'The session must exist'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l no-input -d 'Never ask on the terminal [env: SANDBOX_AGENT_NO_INPUT]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l denied-ok -d 'What our own deny rules deny is no reason for exit code 5'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l clean-env -d 'Give the agent no variables but PATH, HOME, locale, and those of --env'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l detach -d 'Print the session\'s id once the prompt is recorded, and go on in the background'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l queue -d 'Where the session is busy: wait for its turn instead of exit 8'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l from-inbox -d 'Serve what waits for the session'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s q -l quiet -d 'Print the session\'s id only, as soon as it exists'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l raw -d 'Store and print the agent\'s own payloads'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l no-deltas -d 'Print no item.delta'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l ephemeral -d 'Use a store of its own that is removed at the end'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l no-nested -d 'Refuse to run inside another agent\'s session'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l dry-run -d 'Print what would be started, and start nothing'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l prompt-file -d 'Read the prompt from a file' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l attach -d 'Attach a file or a picture; repeatable' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l user -d 'Who sends it' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l id -d 'An id of your own, to find it in `turn.started` again' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l stdin -d 'Append all of stdin to the prompt'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l steer -d 'Put it into the running turn instead of the queue'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l with-input -d 'Go on with this input, where the agent takes an edited one' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l option -d 'Choose this label of a question; several where it takes several' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l text -d 'Answer a question in your own words' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l answers -d 'Answer all questions of a request: {"question id": ["label or text"]}' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l message -d 'Why it is rejected; the agent is told' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l user -d 'Who answers' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l accept -d 'Go on'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l accept-for-session -d 'Go on, and do not ask for the same again while this run lives'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l reject -d 'Do not; a question is declined'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand answer" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -l kill -d 'End the agent\'s process instead of asking it'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -l for -d 'For what [default: idle or asking, whatever comes first]' -r -f -a "idle\t''
asking\t''
ended\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -l prompt -d 'For the end of the turn that this prompt gets' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -l timeout -d 'No longer than this; then exit 124' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l offset -d 'Only what comes after this: a sequence, an event_id, `end`, or -N for the last N [default: 0]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l offset-file -d 'Begin where this file says, and keep in it what was printed' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l after -d 'Only what comes after this cursor' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -s f -l follow -d 'Wait for more, until the session is idle (also when it asks), a turn ended, the session ended, or never' -r -f -a "idle\t''
turn\t''
ended\t''
never\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l wait -d 'Wait this long for a session that does not exist yet' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l type -d 'Only these types, comma separated' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l all -d 'Every session, in order of writing; each line begins with its cursor'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l exit-status -d 'Exit with the run\'s code; 6 when the session asks'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l no-deltas -d 'No item.delta'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l raw -d 'With the agent\'s own payloads, where they were stored'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand stream" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l offset -d 'Only what comes after this: a sequence, an event_id, `end`, or -N for the last N [default: 0]' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l after -d 'Only what comes after this cursor' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l limit -d 'No more than this' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l since -d 'From this time on: RFC 3339, a date, today, or 2h (= ago)' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l until -d 'Before this time' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l wait -d 'Where nothing is there, wait this long for something' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l type -d 'Only these types, comma separated' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l all -d 'Every session, in order of writing; each line begins with its cursor'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l reverse -d 'The newest first'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l no-deltas -d 'No item.delta'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l raw -d 'With the agent\'s own payloads, where they were stored'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand events" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and not __fish_seen_subcommand_from list show rename end delete prune export import search usage log path" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
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
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from show" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from show" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from show" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from rename" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from rename" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from rename" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from rename" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from end" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from end" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from end" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from end" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from end" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from delete" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from delete" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
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
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -l dry-run -d 'Only say which'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -l format -d 'NDJSON, or Markdown for people' -r -f -a "ndjson\t''
markdown\t''"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -l redact -d 'Mask what looks like a key or a token'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from import" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from import" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from import" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from search" -l limit -d 'No more hits than this' -r
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from search" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from search" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
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
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from usage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from path" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from path" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from path" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from path" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand sessions; and __fish_seen_subcommand_from path" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and not __fish_seen_subcommand_from extract extract-env check" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and not __fish_seen_subcommand_from extract extract-env check" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
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
none\t'Nothing'"
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
none\t'Nothing'"
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
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from check" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand credentials; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and not __fish_seen_subcommand_from run" -f -a "run" -d 'Run a program to its end and print one result; exits with its code, 128 + n for a signal, 124 for a timeout'
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
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l clean-env -d 'Give it no variables but PATH, HOME, locale, and those of --env'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l stdin -d 'Let it read our stdin; else its input is empty'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l stream -d 'Print output as it comes; the result then has none'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand proc; and __fish_seen_subcommand_from run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand schema" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand schema" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand schema" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand schema" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand completions" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand completions" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand completions" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand completions" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -l out -d 'Write all pages into this directory' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -l store -d 'The store [env: SANDBOX_AGENT_STORE] [default: $XDG_DATA_HOME/sandbox-agent/store.db]' -r -F
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -s o -l output -d 'How to print: events and records as NDJSON, for people, only the last text, or nothing' -r -f -a "ndjson\t'One JSON object a line'
text\t'For people'
last\t'The last text of the assistant, when the turn went well'
none\t'Nothing'"
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -l json -d 'The same as --output ndjson'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -s v -l verbose -d 'Say on stderr what is done; twice: also what the agent says on stderr [env: SANDBOX_AGENT_LOG]'
complete -c sandbox-agent -n "__fish_sandbox_agent_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
