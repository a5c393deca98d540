// Print what nodemailer's mailparser reads of each message file, one JSON object per line.
import { readdirSync, readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, folder] = process.argv.slice(2);
const { simpleParser } = createRequire(join(modules, "package.json"))("mailparser");
const options = { skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true, keepCidLinks: true };

const people = (field) =>
  [field ?? []]
    .flat()
    .flatMap((list) => list.value ?? [])
    .flatMap((each) => each.group ?? [each])
    .map((each) => [each.name ?? "", each.address ?? ""]);

for (const file of readdirSync(folder).sort()) {
  try {
    const mail = await simpleParser(readFileSync(join(folder, file)), options);
    console.log(JSON.stringify({
      file,
      subject: mail.subject ?? "",
      people: ["from", "to", "cc"].map((name) => people(mail[name])),
      date: mail.headers.get("date") instanceof Date ? mail.headers.get("date").getTime() / 1000 : null,
      text: mail.text ?? "",
      html: mail.html || "",
      attachments: mail.attachments.map((each) => [
        each.filename ?? "",
        each.content.length,
        createHash("sha256").update(each.content).digest("hex"),
      ]),
    }));
  } catch (error) {
    console.log(JSON.stringify({ file, error: String(error) }));
  }
}
