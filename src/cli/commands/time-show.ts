/**
 * `microedge time show`: what is known of the time, and by whom.
 */
import { formatMoment } from "../../identity/span-words.ts";
import { judgeClockTrust, timeLine } from "../../identity/time/time-checks.ts";
import { command } from "../command.ts";
import { loadConfiguration } from "../configuration.ts";
import { columns } from "../format/table.ts";

export const timeShowCommand = command({
  name: "time show",
  summary: "show what is known of the time, and who vouches for it",
  detail:
    "Of the running agent; of a stopped one what its store remembers and this machine says. The floor is a moment that has certainly passed.",
  options: {},
  examples: ["microedge time show", "microedge time show --json"],
  async run({ terminal, report, configFile }) {
    const loaded = await loadConfiguration(terminal, configFile);
    const { deviceClock } = await import("../time/device-clock.ts");
    const { clock, running } = await deviceClock(terminal, loaded);
    const { fix } = judgeClockTrust(clock, clock.timeService);
    return report.result({ ...clock, running }, () =>
      columns([
        ["time", timeLine(clock)],
        ["state", clock.state],
        ["clock", formatMoment(terminal.clock.now())],
        ["floor", `${formatMoment(clock.floorMs)}, by ${clock.floorSource}`],
        ["time service", clock.timeService],
        ...(fix === undefined ? [] : [["fix", fix]]),
      ]),
    );
  },
});
