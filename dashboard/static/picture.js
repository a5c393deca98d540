// The picture of a state machine, drawn from coordinates that the server worked out.

import { el, svg } from "./dom.js";

const RADIUS = 5;
const LABEL = 24;
// Of the words beside a line, in pixels.
const LETTER = 6;
const HIGH = 13;

/**
 * picture: {width, height, nodes: [{name, type, x, y, width, height, inside}], edges}.
 * states: what became of each state in a run, by its name; without it nothing is coloured.
 */
export function picture({ width, height, nodes, edges }, { label, states = null }) {
  const frames = nodes.filter((node) => node.type === "Map");
  const others = nodes.filter((node) => node.type !== "Map");
  const draw = (node) => state(node, states?.[node.name] ?? (states ? "pending" : "plain"));
  return el(
    "div",
    { class: "picture", tabindex: "0", role: "region", "aria-label": label },
    svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
      arrowhead(),
      frames.map(draw),
      edges.map(edge),
      captions(edges, others),
      others.map(draw),
    ),
  );
}

function arrowhead() {
  const shape = svg("path", { d: "M0 0 L8 4 L0 8 z" });
  const box = { viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7 };
  return svg("defs", {}, svg("marker", { id: "arrow", orient: "auto", ...box }, shape));
}

function state({ name, type, x, y, width, height }, became) {
  const isFrame = type === "Map";
  const round = type === "Choice" ? height / 2 : RADIUS;
  const text = isFrame ? { x: x + 10, y: y + 18 } : { x: x + width / 2, y: y + height / 2 };
  return svg(
    "g",
    { class: `state is-${type.toLowerCase()} became-${became}`, key: name },
    svg("title", {}, became === "plain" ? `${name} (${type})` : `${name}: ${became}`),
    svg("rect", { x, y, width, height, rx: round }),
    svg("text", text, name),
  );
}

function edge({ points, label, kind }) {
  const path = points.map(([px, py], at) => `${at ? "L" : "M"}${px} ${py}`).join(" ");
  return svg(
    "g",
    { class: `edge is-${kind}` },
    svg("path", { d: path, "marker-end": "url(#arrow)" }, label && svg("title", {}, label)),
  );
}

/** The words of the ways, above every line so that none strikes them through. */
function captions(edges, nodes) {
  const taken = nodes.map(({ x, y, width, height }) => ({ x, y, width, height }));
  return edges
    .filter(({ label, kind }) => label && kind !== "catch")
    .map(({ points, label }) => {
      const text = short(label);
      const free = besides(points, text).find((box) => !taken.some((other) => overlap(box, other)));
      const box = free ?? besides(points, text)[0];
      taken.push(box);
      return svg("g", { class: "edge" }, svg("text", { x: box.x, y: box.y + HIGH - 3 }, text));
    });
}

/** Where a caption may stand: right of, then left of each stretch of the line, the longest first. */
function besides(points, text) {
  const width = text.length * LETTER;
  return points
    .slice(1)
    .map(([x, y], at) => {
      const [fromX, fromY] = points[at];
      return { x: (x + fromX) / 2, y: (y + fromY) / 2, long: Math.abs(x - fromX + y - fromY) };
    })
    .sort((one, other) => other.long - one.long)
    .flatMap(({ x, y }) => [x + 5, x - 5 - width].map((left) => ({ x: left, y: y - HIGH / 2 })))
    .map((at) => ({ ...at, width, height: HIGH }));
}

const overlap = (one, other) =>
  one.x < other.x + other.width && other.x < one.x + one.width &&
  one.y < other.y + other.height && other.y < one.y + one.height;

const short = (label) => (label.length > LABEL ? `${label.slice(0, LABEL - 1)}…` : label);
