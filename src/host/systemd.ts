/**
 * Tells systemd how the agent is (sd_notify(3)). Node has no Unix datagram sockets, so
 * `systemd-notify` sends each message; the unit needs `NotifyAccess=all`. Without `NOTIFY_SOCKET`
 * nothing is sent. Measured: about 100 ms and one short process per message, so callers send few.
 */
import { execFile } from "node:child_process";
import { errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";

export interface ServiceNotifier {
  /** Serving, or serving again after a reload. */
  ready(status: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(status: string): Promise<void>;
  /** One line for `systemctl status`. */
  status(text: string): Promise<void>;
  /** A sign of life; without one systemd kills and restarts the agent. */
  alive(): Promise<void>;
  /** How often {@link alive} is due, milliseconds: half of what systemd grants. */
  readonly watchdogMs: number | undefined;
}

export interface NotifyEnvironment extends Readonly<Record<string, string | undefined>> {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
  readonly PATH?: string | undefined;
}

export interface NotifierOptions {
  readonly environment: NotifyEnvironment;
  readonly pid: number;
  readonly log: Logger;
  /** Sends one message of `KEY=value` lines; {@link systemdNotify} unless a test listens. */
  readonly send?: (assignments: readonly string[]) => Promise<void>;
}

/** A message that takes longer than this will not come. */
const SEND_TIMEOUT_MS = 5_000;
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/** A notifier for this process; sends nothing outside systemd. Never rejects: failures are logged. */
export function systemdNotifier(options: NotifierOptions): ServiceNotifier {
  const { environment, log } = options;
  const here = (environment.NOTIFY_SOCKET ?? "") !== "";
  const send = options.send ?? ((assignments) => systemdNotify(environment, assignments));
  const tell = async (...assignments: string[]): Promise<void> => {
    if (!here) return;
    try {
      await send(assignments.map(oneLine));
    } catch (cause) {
      log.emit("notify.failed", { message: assignments[0], reason: errorText(cause) });
    }
  };
  return {
    ready: (status) => tell("READY=1", `STATUS=${status}`),
    // systemd 253 wants to know when, in CLOCK_MONOTONIC, which is what hrtime reads
    reloading: () =>
      tell("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`, "STATUS=reloading"),
    stopping: (status) => tell("STOPPING=1", `STATUS=${status}`),
    status: (text) => tell(`STATUS=${text}`),
    alive: () => tell("WATCHDOG=1"),
    watchdogMs: here ? watchdogInterval(environment, options.pid) : undefined,
  };
}

/** sd_watchdog_enabled(3): the variables count for the process they name only. */
function watchdogInterval(environment: NotifyEnvironment, pid: number): number | undefined {
  const forPid = environment.WATCHDOG_PID ?? "";
  if (forPid !== "" && forPid !== String(pid)) return undefined;
  const microseconds = Number(environment.WATCHDOG_USEC);
  return microseconds > 0 ? Math.max(1, Math.floor(microseconds / 2_000)) : undefined;
}

function oneLine(assignment: string): string {
  return assignment.replace(/[\n\0]/g, " ");
}

/** Runs `systemd-notify` with nothing of our environment but where to send to. */
export function systemdNotify(
  environment: NotifyEnvironment,
  assignments: readonly string[],
): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(
      "systemd-notify",
      ["--", ...assignments],
      {
        env: {
          PATH: environment.PATH ?? DEFAULT_PATH,
          NOTIFY_SOCKET: environment.NOTIFY_SOCKET ?? "",
        },
        timeout: SEND_TIMEOUT_MS,
      },
      (error) => (error === null ? resolve() : reject(error)),
    );
  });
}
