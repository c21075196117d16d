import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { NetworkSigns } from "#src/queue/network-signs.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { FakeRandom } from "../../fakes/fake-random.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

type Step = readonly [what: "miss" | "reach", host: string] | readonly [what: "wait", ms: number];

/** What is told: `cut off MINUTES`, `returned`. */
async function told(steps: readonly Step[]): Promise<string[]> {
  const clock = new FakeClock();
  const signs = new NetworkSigns({ clock, random: new FakeRandom() });
  const lines: string[] = [];
  signs.listen({
    cutOff: (sinceMs) => void lines.push(`cut off ${sinceMs / MINUTE}`),
    returned: () => void lines.push("returned"),
  });
  for (const [what, of] of steps) {
    if (what === "wait") await clock.advance(of);
    else if (what === "miss") signs.missed(of);
    else signs.reached(of);
  }
  await clock.advance(MINUTE);
  return lines;
}

suite("signs of the network", () => {
  const rows: readonly {
    readonly steps: readonly Step[];
    readonly lines: string[];
    why: string;
  }[] = [
    {
      steps: [
        ["miss", "a"],
        ["wait", HOUR],
        ["miss", "a"],
      ],
      lines: [],
      why: "a single dead host is that host's outage",
    },
    {
      steps: [
        ["miss", "a"],
        ["wait", HOUR],
        ["miss", "b"],
      ],
      lines: ["cut off 60"],
      why: "two of them, and nothing between: it is the network, from the first one on",
    },
    {
      steps: [
        ["miss", "a"],
        ["wait", HOUR],
        ["reach", "c"],
        ["miss", "b"],
        ["miss", "a"],
      ],
      lines: ["cut off 0"],
      why: "a success of anything ends it",
    },
    {
      steps: [
        ["miss", "a"],
        ["wait", 3 * HOUR],
        ["miss", "b"],
      ],
      lines: [],
      why: "nobody knows what was in the hours between",
    },
    {
      steps: [
        ["miss", "a"],
        ["wait", 5 * MINUTE],
        ["reach", "a"],
      ],
      lines: ["returned"],
      why: "what was missed for minutes is reached again",
    },
    {
      steps: [
        ["miss", "a"],
        ["wait", 10_000],
        ["reach", "a"],
      ],
      lines: [],
      why: "a moment is no outage",
    },
    {
      steps: [
        ["miss", "dead"],
        ["wait", HOUR],
        ["reach", "alive"],
      ],
      lines: [],
      why: "one that never was away has not come back",
    },
    {
      steps: [
        ["miss", "a"],
        ["wait", 2 * MINUTE],
        ["reach", "a"],
        ["miss", "a"],
        ["wait", 2 * MINUTE],
        ["reach", "a"],
      ],
      lines: ["returned"],
      why: "a link that comes and goes makes nobody hurry each time",
    },
  ];
  for (const { steps, lines, why } of rows) {
    test(why, async () => assert.deepEqual(await told(steps), lines));
  }
});
