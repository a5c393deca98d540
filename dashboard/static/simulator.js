// What senders and bad days do to the simulated provider, in one panel.

import { accountField } from "./account_field.js";
import { actionButton, actionForm } from "./actions.js";
import { get } from "./data.js";
import { el, morph } from "./dom.js";
import { buttons, choice, field, fine } from "./components.js";

const panel = document.getElementById("simulator");
const toggle = document.getElementById("simulator-toggle");
let address = "";

/** Opens or closes the panel. */
export async function toggleSimulator(app) {
  panel.hidden = !panel.hidden;
  toggle.setAttribute("aria-expanded", String(!panel.hidden));
  await updateSimulator(app);
}

/** Shows what is known now; does nothing while the panel is closed. */
export async function updateSimulator(app) {
  if (panel.hidden) return;
  try {
    // An account that is being deleted has no address.
    const { accounts } = address ? {} : await get("accounts", { search: "@", limit: 1 });
    address ||= accounts[0]?.emailAddress ?? "";
  } catch {
    // The connection's loss is shown elsewhere; the panel keeps what it knows.
  }
  draw(app);
}

function draw(app) {
  const here = { ...app, redraw: () => (app.redraw(), draw(app)) };
  const wanted = el(
    "div",
    {},
    el("h2", {}, "Simulator"),
    fine("What happens at the provider. A sync brings it here."),
    network(here),
    mail(here),
  );
  if (panel.firstChild) morph(panel.firstChild, wanted);
  else panel.append(wanted);
}

function network(app) {
  const button = (label, name, report) => actionButton(app, label, { name, done: () => report });
  return [
    el("h3", {}, "Network"),
    buttons(
      button("Cut network", "cut-network", "The provider cannot be reached now."),
      button("Throttle 30 s", "throttle", "The provider rejects requests for 30 s."),
      button("Restore network", "restore-network", "The provider can be reached again."),
    ),
  ];
}

function mail(app) {
  const fields = (form) => ({
    address: form.get("address"),
    folder: form.get("folder"),
    subject: form.get("subject"),
    count: Number(form.get("count")),
  });
  const report = () => "Delivered to the provider.";
  const folders = ["inbox", "archive", "sentitems", "drafts", "junkemail"];
  return [
    el("h3", {}, "Deliver mail"),
    actionForm(
      app,
      { name: "deliver", fields, done: report, label: "Deliver" },
      accountField(app, "Mailbox", { name: "address", value: address }),
      choice("Folder", "folder", folders.map((each) => [each, each]), "inbox"),
      field("Subject", "subject", { value: "A new mail" }),
      field("How many", "count", { type: "number", value: "1", min: "1", max: "1000" }),
    ),
    fine("Open a message in Mailbox to move it, delete it or mark it read."),
  ];
}
