// What is deployed: the workflows with their pictures, and the functions.

import { get } from "./data.js";
import { el } from "./dom.js";
import { duration } from "./format.js";
import { table } from "./components.js";
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
  return el(
    "section",
    { key: name, class: "workflow" },
    el("h2", {}, name),
    el("p", {}, purpose, " ", el("a", { href: "/runs" }, "See runs")),
    el(
      "div",
      { class: "two" },
      el(
        "div",
        {},
        el("h3", {}, "Started by"),
        el("ul", {}, triggers.map((each) => el("li", {}, each))),
      ),
      el(
        "div",
        {},
        el("h3", {}, "Tried again after"),
        table(`Retries of ${name}`, RETRY_COLUMNS, retries.map(retry), "Nothing is retried."),
      ),
    ),
    picture(drawn, { label: `States of ${name}` }),
  );
}

function retry({ errors, attempts, intervalS, maxDelayS }) {
  const names = [errors].flat().map((each) => el("code", {}, each));
  return el(
    "tr",
    {},
    el("td", { class: "codes wide" }, names),
    el("td", { class: "number" }, attempts),
    el("td", { class: "number" }, seconds(intervalS)),
    el("td", { class: "number" }, seconds(maxDelayS)),
  );
}

const seconds = (count) => (count === null || count === undefined ? "–" : duration(count * 1000));

function row({ name, purpose, trigger, timeoutS, memoryMb }) {
  return el(
    "tr",
    { key: name },
    el("th", { scope: "row" }, el("code", {}, name)),
    el("td", { class: "wide" }, purpose),
    el("td", { class: "wide" }, trigger),
    el("td", { class: "number" }, `${timeoutS} s`),
    el("td", { class: "number" }, `${memoryMb} MB`),
  );
}
