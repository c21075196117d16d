/**
 * Every command, in the order in which help shows them.
 *
 * A command loads the rooms it needs when it runs, not here: `microedge version` should not pay for
 * the agent, nor the agent for the development CA.
 */
import type { Command } from "./command.ts";
import { helpCommand } from "./commands/help.ts";
import { versionCommand } from "./commands/version.ts";

export const COMMANDS: readonly Command[] = [helpCommand(() => COMMANDS), versionCommand];
