import { assertEquals } from "@std/assert";
import * as autodiff from "@unitune/autodiff";
import * as cli from "@unitune/cli";
import * as core from "@unitune/core";
import * as models from "@unitune/models";
import * as objectives from "@unitune/objectives";
import * as training from "@unitune/training";

Deno.test("no two packages export one name, so that a program can import from all of them", () => {
  const packages = { core, autodiff, models, objectives, training, cli };
  const exports = Object.entries(packages).flatMap(([owner, module]) =>
    Object.keys(module).map((name) => ({ owner, name }))
  );
  const shared = [...Map.groupBy(exports, ({ name }) => name)]
    .filter(([, owners]) => owners.length > 1)
    .map(([name, owners]) => `${name}: ${owners.map(({ owner }) => owner).join(", ")}`);
  assertEquals(shared, []);
});
