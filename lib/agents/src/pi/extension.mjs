// sandbox-agent's side within Pi: it asks before a tool runs, tells what a write replaces, and lets the model ask its user.
// Laid out for one run. A dialog's title carries the request as JSON, its value the answer; ASKS stands above.
import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const SPACES = /[\u00A0\u2000-\u200A\u202F\u205F\u3000]/g;
const MOST = 1 << 20;

// As Pi's own tools understand a path.
function absolute(path, cwd) {
  let text = String(path).replace(SPACES, " ");
  if (text.startsWith("@")) text = text.slice(1);
  if (text === "~") text = homedir();
  else if (text.startsWith("~/")) text = homedir() + text.slice(1);
  if (text.startsWith("file://")) text = fileURLToPath(text);
  return resolve(cwd, text);
}

function paths(name, input, cwd) {
  if (["read", "edit", "write"].includes(name)) return input.path === undefined ? [] : [absolute(input.path, cwd)];
  if (["grep", "find", "ls"].includes(name)) return [absolute(input.path || ".", cwd)];
  return [];
}

// What a write replaces: null where there is no such file, absent where it is no text of a bearable length.
function before(path) {
  try {
    if (statSync(path).size > MOST) return undefined;
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
    return text.includes("\0") ? undefined : text;
  } catch (error) {
    return error.code === "ENOENT" ? null : undefined;
  }
}

const QUESTIONS = {
  type: "object",
  required: ["questions"],
  properties: {
    questions: {
      type: "array",
      minItems: 1,
      items: {
        type: "object",
        required: ["question"],
        properties: {
          question: { type: "string", description: "The question itself" },
          header: { type: "string", description: "A word or two naming it" },
          options: {
            type: "array",
            description: "Answers to choose from; the user may always answer in their own words",
            items: {
              type: "object",
              required: ["label"],
              properties: { label: { type: "string" }, description: { type: "string" } },
            },
          },
          multi_select: { type: "boolean", description: "Whether several options may be chosen" },
        },
      },
    },
  },
};

export default function (pi) {
  const granted = new Set();

  async function ask(ctx, request, signal) {
    const title = JSON.stringify({ sandbox_agent: 1, ...request });
    const value = await ctx.ui.select(title, ["accept", "reject"], { signal });
    return value === undefined ? undefined : JSON.parse(value);
  }

  pi.on("tool_call", async (event, ctx) => {
    const { toolName, toolCallId, input } = event;
    if (toolName === "ask_user") return undefined;
    const touched = paths(toolName, input, ctx.cwd);
    const request = { kind: "permission", toolCallId, toolName, input, cwd: ctx.cwd, paths: touched };
    if (toolName === "write" && touched.length === 1) {
      request.before = before(touched[0]);
      if (!ASKS) {
        const told = { kind: "write", toolCallId, paths: touched, before: request.before };
        ctx.ui.setStatus("sandbox-agent", JSON.stringify(told));
      }
    }
    if (!ASKS) return undefined;
    const same = JSON.stringify([toolName, ["bash", "powershell"].includes(toolName) ? input.command : touched]);
    if (granted.has(same)) return undefined;
    const answer = await ask(ctx, request, ctx.signal);
    if (answer === undefined) return { block: true, reason: "The permission request was cancelled." };
    if (!answer.accept) {
      return { block: true, reason: "The user rejected this tool call" + (answer.message ? ": " + answer.message : ".") };
    }
    if (answer.remember && (touched.length > 0 || input.command !== undefined)) granted.add(same);
    if (answer.input !== undefined) {
      for (const key of Object.keys(input)) delete input[key];
      Object.assign(input, answer.input);
    }
    return undefined;
  });

  pi.registerTool({
    name: "ask_user",
    label: "ask_user",
    description: "Ask the user one or more questions and wait for the answers. Use it when you cannot go on without a decision of theirs.",
    parameters: QUESTIONS,
    async execute(toolCallId, { questions }, signal, _update, ctx) {
      const answer = await ask(ctx, { kind: "questions", toolCallId, questions }, signal);
      if (!answer?.answers) throw new Error(answer?.message || "The user did not answer.");
      const lines = questions.map(({ question }, at) => `${question}\n${(answer.answers[at] ?? []).join(", ")}`);
      return { content: [{ type: "text", text: lines.join("\n\n") }], details: {} };
    },
  });
}
