/**
 * Runs the built agent until it has taken a certificate over its control socket, for tests that kill it
 * on the way:
 *
 *   import-program.ts CONFIG CERTIFICATE KEY TRUST_BUNDLE
 *
 * Prints "acknowledged" when the agent has said that the certificate is durable and in force.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { AdminClient } from "#src/sidecar/admin-client.ts";
import { BUNDLE } from "./agent-process.ts";
import { Child } from "./child.ts";

const [, , config = "", ...files] = process.argv;
const [certificatesPem = "", keyPem, trustPem] = files.map((file) => readFileSync(file, "utf8"));

const agent = new Child([BUNDLE, "run", "--config", config], { cwd: dirname(config) });
await agent.waitFor("agent.ready", (line) => (line.includes('"agent.ready"') ? line : undefined));
const { certificates } = new AdminClient(join(dirname(config), "control.sock"), config);
await certificates.install({ certificatesPem, keyPem, trustPem, dryRun: false, force: false });
process.stdout.write("acknowledged\n");
agent.signal("SIGKILL");
await agent.ended;
