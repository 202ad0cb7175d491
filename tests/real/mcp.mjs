// A small MCP server on stdio for tests: `shout` answers in capitals, or never where SILENT is set; `fail` always fails.
import { createInterface } from "node:readline";

const text = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };
const tools = [
  { name: "shout", description: "Says it in capitals.", inputSchema: text },
  { name: "fail", description: "Fails.", inputSchema: { type: "object", properties: {} } },
];

function answer({ method, params }) {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "test", version: "0.0.0" },
      };
    case "tools/list":
      return { tools };
    case "tools/call":
      return params.name === "shout"
        ? { content: [{ type: "text", text: params.arguments.text.toUpperCase() }] }
        : { content: [{ type: "text", text: "it failed" }], isError: true };
    default:
      return {};
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  // What has no id wants no answer.
  if (message.id !== undefined && !(process.env.SILENT && message.method === "tools/call")) {
    console.log(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: answer(message) }));
  }
}
