/**
 * Reads configuration and TLS files again. The new configuration is checked whole: if anything in it is
 * wrong, nothing of it takes effect. Reloads come one after another.
 */
import { AgentError, errorText } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { Turns } from "../base/turns.ts";
import type { ServiceNotifier } from "../host/systemd.ts";
import type { ReloadOutcome } from "../identity/file-source.ts";
import type { ReloadView } from "../sidecar/admin-operations.ts";
import type { AgentConfig, LoadedConfig } from "./config.ts";
import { changeConfig } from "./config-change.ts";
import { ConfigError, formatProblem } from "./config-problem.ts";

export interface ReloaderParts {
  readonly log: Logger;
  readonly notifier: ServiceNotifier;
  /** @throws AgentError `ERR_CONFIG_*`. */
  readAgain(): Promise<LoadedConfig>;
  /** Puts the live keys in force; called only with a configuration that is right. */
  apply(config: AgentConfig): void;
  /** Looks at certificate, key and trust bundle; `undefined` without TLS. */
  reloadFiles(): Promise<ReloadOutcome | undefined>;
  /** For `systemctl status` once the reload is over. */
  statusText(): string;
}

export class Reloader {
  readonly #parts: ReloaderParts;
  #loaded: LoadedConfig;
  #refused: string | undefined;
  #needRestart: readonly string[] = [];
  readonly #turns = new Turns();

  constructor(loaded: LoadedConfig, parts: ReloaderParts) {
    this.#loaded = loaded;
    this.#parts = parts;
  }

  /** What is in force. */
  get loaded(): LoadedConfig {
    return this.#loaded;
  }

  /** Why the last reload was refused; `undefined` when it was not. */
  get refused(): string | undefined {
    return this.#refused;
  }

  /** Keys that were changed since the start and wait for a restart. */
  get needRestart(): readonly string[] {
    return this.#needRestart;
  }

  /**
   * @throws AgentError `ERR_CONFIG_*`: the old configuration stays in force, TLS files are untouched;
   *   `ERR_TLS_MATERIAL`: the configuration took effect, the old TLS files stay in force.
   */
  reload(): Promise<ReloadView> {
    return this.#turns.take(() => this.#turn());
  }

  async #turn(): Promise<ReloadView> {
    const { notifier, statusText } = this.#parts;
    await notifier.reloading();
    try {
      const view = await this.#reloadConfig();
      await this.#reloadFiles();
      return view;
    } finally {
      await notifier.ready(statusText());
    }
  }

  async #reloadConfig(): Promise<ReloadView> {
    const { log, readAgain, apply } = this.#parts;
    let fresh: LoadedConfig;
    try {
      fresh = await readAgain();
    } catch (error) {
      this.#refused = errorText(error);
      const problems = error instanceof ConfigError ? error.problems.map(formatProblem) : undefined;
      log.emit("config.reload.refused", { reason: this.#refused, problems });
      throw error;
    }
    this.#refused = undefined;
    const { inForce, applied, needRestart } = changeConfig(this.#loaded, fresh);
    this.#loaded = inForce;
    this.#needRestart = needRestart;
    apply(inForce.config);
    log.emit("config.reloaded", { applied, need_restart: needRestart });
    for (const { key, message } of inForce.warnings) {
      log.emit("config.warning", { key, reason: message });
    }
    for (const key of needRestart) log.emit("config.restart.needed", { key });
    return { applied, needRestart };
  }

  async #reloadFiles(): Promise<void> {
    const outcome = await this.#parts.reloadFiles();
    if (outcome?.kind !== "refused") return;
    throw new AgentError(
      "ERR_TLS_MATERIAL",
      `the configuration was read, but new TLS files were refused: ${outcome.reasons.join("; ")}`,
    );
  }
}
