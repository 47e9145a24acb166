/**
 * How many files and connections this process may have open at the same time.
 *
 * @returns Infinity where the system doesn't say
 */
export function openFilesLimit(): number {
  // It would ask for the names of the machine's own addresses.
  Object.assign(process.report, { excludeNetwork: true });
  const report: object = process.report.getReport();
  const limits = "userLimits" in report ? (report.userLimits as UserLimits) : {};
  const { soft } = limits.open_files ?? {};
  return typeof soft === "number" ? soft : Infinity;
}

interface UserLimits {
  readonly open_files?: { readonly soft: number | "unlimited" };
}
