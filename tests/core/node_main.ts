/** What Node starts: everything that the packages export is loaded, and a part of it run. */
import * as autodiff from "@unitune/autodiff";
import * as core from "@unitune/core";
import * as models from "@unitune/models";
import * as objectives from "@unitune/objectives";
import { runEverything } from "./node_program.ts";

const exported = [core, autodiff, models, objectives].map((names) => Object.keys(names).length);
console.log(JSON.stringify({ exported, ...await runEverything() }));
