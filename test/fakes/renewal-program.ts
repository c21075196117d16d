/**
 * Runs the built agent until it has renewed its certificate on demand and its probe peer has accepted the
 * new one, then stops it, for tests that kill it on the way:
 *
 *   renewal-program.ts CONFIG
 *
 * Prints "acknowledged" when the agent has said that the new certificate is in force and proven.
 */
import { dirname, join } from "node:path";
import { AdminClient } from "#src/sidecar/admin-client.ts";
import { BUNDLE } from "./agent-process.ts";
import { Child } from "./child.ts";

const [, , config = ""] = process.argv;

const agent = new Child([BUNDLE, "run", "--config", config], { cwd: dirname(config) });
const said = (...parts: readonly string[]): Promise<string> =>
  agent.waitFor(parts.join(" "), (line) =>
    parts.every((part) => line.includes(part)) ? line : undefined,
  );
await said('"agent.ready"');
const { generation } = await new AdminClient(
  join(dirname(config), "control.sock"),
  config,
).renewal.renew();
await said('"certificate.proven"', `"generation":${generation}`);
await said('"queue.intent.done"');
process.stdout.write("acknowledged\n");
await agent.stop();
