/**
 * What tells this device from another that holds a copy of its disk: systemd's machine id, and the
 * serial number that the firmware of a Raspberry Pi and other boards with a device tree reports.
 *
 * Neither is secret. They make a copied disk fail with a clear message, and no more.
 */
import type { Files } from "../../host/files.ts";

export interface DeviceMarks {
  readonly machineId: string | undefined;
  readonly boardSerial: string | undefined;
}

/** Where the marks stand; tests point elsewhere. */
export interface DeviceMarkPaths {
  readonly machineId: string;
  readonly transientMachineId: string;
  readonly deviceTreeSerial: string;
  readonly cpuInfo: string;
}

export const DEVICE_MARK_PATHS: DeviceMarkPaths = {
  machineId: "/etc/machine-id",
  transientMachineId: "/run/machine-id",
  deviceTreeSerial: "/proc/device-tree/serial-number",
  cpuInfo: "/proc/cpuinfo",
};

const MAX_BYTES = 256 * 1024;

/** Reads what can be read; a mark that is missing or says nothing is `undefined`. */
export async function readDeviceMarks(
  files: Files,
  paths: DeviceMarkPaths = DEVICE_MARK_PATHS,
): Promise<DeviceMarks> {
  const [machineId, transient, deviceTree, cpuInfo] = await Promise.all([
    textOf(files, paths.machineId),
    textOf(files, paths.transientMachineId),
    textOf(files, paths.deviceTreeSerial),
    textOf(files, paths.cpuInfo),
  ]);
  return {
    // machine-id(5): on a read-only root the id is drawn at each boot and mounted from /run. Bound to
    // that one, the keys would be lost with the next boot.
    machineId: /^[0-9a-f]{32}$/.test(machineId) && transient === "" ? machineId : undefined,
    boardSerial: serialIn(deviceTree) ?? serialIn(/^Serial\s*:\s*(\S+)$/m.exec(cpuInfo)?.[1] ?? ""),
  };
}

/** Boards without a serial number report zeros, or nothing. */
function serialIn(text: string): string | undefined {
  return /^[\x21-\x7e]{4,64}$/.test(text) && /[^0]/.test(text) ? text : undefined;
}

async function textOf(files: Files, path: string): Promise<string> {
  try {
    const text = Buffer.from(await files.read(path, MAX_BYTES)).toString("latin1");
    return text.replace(/[\0\s]+$/, "");
  } catch {
    // Not there, not for us to read, or enormous: this device has no such mark.
    return "";
  }
}
