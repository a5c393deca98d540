// Builds elements and updates them in place.
//
// A view describes what should be on the screen; `morph` changes only what differs, so that live
// updates keep focus, scroll positions, open details and half-typed input. Text only ever becomes
// a text node: nothing that a mail or a database says can become markup.

const SVG = "http://www.w3.org/2000/svg";
const HANDLERS = ["onclick", "oninput", "onchange", "onsubmit", "onkeydown"];

/**
 * An HTML element. `attributes` are set as they are named, except: handlers (`onclick`, ...),
 * `style` (an object of CSS properties), `key` (identity within the parent, for `morph`) and `tick`
 * (a function that brings the node up to date, called once a second).
 * null, undefined and false leave an attribute or a child out; arrays of children are flattened.
 */
export function el(name, attributes = {}, ...children) {
  return build(document.createElement(name), attributes, children);
}

/** The same in the SVG namespace. */
export function svg(name, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, name), attributes, children);
}

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (HANDLERS.includes(name)) node[name] = value;
    else if (name === "key") node.key = String(value);
    else if (name === "style") setStyle(node, value);
    else if (name === "tick") setTick(node, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

// A style attribute is refused by the page's own policy, the style object is not.
export function setStyle(node, properties) {
  for (const [name, value] of Object.entries(properties)) node.style.setProperty(name, value);
}

function setTick(node, tick) {
  node.tick = tick;
  node.setAttribute("data-tick", "");
}

/** What changes with the clock alone: `content()` makes it, now and once a second. */
export function ticking(content) {
  const make = () => el("span", { tick: (node) => morph(node, make()) }, content());
  return make();
}

/** Brings up to date what changes with the clock; everything else is left alone. */
export function tickAll(root) {
  for (const node of root.querySelectorAll("[data-tick]")) node.tick(node);
}

/** Makes `live` equal to `wanted`, keeping every node that can be kept; returns the live node. */
export function morph(live, wanted) {
  if (!alike(live, wanted)) {
    live.replaceWith(wanted);
    return wanted;
  }
  if (live.nodeType === Node.TEXT_NODE) {
    if (live.data !== wanted.data) live.data = wanted.data;
    return live;
  }
  const before = proposed(live);
  morphAttributes(live, wanted);
  morphChildren(live, wanted);
  // Only a new proposal is shown: what the user has typed or chosen since the last one stays.
  if (proposed(live) !== before) live.value = proposed(live);
  return live;
}

function alike(one, other) {
  return one.nodeName === other.nodeName && one.key === other.key;
}

function morphAttributes(live, wanted) {
  // Reading is cheap, writing is not, and most nodes of a long table have none of these.
  for (const name of HANDLERS) if (live[name] !== wanted[name]) live[name] = wanted[name];
  if (live.tick !== wanted.tick) live.tick = wanted.tick;
  const isStyled = live.hasAttribute("style") || wanted.hasAttribute("style");
  if (isStyled && live.style.cssText !== wanted.style.cssText) {
    live.style.cssText = wanted.style.cssText;
  }
  for (const { name } of [...live.attributes]) {
    const readersOwn = name === "open" || name === "style";
    if (!readersOwn && !wanted.hasAttribute(name)) live.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (name !== "style" && live.getAttribute(name) !== value) live.setAttribute(name, value);
  }
}

function morphChildren(live, wanted) {
  const wantedKeys = new Set([...wanted.childNodes].map((child) => child.key));
  const keyed = new Map();
  for (const child of [...live.childNodes]) {
    // Removed first: moving the others around it would take the focus away from them.
    if (child.key && !wantedKeys.has(child.key)) child.remove();
    else if (child.key) keyed.set(child.key, child);
  }
  let next = live.firstChild;
  for (const child of [...wanted.childNodes]) {
    const kept = child.key ? keyed.get(child.key) : next && !next.key ? next : null;
    if (kept && alike(kept, child)) {
      if (kept === next) next = next.nextSibling;
      else live.insertBefore(kept, next);
      morph(kept, child);
    } else {
      live.insertBefore(child, next);
    }
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

/** What the page wants a field to hold; null for everything that is not a field. */
function proposed(node) {
  if (node.tagName === "INPUT") return node.getAttribute("value") ?? "";
  if (node.tagName !== "SELECT") return null;
  const option = node.querySelector("option[selected]") ?? node.querySelector("option");
  return option?.getAttribute("value") ?? "";
}
