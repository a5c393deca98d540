// What is deployed: the workflows with their pictures, and the functions.

import { get } from "./data.js";
import { el } from "./dom.js";
import { duration } from "./format.js";
import { code, heading, link, numeric, table, tr, wide } from "./components.js";
import { picture } from "./picture.js";

const RETRY_COLUMNS = [
  "Error", ["Attempts", "number"], ["First wait", "number"], ["Longest wait", "number"],
];

export default {
  title: () => "Functions",

  load: (_place, signal) => get("functions", {}, signal),

  render({ workflows, functions }) {
    return [
      el("h1", {}, "Functions"),
      workflows.map(workflow),
      el("h2", {}, "Every function"),
      table(
        "Functions",
        ["Name", "What it does", "Called by", ["Time limit", "number"], ["Memory", "number"]],
        functions.map(row),
      ),
    ];
  },
};

function workflow({ name, purpose, triggers, retries, picture: drawn }) {
  const rules = table(`Retries of ${name}`, RETRY_COLUMNS, retries.map(retry), "Nothing is retried.");
  const starts = el("ul", {}, triggers.map((each) => el("li", {}, each)));
  return el(
    "section",
    { key: name, class: "workflow" },
    el("h2", {}, name),
    el("p", {}, purpose, " ", link("/runs", "See runs")),
    el(
      "div",
      { class: "two" },
      el("div", {}, el("h3", {}, "Started by"), starts),
      el("div", {}, el("h3", {}, "Tried again after"), rules),
    ),
    picture(drawn, { label: `States of ${name}` }),
  );
}

function retry({ errors, maxRetries, intervalS, maxDelayS }) {
  const names = el("td", { class: "codes wide" }, errors.map(code));
  return tr(null, names, numeric(maxRetries), numeric(seconds(intervalS)), numeric(seconds(maxDelayS)));
}

const seconds = (count) => ((count ?? null) === null ? "–" : duration(count * 1000));

const row = ({ name, purpose, trigger, timeoutS, memoryMb }) =>
  tr(
    name, heading(code(name)), wide(purpose), wide(trigger), numeric(`${timeoutS} s`),
    numeric(`${memoryMb} MB`),
  );
