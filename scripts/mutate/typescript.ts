/** TypeScript's own parser and checker, in the version that Deno has. */
export { default as ts } from "npm:typescript@6";
