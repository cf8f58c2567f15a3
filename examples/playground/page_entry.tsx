/** The script of the page. */
import { render } from "npm:preact@11";
import { isolate } from "./isolation.ts";
import { App } from "./page/app.tsx";

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no element #root");
root.replaceChildren();
render(<App />, root);

await isolate();
