// SPDX-License-Identifier: MIT
// GET by node's http module: http_node.js HOST PORT PATH. Prints the body, or why there is none.
"use strict";
const http = require("http");
const [host, port, path] = process.argv.slice(2);
const start = process.hrtime.bigint();

function end(status, error) {
    if (error) console.error(`failed: ${error.code} ${error.message}`);
    console.error(`elapsed=${(Number(process.hrtime.bigint() - start) / 1e9).toFixed(6)}`);
    process.exitCode = status;
    end = () => {};
}

const request = http.get({ host, port, path, agent: false }, (answer) => {
    const parts = [];
    answer.on("data", (part) => parts.push(part));
    answer.on("error", (error) => end(1, error));
    answer.on("end", () => {
        process.stdout.write(Buffer.concat(parts));
        end(0, null);
    });
});
request.on("error", (error) => end(1, error));
