/**
 * Every command, in the order in which help shows them.
 *
 * A command loads the rooms it needs when it runs, not here: `microedge version` should not pay for
 * the agent, nor the agent for the development CA.
 */
import type { Command } from "./command.ts";
import { aclExplainCommand } from "./commands/acl-explain.ts";
import { aclListCommand } from "./commands/acl-list.ts";
import { aclTestCommand } from "./commands/acl-test.ts";
import { callCommand } from "./commands/call.ts";
import { certExportCommand } from "./commands/cert-export.ts";
import { certHistoryCommand } from "./commands/cert-history.ts";
import { certImportCommand } from "./commands/cert-import.ts";
import { certRenewCommand } from "./commands/cert-renew.ts";
import { certShowCommand } from "./commands/cert-show.ts";
import { certTrustCommand } from "./commands/cert-trust.ts";
import { completionCommand } from "./commands/completion.ts";
import { configCheckCommand } from "./commands/config-check.ts";
import { configSchemaCommand } from "./commands/config-schema.ts";
import { configShowCommand } from "./commands/config-show.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { enrollCommand } from "./commands/enroll.ts";
import { fleetInitCommand } from "./commands/fleet-init.ts";
import { fleetTimeCommand } from "./commands/fleet-time.ts";
import { fleetTrustCommand } from "./commands/fleet-trust.ts";
import { fleetVerifyCommand } from "./commands/fleet-verify.ts";
import { helpCommand } from "./commands/help.ts";
import { keyCreateCommand } from "./commands/key-create.ts";
import { keyListCommand } from "./commands/key-list.ts";
import { limitsCommand } from "./commands/limits.ts";
import { metricsCommand } from "./commands/metrics.ts";
import { pkiInitCommand } from "./commands/pki-init.ts";
import { pkiIssueCommand } from "./commands/pki-issue.ts";
import { queueDropCommand } from "./commands/queue-drop.ts";
import { queueListCommand } from "./commands/queue-list.ts";
import { queueRetryCommand } from "./commands/queue-retry.ts";
import { reloadCommand } from "./commands/reload.ts";
import { runCommand } from "./commands/run.ts";
import { servicesCommand } from "./commands/services.ts";
import { statusCommand } from "./commands/status.ts";
import { storeReplaceCommand } from "./commands/store-replace.ts";
import { storeResetCommand } from "./commands/store-reset.ts";
import { timeApplyCommand } from "./commands/time-apply.ts";
import { timeChallengeCommand } from "./commands/time-challenge.ts";
import { timeShowCommand } from "./commands/time-show.ts";
import { tlsProbeCommand } from "./commands/tls-probe.ts";
import { versionCommand } from "./commands/version.ts";

export const COMMANDS: readonly Command[] = [
  demoCommand,
  runCommand,
  statusCommand,
  callCommand,
  servicesCommand,
  limitsCommand,
  metricsCommand,
  reloadCommand,
  doctorCommand,
  tlsProbeCommand,
  enrollCommand,
  certShowCommand,
  certRenewCommand,
  certImportCommand,
  certExportCommand,
  certHistoryCommand,
  certTrustCommand,
  keyListCommand,
  keyCreateCommand,
  queueListCommand,
  queueRetryCommand,
  queueDropCommand,
  storeReplaceCommand,
  storeResetCommand,
  timeShowCommand,
  timeChallengeCommand,
  timeApplyCommand,
  aclExplainCommand,
  aclListCommand,
  aclTestCommand,
  configCheckCommand,
  configShowCommand,
  configSchemaCommand,
  pkiInitCommand,
  pkiIssueCommand,
  fleetInitCommand,
  fleetTrustCommand,
  fleetVerifyCommand,
  fleetTimeCommand,
  versionCommand,
  completionCommand(() => COMMANDS),
  helpCommand(() => COMMANDS),
];
