// SPDX-License-Identifier: MIT
// Runs the script of the agent's page without a browser: page.js SCRIPT URL. Elements are only what the script needs of
// them. Prints what the page shows after its first look, as JSON; any error in the script ends it with status 1.
"use strict";
const fs = require("fs");

class Element {
  constructor(name) { this.name = name; this.children = []; this.attributes = {}; this.dataset = {}; this.own = ""; }
  setAttribute(key, value) { this.attributes[key] = String(value); }
  append(...children) { for (const child of children) this.children.push(typeof child === "string" ? textOf(child) : child); }
  prepend(child) { this.children.unshift(child); }
  replaceChildren(...children) { this.children = children; }
  remove() { }
  addEventListener() { }
  get rows() { return this.children; }
  get lastElementChild() { return this.children[this.children.length - 1]; }
  get textContent() { return this.own + this.children.map((child) => child.textContent).join(" "); }
  set textContent(text) { this.own = text; this.children = []; }
}
const textOf = (text) => { const element = new Element("#text"); element.own = text; return element; };

const found = new Map();
global.document = {
  hidden: false, title: "",
  getElementById: (id) => { if (!found.has(id)) found.set(id, new Element(id)); return found.get(id); },
  createElement: (name) => new Element(name), createElementNS: (space, name) => new Element(name),
  addEventListener: () => { },
};
const messages = [];
global.EventSource = class { constructor(path) { this.path = path; messages.push(this); } };
const url = process.argv[3], request = global.fetch;
const asked = [];
global.fetch = (path, options) => { asked.push(path); return request(url + path, options); };
const later = global.setTimeout;
global.setTimeout = (call, ms, ...rest) => {
  if (call.name !== "poll") return later(call, ms, ...rest); // of fetch itself
  messages[0].onmessage({data: JSON.stringify({time: "2026-01-31T12:00:00.123Z", kind: "state", destination: "<b>", endpoint: null,
    from: "closed", to: "open", reason: "ratio", error: null, count: 2, pid: 7, program: "curl"})});
  const shown = {title: document.title, asked: [...asked, messages[0].path]};
  for (const [id, element] of found) shown[id] = element.textContent;
  console.log(JSON.stringify(shown));
  process.exit(shown.trouble ? 1 : 0);
};
process.on("unhandledRejection", (error) => { console.error(error); process.exit(1); });
new Function(fs.readFileSync(process.argv[2], "utf8"))();
