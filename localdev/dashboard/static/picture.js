// The picture of a state machine, drawn from coordinates that the server worked out.

import { el, svg } from "./dom.js";

const RADIUS = 5;
const LABEL = 24;

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
    label && kind !== "catch" && svg("text", besides(points), short(label)),
  );
}

/** Where a label stands: at the longest stretch of the line near its beginning. */
function besides(points) {
  const stretches = points.slice(1, 4).map(([x, y], at) => {
    const [fromX, fromY] = points[at];
    return { x: (x + fromX) / 2, y: (y + fromY) / 2, long: Math.abs(x - fromX + y - fromY) };
  });
  const { x, y } = stretches.reduce((best, each) => (each.long > best.long ? each : best));
  return { x: x + 5, y: y + 4 };
}

const short = (label) => (label.length > LABEL ? `${label.slice(0, LABEL - 1)}…` : label);
