/** What is asked of a hub, and what its answers become, with a stand-in for the network. */
import { assertEquals, assertRejects } from "@std/assert";
import { abridged } from "@unitune/core";
import { UserError } from "@unitune/training";
import { ConnectionError, refusal } from "../../../cli/hub/hub_error.ts";
import { isHubName, requireHubName, requireRevision } from "../../../cli/hub/names.ts";
import { askHub, connectionError, type RequestOptions } from "../../../cli/hub/requests.ts";
import { standIns } from "../../stand_ins.ts";

const endpoint = "https://hub.test/at";
const question = { access: { endpoint, token: "hf_x" }, name: "a/b" };

/** An answer: its status, and where it leads. */
type Answer = readonly [status: number, location?: string];

/** What a hub is asked that gives these answers in turn, and what becomes of them. */
async function asked(answers: readonly (Answer | Error)[], options?: RequestOptions) {
  const requests: (readonly [url: string, init: RequestInit])[] = [];
  const cancelled: number[] = [];
  const fetch = (url: URL, init: RequestInit) => {
    const answer = answers[requests.length] ?? [200];
    requests.push([String(url), init]);
    if (answer instanceof Error) return Promise.reject(answer);
    const [status, location] = answer;
    const cancel = () => void cancelled.push(status);
    const body = status === 304 ? null : new ReadableStream({ cancel });
    return Promise.resolve(
      new Response(body, { status, ...location !== undefined && { headers: { location } } }),
    );
  };
  using _ = standIns(globalThis, { fetch });
  const outcome = await askHub(question, "/x", options).then(
    ({ status }) => status,
    (error: Error) => `${error.name}: ${error.message}`,
  );
  return { outcome, requests, cancelled };
}

Deno.test("a request goes to the hub with the token, and on to its storage without", async () => {
  const { signal } = new AbortController();
  const storage = "https://store.test/y";
  const found = await asked([[302, storage], [307, "z"]], { headers: { range: "r" }, signal });
  const own = { "accept-encoding": "identity", range: "r" };
  const redirect = "manual";
  assertEquals(found, {
    outcome: 200,
    requests: [
      [`${endpoint}/x`, {
        headers: { ...own, authorization: "Bearer hf_x" },
        ...{ redirect, signal },
      }],
      [storage, { headers: own, redirect, signal }],
      ["https://store.test/z", { headers: own, redirect, signal }],
    ],
    cancelled: [302, 307],
  });
  assertEquals((await asked([])).requests, [
    [`${endpoint}/x`, {
      headers: { "accept-encoding": "identity", authorization: "Bearer hf_x" },
      redirect,
    }],
  ]);
});

Deno.test("five redirects are followed, and each status has its outcome", async () => {
  const again: Answer = [301, "/at/x"];
  const rows: readonly (readonly [answers: readonly (Answer | Error)[], outcome: unknown])[] = [
    [[again, again, again, again, again], 200],
    [
      [again, again, again, again, again, again],
      `ConnectionError: ${endpoint} redirects in a circle: try again later`,
    ],
    [[[300, "/at/x"]], 200],
    [[[399, "/at/x"]], 200],
    [
      [[400, "/at/x"]],
      `UserError: ${endpoint} answers with the status 400 when it is asked for a/b, which was not expected`,
    ],
    [
      [[304]],
      `UserError: ${endpoint} answers with the status 304 when it is asked for a/b, which was not expected`,
    ],
    [
      [[302, "https://store.test/y"], [403]],
      `ConnectionError: store.test, where ${endpoint} keeps the files of a/b, answers with the status 403: try again later`,
    ],
    [
      [[302, "http://hub.test/y"]],
      "ConnectionError: hub.test redirects to an address that is not safe: try again later",
    ],
    [
      [[302, "https://"]],
      "ConnectionError: hub.test redirects to an address that is not safe: try again later",
    ],
    [
      [new TypeError("of the network")],
      "ConnectionError: hub.test can't be reached, or the connection was lost: check the network, and the proxy if there is one (HTTPS_PROXY)",
    ],
    [[new RangeError("a defect")], "RangeError: a defect"],
  ];
  for (const [answers, outcome] of rows) assertEquals((await asked(answers)).outcome, outcome);
});

Deno.test("the reason of a signal is thrown as it is", async () => {
  const [reason, stop] = [new UserError("stopped"), new AbortController()];
  assertEquals(connectionError(reason, "hub.test", stop.signal), reason);
  stop.abort(reason);
  const { outcome } = await asked([new TypeError("of the network")], { signal: stop.signal });
  assertEquals(outcome, "UserError: stopped");
  const refused = connectionError(new Deno.errors.NotCapable(), "hub.test");
  assertEquals(
    String(refused),
    "UserError: Deno was not given the permission to reach hub.test (--allow-net=hub.test)",
  );
});

Deno.test("a refusal names the page of a model or a dataset, and as much of a revision as fits", () => {
  const told = (kind: "model" | "dataset", code: string, token?: string) =>
    refusal(
      {
        ...{ access: { endpoint, ...token && { token } }, name: "a/b", kind },
        revision: "v".repeat(90),
      },
      403,
      code,
    ).message;
  const shown = abridged("v".repeat(90), 80);
  assertEquals(
    (["model", "dataset"] as const).flatMap((kind) =>
      ["GatedRepo", "RepoNotFound", "RevisionNotFound"].flatMap((code) => [
        told(kind, code),
        told(kind, code, "hf_x"),
      ])
    ),
    (["model", "dataset"] as const).flatMap((kind) => {
      const page = kind === "model" ? `${endpoint}/a/b` : `${endpoint}/datasets/a/b`;
      const settings = `${endpoint}/settings/tokens`;
      const revision =
        `a/b has no revision ${shown}: see its branches and tags at ${page}/tree/main`;
      return [
        `a/b is gated: accept its licence at ${page}, and set HF_TOKEN to a token of your account from ${settings}`,
        `a/b is gated, and the account of the token has no access: accept the licence at ${page}, or see there whether your request waits for an answer`,
        `a/b is not a ${kind} at ${endpoint}, or it is private: check the name, or set HF_TOKEN to a token from ${settings} that may read it`,
        `a/b is not a ${kind} at ${endpoint} that the token may read: check the name, and the rights of the token at ${settings}`,
        revision,
        revision,
      ];
    }),
  );
  assertEquals(
    [undefined, "hf_x"].map((token) =>
      refusal({ ...question, access: { endpoint, ...token && { token } } }, 429, null).message
    ),
    [", or set HF_TOKEN, which allows more", ""].map((more) =>
      `${endpoint} was asked too often: wait some minutes${more}`
    ),
  );
});

Deno.test("names have 96 characters at most, and revisions 256, each part by the rules", async () => {
  assertEquals(["a".repeat(96), "a".repeat(97)].map(isHubName), [true, false]);
  assertEquals(requireHubName("a/b"), "a/b");
  await assertRejects(async () => await requireHubName("a--b"), UserError, '"a--b" is no name');
  const revisions = ["main", "refs/pr/1", "v1.0+a@b", "r".repeat(256)];
  assertEquals(revisions.map(requireRevision), revisions);
  for (const wrong of ["", "a//b", "..", "a/../b", "a b", "refs/", "r".repeat(257)]) {
    await assertRejects(async () => await requireRevision(wrong), UserError, "is no revision");
  }
  assertEquals(refusal(question, 500, null) instanceof ConnectionError, true);
});
