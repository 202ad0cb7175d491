// Our server is killed in the middle of a prompt: `node killed.mjs PROGRAM CWD`. A raw client goes on where it was, from any place; the SDK
// connects anew with what its driver kept.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { InMemorySessionPersistDriver, SandboxAgent } from "sandbox-agent";

const [program, cwd] = process.argv.slice(2);

async function serve(port) {
  const child = spawn(program, ["server", "--port", String(port), "--quiet"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, SANDBOX_AGENT_TOKEN: "secret" },
  });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  let text = "";
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  const { url } = JSON.parse(text);
  return {
    url,
    port: Number(new URL(url).port),
    end: async (signal) => {
      child.kill(signal);
      await exited;
    },
  };
}

const authorization = "Bearer secret";
/** A message; what is answered, and with which status. */
async function post(server, path, message, headers = {}) {
  const response = await fetch(`${server.url}/v1/acp/${path}`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json", ...headers },
    body: typeof message === "string" ? message : JSON.stringify({ jsonrpc: "2.0", ...message }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null };
}

/** The messages of a stream from a place on, each with its id. */
async function* listen(server, id, last) {
  const headers = { authorization, accept: "text/event-stream", ...(last ? { "last-event-id": last } : {}) };
  const response = await fetch(`${server.url}/v1/acp/${id}`, { headers });
  assert.equal(response.status, 200, await (response.ok ? "" : response.text()));
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const lines = text.slice(0, end).split("\n");
      const data = lines.find((line) => line.startsWith("data: "));
      const place = lines.find((line) => line.startsWith("id: "))?.slice(4);
      if (data) yield { id: place, message: JSON.parse(data.slice(6)) };
    }
  }
}

/** Listens until a message is the last one wanted; or until the stream breaks. */
async function collect(server, id, last, isLast) {
  const heard = [];
  const stream = listen(server, id, last);
  for (;;) {
    const next = await stream.next().catch((error) => {
      if (error instanceof assert.AssertionError) throw error;
      return { done: true };
    });
    if (next.done) return heard;
    heard.push(next.value);
    if (isLast(next.value.message, heard)) {
      await stream.return();
      return heard;
    }
  }
}

const text = (heard) =>
  heard.map(({ message }) => message.params?.update).filter((update) => update?.sessionUpdate === "agent_message_chunk")
    .map((update) => update.content.text).join("");
const request = (id, method, params) => ({ id, method, params });
const prompt = (id, sessionId, words) => request(id, "session/prompt", { sessionId, prompt: [{ type: "text", text: words }] });
const hello = request(0, "initialize", { protocolVersion: 1, clientCapabilities: {} });

let server = await serve(0);

// What is wrong is said as everywhere.
for (const [path, message, headers, status] of [
  ["x", hello, {}, 404],
  ["x?agent=nobody", hello, {}, 400],
  ["x?agent=mock", "[]", {}, 400],
  ["x?agent=mock", "{", {}, 400],
  ["x?agent=mock", hello, { "content-type": "text/plain" }, 415],
  ["x?agent=mock", hello, { accept: "text/html" }, 406],
]) {
  const refused = await post(server, path, message, headers);
  assert.equal(refused.status, status, path);
  assert.equal(refused.headers.get("content-type"), "application/problem+json");
}

assert.equal((await post(server, "raw?agent=mock", hello)).body.result.protocolVersion, 1);
assert.equal((await post(server, "raw?agent=codex", hello)).status, 409);
const sessionId = (await post(server, "raw", request(1, "session/new", { cwd, mcpServers: [] }))).body.result.sessionId;
const sessions = await fetch(`${server.url}/v1/sessions/${sessionId}`, { headers: { authorization } }).then((answer) => answer.json());
assert.equal(sessions.sessionId, sessionId, "it is a session for every door");
for (const [at, script] of ["revise", "reasoning", "plan", "tool", "file", "status", "image"].entries()) {
  const { body } = await post(server, "raw", prompt(`p${at}`, sessionId, script));
  assert.equal(body.result?.stopReason, "end_turn", `${script}: ${JSON.stringify(body)}`);
}

// 202 at once, the answer later in the stream; killed in between, and gone on with by the next server.
const asked = await post(server, "raw", prompt(3, sessionId, "slow 60 50"), { prefer: "respond-async" });
assert.equal(asked.status, 202);
assert.equal(asked.body, null);
assert.equal(asked.headers.get("preference-applied"), "respond-async");
const begins = ({ message }) =>
  message.params?.update?._meta?.["sandbox-agent"]?.data?.prompt_ids?.some((id) => id.startsWith("acp:raw:3 "));
let heard = await collect(server, "raw", null, (message, all) => {
  const begun = all.findIndex(begins);
  return begun >= 0 && all.slice(begun).filter(({ message }) => text([{ message }])).length === 4;
});
const port = server.port;
await server.end("SIGKILL");
server = await serve(port);
const rest = await collect(server, "raw", heard.at(-1).id, (message) => message.id === 3);
assert.equal(rest.at(-1).message.result.stopReason, "end_turn");
const all = [...heard, ...rest];

// From the beginning, and from any place on, the same follows.
const isLast = (message) => message.id === 3;
assert.deepEqual(await collect(server, "raw", null, isLast), all);
assert.equal(all.filter(({ message }) => message.id === "p2").length, 1);
assert.ok(all.every(({ id }) => id));
assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
for (let at = 0; at < all.length - 1; at += Math.ceil(all.length / 40)) {
  assert.deepEqual(await collect(server, "raw", all[at].id, isLast), all.slice(at + 1), `from ${all[at].id} on`);
}

// A permission that was asked before the server was killed is answered after it.
await post(server, "raw", prompt(4, sessionId, "permission echo later"), { prefer: "respond-async" });
const isAsk = (message) => message.method === "session/request_permission";
heard = await collect(server, "raw", all.at(-1).id, isAsk);
const ask = heard.at(-1).message;
await server.end("SIGKILL");
server = await serve(port);
const before = heard.at(-2).id;
assert.deepEqual((await collect(server, "raw", before, isAsk)).at(-1).message, ask, "what is open is asked again");
assert.equal((await post(server, "raw", { id: ask.id, result: { outcome: { outcome: "selected", optionId: "accept" } } })).status, 202);
const answered = await collect(server, "raw", heard.at(-1).id, (message) => message.id === 4);
assert.equal(answered.at(-1).message.result.stopReason, "end_turn");
const after = await collect(server, "raw", before, (message) => message.id === 4);
assert.equal(after.filter(({ message }) => isAsk(message)).length, 0, "what is decided is not asked again");

// A client that counts its requests from the same number again has answers of its own, and prompts of their own.
for (const words of ["one", "two"]) {
  const { body } = await post(server, "raw", prompt(5, sessionId, `echo ${words}`));
  assert.equal(body.result?.stopReason, "end_turn", JSON.stringify(body));
}
const told = await fetch(`${server.url}/v1/sessions/${sessionId}/events?limit=10000`, { headers: { authorization } });
const { events } = await told.json();
const begun = events.filter(({ type }) => type === "turn.started").flatMap(({ data }) => data.prompt_ids);
assert.equal(begun.filter((id) => id.startsWith("acp:raw:5 ")).length, 2);
assert.equal(new Set(begun).size, begun.length, "each prompt has an id of its own");

// Other requests too may be answered in the stream.
assert.equal((await post(server, "raw", request("list", "session/list", {}), { prefer: "respond-async" })).status, 202);
const listed = await collect(server, "raw", answered.at(-1).id, (message) => message.id === "list");
assert.equal(listed.at(-1).message.result.sessions[0].sessionId, sessionId);
// It may come before or after the events of that place.
const relisted = await collect(server, "raw", answered.at(-1).id, (message) => message.id === "list");
assert.deepEqual(relisted.at(-1).message, listed.at(-1).message);
const gone = await fetch(`${server.url}/v1/acp/raw`, { method: "DELETE", headers: { authorization } });
assert.equal(gone.status, 204);
assert.equal((await post(server, "raw", hello)).status, 404);

// The SDK: its prompt fails with its connection; the turn does not. Connected anew, the conversation goes on.
const persist = new InMemorySessionPersistDriver();
const connect = () => SandboxAgent.connect({ baseUrl: server.url, token: "secret", persist });
const complain = console.error;
console.error = () => {};
// (Its connection's failure is nobody's to catch: that is how this version of it tells.)
const broken = new Promise((resolve) => process.on("unhandledRejection", resolve));
const client = await connect();
const session = await client.createSession({ id: "mine", agent: "mock", cwd });
let began;
const running = new Promise((resolve) => (began = resolve));
session.onEvent((event) => event.payload.params?.update?.sessionUpdate === "agent_message_chunk" && began());
const lost = Promise.race([session.prompt([{ type: "text", text: "slow 40 50" }]).then(() => null, (error) => error), broken]);
await running;
await server.end("SIGKILL");
assert.ok((await lost) instanceof Error);
server = await serve(port);
const next = await connect();
const again = await next.resumeSession("mine");
assert.notEqual(again.agentSessionId, session.agentSessionId);
assert.equal((await again.prompt([{ type: "text", text: "echo again" }])).stopReason, "end_turn");
for (;;) {
  const url = `${server.url}/v1/sessions/${session.agentSessionId}`;
  const { status, outcome } = await fetch(url, { headers: { authorization } }).then((answer) => answer.json());
  if (status === "idle") {
    assert.equal(outcome, "ok", "what the SDK lost sight of went on to its end");
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}
// The link of the killed server is found again by its session, and closed.
const { servers } = await next.listAcpServers();
assert.equal(servers.length, 2);
for (const { serverId } of servers) await fetch(`${server.url}/v1/acp/${serverId}`, { method: "DELETE", headers: { authorization } });
assert.deepEqual((await next.listAcpServers()).servers, []);
await next.dispose();
console.error = complain;
await server.end("SIGTERM");
