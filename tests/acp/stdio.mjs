// An editor, by the client side of @agentclientprotocol/sdk: `node stdio.mjs PROGRAM CWD ARGS` speaks with `PROGRAM ARGS`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { Readable, Writable } from "node:stream";
import { client, methods, ndJsonStream, RequestError } from "@agentclientprotocol/sdk";

const [program, cwd, args] = process.argv.slice(2);
const complaints = [];
console.error = (...words) => complaints.push(words.map(String).join(" "));

/** One connection: what it hears, and how it answers. */
async function connect(forms, work) {
  const child = spawn(program, JSON.parse(args), { stdio: ["pipe", "pipe", "inherit"] });
  const heard = { updates: [], permissions: [], forms: [], withdrawn: [], decide: "accept", fill: null };
  const app = client({ name: "editor" })
    .onNotification(methods.client.session.update, ({ params }) => void heard.updates.push(params))
    .onRequest(methods.client.session.requestPermission, async ({ params, signal }) => {
      heard.permissions.push(params);
      signal.addEventListener("abort", () => heard.withdrawn.push(params));
      const decided = typeof heard.decide === "function" ? await heard.decide(params) : heard.decide;
      return { outcome: decided ? { outcome: "selected", optionId: decided } : { outcome: "cancelled" } };
    })
    .onRequest(methods.client.elicitation.create, ({ params }) => {
      heard.forms.push(params);
      return heard.fill ? { action: "accept", content: heard.fill } : { action: "decline" };
    });
  const exited = new Promise((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code)));
  const result = await app.connectWith(
    ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout)),
    async (agent) => {
      const said = await agent.request(methods.agent.initialize, {
        protocolVersion: 1,
        clientCapabilities: forms ? { elicitation: { form: {} } } : {},
        clientInfo: { name: "editor", version: "1" },
      });
      assert.equal(said.protocolVersion, 1);
      assert.equal(said.agentCapabilities.loadSession, true);
      return work(agent, heard);
    },
  );
  child.stdin.end();
  assert.equal(await exited, 0, "it ends when its client has left");
  return result;
}

const text = (heard, kind = "agent_message_chunk") =>
  heard.updates.filter(({ update }) => update.sessionUpdate === kind).map(({ update }) => update.content.text).join("");
const prompt = (agent, sessionId, words) =>
  agent.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: "text", text: words }] });
const refused = async (promise, code) => {
  const error = await promise.then(() => null, (error) => error);
  assert.ok(error instanceof RequestError, `it was not refused: ${error}`);
  assert.equal(error.code, code, error.message);
  return error;
};

const sessionId = await connect(true, async (agent, heard) => {
  await refused(agent.request("session/nonsense", {}), -32601);
  await refused(agent.request(methods.agent.authenticate, { methodId: "none" }), -32602);
  await refused(agent.request(methods.agent.session.new, { cwd: "relative", mcpServers: [] }), -32602);
  const servers = [{ name: "s", command: "/bin/true", args: [], env: [] }];
  await refused(agent.request(methods.agent.session.new, { cwd, mcpServers: servers }), -32602);
  const made = await agent.request(methods.agent.session.new, { cwd, mcpServers: [] });
  const { sessionId } = made;
  assert.deepEqual(made.modes.availableModes.map((mode) => mode.id), ["default", "plan"]);
  assert.deepEqual(
    made.configOptions.map((option) => option.category),
    ["mode", "model", "thought_level", "permission_mode"],
  );

  // A turn: the text, without an echo of the prompt, and all of it before its answer.
  const said = await prompt(agent, sessionId, "echo good morning");
  assert.equal(said.stopReason, "end_turn");
  assert.equal(text(heard), "mock: good morning");
  assert.equal(text(heard, "user_message_chunk"), "");
  assert.ok(heard.updates.every((one) => one.sessionId === sessionId));

  // A tool call that is asked for, and one that is refused.
  heard.updates.length = 0;
  assert.equal((await prompt(agent, sessionId, "permission echo asked")).stopReason, "end_turn");
  assert.equal(heard.permissions.length, 1);
  const [{ toolCall, options }] = heard.permissions;
  assert.deepEqual(options.map((option) => option.kind), ["allow_once", "allow_always", "reject_once"]);
  const calls = heard.updates.filter(({ update }) => update.toolCallId === toolCall.toolCallId);
  assert.deepEqual(calls[0].update.sessionUpdate, "tool_call");
  assert.equal(calls.at(-1).update.status, "completed");
  heard.updates.length = 0;
  heard.decide = "reject";
  const denied = await prompt(agent, sessionId, "permission echo refused");
  assert.equal(denied._meta["sandbox-agent"].outcome, "denied");
  assert.equal(heard.updates.findLast(({ update }) => update.toolCallId)?.update.status, "failed");

  // Questions as a form.
  heard.decide = "accept";
  const asked = await prompt(agent, sessionId, "question");
  assert.equal(asked._meta["sandbox-agent"].outcome, "denied", "a form that is declined is a question refused");
  const properties = heard.forms[0].requestedSchema.properties;
  const [id] = Object.keys(properties);
  const choice = properties[id].oneOf[0].const;
  heard.updates.length = 0;
  heard.fill = { [id]: choice };
  assert.equal((await prompt(agent, sessionId, "question")).stopReason, "end_turn");
  assert.ok(text(heard).includes(choice), text(heard));

  // Settings.
  await agent.request(methods.agent.session.setMode, { sessionId, modeId: "plan" });
  const set = await agent.request(methods.agent.session.setConfigOption, { sessionId, configId: "model", value: "large" });
  const current = (options, id) => options.find((option) => option.id === id).currentValue;
  assert.equal(current(set.configOptions, "model"), "large");
  assert.equal(current(set.configOptions, "mode"), "plan");
  await refused(agent.request(methods.agent.session.setMode, { sessionId, modeId: "none" }), -32602);
  await refused(agent.request(methods.agent.session.setConfigOption, { sessionId, configId: "none", value: "x" }), -32602);

  // What is attached reaches the agent.
  heard.updates.length = 0;
  const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  const blocks = [
    { type: "text", text: "echo look" },
    { type: "image", mimeType: "image/png", data: pixel },
    { type: "resource", resource: { uri: "file:///x.txt", text: "inside" } },
    { type: "resource_link", name: "y.txt", uri: "file:///y.txt" },
  ];
  await agent.request(methods.agent.session.prompt, { sessionId, prompt: blocks });
  assert.ok(text(heard).includes("inside") && text(heard).includes("[@y.txt](/y.txt)"), text(heard));
  await refused(agent.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: "audio", data: "", mimeType: "audio/wav" }] }), -32602);

  // A cancel ends the turn, whatever it is about, and what it asks is withdrawn.
  const began = new Promise((resolve) => {
    const timer = setInterval(() => {
      if (heard.updates.some(({ update }) => update._meta?.["sandbox-agent"]?.type === "turn.started")) {
        clearInterval(timer);
        resolve();
      }
    }, 5);
  });
  heard.updates.length = 0;
  const hangs = prompt(agent, sessionId, "hang");
  await began;
  await agent.notify(methods.agent.session.cancel, { sessionId });
  assert.equal((await hangs).stopReason, "cancelled");
  heard.permissions.length = 0;
  heard.decide = () => new Promise((resolve) => (heard.give = resolve));
  const asks = prompt(agent, sessionId, "permission echo never");
  while (!heard.give) await new Promise((resolve) => setTimeout(resolve, 5));
  await agent.notify(methods.agent.session.cancel, { sessionId });
  assert.equal((await asks).stopReason, "cancelled");
  assert.equal(heard.withdrawn.length >= 1, true);
  heard.give(null);

  // Failures are errors, not turns without a word.
  const crash = await refused(prompt(agent, sessionId, "crash 3"), -32603);
  assert.equal(crash.data.code, "crash");
  const listed = await agent.request(methods.agent.session.list, { cwd });
  assert.deepEqual(listed.sessions.map((session) => session.sessionId), [sessionId]);
  return sessionId;
});

// Another day: the conversation is told again and goes on; a client without forms is asked by permissions.
await connect(false, async (agent, heard) => {
  await refused(agent.request(methods.agent.session.load, { sessionId: "missing", cwd, mcpServers: [] }), -32002);
  const loaded = await agent.request(methods.agent.session.load, { sessionId, cwd, mcpServers: [] });
  assert.equal(loaded.configOptions.find((option) => option.id === "model").currentValue, "large");
  assert.ok(text(heard).startsWith("mock: good morning"), "the history is told before the answer");
  assert.ok(text(heard, "user_message_chunk").startsWith("echo good morning"));
  assert.equal(heard.permissions.length, 0, "nothing of the past is asked again");
  heard.updates.length = 0;
  heard.decide = (params) => params.options[0].optionId;
  assert.equal((await prompt(agent, sessionId, "question")).stopReason, "end_turn");
  assert.ok(heard.permissions[0].options[0].optionId.startsWith("answer:"));
  assert.ok(text(heard).includes(heard.permissions[0].options[0].name), text(heard));
  const several = await prompt(agent, sessionId, "questions");
  assert.equal(several._meta["sandbox-agent"].outcome, "denied", "what cannot be asked here is refused, and holds up nothing");
  await agent.request(methods.agent.session.close, { sessionId });
});
await connect(false, async (agent, heard) => {
  await agent.request(methods.agent.session.resume, { sessionId, cwd, mcpServers: [] });
  assert.equal(heard.updates.length, 0, "a resumed session tells nothing again");
  assert.equal((await prompt(agent, sessionId, "echo on")).stopReason, "end_turn");
  assert.equal(text(heard), "mock: on");
});
assert.deepEqual(complaints, []);
console.log(sessionId);
