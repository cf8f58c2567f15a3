/** Frozen Lake: what each method learns to do, cell by cell, with exact values. */
import { useEffect, useRef, useState } from "npm:preact@11/hooks";
import { maps } from "../../frozen_lake/lake.ts";
import { methods } from "../../frozen_lake/methods.ts";
import type { LakeMoment, LakeScene, Request, Tiding } from "../protocol.ts";
import { workerScripts } from "../device_names.ts";
import { shownNumber } from "./chart.tsx";
import {
  type LakeValues,
  LONGEST_SIDE,
  mapOf,
  methodsIn,
  MOST_METHODS,
  rowsOfMap,
} from "../lake_settings.ts";
import { gather, screen } from "./frames.ts";
import { type Link, openLink } from "./links.ts";
import { Term } from "./term.tsx";

/** The side of a cell in the drawing. */
const SIDE = 48;

/** An arrow to the right, from near the middle of a cell to near its edge. */
const ARROW = "M5-2H12V-6L21 0L12 6V2H5Z";

/** The turns of the arrow for left, down, right and up, in degrees. */
const turns: readonly number[] = [180, 90, 0, 270];

const moves = ["left", "down", "right", "up"] as const;

interface GridProps {
  readonly scene: LakeScene;
  readonly moment: Pick<LakeMoment, "matrix" | "reach">;
  readonly title: string;
  readonly asked: number | undefined;
  readonly ask: (cell: number) => void;
}

/** The lake with a policy: shades are visits, arrows are moves, hollow ones are not optimal. */
function Grid({ scene, moment, title, asked, ask }: GridProps) {
  const { rows, columns, cells, optimal } = scene;
  return (
    <svg
      class="lake"
      viewBox={`-1 -1 ${columns * SIDE + 2} ${rows * SIDE + 2}`}
      role="img"
      aria-label={title}
    >
      {cells.map((kind, cell) => {
        const [x, y] = [(cell % columns) * SIDE, Math.floor(cell / columns) * SIDE];
        const isOver = kind === "H" || kind === "G";
        const shade = 0.55 * (moment.reach[cell] ?? 0);
        return (
          <g
            key={cell}
            transform={`translate(${x},${y})`}
            onClick={() => !isOver && ask(cell)}
          >
            <rect class={`cell ${kind}`} width={SIDE} height={SIDE} />
            <rect class={`shade ${kind}`} width={SIDE} height={SIDE} opacity={shade} />
            {!isOver && moves.map((move, action) => (
              <path
                key={move}
                class={(optimal[cell]?.[action] ?? 0) > 0 ? "move" : "move wrong"}
                d={ARROW}
                transform={`translate(${SIDE / 2},${SIDE / 2})rotate(${turns[action]})`}
                opacity={moment.matrix[cell]?.[action] ?? 0}
              />
            ))}
            {kind !== "F" && <text x="5" y="14">{kind}</text>}
            {asked === cell && (
              <rect class="asked" x="2" y="2" width={SIDE - 4} height={SIDE - 4} />
            )}
          </g>
        );
      })}
    </svg>
  );
}

const kinds = { S: "start", F: "ice", H: "hole", G: "goal" } as const;

/** A map that is drawn by hand: a button for each cell of ice or hole. */
function Drawing(
  { map, change }: { readonly map: string; readonly change: (map: string) => void },
) {
  const rows = rowsOfMap(map);
  // A map that is refused for its size would be as many buttons.
  if (rows.length > LONGEST_SIDE || rows.some(({ length }) => length > LONGEST_SIDE)) return null;
  const turned = (y: number, x: number) =>
    mapOf(
      rows.map((row, i) =>
        i === y ? row.slice(0, x) + (row[x] === "H" ? "F" : "H") + row.slice(x + 1) : row
      ),
    );
  return (
    <div class="drawing" role="group" aria-label="the map, cell by cell">
      {rows.map((row, y) => (
        <div key={y}>
          {[...row].map((kind, x) => (
            <button
              key={x}
              type="button"
              class={kind}
              disabled={kind === "S" || kind === "G"}
              aria-label={`row ${y + 1}, column ${x + 1}: ${
                kind === "S" || kind === "G" || kind === "H" ? kinds[kind] : kinds.F
              }`}
              onClick={() => change(turned(y, x))}
            >
              {kind === "F" ? "" : kind}
            </button>
          ))}
        </div>
      ))}
    </div>
  );
}

interface LakeProps {
  readonly lake: LakeValues;
  readonly change: (lake: LakeValues) => void;
}

/** The view. */
export function Lake({ lake, change }: LakeProps) {
  const { map, slippery, methods: named, lakeSeed: seed, lakeSteps: steps } = lake;
  const chosen = methodsIn(named);
  const [isPlaying, setPlaying] = useState(true);
  const [scene, setScene] = useState<LakeScene>();
  const [moments, setMoments] = useState<readonly LakeMoment[]>([]);
  const [asked, setAsked] = useState<number>();
  const [fault, setFault] = useState<string>();
  const [round, setRound] = useState(0);
  const link = useRef<Link<Request>>(null);

  useEffect(() => {
    let latest: (LakeMoment | undefined)[] = [];
    const moments = gather<LakeMoment>((taken) => {
      for (const moment of taken) latest[moment.method] = moment;
      setMoments(latest.flatMap((moment) => moment === undefined ? [] : [moment]));
    }, screen);
    const hear = (tiding: Tiding) => {
      if (tiding.kind === "scene") {
        latest = [];
        setScene(tiding.scene);
        setFault(undefined);
      } else if (tiding.kind === "moment") {
        moments.add(tiding.moment);
      } else if (tiding.kind === "done") {
        setPlaying(false);
      } else if (tiding.kind === "failed") {
        setFault(tiding.message);
        setPlaying(false);
      }
    };
    link.current = openLink<Request, Tiding>(
      workerScripts.wasm,
      hear,
      (message) => hear({ kind: "failed", during: "lake", message }),
    );
    return () => {
      moments.close();
      link.current?.close();
    };
  }, []);

  useEffect(() => {
    setMoments([]);
    setAsked(undefined);
    setPlaying(true);
    const rows = rowsOfMap(map).join("\n");
    link.current?.ask({
      kind: "lake",
      wish: { map: rows, slippery, methods: chosen, seed, steps },
    });
    link.current?.ask({ kind: "play" });
  }, [map, slippery, named, seed, steps, round]);

  const toggle = (name: string) => {
    const own = chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name];
    change({ ...lake, methods: own.join() });
  };
  const from = asked ?? scene?.start ?? 0;
  return (
    <div class="frozen">
      <p class="lead">
        The paper’s game: a policy walks over ice to the goal G, and holes H end the walk. The shade
        of a cell is the probability of ever being there, the strength of an arrow that of its move;
        hollow arrows are not optimal. Click a cell, or name it, to ask what happens after a wrong
        step to it.
      </p>
      <section class="controls" aria-label="Frozen Lake">
        <div class="buttons">
          <button
            type="button"
            class="primary"
            onClick={() => {
              link.current?.ask({ kind: isPlaying ? "pause" : "play" });
              setPlaying(!isPlaying);
            }}
          >
            {isPlaying ? "Pause" : "Play"}
          </button>
          <button
            type="button"
            onClick={() => {
              setPlaying(false);
              link.current?.ask({ kind: "step" });
            }}
          >
            Step
          </button>
          <button type="button" onClick={() => setRound(round + 1)}>Reset</button>
        </div>
        <p class="count">
          <output id="lake-step" aria-label="step">{moments[0]?.step ?? 0}</output>
          <span>of {steps} steps</span>
        </p>
        <label class="inline">
          <input
            type="checkbox"
            checked={slippery}
            onChange={({ currentTarget }) => change({ ...lake, slippery: currentTarget.checked })}
          />{" "}
          slippery
        </label>
        <p class="status" role="status">
          {fault !== undefined
            ? ""
            : scene === undefined
            ? "Computing the optimal policy."
            : isPlaying
            ? "Learning."
            : "Paused."}
        </p>
      </section>
      {fault !== undefined && <p class="fault" role="alert">{fault}</p>}
      {scene !== undefined && (
        <>
          <label class="inline quiet">
            Success is the probability of reaching the goal from
            <select
              id="from"
              value={String(asked ?? "")}
              onChange={({ currentTarget: { value } }) =>
                setAsked(value === "" ? undefined : Number(value))}
            >
              <option value="">the start</option>
              {scene.cells.map((kind, cell) =>
                (kind === "F" || cell === asked) && (
                  <option key={cell} value={String(cell)}>
                    row {Math.floor(cell / scene.columns) + 1}, column {cell % scene.columns + 1}
                  </option>
                )
              )}
            </select>
          </label>
          <div class="lakes">
            <figure>
              <Grid
                scene={scene}
                moment={{ matrix: scene.optimal, reach: scene.cells.map(() => 0) }}
                title="The optimal policy"
                asked={asked}
                ask={setAsked}
              />
              <figcaption>
                <strong>optimal</strong>
                <dl>
                  <div>
                    <dt>
                      <Term name="success" />
                    </dt>
                    <dd>{shownNumber(scene.successFrom[from])}</dd>
                  </div>
                </dl>
              </figcaption>
            </figure>
            {moments.map((moment) => {
              const method = scene.methods[moment.method];
              if (method === undefined) return undefined;
              return (
                <figure key={method.name}>
                  <Grid
                    scene={scene}
                    moment={moment}
                    title={`The policy of ${method.name}`}
                    asked={asked}
                    ask={setAsked}
                  />
                  <figcaption>
                    <strong>{method.name}</strong> <small>{method.note}</small>
                    <dl>
                      <div>
                        <dt>
                          <Term name="success" />
                        </dt>
                        <dd>{shownNumber(moment.successFrom[from])}</dd>
                      </div>
                      <div>
                        <dt>
                          <Term name="teacher-forced" />
                        </dt>
                        <dd>{shownNumber(moment.teacherForced)}</dd>
                      </div>
                      <div>
                        <dt>
                          <Term name="distance" />
                        </dt>
                        <dd>{shownNumber(moment.distance)}</dd>
                      </div>
                    </dl>
                  </figcaption>
                </figure>
              );
            })}
          </div>
        </>
      )}
      <div class="setup">
        <fieldset class="methods">
          <legend>methods, at most {MOST_METHODS}</legend>
          {methods.map(({ name, note }) => (
            <label key={name} title={note}>
              <input
                type="checkbox"
                checked={chosen.includes(name)}
                disabled={chosen.includes(name)
                  ? chosen.length === 1
                  : chosen.length >= MOST_METHODS}
                onChange={() => toggle(name)}
              />{" "}
              {name}
            </label>
          ))}
        </fieldset>
        <fieldset>
          <legend>map</legend>
          <label class="inline">
            start from
            <select
              value=""
              onChange={({ currentTarget: { value } }) => {
                const found = Object.entries(maps).find(([name]) => name === value);
                if (found !== undefined) change({ ...lake, map: mapOf(rowsOfMap(found[1])) });
              }}
            >
              <option value="" disabled>a known map</option>
              {Object.keys(maps).map((name) => <option key={name} value={name}>{name}</option>)}
            </select>
          </label>
          <Drawing map={map} change={(own) => change({ ...lake, map: own })} />
          <p class="quiet">Click ice to make a hole, and a hole to freeze it.</p>
        </fieldset>
      </div>
    </div>
  );
}
