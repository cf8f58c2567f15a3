/** A local server that behaves as the hub does, and a second one where it keeps large files. */
import { createHash } from "node:crypto";

/** A request that a server got. */
export interface Asked {
  readonly where: "hub" | "storage";
  readonly method: string;
  readonly path: string;
  readonly authorization: string | null;
  readonly range: string | null;
}

/** What a storage does wrong, for one response: it begins, and then… */
export type Fault = { readonly after: number; readonly how: "ends" | "breaks" | "stalls" };

/** A model on the hub. */
export interface ServedModel {
  /** The commit of each revision. */
  readonly revisions: Record<string, string>;
  /** The files of each commit. */
  readonly commits: Record<string, Record<string, Uint8Array<ArrayBuffer>>>;
  /** Who may read it (default: everyone). */
  readonly access?: "private" | "gated";
}

/** A hub with models. */
export interface Hub extends AsyncDisposable {
  readonly endpoint: string;
  /** The origin of the storage. */
  readonly storage: string;
  readonly models: Record<string, ServedModel>;
  readonly asked: Asked[];
  /** The token of the account that may do everything. */
  readonly token: string;
  /** What goes wrong, one response of the storage after the other. */
  readonly faults: Fault[];
  /** What the storage sends in place of a content, by digest. */
  readonly changed: Map<string, Uint8Array<ArrayBuffer>>;
  /** The new names of models. */
  readonly moved: Map<string, string>;
  /** Whether the storage sends whole contents when it is asked for parts. */
  ignoresRanges: boolean;
  /** The status with which the hub answers everything. */
  trouble: number | undefined;
  /** Called with what is asked for when a model is made. */
  onMade: (asked: unknown) => void;
  /** The paths of the requests for contents. */
  contents(): string[];
}

const sha256 = (content: Uint8Array) => createHash("sha256").update(content).digest("hex");

/** Git's digest of a file. */
export const gitDigest = (content: Uint8Array): string =>
  createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");

/** Whether the hub keeps a file apart. */
const isLarge = (name: string) => /\.(?:safetensors|parquet)$/.test(name);

/** The name of a file's content in the cache. */
export const digestOf = (name: string, content: Uint8Array): string =>
  isLarge(name) ? sha256(content) : gitDigest(content);

/** Lets pages of other origins read a response, as the hub and its storage do. */
function open(response: Response): Response {
  const { status, body } = response;
  const headers = new Headers(response.headers);
  headers.set("access-control-allow-origin", "*");
  headers.set("access-control-allow-headers", "range");
  headers.set("access-control-expose-headers", "content-range, x-error-code");
  return new Response(body, { status, headers });
}

const failed = (status: number, code: string) =>
  new Response(null, { status, headers: { "x-error-code": code, "x-error-message": code } });

/** Starts a hub. */
export function startHub(models: Record<string, ServedModel>): Hub {
  const asked: Asked[] = [];
  const faults: Fault[] = [];
  const changed = new Map<string, Uint8Array<ArrayBuffer>>();
  const blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  const uploads = new Map<string, Uint8Array<ArrayBuffer>>();
  const stalled: ReadableStreamDefaultController<Uint8Array>[] = [];
  const token = "hf_tokenOfTheTest";

  const note = (where: Asked["where"], request: Request) => {
    const { pathname, search } = new URL(request.url);
    const authorization = request.headers.get("authorization");
    const range = request.headers.get("range");
    asked.push({ where, method: request.method, path: pathname + search, authorization, range });
    return decodeURIComponent(pathname);
  };

  /** The part of a content that is asked for, with one fault. */
  const part = (content: Uint8Array<ArrayBuffer>, request: Request, fault?: Fault): Response => {
    const asked = hub.ignoresRanges ? null : request.headers.get("range");
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(asked ?? "") ?? [];
    const begin = Number(from ?? 0);
    const end = to === undefined || to === "" ? content.length : Number(to) + 1;
    const rest = content.subarray(begin, end);
    const isPart = rest.length < content.length;
    const headers = new Headers(
      isPart ? { "content-range": `bytes ${begin}-${end - 1}/${content.length}` } : {},
    );
    const status = isPart ? 206 : 200;
    if (fault === undefined) return new Response(rest, { status, headers });
    // A stream that ends before the length that was promised breaks the connection.
    if (fault.how === "breaks") headers.set("content-length", `${rest.length}`);
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(rest.subarray(0, fault.after));
        if (fault.how === "stalls") stalled.push(controller);
        else controller.close();
      },
    });
    return new Response(body, { status, headers });
  };

  const stored = async (request: Request): Promise<Response> => {
    const digest = note("storage", request).split("/").at(-1) ?? "";
    if (request.method === "PUT") {
      const content = await request.bytes();
      if (sha256(content) !== digest) return new Response(null, { status: 400 });
      uploads.set(digest, content);
      return new Response();
    }
    const content = changed.get(digest) ?? blobs.get(digest);
    return content === undefined
      ? new Response(null, { status: 403 })
      : part(content, request, faults.shift());
  };
  const storage = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => open(await stored(request)),
  );

  const listing = (commit: string, files: Record<string, Uint8Array<ArrayBuffer>>) => ({
    sha: commit,
    siblings: Object.entries(files).map(([rfilename, content]) => ({
      rfilename,
      size: content.length,
      blobId: gitDigest(content),
      ...isLarge(rfilename) &&
        { lfs: { sha256: sha256(content), size: content.length, pointerSize: 134 } },
    })),
  });

  const resolve = (name: string, revision: string, file: string, request: Request): Response => {
    const commit = models[name]?.revisions[revision] ?? revision;
    const content = models[name]?.commits[commit]?.[file];
    if (content === undefined) return failed(404, "EntryNotFound");
    const digest = digestOf(file, content);
    const headers = { etag: `"${digest}"`, "x-repo-commit": commit };
    if (!isLarge(file)) {
      const response = part(changed.get(digest) ?? content, request);
      for (const [key, value] of Object.entries(headers)) response.headers.set(key, value);
      return response;
    }
    blobs.set(digest, content);
    return new Response(null, {
      status: 302,
      headers: {
        ...headers,
        "x-linked-etag": `"${digest}"`,
        "x-linked-size": `${content.length}`,
        location: `http://127.0.0.1:${storage.addr.port}/blobs/${digest}?signature=secret`,
      },
    });
  };

  /** The answer to a name that cannot be read, as the hub gives it. */
  const refusalOf = (name: string, request: Request, isContent: boolean): Response | undefined => {
    const authorization = request.headers.get("authorization");
    const isKnown = authorization === `Bearer ${token}`;
    if (authorization !== null && !authorization.startsWith("Bearer hf_token")) {
      return new Response(null, { status: 401 });
    }
    const model = models[name];
    if (model === undefined || (model.access === "private" && !isKnown)) {
      return failed(authorization === null ? 401 : 404, "RepoNotFound");
    }
    if (model.access !== "gated" || isKnown || !isContent) return undefined;
    return failed(authorization === null ? 401 : 403, "GatedRepo");
  };

  const upload = async (path: string, request: Request): Promise<Response | undefined> => {
    if (request.headers.get("authorization") !== `Bearer ${token}`) {
      return new Response(null, { status: 403 });
    }
    if (path === "/api/repos/create") {
      const body = await request.json();
      const { organization, name } = body;
      hub.onMade(body);
      const full = `${organization}/${name}`;
      if (models[full] !== undefined) return new Response(null, { status: 409 });
      models[full] = { revisions: {}, commits: {} };
      return Response.json({ url: `${hub.endpoint}/${full}`, id: full });
    }
    if (path.includes("/preupload/")) {
      const { files } = await request.json();
      return Response.json({
        files: files.map(({ path }: { path: string }) => ({
          path,
          uploadMode: isLarge(path) ? "lfs" : "regular",
        })),
      });
    }
    if (path.endsWith(".git/info/lfs/objects/batch")) {
      const { objects } = await request.json();
      const href = (oid: string) => `http://127.0.0.1:${storage.addr.port}/upload/${oid}`;
      return Response.json({
        transfer: "basic",
        objects: objects.map(({ oid, size }: { oid: string; size: number }) => ({
          oid,
          size,
          actions: { upload: { href: href(oid) } },
        })),
      });
    }
    const [, name = ""] = /^\/api\/models\/(.+)\/commit\/main$/.exec(path) ?? [];
    const model = models[name];
    if (model === undefined) return undefined;
    const files = { ...model.commits[model.revisions.main ?? ""] };
    for (const line of (await request.text()).split("\n").filter((line) => line !== "")) {
      const { key, value } = JSON.parse(line);
      if (key === "file") files[value.path] = Uint8Array.fromBase64(value.content);
      if (key === "deletedFile") delete files[value.path];
      const uploaded = key === "lfsFile" ? uploads.get(value.oid) : undefined;
      if (uploaded !== undefined) files[value.path] = uploaded;
    }
    const commit = "c".repeat(40);
    model.revisions.main = commit;
    model.commits[commit] = files;
    return Response.json({ success: true, commitOid: commit, commitUrl: "", hookOutput: "" });
  };

  // A dataset's name here begins with "datasets/", as that of its page.
  const answer = async (request: Request): Promise<Response> => {
    const path = note("hub", request);
    if (hub.trouble !== undefined) return new Response(null, { status: hub.trouble });
    for (const [from, to] of hub.moved) {
      if (!path.includes(`/${from}/`)) continue;
      const location = request.url.slice(hub.endpoint.length).replace(`/${from}/`, `/${to}/`);
      return new Response(null, { status: 307, headers: { location } });
    }
    if (request.method === "POST") {
      return await upload(path, request) ??
        failed(404, "RepoNotFound");
    }
    const [, own, wanted] = /^\/api\/((?:models|datasets)\/.+)\/revision\/(.+)$/.exec(path) ?? [];
    const listed = own?.replace(/^models\//, "");
    if (listed !== undefined && wanted !== undefined) {
      const refused = refusalOf(listed, request, false);
      if (refused !== undefined) return refused;
      const model = models[listed];
      const commit = model?.revisions[wanted] ?? wanted;
      const files = model?.commits[commit];
      return files === undefined
        ? failed(404, "RevisionNotFound")
        : Response.json(listing(commit, files));
    }
    const [, name, revision, file] = /^\/(.+)\/resolve\/([^/]+)\/(.+)$/.exec(path) ?? [];
    if (name === undefined || revision === undefined || file === undefined) {
      return failed(404, "RepoNotFound");
    }
    return refusalOf(name, request, true) ?? resolve(name, revision, file, request);
  };
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => open(await answer(request)),
  );

  const hub: Hub = {
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    storage: `http://127.0.0.1:${storage.addr.port}`,
    models,
    asked,
    token,
    faults,
    changed,
    moved: new Map(),
    ignoresRanges: false,
    trouble: undefined,
    onMade: () => {},
    contents: () =>
      asked.filter(({ path }) => /\/(?:resolve|blobs)\//.test(path)).map(({ path }) => path),
    async [Symbol.asyncDispose]() {
      for (const controller of stalled) {
        try {
          controller.close();
        } catch {
          // The reader has gone.
        }
      }
      await Promise.all([server.shutdown(), storage.shutdown()]);
    },
  };
  return hub;
}
