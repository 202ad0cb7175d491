// The TypeScript SDK, unmodified: `SANDBOX_AGENT_BIN=PROGRAM node sdk.mjs CWD AGENT FILE SERVER`. With the mock all of it; with a real agent
// a turn, one that asks for FILE to be made, one that calls the MCP server of the script SERVER, and a resumption.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { InMemorySessionPersistDriver, SandboxAgent, SandboxAgentError } from "sandbox-agent";
import * as sdk from "sandbox-agent";
import { local } from "sandbox-agent/local";

const [cwd, agent, file, mcp] = process.argv.slice(2);
const words = (text) => [{ type: "text", text }];

/** Listeners hear an event once the driver has it, which may be a moment after the answer. */
async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** What a session's client heard. */
function listen(session) {
  const heard = { events: [], permissions: [] };
  session.onEvent((event) => heard.events.push(event));
  heard.updates = () => heard.events.map((event) => event.payload.params?.update).filter(Boolean);
  heard.text = () =>
    heard.updates().filter((update) => update.sessionUpdate === "agent_message_chunk").map((update) => update.content.text).join("");
  return heard;
}

const persist = new InMemorySessionPersistDriver();
// Every public method that is called is counted; the end of the test says which were not.
const called = new Set();
const counted = (object, kind) =>
  new Proxy(object, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof name === "string") called.add(`${kind}.${name}`);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

const provider = local({ log: "silent" });
const started = await SandboxAgent.start({ sandbox: provider, persist });
const client = counted(started, "SandboxAgent");
assert.match(client.sandboxId, /^local\/127\.0\.0\.1:\d+$/);
assert.equal(client.sandbox.name, "local");
assert.equal((await client.getHealth()).status, "ok");
const listed = await client.listAgents();
assert.ok(listed.agents.some((one) => one.id === agent && one.installed));
assert.equal((await client.getAgent(agent)).id, agent);

// One session, with what the agent offers.
const mcpServers = mcp ? [{ name: "test", command: process.execPath, args: [mcp], env: [] }] : [];
const made = await client.createSession({ agent, id: "mine", sessionInit: { cwd, mcpServers } });
const session = counted(made, "Session");
const heard = listen(session);
assert.equal(session.id, "mine");
assert.equal(session.agent, agent);
assert.ok(session.agentSessionId.startsWith("ses_"));
const options = await session.getConfigOptions();
assert.ok(options.some((option) => option.category === "permission_mode"));

if (agent === "mock") {
  const modes = await session.getModes();
  assert.deepEqual(modes.availableModes.map((mode) => mode.id), ["default", "plan"]);
  await session.setMode("plan");
  assert.equal((await session.getModes()).currentModeId, "plan");
  await session.setMode("default");
  await session.setThoughtLevel("high");
  const level = (await session.getConfigOptions()).find((option) => option.category === "thought_level");
  assert.equal(level.currentValue, "high");
  await session.setConfigOption("permission_mode", "ask");
  await session.setModel((await session.getConfigOptions()).find((option) => option.category === "model").options[0].value);
  await client.setSessionMode("mine", "plan");
  await client.setSessionThoughtLevel("mine", "low");
  await client.setSessionConfigOption("mine", "mode", "default");
  assert.equal((await client.getSessionModes("mine")).currentModeId, "default");
  assert.equal((await client.getSessionConfigOptions("mine")).find((option) => option.id === "thought_level").currentValue, "low");
  await client.setSessionModel("mine", (await client.getSessionConfigOptions("mine")).find((option) => option.id === "model").currentValue);
  await assert.rejects(session.setMode("none"), sdk.UnsupportedSessionValueError);
  await assert.rejects(session.setConfigOption("none", "x"), sdk.UnsupportedSessionConfigOptionError);
  await assert.rejects(session.rawSend("session/cancel"), /destroySession/);
}

// A turn.
const said = await session.prompt(words(agent === "mock" ? "echo good morning" : "say it"));
assert.equal(said.stopReason, "end_turn");
await until(() => heard.events.at(-1)?.payload.result?.stopReason);
const first = heard.text();
assert.equal(first, agent === "mock" ? "mock: good morning" : "good morning");
assert.equal((await client.rawSendSessionMethod("mine", "session/set_config_option", { configId: "permission_mode", value: "ask" })).response.configOptions.length > 0, true);

// What another client sets is told to this one, and its options are those of the other.
if (agent === "mock") {
  const url = `${client.inspectorUrl.replace(/\/ui\/$/, "")}/v1/acp/other`;
  const headers = { authorization: `Bearer ${started.token}`, "content-type": "application/json" };
  const other = async (method, params) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const answer = await (await fetch(`${url}?agent=mock`, { method: "POST", headers, body })).json();
    assert.ok(answer.result, JSON.stringify(answer));
    return answer.result;
  };
  await other("initialize", { protocolVersion: 1, clientCapabilities: {} });
  const sets = "mode=plan thought_level=medium model=mock-2 permission_mode=accept-edits mode=default permission_mode=ask";
  for (const [configId, value] of sets.split(" ").map((set) => set.split("="))) {
    const { configOptions } = await other("session/set_config_option", { sessionId: session.agentSessionId, configId, value });
    assert.equal(configOptions.find((option) => option.id === configId).currentValue, value);
    const told = () => heard.updates().filter((update) => update.sessionUpdate === "config_option_update").at(-1)?.configOptions;
    await until(() => told()?.find((option) => option.id === configId).currentValue === value);
    assert.deepEqual(told(), configOptions);
    assert.deepEqual(await session.getConfigOptions(), configOptions);
  }
  await fetch(url, { method: "DELETE", headers });
}

// A permission, given; then, with the mock, one refused and one given for the session.
const asked = async (text, reply, raw) => {
  let request;
  const stop = session.onPermissionRequest((one) => {
    request = one;
    void (raw ? session.rawRespondPermission(one.id, raw(one)) : session.respondPermission(one.id, reply));
  });
  const answer = await session.prompt(words(text));
  stop();
  assert.ok(request, "it was not asked");
  return { answer, request };
};
const given = await asked(agent === "mock" ? "permission echo asked" : "make it", "once");
assert.equal(given.answer.stopReason, "end_turn");
assert.deepEqual(given.request.availableReplies, ["once", "always", "reject"]);
await until(() => heard.updates().some((update) => update.sessionUpdate === "tool_call_update" && update.status === "completed"));
if (agent === "mock") {
  assert.equal((await asked("permission echo no", "reject")).answer._meta["sandbox-agent"].outcome, "denied");
  await asked("permission echo raw", null, (one) => ({ outcome: { outcome: "selected", optionId: one.options[0].optionId } }));
  const off = client.onPermissionRequest("mine", (one) => void client.respondPermission(one.id, "always"));
  assert.equal((await session.prompt(words("permission echo always"))).stopReason, "end_turn");
  // Nobody is asked again for the same.
  assert.equal((await session.prompt(words("permission echo always"))).stopReason, "end_turn");
  off();
  const raw = client.onPermissionRequest("mine", (one) => void client.rawRespondPermission(one.id, { outcome: { outcome: "cancelled" } }));
  assert.equal((await session.prompt(words("permission echo cancelled")))._meta["sandbox-agent"].outcome, "denied");
  raw();
} else {
  assert.ok(existsSync(file), "what was allowed was done");
  assert.equal((await asked("say it louder", "once")).answer.stopReason, "end_turn");
  await until(() => heard.updates().some((update) => JSON.stringify(update).includes("HELLO")));
}

// What the driver keeps: every envelope once, in order, with the answer behind the last update.
async function kept() {
  const events = [];
  for (let cursor; ; ) {
    const page = await client.getEvents({ sessionId: "mine", cursor, limit: 50 });
    events.push(...page.items);
    if (!page.nextCursor) return events;
    cursor = page.nextCursor;
  }
}
// (It keeps them a moment after it gave them out.)
let events = await kept();
while (!events.at(-1).payload.result) events = await kept();
assert.deepEqual(events.map((event) => event.eventIndex), events.map((_, at) => events[0].eventIndex + at));
const answers = events.filter((event) => event.payload.result?.stopReason);
const prompts = events.filter((event) => event.payload.method === "session/prompt");
assert.deepEqual(answers.map((event) => event.payload.id), prompts.map((event) => event.payload.id));
for (const answer of answers) {
  const end = answer.payload.result._meta["sandbox-agent"];
  assert.ok(end.phase === "ended" && end.prompt_ids.length > 0 && end.duration_ms >= 0, "all of its turn's end");
  const begin = events.find((event) => event.payload.params?.update?._meta?.["sandbox-agent"]?.data?.turn_id === end.turn_id);
  assert.ok(begin && begin.eventIndex < answer.eventIndex, "that its turn began is heard before its answer");
}
assert.equal((await client.listSessions()).items.length, 1);
assert.equal((await client.getSession("mine")).id, "mine");
assert.equal(await client.getSession("other"), null);
await session.refresh();
assert.equal(session.toRecord().agentSessionId, session.agentSessionId);
const servers = (await client.listAcpServers()).servers;
assert.deepEqual(servers.map((one) => one.agent).filter((one) => one !== "nobody"), [agent]);

// Another client, as after a restart of the program: the driver's session goes on in a new one.
const second = await SandboxAgent.start({ sandbox: provider, sandboxId: client.sandboxId, persist });
const again = await second.resumeOrCreateSession({ id: "mine", agent, cwd });
assert.equal((await second.resumeSession("mine")).id, "mine");
const later = listen(again);
assert.equal((await again.prompt(words(agent === "mock" ? "echo again" : "say it"))).stopReason, "end_turn");
await until(() => later.text().length > 0);
assert.notEqual(again.agentSessionId, session.agentSessionId);
const connected = await SandboxAgent.connect({ baseUrl: client.inspectorUrl.replace(/\/ui\/$/, ""), token: "wrong", waitForHealth: false });
await assert.rejects(connected.listAgents(), (error) => error instanceof SandboxAgentError && error.status === 401);
await connected.dispose();
await second.destroySession("mine");
assert.ok((await second.getSession("mine")).destroyedAt);
await second.dispose();

// Everything of the SDK that concerns sessions was called.
if (agent === "mock") {
  await client.resumeSession("mine");
  await client.resumeOrCreateSession({ id: "mine", agent, cwd });
  await client.destroySession("mine");
  const own = (object) => Object.getOwnPropertyNames(Object.getPrototypeOf(object));
  const wanted = [
    ...own(made).filter((name) => !["constructor", "apply"].includes(name)).map((name) => `Session.${name}`),
    ..."sandboxId sandbox inspectorUrl getHealth listAgents getAgent listAcpServers createSession resumeSession resumeOrCreateSession getSession listSessions destroySession"
      .split(" ").map((name) => `SandboxAgent.${name}`),
    ...own(started).filter((name) => /Session[A-Z]|onPermission|espondPermission|onSessionEvent|getEvents/.test(name) && !/Internal|Category|persist|Config(Options)?Hydr|hydrate|allocate|ensure|findMax|cancelPending|Desktop|Process|upsert|require/.test(name))
      .map((name) => `SandboxAgent.${name}`),
  ];
  void [session.createdAt, session.destroyedAt, session.lastConnectionId];
  client.onSessionEvent("mine", () => {})();
  const missing = wanted.filter((name) => !called.has(name));
  assert.deepEqual(missing, []);
}
await client.destroySandbox();
console.log(first);
