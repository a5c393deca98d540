// What came in and what went out.

import { actionForm } from "./actions.js";
import { get } from "./data.js";
import { el } from "./dom.js";
import { pretty } from "./format.js";
import { field, pages, table, time, withQuery } from "./components.js";

const COLUMNS = ["Time", "Direction", "Type", "Run", "Detail"];
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

function row({ id, at, direction, type, detail, runId }) {
  return el(
    "tr",
    { key: id },
    el("td", {}, time(at)),
    el("td", {}, DIRECTIONS[direction]),
    el("td", {}, el("code", {}, type)),
    el("td", {}, runId ? el("a", { href: `/runs/${runId}` }, "See run") : "–"),
    el(
      "td",
      { class: "wide" },
      el("details", {}, el("summary", {}, "Show"), el("pre", { tabindex: "0" }, pretty(detail))),
    ),
  );
}

function sender(app) {
  const fields = (form) => ({ type: form.get("type"), detail: parse(form.get("detail")) });
  return el(
    "details",
    { key: "sender" },
    el("summary", {}, "Send an event"),
    actionForm(
      app,
      { name: "event", fields, done: () => "The event is on the bus.", label: "Send" },
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
