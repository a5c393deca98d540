// What came in and what went out.

import { actionForm } from "./actions.js";
import { get } from "./data.js";
import { el } from "./dom.js";
import { pretty } from "./format.js";
import { code, field, link, pages, status, table, time, tr, wide, withQuery } from "./components.js";

const COLUMNS = ["Time", "Direction", "Type", "Outcome", "Run", "Detail"];
const SENT = "The event is on the bus. The list shows its outcome.";
const DIRECTIONS = { in: "received", out: "sent" };

export default {
  title: () => "Events",

  load: ({ query }, signal) => get("events", { before: query.get("before") }, signal),

  render({ events, next }, { query }, app) {
    return [
      el("h1", {}, "Events"),
      app.overview.simulated && sender(app),
      table("Events, newest first", COLUMNS, events.map(row)),
      pages(query.get("before"), next, (before) => withQuery(query, { before })),
    ];
  },
};

function row({ id, at, direction, type, outcome, reason, detail, runId }) {
  const run = runId ? link(`/runs/${runId}`, "See run") : "–";
  const shown = el("pre", { tabindex: "0" }, pretty(detail));
  const details = el("details", {}, el("summary", {}, "Show"), shown);
  const result = reason ? wide(status(outcome), ": ", reason) : status(outcome);
  return tr(id, time(at), DIRECTIONS[direction], code(type), result, run, wide(details));
}

function sender(app) {
  const fields = (form) => ({ type: form.get("type"), detail: parse(form.get("detail")) });
  return el(
    "details",
    { key: "sender" },
    el("summary", {}, "Send an event"),
    actionForm(
      app,
      { name: "event", fields, done: () => SENT, label: "Send" },
      field("Type", "type", { value: "test/sync", required: true }),
      field("Detail, as JSON", "detail", { value: "{}", required: true }),
    ),
  );
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("The detail is not valid JSON.");
  }
}
