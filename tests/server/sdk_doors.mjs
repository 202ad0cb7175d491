// The methods for files, processes and configuration of npm's sandbox-agent@0.4.2, as it is, against our server.
// Arguments: where the packages are, the server's address, its token, a directory.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [packages, baseUrl, token, place] = process.argv.slice(2);
const require = createRequire(path.join(packages, "package.json"));
const { SandboxAgent } = await import(pathToFileURL(path.join(packages, "node_modules/sandbox-agent/dist/index.js")));
const WebSocket = require("ws");
const client = await SandboxAgent.connect({ baseUrl, token });
const at = (...names) => path.join(place, ...names);

const refused = async (promise, status, kind) => {
  const error = await promise.then(() => assert.fail("it was done"), (error) => error);
  assert.equal(error.status, status, String(error));
  assert.equal(error.problem?.type, `urn:sandbox-agent:error:${kind}`);
};

// Files.
const bytes = Uint8Array.from({ length: 5 << 20 }, (_, index) => index % 251);
assert.deepEqual(await client.writeFsFile({ path: at("a/large") }, bytes), { path: at("a/large"), bytesWritten: bytes.length });
assert.deepEqual(await client.readFsFile({ path: at("a/large") }), bytes);
await client.writeFsFile({ path: at("a/text") }, "text");
await client.mkdirFs({ path: at("a/dir") });
const entries = await client.listFsEntries({ path: at("a") });
assert.deepEqual(entries.map((entry) => [entry.name, entry.path, entry.entryType]), [
  ["dir", at("a/dir"), "directory"],
  ["large", at("a/large"), "file"],
  ["text", at("a/text"), "file"],
]);
const stat = await client.statFs({ path: at("a/text") });
assert.deepEqual([stat.path, stat.entryType, stat.size], [at("a/text"), "file", 4]);
assert.ok(Date.parse(stat.modified) > 0);
assert.equal((await client.moveFs({ from: at("a/text"), to: at("b/text") })).to, at("b/text"));
await refused(client.moveFs({ from: at("none"), to: at("b/text"), overwrite: true }), 404, "not_found");
assert.equal(new TextDecoder().decode(await client.readFsFile({ path: at("b/text") })), "text");
const made = spawnSync("tar", ["-cf", "-", "-C", at("a"), "large", "dir"], { maxBuffer: 1 << 30 });
const uploaded = await client.uploadFsBatch(made.stdout, { path: at("c") });
assert.deepEqual([[...uploaded.paths].sort(), uploaded.truncated], [[at("c/dir"), at("c/large")], false]);
assert.deepEqual(new Uint8Array(readFileSync(at("c/large"))), bytes);
assert.equal((await client.deleteFsEntry({ path: at("a"), recursive: true })).path, at("a"));
await refused(client.readFsFile({ path: at("a/large") }), 404, "not_found");

// Processes.
const bounds = await client.getProcessConfig();
assert.deepEqual(await client.setProcessConfig({ ...bounds, maxOutputBytes: 100 }), { ...bounds, maxOutputBytes: 100 });
const ran = await client.runProcess({ command: "sh", args: ["-c", "echo $A; echo b >&2; exit 2"], env: { A: "a" }, cwd: place });
assert.deepEqual([ran.exitCode, ran.stdout, ran.stderr, ran.timedOut, ran.stdoutTruncated], [2, "a\n", "b\n", false, false]);
assert.equal((await client.runProcess({ command: "seq", args: ["1000"] })).stdoutTruncated, true);
await client.setProcessConfig(bounds);
const started = await client.createProcess({ command: "sh", args: ["-c", "echo up; read line; echo got $line; sleep 1000"], cwd: place });
assert.deepEqual([started.status, started.command, started.cwd, started.tty], ["running", "sh", place, false]);
const followed = [];
let heard;
const gone = new Promise((resolve) => { heard = resolve; });
const following = await client.followProcessLogs(started.id, (entry) => {
  followed.push(Buffer.from(entry.data, entry.encoding).toString());
  if (followed.join("").includes("got it")) heard();
});
assert.deepEqual(await client.sendProcessInput(started.id, { data: Buffer.from("it\n").toString("base64"), encoding: "base64" }), { bytesWritten: 3 });
await gone;
const logs = await client.getProcessLogs(started.id, { stream: "stdout", tail: 1 });
assert.deepEqual([logs.processId, logs.stream, logs.entries.length], [started.id, "stdout", 1]);
assert.equal(Buffer.from(logs.entries[0].data, "base64").toString(), "got it\n");
assert.ok((await client.listProcesses({ owner: "user" })).processes.some((one) => one.id === started.id));
assert.equal((await client.getProcess(started.id)).status, "running");
await refused(client.deleteProcess(started.id), 409, "conflict");
assert.equal((await client.stopProcess(started.id, { waitMs: 5000 })).status, "exited");
// It ends because the process has.
await following.closed;
await client.deleteProcess(started.id);
await refused(client.getProcess(started.id), 404, "not_found");

// Terminals.
const shell = await client.createProcess({ command: "sh", args: ["-c", "read line; stty size; echo got $line; read end; exit 3"], tty: true, interactive: true });
const terminal = client.connectProcessTerminal(shell.id, { WebSocket });
let shown = "";
const waiting = [];
const until = (wanted) => new Promise((resolve) => { waiting.push([wanted, resolve]); tell(); });
const tell = () => waiting.forEach(([wanted, resolve]) => shown.includes(wanted) && resolve());
terminal.onData((data) => { shown += Buffer.from(data).toString(); tell(); });
const ended = new Promise((resolve) => terminal.onExit(resolve));
assert.equal((await new Promise((resolve) => terminal.onReady(resolve))).processId, shell.id);
assert.deepEqual(await client.resizeProcessTerminal(shell.id, { cols: 100, rows: 40 }), { cols: 100, rows: 40 });
terminal.sendInput("it\r");
await until("got it");
assert.ok(shown.includes("40 100"), shown);
terminal.sendInput(new TextEncoder().encode("end\r"));
assert.equal((await ended).exitCode, 3);
await terminal.closed;
await refused(client.resizeProcessTerminal(started.id, { cols: 1, rows: 1 }), 404, "not_found");
const killed = await client.createProcess({ command: "sleep", args: ["1000"] });
assert.equal((await client.killProcess(killed.id, { waitMs: 1000 })).status, "exited");

// Configuration.
const directory = at("project");
mkdirSync(directory);
const server = { type: "local", command: "true", args: ["a"], env: { B: "c" } };
const remote = { type: "remote", url: "https://example.test/mcp", bearerTokenEnvVar: "TOKEN", enabled: false };
await refused(client.getMcpConfig({ directory, mcpName: "one" }), 404, "not_found");
await client.setMcpConfig({ directory, mcpName: "one" }, server);
await client.setMcpConfig({ directory, mcpName: "two" }, remote);
assert.deepEqual(await client.getMcpConfig({ directory, mcpName: "one" }), server);
assert.deepEqual(await client.getMcpConfig({ directory, mcpName: "two" }), remote);
await client.deleteMcpConfig({ directory, mcpName: "one" });
await refused(client.getMcpConfig({ directory, mcpName: "one" }), 404, "not_found");
const skills = { sources: [{ type: "local", source: "skills", skills: ["greet"] }] };
mkdirSync(at("project/skills/greet"), { recursive: true });
writeFileSync(at("project/skills/greet/SKILL.md"), "---\nname: greet\ndescription: Greets.\n---\n");
await client.setSkillsConfig({ directory, skillName: "greet" }, skills);
assert.deepEqual(await client.getSkillsConfig({ directory, skillName: "greet" }), skills);
await client.deleteSkillsConfig({ directory, skillName: "greet" });
await refused(client.getSkillsConfig({ directory, skillName: "greet" }), 404, "not_found");
await client.dispose();
console.log("done");
