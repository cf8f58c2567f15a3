/** Process reward models in run folders. */
import { assertEquals } from "@std/assert";
import { assertRefused, filesIn, inFolder, train, trained, writeRows } from "../command.ts";

const tiny = ["--layers", "1", "--heads", "1", "--width", "16", "--device", "wasm"];

inFolder(
  "a process reward model is kept beside the policy, and judges no answers",
  async (folder) => {
    const prompts = Array.from({ length: 12 }, (_, i) => `${i}`);
    const steps = await writeRows(
      `${folder}/steps.jsonl`,
      prompts.map((prompt) => ({ prompt, completions: ["1", "2"], labels: [true, false] })),
    );
    const [first, second] = [`${folder}/first`, `${folder}/second`];
    const objective = ["--objective", "process-reward-model", "--step-separator", "0"];
    await trained("--data", steps, ...objective, ...tiny, "--steps", "2", "--out", first);
    const judgeOf = (run: string, step: string) =>
      filesIn(`${run}/checkpoints/step-${step}/process_reward_model`);
    const judge = await judgeOf(first, "000002");
    assertEquals(Object.keys(judge).toSorted(), ["config.json", "model.safetensors"]);

    const answers = await writeRows(
      `${folder}/answers.jsonl`,
      prompts.map((prompt) => ({ prompt, completion: "1" })),
    );
    const next = ["--from", first, "--data", answers, "--device", "wasm", "--steps", "1"];
    assertRefused(
      await train(...next, "--objective", "grpo", "--rewards", "reward-model", "--out", second),
      1,
      "--rewards names reward-model, and there is none",
    );
    await trained(...next, "--out", second);
    const kept = await judgeOf(second, "000001");
    assertEquals(kept["model.safetensors"], judge["model.safetensors"]);
  },
);
