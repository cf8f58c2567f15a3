/**
 * The command line as a library: data files and settings, runs in folders, which can be resumed,
 * and the parts of a command: flags, help, errors, progress, tables, sealed files and HTML pages.
 *
 * The commands themselves are functions of `@unitune/cli/train`, `/sample`, `/compare`, `/report`,
 * `/objectives`, `/download` and `/push`.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { prepare } from "@unitune/cli";
 * import { trainSettings, verifyAnswer } from "@unitune/training";
 *
 * const { stages, splits } = await prepare(trainSettings({ seed: 1 }));
 * assertEquals(stages.map(({ data }) => data.kind), ["demonstrations"]);
 * assert(splits.every(({ questions }) =>
 *   questions.every(({ gold, isRight }) => isRight?.(gold))
 * ));
 * assert(verifyAnswer({ task: "sort", prompt: "sort 312", completion: "123" }, "123"));
 * ```
 *
 * @module
 */
export { type DataOptions, readDataset } from "./data/data_file.ts";
export type { Columns, FormName } from "./data/forms/row_forms.ts";
export {
  type DataPlace,
  type DataSource,
  findData,
  type PlaceOptions,
} from "./data/places/places.ts";
export type { HubFolder } from "./data/places/folder.ts";
export { prepare, type Prepared, type PrepareOptions, type RunData } from "./data/prepare.ts";
export { writeFileAtomically } from "./files/atomic.ts";
export type { Claim } from "./files/claims.ts";
export { FileError, fileError } from "./files/file_error.ts";
export { isThere, makeFolder } from "./files/folders.ts";
export { readBytes, readJson, readText } from "./files/read.ts";
export { requireReplaceable, writeSealed } from "./files/sealed.ts";
export type { FileContent } from "@unitune/models";
export {
  type CamelCase,
  type Flag,
  type FlagSource,
  type FlagTable,
  type FlagValues,
  type ParsedFlags,
  parseFlags,
  wantsHelp,
} from "./flags/flags.ts";
export { helpText } from "./flags/help.ts";
export { settingFlags } from "./flags/settings.ts";
export type { Registries } from "./flags/registries.ts";
export type { Patience } from "./hub/blob.ts";
export type { HubEnvironment, HubVariable } from "./hub/environment.ts";
export { type ResolvedModel, resolveModel, type ResolveOptions } from "./hub/resolve.ts";
export {
  details,
  escapeHtml,
  facts,
  figure,
  type Html,
  html,
  type HtmlContent,
  page,
  type PageContent,
  type PageSection,
  type Panel,
  panels,
  table,
  type TableContent,
  terms,
  textTable,
  type TextTableContent,
  verbatim,
} from "./report/page.ts";
export { pageStyle } from "./report/page_style.ts";
export type { BaseRecord } from "./run/base_record.ts";
export { carryOut, type Run, type RunResult } from "./run/carry_out.ts";
export { type DeviceOptions, type NamedDevice, openDevice } from "./run/devices.ts";
export { type RunPosition, type SavedCheckpoint } from "./run/checkpoints.ts";
export { type RunConfig, runConfig } from "./run/run_config.ts";
export { createRun, type HeldRun, startRun } from "./run/run_folder.ts";
export { type ReadOptions, readTrainedModel, type TrainedModel } from "./run/trained.ts";
export { type OpenRewards, openRewards, type RewardsOptions } from "./rewards/open.ts";
export type { Allowed, PermissionName } from "./rewards/permissions.ts";
export { type Estimate, estimateOf, meanOf } from "./study/statistics.ts";
export { type Failure, failureOf, runCommand, UsageError } from "./terminal/errors.ts";
export { interruptible, type Interruption } from "./terminal/interruption.ts";
export { alignTable, fitTable } from "./terminal/layout.ts";
export {
  formatDuration,
  type Progress,
  type ProgressOutput,
  type ProgressReporter,
  progressReporter,
  type ProgressUnit,
  silentProgress,
  standardProgress,
} from "./terminal/progress.ts";
export { shellQuote } from "./terminal/shell.ts";
export { print, say, tell } from "./terminal/terminal.ts";
