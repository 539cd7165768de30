// Takes the screenshots of the live page that the README shows: a real server, its own
// load for a while, and Chromium, which is told what to do through a pipe.
//
//   cargo build --release -p rpc-demo && node examples/screenshots/take.mjs [SECONDS]

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const seconds = Number(process.argv[2] ?? 100);
const folder = mkdtempSync(join(tmpdir(), "rpc-demo-"));
const binary = new URL("../../target/release/rpc-demo", import.meta.url).pathname;
const any = "127.0.0.1:0", policies = ["--policies", "200000"];
const started = [];

function start(command, args, stdio) {
  const child = spawn(command, args, { stdio });
  child.on("error", error => { console.error(`${command}: ${error.message}`); process.exit(1); });
  started.push(child);
  return child;
}

// The server's addresses, by service.
async function serve() {
  const log = join(folder, "alarms.log");
  const listen = ["--echo", any, "--check", any, "--notify", any, "--admin", any];
  const server = start(binary, ["serve", ...listen, ...policies, "--control", "--alarm-log", log], ["ignore", "pipe", "inherit"]);
  const addresses = {};
  for await (const line of createInterface({ input: server.stdout })) {
    const [, service, address] = line.split(" ");
    addresses[service] = address;
    if (service === "admin") return addresses;
  }
  throw new Error("the server did not start");
}

// A function that sends a command to Chromium and gives its answer.
function browse() {
  const args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe", `--user-data-dir=${folder}/profile`];
  const browser = start(process.env.CHROMIUM ?? "chromium", args, ["ignore", "ignore", "ignore", "pipe", "pipe"]);
  const [, , , to, from] = browser.stdio;
  const waiting = new Map();
  let received = "", asked = 0;
  from.setEncoding("utf8").on("data", text => {
    const messages = (received + text).split("\0");
    received = messages.pop();
    for (const { id, result, error } of messages.map(message => JSON.parse(message))) {
      const { resolve, reject } = waiting.get(id) ?? {};
      if (error) reject?.(new Error(error.message)); else resolve?.(result);
    }
  });
  return (method, params = {}, sessionId) => new Promise((resolve, reject) => {
    waiting.set(++asked, { resolve, reject });
    to.write(JSON.stringify({ id: asked, method, params, sessionId }) + "\0");
  });
}

try {
  const addresses = await serve();
  const tell = browse();
  const { targetId } = await tell("Target.createTarget", { url: `http://${addresses.admin}/` });
  const { sessionId } = await tell("Target.attachToTarget", { targetId, flatten: true });
  start(binary, ["load", "--check", addresses["alarm.Check"], ...policies, "--duration", `${seconds + 30}s`], "ignore");
  await pause(1000 * (seconds - 35));
  // For some seconds more than it can do, to see it turn calls away, and recover.
  start(binary, ["load", "--check", addresses["alarm.Check"], ...policies, "--qps", "20000", "--peak", "20000", "--duration", "8s"], "ignore");
  await pause(1000 * 35);
  for (const [name, scheme, width, scale] of [["light", "light", 1140, 1], ["dark", "dark", 1140, 1], ["phone", "light", 390, 1]]) {
    const value = { features: [{ name: "prefers-color-scheme", value: scheme }] };
    await tell("Emulation.setEmulatedMedia", value, sessionId);
    const size = height => tell("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: scale, mobile: false }, sessionId);
    await size(900);
    const measured = await tell("Runtime.evaluate", { expression: "document.body.scrollHeight", returnByValue: true }, sessionId);
    await size(measured.result.value);
    await pause(1500); // drawn anew at this width, with the next answer
    const { data } = await tell("Page.captureScreenshot", { format: "png" }, sessionId);
    writeFileSync(new URL(`${name}.png`, import.meta.url), Buffer.from(data, "base64"));
    console.log(`${name}.png: ${width} x ${measured.result.value}`);
  }
} finally {
  for (const child of started) child.kill();
  await pause(500); // for Chromium to let go of its profile
  rmSync(folder, { recursive: true, force: true });
}
