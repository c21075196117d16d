/**
 * Runs the built agent until it has taken a certificate over its control socket, for tests that kill it
 * on the way:
 *
 *   import-program.ts now|later CONFIG CERTIFICATE KEY TRUST_BUNDLE
 *
 * Prints "acknowledged" when the agent has said that the certificate is durable and in force; with `later`
 * when it has said that it is durable, and goes on until it is in force.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AdminClient } from "#src/sidecar/admin-client.ts";
import { BUNDLE } from "./agent-process.ts";
import { Child } from "./child.ts";

const [, , when = "", config = "", ...files] = process.argv;
const [certificatesPem = "", keyPem, trustPem] = files.map((file) => readFileSync(file, "utf8"));

const agent = new Child([BUNDLE, "run", "--config", config], { cwd: dirname(config) });
const said = (event: string): Promise<string> =>
  agent.waitFor(event, (line) => (line.includes(`"${event}"`) ? line : undefined));
await said("agent.ready");
const { certificates, pushes } = new AdminClient(join(dirname(config), "control.sock"), config);
const request = { certificatesPem, keyPem, trustPem, force: false };
if (when === "later") await pushes.installLater(request);
else await certificates.install({ ...request, dryRun: false });
process.stdout.write("acknowledged\n");
if (when === "later") await said("queue.intent.done");
agent.signal("SIGKILL");
await agent.ended;
