/**
 * How often who may do what here: the limits in force, changed on reload. What they remember is
 * allocated when a limit is switched on, at the size that the start gave it, and stays through reloads.
 */
import type { Logger } from "../base/log.ts";
import { AddressLimits } from "../guard/address-limits.ts";
import { CallLimits, type LimitedCall } from "../guard/call-limits.ts";
import type { LimitsView } from "../guard/limits-view.ts";
import type { Policy } from "../guard/policy.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import type { AgentConfig } from "./config.ts";

export interface LimitsParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly policy: Policy;
  /** `service/Handler.Method` of what is served, once handler modules are loaded. */
  served(): readonly string[];
}

type LimitsConfig = AgentConfig["limits"];

export class Limits {
  readonly calls: CallLimits;
  readonly addresses: AddressLimits;
  readonly #parts: LimitsParts;
  /** What is in force, as text: a reload that changes nothing is not announced. */
  #text: string;

  constructor(config: LimitsConfig, parts: LimitsParts) {
    const { clock, random, policy } = parts;
    const allows = (call: LimitedCall): boolean => policy.decide(call.peer, call).allowed;
    const { trackedPeers, trackedAddresses } = config;
    this.#parts = parts;
    this.#text = JSON.stringify(config);
    this.calls = new CallLimits({ clock, random, trackedPeers, allows }, config);
    this.addresses = new AddressLimits({ clock, random, trackedAddresses }, config);
  }

  /** Says what is in force and what it takes. Call when everything served is known. */
  announce(): void {
    const { log, served } = this.#parts;
    const { tables } = this.view();
    log.emit("limits.in.force", {
      tables: tables.map(({ name, capacity, bytes }) => `${name} ${capacity} (${bytes} bytes)`),
      bytes: tables.reduce((sum, { bytes }) => sum + bytes, 0),
    });
    const known = new Set(served());
    for (const endpoint of this.calls.endpoints) {
      if (known.has(endpoint)) continue;
      const reason = `limits ${endpoint}, which is not served here: see \`microedge services\``;
      log.emit("config.warning", { key: "limits", reason });
    }
  }

  /** Puts checked limits in force; nobody gets a fresh burst from it. */
  replace(config: LimitsConfig): void {
    const text = JSON.stringify(config);
    if (text === this.#text) return;
    this.#text = text;
    this.calls.apply(config);
    this.addresses.apply(config);
    this.announce();
  }

  view(): LimitsView {
    const view = this.calls.view();
    return { ...view, tables: [...this.addresses.tables(), ...view.tables] };
  }
}
