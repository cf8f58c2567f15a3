/** The playground: its views, and the address that holds what they show. */
import { useEffect, useMemo, useRef, useState } from "npm:preact@11/hooks";
import { addressOf, type Place, readAddress, type View, views } from "../address.ts";
import type { DeviceName } from "../device_names.ts";
import { MOST_LANES } from "../experiment.ts";
import { useAdapter } from "./adapter.ts";
import { Believe } from "./believe.tsx";
import { Compose } from "./compose.tsx";
import { DrawingsOfPage } from "./chart.tsx";
import { screen, spreadDrawings } from "./frames.ts";
import { useLate } from "./late.ts";
import { OwnModel } from "./own_model.tsx";
import { useOwnModel } from "./own_session.ts";
import { useSession } from "./session.ts";
import { Train } from "./train.tsx";

/** The names of the views for people. */
const titles: Readonly<Record<View, string>> = {
  train: "Train",
  compose: "Compose",
  believe: "Believe",
  lake: "Frozen Lake",
  own: "Your model",
};

/** The hub that this build of the page may read; undefined if it may make no request. */
function hubOfPage(): string | undefined {
  return document.querySelector("meta[name=hub]")?.getAttribute("content") || undefined;
}

/** The page. */
export function App() {
  const [{ place, faults }, setRead] = useState(() => readAddress(location.hash));
  const { view, experiment, device } = place;
  const [session, controls] = useSession(experiment, device);
  const adapter = useAdapter();
  const [chosenDevice, setChosenDevice] = useState<DeviceName>();
  // A large model takes less time on an adapter of its own kind, a small one by WebAssembly.
  const isFast = adapter.kind === "there" && !adapter.isSoftware;
  const ownDevice = chosenDevice ?? (isFast ? "webgpu" : "wasm");
  const hub = useMemo(hubOfPage, []);
  // The game brings a package for matrices with it.
  const { value: lake, fault: lakeFault } = useLate(view === "lake", () => import("./lake.tsx"));
  const [own, ownControls] = useOwnModel();
  const drawings = useMemo(() => spreadDrawings(screen), []);
  const go = (next: Place) => {
    history.replaceState(null, "", `#${addressOf(next)}`);
    setRead({ place: next, faults: [] });
  };
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    // A file that is dropped beside its place would replace the page.
    const keep = (event: Event) => event.preventDefault();
    addEventListener("dragover", keep);
    addEventListener("drop", keep);
    return () => {
      removeEventListener("dragover", keep);
      removeEventListener("drop", keep);
    };
  }, []);
  useEffect(() => {
    const read = () => setRead(readAddress(location.hash));
    addEventListener("hashchange", read);
    return () => removeEventListener("hashchange", read);
  }, []);
  useEffect(() => {
    document.title = `${titles[view]} \u00b7 Unitune playground`;
  }, [view]);
  const problems = [...faults, ...session.fault === undefined ? [] : [session.fault]];
  return (
    <DrawingsOfPage.Provider value={drawings}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          // The part of the address behind # holds the settings.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <header>
        <h1>Unitune playground</h1>
        <nav aria-label="Views">
          <ul>
            {views.map((own) => (
              <li key={own}>
                <a
                  href={`#${addressOf({ ...place, view: own })}`}
                  aria-current={own === view ? "page" : undefined}
                >
                  {titles[own]}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <h2 class="hidden">{titles[view]}</h2>
        {problems.map((problem) => <p key={problem} class="fault" role="alert">{problem}</p>)}
        {view === "train" && (
          <Train
            experiment={experiment}
            change={(own) => go({ ...place, experiment: own })}
            session={session}
            controls={controls}
            devices={{ device, adapter, choose: (own) => go({ ...place, device: own }) }}
          />
        )}
        {view === "compose" && (
          <Compose
            word={place.parts}
            choose={(parts) => go({ ...place, parts })}
            train={(word) => {
              const others = experiment.lanes.filter((own) => own !== word);
              const lanes = [word, ...others].slice(0, MOST_LANES);
              go({ ...place, view: "train", experiment: { ...experiment, lanes } });
            }}
          />
        )}
        {view === "believe" && (
          <Believe lanes={experiment.lanes} session={session} controls={controls} />
        )}
        {view === "lake" && (lake === undefined
          ? <p role="status" class="quiet">{lakeFault ?? "The lake is loaded."}</p>
          : <lake.Lake lake={place.lake} change={(lake) => go({ ...place, lake })} />)}
        {view === "own" && (
          <OwnModel
            session={own}
            controls={{
              ...ownControls,
              read(name, from, device) {
                // A model of one's own has the machine to itself.
                controls.pause();
                ownControls.read(name, from, device);
              },
            }}
            hub={hub}
            devices={{
              ...{ device: ownDevice, adapter },
              choose(device) {
                setChosenDevice(device);
                ownControls.readAgain(device);
              },
            }}
          />
        )}
      </main>
      <footer>
        <p>
          Everything runs in this page: models are trained on your machine, {hub === undefined
            ? "and no request leaves it."
            : `and it asks ${
              new URL(hub).host
            } for the models that you name, and for nothing else.`}
          {session.device === "wasm" &&
            ` WebAssembly has ${crossOriginIsolated ? "threads" : "one thread"} here.`}
        </p>
      </footer>
    </DrawingsOfPage.Provider>
  );
}
