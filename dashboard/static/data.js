// Everything that is fetched, and the loop that hears of changes.

const RETRY_MS = 2000;

class DataError extends Error {}

/** GET /data/PATH. Raises DataError with the server's own sentence. */
export async function get(path, query = {}, signal = undefined) {
  const chosen = Object.entries(query).filter(([, value]) => value !== null && value !== "");
  const search = new URLSearchParams(chosen).toString();
  return ask(`/data/${path}${search ? `?${search}` : ""}`, { signal });
}

/** POST /data/actions/NAME: the action of a button. */
export async function act(name, fields = {}) {
  return ask(`/data/actions/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fields),
  });
}

async function ask(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new DataError("The dashboard's server does not respond. Is `make dev` still running?");
  }
  const document = await response.json().catch(() => ({}));
  if (!response.ok) throw new DataError(document.error ?? `The server answered ${response.status}.`);
  return document;
}

/**
 * Calls `changed()` after every change of runs, accounts or executions, one call at a time, and
 * `connection(isUp)` whenever the server is lost or found. Also calls `changed()` from time to time
 * while `hasFailed()`: what could not be loaded may be there now. Rests while the page is hidden.
 */
export async function follow(changed, connection, hasFailed) {
  let version = 0;
  let isUp = true;
  for (;;) {
    await visible();
    try {
      const heard = await get("changes", { since: version });
      const isNews = heard.version !== version || !isUp || hasFailed();
      version = heard.version;
      if (!isUp) connection((isUp = true));
      if (isNews) await changed();
    } catch {
      if (isUp) connection((isUp = false));
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) =>
    document.addEventListener("visibilitychange", resolve, { once: true }),
  );
}
