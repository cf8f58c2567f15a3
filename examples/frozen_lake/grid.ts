/** The lake as a drawing: the cells that a policy visits, and its moves. */
import { escapeHtml } from "@unitune/cli";
import type { Problem, Snapshot } from "./experiment.ts";
import { actions, decisionCells, isTerminal } from "./lake.ts";

/** The side of a cell in pixels. */
const SIDE = 48;

/** An arrow to the right, from near the middle of a cell at 0, 0 to near its edge. */
const ARROW = "M5-2H12V-6L21 0L12 6V2H5Z";

/** The angle of the arrow for each move, in degrees. */
const turns: readonly number[] = [180, 90, 0, 270];

/** The numbers that a drawing shows, in hundredths and in the order in which they stand in it. */
export interface GridNumbers {
  /** The probability of ever being in each cell. */
  readonly reach: readonly number[];
  /** The probability of each move in every cell in which a move is chosen. */
  readonly moves: readonly number[];
}

function hundredths(x: number): number {
  return Math.round(100 * x);
}

/** The numbers of a drawing. */
export function gridNumbers({ game }: Problem, { matrix, reach }: Snapshot): GridNumbers {
  return {
    reach: reach.map(hundredths),
    moves: decisionCells(game.lake).flatMap((cell) => (matrix[cell] ?? []).map(hundredths)),
  };
}

/** The strongest shade of a cell. */
const SHADE = 0.55;

/**
 * The lake with a policy: cells are shaded by the probability of ever being there, arrows by the
 * probability of the move; moves that are not optimal are hollow.
 *
 * @param problem The problem.
 * @param snapshot The policy.
 * @param title The title.
 * @returns An `svg` element. Its shades have the class `reach`, its arrows `move`, in order.
 */
export function drawGrid(problem: Problem, snapshot: Snapshot, title: string): string {
  const { lake } = problem.game;
  const { reach, moves } = gridNumbers(problem, snapshot);
  const [width, height] = [lake.columns * SIDE, lake.rows * SIDE];
  const decisions = decisionCells(lake);
  const cells = lake.cells.map((kind, cell) => {
    const [x, y] = [(cell % lake.columns) * SIDE, Math.floor(cell / lake.columns) * SIDE];
    const shade = `<rect class="reach" width="${SIDE}" height="${SIDE}" fill="var(--${
      kind === "H" ? "series-5" : "series-0"
    })" opacity="${(SHADE * (reach[cell] ?? 0) / 100).toFixed(3)}"/>`;
    const first = decisions.indexOf(cell) * actions.length;
    const arrows = isTerminal(lake, cell) ? [] : actions.map((_, action) => {
      const isOptimal = (problem.optimal[cell]?.[action] ?? 0) > 0;
      return `<path class="move${isOptimal ? "" : " wrong"}" d="${ARROW}" ` +
        `transform="translate(${SIDE / 2},${SIDE / 2})rotate(${turns[action]})" ` +
        `opacity="${(moves[first + action] ?? 0) / 100}"/>`;
    });
    const letter = kind === "F" ? "" : `<text x="5" y="14">${kind}</text>`;
    return `<g transform="translate(${x},${y})"><rect class="cell ${kind}" width="${SIDE}" ` +
      `height="${SIDE}"/>${shade}${arrows.join("")}${letter}</g>`;
  });
  return `<svg class="lake" viewBox="-1 -1 ${width + 2} ${height + 2}" role="img">` +
    `<title>${escapeHtml(title)}</title>${cells.join("")}</svg>`;
}

/** The style of drawings, to be put in the style of their page. */
export const gridStyle = `
.lakes{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(210px,45%),1fr));gap:18px 22px}
.lakes figure{margin:0}
.lake{width:100%}
.lake text{font:600 11px system-ui,sans-serif;fill:var(--quiet)}
.lake .cell{fill:var(--back);stroke:var(--line)}
.lake .H{fill:var(--hole)}
.lake .G{fill:var(--goal)}
.lake .move{fill:var(--text)}
.lake .wrong{fill:none;stroke:var(--series-5);stroke-width:1.5}
`;

/** The script of a page whose drawings follow a slider; it reads `#lake-data`. */
export const gridScript = `
const { steps, lakes } = JSON.parse(document.getElementById("lake-data").textContent);
const control = document.getElementById("time");
const [slider, label] = [control.querySelector("input"), control.querySelector("output")];
const drawings = lakes.map(({ name }) => {
  const figure = document.querySelector('figure[data-method="' + name + '"]');
  return {
    reach: [...figure.querySelectorAll(".reach")],
    moves: [...figure.querySelectorAll(".move")],
    told: figure.querySelector(".told"),
  };
});
function show() {
  const i = Number(slider.value);
  label.textContent = "step " + steps[i];
  lakes.forEach(({ moments }, k) => {
    const { reach, moves, told } = moments[i];
    drawings[k].reach.forEach((cell, j) => cell.setAttribute("opacity", ${SHADE} * reach[j] / 100));
    drawings[k].moves.forEach((arrow, j) => arrow.setAttribute("opacity", moves[j] / 100));
    drawings[k].told.textContent = told;
  });
}
slider.max = steps.length - 1;
slider.value = steps.length - 1;
slider.addEventListener("input", show);
control.hidden = false;
show();
`;
