/**
 * What is used of the package `hyparquet`, which is loaded from npm where this module is imported, and
 * nowhere else.
 *
 * @module
 */

export { parquetMetadataAsync, parquetReadObjects } from "npm:hyparquet@^1.33.0";
