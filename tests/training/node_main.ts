/** The program of Node: it prints the losses of the training. */
import { runTraining } from "./node_program.ts";

console.log(JSON.stringify(await runTraining()));
